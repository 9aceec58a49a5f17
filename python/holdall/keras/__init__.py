"""holdall.keras: models of Keras saved, loaded and filled with a report, and callbacks that save a training behind it and take it up exactly where it was.

``save`` writes the files that Keras itself reads, ``load`` builds a model of what the file says only when that runs no code of the file's, ``load_into``
puts weights into a model that is there. A Keras model or optimizer may also be handed to a Checkpointer in a loop of one's own:
``ckpt.resume(model=model)``. Keras is imported with the first of these names that is used.
"""

from __future__ import annotations

from .._report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._backup import BackupAndRestore as BackupAndRestore
    from ._into import load_into as load_into
    from ._load import load as load
    from ._model_checkpoint import ModelCheckpoint as ModelCheckpoint
    from ._placeholder import Placeholder as Placeholder
    from ._save import save as save

__all__ = ["BackupAndRestore", "ModelCheckpoint", "Placeholder", "Report", "load", "load_into", "save"]
_PLACES = {
    "BackupAndRestore": "_backup", "ModelCheckpoint": "_model_checkpoint", "Placeholder": "_placeholder", "load": "_load", "load_into": "_into", "save": "_save",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
