"""save(): an object's variables to any format; update(): a SavedModel's graph with an object's variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow

from .. import _model, _save
from .._progress import Callback
from .._report import Report, mismatch
from ..errors import UnsupportedError
from . import _objects, _saved_model


def save(
    state: Any,
    path: _model.PathLike,
    *,
    format: str | None = None,
    signatures: Any = None,
    metadata: Mapping[str, Any] | None = None,
    allow_loss: bool = False,
    sync: bool = True,
    shard_size: int | str = 0,
    progress: bool | Callback | None = None,
) -> None:
    """Writes the variables of a tf.Module, a tf.train.Checkpoint, a Keras model or optimizer, nested as its attributes are; dicts of tensors as they are.

    Where neither `path` nor `format` says another format, it is a folder with a checkpoint, which
    ``tf.train.Checkpoint(…).restore(tf.train.latest_checkpoint(path)).assert_consumed()`` takes for objects of the same attributes.

    ``format="tf-savedmodel"``, or `signatures`, makes a SavedModel of a tf.Module, a tf.train.Checkpoint or a Keras model: functions and assets along.
    TensorFlow writes it, Holdall verifies what it wrote and puts it in its place whole; a SavedModel that stood there is replaced. `signatures`: a
    tf.function with an input_signature, a concrete function, or a dict of them by name; without it ``__call__`` where it is such a function, and of a
    Keras model its call with what it was built for. `metadata` stands in ``assets.extra/holdall.json``, which TensorFlow passes over.

    Raises LossError, listing what the format cannot hold, unless `allow_loss`; UnsupportedError for what TensorFlow makes no SavedModel of;
    StorageError, also where a folder holds files that are no SavedModel's.
    """
    is_live = not isinstance(state, dict | list | tuple | _model.Model)
    if signatures is not None and (not is_live or format not in (None, "tf-savedmodel")):
        raise ValueError("signatures are those of a module in a SavedModel: format='tf-savedmodel'")
    if is_live and (format == "tf-savedmodel" or signatures is not None):
        return _saved_model.save(state, path, signatures, metadata, allow_loss, sync, shard_size, progress)
    tree = nested(_objects.paths(state)) if is_live else state
    if format is None and not os.path.splitext(os.fspath(path))[1]:
        format = "tf-checkpoint"
    _save.save(tree, path, format=format, metadata=metadata, allow_loss=allow_loss, sync=sync, shard_size=shard_size, progress=progress)


def nested(variables: Mapping[_objects.Path, Any]) -> dict[str, Any]:
    """Dicts by attribute. Raises UnsupportedError where a variable is an attribute of another."""
    root: dict[str, Any] = {}
    for path, variable in variables.items():
        if not path:
            return {"value": tensorflow.convert_to_tensor(variable)}
        at = root
        for name in path[:-1]:
            at = at.setdefault(name, {})
            if not isinstance(at, dict):
                raise UnsupportedError(f"{'.'.join(path)} is an attribute of a variable")
        at[path[-1]] = tensorflow.convert_to_tensor(variable)
    return root


def update(graph: _model.Source | _model.Model, state: Any, path: _model.PathLike, *, strict: bool = True, sync: bool = True) -> Report:
    """Writes a SavedModel, or a checkpoint with its object graph, again with other values: those of an object's variables, or of a file's or a dict's tensors.

    Graph, signatures and assets stay. A value goes where the graph has its name, or a variable at that path of attributes or of that full name, and is
    cast to its dtype; what `state` does not have keeps its value and is `missing` in the report. With `strict`, what the graph has no place for, or
    in another shape, raises MismatchError and nothing is written.
    """
    model = graph if isinstance(graph, _model.Model) else _model.open(graph)
    if isinstance(state, str | os.PathLike):
        state = _model.open(state)
    weights = _save.build(state if isinstance(state, dict | list | tuple | _model.Model) else nested(_objects.paths(state)), None, ())
    replaced, found = model._native.updated(weights)
    report = Report.of(found)
    if strict and (report.unexpected or report.mismatched):
        raise mismatch("the values do not fit the graph", report, model.path)
    _save.write(replaced, path, model.format, False, sync, 0, 0, False, None)
    return report
