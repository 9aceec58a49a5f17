"""load_into(): a file's tensors into the variables of an object, with a report of what fits and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow

from .. import _dtypes, _load, _model
from .._report import Report
from ..errors import Error, MismatchError
from . import _objects

Rename = Mapping[str, str] | Callable[[str], str]
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# What tf.train.Checkpoint counts beside everybody's variables, and a SavedModel's constants: nobody misses them.
_BESIDE = "save_counter"


def load_into(
    target: Any,
    source: _model.Source | _model.Model,
    *,
    strict: bool = True,
    rename: Rename | None = None,
    prefix: str = "",
    check: bool = True,
) -> Report:
    """Loads a file's tensors into the variables of a tf.Module, a tf.train.Checkpoint, a Keras model or optimizer.

    Names are paths of attributes (``layers.0.kernel``), which the object graph of a checkpoint or a SavedModel tells; where that has none, or nothing fits,
    a variable's own name (``net/kernel``) does. `rename`: names of the file to those of the object, a dict or a function. `prefix`: takes the entries under it and drops it; the place
    of the object in a checkpoint is found by itself. Values are cast to the variables' dtypes.

    Returns the Report. With `strict`, anything missing, unexpected or of another shape raises MismatchError, which carries it, and nothing has been loaded. All
    is read and checked before the first variable changes.
    """
    model = source if isinstance(source, _model.Model) else _model.open(source)
    own = _objects.variables(target)
    report, pairs = _paired(model, own, rename, prefix)
    if strict and not report.complete:
        error = MismatchError(f"the file does not fit the {type(target).__name__}\n{report}", path=model.path)
        error.report = report
        raise error
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


def _paired(model: _model.Model, own: Mapping[str, Any], rename: Rename | None, prefix: str) -> tuple[Report, list[tuple[str, str]]]:
    """The report, and (name in the object, name in the file) of what fits: by paths of attributes, else by names of variables."""
    paths = _paths(model)
    by_name = {_objects.name_of(variable): name for name, variable in own.items()}
    change = rename if callable(rename) else (rename or {}).get
    last: Error | None = None
    best: tuple[Report, list[tuple[str, str]]] | None = None
    for known in (paths, {}):

        def called(name: str, known: Mapping[str, str] = known) -> str:
            new = change(name)
            path = known.get(name, name.removesuffix(_VALUE).replace("/", ".") if known else name)
            return str(new) if new and new != name else path if known else by_name.get(name.removesuffix(":0"), name)

        try:
            made = _fitted(model, own, called, prefix, paths)
        except Error as error:
            if not error.message.startswith("several places fit"):
                raise
            last = error
            continue
        if best is None or len(made[1]) > len(best[1]):
            best = made
    if best is not None:
        return best
    refused = MismatchError(str(last), path=model.path)
    refused.report = Report(missing=list(own))
    raise refused from last


def _fitted(
    model: _model.Model, own: Mapping[str, Any], called: Callable[[str], str], prefix: str, paths: Mapping[str, str]
) -> tuple[Report, list[tuple[str, str]]]:
    entries = [(name, tuple(variable.shape), _dtype_name(variable)) for name, variable in own.items()]
    found, pairs = model._native.fit(entries, _under(called, prefix) if prefix else called, "")
    report = Report(found["loaded"], found["missing"], found["unexpected"], found["mismatched"])
    names = list(model)
    report.found_as = {own_name: file for own_name, file in found["renamed"] if paths.get(file, file) != own_name}
    report.renamed = list(report.found_as)
    report.dtypes = {name: (file, to) for name, file, to in found["cast"]}
    report.cast = list(report.dtypes)
    report.unexpected = _missed(model, report.unexpected, [called(names[tensor]) for _, tensor in pairs], list(own), called, prefix)
    return report, [(entries[entry][0], names[tensor]) for entry, tensor in pairs]


def _missed(
    model: _model.Model, unexpected: list[str], taken: list[str], own: list[str], called: Callable[[str], str], prefix: str
) -> list[str]:
    """Of the file's names those that the object should have had: none beside its place in the file, no counter and no constants."""
    constants = set(model.tree.get(".CONSTANTS", ())) if isinstance(model.tree, dict) else set()
    place = ""
    if taken and own and not prefix:
        first = taken[0]
        ends = [first[: -len(name)] for name in own if first.endswith(name)]
        place = min(ends, key=len, default="")
    file_names = {called(name): name for name in model}
    missed = []
    for name in unexpected:
        original = name if name in model else file_names.get(name, name)
        path = called(original)
        beside = not path.startswith(prefix or place) or path.split(".", 1)[0] == _BESIDE or original in constants
        if not beside:
            missed.append(original)
    return missed


def _under(called: Callable[[str], str], prefix: str) -> Callable[[str], str]:
    """What lies under a prefix, without it; everything else under a name that no object has."""

    def renamed(name: str) -> str:
        new = called(name)
        return new[len(prefix) :] if new.startswith(prefix) else f"(beside {prefix}) {new}"

    return renamed


def _paths(model: _model.Model) -> dict[str, str]:
    """Key to path of attributes, as the object graph tells them."""
    told = model.metadata.get("variables", {}) if isinstance(model.metadata, dict) else {}
    return {key: about["path"] for key, about in told.items() if isinstance(about, dict) and "path" in about}


def _dtype_name(variable: Any) -> str | None:
    name = tensorflow.as_dtype(variable.dtype).name
    return name if name in _dtypes.table() else None

