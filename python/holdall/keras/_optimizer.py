"""The state of an optimizer from an .h5 file: Keras 3's own order, and the slots of Keras 2 by their names."""

from __future__ import annotations

import re
import warnings
from typing import Any

from ..errors import HoldallWarning
from . import _file, _state

# What Keras 2 called the slots that Keras 3 calls otherwise; both are met at the end of a weight's name, or ahead of it.
SLOTS = {
    "m": "momentum", "v": "velocity", "momentum": "momentum", "velocity": "velocity", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient",
    "average_gradient": "average_gradient", "accumulator": "accumulator", "accum_grad": "accumulated_grad", "accum_var": "accumulated_delta_var",
    "accumulated_grad": "accumulated_grad", "accumulated_delta_var": "accumulated_delta_var", "linear": "linear", "average": "average", "u": "norm",
}  # fmt: skip

# What Keras 2 kept once for an optimizer, and Keras 3 calls otherwise.
_SINGLE = {"variable": "momentum_cache", "dynamic_scale": "current_loss_scale", "step_counter": "good_steps"}
_NAMELESS = re.compile(r"variable_\d+$")  # Nadam's product, in Keras 3


def state_of(optimizer: Any, file: _file.File) -> list[_file.Lazy | None] | None:
    """For each variable of an optimizer that is built what the file has of it: None for a learning rate, which Keras 2 had in the config; None in all
    where the file has none, or of another layout."""
    own = list(optimizer.variables)
    if file.kind != "legacy":
        return with_rate(own, _file.state_at(file.root, "optimizer"))
    group = file.root.find("optimizer_weights")
    if not isinstance(group, _file.Node):
        return None
    names = group.texts("weight_names")
    found = [group.find(name) for name in names]
    lazies = [each for each in found if isinstance(each, _file.Lazy)]
    if len(lazies) == len(own) == len(names) and all(lazy.shape == tuple(variable.shape) for lazy, variable in zip(lazies, own, strict=True)):
        return list(lazies)
    return _of_keras_2(optimizer, names, found)


def with_rate(own: list[Any], state: dict[str, _file.Lazy]) -> list[_file.Lazy | None] | None:
    """The state of an optimizer as .keras files have it. Keras 2 had no learning rate among its variables: Keras 3 has it in the second place."""
    found: list[_file.Lazy | None] = [lazy for number in range(len(state)) if (lazy := state.get(str(number))) is not None]
    names = [variable.path.rpartition("/")[2] for variable in own]
    if len(found) > 1 and names in (["iteration"], ["iteration", "learning_rate"]) and found[1] is not None and found[1].shape:
        del found[1:]  # SGD without momentum: Keras 2 kept slots for it that it never used
    if found and names and _NAMELESS.sub("variable", names[-1]) == "variable" and len(found) in (len(own) - 1, len(own) - 2):
        found.append(None)  # Nadam's product, which Keras 2 did not keep
    if len(own) == len(found) + 1 and len(own) > 1 and own[1].path.rpartition("/")[2] == "learning_rate":
        found.insert(1, None)
    return found if found and len(found) == len(own) else None


def build(model: Any) -> None:
    """Gives a model's optimizer its variables; a LossScaleOptimizer would add some more each time."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def fill(model: Any, file: _file.File) -> None:
    """Leaves the optimizer as new, with a HoldallWarning, where its state cannot be told."""
    optimizer = model.optimizer
    build(model)
    chosen = state_of(optimizer, file)
    own = list(optimizer.variables)
    if chosen is None or any(lazy is not None and lazy.shape != tuple(variable.shape) for variable, lazy in zip(own, chosen, strict=True)):
        warnings.warn(
            f"{file.model.path}: the state of the {type(optimizer).__name__} is of another layout and was left out: it begins anew", HoldallWarning, stacklevel=4
        )
        return
    _state.assign(file.model, [(variable, lazy) for variable, lazy in zip(own, chosen, strict=True) if lazy is not None])


def _of_keras_2(optimizer: Any, names: list[str], found: list[Any]) -> list[Any] | None:
    """For each variable what the file has of it; None for the learning rate, which the config has."""
    steps: list[Any] = []
    single: dict[str, Any] = {}
    slots: dict[str, list[Any]] = {}
    for name, lazy in zip(names, found, strict=True):
        if not isinstance(lazy, _file.Lazy):
            return None
        parts = re.sub(r":\d+$", "", name).split("/")
        if parts[-1] in ("iter", "iteration", "iterations") or (not lazy.shape and parts[-1].startswith("iter")):
            steps.append(lazy)
        elif parts[-1] in ("learning_rate", "current_learning_rate", "decay", "beta_1", "beta_2"):
            continue
        elif parts[-1] in _SINGLE.values() and not lazy.shape:
            single[parts[-1]] = lazy
        else:
            key = next((SLOTS[part] for part in (parts[-1], *parts[:2]) if part in SLOTS), None)
            if key is None:
                return None
            slots.setdefault(key, []).append(lazy)
    left = {key: list(lazies) for key, lazies in slots.items()}
    if type(optimizer).__name__ == "Adamax" and "velocity" in left:
        left["norm"] = left.pop("velocity")
    chosen: list[Any] = []
    for variable in optimizer.variables:
        name = _NAMELESS.sub("variable", variable.path.rpartition("/")[2])
        if name in ("iteration", "iterations"):
            chosen.append(steps[0] if steps else None)
        elif name == "learning_rate":
            chosen.append(None)
        elif name in _SINGLE and len(variable.shape) == 0:
            chosen.append(single.get(_SINGLE[name]))
        else:
            key = next((key for key in sorted(left, key=len, reverse=True) if name.endswith(key)), None)
            if key is None or not left[key] or tuple(left[key][0].shape) != tuple(variable.shape):
                return None
            chosen.append(left[key].pop(0))
    if getattr(optimizer, "momentum", None) == 0:
        left.pop("momentum", None)  # kept by Keras 2 and never used
    return None if any(left.values()) else chosen
