"""Objects and arrays as plain values and back: what goes into a file, and what is built from one.

A dict with the key "$" stands for what is no plain value:
  {"$": "scalar", "value": array of one}                        a scalar of NumPy's
  {"$": "texts", "dtype", "shape", "values"}                    an array of texts, bytes or objects that are plain values
  {"$": "view", "buffer", "offset", "shape", "strides"}         an array in the memory of buffers[buffer], in elements
  {"$": "object", "index"}                                      objects[index], {"class", "attributes"} or {"class", "arguments"}
  {"$": "generator", "index"}                                   generators[index]: {"kind", "state"}, {"global"} or {"parameter", "kind", "state"}
  {"$": "dict", "pairs"}                                        a dict with keys that are no texts, or with "$"
Arrays that lie in one memory do so again; objects that refer to each other, in circles too, do so again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy

from .. import _random
from ..checkpoints import _arrays
from ..errors import CorruptError, UnsafeError, UnsupportedError
from . import _classes

Plain = Any
_VALUES = (type(None), bool, int, float, complex, str, bytes)
# Levels of lists and dicts in one attribute.
_DEEPEST = 50
# How much more memory than an array itself has may be kept for the sake of its layout.
_SPARE = 4
_TEXTS = "USO"


class Encoder:
    """Of one estimator. `parts`: the classes of objects that may stand in it; `own`: generators by the parameters that hold them."""

    def __init__(self, parts: Mapping[str, type], own: Mapping[str, Any]) -> None:
        self._parts = parts
        self._own = {id(generator): name for name, generator in own.items()}
        self._alive: list[Any] = []
        self._indices: dict[int, int] = {}
        self._generators: dict[int, int] = {}
        self._ranges: dict[int, _Range] = {}
        self.objects: list[Plain] = []
        self.generators: list[Plain] = []
        self.buffers: list[Any] = []

    def attributes(self, values: Mapping[str, Any]) -> dict[str, Plain]:
        """Raises UnsupportedError, naming the attribute, for what the table does not know."""
        for generator_id in self._own:
            self._generators.setdefault(generator_id, -1)
        self._ranges = _ranges(list(self._arrays(values)))
        found = {name: self._value(value, name, 0) for name, value in values.items()}
        done = 0
        while done < len(self._alive):
            of = self._alive[done]
            if not _classes.is_loss(type(of)):
                where = f"{type(of).__name__}."
                self.objects[done]["attributes"] = {name: self._value(value, where + name, 0) for name, value in vars(of).items()}
            done += 1
        return found

    def own_generators(self, own: Mapping[str, Any]) -> None:
        """Notes those that are parameters, whether an attribute refers to them or not."""
        for generator in own.values():
            self._generator(generator)

    def _arrays(self, values: Mapping[str, Any]) -> Iterator[Any]:
        seen: set[int] = set()
        todo: list[Any] = list(values.values())
        while todo:
            value = todo.pop()
            if isinstance(value, numpy.ndarray):
                yield value
            elif isinstance(value, dict):
                todo += value.values()
            elif isinstance(value, list | tuple):
                todo += value
            elif _classes.name_of(type(value)) in self._parts and id(value) not in seen and hasattr(value, "__dict__"):
                seen.add(id(value))
                todo += vars(value).values()

    def _value(self, value: Any, at: str, level: int) -> Plain:
        if type(value) in _VALUES:
            return value
        if level > _DEEPEST:
            raise UnsupportedError(f"{at} nests deeper than {_DEEPEST} levels")
        if isinstance(value, numpy.generic):
            return {"$": "scalar", "value": numpy.array([value])}
        if isinstance(value, numpy.ndarray):
            return self._array(value, at)
        if type(value) in (list, tuple):
            return type(value)(self._value(item, f"{at}[{i}]", level + 1) for i, item in enumerate(value))
        if type(value) is dict:
            if all(type(key) is str and key != "$" for key in value):
                return {key: self._value(item, f"{at}[{key!r}]", level + 1) for key, item in value.items()}
            pairs = [[self._value(key, at, level + 1), self._value(item, f"{at}[{key!r}]", level + 1)] for key, item in value.items()]
            return {"$": "dict", "pairs": pairs}
        if _random.kind_of(value) is not None:
            return {"$": "generator", "index": self._generator(value)}
        if _classes.name_of(type(value)) in self._parts:
            return {"$": "object", "index": self._object(value)}
        raise UnsupportedError(f"{at} is a {_classes.name_of(type(value))}, which is not known to be part of such an estimator")

    def _object(self, value: Any) -> int:
        if id(value) not in self._indices:
            self._indices[id(value)] = len(self._alive)
            self._alive.append(value)
            record: dict[str, Plain] = {"class": _classes.name_of(type(value))}
            if _classes.is_loss(type(value)):
                record["arguments"] = list(value.__reduce__()[1])
            self.objects.append(record)
        return self._indices[id(value)]

    def _generator(self, value: Any) -> int:
        index = self._generators.get(id(value), -1)
        if index >= 0:
            return index
        self._generators[id(value)] = len(self.generators)
        if value is numpy.random.mtrand._rand:
            self.generators.append({"global": True})
        else:
            own = {"parameter": self._own[id(value)]} if id(value) in self._own else {}
            self.generators.append({**own, **_random.state_of(value)})
        return len(self.generators) - 1

    def _array(self, array: Any, at: str) -> Plain:
        if array.dtype.kind in _TEXTS:
            values = array.ravel().tolist()
            if not all(type(value) in _VALUES for value in values):
                raise UnsupportedError(f"{at} is an array of objects that are no plain values")
            return {"$": "texts", "dtype": array.dtype.str, "shape": list(array.shape), "values": values}
        if type(array) is not numpy.ndarray or array.dtype.kind not in "biufc":
            raise UnsupportedError(f"{at} is an array of {array.dtype} in a {_classes.name_of(type(array))}")
        range_ = self._ranges.get(id(array))
        if range_ is None or (range_.arrays < 2 and (array.flags.c_contiguous or range_.size > _SPARE * array.size)):
            return array if array.flags.c_contiguous else array.copy(order="C")
        if range_.index is None:
            range_.index = len(self.buffers)
            self.buffers.append(range_.row())
        strides = [stride // array.dtype.itemsize for stride in array.strides]
        return {"$": "view", "buffer": range_.index, "offset": range_.offset(array), "shape": list(array.shape), "strides": strides}


class _Range:
    """Memory in which arrays lie that overlap each other."""

    def __init__(self, array: Any, begin: int, end: int) -> None:
        self._root = _root(array)
        self._itemsize: int = array.dtype.itemsize
        self._begin = begin
        self._end = end
        self.arrays = 1
        self.index: int | None = None

    @property
    def size(self) -> int:
        """In elements."""
        return (self._end - self._begin) // self._itemsize

    def takes(self, array: Any, begin: int, end: int) -> bool:
        """Whether the array begins in it, as arrays do that are met in the order of their beginnings."""
        if _root(array) is not self._root or begin >= self._end or array.dtype != self._root.dtype:
            return False
        self._end = max(self._end, end)
        self.arrays += 1
        return True

    def offset(self, array: Any) -> int:
        return (_address(array) - self._begin) // self._itemsize

    def row(self) -> Any:
        begin = (self._begin - _address(self._root)) // self._itemsize
        return self._root.ravel(order="K")[begin : begin + self.size]


def _ranges(arrays: list[Any]) -> dict[int, _Range]:
    """By the ids of arrays that lie in plain memory."""
    found: dict[int, _Range] = {}
    last: _Range | None = None
    for begin, end, array in sorted(((*_bounds(array), array) for array in arrays if _is_plain(array)), key=lambda item: item[:2]):
        if last is None or not last.takes(array, begin, end):
            last = _Range(array, begin, end)
        found[id(array)] = last
    return found


def _is_plain(array: Any) -> bool:
    root = _root(array)
    whole = root.flags.c_contiguous or root.flags.f_contiguous
    return bool(whole and type(root) is numpy.ndarray and root.dtype == array.dtype and array.size and array.dtype.kind in "biufc")


def _bounds(array: Any) -> tuple[int, int]:
    """Addresses of its first byte and of the one behind its last."""
    spans = [stride * (count - 1) for stride, count in zip(array.strides, array.shape, strict=True)]
    begin = _address(array) + sum(span for span in spans if span < 0)
    return begin, _address(array) + sum(span for span in spans if span > 0) + array.dtype.itemsize


def _root(array: Any) -> Any:
    """The array that owns the memory."""
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    return array


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


class Decoder:
    """Builds anew what an Encoder made plain. `classes`: those that may be built, by name; `own`: generators by the parameters that hold them.

    Raises UnsafeError for a class that is not among them, CorruptError for what no Encoder has written. The generators of parameters are given
    their states by `set_own`.
    """

    def __init__(self, state: Mapping[str, Any], classes: Mapping[str, type], own: Mapping[str, Any]) -> None:
        self._classes = classes
        self._own = own
        self._sets: list[Callable[[], None]] = []
        self._buffers = [array_of(buffer) for buffer in state["buffers"]]
        self._generators = [self._generator(record) for record in state["generators"]]
        self._objects = [self._made(record) for record in state["objects"]]
        for made, record in zip(self._objects, state["objects"], strict=True):
            if "attributes" in record:
                vars(made).update(self.attributes(record["attributes"], type(made)))

    def attributes(self, values: Mapping[str, Any], of: type) -> dict[str, Any]:
        for name in values:
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
                raise UnsafeError(f"{str(name)[:100]!r} is no name of an attribute of {of.__name__}")
            if callable(getattr(of, name, None)) or isinstance(getattr(of, name, None), property):
                raise UnsafeError(f"{of.__name__}.{name} is no attribute that a state may set")
        return {name: self._value(value, 0) for name, value in values.items()}

    def set_own(self) -> None:
        for action in self._sets:
            action()

    def _made(self, record: Mapping[str, Any]) -> Any:
        name = record["class"]
        of = self._classes.get(name) if isinstance(name, str) else None
        if of is None:
            raise UnsafeError(f"the state names {str(name)[:200]}, which is not part of such an estimator")
        if _classes.is_loss(of):
            arguments = record["arguments"]
            if not isinstance(arguments, list) or len(arguments) > 2 or not all(type(value) in (int, float) for value in arguments):
                raise CorruptError(f"{name} is not made of {repr(arguments)[:100]}")
            return of(*arguments)
        if "attributes" not in record:
            raise CorruptError(f"{name} has no attributes")
        made: Any = object.__new__(of)
        return made

    def _generator(self, record: Mapping[str, Any]) -> Any:
        if record.get("global") is True:
            return numpy.random.mtrand._rand
        kind = record["kind"]
        if kind not in ("numpy legacy", "python"):
            raise UnsupportedError(f"a random generator of the kind {str(kind)[:100]!r}")
        state = {"kind": kind, "state": record["state"]}
        made: Any = _MAKE[kind]()
        _random.set_state_of(made, state)
        if "parameter" not in record:
            return made
        own = self._own.get(record["parameter"])
        if own is None or _random.kind_of(own) != kind:
            raise CorruptError(f"the parameter {str(record['parameter'])[:100]} held a random generator")
        self._sets.append(lambda: _random.set_state_of(own, state))
        return own

    def _value(self, value: Plain, level: int) -> Any:
        if type(value) in _VALUES:
            return value
        if level > _DEEPEST:
            raise CorruptError(f"the state nests deeper than {_DEEPEST} levels")
        if isinstance(value, list | tuple):
            return type(value)(self._value(item, level + 1) for item in value)
        if isinstance(value, Mapping):
            if "$" in value:
                return self._special(value, level)
            return {key: self._value(item, level + 1) for key, item in value.items()}
        return array_of(value)

    def _special(self, value: Mapping[str, Any], level: int) -> Any:
        kind = value["$"]
        if kind == "scalar":
            return array_of(value["value"]).ravel()[0]
        if kind == "view":
            return _seen(self._buffers[_index(value["buffer"])], value)
        if kind == "object":
            return self._objects[_index(value["index"])]
        if kind == "generator":
            return self._generators[_index(value["index"])]
        if kind == "dict":
            return {self._value(key, level + 1): self._value(item, level + 1) for key, item in value["pairs"]}
        if kind != "texts":
            raise CorruptError(f"the state has a value of the kind {str(kind)[:100]!r}")
        values, shape = value["values"], _numbers(value["shape"])
        dtype = numpy.dtype(str(value["dtype"]))
        if dtype.kind not in _TEXTS or len(values) != math.prod(shape) or not all(type(item) in _VALUES for item in values):
            raise CorruptError("an array of texts is none")
        made = numpy.empty(len(values), dtype)
        made[:] = values
        return made.reshape(shape)


_MAKE: dict[str, Callable[[], Any]] = {"numpy legacy": numpy.random.RandomState, "python": random.Random}


def array_of(value: Any) -> Any:
    """A NumPy array of what a file gave: such a one, a scalar of NumPy's, or a tensor of torch's."""
    value = _arrays.array_of(value)
    if isinstance(value, numpy.generic):
        value = numpy.array(value)
    if not isinstance(value, numpy.ndarray) or value.dtype.kind not in "biufc":
        raise CorruptError(f"{type(value).__name__} where an array of numbers is to be")
    return value if value.flags.writeable else value.copy()


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise CorruptError(f"{repr(value)[:100]} is no index")
    return value


def _numbers(values: Any) -> list[int]:
    if not isinstance(values, list | tuple) or not all(type(value) is int for value in values):
        raise CorruptError(f"{repr(values)[:100]} are no integers")
    return list(values)


def _seen(buffer: Any, view: Mapping[str, Any]) -> Any:
    shape, strides, size = _numbers(view["shape"]), _numbers(view["strides"]), buffer.dtype.itemsize
    if len(shape) != len(strides) or math.prod(shape) > buffer.size:
        raise CorruptError(f"an array {shape} with strides {strides} does not lie in {buffer.size} elements")
    if buffer.ndim != 1 or not buffer.flags.c_contiguous:
        raise CorruptError("the memory of an array is no row")
    # NumPy raises ValueError for what lies outside of the buffer.
    return numpy.ndarray(shape, buffer.dtype, buffer, _index(view["offset"]) * size, [stride * size for stride in strides])
