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
    if isinstance(made, numpy.dtype):
        return _dtype(made, state)
    if type(made).__module__.startswith("numpy.random"):
        _check_positions(state)
    _guard.set_state(made, state)
    return made


def _dtype(made: numpy.dtype[Any], state: Any) -> Any:
    """What ``dtype.__setstate__`` would make of (version, order, subdtype, names, fields, bytes, alignment, flags, metadata), by NumPy's
    public rules: it takes a state as it comes."""
    try:
        version, order, sub, names, fields, size, _, flags, *metadata = state
        if sub is not None:
            again: Any = numpy.dtype((sub[0], sub[1]))
        elif names is not None:
            entries: list[Any] = [fields[name] for name in names]
            spelled: Any = {
                "names": list(names), "formats": [entry[0] for entry in entries], "offsets": [entry[1] for entry in entries],
                "titles": [entry[2] if len(entry) > 2 else None for entry in entries], "itemsize": size,
            }  # fmt: skip
            again = numpy.dtype(spelled, align=bool(flags & _ALIGNED))
        elif made.kind in "mM":
            unit, number, parts, _ = metadata[0][1]
            unit = unit.decode("ascii") if isinstance(unit, bytes) else unit
            again = numpy.dtype(f"{made.kind}8" if unit == "generic" else f"{made.kind}8[{number}{unit}{f'/{parts}' if parts != 1 else ''}]")
        elif made.kind in "SUV":
            again = numpy.dtype(f"{made.kind}{size // 4 if made.kind == 'U' else size}")
        else:
            again = made
        if order in ("<", ">"):
            again = again.newbyteorder(order) if names is None and sub is None else again
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise CorruptError(f"a dtype's state is none: {error}") from None
    if names is not None and again.hasobject:
        raise UnsupportedError("structured arrays that hold objects are not built")
    return again


# dtype.flags of a structure laid out as C would.
_ALIGNED = 0x80


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
