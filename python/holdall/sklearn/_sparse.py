"""SciPy's sparse matrices, built anew of what a file says: compiled code follows their indices without looking, so every index is compared with
the shape, and is a copy that nothing else in the file can reach."""

from __future__ import annotations

from typing import Any

import numpy
import scipy.sparse

from ..errors import CorruptError

# What elements may be.
_KINDS = "biufc"


def built(of: Any, args: tuple[Any, ...], state: Any) -> Any:
    """A matrix of the class `of`. Raises CorruptError, naming the part that does not fit the others."""
    if not isinstance(state, dict):
        raise CorruptError(f"the state of a {of.__name__} is {type(state).__name__}, not a dict")
    shape = _shape(of, state)
    if _is(of, "dok"):
        return _by_keys(of, shape, state, args)
    if _is(of, "lil"):
        return _by_rows(of, shape, state)
    if _is(of, "dia"):
        return _by_diagonals(of, shape, state)
    data = _numbers(of, state, "data", 3 if _is(of, "bsr") else 1)
    if _is(of, "coo"):
        made = of((data, _coordinates(of, shape, state)), shape=shape)
        made.has_canonical_format = False
        return made
    made = of((data, _indices(of, state, "indices"), _indices(of, state, "indptr")), shape=shape)
    made.check_format(full_check=True)
    return made


def _is(of: Any, kind: str) -> bool:
    return issubclass(of, getattr(scipy.sparse, f"{kind}_matrix") | getattr(scipy.sparse, f"{kind}_array"))


def _shape(of: Any, state: dict[str, Any]) -> tuple[int, ...]:
    shape = state.get("_shape", state.get("shape"))
    if not isinstance(shape, tuple) or not all(is_integer(count) and count >= 0 for count in shape):
        raise CorruptError(f"the shape of a {of.__name__} is {repr(shape)[:100]}")
    return tuple(int(count) for count in shape)


def is_integer(value: Any) -> bool:
    return isinstance(value, int | numpy.integer) and not isinstance(value, bool)


def _numbers(of: Any, state: dict[str, Any], name: str, dimensions: int) -> Any:
    array = state.get(name)
    if not isinstance(array, numpy.ndarray) or array.dtype.kind not in _KINDS or array.ndim != dimensions:
        raise CorruptError(f"{name} of a {of.__name__} is {told(array)}, not an array of numbers with {dimensions} dimensions")
    return numpy.asarray(array)


def _indices(of: Any, state: dict[str, Any], name: str) -> Any:
    array = _numbers(of, state, name, 1)
    if array.dtype.kind not in "iu":
        raise CorruptError(f"{name} of a {of.__name__} is {told(array)}, not one of integers")
    return numpy.array(array)


def told(value: Any) -> str:
    if isinstance(value, numpy.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    return repr(value)[:100] if isinstance(value, int | float | str | None) else type(value).__name__


def _coordinates(of: Any, shape: tuple[int, ...], state: dict[str, Any]) -> tuple[Any, ...]:
    """SciPy compares them with the shape."""
    given = state.get("coords", (state.get("row"), state.get("col")))
    if not isinstance(given, tuple) or len(given) != len(shape):
        raise CorruptError(f"a {of.__name__} of {len(shape)} dimensions has other coordinates")
    return tuple(_indices(of, {"coords": axis}, "coords") for axis in given)


def _by_diagonals(of: Any, shape: tuple[int, ...], state: dict[str, Any]) -> Any:
    offsets = _indices(of, state, "offsets")
    if len(shape) != 2 or bool(((offsets <= -shape[0]) | (offsets >= shape[1])).any()):
        raise CorruptError(f"offsets of a {of.__name__} {list(shape)} lie outside of it")
    return of((_numbers(of, state, "data", 2), offsets), shape=shape)


def _by_rows(of: Any, shape: tuple[int, ...], state: dict[str, Any]) -> Any:
    rows: Any = state.get("rows")
    data: Any = state.get("data")
    for name, lists in (("rows", rows), ("data", data)):
        if not isinstance(lists, numpy.ndarray) or lists.shape != shape[:1] or not all(isinstance(row, list) for row in lists):
            raise CorruptError(f"{name} of a {of.__name__} {list(shape)} is {told(lists)}, not {shape[0]} lists")
    made = of(shape, dtype=_dtype(of, state))
    for place, (columns, values) in enumerate(zip(rows, data, strict=True)):
        good = len(columns) == len(values) and all(is_integer(column) and 0 <= column < shape[1] for column in columns)
        if not good or any(one >= other for one, other in zip(columns, columns[1:], strict=False)):
            raise CorruptError(f"row {place} of a {of.__name__} {list(shape)} has other columns than it has values, or columns outside of it")
        made.rows[place] = [int(column) for column in columns]
        made.data[place] = [_element(of, value) for value in values]
    return made


def _by_keys(of: Any, shape: tuple[int, ...], state: dict[str, Any], args: tuple[Any, ...]) -> Any:
    items = state.get("_dict", args[0] if args else {})
    if not isinstance(items, dict):
        raise CorruptError(f"the elements of a {of.__name__} are {type(items).__name__}, not a dict")
    made = of(shape, dtype=_dtype(of, state))
    for key, value in items.items():
        places = key if isinstance(key, tuple) else (key,)
        inside = len(places) == len(shape) and all(is_integer(place) and 0 <= place < count for place, count in zip(places, shape, strict=True))
        if not inside:
            raise CorruptError(f"a {of.__name__} {list(shape)} has an element at {repr(key)[:100]}")
        made[key] = _element(of, value)
    return made


def _dtype(of: Any, state: dict[str, Any]) -> Any:
    dtype = state.get("dtype")
    if not isinstance(dtype, numpy.dtype) or dtype.kind not in _KINDS:
        raise CorruptError(f"the elements of a {of.__name__} are {repr(dtype)[:100]}, not numbers")
    return dtype


def _element(of: Any, value: Any) -> Any:
    if not isinstance(value, int | float | complex | numpy.number | numpy.bool_):
        raise CorruptError(f"an element of a {of.__name__} is {told(value)}, not a number")
    return value
