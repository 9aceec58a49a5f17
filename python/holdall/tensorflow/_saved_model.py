"""A live object as a SavedModel: TensorFlow writes it beside its place, Holdall verifies it and puts it there."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow

from .. import _documents, _model, _native, _save
from .._progress import Callback
from ..errors import CorruptError, MissingError, StorageError, UnsupportedError
from . import _keras, _objects

_FILES = {"saved_model.pb", "fingerprint.pb", "keras_metadata.pb", "assets.extra/holdall.json"}
_FOLDERS = ("variables/", "assets/")


def save(
    model: Any,
    path: _model.PathLike,
    signatures: Any,
    metadata: Mapping[str, Any] | None,
    allow_loss: bool,
    sync: bool,
    shard_size: int | str,
    progress: bool | Callback | None,
) -> None:
    place = os.fsdecode(path)
    given = {} if metadata is None else _save.checked(metadata)
    with _temporary(place) as folder:
        _write(model, folder, signatures, place)
        found = _documents.verify(folder, progress=False)
        if not found["sound"]:
            raise CorruptError(f"TensorFlow wrote what is not sound: {found['faults'][0]['what']}", path=place)
        opened = _model.open(folder)
        own = sorted(set(given) & set(opened.metadata))
        if own:
            raise ValueError(f"metadata cannot have {own[0]!r}: so a SavedModel calls what it tells of itself")
        native = _save.build(opened, {**opened.metadata, **given}, ()) if given else opened._native
        _save.write(native, place, "tf-savedmodel", allow_loss, sync, shard_size, 0, False, progress, may_go=_own_files(place))


@contextlib.contextmanager
def _temporary(place: str) -> Iterator[str]:
    """A folder beside the place; what a process that was killed leaves of it, the next writer of the place sweeps."""
    folder = _native.temporary_beside(place)
    try:
        os.mkdir(folder)
    except FileNotFoundError:
        raise MissingError(f"there is no folder '{os.path.dirname(folder)}'", path=place) from None
    except OSError as error:
        raise StorageError(f"no folder can be made beside it: {error.strerror}", path=place) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(model: Any, folder: str, signatures: Any, place: str) -> None:
    try:
        if _keras.is_model(model):
            _write_keras(model, folder, signatures)
        else:
            tensorflow.saved_model.save(model, folder, signatures=_default(model) if signatures is None else signatures)
    except tensorflow.errors.OpError as error:
        raise StorageError(f"TensorFlow could not write the SavedModel: {error.message}", path=place) from error
    except (AssertionError, AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise UnsupportedError(f"TensorFlow makes no SavedModel of the {type(model).__name__}: {error}", path=place) from error


def _write_keras(model: Any, folder: str, signatures: Any) -> None:
    if signatures is None and not _keras.runs_on_tensorflow(model):
        model.export(folder, format="tf_saved_model", verbose=False)
        return
    root = _keras.root_of(model, _objects.Children(model).of(model), [variable for path, variable in _objects.paths(model).items() if path[0] != "optimizer"])
    if signatures is None:
        serve = _keras.call_of(model)
        if not hasattr(root, "serve"):  # else a layer of the model is called so
            root.serve = serve
        concrete = serve.get_concrete_function()
        signatures = {"serve": concrete, "serving_default": concrete}
    tensorflow.saved_model.save(root, folder, signatures=signatures)


def _default(model: Any) -> Any:
    """``__call__``, where it is a tf.function that says what it takes; None leaves it to TensorFlow, which takes a model's only function."""
    call = getattr(model, "__call__", None)
    is_function = isinstance(call, tensorflow.types.experimental.GenericFunction)
    return call if is_function and getattr(call, "input_signature", None) is not None else None


def _own_files(folder: str) -> list[str]:
    """Files of a SavedModel that stands at the place, which may go with it; what others keep in its folder may not."""
    place = pathlib.Path(folder)
    if not (place / "saved_model.pb").is_file():
        return []
    there = [each.relative_to(place).as_posix() for each in place.rglob("*") if each.is_file()]
    return [name for name in there if name in _FILES or name.startswith(_FOLDERS)]
