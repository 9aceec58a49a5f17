"""Entries of an opened model as torch tensors: storages shared as in the file, read by several threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import _dtypes, _native
from .._progress import Callback
from ..errors import UnsupportedError

# Where the library's name of a dtype is not torch's.
_OF_TORCH = {"float4_e2m1": "float4_e2m1fn_x2"}
# Quantized elements are integers until they meet their quantizer.
_INTEGERS = {"qint8": torch.int8, "quint8": torch.uint8, "qint32": torch.int32}
# Dtypes that both call the same, an element in whole bytes.
_PLAIN = {
    name: getattr(torch, name)
    for name, (elements, size) in _dtypes.table().items()
    if elements == 1 and size and isinstance(getattr(torch, name, None), torch.dtype) and name not in _INTEGERS
}
# Moves a storage, as a flat tensor in the CPU's memory, to where it is to be.
Place = Callable[[torch.Tensor], torch.Tensor]


@functools.lru_cache(maxsize=None)
def dtype_of(name: str) -> torch.dtype:
    """Raises UnsupportedError where torch has none."""
    found = getattr(torch, _OF_TORCH.get(name, name), None)
    if not isinstance(found, torch.dtype) or _dtypes.table()[name][1] == 0:
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
    device: Any = "cpu",
    check: bool = True,
    tell: Callback | None = None,
    place: Place | None = None,
) -> list[torch.Tensor]:
    """A tensor for each entry. Tensors that share a storage in the file share one here.

    `place` moves each storage once; without it `device` says where all go.
    """
    if place is None and device is not None and torch.device(device).type != "cpu":
        place = functools.partial(torch.Tensor.to, device=device)
    memories, places = native.load_storages(entries, check, tell)
    used = [0] * len(memories)
    for found in places:
        used[found[0]] += 1
    wholes: dict[int, torch.UntypedStorage] = {}
    tensors = []
    for number, strides, offset, name, shape in places:
        memory = memories[number]
        dtype = _PLAIN.get(name)
        if dtype is not None and strides is None and used[number] == 1 and len(memory):
            flat = torch.frombuffer(memory, dtype=dtype)
            if place is not None:
                flat = place(flat)
            tensors.append(flat if len(shape) == 1 else flat.view(shape))
        else:
            tensors.append(_tensor(name, shape, memory, number, strides, offset, wholes, place))
    return tensors


def _tensor(
    name: str, shape: tuple[int, ...], memory: _native.Memory, number: int, strides: Any, offset: int,
    wholes: dict[int, torch.UntypedStorage], place: Place | None,
) -> torch.Tensor:  # fmt: skip
    dtype = _INTEGERS.get(name) or dtype_of(name)
    if dtype.itemsize != _dtypes.table()[name][1] or name == "float4_e2m1":
        dtype, shape, strides, offset = _packed(name, shape, strides, offset)
    whole = wholes.get(number)
    if whole is None:
        flat = torch.frombuffer(memory, dtype=torch.uint8) if len(memory) else torch.empty(0, dtype=torch.uint8)
        whole = wholes[number] = (flat if place is None else place(flat)).untyped_storage()
    tensor = torch.empty(0, dtype=dtype, device=whole.device)
    if strides is None:
        return tensor.set_(whole, 0, shape)  # type: ignore[call-overload, no-any-return]
    return tensor.set_(whole, offset, shape, strides)


def _packed(name: str, shape: tuple[int, ...], strides: Any, offset: int) -> Any:
    """torch counts pairs of float4; other elements smaller than a byte it does not have."""
    elements = _dtypes.table()[name][0]
    if name != "float4_e2m1" or not shape or shape[-1] % elements:
        raise UnsupportedError(f"torch has no tensors of {name} {list(shape)}")
    if strides is not None:
        strides = None if offset == 0 else strides
        if strides is not None:
            raise UnsupportedError(f"torch cannot take a view of {name} that does not start its storage")
    return torch.float4_e2m1fn_x2, (*shape[:-1], shape[-1] // elements), None, 0
