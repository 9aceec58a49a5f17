"""An object's variables by attribute, as TensorFlow's checkpoints name them."""

from __future__ import annotations

from typing import Any

import tensorflow

from . import _keras

Path = tuple[str, ...]


def paths(root: Any) -> dict[Path, Any]:
    """Every variable that an object reaches, each at its shortest path of attributes, the nearest first; a Keras model's variables that no attributes
    lead to, but the states of seeds, at their own names."""
    children = Children(root)
    found: dict[Path, Any] = {}
    seen = {id(root)}
    waiting: list[tuple[Path, Any]] = [((), root)]
    for path, each in waiting:
        if _is_variable(each):
            found[path] = each
            continue
        for name, child in children.of(each).items():
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(((*path, name), child))
    for variable in _keras.variables(root):
        if id(variable) not in seen:
            found.setdefault(tuple(variable.path.split("/")), variable)
    return found


class Children:
    """What the attributes of objects are, as TensorFlow names them in a SavedModel: with the lists and dicts of Keras's layers, which checkpoints of
    TensorFlow pass over."""

    def __init__(self, root: Any) -> None:
        self._view = tensorflow.train.TrackableView(root)
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}

    def of(self, here: Any) -> dict[str, Any]:
        """By name."""
        if id(here) not in self._known:
            self._known[id(here)] = (here, self._made(here))
        return self._known[id(here)][1]

    def _made(self, here: Any) -> dict[str, Any]:
        if isinstance(here, tensorflow.__internal__.tracking.Trackable):
            return {**_keras.collections(here), **self._view.children(here)}
        items = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list | tuple) else ()
        return {str(name): child for name, child in items if _is_object(child)}


def variables(root: Any) -> dict[str, Any]:
    """The variables of a tf.Module, a tf.train.Checkpoint, a Keras model or optimizer, by attribute: ``{"layers.0.kernel": variable}``."""
    return {".".join(path): variable for path, variable in paths(root).items()}


def _is_object(each: Any) -> bool:
    return isinstance(each, tensorflow.__internal__.tracking.Trackable | dict | list | tuple) or _is_variable(each)


def _is_variable(each: Any) -> bool:
    return isinstance(each, tensorflow.Variable) or (hasattr(each, "assign") and hasattr(each, "dtype") and hasattr(each, "shape"))


def name_of(variable: Any) -> str:
    """The variable's own name, without TensorFlow's ``:0``."""
    return str(getattr(variable, "path", None) or variable.name).removesuffix(":0")
