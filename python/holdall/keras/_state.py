"""The state of a Keras model or optimizer: taken, compared, put back, as arrays by the paths of variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy

from .._dtypes import name_of_numpy, numpy_dtype
from .._model import Model
from .._values import Object
from ..checkpoints import _arrays as _stored
from ..checkpoints._state import some
from ..errors import CorruptError, MismatchError
from ._file import Lazy, read

State = dict[str, Any]


def taken(target: Any) -> State:
    """Of a model: {"variables", "optimizer", "metrics"}, {path: array} each; the variables with those of seed generators, optimizer and
    metrics where it is compiled with such. Of an optimizer: {path: array}. Two variables of one path: the later one's has "@2" behind it."""
    _sync(target)
    if not isinstance(target, keras.Model):
        return _arrays(target.variables)
    found = {"variables": _arrays(target.variables)}
    optimizer = getattr(target, "optimizer", None)
    if optimizer is not None:
        found["optimizer"] = _arrays(optimizer.variables)
    found["metrics"] = _arrays(target.metrics_variables)
    return found


def check(name: str, target: Any, state: Any, path: str) -> None:
    """Raises MismatchError, naming variables, where the state is another model's or optimizer's; nothing has changed then, but that an optimizer
    has its variables, which it makes with the first step otherwise."""
    for part, variables, arrays in _parts(name, target, state, path):
        _matched(part, variables, arrays, path)


def put(target: Any, state: State) -> None:
    _sync(target)
    for part, variables, arrays in _parts("the model", target, state, ""):
        for variable, array in zip(variables, _matched(part, variables, arrays, ""), strict=True):
            variable.assign(_given(array))


def _sync(target: Any) -> None:
    """With JAX, the variables of a model have no values amid an epoch of fit()."""
    if callable(getattr(target, "jax_state_sync", None)):
        target.jax_state_sync()


def _parts(name: str, target: Any, state: Any, path: str) -> list[tuple[str, list[Any], Mapping[str, Any]]]:
    """(what, variables, arrays) of each part that the target has; metrics only where they are the same, as they begin anew with each epoch."""
    if not isinstance(state, Mapping):
        raise CorruptError(f"the state of {name} is a {type(state).__name__}, not a dict", path=path)
    if not isinstance(target, keras.Model):
        return [(f"the state of {name}", list(target.variables), state)]
    if not isinstance(state.get("variables"), Mapping):
        raise MismatchError(f"the state of {name} is no Keras model's", path=path)
    found = [(f"the state of {name}", list(target.variables), state["variables"])]
    optimizer, own = getattr(target, "optimizer", None), state.get("optimizer")
    if optimizer is not None and isinstance(own, Mapping):
        if not optimizer.built and len(own) > len(optimizer.variables):
            optimizer.build(target.trainable_variables)
        found.append((f"the state of {name}'s optimizer", list(optimizer.variables), own))
    metrics = state.get("metrics")
    if isinstance(metrics, Mapping) and _canonical(_paths(target.metrics_variables)) == _canonical(metrics):
        found.append((f"the state of {name}'s metrics", list(target.metrics_variables), metrics))
    return found


def _paths(variables: Iterable[Any]) -> list[str]:
    """Each once."""
    paths: list[str] = []
    seen: dict[str, int] = {}
    for variable in variables:
        count = seen[variable.path] = seen.get(variable.path, 0) + 1
        paths.append(variable.path if count == 1 else f"{variable.path}@{count}")
    return paths


def _arrays(variables: Sequence[Any]) -> dict[str, Any]:
    return {path: _array(variable) for path, variable in zip(_paths(variables), variables, strict=True)}


def _array(variable: Any) -> Any:
    value = variable.value
    return value.detach() if hasattr(value, "detach") else _stored.stored(keras.ops.convert_to_numpy(value))


# Keras numbers layers of one kind through a process: dense, dense_1.
_NUMBER = re.compile(r"_\d+(?=[_/@]|$)")


def _canonical(paths: Iterable[str]) -> list[str]:
    return [_NUMBER.sub("", str(path)) for path in paths]


def _matched(part: str, variables: Sequence[Any], arrays: Mapping[str, Any], path: str) -> list[Any]:
    """The arrays of these variables: by their paths, or in their order where only the numbers of layers differ. Raises MismatchError."""
    paths = _paths(variables)
    if set(paths) == set(arrays):
        found = [arrays[key] for key in paths]
    elif _canonical(paths) == _canonical(arrays):
        found = list(arrays.values())
    else:
        missing = [key for key in paths if key not in arrays]
        unexpected = [str(key) for key in arrays if key not in paths]
        faults = [f"{what}: {some(names)}" for what, names in (("missing", missing), ("unexpected", unexpected)) if names]
        raise MismatchError(f"{part} is another one's: {'; '.join(faults) or 'its variables are numbered otherwise'}", path=path)
    other = [fault for key, variable, array in zip(paths, variables, found, strict=True) for fault in _differing(key, variable, array)]
    if other:
        raise MismatchError(f"{part} is another one's: {some(other)}", path=path)
    return found


def _differing(key: str, variable: Any, array: Any) -> list[str]:
    if isinstance(array, Object) or not hasattr(array, "shape") or not hasattr(array, "dtype"):
        return [f"{key} is a {type(array).__name__} in the file, no array"]
    shape, dtype = list(array.shape), str(array.dtype).removeprefix("torch.")
    here = list(variable.shape), str(keras.backend.standardize_dtype(variable.dtype))
    return [] if (shape, dtype) == here else [f"{key} is {dtype} {shape} in the file and {here[1]} {here[0]} in the model"]


def _given(array: Any) -> Any:
    """What variables take: torch's tensors with the torch backend, else NumPy's arrays."""
    if not hasattr(array, "detach"):
        return numpy.asarray(array)
    if keras.backend.backend() == "torch":
        return array
    return _stored.array_of(array)


def assign(model: Model, pairs: Sequence[tuple[Any, Lazy]]) -> None:
    """The elements of a file into variables, cast to their dtypes; all are read, in one go, before the first variable changes."""
    arrays = read(model, [lazy for _, lazy in pairs])
    for (variable, _), array in zip(pairs, arrays, strict=True):
        dtype = str(keras.backend.standardize_dtype(variable.dtype))
        variable.assign(_given(array if name_of_numpy(array.dtype) == dtype else array.astype(numpy_dtype(dtype))))
