"""load(): a model as the arrays of a framework, in the nesting that was saved."""

from __future__ import annotations

from . import _dtypes, _model, _native
from ._progress import reporting
from .errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from ._build import Trusted
    from ._model import Model, PathLike, Source
    from ._progress import Callback


def load(
    source: Source | Model,
    *,
    framework: str = "numpy",
    device: Any = None,
    dtype: Any = None,
    select: Iterable[str] | None = None,
    check: bool = True,
    mmap: bool = False,
    trusted: Trusted = (),
    policy: PathLike | None = None,
    progress: bool | Callback | None = None,
) -> Any:
    """Everything a file holds, in the same nesting that was saved, with a framework's own tensors.

    `framework`: "numpy", "torch", "tensorflow" or "jax". "torch" gives what ``torch.load(weights_only=True)`` gives for the same
    file: shared storages, OrderedDicts and ``_metadata`` included. `device`: where they go. `dtype`: what floating-point tensors
    become. `select`: globs over names; gives a flat dict of name to tensor. `check=False` skips stored checksums. `mmap=True`
    maps the file instead of copying it, where the bytes lie verbatim in it: what is written into such an array reaches no file, checksums
    are not verified, and a file that is cut short meanwhile ends the process with SIGBUS, so map only what nobody changes.
    `trusted`: classes that may be built beyond those known to be inert, or a dict of what the file calls them to classes. `policy`: a file as
    ``holdall scan --policy`` takes it: what scan() does not call inert under it is not loaded; what it allows must be handed in as `trusted` all the same.

    Raises UnsafeError, naming what could only be built by running code that the file chooses, or what the policy does not allow; CorruptError where a checksum does
    not hold; MissingError, StorageError, UnsupportedError, LimitError.
    """
    loads_all = framework in ("numpy", "torch") and dtype is None and device is None and select is None and not mmap
    if loads_all and not isinstance(source, _model.Model):
        model = _model.open_to_load(source, policy)
    else:
        model = _model.opened(source, policy)
    if framework == "torch":
        from .torch import _load as of_torch

        return of_torch.load(
            model, device=device, dtype=dtype, select=select, check=check, mmap=mmap, trusted=trusted, progress=progress
        )
    if framework not in _CONVERTERS:
        raise ValueError(f"framework {framework!r} is none of numpy, torch, tensorflow, jax")
    if device is not None and framework == "numpy":
        raise ValueError("NumPy's arrays have no device")
    convert = _CONVERTERS[framework]
    # What stays as it is comes in one go; what becomes something else, with little memory beside it.
    most = None if framework == "numpy" and dtype is None else _BATCH_BYTES
    names = list(model)
    with reporting(progress, "loading") as tell:
        if select is not None:
            chosen = selected(names, select)
            arrays = _arrays(model, chosen, check, mmap, tell, most)
            return {name: convert(array, dtype, device) for name, array in zip(chosen, arrays, strict=True)}
        entries = model._native.entries_by_index()
        arrays = _arrays(model, [names[entry] for entry in entries if entry is not None], check, mmap, tell, most)
        tensors = [None if entry is None else convert(next(arrays), dtype, device) for entry in entries]
    from ._build import Builder

    return Builder(trusted, model.path).tree(model._native, tensors, None)


def selected(names: Sequence[str], globs: Iterable[str]) -> list[str]:
    """Names that fit any of the globs, in the model's order."""
    import fnmatch

    patterns = [globs] if isinstance(globs, str) else list(globs)
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


_BATCH_BYTES = 32 << 20


def _arrays(model: Model, names: Sequence[str], check: bool, mmap: bool, tell: Callback | None, most: int | None) -> Iterator[Any]:
    """The arrays of names, one behind another, `most` bytes of them (and one at least) in memory at a time."""
    tensors = [model[name] for name in names]
    total = sum(tensor.nbytes for tensor in tensors)
    done = 0

    def tell_all(loaded: int, _: int) -> None:
        if tell is not None:
            tell(done + loaded, total)

    while tensors:
        size, count = tensors[0].nbytes, 1
        while count < len(tensors) and (most is None or size + tensors[count].nbytes <= most):
            size, count = size + tensors[count].nbytes, count + 1
        batch, tensors = tensors[:count], tensors[count:]
        memories = model._native.load_elements([tensor._entry for tensor in batch], check, mmap, tell and tell_all)
        memories.reverse()
        for tensor in batch:
            yield tensor._array(memories.pop(), tensor.shape)
        done += size


def numpy_wanted(dtype: Any) -> Any:
    """A NumPy dtype of what was asked for: NumPy's own, torch's, or a name. Raises TypeError, UnsupportedError."""
    import numpy

    name = str(dtype).removeprefix("torch.") if isinstance(dtype, str) or type(dtype).__module__ == "torch" else ""
    if _dtypes.is_block(name):
        raise UnsupportedError(f"NumPy has no dtype for {name}")
    if name in _dtypes.table():
        return _dtypes.numpy_dtype(name)
    if not name and not isinstance(dtype, numpy.dtype) and not hasattr(dtype, "dtype") and not isinstance(dtype, type):
        raise TypeError(f"dtype is a dtype of NumPy or torch, or the name of one, not {dtype!r}")
    return numpy.dtype(name or dtype)


def _is_real(array: Any) -> bool:
    return bool(array.dtype.kind == "f" or array.dtype.name.startswith(("bfloat", "float")))


def _numpy(array: Any, dtype: Any, device: Any) -> Any:
    return array.astype(numpy_wanted(dtype), copy=False) if dtype is not None and _is_real(array) else array


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


_CONVERTERS = {"numpy": _numpy, "tensorflow": _tensorflow, "jax": _jax}
