"""A Keras model for a SavedModel: all that it is made of but its optimizer, and its call as Keras itself serves it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow

# What Keras 2 called variables of layers that Keras 3 calls otherwise, by the layer's class.
_RENAMED = {("DepthwiseConv1D", "depthwise_kernel"): "kernel", ("DepthwiseConv2D", "depthwise_kernel"): "kernel"}
# What a model that is trained has beside its layers.
_OF_TRAINING = frozenset({"optimizer", "keras_api", "loss", "_loss_tracker", "_compile_metrics", "_compile_loss", "_metrics", "compiled_metrics"})
_SEED = "seed_generator_state"


def is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def runs_on_tensorflow(model: Any) -> bool:
    return bool(sys.modules["keras"].backend.backend() == "tensorflow")


def root_of(model: Any, children: Mapping[str, Any], found: Iterable[Any]) -> Any:
    """An object with a model's children, by their names, and with those of its variables that are not among what was found by attributes."""
    root = tensorflow.train.Checkpoint()
    for name, child in children.items():
        if name != "optimizer":
            setattr(root, name, _plain(child))
    known = {id(variable) for variable in found}
    others = [variable for variable in model.variables if id(variable) not in known]
    if others:  # of seeds in layers that Keras does not list
        root.other_variables = others
    return root


def _plain(value: Any) -> Any:
    """TensorFlow follows lists and dicts, not Keras's own."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def call_of(model: Any) -> Any:
    """A tf.function of what the model was built for, any number of samples. Raises ValueError for a model that was not built or called yet."""
    import keras
    from keras.src.export import export_utils

    specs = keras.tree.map_structure(lambda spec: export_utils.make_tf_tensor_spec(spec, dynamic_batch=True), export_utils.get_input_signature(model))
    return tensorflow.function(model.__call__, input_signature=specs, autograph=False)


def _is_layer(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.layers.Layer)


def of_training(value: Any) -> frozenset[str]:
    """Attributes that a checkpoint may have of a Keras model, and a model that is only called has not."""
    return _OF_TRAINING if is_model(value) else frozenset()


def other_names(here: Any, name: str) -> list[str]:
    """What an attribute of a layer may be called in another version of Keras."""
    if not _is_layer(here):
        return []
    known = _RENAMED.get((type(here).__name__, name.lstrip("_")), name.lstrip("_"))
    return [other for other in (known, f"_{known}") if other != name]


def part(here: Any, name: str) -> Any:
    """The layer that checkpoints of Keras 2 call ``layer-3`` or ``layer_with_weights-1`` of a model; None, where that is not so."""
    kind, dash, number = name.rpartition("-")
    if not dash or not (number.isascii() and number.isdigit()) or len(number) > 6 or kind not in ("layer", "layer_with_weights") or not is_model(here):
        return None
    layers = [layer for layer in getattr(here, "layers", ()) if kind == "layer" or layer.weights]
    return layers[int(number)] if int(number) < len(layers) else None


def collections(here: Any) -> dict[str, Any]:
    """Lists and dicts of layers that are attributes of a layer."""
    if not _is_layer(here):
        return {}
    found = {str(name): getattr(here, name, None) for name in getattr(here, "_tracked", ())}
    return {name: value for name, value in found.items() if isinstance(value, dict | list | tuple)}


def variables(value: Any) -> list[Any]:
    """Those that a model or a layer has, but the states of seeds."""
    return [variable for variable in value.variables if not is_seed(variable.path)] if _is_layer(value) else []


def is_seed(name: str) -> bool:
    """Of a seed generator, which files of Keras 2 have none of."""
    return name.endswith(_SEED)


def is_automatic(model: Any, part: str) -> bool:
    """Whether Keras itself calls a layer of the model so: ``dense``, ``dense_1``."""
    from keras.src.utils.naming import to_snake_case

    own, _, number = part.rpartition("_")
    stem = own if own and number.isdigit() else part
    return stem == "seed_generator" or any(stem == to_snake_case(type(layer).__name__) for layer in model._flatten_layers())


def has_automatic_names(value: Any) -> bool:
    """Whether Keras may have named what an object is made of, which then says nothing of which object it was."""
    keras = sys.modules.get("keras")
    if keras is None:
        return False
    if not is_model(value):
        return any(isinstance(child, keras.layers.Layer) for child in tensorflow.train.TrackableView(value).children(value).values())
    return any(is_automatic(value, part) for variable in value.variables for part in variable.path.split("/")[:-1])


def ready(model: Any, paths: Iterable[str]) -> None:
    """Makes the variables of the model's optimizer, where the file has them and the model, compiled, has none yet."""
    optimizer = getattr(model, "optimizer", None) if is_model(model) else None
    if optimizer is not None and not optimizer.built and model.built and any("optimizer._variables." in path for path in paths):
        optimizer.build(model.trainable_variables)
