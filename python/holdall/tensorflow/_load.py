"""load(): a file's tensors as TensorFlow's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _load, _model
from .._build import Trusted
from .._progress import Callback


def load(
    source: _model.Source | _model.Model,
    *,
    device: Any = None,
    dtype: Any = None,
    select: Iterable[str] | None = None,
    check: bool = True,
    trusted: Trusted = (),
    policy: _model.PathLike | None = None,
    progress: bool | Callback | None = None,
) -> Any:
    """holdall.load(framework="tensorflow"): the nesting that was saved, of a checkpoint and a SavedModel that of their objects."""
    return _load.load(
        source, framework="tensorflow", device=device, dtype=dtype, select=select, check=check, trusted=trusted, policy=policy, progress=progress
    )
