"""load(): a folder of transformers, or bare weights with a config beside them, as model and tokenizer."""

from __future__ import annotations

import collections
import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers

from .. import _model, _native
from .._progress import Callback, reporting
from .._report import Report, mismatch
from ..errors import CorruptError, HoldallWarning, LimitError, MismatchError, MissingError, UnsupportedError
from ..torch import _tensors
from . import _adapter, _agreement, _architecture, _preprocessing, _unit

_CONFIGS = ("config.json", "config.yaml", "config.yml")
_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz")


def load(
    folder: _model.PathLike,
    task: str | type | None = None,
    *,
    device: Any = None,
    dtype: Any = None,
    mode: str = "eval",
    check: bool = True,
    mmap: bool = False,
    verify: bool = False,
    base: Any = None,
    trusted: Sequence[type] = (),
    policy: _model.PathLike | None = None,
    progress: bool | Callback | None = None,
    **changes: Any,
) -> tuple[Any, Any]:
    """The model, and the tokenizer (or processor) that was saved with it: None where there is none.

    `folder`: as save() or ``save_pretrained`` wrote it; a file of weights, or a folder with one, beside ``config.json`` or
    ``config.yaml`` works too. `task`: "question-answering", "text-classification", …, or a model class: another head than was saved,
    whose weights are new, with a warning that names them. `device`: where it goes. `dtype`: of the floating-point weights; None: as
    saved; "auto": as from_pretrained would choose. `mode`: "eval" or "train". `check=False` skips checksums. `mmap=True` maps the weights
    instead of reading them, unchecked: quickest to the first answer, for files that nobody changes or cuts short while the model lives.
    `verify=True` proves by the sample that was kept that the model still says the same. `base`: the model, or its folder, that an
    adapter is put on, where the adapter's config does not name a folder that is there. `changes`: values of the config,
    ``num_labels=5``, ``attn_implementation="eager"``; a head that they give another size is new, with a warning. `policy`: as holdall.load() has it, for the whole folder.

    Only classes of transformers are built, and those in `trusted`: a folder that names code of its own raises UnsafeError. Raises
    MismatchError, with the report, where weights are missing or misshapen; CorruptError for damage, in any file of a unit that save() wrote;
    LimitError for layers and sizes in a config that the weights do not have; MissingError, UnsupportedError, StorageError. Weights that the model does not have, and parts that disagree, are HoldallWarnings.
    """
    if mode not in ("eval", "train"):
        raise ValueError(f"mode {mode!r} is neither 'eval' nor 'train'")
    if not all(isinstance(given, type) for given in trusted):
        raise TypeError("trusted are classes: of models, configs, tokenizers")
    place, weights = _allowed(folder, policy)
    unit = _unit.read(place)
    if check:
        _unit.check(place, unit)
    opened = _model.open(weights or place)
    _tell(opened.warnings)
    with reporting(progress, "loading") as tell:
        read = _Reading(opened, check, mmap, tell)
        if _adapter.is_adapter(place):
            model = _adapter.load(place, read, base, task, mode, dtype, trusted, changes)
            config = model.config
        else:
            config = _config(place, weights, opened, task, trusted, changes)
            model = _built(config, read, place, unit, task, dtype, trusted, bool(changes))
            _generation(model, place)
    preprocessing = _preprocessing.load(place, unit, config, trusted)
    if not opened.warnings and not unit:
        _tell(_fits(model, preprocessing))
    model.train(mode == "train")
    model = model if device is None else model.to(device)
    if verify:
        from ._verify import prove

        prove(model, preprocessing, place, unit)
    return model, preprocessing


def _tell(words: Sequence[str]) -> None:
    for word in words:
        warnings.warn(word, HoldallWarning, stacklevel=3)


def _fits(model: Any, preprocessing: Any) -> list[str]:
    tokenizer = getattr(preprocessing, "tokenizer", preprocessing)
    rows = _agreement.rows_of(model)
    return [] if rows is None or tokenizer is None else list(_agreement.vocabulary(model, tokenizer, rows))


def _allowed(given: _model.PathLike, policy: _model.PathLike | None) -> tuple[str, str | None]:
    """_places(), where the folder is inert under the policy. Raises UnsafeError too."""
    place, weights = _places(given)
    if policy is not None:
        _native.require(place, os.fsdecode(policy))
    return place, weights


def _places(given: _model.PathLike) -> tuple[str, str | None]:
    """The folder, and the file of weights where it is not for the library to find. Raises MissingError, UnsupportedError."""
    path = os.path.abspath(os.fsdecode(given))
    if os.path.isfile(path):
        return os.path.dirname(path), path
    if not os.path.isdir(path):
        raise MissingError("no such file or folder", path=path)
    if os.path.isdir(os.path.join(path, "snapshots")) and not os.path.isfile(os.path.join(path, "config.json")):
        path = _snapshot(path)
    names = sorted(name for name in os.listdir(path) if name.endswith(_WEIGHTS) and name not in (_unit.SAMPLE, _unit.TRAINING))
    known = ("model", "pytorch_model", "adapter_model", "consolidated")
    if any(name.startswith(known) for name in names):
        return path, None
    bare = [name for name in names if not name.endswith(".safetensors")]
    if len(bare) == len(names) == 1:
        return path, os.path.join(path, bare[0])
    return path, None


def _snapshot(path: str) -> str:
    """In a download cache, the folder of the snapshot that refs/main names, or the only one."""
    reference = os.path.join(path, "refs", "main")
    names = os.listdir(os.path.join(path, "snapshots"))
    if os.path.isfile(reference):
        with open(reference, encoding="utf-8") as file:
            name = file.read(1024).strip()
    elif len(names) == 1:
        name = names[0]
    else:
        raise UnsupportedError(f"the cache holds {len(names)} snapshots; name the folder of one", path=path)
    found = os.path.join(path, "snapshots", os.path.basename(name))
    if not os.path.isdir(found):
        raise MissingError(f"refs/main names a snapshot that is not there: {name}", path=path)
    return found


def _config(
    place: str, weights: str | None, opened: _model.Model, task: Any, trusted: Sequence[type], changes: Mapping[str, Any]
) -> Any:
    document = _config_document(place, weights)
    if document.get("quantization_config"):
        raise UnsupportedError("the weights are quantized: transformers' own from_pretrained loads them", path=place)
    _architecture.refuse_size(document, len(opened), max((size for tensor in opened.values() for size in tensor.shape), default=0), place)
    return _architecture.config_of(document, changes, place, trusted, task)


def _config_document(place: str, weights: str | None) -> dict[str, Any]:
    stem = "" if weights is None else os.path.splitext(os.path.basename(weights))[0]
    own = tuple(stem + suffix for suffix in (".json", ".yaml", ".yml")) if stem else ()
    for name in (*own, *_CONFIGS):
        path = os.path.join(place, name)
        if os.path.isfile(path):
            return _read_config(path)
    raise MissingError(f"there is no config beside the weights: none of {', '.join((*own, *_CONFIGS))}", path=place)


def _read_config(path: str) -> dict[str, Any]:
    if path.endswith(".json"):
        return _unit.json_of(path, floats=True)
    import yaml

    with open(path, "rb") as file:
        try:
            found = yaml.safe_load(file)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise CorruptError(f"it is no YAML: {error}", path=path) from error
    if not isinstance(found, dict):
        raise CorruptError("a config is a mapping of keys to values", path=path)
    return found


class _Once:
    """A tensor that is handed over once: what it becomes part of (experts that are stacked) need not stand beside it in memory."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor: torch.Tensor | None = tensor
        self.dtype = tensor.dtype
        self.shape = tensor.shape

    def __getitem__(self, index: Any) -> torch.Tensor:
        tensor, self._tensor = self._tensor, None
        if tensor is None:
            raise RuntimeError("the tensor has been handed over")
        return tensor


class _Reading:
    """How the tensors of an opened model come into memory."""

    def __init__(self, opened: _model.Model, check: bool, mmap: bool, tell: Callback | None) -> None:
        self.opened = opened
        self.check = check
        self._mmap = mmap
        self._tell = tell

    def tensors(self, names: Sequence[str]) -> list[torch.Tensor]:
        entries = [self.opened[name]._entry for name in names]
        return _tensors.load(self.opened._native, entries, check=self.check, mapped=self._mmap, tell=self._tell)


def _built(
    config: Any, read: _Reading, place: str, unit: Mapping[str, Any], task: Any, dtype: Any, trusted: Sequence[type], is_changed: bool
) -> Any:
    of = _architecture.model_class(config, task, place, trusted) or _recognised(read.opened, config, place)
    _refuse_size(of, config, read.opened, place)
    names = _chosen(read.opened, of, config)
    tensors = read.tensors(list(names.values()))
    state = dict(zip(names, tensors, strict=True))
    target = _dtype(dtype, config, state)
    others = _wider(state, target) if unit and dtype is None else {}
    saved = {name: tensor.dtype for name, tensor in state.items()} if unit and dtype is None else {}
    # The rules by which names and shapes of checkpoints become those of modules are transformers' own, of the version that is
    # installed; so is the making of what no checkpoint holds (tables of positions) after the meta device.
    wrapped = {name: _Once(tensor) for name, tensor in state.items()}
    del state, tensors
    with _architecture.quiet():
        try:
            model, info = of.from_pretrained(
                None, config=config, state_dict=wrapped, dtype=target, output_loading_info=True, ignore_mismatched_sizes=True, use_safetensors=True
            )
        except Exception as error:  # whatever a module's own code says to a config or weights that do not fit
            raise MismatchError(f"transformers could not make a {of.__name__} of this: {error}", path=place) from error
    _judge(model, info, _Wish(task, is_changed, _architecture.saved_class(config, trusted)), place)
    _put_back(model, saved, others)
    model.config.name_or_path = model.name_or_path = place
    return model


def _chosen(opened: _model.Model, of: Any, config: Any) -> dict[str, str]:
    """Names as the checkpoint of such a model has them, to names in the file: wrappers and the place in a checkpoint are taken away."""
    names = {name: name for name in opened}
    if opened.format in ("huggingface", "safetensors"):
        return names
    own = list(_architecture.skeleton(of, config).state_dict())
    base = of.base_model_prefix + "."
    own += [name.removeprefix(base) for name in own if name.startswith(base)]
    if any(name in names for name in own):
        return names
    ends: collections.Counter[str] = collections.Counter()
    wanted = set(own)
    for name in names:
        parts = name.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[i:]) in wanted:
                ends[".".join(parts[:i]) + "."] += 1
    if not ends:
        return names
    # What transformers takes away itself, and tells what else was there, stays.
    prefix = max(ends, key=lambda found: (ends[found], -len(found))).removesuffix(base)
    return {name[len(prefix) :]: name for name in names if name.startswith(prefix)}


def _recognised(opened: _model.Model, config: Any, place: str) -> Any:
    """The class whose entries the weights are, where the config names none: of several the one that uses most of the file."""
    candidates = _architecture.candidates(config)
    fitting: dict[Any, int] = {}
    for of in candidates:
        made = _architecture.skeleton(of, config, len(opened))
        own = {name: tuple(value.shape) for name, value in made.state_dict().items()}
        names = _chosen(opened, of, config)
        left_out = set(getattr(made, "all_tied_weights_keys", None) or {})
        if set(own) - left_out <= set(names) <= set(own) and all(opened[file].shape == own[name] for name, file in names.items()):
            fitting[of] = len(names)
    if fitting:
        of = max(fitting, key=lambda of: fitting[of])
        _tell([f"the config names no architecture: the weights are those of a {of.__name__}"])
        return of
    tried = ", ".join(of.__name__ for of in candidates)
    raise UnsupportedError(
        f"the config names no architecture, and the weights are not exactly those of one of {tried}; say what the model is for by task=", path=place
    )


def _dtype(asked: Any, config: Any, state: Mapping[str, torch.Tensor]) -> torch.dtype:
    if asked is None or asked == "auto":
        asked = config.dtype
    if asked is None:
        asked = next((tensor.dtype for tensor in state.values() if tensor.is_floating_point()), torch.get_default_dtype())
    return _tensors.dtype_of(asked) if isinstance(asked, str) else asked


def _wider(state: Mapping[str, torch.Tensor], target: torch.dtype) -> dict[str, torch.Tensor]:
    """Those that were saved in another dtype than the model's: a cast would lose some of their values."""
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point() and tensor.dtype != target}


def _put_back(model: Any, saved: Mapping[str, torch.dtype], others: Mapping[str, torch.Tensor]) -> None:
    """Gives entries the dtypes that they were saved with, which transformers' own rules may have changed."""
    own = model.state_dict(keep_vars=True)
    base = model.base_model_prefix + "."
    for name, dtype in saved.items():
        found = next((own[key] for key in (name, base + name, name.removeprefix(base)) if key in own), None)
        if found is not None and found.dtype != dtype:
            found.data = others[name] if name in others else found.data.to(dtype)


def _refuse_size(of: Any, config: Any, opened: _model.Model, place: str) -> None:
    """A model far larger than its weights is refused before memory is asked for; what is new in it takes some."""
    try:
        made = _architecture.skeleton(of, config, len(opened))
    except Exception as error:  # whatever a module's own code says to a config that does not fit
        if isinstance(error, LimitError):
            raise LimitError(str(error), path=place) from error
        raise MismatchError(f"the config makes no {of.__name__}: {error}", path=place) from error
    wanted = sum(value.numel() for group in (made.parameters(), made.buffers()) for value in group)
    if wanted > 4 * sum(tensor.size for tensor in opened.values()) + (1 << 26):
        raise MismatchError(f"the config makes a {of.__name__} of {wanted} elements, the weights have {opened.parameters}", path=place)


@dataclasses.dataclass(frozen=True)
class _Wish:
    """What the caller asked for: a task, values of the config changed; and the class that was saved."""

    task: Any
    is_changed: bool
    saved: Any


def _judge(model: Any, info: Mapping[str, Any], wish: _Wish, place: str) -> None:
    """Raises MismatchError unless what is new was asked for; tells what is new and what was not used."""
    missing = sorted(info["missing_keys"])
    unexpected = sorted(info["unexpected_keys"])
    mismatched = sorted((name, tuple(file), tuple(own)) for name, file, own in info["mismatched_keys"])
    absent = {*missing, *(name for name, _, _ in mismatched)}
    report = Report(
        loaded=[name for name in model.state_dict() if name not in absent], missing=missing, unexpected=unexpected, mismatched=mismatched
    )
    known = None
    if absent and wish.saved is not None:
        prefix = wish.saved.base_model_prefix + "."
        known = {name.removeprefix(prefix) for name in _architecture.skeleton(wish.saved, model.config).state_dict()}
    if not all(_new(model, name, name not in missing, wish, known) for name in absent):
        raise mismatch(f"the file does not fit the {type(model).__name__}", report, place)
    if absent:
        _tell([f"new in the {type(model).__name__}, untrained: {', '.join(sorted(absent))}"])
    if unexpected:
        more = f" and {len(unexpected) - 20} more" if len(unexpected) > 20 else ""
        _tell([f"not used by the {type(model).__name__}: {', '.join(unexpected[:20])}{more}"])


def _new(model: Any, name: str, is_misshapen: bool, wish: _Wish, known: set[str] | None) -> bool:
    """Whether an entry that the file does not give may be new: it is part of another head than was saved, and that was asked for.

    `known`: the saved architecture's entries, without its prefix; None where the config names none.
    """
    base = model.base_model_prefix + "."
    has_body = isinstance(getattr(model, model.base_model_prefix, None), torch.nn.Module)
    in_head = has_body and not name.startswith(base)
    if wish.task is None or wish.saved is type(model):
        return wish.is_changed and in_head  # the same head in another size: num_labels
    if known is None:
        return in_head
    return name.removeprefix(base) not in known or (in_head and is_misshapen)


def _generation(model: Any, place: str) -> None:
    """How text is generated: from its own file, else from what older versions kept in config.json."""
    if not model.can_generate():
        return
    more: dict[str, Any] = {}
    path = os.path.join(place, "generation_config.json")
    if not os.path.isfile(path):
        path = os.path.join(place, "config.json")
        if not os.path.isfile(path):
            return
        more = {"config_file_name": "config.json", "_from_model_config": True}
    _unit.json_of(path)
    try:
        model.generation_config = transformers.GenerationConfig.from_pretrained(place, local_files_only=True, **more)
    except Exception as error:  # whatever its own checks raise
        raise UnsupportedError(f"transformers does not take this generation config: {error}", path=path) from error
