"""The counters of callbacks that run beside: what decides whether they stop a training, lower its learning rate, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from ..checkpoints._arrays import array_of
from ..errors import CorruptError

State = dict[str, Any]

# By the names of Keras's own classes. The bests of metrics are numbers, best_weights a list of arrays.
_ATTRIBUTES = {
    "EarlyStopping": ("best", "wait", "stopped_epoch", "best_epoch", "best_weights"),
    "ReduceLROnPlateau": ("best", "wait", "cooldown_counter"),
    "ModelCheckpoint": ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    "SwapEMAWeights": ("_ema_weights_in_model",),
}


def taken(callbacks: Sequence[Any]) -> list[State]:
    """Of Keras's own that count, and of those with state_dict(), in their order."""
    found = []
    for callback in callbacks:
        if _is_stateful(callback):
            found.append({"class": type(callback).__name__, "state": callback.state_dict()})
        elif name := _known(callback):
            values = {key: _plain(getattr(callback, key)) for key in _ATTRIBUTES[name] if hasattr(callback, key)}
            found.append({"class": type(callback).__name__, "state": values})
    return found


def put(callbacks: Sequence[Any], states: Any) -> list[str]:
    """Returns the names of those that count and have no state in the file, which begin anew."""
    if not isinstance(states, list) or not all(isinstance(state, Mapping) and "class" in state for state in states):
        raise CorruptError("the states of callbacks are none")
    left = list(states)
    without = []
    for callback in callbacks:
        name = _known(callback)
        if name is None and not _is_stateful(callback):
            continue
        state = next((state for state in left if state["class"] == type(callback).__name__), None)
        if state is None:
            without.append(type(callback).__name__)
            continue
        left.remove(state)
        if _is_stateful(callback):
            callback.load_state_dict(state["state"])
            continue
        for key in _ATTRIBUTES[name or ""]:
            if key in state["state"]:
                setattr(callback, key, _built(key, state["state"][key]))
    return without


def _is_stateful(callback: Any) -> bool:
    return callable(getattr(callback, "state_dict", None)) and callable(getattr(callback, "load_state_dict", None))


def _known(callback: Any) -> str | None:
    """The class of Keras's own that a callback is one of."""
    return next((of.__name__ for of in type(callback).__mro__ if of.__name__ in _ATTRIBUTES and of.__module__.startswith("keras.src.callbacks")), None)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [numpy.asarray(item) for item in value]
    if value is None or type(value) in (bool, int, float):
        return value
    return float(value)


def _built(key: str, value: Any) -> Any:
    if key == "best_weights" and value is not None:
        return [numpy.asarray(array_of(item)) for item in value]
    if value is not None and type(value) not in (bool, int, float):
        raise CorruptError(f"{key} of a callback is a {type(value).__name__}")
    return value
