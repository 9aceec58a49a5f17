"""save(): a model of transformers, its tokenizer and what belongs to them as one folder, whole or not at all."""

from __future__ import annotations

import copy
import os
import pathlib
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion
from transformers.modeling_utils import remove_tied_weights_from_state_dict

from .. import _model
from .. import _save as _plain
from .._documents import size_of
from .._progress import Callback
from ..errors import CorruptError, HoldallWarning, MismatchError, UnsupportedError
from . import _adapter, _agreement, _preprocessing, _sample, _training, _unit


def save(
    model: Any,
    tokenizer: Any,
    folder: _model.PathLike,
    *,
    sample: Any = None,
    training: Mapping[str, Any] | None = None,
    shard_size: int | str = 0,
    sync: bool = True,
    trusted: Sequence[Any] = (),
    progress: bool | Callback | None = None,
    **metadata: Any,
) -> None:
    """Writes model, config, tokenizer, generation config and metadata as one folder, which ``from_pretrained`` reads too.

    `tokenizer`: a tokenizer, or a processor, image processor or feature extractor; None for none. A model of PEFT is saved as its
    adapter. `sample`: a text, texts or a mapping of the model's inputs, kept with the model's output for verify(); None makes one of the
    tokenizer, False keeps none. `training`: what a run needs to go on, {"optimizer": optimizer, "scheduler": …, "step": 3}: kept in
    ``training.pt`` of the folder, random states along, for resume(). `shard_size`: bytes, or ``"5GB"``. `sync=False` does not wait for
    the disk. `trusted`: classes that may stand in `training`. `metadata`: plain values that travel with the weights:
    ``holdall.open(folder).metadata``.

    The folder is there whole and on disk, or what stood at the path stays. Raises MismatchError, saying what, where model, config and
    tokenizer do not fit one another, or the tokenizer would come back as another; TypeError for metadata that is no plain value;
    StorageError where the folder holds files that are not a unit's.
    """
    _refuse_objects(metadata)
    shard_bytes = size_of(shard_size)
    if shard_bytes < 0:
        raise ValueError(f"shard_size {shard_size} is no size")
    model = _unwrapped(model)
    kind = None if tokenizer is None else _preprocessing.kind_of(tokenizer)
    adapter = _adapter.is_adapted(model)
    _agree(model, tokenizer)
    with tempfile.TemporaryDirectory() as place:
        config, state = _adapter.parts(model, place) if adapter else _parts(model, place)
        if kind is not None:
            _preprocessing.keep(tokenizer, kind, place)
        files = {str(path.relative_to(place)): path.read_bytes() for path in sorted(pathlib.Path(place).rglob("*")) if path.is_file()}
    beside: dict[str, Any] = {}
    kept = _sample.make(model, tokenizer, kind, sample)
    if kept is not None:
        beside[_unit.SAMPLE] = _plain.build(kept, None, (), "pt")
    if training is not None:
        beside[_unit.TRAINING] = _plain.build(_training.collect(training), None, trusted, "pt")
    files[_unit.FILE] = _unit.document(model, tokenizer, kind, files, beside)
    native = _plain.build(state, metadata or None, trusted, "pt", config, files)
    path = os.path.abspath(os.fsdecode(folder))
    _plain.write(native, path, "huggingface", False, sync, shard_bytes, 0, False, progress, beside, _own_files(path, tokenizer))
    _unit.seal(path, sync)


def _refuse_objects(metadata: Any) -> None:
    """Raises TypeError, naming the place, for metadata that is no plain value."""
    waiting = [("metadata", metadata, 0)]
    while waiting:
        place, value, depth = waiting.pop()
        if isinstance(value, dict) and depth < 64:
            odd = next((key for key in value if not isinstance(key, str | int)), None)
            if odd is not None:
                raise TypeError(f"{place} has the key {odd!r}, which is neither a text nor an integer")
            waiting += [(f"{place}[{key!r}]", item, depth + 1) for key, item in value.items()]
        elif isinstance(value, list | tuple) and depth < 64:
            waiting += [(f"{place}[{i}]", item, depth + 1) for i, item in enumerate(value)]
        elif not isinstance(value, str | bytes | int | float | complex | None):
            raise TypeError(f"{place} is a {type(value).__name__}; metadata are plain values: texts, numbers, None, lists and dicts of them")


def _unwrapped(model: Any) -> Any:
    """Without what DataParallel and torch.compile put around it."""
    while not isinstance(model, transformers.PreTrainedModel) and not _adapter.is_adapted(model):
        inner = getattr(model, "module", None) or getattr(model, "_orig_mod", None)
        if inner is None:
            raise UnsupportedError(f"{type(model).__name__} is no model of transformers; holdall.torch.save takes any module's state_dict()")
        model = inner
    if getattr(model, "hf_quantizer", None) is not None:
        raise UnsupportedError("the model is quantized on load; save the model that it was made from")
    if getattr(model, "_hf_peft_config_loaded", False):
        raise UnsupportedError("the model has adapters of its own; save the PeftModel around it, or merge them first")
    return model


def _agree(model: Any, preprocessing: Any) -> None:
    tokenizer = getattr(preprocessing, "tokenizer", preprocessing)
    faults, made = _agreement.faults(model, tokenizer)
    if faults:
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise MismatchError("model, config and tokenizer do not fit one another:\n  " + "\n  ".join(faults[:20]) + more)
    for doubt in _agreement.doubts(model, tokenizer, made):
        warnings.warn(doubt, HoldallWarning, stacklevel=4)


def _parts(model: Any, place: str, names: str = "file") -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """config.json as a dict and the tensors; config and generation config are put into the folder.

    `names`: "file" has the tensors' names and shapes as files of every version of transformers have them, "module" as load_state_dict() takes them.
    """
    config = copy.deepcopy(model.config)
    config.dtype = str(model.dtype).removeprefix("torch.")
    config.architectures = [type(model).__name__]
    config.save_pretrained(place)
    if model.can_generate():
        model.generation_config.save_pretrained(place)
    document = _unit.json_of(os.path.join(place, "config.json"))
    state = dict(model.state_dict())
    for name in model._keys_to_ignore_on_save or ():
        state.pop(name, None)
    lost = [name for name, value in state.items() if not isinstance(value, torch.Tensor) or value.device.type == "meta"]
    if lost:
        raise UnsupportedError(f"{len(lost)} entries have no values to save, {lost[0]} the first")
    state = remove_tied_weights_from_state_dict(state, model)
    return document, dict(revert_weight_conversion(model, state)) if names == "file" else state


def _own_files(folder: str, preprocessing: Any) -> list[str]:
    """Names that may go from the folder: those of a unit's files, where an earlier save or save_pretrained left them, whatever a list in it says."""
    place = pathlib.Path(folder)
    if not place.is_dir():
        return []
    there = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    unit = _unit.read(folder)
    named = {name for index in there if index.endswith(".index.json") for name in _sharded(os.path.join(folder, index))}
    may_go = {name for name in there if _unit.WEIGHTS.fullmatch(name) and (unit or name in named)}
    may_go |= {name for name in there & {stem + ".safetensors.index.json" for stem in ("model", "adapter_model")} if unit or named}
    if unit:
        may_go |= (there & set(unit["files"]) & _preprocessing.files_of(unit, preprocessing)) | (there & _unit.OWN)
    return sorted(may_go)


def _sharded(path: str) -> list[str]:
    """The shards that an index names; none where it is no index."""
    try:
        names = _unit.json_of(path).get("weight_map")
    except CorruptError:
        return []
    return [name for name in names.values() if isinstance(name, str)] if isinstance(names, dict) else []
