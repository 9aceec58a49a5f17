"""A Keras model's variables and those that a SavedModel lists in their order: what ``model.export`` and Keras 2 wrote of layers with other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _model
from . import _keras
from ._graph import Graph

_LIST = "variables"


def by_order(model: _model.Model, graph: Graph, target: Any, own: Mapping[str, Any], full: Mapping[str, str]) -> list[dict[str, str]]:
    """Keys to names of the object's variables, where one list of the file, and no other, is as the model's own: as long, of the same shapes and of
    variables of the same names in the same layers, whatever the layers are called. Nothing, where a layer's name of its own says otherwise."""
    if not _keras.is_model(target):
        return []
    names = {id(variable): name for name, variable in own.items()}
    ways = [list(target.variables), [variable for variable in target.variables if not _keras.is_seed(variable.path)]]
    found: list[dict[str, str]] = []
    for keys in _lists(graph):
        for variables in ways:
            if len(keys) != len(variables) or not all(id(variable) in names or _keras.is_seed(variable.path) for variable in variables):
                continue
            if all(key in full and tuple(model[key].shape) == tuple(variable.shape) for key, variable in zip(keys, variables, strict=True)) and _alike(
                target, [full[key] for key in keys], [variable.path for variable in variables]
            ):
                made = {key: names[id(variable)] for key, variable in zip(keys, variables, strict=True) if id(variable) in names}
                found += [] if made in found else [made]
                break
    return found if len(found) == 1 else []


def _lists(graph: Graph) -> list[list[str]]:
    """The keys of each list called ``variables``."""
    seen: set[int] = set()
    lists = []
    for number in graph.walk():
        child = graph.nodes[number].children.get(_LIST)
        if child is None or child in seen:
            continue
        seen.add(child)
        items = graph.nodes[child].children
        numbers = [items.get(str(at)) for at in range(len(items))]
        keys = [None if number is None else graph.nodes[number].value for number in numbers]
        if keys and all(keys):
            lists.append([str(key) for key in keys])
    return lists


def _alike(target: Any, file: list[str], own: list[str]) -> bool:
    """Whether variables are called the same in layers that go one to one, and only names that Keras gives stand elsewhere."""
    there: dict[str, str] = {}
    back: dict[str, str] = {}
    elsewhere = {_given(target, name) for name in own}
    for theirs, mine in zip(file, own, strict=True):
        layer, _, leaf = theirs.rpartition("/")
        own_layer, _, own_leaf = mine.rpartition("/")
        if leaf not in (own_leaf, f"depthwise_{own_leaf}") or there.setdefault(layer, own_layer) != own_layer or back.setdefault(own_layer, layer) != layer:
            return False
        given = _given(target, theirs)
        if any(given[:-1]) and given != _given(target, mine) and given in elsewhere:
            return False
    return True


def _given(target: Any, name: str) -> tuple[str, ...]:
    """A variable's name with nothing for the parts that Keras gives by itself."""
    *above, leaf = name.split("/")
    return (*("" if _keras.is_automatic(target, part) else part for part in above), leaf)
