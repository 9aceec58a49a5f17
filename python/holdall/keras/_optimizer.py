"""The state of an optimizer from an .h5 file: Keras 3's own order, and the slots of Keras 2 by their names."""

from __future__ import annotations

import re
import warnings
from typing import Any

from ..errors import HoldallWarning
from . import _file, _state

# What Keras 2 called the slots that Keras 3 calls otherwise; both are met at the end of a weight's name, or ahead of it.
_SLOTS = {
    "m": "momentum", "v": "velocity", "momentum": "momentum", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient", "accumulator": "accumulator",
    "accum_grad": "accumulated_grad", "accum_var": "accumulated_delta_var",
}  # fmt: skip


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
    if len(own) == len(found) + 1 and len(own) > 1 and own[1].path.rpartition("/")[2] == "learning_rate":
        found.insert(1, None)
    return found if found and len(found) == len(own) else None


def fill(model: Any, file: _file.File) -> None:
    """Leaves the optimizer as new, with a HoldallWarning, where its state cannot be told."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
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
    slots: dict[str, list[Any]] = {}
    for name, lazy in zip(names, found, strict=True):
        if not isinstance(lazy, _file.Lazy):
            return None
        parts = re.sub(r":\d+$", "", name).split("/")
        if parts[-1] in ("iter", "iteration", "iterations") or (not lazy.shape and parts[-1].startswith("iter")):
            steps.append(lazy)
        elif parts[-1] in ("learning_rate", "current_learning_rate", "decay", "beta_1", "beta_2"):
            continue
        else:
            key = next((_SLOTS[part] for part in (parts[-1], *parts[:2]) if part in _SLOTS), None)
            if key is None:
                return None
            slots.setdefault(key, []).append(lazy)
    chosen: list[Any] = []
    left = {key: list(lazies) for key, lazies in slots.items()}
    for variable in optimizer.variables:
        name = variable.path.rpartition("/")[2]
        if name in ("iteration", "iterations"):
            chosen.append(steps[0] if steps else None)
        elif name == "learning_rate":
            chosen.append(None)
        else:
            key = next((key for key in sorted(left, key=len, reverse=True) if name.endswith(key)), None)
            if key is None or not left[key] or tuple(left[key][0].shape) != tuple(variable.shape):
                return None
            chosen.append(left[key].pop(0))
    return None if any(left.values()) else chosen
