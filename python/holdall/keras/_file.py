"""A Keras file opened: its groups, datasets and attributes, its config and assets; elements are read when asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from .. import _load, _model
from ..errors import CorruptError

_DEPENDENCIES = "_layer_checkpoint_dependencies"  # what "layers" was called by Keras 2.13
_ASSETS = "assets/"
_OPTIMIZER = "optimizer/"


class Lazy:
    """A dataset of a file, or what is made of several; no element is read."""

    def __init__(self, tensors: Sequence[_model.Tensor], shape: tuple[int, ...], make: Callable[[list[Any]], Any]) -> None:
        self.tensors = list(tensors)
        self.shape = shape
        self.make = make

    @classmethod
    def of(cls, tensor: _model.Tensor) -> Lazy:
        """A dataset as it is."""
        return cls([tensor], tensor.shape, lambda arrays: arrays[0])

    @property
    def dtype(self) -> str:
        """The name of the file's."""
        return self.tensors[0].dtype


def joined(parts: Sequence[Lazy], make: Callable[[list[Any]], Any]) -> Lazy:
    """What `make` makes of the elements of all parts, transposed or put together. Raises what NumPy raises where the shapes do not allow it."""
    shapes = [numpy.broadcast_to(numpy.zeros((), numpy.uint8), part.shape) for part in parts]

    def make_all(arrays: list[Any]) -> Any:
        given = iter(arrays)
        return make([part.make([next(given) for _ in part.tensors]) for part in parts])

    return Lazy([tensor for part in parts for tensor in part.tensors], tuple(make(shapes).shape), make_all)


def read(model: _model.Model, lazies: Sequence[Lazy]) -> list[Any]:
    """The elements of all, in one go."""
    names = [tensor.name for lazy in lazies for tensor in lazy.tensors]
    arrays = _load._arrays(model, names, True, False, None, None)
    return [lazy.make([next(arrays) for _ in lazy.tensors]) for lazy in lazies]


@dataclasses.dataclass
class Node:
    """A group."""

    attrs: dict[str, Any] = dataclasses.field(default_factory=dict)
    children: dict[str, Node | Lazy] = dataclasses.field(default_factory=dict)

    def find(self, path: str) -> Node | Lazy | None:
        """What stands at a path; None where nothing does."""
        found: Node | Lazy | None = self
        for name in path.split("/"):
            if name:
                found = found.children.get(name) if isinstance(found, Node) else None
        return found

    def group(self, path: str) -> Node:
        """Raises CorruptError where there is none."""
        found = self.find(path)
        if not isinstance(found, Node):
            raise CorruptError(f"there is no group '{path}'")
        return found

    def texts(self, name: str) -> list[str]:
        """A list of names among the attributes; one that Keras cut into several is whole in what the library reads."""
        found = self.attrs.get(name)
        return [_text(each) for each in found] if isinstance(found, list) else []

    def walk(self, path: str = "") -> Iterator[tuple[str, Node | Lazy]]:
        """(path, what stands there) of all below, in order."""
        for name, child in self.children.items():
            place = f"{path}/{name}" if path else name
            yield place, child
            if isinstance(child, Node):
                yield from child.walk(place)


@dataclasses.dataclass
class File:
    """`kind`: "archive" (.keras), "weights" (.weights.h5), "legacy" (.h5 of all versions), "variables" (TensorFlow's), "other" (a file of another
    format)."""

    model: _model.Model
    kind: str
    root: Node
    config: dict[str, Any] | None = None
    training: dict[str, Any] | None = None

    @property
    def weights(self) -> Node:
        """The group that lists layers, of a legacy file."""
        return self.root if lists_layers(self.root) else self.root.group("model_weights")

    @property
    def major(self) -> int:
        """Of the version of Keras that wrote it; files without one are Keras 1's where their weights are called as that called them, else 2's."""
        if self.kind != "legacy":
            text = str(self.root.attrs.get("keras_version", "3"))
        else:
            text = _text(self._attributes().get("keras_version", "1" if self._is_named_by_keras_1() else "2"))
        first = text.partition(".")[0]
        return int(first) if first.isdigit() else 3

    def _attributes(self) -> dict[str, Any]:
        """Of a legacy file and of the group of its weights."""
        return {**self.weights.attrs, **self.root.attrs}

    def _weight_names(self) -> list[str]:
        """Of a legacy file, as its layers list them."""
        groups = [self.weights.find(layer) for layer in self.weights.texts("layer_names")]
        return [name for group in groups if isinstance(group, Node) for name in group.texts("weight_names")]

    def _is_named_by_keras_1(self) -> bool:
        """dense_1_W, where Keras 2 and 3 say dense_1/kernel."""
        names = self._weight_names()
        return bool(names) and not any("/" in name or "kernel" in name for name in names)

    @property
    def is_of_theano(self) -> bool:
        """Whether Theano computed it, whose convolutions flip their kernels. Files of Keras 1 do not say, but TensorFlow's weights end in ":0"."""
        if self.kind != "legacy":
            return False
        backend = self._attributes().get("backend")
        if backend is not None or self.major > 1:
            return _text(backend) == "theano"
        names = self._weight_names()
        return bool(names) and not any(":" in name for name in names)

    def assets(self) -> Iterator[tuple[str, bytes]]:
        """(path, content) of vocabularies and the like."""
        native = self.model._native
        for name in native.side_files:
            if name.startswith(_ASSETS):
                yield name.removeprefix(_ASSETS), bytes(memoryview(native.side_file(name)))


def lists_layers(group: Node) -> bool:
    """As the group of the weights of a legacy file does."""
    return isinstance(group.attrs.get("layer_names"), list)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class Reader:
    """The elements of a file's weights, read many at once in the order of the file, and kept until they are asked for."""

    def __init__(self, file: File) -> None:
        self._model = file.model
        names = [lazy.tensors[0].name for path, lazy in file.root.walk() if isinstance(lazy, Lazy) and not path.startswith(_OPTIMIZER)]
        self._left = zip(names, _load._arrays(file.model, names, True, False, None, _load._BATCH_BYTES), strict=True)
        self._kept: dict[str, Any] = {}
        self._given: set[str] = set()

    def read(self, lazy: Lazy) -> Any:
        """Of a dataset."""
        wanted = lazy.tensors[0].name
        while wanted not in self._kept and wanted not in self._given:
            found = next(self._left, None)
            if found is None:
                break
            self._kept[found[0]] = found[1]
        self._given.add(wanted)
        return self._kept.pop(wanted) if wanted in self._kept else read(self._model, [lazy])[0]


class Store:
    """What load_own_variables() is given: the elements under a group's `vars`, by name."""

    def __init__(self, found: dict[str, Lazy], reader: Reader) -> None:
        self._found = found
        self._reader = reader

    def __getitem__(self, name: str) -> Any:
        return self._reader.read(self._found[name])

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def keys(self) -> list[str]:
        """Names of what is in it."""
        return list(self._found)

    def get(self, name: str, default: Any = None) -> Any:
        """The elements, or `default`."""
        return self[name] if name in self._found else default


def state_at(root: Node, path: str) -> dict[str, Lazy]:
    """The state that Keras keeps at `path` of an object, by name."""
    for place in (path, path.replace("layers", _DEPENDENCIES)):
        group = root.find(f"{place}/vars")
        if isinstance(group, Node):
            return {name: child for name, child in group.children.items() if isinstance(child, Lazy)}
    return {}
