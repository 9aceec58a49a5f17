"""TensorFlow's functions between the layers of Keras 2's functional models (TFOpLambda, SlicingOpLambda), as a layer that calls Keras 3's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from ..errors import UnsupportedError

#: Keras 2's layers, whose config names a function.
CLASSES = ("TFOpLambda", "SlicingOpLambda")
_CONSTANT = "_CONSTANT_VALUE"
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "CuDNNLSTM", "CuDNNGRU")


def _of(function: Callable[..., Any], **called: str) -> Callable[..., Any]:
    """A function of Keras's whose arguments TensorFlow calls otherwise; those that are left out have no place in it."""
    return lambda given, **named: function(given, **{called.get(name, name): value for name, value in named.items()})


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda given, axis=None, keepdims=False: function(given, axis=axis, keepdims=keepdims)


def _of_two(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: function(x, y)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False, adjoint_b: bool = False) -> Any:
    if adjoint_a or adjoint_b:
        raise UnsupportedError("a matrix product with adjoint matrices has no place in Keras 3")
    return ops.matmul(ops.swapaxes(a, -1, -2) if transpose_a else a, ops.swapaxes(b, -1, -2) if transpose_b else b)


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    ends = [sum(num_or_size_splits[: count + 1]) for count in range(len(num_or_size_splits) - 1)]
    return ops.split(value, ends, axis)


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise UnsupportedError("tf.where of a condition alone has no place in Keras 3")
    return ops.where(condition, x, y)


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    is_constant = mode.lower() == "constant"
    return ops.pad(tensor, paddings, mode.lower(), constant_values if is_constant else None)


def _sliced(tensor: Any, slice_spec: Any) -> Any:
    def one(spec: Any) -> Any:
        if isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__":
            return ...
        return slice(spec["start"], spec["stop"], spec["step"]) if isinstance(spec, dict) else spec

    return tensor[tuple(map(one, slice_spec)) if isinstance(slice_spec, list | tuple) else one(slice_spec)]


def _transposed(a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    return ops.conj(ops.transpose(a, perm)) if conjugate else ops.transpose(a, perm)


def _gathered(params: Any, indices: Any, axis: int = 0, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise UnsupportedError("tf.gather with batch_dims has no place in Keras 3")
    return ops.take(params, indices, axis)


def _l2_normalized(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))


def _cumulated(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    if exclusive or reverse:
        raise UnsupportedError("a cumulated sum that is exclusive or reversed has no place in Keras 3")
    return ops.cumsum(x, axis)


_BINARY = {
    "add": ops.add, "subtract": ops.subtract, "multiply": ops.multiply, "divide": ops.divide, "truediv": ops.true_divide, "floordiv": ops.floor_divide,
    "mod": ops.mod, "floormod": ops.mod, "pow": ops.power, "maximum": ops.maximum, "minimum": ops.minimum, "equal": ops.equal, "not_equal": ops.not_equal,
    "greater": ops.greater, "greater_equal": ops.greater_equal, "less": ops.less, "less_equal": ops.less_equal, "logical_and": ops.logical_and,
    "logical_or": ops.logical_or, "logical_xor": ops.logical_xor, "atan2": ops.arctan2,
    "squared_difference": lambda x, y: ops.square(ops.subtract(x, y)), "divide_no_nan": lambda x, y: ops.where(y == 0, ops.zeros_like(x), x / y),
}  # fmt: skip
_UNARY = {
    "abs": ops.abs, "negative": ops.negative, "exp": ops.exp, "expm1": ops.expm1, "log": ops.log, "log1p": ops.log1p, "sqrt": ops.sqrt, "rsqrt": ops.rsqrt,
    "square": ops.square, "sin": ops.sin, "cos": ops.cos, "tan": ops.tan, "asin": ops.arcsin, "acos": ops.arccos, "atan": ops.arctan, "sinh": ops.sinh,
    "cosh": ops.cosh, "tanh": ops.tanh, "sigmoid": ops.sigmoid, "sign": ops.sign, "floor": ops.floor, "ceil": ops.ceil, "round": ops.round, "erf": ops.erf,
    "reciprocal": ops.reciprocal, "softplus": ops.softplus, "logical_not": ops.logical_not, "is_nan": ops.isnan, "is_finite": ops.isfinite,
}  # fmt: skip
_REDUCING = {
    "reduce_mean": ops.mean, "reduce_sum": ops.sum, "reduce_max": ops.max, "reduce_min": ops.min, "reduce_prod": ops.prod, "reduce_any": ops.any,
    "reduce_all": ops.all, "reduce_std": ops.std, "reduce_variance": ops.var, "reduce_logsumexp": ops.logsumexp,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"math.{name}": function for name, function in _UNARY.items()},
    **{f"{module}.{name}": _of_two(function) for name, function in _BINARY.items() for module in ("math", "__operators__")},
    **{name: _reduced(function) for name, function in _REDUCING.items()},
    **{f"math.{name}": _reduced(function) for name, function in _REDUCING.items()},
    "__operators__.getitem": _sliced, "linalg.matmul": _matmul,
    "nn.relu": ops.relu, "nn.relu6": ops.relu6, "nn.elu": ops.elu, "nn.selu": ops.selu, "nn.softsign": ops.softsign, "nn.tanh": ops.tanh,
    "nn.leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha), "nn.gelu": lambda features, approximate=False: ops.gelu(features, approximate),
    "nn.silu": lambda features, beta=1.0: features * ops.sigmoid(beta * features), "nn.swish": lambda features, beta=1.0: features * ops.sigmoid(beta * features),
    "nn.softmax": lambda logits, axis=-1: ops.softmax(logits, -1 if axis is None else axis), "nn.bias_add": lambda value, bias: ops.add(value, bias),
    "nn.log_softmax": lambda logits, axis=-1: ops.log_softmax(logits, -1 if axis is None else axis),
    "math.l2_normalize": _l2_normalized, "math.cumsum": _cumulated, "math.argmax": lambda x, axis=0, output_type="int64": ops.cast(ops.argmax(x, axis), output_type),
    "math.argmin": lambda x, axis=0, output_type="int64": ops.cast(ops.argmin(x, axis), output_type),
    "reshape": _of(ops.reshape, shape="newshape"), "transpose": _transposed, "compat.v1.transpose": _transposed, "expand_dims": ops.expand_dims,
    "squeeze": ops.squeeze, "concat": ops.concatenate, "stack": ops.stack, "tile": _of(ops.tile, multiples="repeats"), "split": _split, "cast": ops.cast,
    "unstack": lambda value, num=None, axis=0: ops.unstack(value, num, axis), "where": _where, "pad": _pad, "repeat": ops.repeat, "stop_gradient": ops.stop_gradient,
    "clip_by_value": _of(ops.clip, clip_value_min="x_min", clip_value_max="x_max"), "ones_like": ops.ones_like, "zeros_like": ops.zeros_like,
    "identity": lambda input: input, "gather": _gathered,
    "reverse": ops.flip, "broadcast_to": ops.broadcast_to, "shape": lambda input, out_type="int32": ops.convert_to_tensor(ops.shape(input), out_type),
    "one_hot": lambda indices, depth, dtype="float32", axis=-1: ops.one_hot(indices, depth, axis=-1 if axis is None else axis, dtype=dtype or "float32"),
}  # fmt: skip
for _alias, _name in {
    "math.softmax": "nn.softmax", "math.log_softmax": "nn.log_softmax", "nn.sigmoid": "math.sigmoid", "nn.softplus": "math.softplus", "argmax": "math.argmax",
    "argmin": "math.argmin", "nn.l2_normalize": "math.l2_normalize", "linalg.l2_normalize": "math.l2_normalize", "compat.v1.concat": "concat",
    "compat.v1.squeeze": "squeeze", "compat.v1.expand_dims": "expand_dims", "compat.v1.shape": "shape", "compat.v1.gather": "gather", "compat.v1.pad": "pad",
    "__operators__.matmul": "linalg.matmul", "divide": "math.divide",
}.items():  # fmt: skip
    _FUNCTIONS[_alias] = _FUNCTIONS[_name]


@keras.saving.register_keras_serializable("holdall")
class TensorFlowOp(keras.layers.Layer):  # type: ignore[misc]
    """One call of a function of TensorFlow's, by the name that Keras 2 has for it ("math.multiply"): nothing but what stands in the table here."""

    def __init__(self, function: str, **options: Any) -> None:
        super().__init__(**options)
        if function not in _FUNCTIONS:
            raise UnsupportedError(f"tf.{function} between layers has no place in Keras 3")
        self.function = function

    def call(self, given: Any, **named: Any) -> Any:
        """Arguments behind the first go by TensorFlow's names."""
        return _FUNCTIONS[self.function](given, **named)

    def get_config(self) -> dict[str, Any]:
        """The function's name."""
        return {**super().get_config(), "function": self.function}


def mend(node: dict[str, Any], said: dict[str, None]) -> None:
    """Makes Keras 2's layer one of these; a function that has no place here is told when the layer is built."""
    inner = node["config"]
    kept = {key: inner[key] for key in ("name", "trainable", "dtype", "function") if key in inner}
    kept["name"] = str(kept.get("name", "op")).replace("/", "_")
    node.update({"module": TensorFlowOp.__module__, "class_name": "TensorFlowOp", "config": kept, "registered_name": "holdall>TensorFlowOp"})
    node.pop("build_config", None)
    said[f"tf.{inner.get('function')} between layers is Keras 3's"] = None


def link(layers: list[dict[str, Any]]) -> None:
    """Calls of layers, as Keras 2 lists them, in the words of Keras 3: where there are constants, tensors among the named arguments, or the states of a
    recurrent layer beside what it goes over."""
    names = {layer.get("name") for layer in layers}
    for layer in layers:
        found = layer.get("inbound_nodes")
        if isinstance(found, list):
            is_op = layer.get("class_name") in CLASSES
            is_recurrent = layer.get("class_name") in _RECURRENT
            layer["inbound_nodes"] = [
                _called(call, names, is_op, is_recurrent) if isinstance(call, list) and (is_op or is_recurrent or _is_beyond(call, names)) else call
                for call in found
            ]


def _is_link(value: Any, names: set[Any]) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and value[0] in names and all(type(number) is int for number in value[1:3])


def _is_constant(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and value[0] == _CONSTANT


def _is_beyond(call: list[Any], names: set[Any]) -> bool:
    """What Keras 3 does not take in Keras 2's words."""
    return any(_is_constant(each) or (_is_link(each, names) and len(each) == 4 and _has_links(each[3], names)) for each in call)


def _has_links(value: Any, names: set[Any]) -> bool:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return _is_link(value, names) or any(_has_links(each, names) for each in below)


def _called(call: Any, names: set[Any], is_op: bool, is_recurrent: bool) -> dict[str, Any]:
    named: dict[str, Any] = {}

    def first(value: Any) -> Any:
        if _is_constant(value) or _is_link(value, names):
            named.update(value[3] if len(value) == 4 and isinstance(value[3], dict) else {})
            return value[2] if _is_constant(value) else _tensor(value)
        if isinstance(value, dict):
            return {key: first(item) for key, item in value.items()}
        return [first(item) for item in value] if isinstance(value, list) else value

    given = first(call)
    if not is_op and isinstance(given, list) and len(given) == 1:
        given = given[0]
    if is_op:
        named = {key: value for key, value in named.items() if key != "name" and value is not None}
        if not (isinstance(given, dict) and given.get("class_name") == "__keras_tensor__"):
            return {"args": [], "kwargs": {"given": given, **{key: _argument(value, names) for key, value in named.items()}}}
    if is_recurrent and isinstance(given, list):
        named = {**named, "initial_state": given[1:]}
        return {"args": given[:1], "kwargs": {key: value if key == "initial_state" else _argument(value, names) for key, value in named.items()}}
    return {"args": [given], "kwargs": {key: _argument(value, names) for key, value in named.items()}}


def _argument(value: Any, names: set[Any]) -> Any:
    if _is_link(value, names):
        return _tensor(value)
    if isinstance(value, dict):
        return {key: _argument(item, names) for key, item in value.items()}
    return [_argument(item, names) for item in value] if isinstance(value, list) else value


def _tensor(link: list[Any]) -> dict[str, Any]:
    """Which of Keras's layers it came from; of shape and dtype nothing is used."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": "float32", "keras_history": link[:3]}}
