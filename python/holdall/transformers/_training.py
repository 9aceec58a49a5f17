"""What a training run needs to go on, kept beside the model: states of the optimizer and its like, plain values, random states."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .. import _model, _random
from ..checkpoints import _state
from ..errors import CorruptError, MismatchError, MissingError
from ..torch import _load
from . import _unit

_STATE = _state.STATE
_RANDOM = "random_states"


def collect(training: Mapping[str, Any]) -> dict[str, Any]:
    """{"optimizer": optimizer, "step": 3} as {"optimizer_state_dict": …, "step": 3, "random_states": …}."""
    if not isinstance(training, Mapping) or not all(isinstance(name, str) for name in training):
        raise TypeError("training is a dict of names, {'optimizer': optimizer, 'step': 3}")
    state: dict[str, Any] = {}
    for name, value in training.items():
        if hasattr(value, "state_dict"):
            state[name + _STATE] = value.state_dict()
        else:
            state[name] = value
    return {**state, _RANDOM: state.get(_RANDOM) or _random.states()}


def resume(folder: _model.PathLike, *, trusted: Sequence[Any] = (), random: bool = True, **objects: Any) -> dict[str, Any]:
    """Puts back what save(…, training=…) kept: each object of `objects` gets the state that was kept under its name.

    ``holdall.transformers.resume(folder, optimizer=optimizer, scheduler=scheduler)`` returns the plain values, {"step": 3}; with
    `random` the random generators of Python, NumPy and torch go on where they were. The model comes from load(folder, mode="train"),
    and the optimizer must be made of its parameters first. Raises MissingError where nothing was kept, or not under a name,
    MismatchError where a state is another's (Adam's for SGD, other parameters), CorruptError; nothing has changed then.
    """
    path = os.path.join(os.path.abspath(os.fsdecode(folder)), _unit.TRAINING)
    if not os.path.isfile(path):
        raise MissingError("the folder holds no training state; save(…, training={…}) keeps one", path=path)
    state = _load.load_path(path, trusted=trusted)
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise CorruptError(f"a training state is a dict of names, this is a {type(state).__name__}", path=path)
    missing = [name for name in objects if name + _STATE not in state]
    if missing:
        kept = ", ".join(name.removesuffix(_STATE) for name in state if name.endswith(_STATE)) or "none"
        raise MissingError(f"no state of {', '.join(missing)} was kept; kept are {kept}", path=path)
    for name, value in objects.items():
        if not hasattr(value, "load_state_dict"):
            raise TypeError(f"{name} is a {type(value).__name__}, which has no load_state_dict()")
    _state.check_all(path, state, objects)
    states = state.pop(_RANDOM, {})
    if not isinstance(states, dict):
        raise CorruptError(f"the random states are a {type(states).__name__}, not a dict", path=path)
    _put(objects, {name: state[name + _STATE] for name in objects}, states if random else {}, path)
    return {name: value for name, value in state.items() if name.removesuffix(_STATE) not in objects}


def _put(objects: Mapping[str, Any], states: Mapping[str, Any], random: Mapping[str, Any], path: str) -> None:
    """All of it or nothing: what was put before a part that fails is taken back."""
    was = _random.states()
    try:
        if random:
            _random.set_states(random)
    except CorruptError as error:
        raise MismatchError(f"the random states could not be put back, and nothing has changed: {error}", path=path) from error
    try:
        _state.put_all(objects, states, path, most=math.inf)
    except BaseException:
        _random.set_states(was)
        raise
