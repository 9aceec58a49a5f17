"""A file's object graph, met with a live object: which key of the file is which variable, by the attributes that lead to both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from .. import _model
from . import _keras, _objects

_VALUE = "VARIABLE_VALUE"
# Of pairs that a search looks at, so many for each object: graphs that say nothing of a kind end it.
_MOST = 64


@dataclasses.dataclass
class Node:
    """An object of the file: its attributes by name, the keys of its values, and what an optimizer keeps beside others' variables."""

    children: dict[str, int]
    keys: list[str]
    value: str | None
    slots: list[int]


@dataclasses.dataclass
class Found:
    """From one object of the file, at `path` from its root: names of the live object's variables by key, and every key that is there."""

    path: tuple[str, ...]
    names: dict[str, str]
    reached: set[str]


class Graph:
    """The objects of a file; none, where it has no graph."""

    def __init__(self, model: _model.Model) -> None:
        told = model.metadata.get("object_graph") if isinstance(model.metadata, dict) else None
        try:
            read = TrackableObjectGraph.FromString(told) if isinstance(told, bytes) else TrackableObjectGraph()
        except DecodeError:
            read = TrackableObjectGraph()
        count = len(read.nodes)
        self.nodes = [
            Node(
                {child.local_name: child.node_id for child in node.children if 0 <= child.node_id < count},
                [attribute.checkpoint_key for attribute in node.attributes],
                next((attribute.checkpoint_key for attribute in node.attributes if attribute.name == _VALUE), None),
                [slot.slot_variable_node_id for slot in node.slot_variables if 0 <= slot.slot_variable_node_id < count],
            )
            for node in read.nodes
        ]

    def walk(self, start: int = 0, without: Iterable[str] = ()) -> dict[int, tuple[int, str] | None]:
        """Objects that are reached from one, the nearest first, each with the object and the attribute that led there. `without`: attributes of the
        first that are not followed."""
        met: dict[int, tuple[int, str] | None] = {start: None} if start < len(self.nodes) else {}
        skipped = frozenset(without)
        waiting = list(met)
        for number in waiting:
            for name, child in self.nodes[number].children.items():
                if child not in met and not (number == start and name in skipped):
                    met[child] = (number, name)
                    waiting.append(child)
        return met

    def at(self, path: Iterable[str]) -> int | None:
        """The object at a path of attributes."""
        number = 0
        for name in path:
            if number >= len(self.nodes) or name not in self.nodes[number].children:
                return None
            number = self.nodes[number].children[name]
        return number if number < len(self.nodes) else None

    def keys(self, start: int, without: Iterable[str] = ()) -> set[str]:
        """All values of what is reached from an object, with an optimizer's slots."""
        numbers = list(self.walk(start, without))
        return {key for number in numbers for each in (number, *self.nodes[number].slots) for key in self.nodes[each].keys}


class Search:
    """Looks for an object in a graph."""

    def __init__(self, graph: Graph, target: Any, own: Mapping[str, Any]) -> None:
        self._graph, self._target = graph, target
        self._names = {id(variable): name for name, variable in own.items()}
        self._children = _objects.Children(target)
        self._left = _MOST * (len(graph.nodes) + len(own)) + 10_000

    def everywhere(self) -> Iterator[Found]:
        """From each object of the file that shares an attribute with the live one, the root first."""
        here = set(self._children.of(self._target))
        met = self._graph.walk()
        for number in met:
            shared = any(name in here or _keras.other_names(self._target, name) for name in self._graph.nodes[number].children)
            if shared and self._left > 0:
                path, at = [], met[number]
                while at is not None:
                    path.append(at[1])
                    at = met[at[0]]
                yield self.at(number, tuple(reversed(path)))

    def at(self, number: int, path: tuple[str, ...]) -> Found:
        """From one object of the file. What several paths lead to several variables is left out, and so is a variable that several keys lead to."""
        led: dict[int, set[str]] = {}
        waiting, seen = [(number, self._target)], {(number, id(self._target))}
        for node, here in waiting:
            if id(here) in self._names:
                if self._graph.nodes[node].value is not None:
                    led.setdefault(node, set()).add(self._names[id(here)])
                continue
            for name, child_node in self._graph.nodes[node].children.items():
                child = self._child(here, name)
                self._left -= 1
                if child is not None and self._left > 0 and (child_node, id(child)) not in seen:
                    seen.add((child_node, id(child)))
                    waiting.append((child_node, child))
        only = {str(self._graph.nodes[node].value): next(iter(names)) for node, names in led.items() if len(names) == 1}
        times: dict[str, int] = {}
        for name in only.values():
            times[name] = times.get(name, 0) + 1
        names = {key: name for key, name in only.items() if times[name] == 1}
        without = _keras.of_training(self._target) - set(self._children.of(self._target))
        return Found(path, names, self._graph.keys(number, without))

    def _child(self, here: Any, name: str) -> Any:
        children = self._children.of(here)
        if name in children:
            return children[name]
        return next((children[other] for other in _keras.other_names(here, name) if other in children), _keras.part(here, name))
