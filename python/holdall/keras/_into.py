"""load_into(): a file's weights into a Keras model that is there, with a report; and into one that was just built of the file's own config."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
from keras.src.saving import saving_lib

from .. import _model, _rules
from .._report import Report, mismatch
from .._rules import Rename
from ..errors import Error, MismatchError, UnsupportedError
from . import _attributes, _file, _legacy, _lora, _optimizer, _placeholder, _reading, _recorded, _save, _state

_WAYS = ("path", "name", "shape")
# What a file has beside weights.
_BESIDE = ("optimizer/", "optimizer_weights/", "_loss_tracker/", "compile_metrics/", "_compile_metrics/", "metrics/")


@dataclasses.dataclass
class Entry:
    """A weight of the model, or a dataset of the file (`lazy`), by all its names."""

    path: str  # "layers/dense/vars/0", or where a legacy file has it
    layer: str  # the layer's own name, behind those of what it is part of
    name: str  # the weight's in its layer: "kernel", or "0" where files have no other
    place: tuple[int, int] = (0, 0)  # of the layer among those that have weights, and in the layer
    variable: Any = None
    lazy: _file.Lazy | None = None
    origin: str = ""  # what the file calls it, where it was renamed

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
    policy: _model.PathLike | None = None,
) -> Report:
    """Loads weights into a model that is built; the optimizer's state too, where that is asked for.

    `by`: "path", the place in the model's structure, as Keras 3 does (``layers/dense/vars/0``; in .h5 files the layer's place among those that have
    weights), where layers may be called otherwise; "name", ``dense/kernel``, the names of layer and weight, wherever they stand (``dense/0`` in the
    files of Keras 3 but .h5, which number the weights of a layer); "shape", the n-th weight of each shape. The file may be any that Holdall opens:
    then names are those of variables (``sequential/dense/kernel``). In checkpoints and SavedModels of TensorFlow, of Keras 2 too, they are found by the
    attributes that lead to them and by those names, whose numbers of layers may be others. Files of Keras 1, of Theano and of cuDNN's layers are put
    into Keras 3's layout. A kernel with a low-rank update of the model's (``enable_lora``) is the file's, which has its own update in it.

    `skip_mismatch`: weights of another shape are left as they are, and strict is content. `rename`: paths or names of the file, whichever `by` says,
    to those of the model, a dict or a function; with names a dict may name layers alone. `prefix`: takes the weights under it and drops it.
    `optimizer`: its variables are entries like weights. `policy`: as holdall.load() has it.

    Returns the Report. With `strict`, anything missing, unexpected or of another shape raises MismatchError, which carries it, and nothing has
    been loaded. All is read before the first weight changes. Raises TypeError for a `rename` that is none, ValueError where it cannot say anything;
    UnsupportedError for a model without weights, or without an optimizer that is asked for.
    """
    if by not in _WAYS:
        raise ValueError(f"by={by!r} is none of {', '.join(map(repr, _WAYS))}")
    change = _changer(rename)
    if not model.built:
        raise UnsupportedError("the model has no weights yet: call it once, or build() it")
    file = _reading.opened(source, policy)
    if change is not None and (by == "shape" or (by == "path" and file.kind == "legacy")):
        raise ValueError("rename goes by names, and .h5 files by the places of layers where by='path': say by='name'")
    if optimizer and getattr(model, "optimizer", None) is None:
        raise UnsupportedError("the model is not compiled and has no optimizer", path=file.model.path)
    own, found = _entries(model, file, by)
    report = Report()
    found = list(_renamed(found, by, change, prefix))
    pairs = _paired(own, found, by, file.kind, report, model.name)
    if optimizer:
        pairs += _of_optimizer(model, file, found, pairs, report)
    bad = report.missing or report.unexpected or (report.mismatched and not skip_mismatch)
    if strict and bad:
        raise mismatch(f"the file does not fit the {type(model).__name__}", report, file.model.path)
    _state.assign(file.model, pairs)
    settle(model)
    _lora.settle(model, [variable for variable, _ in pairs])
    return report


def _entries(model: Any, file: _file.File, by: str, is_own: bool = False) -> tuple[list[Entry], list[Entry]]:
    """The model's and the file's. `is_own`: the model is of the file's config, and has its layers in an order of Keras 3's."""
    if file.kind in ("variables", "other"):
        own = [*entries_of(model), *(Entry(each.path, each.path.rpartition("/")[0], each.name, variable=each) for each in _lora.factors(model))]
        return own, list(_of_tensorflow(model, file) if file.kind == "variables" else entries_in(file))
    if file.kind != "legacy":
        return entries_of(model), list(entries_in(file))
    layers, listed = _legacy.layers_of(model), _legacy.layers_in(file)
    if is_own:
        listed = _legacy.ordered(listed, [layer.name for layer in layers])
    _legacy.in_place(layers, listed, by, file)
    return list(_legacy_own(layers)), list(_legacy_found(listed))


def _keys_of(pairs: list[tuple[Any, _file.Lazy]]) -> dict[str, Any]:
    """The model's variables by the keys that they were paired with."""
    return {lazy.tensors[0].name: variable for variable, lazy in pairs}


def _of_optimizer(
    model: Any, file: _file.File, found: list[Entry], weights: list[tuple[Any, _file.Lazy]], report: Report
) -> list[tuple[Any, _file.Lazy]]:
    """What goes into the optimizer's variables, which it has from now on; those of a file of another layout are missing, all of them."""
    optimizer = model.optimizer
    _optimizer.build(model)
    own = list(optimizer.variables)
    state: list[_file.Lazy | None] | None
    if file.kind == "variables":
        keys = {id(variable): key for variable, key in _attributes.slots(file.model, optimizer, _keys_of(weights))}
        state = [_file.Lazy.of(file.model[keys[id(each)]]) if id(each) in keys else None for each in own]
    elif file.kind == "other":
        named = {entry.path: entry.lazy for entry in found}
        state = [named.get(each.path) for each in own]
    else:
        state = _optimizer.state_of(optimizer, file)
    pairs = []
    for number, variable in enumerate(own):
        lazy = None if state is None else state[number]
        if lazy is None:
            # A learning rate is the config's in files of Keras 2.
            if state is None or file.kind == "other" or variable.path.rpartition("/")[2] != "learning_rate":
                report.missing.append(variable.path)
        elif _noted(variable, lazy, report):
            pairs.append((variable, lazy))
    taken = {lazy.tensors[0].name for lazy in state or () if lazy is not None}
    report.unexpected = [name for name in report.unexpected if name not in taken]
    return pairs


def _noted(variable: Any, lazy: _file.Lazy, report: Report) -> bool:
    """Whether a dataset of the file goes into a variable."""
    shape = tuple(variable.shape)
    if lazy.shape != shape:
        report.mismatched.append((variable.path, lazy.shape, shape))
        return False
    report.loaded.append(variable.path)
    dtype = str(keras.backend.standardize_dtype(variable.dtype))
    if lazy.dtype != dtype:
        report.dtypes[variable.path] = (lazy.dtype, dtype)
        report.cast.append(variable.path)
    return True


def entries_of(model: Any) -> list[Entry]:
    """Each variable of the model once, seed generators' among them; of the optimizer and of metrics none."""
    recorded = _Recording()
    optimizer = getattr(model, "optimizer", None)
    skipped = {id(part) for part in (optimizer, *getattr(model, "metrics", ())) if part is not None}
    with _lora.passed_over(model):
        saving_lib._save_state(model, weights_store=recorded, assets_store=None, inner_path="", visited_saveables=skipped)
    wanted = {id(variable) for variable in model.variables}
    return [entry for entry in recorded.entries if id(entry.variable) in wanted]


def _of_tensorflow(model: Any, file: _file.File) -> Iterator[Entry]:
    """Of a checkpoint, or of a SavedModel, each with the variable that its attributes lead to, where they lead to one; but what is the optimizer's."""
    told = _attributes.told(file.model)
    own = {id(variable) for variable in model.variables}
    for key in _attributes.keys(file.model):
        about = told.get(key, {})
        variable = _attributes.resolved(model, key, about) if told else None
        if id(variable) not in own:
            variable = None
        if ("slot" in about or _attributes.is_beside(key) or (told and not about)) and variable is None:
            continue
        name = _attributes.full_name(key, about)
        layer, _, last = name.rpartition("/")
        yield Entry(name, layer, last, variable=variable, lazy=_file.Lazy.of(file.model[key]))


def _legacy_own(layers: list[_legacy.Layer]) -> Iterator[Entry]:
    for place, layer in enumerate(layer for layer in layers if layer.variables):
        for number, variable in enumerate(layer.variables):
            yield Entry(f"{layer.name}/{variable.path}", layer.name, variable.name, (place, number), variable=variable)


def _legacy_found(layers: list[_legacy.Layer]) -> Iterator[Entry]:
    for place, layer in enumerate(layer for layer in layers if layer.weights):
        for number, (name, lazy) in enumerate(layer.weights):
            yield Entry(f"{layer.name}/{name}", layer.name, _legacy.name_in(name), (place, number), lazy=lazy)


class _Recording(_save._Store):
    """Which variable goes where, no values."""

    def __init__(self) -> None:
        super().__init__(_recorded.Group())
        self.entries: list[Entry] = []
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
            self.entries.append(Entry(path, _named(self._h5_entry_path, self._names), str(key), variable=value))


def _named(path: str, names: Mapping[str, str]) -> str:
    """The names of what stands at a path and of all that it is part of, but the model."""
    parts = path.split("/")
    above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return "/".join([*(names[place] for place in above[:-1] if place in names), names.get(path, parts[-1])])


def entries_in(file: _file.File) -> Iterator[Entry]:
    """The weights of a file that lists no layers, in its order."""
    if file.kind == "other":
        for name, tensor in file.model.items():
            layer, _, own = name.rpartition("/")
            yield Entry(name, layer.rpartition("/")[2], own, lazy=_file.Lazy.of(tensor))
        return
    groups = [("", file.root), *file.root.walk()]
    names = {path.removesuffix("vars").rstrip("/"): str(group.attrs["name"]) for path, group in groups if isinstance(group, _file.Node) and "name" in group.attrs}
    for path, group in groups:
        if not isinstance(group, _file.Node) or path.rpartition("/")[2] != "vars" or path.startswith(_BESIDE):
            continue
        layer = _named(path.removesuffix("vars").rstrip("/"), names)
        for key in sorted(group.children, key=lambda name: (len(name), name)):
            lazy = group.children[key]
            if isinstance(lazy, _file.Lazy):
                yield Entry(f"{path}/{key}".replace("_layer_checkpoint_dependencies", "layers"), layer, key, lazy=lazy)


def _changer(rename: Rename | None) -> Callable[[str], str] | None:
    """A dict's or pairs' names are those of a weight or of a layer alone. Raises TypeError for what is no renaming."""
    rules = _rules.checked(rename)
    if rules is None or callable(rules):
        return rules
    names = dict(rules)

    def renamed(name: str) -> str:
        layer, slash, own = name.rpartition("/")
        return names[name] if name in names else names.get(layer, layer) + slash + own

    return renamed


def _renamed(entries: Iterable[Entry], by: str, change: Callable[[str], str] | None, prefix: str) -> Iterator[Entry]:
    for entry in entries:
        name = f"{entry.layer}/{entry.name}" if by == "name" else entry.path
        if not name.startswith(prefix):
            continue
        new = name.removeprefix(prefix)
        new = new if change is None else change(new)
        if new == name:
            yield entry
        elif by == "name":
            layer, _, own = new.rpartition("/")
            yield dataclasses.replace(entry, layer=layer, name=own, origin=entry.path, variable=None)
        else:
            yield dataclasses.replace(entry, path=new, origin=entry.path, variable=None)


def _paired(own: list[Entry], found: list[Entry], by: str, kind: str, report: Report, root: str = "") -> list[tuple[Any, _file.Lazy]]:
    """Fills the report and returns what goes into which variable."""
    keys_own, keys_found = _by_variable(own, found, by, root) if kind == "variables" and by != "shape" else _keys(own, found, by, kind)
    at: dict[Any, Entry] = {}
    for key, entry in zip(keys_found, found, strict=True):
        at.setdefault(key, entry)
    pairs: list[tuple[Any, _file.Lazy]] = []
    used: set[int] = set()
    for key, entry in zip(keys_own, own, strict=True):
        there = at.get(key)
        name = entry.variable.path
        if there is None or there.lazy is None:
            # Files of Keras 2 have no seeds, and those of other models no low-rank updates.
            if not (kind in ("legacy", "other", "variables") and ("seed_generator" in entry.path or entry.name.startswith("lora_"))):
                report.missing.append(name)
            continue
        used.add(id(there))
        if not _noted(entry.variable, there.lazy, report):
            continue
        pairs.append((entry.variable, there.lazy))
        if there.origin or (there.path not in (entry.path, name) and kind != "legacy"):
            report.found_as[name] = there.origin or there.path
            report.renamed.append(name)
    left = [entry for entry in found if id(entry) not in used and not (kind == "variables" and entry.name == "seed_generator_state")]
    report.unexpected += [entry.origin or entry.path for entry in left]
    return pairs


def _by_variable(own: list[Entry], found: list[Entry], by: str, root: str) -> tuple[list[Any], list[Any]]:
    """Places of the model's, and of those that the file's are; by the file's attributes first where these are gone by, and else by names."""
    places = {id(entry.variable): place for place, entry in enumerate(own)}
    keys: list[Any] = [None] * len(found)
    taken: set[int] = set()
    for number, entry in enumerate(found if by == "path" else ()):
        place = places.get(id(entry.variable))
        if place is not None and place not in taken:
            keys[number] = place
            taken.add(place)
    left_own = [place for place in range(len(own)) if place not in taken]
    left = [number for number, key in enumerate(keys) if key is None]
    names = [(found[number].path if by == "path" else f"{found[number].layer}/{found[number].name}", found[number].lazy.shape) for number in left]  # type: ignore[union-attr]
    matched = _attributes.matched([(own[place].variable.path, own[place].shape) for place in left_own], names, root)
    for number, place in matched.items():
        keys[left[number]] = left_own[place]
    return list(range(len(own))), [key if key is not None else ("file", number) for number, key in enumerate(keys)]


def _keys(own: list[Entry], found: list[Entry], by: str, kind: str) -> tuple[list[Any], list[Any]]:
    """What is compared, of the model's and of the file's entries."""
    if by == "shape":
        return _by_shape(own, kind), _by_shape(found, kind)
    if kind == "other":
        known = {entry.path for entry in found}
        return [entry.path if entry.path in known else entry.variable.path for entry in own], [entry.path for entry in found]
    if by == "name":
        return _by_name(own), _by_name(found)
    if kind != "legacy":
        return [entry.path for entry in own], [entry.path for entry in found]
    return [entry.place for entry in own], [entry.place for entry in found]


def _by_name(entries: list[Entry]) -> list[Any]:
    """(layer, name, the how-manieth of the layer's weights of that name): layers in a layer may have the same."""
    seen: dict[tuple[str, str], int] = {}
    keys = []
    for entry in entries:
        name = (entry.layer, entry.name)
        seen[name] = seen.get(name, -1) + 1
        keys.append((*name, seen[name]))
    return keys


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


class _Source(saving_lib.H5IOStore):  # type: ignore[misc]
    """Keras's store of variables by path, of a file of ours."""

    def __init__(self, file: _file.File, optimizer: Any = None) -> None:
        self.mode = "r"
        self.archive = None
        self.io_file = None
        self.h5_file = file.root
        self._root = file.root
        self._reader = _file.Reader(file)
        self._optimizer = optimizer
        self._h5_entry_group: Any = {}

    def __bool__(self) -> bool:
        return True

    def get(self, path: str) -> Any:
        """The variables of the object at a path."""
        state = _file.state_at(self._root, path)
        own = list(self._optimizer.variables) if path == "optimizer" and self._optimizer is not None else []
        found = _optimizer.with_rate(own, state)
        if found is None or (None not in found and len(found) == len(state)):
            return _file.Store(state, self._reader)
        return {str(number): keras.ops.convert_to_numpy(own[number]) if lazy is None else self._reader.read(lazy) for number, lazy in enumerate(found)}

    def has_path(self, path: str) -> bool:
        """Whether there is anything."""
        return self._root.find(path) is not None

    def close(self) -> None:
        """There is nothing to close."""


def fill_built(model: Any, file: _file.File) -> None:
    """Loads all of a file into the model of its own config. Raises MismatchError naming what does not fit."""
    if file.kind == "legacy":
        _fill_legacy(model, file)
        return
    failed: set[int] = set()
    messages: dict[int, tuple[Any, Exception]] = {}
    with assets_of(file) as assets:
        saving_lib._load_state(
            model, weights_store=_Source(file, getattr(model, "optimizer", None)), assets_store=assets, inner_path="", visited_saveables=set(),
            failed_saveables=failed, error_msgs=messages,
        )  # fmt: skip
    if failed:
        said = [f"{getattr(part, 'name', type(part).__name__)}: {str(error).strip().splitlines()[0][:200]}" for part, error in messages.values()]
        own = next((error for _, error in messages.values() if isinstance(error, Error)), None)
        if own is not None:
            raise own
        raise MismatchError(f"the weights are not those of the architecture: {'; '.join(said[:8])}", path=file.model.path)


def _fill_legacy(model: Any, file: _file.File) -> None:
    """As load_into() by places, and nothing is left over. Placeholders take what there is."""
    groups = {layer.name: layer.weights for layer in _legacy.layers_in(file)}
    for layer in model.layers:
        if isinstance(layer, _placeholder.Placeholder):
            weights = groups.get(layer.name, [])
            layer.take(dict(zip([name for name, _ in weights], _file.read(file.model, [lazy for _, lazy in weights]), strict=True)))
    report = Report()
    pairs = _paired(*_entries(model, file, "path", is_own=True), "path", file.kind, report)
    if not report.complete:
        raise mismatch("the weights are not those of the architecture", report, file.model.path)
    _state.assign(file.model, pairs)
    settle(model)


def settle(model: Any) -> None:
    """What layers compute of their weights once and keep: the mean and variance of a Normalization."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.built:
            layer.finalize_state()


class _Assets(saving_lib.DiskIOStore):  # type: ignore[misc]
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def get(self, path: str) -> str | None:
        """The folder of an object's assets."""
        place = os.path.join(self._folder, *path.split("/"))
        return place if os.path.isdir(place) else None

    def has_path(self, path: str) -> bool:
        """Whether it is there."""
        return self.get(path) is not None


@contextlib.contextmanager
def assets_of(file: _file.File) -> Iterator[_Assets | None]:
    """The assets in a folder that is there while this lasts; None where the file has none."""
    with tempfile.TemporaryDirectory() as folder:
        count = 0
        for name, content in file.assets():
            count += 1
            place = os.path.join(folder, *name.split("/"))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "xb") as out:
                out.write(content)
        yield _Assets(folder) if count else None
