"""A Keras model for a SavedModel: all that it is made of but its optimizer, and its call as Keras itself serves it."""

from __future__ import annotations

import sys
from typing import Any

import tensorflow


def is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def runs_on_tensorflow(model: Any) -> bool:
    return bool(sys.modules["keras"].backend.backend() == "tensorflow")


def root_of(model: Any) -> Any:
    """An object with the model's attributes, by the names that its checkpoints have for them."""
    root = tensorflow.train.Checkpoint()
    for name, child in tensorflow.train.TrackableView(model).children(model).items():
        if name != "optimizer":
            setattr(root, name, child)
    return root


def call_of(model: Any) -> Any:
    """A tf.function of what the model was built for, any number of samples. Raises ValueError for a model that was not built or called yet."""
    import keras
    from keras.src.export import export_utils

    specs = keras.tree.map_structure(lambda spec: export_utils.make_tf_tensor_spec(spec, dynamic_batch=True), export_utils.get_input_signature(model))
    return tensorflow.function(model.__call__, input_signature=specs, autograph=False)
