"""States of NumPy's objects, which NumPy itself takes as they come: a dtype whose fields lie outside of its items, or a generator whose
position lies outside of its buffer, would have it read memory that is not its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from . import _guard
from .errors import CorruptError, UnsupportedError

# Positions in a generator's buffer, and the most that each may be.
_MOST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "has_gauss": 1}


def set_state(made: Any, state: Any) -> Any:
    if type(made).__module__.startswith("numpy.random"):
        _check_positions(state)
    elif isinstance(made, numpy.ndarray):
        for part in state if isinstance(state, tuple) else ():
            if isinstance(part, numpy.dtype) and _again(part) != part:
                raise CorruptError("an array's dtype is none")
    _guard.set_state(made, state)
    return _again(made) if isinstance(made, numpy.dtype) else made


def _check_positions(state: Any) -> None:
    todo = [state]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            for key, item in value.items():
                most = _MOST.get(key) if isinstance(key, str) else None
                if most is not None and not (isinstance(item, int) and 0 <= item <= most):
                    raise CorruptError(f"a generator's {key} is {item!r}, at most {most} is allowed")
                todo.append(item)
        elif isinstance(value, list | tuple):
            if len(value) > 2 and value[0] == "MT19937" and not (isinstance(value[2], int) and 0 <= value[2] <= _MOST["pos"]):
                raise CorruptError(f"a generator's position is {value[2]!r}")
            todo += [item for item in value if isinstance(item, Mapping | list | tuple)]


def _again(dtype: numpy.dtype[Any]) -> Any:
    """The same dtype made by NumPy's own rules. Raises CorruptError for one that they do not give."""
    made: Any
    try:
        if dtype.subdtype is not None:
            made = numpy.dtype((_again(dtype.subdtype[0]), dtype.subdtype[1]))
        elif dtype.names is not None:
            fields: list[Any] = [dtype.fields[name] for name in dtype.names]  # type: ignore[index]
            spelled: Any = (
                {
                    "names": list(dtype.names), "formats": [_again(field[0]) for field in fields], "offsets": [field[1] for field in fields],
                    "titles": [field[2] if len(field) > 2 else None for field in fields], "itemsize": dtype.itemsize,
                }
            )  # fmt: skip
            made = numpy.dtype(spelled, align=dtype.isalignedstruct)
        elif dtype.kind in "biufcmMOSUV":
            made = numpy.dtype(dtype.str)
        else:
            return dtype
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"a dtype has fields that it cannot have: {error}") from None
    if made.itemsize != dtype.itemsize or made.hasobject != dtype.hasobject:
        raise CorruptError(f"a dtype of {dtype.itemsize} bytes an element says that it is {made}")
    if made.hasobject and dtype.names is not None:
        raise UnsupportedError("structured arrays that hold objects are not built")
    return made
