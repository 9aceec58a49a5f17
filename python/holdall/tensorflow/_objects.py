"""An object's variables by attribute, as TensorFlow's checkpoints name them."""

from __future__ import annotations

from typing import Any

import tensorflow

Path = tuple[str, ...]


def paths(root: Any) -> dict[Path, Any]:
    """Every variable that an object reaches, each at its shortest path of attributes, the nearest first."""
    view = tensorflow.train.TrackableView(root)
    found: dict[Path, Any] = {}
    seen = {id(root)}
    waiting: list[tuple[Path, Any]] = [((), root)]
    for path, each in waiting:
        if _is_variable(each):
            found[path] = each
            continue
        for name, child in view.children(each).items():
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(((*path, name), child))
    return found


def variables(root: Any) -> dict[str, Any]:
    """The variables of a tf.Module, a tf.train.Checkpoint, a Keras model or optimizer, by attribute: ``{"layers.0.kernel": variable}``."""
    return {".".join(path): variable for path, variable in paths(root).items()}


def _is_variable(each: Any) -> bool:
    return isinstance(each, tensorflow.Variable) or (hasattr(each, "assign") and hasattr(each, "dtype") and hasattr(each, "shape"))


def name_of(variable: Any) -> str:
    """The variable's own name, without TensorFlow's ``:0``."""
    return str(getattr(variable, "path", None) or variable.name).removesuffix(":0")
