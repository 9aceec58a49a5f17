"""Describer: what Python's objects are to the library, for saving.

Plain values, dicts, lists, tuples and sets the native module takes itself; it asks describe() about everything else, once for each
object (tree.h says what it answers).
"""

from __future__ import annotations

import copyreg
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _dtypes, _model, _native
from ._build import named
from ._values import Global, Object
from .errors import UnsafeError, UnsupportedError

Description = tuple[Any, ...]

# Builders of what is inert in a file of its own framework and built by nobody here.
_UNBUILT = frozenset(("framework_enum", "made_empty", "time_zone", "reference", "numpy_map", "jax_array", "state_tuple", "pandas", "pandas_class", "partial", "distribution", "attribute_dict"))


class _Class(NamedTuple):
    """A class by its name, without importing it."""

    module: str
    name: str


class Describer:
    """`trusted`: classes that may stand in the file beyond those known to be inert, by their names. `arrays_say_so`: arrays of
    NumPy are to come back as such from a file whose tensors are torch's. `staging`: what moves a device's storages (torch/_staging.py)."""

    def __init__(self, trusted: Sequence[Any] = (), *, arrays_say_so: bool = False, staging: Any = None) -> None:
        self._staging = staging
        self._of_array = {"class": _Class("numpy", "ndarray")} if arrays_say_so else None
        self._trusted = named(trusted)
        self._moved: dict[Any, Any] = {}
        self._of_type: dict[type, Callable[[Any], Description]] = {}

    def moved(self, key: Any, storage: Any) -> Any:
        """A device's storage in the CPU's memory, once for all tensors that share it."""
        if key not in self._moved:
            self._moved[key] = storage.cpu() if self._staging is None else self._staging.moved(storage)
        return self._moved[key]

    def describe(self, value: Any) -> Description:
        of = type(value)
        known = self._of_type.get(of)
        if known is None:
            known = self._of_type[of] = self._chosen(of)
        return known(value)

    def _chosen(self, of: type) -> Callable[[Any], Description]:
        torch = sys.modules.get("torch")
        if torch is not None and of is torch.Tensor:
            from .torch import _describe as of_torch

            return lambda value: of_torch.plain(value, self)
        return self._general

    def _general(self, value: Any) -> Description:
        if isinstance(value, _Class):
            return self.global_(*value)
        if isinstance(value, Global):
            return self.global_(value.module, value.name)
        if isinstance(value, Object):
            return self._inert(value)
        if isinstance(value, _model.Tensor):
            return ("model", value._native, value._entry)
        if isinstance(value, _model.Model):
            return self._of_class("collections", "OrderedDict", pairs=list(value.items()))
        if isinstance(value, type | types.FunctionType) or (
            isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType | type | None)
        ):
            return self._named(value)
        # A framework that has not been imported has made nothing that could stand here.
        numpy: Any = sys.modules.get("numpy")
        if numpy is not None:
            if isinstance(value, numpy.ndarray):
                return self._array(value)
            if isinstance(value, numpy.generic) and type(value).__module__ == "numpy":
                if isinstance(value, numpy.longdouble | numpy.clongdouble):
                    raise UnsupportedError(f"numpy.{type(value).__name__} cannot be saved: its size depends on the machine; make it a float64")
                if value.dtype.kind in "biufcSU":
                    return self._of_class("numpy", type(value).__name__, args=(value.item(),))
                return self.reduced(value)
        torch = sys.modules.get("torch")
        if torch is not None:
            from .torch import _describe as of_torch

            described = of_torch.describe(value, self)
            if described is not None:
                return described
        if hasattr(value, "__array__") and hasattr(value, "dtype") and hasattr(value, "shape"):
            import numpy

            return self._array(numpy.asarray(value))
        return self.reduced(value)

    def _inert(self, value: Object) -> Description:
        """An object of an opened model's tree, as it stands in its file."""
        if not isinstance(value.callee, Global):
            raise UnsafeError(f"{value!r} is called by a value that its file computes, and cannot be saved")
        self._check(value.callee.module, value.callee.name)
        name = (value.callee.module, value.callee.name)
        return ("object", name, value.args, value.kwargs or None, value.state, value.items, value.pairs, value.is_new)

    def _named(self, value: Any) -> Description:
        for single in (None, Ellipsis, NotImplemented):
            if value is type(single):  # as pickle spells them
                return self._of_class("builtins", "type", (single,))
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(value, types.BuiltinFunctionType) and getattr(torch, value.__name__, None) == value:
            return self.global_("torch", value.__name__)
        return self.global_(value.__module__ or "", value.__qualname__)

    def global_(self, module: str, name: str) -> Description:
        self._check(module, name)
        return ("global", module, name)

    def reduced(self, value: Any) -> Description:
        """As pickle would take it apart; its class must be known to be inert, or trusted."""
        of = type(value)
        reduce = copyreg.dispatch_table.get(of)
        try:
            parts = reduce(value) if reduce is not None else value.__reduce_ex__(2)
        except TypeError as error:
            raise UnsupportedError(f"{of.__module__}.{of.__qualname__} cannot be saved: {error}") from None
        if isinstance(parts, str):
            return self.global_(of.__module__, parts)
        callee, args, *rest = parts
        rest += [None] * (3 - len(rest))
        state, items, pairs = rest[:3]
        is_new = callee is copyreg.__newobj__  # type: ignore[attr-defined]
        if is_new:
            callee, args = args[0], args[1:]
        return self._of_class(
            callee.__module__,
            callee.__qualname__,
            args,
            state=state,
            items=None if items is None else list(items),
            pairs=None if pairs is None else list(pairs),
            is_new=is_new,
        )

    def _of_class(
        self,
        module: str,
        name: str,
        args: tuple[Any, ...] = (),
        *,
        state: Any = None,
        items: list[Any] | None = None,
        pairs: list[tuple[Any, Any]] | None = None,
        is_new: bool = False,
    ) -> Description:
        self._check(module, name)
        return ("object", (module, name), args, None, state, items or None, pairs or None, is_new)

    object = _of_class

    def _check(self, module: str, name: str) -> None:
        builder, verdict = _native.judged(module, name)
        if f"{module}.{name}" in self._trusted or (verdict == "inert" and builder not in _UNBUILT):
            return
        raise UnsafeError(
            f"{module}.{name} is not known to be inert: what is loaded again could run code; save what it holds instead, "
            "or name it in trusted="
        )

    def _array(self, array: Any) -> Description:
        import numpy

        if isinstance(array, numpy.ma.MaskedArray):
            return self.reduced(array)
        if type(array) not in (numpy.ndarray, numpy.memmap):
            raise UnsupportedError(f"{type(array).__module__}.{type(array).__qualname__} would come back as another class; save numpy.asarray() of it")
        if type(array) is numpy.memmap:
            array = array.view(numpy.ndarray)
        kind = array.dtype.kind
        if kind == "O":
            return self.reduced(array)
        if kind in "US":
            # A width is a file's own; that these are bytes it has to be told.
            logical = f"S{max(array.dtype.itemsize, 1)}" if kind == "S" else ""
            return ("elements", "string", array.shape, _string_elements(array), self._of_array, logical)
        logical = ""
        if kind in "mM":
            logical = array.dtype.name
            array = array.view(numpy.int64)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        name = _dtypes.name_of_numpy(array.dtype)
        if name is None:
            raise UnsupportedError(f"arrays of {array.dtype} cannot be saved")
        elements, size = _dtypes.table()[name]
        if elements != 1:
            raise UnsupportedError(f"arrays of {array.dtype} cannot be saved yet: their elements are smaller than a byte")
        array, base = _with_base(array)
        address = base.__array_interface__["data"][0]
        strides = tuple(stride // size for stride in array.strides)
        offset = (array.__array_interface__["data"][0] - address) // size
        return ("tensor", address, address, base.nbytes, name, array.shape, strides, offset, False, False, self._of_array, base, logical)


def _with_base(array: Any) -> tuple[Any, Any]:
    """An array and the contiguous one whose memory it is in, both with whole-element strides from the first element on."""
    import numpy

    base = array
    while isinstance(base.base, numpy.ndarray) and base.base.size:
        base = base.base
    fits = (
        base.flags.c_contiguous or base.flags.f_contiguous
    ) and all(stride % array.itemsize == 0 and stride >= 0 for stride in array.strides)
    start = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    if fits and start >= 0 and start % array.itemsize == 0 and base.nbytes % array.itemsize == 0:
        return array, base
    array = numpy.ascontiguousarray(array).reshape(array.shape)
    return array, array


def _string_elements(array: Any) -> bytes:
    pieces = []
    for value in array.reshape(-1).tolist():
        piece = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        pieces += [len(piece).to_bytes(8, "little"), piece]
    return b"".join(pieces)
