"""Entries of an opened model as torch tensors: storages shared as in the file, read by several threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import _dtypes, _load, _native
from .._progress import Callback
from ..errors import UnsupportedError
from . import _devices

# Where the library's name of a dtype is not torch's.
_OF_TORCH = {"float4_e2m1": "float4_e2m1fn_x2"}
# Quantized elements are integers until they meet their quantizer.
INTEGERS = {"qint8": torch.int8, "quint8": torch.uint8, "qint32": torch.int32}
# Quantized elements smaller than a byte: how many a byte holds.
PACKED = {torch.quint4x2: 2, torch.quint2x4: 4}
# Dtypes that both call the same, an element in whole bytes.
_PLAIN = {
    name: getattr(torch, name)
    for name, (elements, size) in _dtypes.table().items()
    if elements == 1 and size and isinstance(getattr(torch, name, None), torch.dtype) and name not in INTEGERS
}
# Moves a storage, as a flat tensor in the CPU's memory, to where it is to be.
Place = Callable[[torch.Tensor], torch.Tensor]


@functools.lru_cache(maxsize=None)
def dtype_of(name: str) -> torch.dtype:
    """Raises UnsupportedError where torch has none."""
    found = getattr(torch, _OF_TORCH.get(name, name), None)
    if not isinstance(found, torch.dtype) or _dtypes.table().get(name, (1, 0))[1] == 0:
        raise UnsupportedError(f"torch has no dtype for {name}")
    return found


@functools.lru_cache(maxsize=None)
def name_of(dtype: torch.dtype) -> str | None:
    """The library's name of a torch dtype; None where it has none of its own (bits8, quint4x2)."""
    name = str(dtype).removeprefix("torch.")
    name = next((own for own, theirs in _OF_TORCH.items() if theirs == name), name)
    return name if name in _dtypes.table() else None


def load(
    native: _native.Model,
    entries: Sequence[int],
    *,
    device: Any = None,
    dtype: Any = None,
    check: bool = True,
    mapped: bool = False,
    tell: Callback | None = None,
    place: Place | None = None,
) -> list[torch.Tensor]:
    """A tensor for each entry. Tensors that share a storage in the file share one here.

    `place` moves each storage once; without it `device` says where all go. `dtype`: what floating-point tensors become. `mapped`: as
    they lie in the file, where they do and stay in the CPU's memory.
    """
    to = None if dtype is None else _wanted(dtype)
    wholes: dict[int, torch.UntypedStorage] = {}
    memories: Sequence[_native.Memory] = ()
    target = torch.device("cpu" if device is None else device)
    if place is None and (target.type != "cpu" or (to is not None and not mapped)):
        storages, places = _devices.load(native, entries, target, _casts(to), check, tell)
        wholes.update(enumerate(storages))
    else:
        memories, places = native.load_storages(entries, check, mapped, tell)
    used = [0] * len(memories)
    for found in places if memories else ():
        used[found[0]] += 1
    tensors = []
    for number, strides, offset, name, shape in places:
        plain = _PLAIN.get(name)
        if plain is not None and strides is None and number not in wholes and used[number] == 1 and len(memories[number]):
            flat = torch.frombuffer(memories[number], dtype=plain)
            if place is not None:
                flat = place(flat)
            tensors.append(flat if len(shape) == 1 else flat.view(shape))
            continue
        whole = wholes.get(number)
        if whole is None:
            flat = torch.frombuffer(memories[number], dtype=torch.uint8) if len(memories[number]) else torch.empty(0, dtype=torch.uint8)
            whole = wholes[number] = (flat if place is None else place(flat)).untyped_storage()
        tensors.append(_tensor(name, shape, whole, strides, offset))
    return tensors if to is None else [tensor.to(to) if tensor.is_floating_point() else tensor for tensor in tensors]


def _wanted(dtype: Any) -> torch.dtype:
    """torch's own dtypes, their names, and what NumPy takes for a dtype. Raises TypeError, UnsupportedError."""
    if isinstance(dtype, torch.dtype):
        return dtype
    name = str(dtype).removeprefix("torch.") if isinstance(dtype, str) else getattr(_load.numpy_wanted(dtype), "name", "")
    found = getattr(torch, name, None)
    return found if isinstance(found, torch.dtype) else dtype_of(name)


def _casts(to: torch.dtype | None) -> tuple[dict[str, torch.dtype], torch.dtype, str] | None:
    name = None if to is None else name_of(to)
    if to is None or name not in _PLAIN:
        return None
    return {own: dtype for own, dtype in _PLAIN.items() if dtype.is_floating_point and dtype != to}, to, name


def _tensor(name: str, shape: tuple[int, ...], whole: torch.UntypedStorage, strides: Any, offset: int) -> torch.Tensor:
    dtype = INTEGERS.get(name) or dtype_of(name)
    if dtype.itemsize != _dtypes.table()[name][1] or name == "float4_e2m1":
        dtype, shape, strides, offset = _packed(name, shape, strides, offset)
    tensor = torch.empty(0, dtype=dtype, device=whole.device)
    if strides is None:
        return tensor.set_(whole, 0, shape)  # type: ignore[call-overload, no-any-return]
    return tensor.set_(whole, offset, shape, strides)


def _packed(name: str, shape: tuple[int, ...], strides: Any, offset: int) -> Any:
    """torch counts pairs of float4, and takes those that begin a byte; other elements smaller than a byte it does not have."""
    elements = _dtypes.table()[name][0]
    if name != "float4_e2m1" or not shape or shape[-1] % elements:
        raise UnsupportedError(f"torch has no tensors of {name} {list(shape)}")
    if strides is not None:
        if offset % elements or strides[-1] != 1 or any(stride % elements for stride in strides[:-1]):
            raise UnsupportedError(f"torch cannot take a view of {name} whose rows do not begin a byte")
        strides, offset = (*(stride // elements for stride in strides[:-1]), 1), offset // elements
    return torch.float4_e2m1fn_x2, (*shape[:-1], shape[-1] // elements), strides, offset
