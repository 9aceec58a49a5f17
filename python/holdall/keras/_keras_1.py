"""Configs of Keras 1 in Keras 2's words: classes, arguments and values that were called otherwise. Of what Keras 1 wrote alone."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from . import _judge

_CLASSES = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "Deconvolution2D": "Conv2DTranspose", "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D", "SeparableConvolution2D": "SeparableConv2D", "TimeDistributedDense": "Dense",
}  # fmt: skip
_ARGUMENTS = {
    "nb_filter": "filters", "filter_length": "kernel_size", "border_mode": "padding", "subsample": "strides", "subsample_length": "strides",
    "atrous_rate": "dilation_rate", "dim_ordering": "data_format", "output_dim": "units", "init": "kernel_initializer", "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation", "W_regularizer": "kernel_regularizer", "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint", "bias": "use_bias", "p": "rate",
    "sigma": "stddev", "dropout_W": "dropout", "dropout_U": "recurrent_dropout", "pool_length": "pool_size", "stride": "strides", "length": "size",
    "beta_init": "beta_initializer", "gamma_init": "gamma_initializer",
}  # fmt: skip
# Where a class says it otherwise.
_OF_CLASS = {
    "Embedding": {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer", "W_constraint": "embeddings_constraint", "output_dim": "output_dim"},
    "PReLU": {"init": "alpha_initializer"},
    "SeparableConv2D": {"init": "depthwise_initializer"},
}  # fmt: skip
# What says nothing that Keras 3 would not know, or only how something begins.
_IDLE = ("input_dtype", "input_length", "consume_less", "forget_bias_init")
_KERNELS = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_ORDERINGS = {"tf": "channels_last", "th": "channels_first", "default": None}
# Layers whose configs do not say in which order the dimensions are.
_SILENT = ("UpSampling2D", "UpSampling3D", "ZeroPadding2D", "ZeroPadding3D", "Cropping2D", "Cropping3D", "SpatialDropout2D", "SpatialDropout3D")
_INITIALIZERS = {"zero": "zeros", "one": "ones", "uniform": "random_uniform", "normal": "random_normal"}
_REGULARIZERS = ("L1L2Regularizer", "WeightRegularizer", "ActivityRegularizer")
_CONSTRAINTS = {"MaxNorm": {"m": "max_value"}, "NonNeg": {}, "UnitNorm": {}, "MinMaxNorm": {"low": "min_value", "high": "max_value"}}
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot", "cos": "Dot"}
_PADS = (("left_pad", "right_pad"), ("top_pad", "bottom_pad", "left_pad", "right_pad"))


def ordering_of(config: Any, path: str) -> str | None:
    """The order of dimensions that the layers of a config name, where it is one."""
    found = {node["dim_ordering"] for node in _judge.nodes(config, path) if isinstance(node.get("dim_ordering"), str)}
    return _ORDERINGS.get(found.pop()) if len(found) == 1 else None


def mend(node: dict[str, Any], ordering: str | None, said: dict[str, None], path: str) -> None:
    """Changes a node and its arguments. Raises UnsupportedError for what Keras 3 cannot compute."""
    name, inner = str(node["class_name"]), node["config"]
    if name == "Merge":
        _merge(node, inner, said, path)
        return
    if name in _CLASSES:
        node["class_name"] = _CLASSES[name]
        said[f"{name} is {_CLASSES[name]}"] = None
        name = _CLASSES[name]
    if name == "InputLayer":
        if isinstance(dtype := inner.pop("input_dtype", None), str):
            inner["dtype"] = dtype
        return
    _specials(name, inner, ordering, path)
    words = {**_ARGUMENTS, **_OF_CLASS.get(name, {})}
    for old, new in words.items():
        if old != new and old in inner:
            inner[new] = inner.pop(old)
            said[f"{name}: {old} is {new}"] = None
    _values(name, inner, path)


def _specials(name: str, inner: dict[str, Any], ordering: str | None, path: str) -> None:
    """What no table says."""
    for idle in _IDLE:
        inner.pop(idle, None)
    if name != "Embedding":
        inner.pop("input_dim", None)
    else:
        inner.pop("dropout", None)  # of whole words, in training alone
    for sizes in _KERNELS:
        if all(size in inner for size in sizes):
            inner["kernel_size"] = [inner.pop(size) for size in sizes]
    if name == "BatchNormalization" and inner.pop("mode", 0) != 0:
        raise UnsupportedError("BatchNormalization: only mode=0 has a place in Keras 3", path=path)
    if name == "Conv2DTranspose":
        inner.pop("output_shape", None)
    if name == "Flatten":
        inner["data_format"] = "channels_last"  # Keras 1 flattens what there is, in its order
    if name in _SILENT and ordering is not None:
        inner.setdefault("data_format", ordering)
    if name == "SeparableConv2D" and "init" in inner:
        inner["pointwise_initializer"] = _INITIALIZERS.get(inner["init"], inner["init"])
    if isinstance(pads := inner.get("padding"), dict):
        sides = next((names for names in _PADS if set(pads) <= set(names)), ())
        values = [pads.get(side, 0) for side in sides]
        inner["padding"] = values if len(values) == 2 else [values[:2], values[2:]]


def _values(name: str, inner: dict[str, Any], path: str) -> None:
    for key, value in inner.items():
        if key == "data_format" and value in _ORDERINGS:
            inner[key] = _ORDERINGS[value]
        elif key.endswith("_initializer") and isinstance(value, str):
            inner[key] = _INITIALIZERS.get(value, value)
        elif isinstance(value, dict) and "class_name" not in value and key.endswith(("_regularizer", "_constraint")):
            inner[key] = _penalty(f"{name}: {key}", value, path)


def _penalty(what: str, value: dict[str, Any], path: str) -> dict[str, Any]:
    """A regularizer or constraint, which had its name among its arguments."""
    kind, given = str(value.get("name")), {key: item for key, item in value.items() if key != "name"}
    if kind in _REGULARIZERS:
        return {"class_name": "L1L2", "config": given}
    if kind in _CONSTRAINTS:
        return {"class_name": kind, "config": {_CONSTRAINTS[kind].get(key, key): item for key, item in given.items()}}
    raise UnsupportedError(f"{what} is a {kind}, which Keras 3 does not have", path=path)


def _merge(node: dict[str, Any], inner: dict[str, Any], said: dict[str, None], path: str) -> None:
    """One layer was all of them; a function as its mode stays a Merge, which nobody knows."""
    mode = inner.get("mode")
    if inner.get("mode_type", "raw") != "raw" or mode not in _MERGES:
        return
    if inner.get("layers"):
        raise UnsupportedError("a Merge of layers that is not where a Sequential model begins has no place in Keras 3", path=path)
    node["class_name"] = _MERGES[mode]
    config: dict[str, Any] = {key: inner[key] for key in ("name", "trainable") if key in inner}
    if mode == "concat":
        config["axis"] = inner.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        config.update(axes=inner.get("dot_axes", -1), normalize=mode == "cos")
    node["config"] = config
    said[f"Merge of mode {mode} is {_MERGES[mode]}"] = None
