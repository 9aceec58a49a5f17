"""load_into(): a file's weights into a Keras model that is there, with a report; and into one that was just built of the file's own config."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy
from keras.src.saving import saving_lib

from .. import _model
from .._dtypes import name_of_numpy
from .._report import Report
from ..errors import Error, MismatchError, UnsupportedError
from . import _file, _placeholder, _reading, _recorded, _save, _state

Rename = Mapping[str, str] | Iterable[tuple[str, str]] | Callable[[str], str]
_WAYS = ("path", "name", "shape")
# What a file has beside weights.
_BESIDE = ("optimizer/", "optimizer_weights/", "_loss_tracker/", "compile_metrics/", "_compile_metrics/", "metrics/")
_INDEX = re.compile(r":\d+$")


@dataclasses.dataclass
class Entry:
    """A weight of the model, or a dataset of the file (`lazy`), by all its names."""

    path: str  # "layers/dense/vars/0", or where a legacy file has it
    layer: str  # the layer's own name, behind those of what it is part of
    name: str  # the weight's in its layer: "kernel"
    number: int  # among the layer's
    variable: Any = None
    lazy: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""
        return tuple((self.variable if self.lazy is None else self.lazy).shape)


def load_into(
    model: keras.Model,
    source: _model.Source | _model.Model,
    *,
    strict: bool = True,
    by: str = "path",
    skip_mismatch: bool = False,
    rename: Rename | None = None,
    prefix: str = "",
    optimizer: bool = False,
) -> Report:
    """Loads weights into a model that is built; the optimizer's state too, where that is asked for and the file is one of Keras's.

    `by`: "path", the place in the model's structure, as Keras 3 does (``layers/dense/vars/0``; in .h5 files the layer's place among those that have
    weights), where layers may be called otherwise; "name", the names of layer and weight, wherever they stand; "shape", the n-th weight of each
    shape. The file may be any that Holdall opens: then names are those of variables (``sequential/dense/kernel``).
    `skip_mismatch`: weights of another shape are left as they are, and strict is content. `rename`: names of the file to those of the model, a dict
    or a function. `prefix`: takes the weights under it and drops it.

    Returns the Report. With `strict`, anything missing, unexpected or of another shape raises MismatchError, which carries it, and nothing has
    been loaded. All is read before the first weight changes.
    """
    if by not in _WAYS:
        raise ValueError(f"by={by!r} is none of {', '.join(map(repr, _WAYS))}")
    if not model.built:
        raise UnsupportedError("the model has no weights yet: call it once, or build() it")
    file = _reading.opened(source)
    own = _legacy_entries_of(model) if file.kind == "legacy" else entries_of(model)
    found = list(_renamed(entries_in(file), rename, prefix))
    report = Report()
    pairs = _paired(own, found, by, file.kind, report)
    bad = report.missing or report.unexpected or (report.mismatched and not skip_mismatch)
    if strict and bad:
        error = MismatchError(f"the file does not fit the {type(model).__name__}\n{report}", path=file.model.path)
        error.report = report
        raise error
    _assign([(entry.variable, lazy) for entry, lazy in pairs])
    if optimizer:
        _fill_optimizer(model, file)
    return report


def entries_of(model: Any) -> list[Entry]:
    """Each variable of the model once, seed generators' among them; of the optimizer and of metrics none."""
    recorded = _Recording()
    optimizer = getattr(model, "optimizer", None)
    skipped = {id(part) for part in (optimizer, *getattr(model, "metrics", ())) if part is not None}
    saving_lib._save_state(model, weights_store=recorded, assets_store=None, inner_path="", visited_saveables=skipped)
    wanted = {id(variable) for variable in model.variables}
    return [entry for entry in recorded.entries if id(entry.variable) in wanted]


def _legacy_entries_of(model: Any) -> list[Entry]:
    """The weights as .h5 files list them: by the model's own layers, those that train first."""
    own = [(layer.name, layer.trainable_weights + layer.non_trainable_weights) for layer in model.layers]
    own.append(("top_level_model_weights", _top_level(model)))
    return [
        Entry(f"{layer}/{variable.path}", layer, variable.name, number, variable=variable)
        for layer, variables in own
        for number, variable in enumerate(variables)
    ]


def _top_level(model: Any) -> list[Any]:
    """Weights that are the model's own, of no layer."""
    return [each for each in model._trainable_variables + model._non_trainable_variables if any(each is other for other in model.weights)]


class _Recording(_save._Store):
    """Which variable goes where, no values."""

    def __init__(self) -> None:
        super().__init__(_recorded.Group())
        self.entries: list[Entry] = []
        self._counts: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def make(self, path: str, metadata: Any = None) -> Any:
        """Begins an object's own variables."""
        self._h5_entry_path = path
        if metadata:
            self._names[path] = metadata["name"]
        return self

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, keras.Variable):
            path = f"{self._h5_entry_path}/vars/{key}" if self._h5_entry_path else f"vars/{key}"
            number = self._counts[path.rpartition("/")[0]] = self._counts.get(path.rpartition("/")[0], -1) + 1
            self.entries.append(Entry(path, _named(self._h5_entry_path, self._names), value.name, number, variable=value))


def _named(path: str, names: Mapping[str, str]) -> str:
    """The names of what stands at a path and of all that it is part of, but the model."""
    parts = path.split("/")
    above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return "/".join(names[place] for place in above[:-1] if place in names) + "/" + names.get(path, parts[-1])


def entries_in(file: _file.File) -> Iterator[Entry]:
    """The weights of a file, in its order."""
    if file.kind == "legacy":
        yield from _legacy_entries(file.weights)
        return
    if file.kind == "other":
        for name, tensor in file.model.items():
            layer, _, own = name.rpartition("/")
            yield Entry(name, layer.rpartition("/")[2], own, 0, lazy=_file.Lazy(tensor, {}))
        return
    groups = [("", file.root), *file.root.walk()]
    names = {path.removesuffix("vars").rstrip("/"): str(group.attrs["name"]) for path, group in groups if "name" in group.attrs}
    for path, group in groups:
        if not isinstance(group, _file.Node) or path.rpartition("/")[2] != "vars" or path.startswith(_BESIDE):
            continue
        layer = _named(path.removesuffix("vars").rstrip("/"), names)
        for number, key in enumerate(sorted(group.children, key=lambda name: (len(name), name))):
            lazy = group.children[key]
            if isinstance(lazy, _file.Lazy):
                yield Entry(f"{path}/{key}".replace("_layer_checkpoint_dependencies", "layers"), layer, key, number, lazy=lazy)


def _legacy_entries(weights: _file.Node) -> Iterator[Entry]:
    for layer in [*weights.texts("layer_names"), "top_level_model_weights"]:
        group = weights.find(layer)
        if not isinstance(group, _file.Node):
            continue
        for number, name in enumerate(group.texts("weight_names")):
            lazy = group.find(name)
            if isinstance(lazy, _file.Lazy):
                yield Entry(f"{layer}/{name}", layer, _INDEX.sub("", name).rpartition("/")[2], number, lazy=lazy)


def _renamed(entries: Iterable[Entry], rename: Rename | None, prefix: str) -> Iterator[Entry]:
    change = _changer(rename)
    for entry in entries:
        if not entry.path.startswith(prefix):
            continue
        path = change(entry.path.removeprefix(prefix))
        layer = change(entry.layer.removeprefix(prefix)) if rename is not None else entry.layer
        yield dataclasses.replace(entry, path=path, layer=layer)


def _changer(rename: Rename | None) -> Callable[[str], str]:
    if rename is None:
        return lambda name: name
    if callable(rename):
        return rename
    rules = dict(rename.items() if isinstance(rename, Mapping) else rename)
    return lambda name: rules.get(name, name)


def _paired(own: list[Entry], found: list[Entry], by: str, kind: str, report: Report) -> list[tuple[Entry, Any]]:
    """Fills the report and returns what goes where."""
    keys_own, keys_found = _keys(own, found, by, kind)
    at: dict[Any, Entry] = {}
    for key, entry in zip(keys_found, found, strict=True):
        at.setdefault(key, entry)
    pairs: list[tuple[Entry, Any]] = []
    used: set[int] = set()
    for key, entry in zip(keys_own, own, strict=True):
        there = at.get(key)
        if there is None:
            # Files of Keras 2 have no seeds.
            if not (kind in ("legacy", "other") and "seed_generator" in entry.path):
                report.missing.append(entry.variable.path)
            continue
        used.add(id(there))
        name = entry.variable.path
        if there.shape != entry.shape:
            report.mismatched.append((name, there.shape, entry.shape))
            continue
        report.loaded.append(name)
        pairs.append((entry, there.lazy))
        dtype = there.lazy.tensor.dtype
        here = str(keras.backend.standardize_dtype(entry.variable.dtype))
        if dtype != here:
            report.dtypes[name] = (dtype, here)
            report.cast.append(name)
        if there.path not in (entry.path, name) and kind != "legacy":
            report.found_as[name] = there.path
            report.renamed.append(name)
    report.unexpected += [entry.path for entry in found if id(entry) not in used]
    return pairs


def _keys(own: list[Entry], found: list[Entry], by: str, kind: str) -> tuple[list[Any], list[Any]]:
    """What is compared, of the model's and of the file's entries."""
    if by == "shape":
        return _by_shape(own, kind), _by_shape(found, kind)
    if kind == "other":
        known = {entry.path for entry in found}
        return [entry.path if entry.path in known else entry.variable.path for entry in own], [entry.path for entry in found]
    if by == "name":
        return [(entry.layer, entry.number) for entry in own], [(entry.layer, entry.number) for entry in found]
    if kind != "legacy":
        return [entry.path for entry in own], [entry.path for entry in found]
    return _by_place(own), _by_place(found)


def _by_shape(entries: list[Entry], kind: str) -> list[Any]:
    """Legacy files list layers in the model's order; in others the order is that of paths."""
    keys: dict[int, Any] = {}
    seen: dict[tuple[int, ...], int] = {}
    for entry in entries if kind == "legacy" else sorted(entries, key=lambda entry: _in_order(entry.path)):
        seen[entry.shape] = seen.get(entry.shape, -1) + 1
        keys[id(entry)] = (entry.shape, seen[entry.shape])
    return [keys[id(entry)] for entry in entries]


def _in_order(path: str) -> list[Any]:
    """dense_2 before dense_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _by_place(entries: list[Entry]) -> list[Any]:
    layers: dict[str, int] = {}
    for entry in entries:
        layers.setdefault(entry.layer, len(layers))
    return [(layers[entry.layer], entry.number) for entry in entries]


def _assign(pairs: list[tuple[Any, Any]]) -> None:
    """All are read before the first changes."""
    arrays = [lazy.numpy() for _, lazy in pairs]
    for (variable, _), array in zip(pairs, arrays, strict=True):
        variable.assign(_fitting(variable, array))


def _fitting(variable: Any, array: Any) -> Any:
    dtype = str(keras.backend.standardize_dtype(variable.dtype))
    if name_of_numpy(array.dtype) != dtype:
        array = array.astype(numpy.dtype(dtype) if dtype != "bfloat16" else _bfloat16())
    return _state._given(array)


def _bfloat16() -> Any:
    import ml_dtypes

    return ml_dtypes.bfloat16


def _fill_optimizer(model: Any, file: _file.File) -> None:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise UnsupportedError("the model is not compiled and has no optimizer", path=file.model.path)
    if file.kind == "legacy" and isinstance(file.root.find("optimizer_weights"), _file.Node):
        from . import _optimizer

        _optimizer.fill(model, file)
    elif file.kind in ("archive", "weights"):
        optimizer.build(model.trainable_variables)
        optimizer.load_own_variables(_file.store_at(file.root, "optimizer"))


class _Source(saving_lib.H5IOStore):  # type: ignore[misc]
    """Keras's store of variables by path, of a file of ours."""

    def __init__(self, root: _file.Node, optimizer: Any = None) -> None:
        self.mode = "r"
        self.archive = None
        self.io_file = None
        self.h5_file = root
        self._root = root
        self._optimizer = optimizer
        self._h5_entry_group: Any = {}

    def __bool__(self) -> bool:
        return True

    def get(self, path: str) -> Any:
        """The variables of the object at a path."""
        store = _file.store_at(self._root, path)
        return _with_rate(store, self._optimizer) if path == "optimizer" and self._optimizer is not None else store

    def has_path(self, path: str) -> bool:
        """Whether there is anything."""
        return self._root.find(path) is not None

    def close(self) -> None:
        """There is nothing to close."""


def _with_rate(store: _file.Store, optimizer: Any) -> Any:
    """The state of an optimizer of Keras 2 had no learning rate among its variables: Keras 3's has it in the second place."""
    own = list(optimizer.variables)
    if len(own) != len(store) + 1 or len(own) < 2 or own[1].path.rpartition("/")[2] != "learning_rate":
        return store
    arrays = {str(number if number == 0 else number + 1): store[str(number)] for number in range(len(store)) if str(number) in store}
    return {**arrays, "1": keras.ops.convert_to_numpy(own[1])}


def fill_built(model: Any, file: _file.File) -> None:
    """Loads all of a file into the model of its own config. Raises MismatchError naming what does not fit."""
    if file.kind == "legacy":
        _fill_legacy(model, file)
        return
    from . import _load

    failed: set[int] = set()
    messages: dict[int, tuple[Any, Exception]] = {}
    with _load.assets_of(file) as assets:
        saving_lib._load_state(
            model, weights_store=_Source(file.root, getattr(model, "optimizer", None)), assets_store=_Assets(assets) if file.assets else None, inner_path="", visited_saveables=set(),
            failed_saveables=failed, error_msgs=messages,
        )  # fmt: skip
    if failed:
        said = [f"{getattr(part, 'name', type(part).__name__)}: {str(error).strip().splitlines()[0][:200]}" for part, error in messages.values()]
        own = next((error for _, error in messages.values() if isinstance(error, Error)), None)
        if own is not None:
            raise own
        raise MismatchError(f"the weights are not those of the architecture: {'; '.join(said[:8])}", path=file.model.path)


class _Assets(saving_lib.DiskIOStore):  # type: ignore[misc]
    def __init__(self, at: Callable[[str], str | None]) -> None:
        self._at = at

    def get(self, path: str) -> str | None:
        """The folder of an object's assets."""
        return self._at(path)

    def has_path(self, path: str) -> bool:
        """Whether it is there."""
        return self._at(path) is not None


def _fill_legacy(model: Any, file: _file.File) -> None:
    """By the places of layers that have weights, as Keras does, in its order: those that train first."""
    weights = file.weights
    groups = [(name, weights.group(name)) for name in weights.texts("layer_names")]
    filled = [(name, group, group.texts("weight_names")) for name, group in groups]
    filled = [each for each in filled if each[2]]
    for layer in model.layers:
        if isinstance(layer, _placeholder.Placeholder):
            group = next((group for name, group in groups if name == layer.name), None)
            layer.take({} if group is None else {name: _lazy(group, name).numpy() for name in group.texts("weight_names")})
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(filled):
        raise MismatchError(f"the file has weights of {len(filled)} layers, the architecture {len(layers)} that have some", path=file.model.path)
    pairs: list[tuple[Any, Any]] = []
    for layer, (name, group, names) in zip(layers, filled, strict=True):
        pairs += _legacy_pairs(layer.name, layer.trainable_weights + layer.non_trainable_weights, group, names, file.model.path)
    top = weights.find("top_level_model_weights")
    if isinstance(top, _file.Node):
        pairs += _legacy_pairs(model.name, _top_level(model), top, top.texts("weight_names"), file.model.path)
    _assign(pairs)


def _legacy_pairs(layer: str, own: list[Any], group: _file.Node, names: list[str], path: str) -> list[tuple[Any, Any]]:
    lazies = [_lazy(group, name) for name in names]
    shapes = [tuple(variable.shape) for variable in own], [lazy.shape for lazy in lazies]
    if shapes[0] != shapes[1]:
        raise MismatchError(f"{layer}: the file has weights of {shapes[1]}, the layer of {shapes[0]}", path=path)
    return list(zip(own, lazies, strict=True))


def _lazy(group: _file.Node, name: str) -> _file.Lazy:
    found = group.find(name)
    if not isinstance(found, _file.Lazy):
        raise MismatchError(f"the file lists a weight '{name}' that it has not")
    return found
