"""The weights of one layer as Keras 1, cuDNN and Theano laid them out, as Keras 3 has them. Nothing is read: what is made is made when it is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy

from ._file import Lazy, joined

#: (name, dataset) of each weight of a layer, in the file's order.
Weights = list[tuple[str, Lazy]]
_GATE = re.compile(r"_[WUb]_([cfiohrz])(:\d+)?$")
# How many arrays a recurrent layer of Keras 1 had, one of each kind for each gate, and the gates in the order of Keras 3.
_GATES = {"LSTM": "ifco", "ConvLSTM2D": "ifco", "GRU": "zrh"}
_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")


@dataclasses.dataclass(frozen=True)
class Origin:
    """Of a file, as far as its weights' layout goes by it."""

    is_keras_1: bool
    is_theano: bool


def converted(layer: Any, weights: Weights, origin: Origin) -> Weights:
    """The weights of a layer of Keras 3's, in its order; those of layers in it too. What does not fit comes back as it is."""
    kind = type(layer).__name__
    if kind == "Bidirectional":
        half = len(weights) // 2
        return converted(layer.forward_layer, weights[:half], origin) + converted(layer.backward_layer, weights[half:], origin)
    if kind == "TimeDistributed":
        return converted(layer.layer, weights, origin)
    if isinstance(layer, keras.Model):
        return _of_model(layer, weights, origin)
    try:
        if origin.is_keras_1:
            weights = _of_keras_1(layer, kind, weights)
        if origin.is_theano and kind in _CONVOLUTIONS:
            count = 2 if kind == "ConvLSTM2D" else 1
            weights = [_made(each, _flipped) for each in weights[:count]] + weights[count:]
        return _of_cudnn(layer, kind, weights)
    except (ValueError, IndexError):
        return weights  # of a layer of other shapes, which the report then says


def _made(weight: tuple[str, Lazy], change: Callable[[Any], Any]) -> tuple[str, Lazy]:
    return weight[0], joined([weight[1]], lambda arrays: change(arrays[0]))


def _transposed(*axes: int) -> Callable[[Any], Any]:
    return lambda array: numpy.transpose(array, axes)


def _flipped(array: Any) -> Any:
    """Theano's convolutions go through their kernels from the end; the last two axes are channels."""
    return numpy.flip(array, tuple(range(array.ndim - 2)))


def _of_model(model: Any, weights: Weights, origin: Origin) -> Weights:
    """Models in a model list what trains of all layers first, then the rest."""
    found: Weights = []
    for is_trainable in (True, False):
        for layer in model.layers:
            own = layer.trainable_weights if is_trainable else layer.non_trainable_weights
            count = len(own) and _count(layer, len(own), [name for name, _ in weights])
            part, weights = weights[:count], weights[count:]
            found += converted(layer, part, origin) if layer.trainable == is_trainable else part
    return found + weights


def _count(layer: Any, count: int, names: list[str]) -> int:
    """How many of the next weights are a layer's, whose gates Keras 1 kept apart."""
    if type(layer).__name__ == "Bidirectional":
        return 2 * _count(layer.forward_layer, count // 2, names)
    gates = _GATES.get(type(layer).__name__)
    return 3 * len(gates) if gates and names and _GATE.search(names[0]) else count


def _of_keras_1(layer: Any, kind: str, weights: Weights) -> Weights:
    if kind in _GATES and len(weights) == 3 * len(_GATES[kind]):
        weights = _gates(weights, _GATES[kind])
    is_first = getattr(layer, "data_format", None) == "channels_first"
    if kind == "Conv1D":
        return [_made(weights[0], lambda array: _of_conv_1d(layer, array)), *weights[1:]]
    if kind == "Conv2DTranspose":
        return [_made(weights[0], _transposed(2, 3, 0, 1) if is_first else _transposed(0, 1, 3, 2)), *weights[1:]]
    if is_first and kind in ("Conv2D", "Conv3D", "SeparableConv2D", "ConvLSTM2D"):
        count = 1 if kind in ("Conv2D", "Conv3D") else 2
        axes = (2, 3, 4, 1, 0) if kind == "Conv3D" else (2, 3, 1, 0)
        return [_made(each, _transposed(*axes)) for each in weights[:count]] + weights[count:]
    return weights


def _of_conv_1d(layer: Any, array: Any) -> Any:
    """Keras 1 convolved an image of one column, before 1.2 in Theano's order of axes."""
    if array.shape[:2] != (layer.kernel_size[0], 1) or array.shape[3] != layer.filters:
        array = numpy.transpose(array, (2, 3, 1, 0))
    return array[:, 0]


def _gates(weights: Weights, order: str) -> Weights:
    """One kernel, one recurrent kernel and one bias of those of each gate."""
    found: Weights = []
    names = {str(match.group(0)): lazy for name, lazy in weights if (match := _GATE.search(name))}
    for kind in "WUb":
        parts = [next(lazy for end, lazy in names.items() if end.startswith(f"_{kind}_{gate}")) for gate in order]
        found.append((weights[0][0].rpartition("_W_")[0] + f"_{kind}", joined(parts, lambda arrays: numpy.concatenate(arrays, -1))))
    return found


def _of_cudnn(layer: Any, kind: str, weights: Weights) -> Weights:
    """cuDNN's kernels are transposed gate by gate, and each gate has two biases."""
    gates = {"LSTM": 4, "GRU": 3}.get(kind)
    if gates is None or len(weights) != 3 or weights[2][1].shape != (2 * gates * layer.units,):
        return weights

    def kernels(array: Any) -> Any:
        return numpy.hstack([part.T.reshape(part.shape, order="F") for part in numpy.hsplit(array, gates)])

    def recurrent(array: Any) -> Any:
        return numpy.hstack([part.T for part in numpy.hsplit(array, gates)])

    def biases(array: Any) -> Any:
        return array.reshape(2, -1).sum(0) if kind == "LSTM" else array.reshape(2, -1)

    return [_made(weight, change) for weight, change in zip(weights, (kernels, recurrent, biases), strict=True)]
