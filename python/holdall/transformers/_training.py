"""What a training run needs to go on, kept beside the model: states of the optimizer and its like, plain values, random states."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .. import _model, _random
from ..errors import CorruptError, MismatchError, MissingError
from ..torch import _load
from . import _unit

_STATE = "_state_dict"
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
        _check(name, value, state[name + _STATE], path)
    states = state.pop(_RANDOM, {})
    if not isinstance(states, dict):
        raise CorruptError(f"the random states are a {type(states).__name__}, not a dict", path=path)
    _put(objects, state, states if random else {}, path)
    return {name: value for name, value in state.items() if name.removesuffix(_STATE) not in objects}


def _check(name: str, value: Any, state: Any, path: str) -> None:
    """Raises where the state is not one of such an object, as far as its structure tells."""
    if not hasattr(value, "load_state_dict"):
        raise TypeError(f"{name} is a {type(value).__name__}, which has no load_state_dict()")
    if not isinstance(state, dict):
        raise CorruptError(f"the state of {name} is a {type(state).__name__}, not a dict", path=path)
    if not isinstance(value, torch.optim.Optimizer):
        return
    groups = state.get("param_groups")
    if not isinstance(groups, list) or not all(isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups):
        raise MismatchError(f"{name} is a {type(value).__name__}, what was kept is no optimizer's state", path=path)
    sizes, own = [len(group["params"]) for group in groups], [len(group["params"]) for group in value.param_groups]
    if sizes != own:
        raise MismatchError(f"{name} has groups of {own} parameters, those of {sizes} were kept", path=path)
    unknown = sorted({str(key) for group in groups for key in group} - set(value.defaults) - set(value.param_groups[0]) - {"initial_lr", "param_names"})
    lacking = sorted(set(value.defaults) - {key for group in groups for key in group})
    if unknown and lacking:  # another version's has some more, or some less
        words = f"it has {', '.join(unknown)} and lacks {', '.join(lacking)}"
        raise MismatchError(f"{name} is a {type(value).__name__}, the state that was kept is another's: {words}", path=path)
    _check_shapes(name, value, state, groups, path)


def _check_shapes(name: str, value: torch.optim.Optimizer, state: Mapping[str, Any], groups: Sequence[Any], path: str) -> None:
    """What Adam and its like keep of a parameter has the parameter's shape, or is one number."""
    kept = state.get("state")
    if not isinstance(kept, dict):
        raise MismatchError(f"{name} is a {type(value).__name__}, what was kept is no optimizer's state", path=path)
    ids = [id for group in groups for id in group["params"]]
    parameters = [parameter for group in value.param_groups for parameter in group["params"]]
    for id, parameter in zip(ids, parameters, strict=True):
        facts = kept.get(id, {}) if isinstance(id, int | str) else {}
        for key in ("exp_avg", "exp_avg_sq", "momentum_buffer"):
            tensor = facts.get(key) if isinstance(facts, dict) else None
            if isinstance(tensor, torch.Tensor) and tensor.shape != parameter.shape:
                raise MismatchError(f"{name}: {key} of parameter {id} is {list(tensor.shape)}, the parameter is {list(parameter.shape)}", path=path)


def _put(objects: Mapping[str, Any], state: Mapping[str, Any], states: Mapping[str, Any], path: str) -> None:
    """All of it or nothing: what was put before a part that fails is taken back."""
    done: list[tuple[Any, Any]] = []
    was = _random.states()
    try:
        for name, value in objects.items():
            before = copy.deepcopy(value.state_dict()) if hasattr(value, "state_dict") else None
            done.append((value, before))
            value.load_state_dict(state[name + _STATE])
        name = "the random states"
        if states:
            _random.set_states(states)
    except Exception as error:  # whatever an object's own code says to a state that does not fit
        for value, before in reversed(done):
            if before is not None:
                value.load_state_dict(before)
        _random.set_states(was)
        raise MismatchError(f"{name} could not be put back, and nothing has changed: {type(error).__name__}: {error}", path=path) from error
