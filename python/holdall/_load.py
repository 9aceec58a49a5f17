"""load(): a model as the arrays of a framework, in the nesting that was saved."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import _model, _native
from ._progress import Callback, reporting
from .errors import UnsupportedError

if TYPE_CHECKING:
    from ._model import Model, Source

# Makes the arrays of entries of a model: (native, entries, names, check, tell) -> one for each.
Arrays = Callable[[_native.Model, Sequence[int], Sequence[str], bool, Callback | None], Sequence[Any]]


def load(
    source: Source | Model,
    *,
    framework: str = "numpy",
    device: Any = None,
    dtype: Any = None,
    select: Iterable[str] | None = None,
    check: bool = True,
    mmap: bool = False,
    trusted: Sequence[type] = (),
    progress: bool | Callback | None = None,
) -> Any:
    """Everything a file holds, in the same nesting that was saved, with a framework's own tensors.

    `framework`: "numpy", "torch", "tensorflow" or "jax". "torch" gives what ``torch.load(weights_only=True)`` gives for the same
    file: shared storages, OrderedDicts and ``_metadata`` included. `device`: where they go. `dtype`: what floating-point tensors
    become. `select`: globs over names; gives a flat dict of name to tensor. `check=False` skips stored checksums. `mmap=True`
    maps the file instead of copying it, where the bytes lie verbatim in it (NumPy alone): map only what nobody changes meanwhile.
    `trusted`: classes that may be built beyond those known to be inert.

    Raises UnsafeError, naming what could only be built by running code that the file chooses; CorruptError where a checksum does
    not hold; MissingError, StorageError, UnsupportedError, LimitError.
    """
    model = source if isinstance(source, _model.Model) else _model.open(source)
    if framework == "torch":
        if mmap:
            raise UnsupportedError("torch's tensors are loaded, not mapped; model[name].location says where their bytes are")
        from .torch import _load as of_torch

        return of_torch.load(model, device=device, dtype=dtype, select=select, check=check, trusted=trusted, progress=progress)
    if framework not in _CONVERTERS:
        raise ValueError(f"framework {framework!r} is none of numpy, torch, tensorflow, jax")
    if device is not None and framework == "numpy":
        raise ValueError("NumPy's arrays have no device")
    convert = _CONVERTERS[framework]
    names = list(model)
    with reporting(progress, "loading") as tell:
        if select is not None:
            chosen = selected(names, select)
            return {name: convert(array, dtype, device) for name, array in zip(chosen, _arrays(model, chosen, check, mmap, tell), strict=True)}
        entries = model._native.entries_by_index()
        chosen = [names[entry] for entry in entries if entry is not None]
        arrays = iter(_arrays(model, chosen, check, mmap, tell))
        tensors = [None if entry is None else convert(next(arrays), dtype, device) for entry in entries]
    from ._build import Builder

    return Builder(trusted, model.path).tree(model._native, tensors, None)


def selected(names: Sequence[str], globs: Iterable[str]) -> list[str]:
    """Names that fit any of the globs, in the model's order."""
    patterns = [globs] if isinstance(globs, str) else list(globs)
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _arrays(model: Model, names: Sequence[str], check: bool, mmap: bool, tell: Callback | None) -> list[Any]:
    tensors = [model[name] for name in names]
    if mmap:
        return [_mapped(tensor, check) for tensor in tensors]
    memories = model._native.load_elements([tensor._entry for tensor in tensors], check, tell)
    return [tensor._array(memory, tensor.shape) for tensor, memory in zip(tensors, memories, strict=True)]


def _mapped(tensor: _model.Tensor, check: bool) -> Any:
    import numpy

    from . import _dtypes

    place = tensor.location
    if place is None or _dtypes.table()[tensor.dtype][0] != 1:
        return tensor.numpy(check=check)
    return numpy.memmap(place.path, _dtypes.numpy_dtype(tensor.dtype), "c", place.offset, tensor.shape)


def _is_real(array: Any) -> bool:
    return bool(array.dtype.kind == "f" or array.dtype.name.startswith(("bfloat", "float")))


def _numpy(array: Any, dtype: Any, device: Any) -> Any:
    return array.astype(dtype, copy=False) if dtype is not None and _is_real(array) else array


def _tensorflow(array: Any, dtype: Any, device: Any) -> Any:
    import tensorflow

    with tensorflow.device(device):
        tensor = tensorflow.convert_to_tensor(array)
        return tensorflow.cast(tensor, dtype) if dtype is not None and tensor.dtype.is_floating else tensor


def _jax(array: Any, dtype: Any, device: Any) -> Any:
    import jax

    placed = jax.device_put(_numpy(array, dtype, None), device)
    if placed.dtype != array.dtype and dtype is None:
        raise UnsupportedError(f"jax makes {placed.dtype} of {array.dtype}; enable jax_enable_x64")
    return placed


_CONVERTERS: dict[str, Callable[[Any, Any, Any], Any]] = {"numpy": _numpy, "tensorflow": _tensorflow, "jax": _jax}
