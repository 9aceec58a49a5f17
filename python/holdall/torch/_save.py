"""save(): torch.save's objects in files that torch.load(weights_only=True) takes, whole or not at all, and on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import _model
from .. import _save as _plain
from .._progress import Callback


def save(
    obj: Any,
    f: _model.PathLike,
    *,
    format: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    sync: bool = True,
    shard_size: int | str = 0,
    alignment: int = 0,
    trusted: Sequence[Any] = (),
    progress: bool | Callback | None = None,
) -> None:
    """``torch.save``: state dicts, checkpoints, tensors and nestings of them.

    The extension, or `format`, chooses what is written: .pt, .pth, .bin, .ckpt (and no extension) as torch writes it, .safetensors
    with nesting and plain values kept. What stood at the path stays until the new file is there whole; `sync=False` does not wait
    for the disk. Sharing, ``_metadata``, ``requires_grad``, Parameters, quantized, sparse and nested tensors are kept.
    Raises UnsafeError, naming an object that could not be loaded again without running code, unless its class is in `trusted`.
    """
    import os

    native = _plain.build(obj, metadata, trusted, framework="pt")
    if format is None and not os.path.splitext(os.fspath(f))[1]:
        format = "pytorch"
    _plain.write(native, f, format, False, sync, shard_size, alignment, False, progress)
