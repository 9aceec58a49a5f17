"""load(): a Keras model from a file, its config judged and mended before anything is built."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
from keras.src.legacy.saving import saving_options, saving_utils
from keras.src.saving import object_registration, serialization_lib

from .. import _model
from .._build import Trusted
from ..errors import CorruptError, Error, HoldallWarning, LimitError, UnsupportedError
from . import _bounds, _file, _into, _judge, _mend, _optimizer, _placeholder, _reading, _sequential


def load(
    path: _model.Source | _model.Model,
    custom_objects: Mapping[str, Any] | None = None,
    trusted: Trusted = (),
    *,
    compile: bool = True,
    placeholders: bool = False,
    policy: _model.PathLike | None = None,
) -> keras.Model:
    """The model of a .keras or .h5 file of any version of Keras since 1.0, compiled and with its optimizer's state where the file has them.

    `custom_objects`: names in the file to the classes and functions that they are; what is registered with Keras need not be given. `trusted`: classes
    and functions likewise, by their own names, and ``keras.layers.Lambda`` where its code may run. `placeholders`: layers that nobody knows come
    back as layers of that name that keep their config and weights, and cannot be called. `compile=False` leaves the model uncompiled. `policy`: as holdall.load() has it.

    What Keras 1 and 2 spelled otherwise is mended: arguments and classes that were renamed or are gone, modules that moved, losses, dtype policies,
    optimizers and their slots, weights that were laid out otherwise. Raises UnsafeError, before anything is built, naming what would run code and
    every class that is not known; LimitError for a config that asks for many more weights than the file has, before they are made; CorruptError;
    MismatchError where the weights are not those of the architecture; UnsupportedError.
    """
    file = _reading.opened(path, policy)
    name = file.model.path
    if file.config is None:
        raise UnsupportedError("the file has weights and no architecture: load_into() puts them into a model of yours", path=name)
    known = _judge.Known(trusted, custom_objects)
    for part in (file.config, file.training):
        _judge.check_depth(part, name)
    config, said = _mend.mended(copy.deepcopy(file.config), known, name, file.major)
    training = None
    if compile and file.training is not None:
        training, more = _mend.mended(copy.deepcopy(file.training), known, name, file.major)
        said += more
    if not compile:
        config["compile_config"] = None
    if placeholders:
        known.objects.update(_placeholder.for_names(_judge.findings(config, known, name).unknown))
    for part in (config, training):
        _judge.check(part, known, name)
        _bounds.check(part, name)
        _judge.pinned(part, known, name)
    if file.is_of_theano:
        _mend.check_theano(config, name)
        said.append("the kernels of convolutions are Theano's and are flipped")
    if said:
        warnings.warn(f"{name}: mended for Keras {keras.__version__}: {'; '.join(said)}", HoldallWarning, stacklevel=2)
    with _building(known, name):
        with _bounds.bounded(file), _sequential.built_once():
            model = _built(config, known, file)
        _into.fill_built(model, file)
        if training is not None:
            with _bounds.bounded(file):
                _compiled(model, training, known, file)
    return model


@contextlib.contextmanager
def _building(known: _judge.Known, path: str) -> Iterator[None]:
    """Keras's errors as ours: a config that it cannot build is the file's fault."""
    scope = object_registration.CustomObjectScope(known.objects)
    try:
        with scope, serialization_lib.SafeModeScope("Lambda" not in known.code):
            yield
    except (Error, Warning):
        raise
    except (MemoryError, RecursionError) as error:
        raise LimitError(f"what the file says takes more memory, or nests deeper, than there is room for: {_short(error)}", path=path) from error
    except Exception as error:  # TensorFlow's are of no other class
        raise CorruptError(f"Keras cannot build what the file says: {_short(error)}", path=path) from error


def _short(error: Exception) -> str:
    """What Keras says is long and repeats the config."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    found = next((line for line in reversed(lines) if line.startswith("Exception encountered")), lines[0] if lines else type(error).__name__)
    return found.removeprefix("Exception encountered: ")[:300]


def _built(config: dict[str, Any], known: _judge.Known, file: _file.File) -> Any:
    if file.kind == "legacy":
        with saving_options.keras_option_scope(use_legacy_config=True):
            model = saving_utils.model_from_config(config, custom_objects=known.objects)
    else:
        with serialization_lib.ObjectSharingScope():
            model = serialization_lib.deserialize_keras_object(config, custom_objects=known.objects, safe_mode="Lambda" not in known.code)
    if not isinstance(model, keras.layers.Layer):
        raise CorruptError(f"the config is that of a {type(model).__name__}, not of a model", path=file.model.path)
    return model


def _compiled(model: Any, training: dict[str, Any], known: _judge.Known, file: _file.File) -> None:
    """As the model was compiled; names of losses and metrics go to compile() as they are, which looks them up among Keras's own."""
    optimizer = training.get("optimizer_config")
    if not isinstance(optimizer, dict):
        return
    name, own = optimizer.get("class_name"), _judge.class_of(optimizer)
    # Keras looks for its own by a list that has not all of them.
    objects: dict[Any, Any] = known.objects if own is None else {name: own, **known.objects}
    model.compile(
        optimizer=keras.optimizers.deserialize(optimizer, objects),
        loss=_of_training(training.get("loss"), keras.losses.deserialize, known),
        metrics=_of_training(training.get("metrics"), keras.metrics.deserialize, known),
        weighted_metrics=_of_training(training.get("weighted_metrics"), keras.metrics.deserialize, known),
        loss_weights=training.get("loss_weights"),
    )
    if isinstance(file.root.find("optimizer_weights"), _file.Node):
        _optimizer.fill(model, file)


def _of_training(config: Any, build: Callable[..., Any], known: _judge.Known) -> Any:
    """Losses or metrics: one, or by outputs."""
    if isinstance(config, dict) and config.get("class_name") == "function":
        config = config.get("config")
    if isinstance(config, str):
        return known.find(config) or config
    if isinstance(config, dict) and "class_name" in config:
        return build(config, known.objects)
    if isinstance(config, dict):
        return {name: _of_training(value, build, known) for name, value in config.items()}
    if isinstance(config, list):
        # Keras 2 lists the metrics of its one output in a list of their own.
        inner = config[0] if len(config) == 1 and isinstance(config[0], list) else config
        return [_of_training(value, build, known) for value in inner]
    return config
