"""Builders of torch's own objects, keyed like those of holdall/_build.py by the names in the library's table of globals."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import _build
from .._build import Builder, Make, listed


_NESTED = "torch.nested._internal.nested_tensor"


class TorchBuilder(Builder):
    def __init__(self, trusted: Sequence[Any], path: str) -> None:
        super().__init__(trusted, path)
        self.makes = MAKES
        self.names = NAMES


    def named(self, module: str, name: str) -> Any:
        if (module, name) == (_NESTED, "NestedTensor"):  # the class that torch's jagged tensors name beside their function
            return importlib.import_module(_NESTED).NestedTensor
        return super().named(module, name)


def _of_torch(module: str, name: str) -> Any:
    return getattr(torch, name.removeprefix("torch."))


def _layout(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return getattr(torch, str(args[0]).removeprefix("torch."))


def _sparse(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """_rebuild_sparse_tensor(layout, parts); torch/_utils.py."""
    layout, parts = args[0], args[1]
    if layout == torch.sparse_coo:
        indices, values, size, *coalesced = parts
        return torch.sparse_coo_tensor(indices, values, size, check_invariants=True, is_coalesced=coalesced[0] if coalesced else None)
    compressed, plain, values, size = parts
    return torch.sparse_compressed_tensor(compressed, plain, values, size, layout=layout, check_invariants=True)


def _nested(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return torch._nested_view_from_buffer(*args)


def _meta(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    dtype, size, stride, requires_grad = args
    return torch.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=requires_grad)


def _from_type(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """(tensor, class, state), or (function, class, arguments, state) where the library leaves the tensor to its builder."""
    if len(args) == 4:
        function, of, inner, state = args
        value = function(*inner)
    else:
        value, of, state = args
    if type(value) is not of:
        value = value.as_subclass(of)
    return torch._utils._set_obj_state(value, state)  # type: ignore[no-untyped-call]


def _device_tensor(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    data, dtype, _, requires_grad = args[:4]
    tensor = data if isinstance(data, torch.Tensor) else torch.from_numpy(data)
    tensor = tensor.to(dtype)
    tensor.requires_grad = requires_grad
    return tensor


def _jagged_name(module: str, name: str) -> Any:
    return importlib.import_module(_NESTED)._rebuild_njt


def _storage(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A storage saved by itself: an object of its class around a tensor of all its elements."""
    tensor = args[0]
    if name in ("UntypedStorage", "_UntypedStorage"):
        return tensor.untyped_storage()
    untyped = tensor.untyped_storage()
    return torch.storage.TypedStorage(wrap_storage=untyped, dtype=tensor.dtype, _internal=True)  # type: ignore[no-untyped-call]


def _plain(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if module == "torch.torch_version":
        return torch.torch_version.TorchVersion(*args)
    return _build.MAKES["plain_class"](builder, module, name, args, kwargs)


def _storage_name(module: str, name: str) -> Any:
    return getattr(torch, name) if hasattr(torch, name) else getattr(torch.storage, name)


MAKES: dict[str, Make] = {
    **_build.MAKES,
    "plain_class": _plain,
    "size": lambda builder, module, name, args, kwargs: torch.Size(*args),
    "device": lambda builder, module, name, args, kwargs: torch.device(*args),
    "layout": _layout,
    "sparse_tensor": _sparse,
    "nested_tensor": _nested,
    "meta_tensor": _meta,
    "from_type": _from_type,
    "from_type_v2": _from_type,
    "device_tensor": _device_tensor,
    "jagged": lambda builder, module, name, args, kwargs: _jagged_name(module, name)(*args),
    "storage_class": _storage,
}
NAMES: dict[str, Callable[[str, str], Any]] = {
    **_build.NAMES,
    "torch_dtype": _of_torch,
    "jagged": _jagged_name,
    "layout": _of_torch,
    "qscheme": _of_torch,
    "memory_format": _of_torch,
    "size": lambda module, name: torch.Size,
    "device": lambda module, name: torch.device,
    "tensor_class": lambda module, name: torch.Tensor if name == "Tensor" else getattr(torch, name),
    "parameter_class": lambda module, name: torch.nn.Parameter,
    "storage_class": _storage_name,
    "plain_class": lambda module, name: torch.torch_version.TorchVersion if module == "torch.torch_version" else listed(module, name),
}
# What the library itself makes tensors of before anybody builds, or what nobody builds without being told to (modules, functions):
# a test holds these and the tables above to be all builders.
NOT_BUILT = frozenset(
    "object tensor tensor_v2 tensor_v3 parameter parameter_with_state quantized_tensor module function wrapper_subclass "
    "load_from_bytes".split()
)
