"""Sequential models of a file's config, built when they have all their layers: Keras's own from_config() builds all anew with each layer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.legacy.saving import saving_utils
from keras.src.saving import serialization_lib

_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def built_once() -> Iterator[None]:
    """While this lasts, as long as it takes to make a model of a config, no layer is called more than once for each of its places."""
    mine = threading.get_ident()
    own = keras.Sequential.__dict__["from_config"]

    def from_config(cls: Any, config: Any, custom_objects: Any = None) -> Any:
        if threading.get_ident() != mine or not isinstance(config, dict) or not isinstance(config.get("layers"), list) or "name" not in config:
            return own.__func__(cls, config, custom_objects)
        model = cls(name=config["name"])
        for each in config["layers"]:
            model.add(_layer(each, custom_objects), rebuild=False)
        if config["layers"]:
            model._maybe_rebuild()
        shape = config.get("build_input_shape")
        if not model._functional and shape and isinstance(shape, tuple | list):
            model.build(shape)
        return model

    with _one_at_a_time:
        keras.Sequential.from_config = classmethod(from_config)
        try:
            yield
        finally:
            keras.Sequential.from_config = own


def _layer(config: Any, custom_objects: Any) -> Any:
    """Configs of .h5 files have no modules."""
    if "module" not in config:
        return saving_utils.model_from_config(config, custom_objects=custom_objects)
    return serialization_lib.deserialize_keras_object(config, custom_objects=custom_objects)
