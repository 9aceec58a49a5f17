"""What a PyDataset keeps from epoch to epoch: the order of its samples, counters, random generators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from .. import _random
from ..checkpoints._arrays import array_of
from ..errors import CorruptError

State = dict[str, Any]
_PLAIN = (type(None), bool, int, float, str)
# Entries of a list that is looked through.
_LONGEST = 1 << 20


def attributes(dataset: Any) -> State:
    """Copies of attributes that a training may change: plain values, rows of integers, random generators. Arrays of samples are none."""
    found: State = {}
    for name, value in vars(dataset).items():
        if type(value) in _PLAIN:
            found[name] = value
        elif isinstance(value, numpy.ndarray) and value.ndim == 1 and value.dtype.kind in "iu":
            found[name] = value.copy()
        elif type(value) is list and len(value) <= _LONGEST and all(type(item) is int for item in value):
            found[name] = list(value)
        elif _random.kind_of(value) is not None:
            found[name] = {"generator": _random.state_of(value)}
    return found


def state(dataset: Any, first: Mapping[str, Any]) -> State:
    """Its state_dict(), where it has one, else the attributes that are no longer what they were at `first`."""
    if _has_own(dataset):
        return {"own": dataset.state_dict()}
    now = attributes(dataset)
    return {"changed": {name: value for name, value in now.items() if name not in first or "generator" in _dict(value) or not _same(value, first[name])}}


def put_state(dataset: Any, state: Any) -> None:
    """Raises CorruptError where it is no such state."""
    if not isinstance(state, Mapping) or not {"own", "changed"} & set(state):
        raise CorruptError("the state of the data is none")
    if "own" in state:
        dataset.load_state_dict(state["own"])
        return
    for name, value in state["changed"].items():
        own = getattr(dataset, name, None)
        if "generator" in _dict(value):
            _random.set_state_of(own, value["generator"])
        elif hasattr(value, "shape"):
            array = numpy.asarray(array_of(value))
            setattr(dataset, _attribute(name), array.astype(own.dtype) if isinstance(own, numpy.ndarray) else array)
        else:
            setattr(dataset, _attribute(name), value)


def _attribute(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
        raise CorruptError(f"{str(name)[:100]!r} is no attribute of a data set")
    return name


def _has_own(dataset: Any) -> bool:
    return callable(getattr(dataset, "state_dict", None)) and callable(getattr(dataset, "load_state_dict", None))


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(numpy.array_equal(one, other) if isinstance(one, numpy.ndarray) else one == other)
