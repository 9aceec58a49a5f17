"""holdall.sklearn: scikit-learn estimators, saved and built again without unpickling; and as states of a training.

`save` and `load` are for files of whole estimators, from any version of scikit-learn. An estimator that learns by ``partial_fit`` is handed to
a Checkpointer as it is, ``ckpt.resume(model=estimator)``, with ``ckpt.step()`` behind each ``partial_fit``: nothing here needs to be called for that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._files import load as load
    from ._files import save as save

__all__ = ["load", "save"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import _files

        return getattr(_files, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
