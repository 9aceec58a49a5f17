"""Configs of Keras 2 as Keras 3 takes them: arguments that were renamed or went, modules that moved, policies and losses that are spelled otherwise."""

from __future__ import annotations

import functools
import inspect
import itertools
from typing import Any

import keras

from ..errors import UnsupportedError
from . import _activations, _judge, _keras_1, _keras_1_merges, _tensorflow_ops

# Arguments that Keras 3 no longer takes, by class: the values with which they say nothing, none where all are such. Others change what a layer computes.
_GONE: dict[str, dict[str, tuple[Any, ...]]] = {
    **dict.fromkeys(
        ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), {"groups": (1,)},
    ),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), {"time_major": (False, None)}),
    "InputLayer": {"ragged": (False, None)},
    "BatchNormalization": {
        "renorm": (False, None), "fused": (True, False, None), "virtual_batch_size": (None,), "adjustment": (None,), "renorm_clipping": (None,),
        "renorm_momentum": (0.99, None),
    },
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D"), {
        "groups": (1,), "kernel_initializer": (), "kernel_regularizer": (None,), "kernel_constraint": (None,),
    }),
    "Embedding": {"input_length": ()},
    "TextVectorization": {"sparse": (False, None)},
    "MultiHeadAttention": {"query_shape": (), "key_shape": (), "value_shape": (), "softmax_robust_masking": (False, None)},
    **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), {"noise_shape": (None,)}),
}  # fmt: skip
# Classes that Keras 2 gave a function of one's choice, by its name alone.
_OF_FUNCTIONS = ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper")
_RENAMED: dict[str, dict[str, str]] = {"InputLayer": {"batch_input_shape": "batch_shape"}, "LeakyReLU": {"alpha": "negative_slope"}}
_CALLED = {"LossScaleOptimizerV3": "LossScaleOptimizer"}
_CUDNN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
_OF_OPTIMIZERS = ("jit_compile", "is_legacy_optimizer", "experimental_aggregate_gradients", "schedule_decay", "dynamic", "initial_scale", "dynamic_growth_steps")
_LEGACY = "Custom>"


def mended(config: Any, known: _judge.Known, path: str, major: int) -> tuple[Any, list[str]]:
    """The config, changed in place, and what was changed, a line each. `major`: of the version of Keras that wrote it. Raises UnsupportedError for
    what Keras 3 cannot compute."""
    said: dict[str, None] = {}
    ordering = _keras_1.ordering_of(config, path) if major == 1 else None
    count = itertools.count()
    for node in _judge.nodes(config, path):
        name, inner = node.get("class_name"), node.get("config")
        if isinstance(compiled := node.get("compile_config"), dict):
            for idle in ("run_eagerly", "steps_per_execution", "jit_compile"):
                if compiled.get(idle, 0) is None:
                    del compiled[idle]
        if not isinstance(name, str):
            continue
        if name.startswith(_LEGACY) and _judge.class_of({"class_name": name[len(_LEGACY) :]}) is not None:
            node["class_name"] = name = name[len(_LEGACY) :]
        if name == "Sequential" and isinstance(inner, list):
            number = next(count)
            own_name = node.get("name", f"sequential_{number}" if number else "sequential")
            node["config"] = inner = {"name": own_name, "layers": inner}
            if _keras_1_merges.begins_with_merge(inner["layers"]):
                node["class_name"], node["config"] = name, inner = "Model", _keras_1_merges.graph_of(inner["layers"], own_name, path)
                said["a Sequential model that begins with a Merge is a graph"] = None
        if isinstance(inner, dict) and not _judge.resolved(node, known).is_given:
            _node(node, inner, major, ordering, said, path)
    for node in _judge.nodes(config, path):
        _wrapped(node.get("config"))
    return config, list(said)


def _wrapped(inner: Any) -> None:
    """Layers that are arguments of layers, which Keras 3 looks up by their modules; before Keras 2.13 none had one."""
    for key, value in inner.items() if isinstance(inner, dict) else ():
        for each in value if isinstance(value, list) else [value]:
            if key == "layers" or not isinstance(each, dict) or "module" in each or not isinstance(each.get("class_name"), str):
                continue
            own = _judge.class_of(each)
            if isinstance(own, type) and issubclass(own, keras.layers.Layer):
                each["module"] = _module(each["class_name"])


def _node(node: dict[str, Any], inner: dict[str, Any], major: int, ordering: str | None, said: dict[str, None], path: str) -> None:
    if node["class_name"] == "Sequential":
        _begin(inner)
        if major < 3 and isinstance(inner.get("layers"), list):
            _plain_names(inner, said)
    elif isinstance(inner.get("layers"), list) and "output_layers" in inner:
        if major < 3:
            _plain_names(inner, said)
            _single(inner)
        _links(inner, said)
        if major < 3:
            _tensorflow_ops.link([layer for layer in inner["layers"] if isinstance(layer, dict)])
    elif node["class_name"] in _tensorflow_ops.CLASSES:
        _tensorflow_ops.mend(node, said)
        return
    elif major == 1:
        _keras_1.mend(node, ordering, said, path)
        inner = node["config"]
    if major < 3:
        _of_keras_2(str(node["class_name"]), inner, said)
    _moved(node, str(node["class_name"]), said)
    name = node["class_name"]
    _arguments(name, inner, said, path)
    if name == "Policy" or (isinstance(inner.get("name"), str) and name == "PolicyV1"):
        node.update({"module": "keras", "class_name": "DTypePolicy", "config": {"name": inner.get("name")}, "registered_name": None})
        said["dtype policies are those of Keras 3"] = None
    if inner.get("reduction") == "auto":
        inner["reduction"] = "sum_over_batch_size"
        said[f"{name}: reduction 'auto' is 'sum_over_batch_size'"] = None


def _of_keras_2(name: str, inner: dict[str, Any], said: dict[str, None]) -> None:
    """What Keras 3 takes, and takes for something else."""
    for key in ("activation", "recurrent_activation"):
        value = inner.get(key)
        if value == "hard_sigmoid" or (isinstance(value, dict) and value.get("class_name") == "function" and value.get("config") == "hard_sigmoid"):
            inner[key] = dict(_activations.HARD_SIGMOID)
            said[f"{name}: hard_sigmoid is that of Keras 2"] = None
    if name == "GRU":
        inner.setdefault("reset_after", False)
    if name in _OF_FUNCTIONS and isinstance(inner.get("fn"), str):
        inner["fn"] = {"module": "builtins", "class_name": "function", "config": inner["fn"], "registered_name": "function"}
    if "name" in inner and inner["name"] is None:
        del inner["name"]  # of a schedule of learning rates


def check_theano(config: Any, path: str) -> None:
    """Raises UnsupportedError for layers that Theano computed otherwise than all backends of Keras 3 do: "same" padding is another one there."""
    for node in _judge.nodes(config, path):
        name, inner = str(node.get("class_name")), node.get("config")
        if not isinstance(inner, dict) or inner.get("padding") != "same":
            continue
        is_odd = all(size % 2 for size in _sizes(inner.get("kernel_size")))
        if "Pooling" in name or not is_odd or any(size != 1 for size in _sizes(inner.get("strides"))):
            raise UnsupportedError(
                f"{name}: with Theano padding='same' is another one than in Keras 3, but for odd kernels in steps of 1: load_into() puts the weights into "
                "a model of yours",
                path=path,
            )


def _sizes(value: Any) -> list[int]:
    return [size for size in (value if isinstance(value, list) else [value]) if isinstance(size, int)]


_MODELS = ("Functional", "Model", "Sequential")


def _begin(inner: dict[str, Any]) -> None:
    """Before TensorFlow 2.2 the first layer said the shape of the input; now a layer of its own does."""
    layers = inner.get("layers")
    first = layers[0] if isinstance(layers, list) and layers else None
    config = first.get("config") if isinstance(first, dict) else None
    shape = config.get("batch_input_shape") if isinstance(config, dict) else None
    if first is None or config is None or first.get("class_name") == "InputLayer" or not isinstance(shape, list):
        return
    dtype = next((dtype for key in ("input_dtype", "dtype") if isinstance(dtype := config.get(key), str)), "float32")
    begin = {"batch_shape": shape, "dtype": dtype, "name": f"{config.get('name', 'layer')}_input"}
    inner["layers"].insert(0, {**({"module": "keras.layers"} if "module" in first else {}), "class_name": "InputLayer", "config": begin})


def _plain_names(inner: dict[str, Any], said: dict[str, None]) -> None:
    """Names of layers have no "/" in Keras 3; a model of Keras 2 takes each layer's from its scope. Places where Keras 3 builds a layer when it calls it
    need not say its shapes in Keras 2's words."""
    layers = [layer for layer in inner["layers"] if isinstance(layer, dict)]
    taken = set(map(_name_of, layers))
    names: dict[str, str] = {}
    for layer in layers:
        if inner.get("output_layers") is not None:
            layer.pop("build_config", None)
        old = _name_of(layer)
        if not isinstance(old, str) or "/" not in old:
            continue
        new = old.replace("/", "_")
        while new in taken:
            new += "_"
        taken.add(new)
        names[old] = new
        if "name" in layer:
            layer["name"] = new
        if isinstance(config := layer.get("config"), dict) and "name" in config:
            config["name"] = new
    if not names:
        return
    said["names of layers have _ for /"] = None
    for where in [*(layer.get("inbound_nodes") for layer in layers), inner.get("output_layers"), inner.get("input_layers")]:
        links: list[list[Any]] = []
        _collect(where, set(names), links, 0)
        for link in links:
            link[0] = names[link[0]]


def _name_of(layer: dict[str, Any]) -> Any:
    config = layer.get("config")
    return layer.get("name") or (config.get("name") if isinstance(config, dict) else None)


def _single(inner: dict[str, Any]) -> None:
    """Keras 2 lists its one input and its one output, which are no lists to a caller."""
    for key in ("input_layers", "output_layers"):
        found = inner.get(key)
        if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list) and len(found[0]) == 3 and isinstance(found[0][0], str):
            inner[key] = found[0]


def _links(inner: dict[str, Any], said: dict[str, None]) -> None:
    """In Keras 2 a model within a model counted a call of itself, of when it was made: what came from its first call has the number 1."""
    layers = [layer for layer in inner["layers"] if isinstance(layer, dict)]
    nested = {layer.get("name") for layer in layers if layer.get("class_name") in _MODELS}
    links: list[list[Any]] = []
    for layer in layers:
        for node in layer.get("inbound_nodes") or []:
            if isinstance(node, dict):
                return  # of Keras 3
            _collect(node, nested, links, 0)
    _collect([inner["output_layers"], inner.get("input_layers")], nested, links, 0)
    for name in nested:
        own = [link for link in links if link[0] == name]
        if own and min(link[1] for link in own) >= 1:
            said["calls of models within the model are counted from 0"] = None
            for link in own:
                link[1] -= 1


def _collect(value: Any, names: set[Any], links: list[list[Any]], level: int) -> None:
    """All [name, call, output] of these names."""
    if level > 20:
        return
    if isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and all(type(number) is int for number in value[1:3]):
            if value[0] in names:
                links.append(value)
            value = value[3:]
        for item in value:
            _collect(item, names, links, level + 1)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, names, links, level + 1)


def _moved(node: dict[str, Any], name: str, said: dict[str, None]) -> None:
    """Classes of Keras's own whose modules are others today."""
    module = node.get("module")
    if name in _CALLED and _judge.class_of(node) is None:
        node["class_name"] = name = _CALLED[name]
    if name == "ThresholdedReLU" and _judge.class_of(node) is None:
        node["class_name"] = "ReLU"
        node["config"]["threshold"] = node["config"].pop("theta", 1.0)
        said["ThresholdedReLU is ReLU"] = None
    if name in _CUDNN and _judge.class_of(node) is None:
        node["class_name"] = _CUDNN[name]
        node["config"].setdefault("recurrent_activation", "sigmoid")
        if name == "CuDNNGRU":
            node["config"].setdefault("reset_after", True)
        said[f"{name} is {_CUDNN[name]}"] = None
    if isinstance(module, str) and "optimizers.legacy" in module and name.lower() in _judge.optimizers():
        node["module"] = "keras.optimizers"
        said[f"{name} is no longer in {module}"] = None
        return
    if not isinstance(module, str) or _judge.class_of(node) is not None or name.startswith("__") or name == "function":
        return
    if module.partition(".")[0] in ("keras", "tensorflow", "tf_keras") and name in _judge.classes():
        node["module"] = _module(name)
        node["registered_name"] = None if node.get("registered_name") in (name, None) else node["registered_name"]
        said[f"{name} is no longer in {module}"] = None


@functools.lru_cache(maxsize=None)
def _taken(name: str) -> frozenset[str]:
    """Arguments that Keras's class takes by name: what went may come back, as renorm did."""
    found = _judge.classes().get(name)
    return frozenset(() if found is None else inspect.signature(found).parameters)


def _module(name: str) -> str:
    """Where a class of Keras's is today, in Keras's own files."""
    if name in _MODELS:
        return "keras.src.models.functional" if name == "Functional" else "keras"
    found = _judge.classes()[name]
    for part in ("layers", "optimizers", "losses", "metrics", "initializers", "regularizers", "constraints"):
        if vars(getattr(keras, part)).get(name) is found:
            return f"keras.{part}"
    return "keras"


def _arguments(name: str, inner: dict[str, Any], said: dict[str, None], path: str) -> None:
    for old, new in _RENAMED.get(name, {}).items():
        if old in inner:
            value = inner.pop(old)
            inner.setdefault(new, value)
            said[f"{name}: {old} is {new}"] = None
    for gone, neutral in _GONE.get(name, {}).items():
        if gone not in inner or gone in _taken(name):
            continue
        value = inner.pop(gone)
        if neutral and value not in neutral:
            raise UnsupportedError(f"{name}: {gone}={value!r} has no place in Keras 3", path=path)
        said[f"{name}: {gone} is gone"] = None
    if name == "Attention" and inner.get("score_mode") == "dot":
        del inner["score_mode"]  # the default, which Keras 3 takes for a function in .h5 files
    if name == "BatchNormalization" and isinstance(inner.get("axis"), list) and len(inner["axis"]) == 1:
        inner["axis"] = inner["axis"][0]
    if name != "InputLayer":
        inner.pop("batch_input_shape", None)
    own = _judge.class_of({"class_name": name})
    if own is not None and not {"trainable", "kwargs"} & _taken(name):
        inner.pop("trainable", None)
    if isinstance(own, type) and issubclass(own, keras.Loss) and "fn" not in _taken(name):
        inner.pop("fn", None)
    if "lr" in inner or "decay" in inner:
        _optimizer(name, inner, said)
    if own in _judge.optimizers().values() and name != "LossScaleOptimizer":
        for gone in _OF_OPTIMIZERS:
            inner.pop(gone, None)


def _optimizer(name: str, inner: dict[str, Any], said: dict[str, None]) -> None:
    """`lr` is `learning_rate`; `decay` was a schedule."""
    if "lr" in inner:
        inner.setdefault("learning_rate", inner["lr"])
        del inner["lr"]
        said[f"{name}: lr is learning_rate"] = None
    decay = inner.pop("decay", None)
    if decay and isinstance(inner.get("learning_rate"), float | int):
        inner["learning_rate"] = {
            "module": "keras.optimizers.schedules", "class_name": "InverseTimeDecay", "registered_name": None,
            "config": {"initial_learning_rate": inner["learning_rate"], "decay_steps": 1, "decay_rate": decay, "staircase": False},
        }  # fmt: skip
        said[f"{name}: decay is a schedule"] = None
