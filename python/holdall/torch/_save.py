"""save(): torch.save's objects in files that torch.load(weights_only=True) takes, whole or not at all, and on disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any

from .. import _model
from .. import _save as _plain
from .._progress import Callback
from ._together import Ranks, once


def save(
    obj: Any,
    f: _model.PathLike | IO[bytes],
    *,
    format: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    sync: bool = True,
    shard_size: int | str = 0,
    alignment: int = 0,
    trusted: Sequence[Any] = (),
    distributed: Ranks = False,
    progress: bool | Callback | None = None,
) -> None:
    """``torch.save``: state dicts, checkpoints, tensors and nestings of them.

    The extension, or `format`, chooses what is written: .pt, .pth, .bin, .ckpt (and no extension) as torch writes it, .safetensors
    with nesting and plain values kept. `f` may be a binary file object; then it is .pt, or what `format` says. What stood at the path
    stays until the new file is there whole; `sync=False` does not wait for the disk. Sharing, ``_metadata``, ``requires_grad``,
    Parameters, quantized, sparse and nested tensors are kept.

    `distributed`: True, or a process group, where every rank of it makes this call: its first rank writes, and all return when the
    file is there, or all raise what went wrong. Without it each process that calls writes, as with torch.save.
    Raises UnsafeError, naming an object that could not be loaded again without running code, unless its class is in `trusted`.
    """

    def write(path: _model.PathLike, form: str | None, durable: bool) -> None:
        native = _plain.build(obj, metadata, trusted, framework="pt")
        if form is None and not os.path.splitext(os.fspath(path))[1]:
            form = "pytorch"
        _plain.write(native, path, form, False, durable, shard_size, alignment, False, progress)

    if isinstance(f, str | os.PathLike):
        path = f
        return once(lambda: write(path, format, sync), distributed)
    file = f

    def write_into() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "archive")
            write(path, format or "pytorch", False)
            with open(path, "rb") as made:
                shutil.copyfileobj(made, file, 1 << 20)

    once(write_into, distributed)
