"""The weights that .h5 files of all versions list by layers, beside those of a model: which layer is which, and each one's in the layout of Keras 3."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from . import _file, _layouts

_TOP = "top_level_model_weights"
_INDEX = re.compile(r":\d+$")
# What Keras 1 called weights, where it is not what Keras 3 does: Keras 3's names are told by their places then.
_OF_KERAS_1 = re.compile(r"_(W|U|b|W_\w|U_\w|b_\w|gamma|beta|running_mean|running_std|alphas?)$")


@dataclasses.dataclass
class Layer:
    """Of the model (`layer`, with its `variables`), or of the file (its `weights`)."""

    name: str
    layer: Any = None
    variables: list[Any] = dataclasses.field(default_factory=list)
    weights: _layouts.Weights = dataclasses.field(default_factory=list)


def layers_of(model: Any) -> list[Layer]:
    """The model's own, each with what trains first."""
    found = [Layer(layer.name, layer, layer.trainable_weights + layer.non_trainable_weights) for layer in model.layers]
    variables = model._trainable_variables + model._non_trainable_variables
    found.append(Layer(_TOP, None, [each for each in variables if any(each is other for other in model.weights)]))
    return found


def layers_in(file: _file.File) -> list[Layer]:
    """The file's, as it lists them."""
    found = []
    for name in [*file.weights.texts("layer_names"), _TOP]:
        group = file.weights.find(name)
        if isinstance(group, _file.Node):
            names = group.texts("weight_names")
            found.append(Layer(name, weights=[(each, lazy) for each in names if isinstance(lazy := group.find(each), _file.Lazy)]))
    return found


def ordered(found: list[Layer], names: list[str]) -> list[Layer]:
    """The file's layers as these names are ordered, where each that has weights is among them."""
    places = {name: place for place, name in enumerate(names)}
    if not all(layer.name in places for layer in found if layer.weights):
        return found
    return sorted(found, key=lambda layer: places.get(layer.name, len(places)))


def in_place(own: list[Layer], found: list[Layer], by: str, file: _file.File) -> None:
    """Puts the weights of the file's layers into the layout of those that they are for: by name, or by their places among those that have weights."""
    origin = _layouts.Origin(file.major == 1, file.is_of_theano)
    if by == "name":
        names = {layer.name: layer for layer in own}
        pairs = [(names[each.name], each) for each in found if each.name in names]
    else:
        pairs = list(zip([layer for layer in own if layer.variables], [layer for layer in found if layer.weights], strict=False))
    for layer, each in pairs:
        if layer.layer is None:
            continue
        each.weights = _layouts.converted(layer.layer, each.weights, origin)
        if len(each.weights) == len(layer.variables) and all(_OF_KERAS_1.search(_INDEX.sub("", name)) for name, _ in each.weights):
            each.weights = [(variable.name, lazy) for variable, (_, lazy) in zip(layer.variables, each.weights, strict=True)]


def name_in(name: str) -> str:
    """A weight's own name in its layer: "kernel" of "dense/kernel:0"."""
    return _INDEX.sub("", name).rpartition("/")[2]
