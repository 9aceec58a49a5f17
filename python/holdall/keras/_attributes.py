"""Weights in checkpoints and SavedModels of TensorFlow: which variable of a model each is, by the attributes that lead to it or by its full name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras

from .. import _model
from . import _optimizer

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_LAYER = re.compile(r"layer(_with_weights)?-(\d+)$")  # what Keras 2 called a model's layers
_NUMBER = re.compile(r"_\d+(?=/|$)")
# What a model, or a checkpoint, has beside weights.
_BESIDE = re.compile(r"(^|/)(optimizer|keras_api|save_counter|_loss_tracker|loss_tracker|metrics|_metrics|compiled_metrics|_compile_metrics)(/|$)")


def told(model: _model.Model) -> dict[str, dict[str, Any]]:
    """What the file's object graph tells of each key of a variable; {} where it has none."""
    found = model.metadata.get("variables") if isinstance(model.metadata, dict) else None
    return {key: about for key, about in found.items() if isinstance(about, dict) and key in model} if isinstance(found, dict) else {}


def is_beside(key: str) -> bool:
    """Whether it is of an optimizer, but for the weights that this lists, of a metric or a checkpoint's own."""
    return _BESIDE.search(key) is not None and "/_trainable_variables/" not in key


def keys(model: _model.Model) -> list[str]:
    """The file's, of which what was exported has all variables in two lists."""
    is_listed = any(key.startswith("variables/") for key in model)
    return [key for key in model if not (is_listed and key.startswith("_all_variables/"))]


def full_name(key: str, about: Mapping[str, Any]) -> str:
    """A variable's name through scopes, without the number of an output."""
    name = about.get("full_name")
    return re.sub(r":\d+$", "", name) if isinstance(name, str) and name else key.removesuffix(_VALUE)


def resolved(model: Any, key: str, about: Mapping[str, Any]) -> Any:
    """The variable of the model that a key's attributes lead to, with or without the name that the model has in its checkpoint; None."""
    for path in (key.removesuffix(_VALUE).split("/"), str(about.get("path", "")).split(".")):
        for start in (0, 1):
            found = _walked(model, path[start:])
            if isinstance(found, keras.Variable):
                return found
    return None


def _walked(value: Any, path: Iterable[str]) -> Any:
    """By what objects hold, and nothing that they would compute: a file says the path."""
    for name in path:
        layer = _LAYER.match(name)
        if layer and isinstance(value, keras.Model):
            layers = [each for each in value.layers if each.weights or not layer[1]]
            value = layers[int(layer[2])] if int(layer[2]) < len(layers) else None
        elif isinstance(value, list | tuple):
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        elif isinstance(value, dict):
            value = dict.get(value, name)
        else:
            held = getattr(value, "__dict__", {})
            value = held.get(name, held.get(f"_{name}"))
        if value is None:
            return None
    return value


def matched(own: list[tuple[str, tuple[int, ...]]], found: list[tuple[str, tuple[int, ...]]], root: str) -> dict[int, int]:
    """Which of `found` is which of `own`, by (name, shape): names as they are, those without the model's own name, `root`, in front, and names that
    differ in the numbers of layers alone, where both have as many of them, of the same shapes, in the order of the numbers."""
    pairs: dict[int, int] = {}
    for of_own, of_found in ((str, str), (lambda name: _bare(name, root), str), (lambda name: _bare(name, root), _without_first)):
        taken = set(pairs.values())
        left = _unique((of_own(name), place) for place, (name, _) in enumerate(own) if place not in taken)
        there = _unique((of_found(name), place) for place, (name, _) in enumerate(found) if place not in pairs)
        pairs.update({place: left[name] for name, place in there.items() if name in left})
    for of_found in (str, _without_first):
        one = _grouped(((_bare(name, root), place) for place, (name, _) in enumerate(own)), set(pairs.values()))
        other = _grouped(((of_found(name), place) for place, (name, _) in enumerate(found)), set(pairs))
        for name, places in one.items():
            theirs = other.get(name, [])
            if [own[place][1] for place in places] == [found[place][1] for place in theirs]:
                pairs.update(zip(theirs, places, strict=True))
    return pairs


def _bare(name: str, root: str) -> str:
    return name.removeprefix(f"{root}/")


def _without_first(name: str) -> str:
    return name.partition("/")[2]


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    twice = set()
    for name, place in pairs:
        if name in found:
            twice.add(name)
        found[name] = place
    return {name: place for name, place in found.items() if name and name not in twice}


def _grouped(pairs: Iterable[tuple[str, int]], taken: set[int]) -> dict[str, list[int]]:
    """Places by names without numbers, in the order of those."""
    found: dict[str, list[tuple[list[Any], int]]] = {}
    for name, place in pairs:
        if place not in taken and name:
            numbers = [int(part) if part.isdigit() else -1 for part in re.split(r"(\d+)", name)]
            found.setdefault(_NUMBER.sub("", name), []).append((numbers, place))
    return {name: [place for _, place in sorted(listed)] for name, listed in found.items()}


def slots(model: _model.Model, optimizer: Any, variables: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """(variable of the optimizer, key) of what the file has of it; `variables`: those of the model, by the keys that are theirs."""
    own = {variable.path.partition("/")[2]: variable for variable in optimizer.variables}
    about_all = told(model)
    called = {full_name(key, about_all.get(key, {})).replace("/", "_"): variable.path.replace("/", "_") for key, variable in variables.items()}
    for key, about in about_all.items():
        name = full_name(key, about)
        slot = about.get("slot")
        if isinstance(slot, str):
            of = variables.get(str(about.get("slot_of")))
            kind = _optimizer.SLOTS.get(slot, slot)
            found = None if of is None else own.get(f"{of.path.replace('/', '_')}_{kind}")
        else:
            last = name.rpartition("/")[2]
            rest = name.partition("/")[2]
            found = own.get(rest)
            # The slot of a weight whose layer has another number here.
            ends = [at for at, letter in enumerate(rest) if letter == "_" and rest[:at] in called]
            if ends:
                found = own.get(called[rest[: ends[-1]]] + rest[ends[-1] :], found)
            if found is None and last == "iter" and is_beside(key):
                found = own.get("iteration")
        if found is not None:
            yield found, key
