"""save(): nested dicts of arrays and plain values to any format that can be written."""

from __future__ import annotations

import os

from . import _model, _native
from ._documents import size_of
from ._progress import Callback, reporting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def save(
    state: Any,
    path: _model.PathLike,
    *,
    format: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    allow_loss: bool = False,
    sync: bool = True,
    shard_size: int | str = 0,
    alignment: int = 0,
    compress: bool = False,
    trusted: Sequence[type] = (),
    progress: bool | Callback | None = None,
) -> None:
    """Writes nested dicts, lists, arrays and plain values; the file is there whole and on disk, or as it was before.

    Arrays may be NumPy's, torch's, TensorFlow's, jax's, or tensors of an opened model; a Model itself, or its tree, is saved as it is. The extension, or
    `format` (an id of formats()), chooses the format. `metadata`: a dict of plain values that travels with the model. `sync=False`
    does not wait for the disk. `shard_size`: bytes, or ``"5GB"``. `alignment`: of each tensor's bytes, a power of two.

    Raises LossError, listing what the format cannot hold, unless `allow_loss`; UnsafeError, naming an object that could not be
    loaded again without running code; StorageError.
    """
    native = build(state, metadata, trusted)
    write(native, path, format, allow_loss, sync, shard_size, alignment, compress, progress)


def build(
    state: Any,
    metadata: Mapping[str, Any] | None,
    trusted: Sequence[type],
    framework: str = "",
    config: dict[str, Any] | None = None,
    side_files: dict[str, bytes] | None = None,
) -> _native.Model:
    from ._describe import Describer

    describe = Describer(trusted, arrays_say_so=framework == "pt").describe
    # A version (torch.__version__) is a text of a class of its own.
    given = None if metadata is None else {key: str(value) if isinstance(value, str) else value for key, value in metadata.items()}
    if isinstance(state, _model.Model) and config is None and side_files is None:
        return state._native if given is None else state._native.with_metadata(describe, given)
    return _native.build(state, describe, given, framework, config, side_files)


def write(
    native: _native.Model,
    path: _model.PathLike,
    format: str | None,
    allow_loss: bool,
    sync: bool,
    shard_size: int | str,
    alignment: int,
    compress: bool,
    progress: bool | Callback | None,
    beside: Mapping[str, _native.Model] | None = None,
    may_go: Sequence[str] = (),
) -> None:
    with reporting(progress, "saving") as tell:
        native.save(
            os.fsdecode(path), format or "", allow_loss, sync, size_of(shard_size), alignment, compress, tell, dict(beside or {}), list(may_go)
        )
