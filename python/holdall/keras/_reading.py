"""Files of Keras as the library opens them, as groups with attributes and datasets."""

from __future__ import annotations

import warnings
from typing import Any

from .. import _model
from ..errors import CorruptError, HoldallWarning
from . import _file


def opened(source: _model.Source | _model.Model, policy: _model.PathLike | None = None) -> _file.File:
    """Raises as holdall.open(); CorruptError for a config that is none."""
    model = _model.opened(source, policy)
    if model.format not in ("keras", "keras-h5"):
        config = model.config if isinstance(model.config, dict) and "class_name" in model.config else None
        if config is None or not any(_is_variable(name) for name in model):
            kind = "variables" if model.format in ("tf-checkpoint", "tf-savedmodel") else "other"
            return _file.File(model, kind, _file.Node())
    for warning in model.warnings:
        warnings.warn(f"{model.path}: {warning}", HoldallWarning, stacklevel=3)
    root = _groups(model)
    is_legacy = model.format != "keras" and (_file.lists_layers(root) or isinstance(root.find("model_weights"), _file.Node))
    kind = "legacy" if is_legacy else "archive" if model.config is not None else "weights"
    training = model.metadata.get("training_config")
    return _file.File(model, kind, root, _dict(model.config, "config", model.path), _dict(training, "training_config", model.path))


def _is_variable(name: str) -> bool:
    return "/vars/" in f"/{name}" or name.startswith("model_weights/")


def _dict(value: Any, what: str, path: str) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise CorruptError(f"the {what} is a {type(value).__name__}, not an object", path=path)
    return value


def _groups(model: _model.Model) -> _file.Node:
    """The groups of a file: attributes stand in the metadata under the path of their object, with "/" in front; those of the root by themselves."""
    metadata = model.metadata
    root = _file.Node({name: value for name, value in metadata.items() if not str(name).startswith("/")})
    for name, tensor in model.items():
        *above, last = name.split("/")
        _group(root, above, name).children[last] = _file.Lazy.of(tensor)
    for name, attributes in metadata.items():
        if not isinstance(name, str) or not name.startswith("/") or not isinstance(attributes, dict):
            continue
        if not isinstance(root.find(name), _file.Lazy):
            _group(root, name[1:].split("/"), name).attrs.update(attributes)
    # Keras 3's files, whose only attributes are the names of layers, have them together.
    names = metadata.get("layer_names")
    for path, name in names.items() if isinstance(names, dict) else ():
        if isinstance(path, str) and not isinstance(root.find(f"{path}/vars"), _file.Lazy):
            _group(root, [*path.split("/"), "vars"] if path else ["vars"], path).attrs["name"] = name
    return root


def _group(root: _file.Node, names: list[str], path: str) -> _file.Node:
    found = root
    for name in names:
        below = found.children.setdefault(name, _file.Node())
        if not isinstance(below, _file.Node):
            raise CorruptError(f"'{path}' leads through a dataset")
        found = below
    return found
