"""save(): nested dicts of arrays and plain values to any format that can be written."""

from __future__ import annotations

import os

from . import _collector, _model, _native
from ._documents import size_of
from ._progress import Callback, reporting
from .errors import UnsupportedError

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
    `format` (an id of formats()), chooses the format. `metadata`: a dict of plain values that travels with the model, tensors are none. `sync=False`
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
    staging: Any = None,
) -> _native.Model:
    from ._describe import Describer

    describe = Describer(trusted, arrays_say_so=framework == "pt", staging=staging).describe
    given = None if metadata is None else checked(metadata)
    if isinstance(state, _model.Model) and config is None and side_files is None:
        return state._native if given is None else state._native.with_metadata(describe, given)
    with _collector.put_off():
        return _native.build(state, describe, given, framework, config, side_files)


# The description of a module (torch/_models.py), which names classes and holds no tensors.
_MODULE = "holdall.module"
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def checked(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """As it is kept. Raises TypeError, naming the place, for what is no plain value."""
    given: dict[str, Any] = _plain({key: value for key, value in metadata.items() if key != _MODULE}, "metadata")
    return {**given, _MODULE: metadata[_MODULE]} if _MODULE in metadata else given


def _plain(value: Any, at: str, level: int = 0) -> Any:
    """The value, if it is plain through and through. Raises TypeError naming the place of what is not."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{at} is no text that UTF-8 can hold: {value[:100]!r}")
        return str(value)  # a version (torch.__version__) is a text of a class of its own
    if type(value) in _PLAIN:
        return value
    if level > _DEEPEST:
        raise UnsupportedError(f"{at[:100]} nests deeper than {_DEEPEST} levels, or holds itself")
    if type(value) is dict:
        return {_plain(key, f"{at}: a key", level + 1): _plain(item, f"{at}[{key!r}]", level + 1) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)([_plain(item, f"{at}[{number}]", level + 1) for number, item in enumerate(value)])
    if type(value) in (set, frozenset):
        return type(value)([_plain(item, at, level + 1) for item in value])
    raise TypeError(f"{at} is a {type(value).__module__}.{type(value).__qualname__}: metadata takes plain values; tensors belong in the state")


# Levels of metadata.
_DEEPEST = 200


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
