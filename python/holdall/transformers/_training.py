"""What a training run needs to go on, kept beside the model: states of the optimizer and its like, plain values, random states."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .. import _model
from ..errors import MissingError
from ..torch import _load
from . import _unit

_STATE = "_state_dict"
_RANDOM = "random_states"


def collect(training: Mapping[str, Any]) -> dict[str, Any]:
    """{"optimizer": optimizer, "step": 3} as {"optimizer_state_dict": …, "step": 3, "random_states": …}."""
    state: dict[str, Any] = {}
    for name, value in training.items():
        if hasattr(value, "state_dict"):
            state[name + _STATE] = value.state_dict()
        else:
            state[name] = value
    return {**state, _RANDOM: state.get(_RANDOM) or random_states()}


def random_states() -> dict[str, Any]:
    """Of Python, of NumPy where it has been imported, of torch on the CPU and on every CUDA device that is in use."""
    states: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if "numpy" in sys.modules:
        name, keys, *rest = sys.modules["numpy"].random.get_state()
        # As a tensor: what torch.load(weights_only=True) takes too.
        states["numpy"] = (name, torch.from_numpy(keys.astype("int64")), *rest)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def resume(folder: _model.PathLike, *, trusted: Sequence[Any] = (), random: bool = True, **objects: Any) -> dict[str, Any]:
    """Puts back what save(…, training=…) kept: each object of `objects` gets the state that was kept under its name.

    ``holdall.transformers.resume(folder, optimizer=optimizer, scheduler=scheduler)`` returns the plain values, {"step": 3}; with
    `random` the random generators of Python, NumPy and torch go on where they were. The model comes from load(folder, mode="train"),
    and the optimizer must be made of its parameters first. Raises MissingError where nothing was kept, or not under a name; nothing
    has changed then.
    """
    path = os.path.join(os.path.abspath(os.fsdecode(folder)), _unit.TRAINING)
    if not os.path.isfile(path):
        raise MissingError("the folder holds no training state; save(…, training={…}) keeps one", path=path)
    state = _load.load_path(path, trusted=trusted)
    missing = [name for name in objects if name + _STATE not in state]
    if missing:
        kept = ", ".join(name.removesuffix(_STATE) for name in state if name.endswith(_STATE)) or "none"
        raise MissingError(f"no state of {', '.join(missing)} was kept; kept are {kept}", path=path)
    for name, value in objects.items():
        value.load_state_dict(state[name + _STATE])
    states = state.pop(_RANDOM, {})
    if random:
        _restore(states)
    return {name: value for name, value in state.items() if name.removesuffix(_STATE) not in objects}


def _restore(states: Mapping[str, Any]) -> None:
    if "python" in states:
        random.setstate(states["python"])
    if "numpy" in states:
        import numpy

        name, keys, *rest = states["numpy"]
        numpy.random.set_state((name, keys.numpy().astype("uint32"), *rest))
    if "torch" in states:
        torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
