"""The state of an optimizer from an .h5 file: Keras 3's own order, and the slots of Keras 2 by their names."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy

from ..errors import HoldallWarning
from . import _file

# What Keras 2 called the slots that Keras 3 calls otherwise; both are met at the end of a weight's name, or ahead of it.
_SLOTS = {
    "m": "momentum", "v": "velocity", "momentum": "momentum", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient", "accumulator": "accumulator",
    "accum_grad": "accumulated_grad", "accum_var": "accumulated_delta_var",
}  # fmt: skip


def fill(model: Any, file: _file.File) -> None:
    """Leaves the optimizer as new, with a HoldallWarning, where its state cannot be told."""
    optimizer, group = model.optimizer, file.root.group("optimizer_weights")
    optimizer.build(model.trainable_variables)
    names = group.texts("weight_names")
    found = [group.find(name) for name in names]
    lazies = [each for each in found if isinstance(each, _file.Lazy)]
    own = list(optimizer.variables)
    chosen: list[Any] | None = lazies if len(lazies) == len(own) == len(names) else None
    if chosen is None or any(tuple(lazy.shape) != tuple(variable.shape) for lazy, variable in zip(chosen, own, strict=True)):
        chosen = _of_keras_2(optimizer, names, found)
    if chosen is None:
        warnings.warn(
            f"{file.model.path}: the state of the {type(optimizer).__name__} is of another layout and was left out: it begins anew", HoldallWarning, stacklevel=4
        )
        return
    arrays = [None if lazy is None else lazy.numpy() for lazy in chosen]
    for variable, array in zip(own, arrays, strict=True):
        if array is not None:
            variable.assign(numpy.asarray(array).astype(variable.dtype) if array.dtype != variable.dtype else array)


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
