"""Builders of torch's own objects, keyed like those of holdall/_build.py by the names in the library's table of globals."""

from __future__ import annotations

import collections
import enum
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from .. import _build, _native
from .._build import Builder, Make, Trusted, listed
from .._values import Global
from ..errors import LimitError, UnsafeError, UnsupportedError

_NESTED = "torch.nested._internal.nested_tensor"
_FUNCTIONS = ("torch._C", "_VariableFunctionsClass")
# Classes that torch's own calls are given: of jagged tensors beside their function, of functions to take one from.
_CLASSES = {(_NESTED, "NestedTensor"), _FUNCTIONS}


# More layers than any module has: those of recurrent ones are made one by one from their number.
_MOST_LAYERS = 10_000


class TorchBuilder(Builder):
    def __init__(self, trusted: Trusted, path: str) -> None:
        super().__init__(trusted, path)
        self.makes = MAKES
        self.names = NAMES

    def made(self, builder: str, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_new: bool) -> Any:
        if builder != "module":
            return super().made(builder, module, name, args, kwargs, is_new)
        of = _of_table(module, name)
        if is_new:
            return self.new(of, args)
        if issubclass(of, enum.Enum):
            return of(*args)
        raise UnsafeError(f"the file calls {module}.{name}, which torch's own files do not", path=self.path)

    def set_state(self, made: Any, state: Any) -> Any:
        if type(made) is torch.utils.hooks.RemovableHandle:
            made.__init__(collections.OrderedDict())  # type: ignore[misc]  # its state would count on for the hooks of all modules
            return made
        layers = state.get("num_layers") if isinstance(state, dict) else None
        if isinstance(layers, int) and layers > _MOST_LAYERS:
            raise LimitError(f"{type(made).__qualname__} has {layers} layers, {_MOST_LAYERS} are allowed")
        return super().set_state(made, state)

    def knows(self, module: str, name: str, table: Mapping[str, Any]) -> bool:
        return (table is self.names and (module, name) in _CLASSES) or super().knows(module, name, table)

    def knows_call(self, module: str, name: str, args: tuple[Any, ...]) -> bool:
        """torch.relu and its like are pickled as getattr(torch._C._VariableFunctionsClass, "relu")."""
        if name != "getattr" or module not in ("builtins", "__builtin__") or len(args) != 2 or not isinstance(args[1], str):
            return False
        functions = args[0] == Global(*_FUNCTIONS) if isinstance(args[0], Global) else args[0] is self.named(*_FUNCTIONS)
        return functions and _native.judged("torch", args[1]) == ("function", "inert")

    def called(self, args: tuple[Any, ...]) -> Any:
        return getattr(torch, args[1])

    def named(self, module: str, name: str) -> Any:
        if (module, name) in _CLASSES and f"{module}.{name}" not in self.trusted:
            return getattr(importlib.import_module(module), name)
        return super().named(module, name)


_CONSTANTS = (torch.dtype, torch.layout, torch.qscheme, torch.memory_format)


def _of_torch(module: str, name: str) -> Any:
    """A dtype, layout, scheme or memory format by its name, and nothing else of torch's."""
    found = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(found, _CONSTANTS):
        raise UnsafeError(f"{name} is no dtype, layout, scheme or memory format of torch's")
    return found


def _layout(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _of_torch("torch", str(args[0]))


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
        if function is not _jagged_name("", ""):
            raise UnsafeError("a tensor is made by another function than torch's own", path=builder.path)
        value = function(*inner)
    else:
        value, of, state = args
    if not (isinstance(of, type) and issubclass(of, torch.Tensor)):
        raise UnsafeError(f"a tensor is to be one of {of!r}", path=builder.path)
    if type(value) is not of:
        value = value.as_subclass(of)
    return with_attributes(value, state)


def with_attributes(tensor: torch.Tensor, state: Any) -> torch.Tensor:
    """A tensor with the attributes that were put on it. Raises UnsafeError for one that tensors have themselves."""
    # A jagged tensor's parts stand among its attributes, under names that tensors have methods of.
    own = vars(tensor) if type(tensor).__module__ == _NESTED else ()
    for part in state if isinstance(state, tuple) else (state,):
        for name in part or ():
            if not isinstance(name, str) or (hasattr(torch.nn.Parameter, name) and name not in own):
                raise UnsafeError(f"the file sets {name!r} of a tensor")
    return torch._utils._set_obj_state(tensor, state)  # type: ignore[no-untyped-call, no-any-return]


def _device_tensor(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    data, dtype, _, requires_grad = args[:4]
    tensor = data if isinstance(data, torch.Tensor) else torch.from_numpy(data)
    tensor = tensor.to(dtype)
    tensor.requires_grad = requires_grad
    return tensor


def _jagged_name(module: str, name: str) -> Any:
    return importlib.import_module(_NESTED)._rebuild_njt


def _parameter(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around what a builder made: tensors on the meta device, sparse ones. The library's own have been made already."""
    data, requires_grad, hooks, *state = args
    if hooks:
        raise UnsafeError("a tensor has hooks, which are code", path=builder.path)
    made = torch.nn.Parameter(data, requires_grad)
    return with_attributes(made, state[0]) if state else made


def _storage(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A storage saved by itself: an object of its class around a tensor of all its elements. Untyped ones come back as torch gives
    them back, with the type of bytes."""
    tensor = args[0]
    untyped = tensor.untyped_storage()
    return torch.storage.TypedStorage(wrap_storage=untyped, dtype=tensor.dtype, _internal=True)  # type: ignore[no-untyped-call]


def _plain(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if module == "torch.torch_version":
        return torch.torch_version.TorchVersion(*args)
    return _build.MAKES["plain_class"](builder, module, name, args, kwargs)


def _storage_name(module: str, name: str) -> Any:
    return getattr(torch, name) if hasattr(torch, name) else getattr(torch.storage, name)


def _of_table(module: str, name: str) -> Any:
    """A class or function of torch's that the table of globals lists by exactly this name."""
    try:
        value: Any = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise UnsupportedError(f"torch {torch.__version__} has no {module}.{name}; trusted={{'{module}.{name}': ...}} puts another in its place") from error
    return value


def _module(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return builder.made("module", module, name, args, kwargs, False)


MAKES: dict[str, Make] = {
    **_build.MAKES,
    "module": _module,
    "plain_class": _plain,
    "size": lambda builder, module, name, args, kwargs: torch.Size(*args),
    "device": lambda builder, module, name, args, kwargs: torch.device(*args),
    "layout": _layout,
    "sparse_tensor": _sparse,
    "nested_tensor": _nested,
    "meta_tensor": _meta,
    "parameter": _parameter,
    "parameter_with_state": _parameter,
    "from_type": _from_type,
    "from_type_v2": _from_type,
    "device_tensor": _device_tensor,
    "jagged": lambda builder, module, name, args, kwargs: _jagged_name(module, name)(*args),
    "storage_class": _storage,
}
NAMES: dict[str, Callable[[str, str], Any]] = {
    **_build.NAMES,
    "module": _of_table,
    "function": _of_table,
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
# What the library itself makes tensors of before anybody builds, or what nobody builds without being told to: a test holds these
# and the tables above to be all builders.
NOT_BUILT = frozenset("object tensor tensor_v2 tensor_v3 quantized_tensor wrapper_subclass load_from_bytes framework_enum made_empty getattr time_zone reference numpy_map jax_array state_tuple pandas pandas_class partial distribution attribute_dict".split())
