"""save(): a Keras model, with how it was compiled and its optimizer, in the files that Keras itself reads."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import keras
from keras.src.legacy.saving import json_utils, legacy_h5_format, saving_options, saving_utils
from keras.src.saving import saving_lib

from .. import _model, _native
from .._build import Trusted
from .._progress import Callback, reporting
from .._save import build, write
from ..errors import UnsupportedError
from . import _judge, _recorded

_WEIGHTS = "model.weights.h5"
_ASSETS = "assets"


class _Store(saving_lib.H5IOStore):  # type: ignore[misc]
    """Keras's store of variables by path, onto a file in memory."""

    def __init__(self, file: _recorded.Group) -> None:
        self.mode = "w"
        self.path_or_io = pathlib.Path(_WEIGHTS)
        self.archive = None
        self.io_file = None
        self.h5_file = file
        self._h5_entry_path: Any = None
        self._h5_entry_group: Any = {}
        self._h5_entry_metadata = None
        self._h5_entry_initialized = False

    def close(self) -> None:
        """There is nothing to close."""


def save(
    model: keras.Model,
    path: _model.PathLike,
    *,
    include_optimizer: bool = True,
    trusted: Trusted = (),
    sync: bool = True,
    compress: bool = False,
    alignment: int = 0,
    shard_size: int | str = 0,
    progress: bool | Callback | None = None,
) -> None:
    """Writes a model so that keras.models.load_model() and load() give it back; the file is there whole and on disk, or as it was before.

    The extension chooses: ``.keras`` (architecture, how it was compiled, weights, optimizer, vocabularies), ``.h5`` or ``.hdf5`` (the same for
    Keras of all versions, without vocabularies), ``.weights.h5`` (weights and optimizer alone, for ``model.load_weights()``), ``.weights.json`` (the
    same in shards ``NAME_00000.weights.h5`` … beside it). The config is what the layers' own get_config() gives.

    `include_optimizer=False` leaves its state out. `trusted`: classes that carry code (``keras.layers.Lambda``), which load() then has to be
    given too. `sync=False` does not wait for the disk. `compress`: gzip. `alignment`: of each tensor's bytes, a power of two.
    `shard_size`: bytes, or ``"5GB"``, of which a shard has no more; a larger tensor has one of its own.

    Raises UnsafeError for a layer that could not be loaded without running code from the file; UnsupportedError for a model that has no weights
    yet, or another extension; StorageError.
    """
    name = os.fsdecode(path)
    if not model.built:
        raise UnsupportedError("the model has no weights yet: call it once, or build() it, before it is saved", path=name)
    file = _recorded.Group()
    members: list[tuple[str, Any]] | None = None
    if name.endswith(".weights.json"):
        _state(model, file, None, include_optimizer)
        write(build(*_arrays(file), ()), path, "keras", False, sync, shard_size, alignment, compress, progress)
        return
    if shard_size:
        raise UnsupportedError("shards are what a .weights.json leads to", path=name)
    if name.endswith(".weights.h5"):
        _state(model, file, None, include_optimizer)
    elif name.endswith((".h5", ".hdf5")):
        _legacy(model, file, include_optimizer, trusted, name)
    elif name.endswith(".keras"):
        members = _archive(model, file, include_optimizer, trusted, name)
    else:
        raise UnsupportedError("a Keras model goes into .keras, .h5, .hdf5, .weights.h5 or .weights.json", path=name)
    with reporting(progress, "saving") as tell:
        _native.write_hdf5(name, list(file.objects()), members, alignment, 4 if compress else 0, sync, True, tell)


def _arrays(file: _recorded.Group) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays by path; the metadata, which has the names of layers."""
    arrays: dict[str, Any] = {}
    names: dict[str, str] = {}
    todo: list[tuple[str, _recorded.Group]] = [("", file)]
    while todo:
        path, group = todo.pop()
        if "name" in group.attrs:
            names[path.removesuffix("vars").rstrip("/")] = group.attrs["name"]
        for name in group.keys():
            child, place = group[name], f"{path}/{name}" if path else name
            if isinstance(child, _recorded.Group):
                todo.append((place, child))
            else:
                arrays[place] = child.data
    return arrays, {"layer_names": names}


def _archive(model: Any, file: _recorded.Group, include_optimizer: bool, trusted: Trusted, path: str) -> list[tuple[str, Any]]:
    """The members of a .keras file; None is the HDF5 file's."""
    config, metadata = saving_lib._serialize_model_as_json(model)
    _judge.check(json.loads(config), _judge.Known(trusted), path, registered=True)
    assets = saving_lib.DiskIOStore(_ASSETS, mode="w")
    try:
        _state(model, file, assets, include_optimizer)
        folder = pathlib.Path(assets.working_dir)
        found = [(f"{_ASSETS}/{each.relative_to(folder).as_posix()}", each.read_bytes()) for each in sorted(folder.rglob("*")) if each.is_file()]
    finally:
        assets.close()
    return [("metadata.json", metadata.encode()), ("config.json", config.encode()), (_WEIGHTS, None), *found]


def _state(model: Any, file: _recorded.Group, assets: Any, include_optimizer: bool) -> None:
    optimizer = getattr(model, "optimizer", None)
    skipped = set() if include_optimizer or optimizer is None else {id(optimizer)}
    saving_lib._save_state(model, weights_store=_Store(file), assets_store=assets, inner_path="", visited_saveables=skipped)


def _legacy(model: Any, file: _recorded.Group, include_optimizer: bool, trusted: Trusted, path: str) -> None:
    with saving_options.keras_option_scope(use_legacy_config=True):
        for key, value in saving_utils.model_metadata(model, include_optimizer).items():
            is_tree = isinstance(value, dict | list | tuple)
            file.attrs[key] = json.dumps(value, default=json_utils.get_json_type).encode("utf-8") if is_tree else value
        _judge.check(json.loads(file.attrs["model_config"]), _judge.Known(trusted), path, registered=True)
        legacy_h5_format.save_weights_to_hdf5_group(file.create_group("model_weights"), model)
        if include_optimizer and getattr(model, "optimizer", None) is not None:
            _optimizer(file, model.optimizer.variables)


def _optimizer(file: _recorded.Group, variables: list[Any]) -> None:
    """As Keras writes it, which fails where variables are called alike (Adafactor's) and reads them by a list of names."""
    if not variables:
        return
    group = file.create_group("optimizer_weights")
    arrays: dict[str, Any] = {}
    for variable in variables:
        name, number = str(variable.path), 0
        while name in arrays:
            number += 1
            name = f"{variable.path}_{number}"
        arrays[name] = keras.ops.convert_to_numpy(variable.value)
    legacy_h5_format.save_attributes_to_hdf5_group(group, "weight_names", [name.encode() for name in arrays])
    for name, array in arrays.items():
        group.create_dataset(name, data=array)
