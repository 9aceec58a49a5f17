"""What a loader holds that changes from epoch to epoch: random generators of its own, and the epoch of a sampler."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Mapping
from typing import Any

import torch

from .. import _random

# Levels, items of one container and objects altogether that are searched for generators.
_DEEPEST, _WIDEST, _MOST = 6, 64, 2000
# Parts of a DataLoader that use generators; of anything else all attributes are searched.
_PARTS = ("generator", "sampler", "batch_sampler", "dataset", "collate_fn")
# Attributes that lead out of a loader: what runs, not what it was made of.
_OTHERS = frozenset({"_iterator", "gradient_state", "multiprocessing_context"})
_LEAVES = (str, bytes, int, float, complex, torch.Tensor, torch.nn.Module, type, types.ModuleType, type(None))


def of_loader(loader: Any) -> dict[str, Any]:
    """Roots for `generators`."""
    if issubclass(type(loader), torch.utils.data.DataLoader):
        return {name: getattr(loader, name) for name in _PARTS if getattr(loader, name, None) is not None}
    return {"loader": loader}


def generators(roots: Mapping[str, Any]) -> dict[str, Any]:
    """Generators by where they are held ("dataset.rng"): in attributes, lists, dicts, partial calls, closures."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    todo = collections.deque((path, value, 0) for path, value in roots.items())
    while todo and len(seen) < _MOST:
        path, value, level = todo.popleft()
        if id(value) in seen or isinstance(value, _LEAVES):
            continue
        seen.add(id(value))
        if _random.kind_of(value) is not None:
            found[path] = value
        elif level < _DEEPEST:
            todo.extend((f"{path}{name}", part, level + 1) for name, part in _inside(value))
    return found


def _inside(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        return [(f"[{number}]", part) for number, part in enumerate(value)] if len(value) <= _WIDEST else []
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()] if len(value) <= _WIDEST else []
    if isinstance(value, functools.partial):
        return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    if isinstance(value, types.MethodType):
        return [(".__self__", value.__self__)]
    if isinstance(value, types.FunctionType):
        cells = [(f".{name}", cell) for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)]
        parts = [(name, cell.cell_contents) for name, cell in cells if cell != types.CellType()]
        return [*parts, (".__defaults__", value.__defaults__), (".__kwdefaults__", value.__kwdefaults__)]
    attributes = getattr(value, "__dict__", None)
    if not isinstance(attributes, dict) or len(attributes) > _WIDEST:
        return []
    return [(f".{name}", part) for name, part in attributes.items() if name not in _OTHERS]


def state(loader: Any) -> dict[str, Any]:
    """{"generators": by place, "counters": by place}, plain values and tensors."""
    held = {path: _random.state_of(generator) for path, generator in generators(of_loader(loader)).items()}
    return {"generators": held, "counters": {path: getattr(part, name) for path, (part, name) in _counters(loader).items()}}


def set_state(loader: Any, state: Mapping[str, Any]) -> list[str]:
    """Returns the places of generators that `state` has and the loader has not (yet). Raises CorruptError."""
    here = generators(of_loader(loader))
    for path, own in state["generators"].items():
        if path in here:
            _random.set_state_of(here[path], own)
    counters = _counters(loader)
    for path, count in state["counters"].items():
        part, name = counters.get(path, (None, ""))
        if part is None or getattr(part, name) == count:
            continue
        if name == "epoch" and callable(getattr(part, "set_epoch", None)):
            part.set_epoch(count)
        else:
            setattr(part, name, count)
    return [path for path in state["generators"] if path not in here]


def _counters(loader: Any) -> dict[str, tuple[Any, str]]:
    """(object, attribute) of what counts epochs, as DistributedSampler and accelerate's loaders do: what they give depends on the count."""
    found: dict[str, tuple[Any, str]] = {}
    for root in ("", "sampler", "batch_sampler", "dataset"):
        part, path = loader if not root else getattr(loader, root, None), root
        for _ in range(4):
            attributes = getattr(part, "__dict__", {})
            found.update({f"{path}.{name}": (part, name) for name in ("epoch", "iteration") if type(attributes.get(name)) is int})
            part, path = attributes.get("sampler") or attributes.get("batch_sampler"), f"{path}.sampler"
    return found
