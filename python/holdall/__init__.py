"""Holdall: one bag for every model.

Opens, checks, converts and writes machine-learning model files without the framework that wrote them and without running the code
inside them. Importing this imports neither NumPy nor any framework.
"""

from ._documents import convert, diff, formats, inspect, match, scan, update, verify
from ._load import load
from ._model import Location, Model, Tensor, open
from ._native import __version__
from ._save import save
from ._values import Global, Object
from .errors import (
    CorruptError,
    Error,
    HoldallWarning,
    LimitError,
    LossError,
    MismatchError,
    MissingError,
    StorageError,
    UnsafeError,
    UnsupportedError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .checkpoints import Checkpointer as Checkpointer

__all__ = [
    "Checkpointer",
    "CorruptError",
    "Error",
    "Global",
    "HoldallWarning",
    "LimitError",
    "Location",
    "LossError",
    "MismatchError",
    "MissingError",
    "Model",
    "Object",
    "StorageError",
    "Tensor",
    "UnsafeError",
    "UnsupportedError",
    "__version__",
    "convert",
    "diff",
    "formats",
    "inspect",
    "load",
    "match",
    "open",
    "save",
    "scan",
    "update",
    "verify",
]


def __getattr__(name: str) -> object:
    # Importing the package is held to what opening a file needs.
    if name == "Checkpointer":
        from .checkpoints import Checkpointer

        return Checkpointer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
