"""What the names of a file are called in an object: paths of attributes, or the variables' own names, or places in a list of them."""

from __future__ import annotations

import bisect
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import _model, _rules
from .._report import Report, mismatch
from . import _keras, _objects, _ordered
from ._graph import Found, Graph, Search

# The key of a SavedModel's tree under which the constants of its graph stand.
CONSTANTS = ".CONSTANTS"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# What tf.train.Checkpoint counts beside everybody's variables: nobody misses it.
_COUNTER = "save_counter"
# How many names of a file with one end are compared by shape.
_MOST_ALIKE = 64

Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass
class Way:
    """What each name of the file is called, and which of them nobody expects in the object."""

    names: dict[str, str]
    beside: set[str] = dataclasses.field(default_factory=set)


def called(model: _model.Model, target: Any, own: Shapes, variables: Mapping[str, Any], rename: _rules.Rename | None, prefix: str) -> Way:
    """Each name of the file to a name of the object's, which may stand behind a prefix: of the paths of attributes that the file tells, the attributes
    by which both reach a variable, the variables' own names, and for a Keras model their order in a list, what finds most of the object is taken, the
    first of equals. `own`: the object's shapes. Raises MismatchError where several places of the file have all of the object."""
    changed = {name: new for name, new in _rules.called(rename, model).items() if new != name}
    known = paths(model)
    by_path = {name: known.get(name, name.removesuffix(_VALUE).replace("/", ".") if known else name) for name in model}
    beside = {name for name, path in known.items() if path.split(".", 1)[0] == _COUNTER or _is_of_training(target, path)}
    if _keras.is_model(target):
        beside |= {name for name, full in _full_names(model).items() if _keras.is_seed(full)}
    graph = Graph(model)
    places = _places(graph, target, own, variables, prefix, model)
    names = _by_name(model, known, variables, target)
    ways = [Way({**by_path, **changed}, beside)]
    ways += [_exact(by_path, place.names, beside | (set(known) - place.reached), changed, prefix) for place in places[:1]]
    ways += [_mixed(by_path, found, beside | copies, changed, prefix) for found, copies in names]
    ways += [
        _exact(by_path, found, beside | (set(known) - set(found)), changed, prefix)
        for found in _ordered.by_order(model, graph, target, variables, _full_names(model))
    ]
    scores = [_found(way.names, model, own) for way in ways]
    best = max(range(len(ways)), key=lambda at: (scores[at], -at))
    if len(places) > 1 and scores[0] < len(own) and not any(_tells(found, places, target) for found, _ in names):
        listed = ", ".join(".".join(place.path) + "." for place in places[:20])
        raise mismatch(
            f"the file does not fit the {type(target).__name__}", Report(missing=list(own)), model.path, f"several places fit: {listed}; give prefix="
        )
    return ways[best]


def _exact(by_path: Mapping[str, str], found: Mapping[str, str], beside: set[str], changed: Mapping[str, str], prefix: str) -> Way:
    """What was found, under the prefix; everything else is called as nothing of the object is."""
    names = {name: prefix + found[name] if name in found else f"{prefix}(beside) {number}" for number, name in enumerate(by_path)}
    return Way({**names, **changed}, beside - set(found) - set(changed))


def _mixed(by_path: Mapping[str, str], found: Mapping[str, str], beside: set[str], changed: Mapping[str, str], prefix: str) -> Way:
    """What was found, and by their paths those that nothing was found for."""
    exact = _exact(by_path, found, beside, changed, prefix)
    taken = set(exact.names.values())
    return Way({**exact.names, **{name: path for name, path in by_path.items() if name not in found and path not in taken}, **changed}, exact.beside)


def _places(graph: Graph, target: Any, own: Shapes, variables: Mapping[str, Any], prefix: str, model: _model.Model) -> list[Found]:
    """Where the file has most of the object by attributes: several places where it has all of it in each, none where several have as much of it."""
    if not graph.nodes:
        return []
    search = Search(graph, target, variables)
    if prefix:
        path = tuple(prefix.removesuffix(".").split("."))
        number = graph.at(path) if prefix.endswith(".") else None
        return [] if number is None else [search.at(number, path)]
    best: list[Found] = []
    most = 1
    for found in search.everywhere():
        fitting = sum(_fits(model, key, own[name]) for key, name in found.names.items())
        if fitting > most or (fitting == most and not best):
            best, most = [found], fitting
        elif fitting == most and all(found.names != other.names for other in best):
            best.append(found)
        if not found.path and fitting == len(own):
            break
    if best and not best[0].path:
        return best[:1]
    return best if len(best) == 1 or most == len(own) else []


def _fits(model: _model.Model, key: str, shape: tuple[int, ...]) -> bool:
    return key in model and tuple(model[key].shape) == shape


def _tells(found: Mapping[str, str], places: list[Found], target: Any) -> bool:
    """Whether names say which of several places it is; those that Keras gives say nothing."""
    return any(place.names == found for place in places) and not _keras.has_automatic_names(target)


def _by_name(
    model: _model.Model, known: Mapping[str, str], variables: Mapping[str, Any], target: Any
) -> list[tuple[dict[str, str], set[str]]]:
    """Keys to names of the object's, by the variables' own names, and of a Keras model by those without the model's; and the keys that are copies of
    others. What stands twice is one where its values are the same, and else none."""
    full = _full_names(model)
    own = {name: _objects.name_of(variable) for name, variable in variables.items()}
    ways = [(full, own)]
    if _keras.is_model(target):
        of_model = {key: full[key] for key in known if key in full and not _is_of_training(target, known[key])}
        ways.append((_without_first(of_model), _without_first(own)))
    made = []
    for there, here in ways:
        attributes = _unique((called, name) for name, called in here.items())
        keys: dict[str, list[str]] = {}
        for key, called in there.items():
            keys.setdefault(called, []).append(key)
        found, copies = {}, set()
        for called, alike in keys.items():
            if called in attributes and (len(alike) == 1 or _same(model, alike)):
                found[alike[0]] = attributes[called]
                copies.update(alike[1:])
        made.append((found, copies))
    return made


def _without_first(names: Mapping[str, str]) -> dict[str, str]:
    """Without the first part, where all have the same before a slash."""
    firsts = {called.partition("/")[0] if "/" in called else "" for called in names.values()}
    return {key: called.partition("/")[2] for key, called in names.items()} if len(firsts) == 1 and "" not in firsts else {}


def _same(model: _model.Model, keys: list[str]) -> bool:
    """Whether tensors are the same, bit for bit."""
    first, *others = (model[key] for key in keys)
    if any((other.shape, other.dtype) != (first.shape, first.dtype) for other in others):
        return False
    value = first.numpy()
    return first.dtype != "string" and all(other.numpy().tobytes() == value.tobytes() for other in others)


def _is_of_training(target: Any, path: str) -> bool:
    """Whether a path is that of what only training needs of a Keras model; an optimizer's list of the model's own variables is not."""
    first, _, rest = path.removeprefix("model.").partition(".")
    if first not in _keras.of_training(target) or rest.startswith("_trainable_variables."):
        return False
    return not hasattr(target, first) or getattr(target, first) is None


def _full_names(model: _model.Model) -> dict[str, str]:
    """Each name of the file to the name that the variable had in TensorFlow 1, where the file tells it."""
    told = _told(model, "full_name")
    return {name: told.get(name, name).removesuffix(":0") for name in model}


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


def _found(names: Mapping[str, str], model: _model.Model, own: Shapes) -> int:
    """How many of the object's names are, with their shapes, those of the file's behind some prefix, or the other way round."""
    there = {new: key for key, new in names.items()}
    backwards = sorted((new[::-1], key) for new, key in there.items())

    def is_found(name: str) -> bool:
        end = f".{name}"[::-1]
        at = bisect.bisect_left(backwards, (end, ""))
        for new, key in backwards[at : at + _MOST_ALIKE]:
            if not new.startswith(end):
                break
            if _fits(model, key, own[name]):
                return True
        return any(rest in there and _fits(model, there[rest], own[name]) for rest in _ends(name))

    return sum(map(is_found, own))


def _ends(name: str) -> Iterator[str]:
    """``a.b.c``, ``b.c``, ``c``."""
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name
