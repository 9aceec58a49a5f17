"""Builders: what the objects of a file become. Keyed by the builder names of the library's table of globals (globals.inc).

A name from a file is looked up in that table, never imported: what a builder makes is written here, and classes beyond it are
those that the caller hands in as trusted.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import _guard, _native
from ._values import Global, fill, inert
from .errors import CorruptError, Error, LimitError, UnsafeError

# make(builder, module, name, args, kwargs): an object. `builder` gives access to what else is needed.
Make = Callable[["Builder", str, str, tuple[Any, ...], dict[str, Any]], Any]
# Classes and functions that may be called beyond the table's: themselves, or a dict of what a file calls them ("module.Class").
Trusted = Sequence[Any] | Mapping[str, Any]


def named(trusted: Trusted) -> dict[str, Any]:
    """What is trusted by the name that a file gives it. Raises TypeError for what is no class or function."""
    pairs = trusted.items() if isinstance(trusted, Mapping) else ((None, given) for given in trusted)
    found = {}
    for name, given in pairs:
        if not isinstance(getattr(given, "__qualname__", None), str) or not isinstance(name, str | None):
            raise TypeError(f"trusted= takes classes and functions, or a dict of names to them, not {name if name is not None else given!r}")
        found[name or f"{given.__module__}.{given.__qualname__}"] = given
    return found


class Builder:
    """Builds one tree."""

    makes: dict[str, Make]
    names: dict[str, Callable[[str, str], Any]]

    def __init__(self, trusted: Trusted, path: str) -> None:
        self.makes = MAKES
        self.names = NAMES
        self.path = path
        self.trusted = named(trusted)

    def tree(self, native: _native.Model, tensors: list[Any], tensor: Callable[..., Any] | None) -> Any:
        """Raises UnsafeError, naming all that is not known to be inert, before anything that was trusted runs."""
        if self.trusted:
            self.check(native)
        try:
            return native.tree("tree", tensors, tensor, self.named, self.make, self.fill)
        except UnsafeError:
            self.check(native)
            raise

    def check(self, native: _native.Model) -> None:
        needed = self.needed(native)
        if needed:
            raise self.unsafe(*needed)

    def needed(self, native: _native.Model) -> list[tuple[str, str]]:
        """The names in a tree that are neither known to be inert nor trusted; nothing is built."""
        found: dict[tuple[str, str], None] = {}

        def named(module: str, name: str) -> Any:
            if not self.knows(module, name, self.names):
                found[module, name] = None
            return Global(module, name)

        def make(module: str | None, name: str | None, callee: Any, args: tuple[Any, ...] | None, *parts: Any) -> Any:
            if module is not None and name is not None and not (self.knows(module, name, self.makes) or self.knows_call(module, name, args or ())):
                found[module, name] = None
            return inert(module, name, callee, args, *parts)

        native.tree("tree", [None] * len(native.entries_by_index()), lambda *parts: None, named, make, fill)
        return list(found)

    def knows(self, module: str, name: str, table: Mapping[str, Any]) -> bool:
        builder, verdict = _native.judged(module, name)
        return f"{module}.{name}" in self.trusted or (builder in table and verdict == "inert")

    def knows_call(self, module: str, name: str, args: tuple[Any, ...]) -> bool:
        """Whether a call is known to be inert with just these arguments; names among them may still be Globals."""
        return False

    def named(self, module: str, name: str) -> Any:
        """What a global stands for where it is a value. Raises UnsafeError for what is not known to be inert."""
        trusted = self.trusted.get(f"{module}.{name}")
        if trusted is not None:
            return trusted
        if not self.knows(module, name, self.names):
            raise self.unsafe((module, name))
        return self.names[_native.judged(module, name)[0]](module, name)

    def make(
        self, module: str | None, name: str | None, callee: Any, args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None, is_new: bool
    ) -> Any:
        if module is None or name is None:
            raise UnsafeError("the file calls a value that it computes", path=self.path)
        trusted = self.trusted.get(f"{module}.{name}")
        if trusted is not None:
            return trusted.__new__(trusted, *(args or ())) if is_new else trusted(*(args or ()), **(kwargs or {}))
        if self.knows_call(module, name, args or ()):
            return self.called(args or ())
        if not self.knows(module, name, self.makes):
            raise self.unsafe((module, name))
        full = f"{module}.{name}"
        builder = _native.judged(module, name)[0]
        with self.blaming(full):
            _guard.arguments(builder, full, args or ())
            return _guard.result(full, self.made(builder, module, name, args or (), kwargs or {}, is_new))

    def called(self, args: tuple[Any, ...]) -> Any:
        """What a call that knows_call() knows gives."""
        raise NotImplementedError

    def made(self, builder: str, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_new: bool) -> Any:
        if is_new and builder == "plain_class":
            return self.new(self.names[builder](module, name), args)
        return self.makes[builder](self, module, name, args, kwargs)

    def new(self, of: Any, args: tuple[Any, ...]) -> Any:
        """An instance without a call of its class, which must be known to be inert, or trusted."""
        if not self.is_trusted(of):
            _guard.new(of, _judged_class(of))
        return of.__new__(of, *args)

    def is_trusted(self, of: Any) -> bool:
        """Whether a class or function was handed in, under whatever name."""
        return any(of is given for given in self.trusted.values())

    def set_state(self, made: Any, state: Any) -> Any:
        """BUILD; what NumPy takes unchecked is checked. Returns the object, or what takes its place."""
        if type(made).__module__.partition(".")[0] == "numpy":
            from . import _numpy_state

            return _numpy_state.set_state(made, state)
        _guard.set_state(made, state, is_trusted=self.is_trusted(type(made)))
        return made

    def unsafe(self, *names: tuple[str, str]) -> UnsafeError:
        listed = ", ".join(f"{module}.{name}" for module, name in names)
        one = len(names) == 1
        return UnsafeError(
            f"{listed} {'is' if one else 'are'} not known to be inert: building {'it' if one else 'them'} could run code that the file "
            f"chooses; name {'it' if one else 'them'} in trusted= to allow it",
            path=self.path,
        )

    def fill(self, made: Any, state: Any, items: list[Any] | None, pairs: list[tuple[Any, Any]] | None) -> Any:
        """What pickle's BUILD, APPENDS and SETITEMS would do, for classes that builders made."""
        with self.blaming(f"{type(made).__module__}.{type(made).__qualname__}"):
            if items or pairs or state is not None:
                _guard.change(made)
            for item in items or ():
                (type(made).add if isinstance(made, set) else type(made).append)(made, item)
            for key, value in pairs or ():
                made[key] = value
            if state is not None:
                made = self.set_state(made, state)
        return made

    @contextlib.contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """What goes wrong inside is the file's fault."""
        try:
            yield
        except Error as error:
            if not error.path:
                raise type(error)(error.message, path=self.path) from None
            raise
        except MemoryError as error:
            raise LimitError(f"{name} would take more memory than there is", path=self.path) from error
        except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CorruptError(f"{name} does not take what the file gives it: {error}", path=self.path) from error


def _judged_class(of: Any) -> tuple[str, str]:
    """(builder, verdict) of a class by the name under which it is known, old names included."""
    module, name = getattr(of, "__module__", ""), getattr(of, "__qualname__", "")
    return _native.judged(str(module), str(name))


def _call(function: Callable[..., Any]) -> Make:
    return lambda builder, module, name, args, kwargs: function(*args, **kwargs)


# Old names of modules of the standard library, and of NumPy.
_MOVED = {"__builtin__": "builtins", "pathlib._local": "pathlib", "_random": "random", "copy_reg": "copyreg"}


def listed(module: str, name: str) -> Any:
    """A class of the standard library or NumPy that the table of globals lists by exactly this name."""
    name = {("builtins", "unicode"): "str", ("builtins", "long"): "int", ("builtins", "xrange"): "range"}.get(
        (_MOVED.get(module, module), name), name
    )
    return getattr(importlib.import_module(_MOVED.get(module, module)), name)


def _plain(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    of = listed(module, name)
    if module == "types":
        return {"NoneType": None, "EllipsisType": Ellipsis}[name]
    return of(*args, **kwargs)


def _namespace(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import argparse

    _guard.attributes(types.SimpleNamespace, kwargs)
    return (types.SimpleNamespace if module == "types" else argparse.Namespace)(**kwargs)


def _new(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """copyreg.__newobj__(class, *args) and copyreg._reconstructor(class, base, state)."""
    of = args[0]
    if name == "_reconstructor":
        base, state = _guard.base(args[1]), args[2]
        return builder.new(of, ()) if base is object else base.__new__(_guard.new(of, _judged_class(of)), state)
    return builder.new(of, args[1:])


def _array(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import array

    if name == "array":
        return array.array(*args)
    _, code, _, data = args
    made = array.array(code)
    made.frombytes(data)
    return made


def _type_of(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not any(args[0] is single for single in (None, Ellipsis, NotImplemented)):
        raise UnsafeError(f"the file asks for the class of {args[0]!r}")
    return type(args[0])


def _numpy_scalar_class(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return listed("numpy", name)(*args)


def _numpy_scalar(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy

    dtype = args[0]
    if not isinstance(args[1], bytes):
        return args[1]
    return numpy.frombuffer(args[1], dtype)[0]


def _numpy_dtype(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy

    # numpy.dtype("O8", False, True) with a state; subclasses in numpy.dtypes take none.
    return numpy.dtype(args[0]) if args else listed("numpy.dtypes", name)()


def _numpy_reconstruct(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy

    of, shape, code = args
    _check_empty(shape)
    return numpy.ndarray.__new__(of, shape, code)


def _check_empty(shape: Any) -> None:
    """NumPy pickles an empty array and fills it by its state."""
    if math.prod(shape):
        raise CorruptError(f"an array of {list(shape)} elements that the file does not have")


def _numpy_from_buffer(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy

    data, dtype, shape, order = args
    return numpy.frombuffer(data, dtype).reshape(shape, order=order).copy(order)


def _numpy_masked(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy

    of, base, shape, code = args[:4]
    _check_empty(shape)
    return numpy.ma.MaskedArray.__new__(of, numpy.ndarray.__new__(base, shape, code), mask=numpy.ndarray.__new__(numpy.ndarray, shape, "b1"), dtype=code)


def _numpy_random(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy.random

    if name.endswith("_ctor"):
        # NumPy's own constructors, called by the names that it pickles.
        constructor = getattr(importlib.import_module("numpy.random._pickle"), name)
        return constructor(*args)
    return getattr(numpy.random, name)(*args) if hasattr(numpy.random, name) else listed(module, name)(*args)


def _class_name(module: str, name: str) -> Any:
    return listed(module, name)


def _numpy_name(module: str, name: str) -> Any:
    if module.startswith("numpy.ma"):
        return listed("numpy.ma", name)
    return listed("numpy" if module.startswith("numpy.") and not module.startswith("numpy.dtypes") else module, name)


# What has no framework's own objects in it. "object" is what is known to be inert and built by nobody; the builders of torch stand
# in holdall/torch/_builders.py.
MAKES: dict[str, Make] = {
    "type_of": _type_of,
    "bytearray": lambda builder, module, name, args, kwargs: bytearray(*(a.encode("latin-1") if isinstance(a, str) else a for a in args[:1])),
    "latin1": lambda builder, module, name, args, kwargs: args[0].encode("latin-1"),
    "complex": _call(complex),
    "set": _call(set),
    "frozenset": _call(frozenset),
    "range": _call(range),
    "slice": _call(slice),
    "reconstructor": _new,
    "new_object": _new,
    "ordered_dict": _call(collections.OrderedDict),
    "default_dict": _call(collections.defaultdict),
    "counter": _call(collections.Counter),
    "deque": _call(collections.deque),
    "namespace": _namespace,
    "plain_class": _plain,
    "enum": _plain,
    "array": _array,
    "numpy_reconstruct": _numpy_reconstruct,
    "numpy_from_buffer": _numpy_from_buffer,
    "numpy_scalar": _numpy_scalar,
    "numpy_scalar_class": _numpy_scalar_class,
    "numpy_dtype": _numpy_dtype,
    "numpy_masked": _numpy_masked,
    "numpy_random": _numpy_random,
    # torch's plain things as plain things, where no torch is wanted.
    "size": lambda builder, module, name, args, kwargs: tuple(*args),
    "device": lambda builder, module, name, args, kwargs: ":".join(str(a) for a in args),
}
# What a global is where it stands as a value, not called.
NAMES: dict[str, Callable[[str, str], Any]] = {
    "type": _class_name,
    "complex": _class_name,
    "set": _class_name,
    "frozenset": _class_name,
    "range": _class_name,
    "slice": _class_name,
    "bytearray": _class_name,
    "ordered_dict": _class_name,
    "default_dict": _class_name,
    "counter": _class_name,
    "deque": _class_name,
    "namespace": _class_name,
    "plain_class": _class_name,
    "enum": _class_name,
    "numpy_scalar_class": _numpy_name,
    "numpy_dtype": _numpy_name,
    "numpy_array_class": _numpy_name,
    "numpy_random": _class_name,
    "torch_dtype": lambda module, name: name,
    "layout": lambda module, name: name,
    "qscheme": lambda module, name: name,
    "memory_format": lambda module, name: name,
}
