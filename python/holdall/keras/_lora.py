"""Low-rank updates of layers (enable_lora): files have kernels with the update in them, as Keras saves them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

_KERNELS = ("_kernel", "_embeddings")
_SECONDS = ("lora_kernel_b", "lora_embeddings_b")


def _layers(model: Any) -> list[Any]:
    return [layer for layer in model._flatten_layers() if getattr(layer, "lora_enabled", False)]


def factors(model: Any) -> list[Any]:
    """The variables of the updates, which files that list variables have beside the kernels."""
    return [variable for layer in _layers(model) for variable in layer.weights if variable.name.startswith("lora_")]


@contextlib.contextmanager
def passed_over(model: Any) -> Iterator[None]:
    """While this lasts, layers save their own kernels, of which a merged one is another array."""
    layers = _layers(model)
    for layer in layers:
        layer.lora_enabled = False
    try:
        yield
    finally:
        for layer in layers:
            layer.lora_enabled = True


def settle(model: Any, loaded: Iterable[Any]) -> None:
    """Makes the updates of layers nothing whose kernels were loaded, as these have them in them; of the two factors the second is enough, and
    what trains goes on from the first."""
    given = {id(variable) for variable in loaded}
    for layer in _layers(model):
        kernel = next((getattr(layer, name) for name in _KERNELS if hasattr(layer, name)), None)
        second = next((getattr(layer, name) for name in _SECONDS if hasattr(layer, name)), None)
        if id(kernel) in given and second is not None and id(second) not in given:
            second.assign(0 * second.value)
