"""Layers that nobody knows, kept as layers of that name: config and weights, and no call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from ..errors import UnsupportedError


class Placeholder(keras.layers.Layer):  # type: ignore[misc]
    """Stands for a layer whose class is not here: `class_name` and `config` are the file's, `weights` too. It cannot be called with values."""

    class_name = ""

    def __init__(self, **config: Any) -> None:
        super().__init__(name=config.get("name"), trainable=bool(config.get("trainable", True)))
        self.config = config

    def get_config(self) -> dict[str, Any]:
        """The file's."""
        return dict(self.config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Placeholder:
        """Takes whatever there is."""
        return cls(**config)

    def build(self, *shapes: Any, **more: Any) -> None:
        """Its weights come with the file."""
        self.built = True

    def build_from_config(self, config: Any) -> None:
        """As build()."""
        self.built = True

    def compute_output_spec(self, *inputs: Any, **more: Any) -> Any:
        """The first input's: what it really gives is not known."""
        given = inputs[0] if inputs else next(iter(more.values()))
        return keras.tree.map_structure(lambda each: keras.KerasTensor(each.shape, dtype=each.dtype), given)

    def call(self, *inputs: Any, **more: Any) -> Any:
        """Raises UnsupportedError."""
        raise UnsupportedError(f"{self.name} is a {self.class_name}, whose class was not handed in: it keeps config and weights, and computes nothing")

    def take(self, arrays: dict[str, Any]) -> None:
        """The weights, by name."""
        locked = self._tracker.locked
        self._tracker.unlock()
        for name, array in arrays.items():
            weight = self.add_weight(shape=array.shape, dtype=str(array.dtype), name=name.replace("/", "_").replace(":", "_"), initializer="zeros")
            weight.assign(array)
        if locked:
            self._tracker.lock()

    def load_own_variables(self, store: Any) -> None:
        """All that is there."""
        self.take({str(name): store[name] for name in store.keys()})


def for_names(names: Iterable[str]) -> dict[str, type[Placeholder]]:
    """A class for each."""
    return {name: type(str(name).rpartition(">")[2], (Placeholder,), {"class_name": name, "__module__": __name__}) for name in names}
