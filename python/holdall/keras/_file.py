"""A Keras file opened: its groups, datasets and attributes, its config and assets; elements are read when asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy

from .. import _model
from ..errors import CorruptError, UnsupportedError
from . import _recorded

_DEPENDENCIES = "_layer_checkpoint_dependencies"  # what "layers" was called by Keras 2.13


class Lazy:
    """A dataset of a file, as Keras's stores take one."""

    def __init__(self, tensor: _model.Tensor, attrs: dict[str, Any]) -> None:
        self.tensor = tensor
        self.attrs = attrs

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""
        return self.tensor.shape

    def numpy(self) -> Any:
        """The elements."""
        return self.tensor.numpy()


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
        """A list of names among the attributes."""
        return _recorded.texts_of(self.attrs, name)

    def walk(self, path: str = "") -> Iterator[tuple[str, Node | Lazy]]:
        """(path, what stands there) of all below, in order."""
        for name, child in self.children.items():
            place = f"{path}/{name}" if path else name
            yield place, child
            if isinstance(child, Node):
                yield from child.walk(place)


@dataclasses.dataclass
class File:
    """`kind`: "archive" (.keras), "weights" (.weights.h5), "legacy" (.h5 of all versions), "other" (a file of another format)."""

    model: _model.Model
    kind: str
    root: Node
    config: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    assets: dict[str, bytes] = dataclasses.field(default_factory=dict)

    @property
    def weights(self) -> Node:
        """The group that lists layers, of a legacy file."""
        return self.root if "layer_names" in self.root.attrs else self.root.group("model_weights")


class Store:
    """What load_own_variables() is given: the elements under a group's `vars`, by name."""

    def __init__(self, group: Node | None) -> None:
        self._found = {} if group is None else {name: child for name, child in group.children.items() if isinstance(child, Lazy)}

    def __getitem__(self, name: str) -> Any:
        return self._found[name].numpy()

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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all, by name."""
        return {name: lazy.shape for name, lazy in self._found.items()}


def store_at(root: Node, path: str) -> Store:
    """Of the object whose state Keras keeps at `path`."""
    for place in (path, path.replace("layers", _DEPENDENCIES)):
        group = root.find(f"{place}/vars")
        if isinstance(group, Node):
            return Store(group)
    return Store(None)
