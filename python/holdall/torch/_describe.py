"""What torch's objects are to the library, for saving; _describe.Describer asks here first where torch has been imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..errors import UnsafeError, UnsupportedError
from . import _tensors

if TYPE_CHECKING:
    from .._describe import Describer, Description

_STRIDED = (torch.strided,)


# One element in a byte, however few bits it has; the library's int4 packs two.
_SUB_BYTE = {getattr(torch, f"{sign}int{bits}", None) for sign in ("", "u") for bits in range(1, 8)} - {None}
_NAMES = {dtype: _tensors.name_of(dtype) for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}


def plain(tensor: torch.Tensor, describer: Describer) -> Description:
    """A dense tensor in the CPU's memory: what most are, and a checkpoint may have many thousands. Others go the long way."""
    name = _NAMES.get(tensor.dtype)
    if (
        name is None or not tensor.is_cpu or tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested
        or tensor.is_conj() or tensor.is_neg() or tensor.__dict__ or tensor._backward_hooks or name == "float4_e2m1" or tensor.dtype in _SUB_BYTE
    ):  # fmt: skip
        return _tensor(tensor, describer)
    storage = tensor.untyped_storage()
    address = storage.data_ptr()
    size = storage.nbytes()
    if size == 0 or tensor.numel() == 0:
        return _tensor(tensor, describer)
    return (
        "tensor", address, address, size, name, tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.requires_grad, False,
        None, storage, "",
    )  # fmt: skip


def describe(value: Any, describer: Describer) -> Description | None:
    """None for what is not torch's."""
    if isinstance(value, torch.Tensor):
        return _tensor(value, describer)
    if isinstance(value, torch.dtype | torch.memory_format):
        return describer.global_("torch", str(value).removeprefix("torch."))
    if isinstance(value, torch.layout):
        return describer.object("torch.serialization", "_get_layout", (str(value),))
    if isinstance(value, torch.Size):
        return describer.object("torch", "Size", (tuple(value),))
    if isinstance(value, torch.device):
        return describer.object("torch", "device", (value.type,) if value.index is None else (value.type, value.index))
    if isinstance(value, torch.UntypedStorage | torch.storage.TypedStorage):
        return _storage(value, describer)
    return None


def _storage(value: Any, describer: Describer) -> Description:
    untyped = value if isinstance(value, torch.UntypedStorage) else value.untyped()
    dtype = torch.uint8 if untyped is value else value.dtype
    flat = torch.empty(0, dtype=dtype, device=untyped.device).set_(untyped)
    name = "UntypedStorage" if untyped is value else value.pickle_storage_type()
    return describer.object("torch.storage" if untyped is value else "torch", name, (flat,))


def _tensor(tensor: torch.Tensor, describer: Describer) -> Description:
    attributes: dict[str, Any] = {}
    is_parameter = type(tensor) is torch.nn.Parameter
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return describer.reduced(tensor)
    if tensor.layout not in _STRIDED or tensor.is_nested or tensor.device.type == "meta":
        return describer.reduced(tensor)
    if tensor._backward_hooks:
        raise UnsafeError("a tensor has hooks, which are code; save it without them")
    state = torch._utils._get_obj_state(tensor)  # type: ignore[no-untyped-call]
    if state:
        attributes["state"] = state
    requires_grad = tensor.requires_grad
    tensor = tensor.detach()
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    dtype = tensor.dtype
    if dtype in _SUB_BYTE:
        raise UnsupportedError(f"tensors of {dtype} cannot be saved: they have a byte for each element, and no file says so")
    if tensor.is_quantized:
        attributes["quantizer"] = _quantizer(tensor)
    name = _tensors.name_of(dtype)
    shape: Any = tuple(tensor.shape)
    strides: Any = tensor.stride()
    offset = tensor.storage_offset()
    if dtype in _tensors.PACKED:
        # Their rows fill whole bytes: the bytes are the tensor.
        if not tensor.is_contiguous() or offset:
            raise UnsupportedError(f"views of tensors of {dtype} cannot be saved")
        name, attributes["dtype"], strides = "uint8", dtype, None
        attributes["quantizer"]["shape"] = list(shape)
        shape = (*shape[:-1], -(-shape[-1] // _tensors.PACKED[dtype])) if shape else shape
    elif name is None:
        name = {1: "uint8", 2: "uint16"}.get(dtype.itemsize)
        if name is None:
            raise UnsupportedError(f"tensors of {dtype} cannot be saved")
        attributes["dtype"] = dtype
    elif name == "float4_e2m1":
        if not tensor.is_contiguous() or not shape:
            raise UnsupportedError(f"tensors of {dtype} are saved where they are contiguous and have a dimension")
        shape, strides, offset = (*shape[:-1], shape[-1] * 2), None, offset * 2
    storage = tensor.untyped_storage()
    key: Any = storage.data_ptr() if storage.device.type == "cpu" else (storage.device, storage.data_ptr())
    if storage.device.type != "cpu":
        storage = describer.moved(key, storage)
    size = storage.nbytes()
    if size == 0 or tensor.numel() == 0:
        key, size, strides, offset = ("empty", id(tensor)), 0, None, 0
    return (
        "tensor", key, storage.data_ptr(), size, name, shape, strides, offset, requires_grad, is_parameter, attributes or None,
        (tensor, storage), "",
    )


def _quantizer(tensor: torch.Tensor) -> dict[str, Any]:
    scheme = tensor.qscheme()
    name = str(scheme).removeprefix("torch.")
    if scheme == torch.per_tensor_affine:
        return {"scheme": name, "scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
    if scheme in (torch.per_channel_affine, torch.per_channel_affine_float_qparams):
        return {
            "scheme": name,
            "scales": tensor.q_per_channel_scales(),
            "zero_points": tensor.q_per_channel_zero_points(),
            "axis": tensor.q_per_channel_axis(),
        }
    raise UnsupportedError(f"tensors quantized by {name} cannot be saved")
