"""What a file may not do with what is built for it, whatever names it uses: change what others share, make classes, never end.

The table of globals says which calls are known to be inert with the arguments that they are made for. Here their results and arguments
are held to that, so that no composition of inert names becomes an act: nothing that a file builds is a class, a module or a function,
and only objects made for the file are changed.
"""

from __future__ import annotations

import collections
import enum
import re
import types
from collections.abc import Mapping
from typing import Any

from .errors import CorruptError, LimitError, UnsafeError

_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType)
# What type() is asked about where pickle writes these classes.
_SINGLE = (type(None), type(Ellipsis), type(NotImplemented))
# Fraction pickles as its text.
_FRACTION = re.compile(r"[+-]?[0-9]{1,5000}(/[0-9]{1,5000})?")
# What a class of collections keeps its content in.
_CONTENT = {collections.UserList: list, collections.UserDict: dict, collections.UserString: str}
# Builtin types that pickle's reconstructor is given as the base.
_BASES = (object, dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex)
# Builders of classes whose instances are made without a call.
_NEW = frozenset(
    "type bytearray complex set frozenset range slice ordered_dict default_dict counter deque namespace plain_class array module size "
    "numpy_scalar_class numpy_array_class numpy_random".split()
)


def result(name: str, made: Any) -> Any:
    """What a builder made. Raises UnsafeError for what others share."""
    if isinstance(made, _CODE) and made not in _SINGLE:
        raise UnsafeError(f"{name} gives back {made!r}, which no file may have in this way")
    return made


def arguments(builder: str, name: str, args: tuple[Any, ...]) -> None:
    """Raises LimitError for arguments that would take for ever, CorruptError for what pickle never writes."""
    if builder in ("range", "slice", "namespace"):
        return
    for arg in args:
        if isinstance(arg, range):
            raise LimitError(f"{name} is given {arg!r}, whose elements the file does not have")
    if builder == "bytearray" and not all(isinstance(arg, str | bytes | bytearray) for arg in args):
        raise CorruptError(f"{name} is given {args!r}, not bytes")
    if builder == "default_dict" and args and not (args[0] is None or args[0] in _BASES or _module_of(args[0]) in ("collections", "numpy")):
        raise UnsafeError(f"{name} is to call {args[0]!r} for what is missing")
    if builder == "numpy_random":
        for arg in args:
            if callable(arg) and not _module_of(arg).startswith("numpy.random"):
                raise UnsafeError(f"{name} is given {arg!r} to call")
    if name == "fractions.Fraction" and not all(isinstance(arg, int) or (isinstance(arg, str) and _FRACTION.fullmatch(arg)) for arg in args):
        raise CorruptError(f"{name} is given what is no fraction")


def _module_of(value: Any) -> str:
    return str(getattr(value, "__module__", ""))


def new(of: Any, judged: tuple[str, str]) -> Any:
    """A class that copyreg is to make an instance of; `judged`: its builder and verdict. Raises UnsafeError."""
    if not isinstance(of, type) or issubclass(of, type) or judged[0] not in _NEW or judged[1] != "inert":
        raise UnsafeError(f"an object of {of!r} is to be made, which is not known to be inert")
    return of


def base(of: Any) -> Any:
    """The base of a reconstructed object. Raises UnsafeError."""
    if of not in _BASES:
        raise UnsafeError(f"an object is to be made by {of!r}, which is no built-in type")
    return of


def change(made: Any) -> None:
    """Raises UnsafeError where what is to be changed is not the file's own."""
    if isinstance(made, (*_CODE, enum.Enum)):
        raise UnsafeError(f"the file changes {made!r}, which is not its own")


def is_special(key: Any, *, is_trusted: bool = False) -> bool:
    """Whether an attribute is one that Python and NumPy ask objects for: what an __array_interface__ gives is read as an address. Objects of
    trusted classes may have those that are not NumPy's."""
    return isinstance(key, str) and key.startswith("__") and key.endswith("__") and (not is_trusted or "array" in key)


def attributes(of: type, given: Any, *, is_trusted: bool = False) -> None:
    """Raises UnsafeError for an attribute that would hide a method of the class or be asked for by Python itself, CorruptError for what are no
    attributes. A trusted class may have functions as the defaults of its attributes."""
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise CorruptError(f"the attributes of an object of {of.__qualname__} are {type(given).__name__}, not a dict of names")
    for key in given:
        own = getattr(of, key, None)
        if is_special(key, is_trusted=is_trusted) or (own is not None and (key.startswith("__") or (callable(own) and not is_trusted))):
            raise UnsafeError(f"the file sets {key} of an object of {of.__qualname__}")


def set_state(made: Any, state: Any, *, is_trusted: bool = False) -> None:
    """What pickle's BUILD does, by the methods of the object's class alone; see attributes() for what a file may set."""
    own = getattr(type(made), "__setstate__", None)
    if own is not None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, Mapping):
                attributes(type(made), {key: None for key in part if isinstance(key, str)}, is_trusted=is_trusted)
        own(made, state)
        return
    given, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in filter(None, (given, slots)):
        attributes(type(made), part, is_trusted=is_trusted)
    if given:
        made.__dict__.update(given)
    allowed = {name for of in type(made).__mro__ for name in _slots(of)}
    for name, value in (slots or {}).items():
        if name not in allowed:
            raise CorruptError(f"an object of {type(made).__qualname__} has no slot {name!r}")
        setattr(made, name, value)
    for of, content in _CONTENT.items():
        if isinstance(made, of) and not isinstance(made.data, content):
            raise CorruptError(f"the content of a {of.__qualname__} is {made.data!r}")


def _slots(of: type) -> tuple[str, ...]:
    slots = of.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
