"""load_into(): a file's tensors into the variables of an object, with a report of what fits and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow

from .. import _dtypes, _load, _model
from .._report import Report, mismatch
from .._rules import Rename
from ..errors import MismatchError
from . import _keras, _names, _objects


def load_into(
    target: Any,
    source: _model.Source | _model.Model,
    *,
    strict: bool = True,
    rename: Rename | None = None,
    prefix: str = "",
    check: bool = True,
    policy: _model.PathLike | None = None,
) -> Report:
    """Loads a file's tensors into the variables of a tf.Module, a tf.train.Checkpoint, a Keras model or optimizer.

    Names are paths of attributes (``layers.0.kernel``), which the object graph of a checkpoint or a SavedModel tells. What finds most of the object is
    taken, the first of equals: those paths, with the place of the object in a checkpoint; the attributes by which file and object both reach a variable,
    those that Keras 2 gave a model's layers among them; variables' own names (``net/kernel``); and for a Keras model the file's list of variables, in
    order, where shapes and names in each layer agree, whatever Keras calls the layers. Several places, or several values of one name, are told, not
    chosen from. Of a Keras model's optimizer the file need have nothing: then it is left as it is. `rename`: names of the file to those of the object,
    a dict (with one ``*`` on each side where wanted) or a function. `prefix`: takes the entries under it and drops it. Values are cast to the
    variables' dtypes. `policy`: as holdall.load() has it.

    Returns the Report. With `strict`, anything missing, unexpected or of another shape raises MismatchError, which carries it, and nothing has been loaded. All
    is read and checked before the first variable changes.
    """
    model = _model.opened(source, policy)
    _keras.ready(target, _names.paths(model).values())
    own = _objects.variables(target)
    unfit = f"the file does not fit the {type(target).__name__}"
    try:
        way = _names.called(model, target, {name: _shape(variable) for name, variable in own.items()}, own, rename, prefix)
        report, pairs = _fitted(model, own, way, prefix)
    except MismatchError as error:
        if error.report is not None:
            raise
        raise mismatch(unfit, Report(missing=list(own)), model.path, error.message) from None
    if _keras.is_model(target):
        _forgive_optimizer(target, own, report)
    if strict and not report.complete:
        raise mismatch(unfit, report, model.path)
    names = [name for _, name in pairs]
    arrays = list(_load._arrays(model, names, check, False, None, None))
    values = [_value(array, own[name]) for (name, _), array in zip(pairs, arrays, strict=True)]
    for (name, _), value in zip(pairs, values, strict=True):
        own[name].assign(value)
    return report


def _value(array: Any, variable: Any) -> Any:
    tensor = tensorflow.convert_to_tensor(array)
    wanted = tensorflow.as_dtype(variable.dtype)
    return tensor if tensor.dtype == wanted else tensorflow.cast(tensor, wanted)


def _fitted(
    model: _model.Model, own: Mapping[str, Any], way: _names.Way, prefix: str
) -> tuple[Report, list[tuple[str, str]]]:
    """The report, and (name in the object, name in the file) of what fits. Raises MismatchError where several places fit."""
    entries = [(name, _shape(variable), _dtype_name(variable)) for name, variable in own.items()]
    # What does not lie under the prefix is called as nothing of an object is.
    under = {name: new[len(prefix) :] if new.startswith(prefix) else f"(beside {prefix}) {name}" for name, new in way.names.items()}
    found, pairs = model._native.fit(entries, under.__getitem__, "")
    report = Report.of(found)
    paths = _names.paths(model)
    report.found_as = {own_name: file for own_name, file in report.found_as.items() if paths.get(file) != own_name}
    report.renamed = list(report.found_as)
    constants = set(model.tree.get(_names.CONSTANTS, ())) if isinstance(model.tree, dict) else set()
    report.unexpected = [
        name
        for name in report.unexpected
        if way.names[name].startswith(prefix) and name not in constants and name not in way.beside
    ]
    names = list(model)
    return report, [(entries[entry][0], names[tensor]) for entry, tensor in pairs]


def _forgive_optimizer(target: Any, own: Mapping[str, Any], report: Report) -> None:
    """A file of weights alone."""
    kept = {id(variable) for variable in getattr(getattr(target, "optimizer", None), "variables", ())}
    names = {name for name, variable in own.items() if id(variable) in kept}
    if names.isdisjoint(report.loaded) and not any(name in names for name, _, _ in report.mismatched):
        report.missing = [name for name in report.missing if name not in names]


def _shape(variable: Any) -> tuple[int, ...]:
    """That of its value, where the variable's own leaves something open."""
    shape = tensorflow.TensorShape(variable.shape)
    return tuple(shape if shape.is_fully_defined() else tensorflow.convert_to_tensor(variable).shape)


def _dtype_name(variable: Any) -> str | None:
    name = tensorflow.as_dtype(variable.dtype).name
    return name if name in _dtypes.table() else None
