"""What the names of a file are called in an object: paths of attributes, or the variables' own names."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from .. import _model, _rules
from . import _objects

# The key of a SavedModel's tree under which the constants of its graph stand.
CONSTANTS = ".CONSTANTS"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def called(model: _model.Model, target: Any, own: Mapping[str, Any], rename: _rules.Rename | None) -> dict[str, str]:
    """Each name of the file to a name of the object's, which may stand behind a prefix. Of attributes by which both reach a variable, the shortest
    paths, and the variables' own names, whichever finds most of the object is taken."""
    changed = {name: new for name, new in _rules.called(rename, model).items() if new != name}
    known = paths(model)
    by_path = {name: known.get(name, name.removesuffix(_VALUE).replace("/", ".") if known else name) for name in model}
    full = _told(model, "full_name")
    attributes = _unique((_objects.name_of(variable), name) for name, variable in own.items())
    of_file = _unique((full.get(name, name).removesuffix(":0"), name) for name in model)
    ways: list[dict[str, str]] = [
        {**by_path, **changed},
        {**by_path, **_walked(model, target, own), **changed},
        {**by_path, **{file: attributes[name] for name, file in of_file.items() if name in attributes}, **changed},
    ]
    return max(ways, key=lambda names: _found(names, own))


def _walked(model: _model.Model, target: Any, own: Mapping[str, Any]) -> dict[str, str]:
    """Keys to names of the object's, by the attributes that lead to them in the file's object graph and in the object: those of its root."""
    graph = model.metadata.get("object_graph") if isinstance(model.metadata, dict) else None
    if not isinstance(graph, bytes):
        return {}
    try:
        nodes = TrackableObjectGraph.FromString(graph).nodes
    except DecodeError:
        return {}
    names = {id(variable): name for name, variable in own.items()}
    view = tensorflow.train.TrackableView(target)
    found: dict[str, str] = {}
    waiting, seen = [(0, target)] if nodes else [], {0}
    for number, here in waiting:
        if id(here) in names:
            found.update((attribute.checkpoint_key, names[id(here)]) for attribute in nodes[number].attributes if attribute.name == "VARIABLE_VALUE")
            continue
        children = view.children(here)
        for child in nodes[number].children:
            if child.local_name in children and child.node_id not in seen and 0 <= child.node_id < len(nodes):
                seen.add(child.node_id)
                waiting.append((child.node_id, children[child.local_name]))
    return found


def paths(model: _model.Model) -> dict[str, str]:
    """Key to path of attributes, as the object graph tells them."""
    return _told(model, "path")


def _told(model: _model.Model, what: str) -> dict[str, str]:
    told = model.metadata.get("variables", {}) if isinstance(model.metadata, dict) else {}
    return {key: about[what] for key, about in told.items() if isinstance(about, dict) and isinstance(about.get(what), str)} if isinstance(told, dict) else {}


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A dict without the keys that come twice."""
    listed = list(pairs)
    count = Counter(key for key, _ in listed)
    return {key: value for key, value in listed if count[key] == 1}


def _found(names: Mapping[str, str], own: Iterable[str]) -> int:
    """How many of the object's names are those of the file's behind some prefix, or the other way round."""
    there = set(names.values())
    backwards = sorted(name[::-1] for name in there)

    def is_found(name: str) -> bool:
        end = f".{name}"[::-1]
        at = bisect.bisect_left(backwards, end)
        return (at < len(backwards) and backwards[at].startswith(end)) or any(rest in there for rest in _ends(name))

    return sum(map(is_found, own))


def _ends(name: str) -> Iterator[str]:
    """``a.b.c``, ``b.c``, ``c``."""
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name
