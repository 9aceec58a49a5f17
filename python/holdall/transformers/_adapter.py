"""Adapters of PEFT: their weights and config, put on a base model."""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from .._report import Report, mismatch
from ..errors import HoldallWarning, MismatchError, MissingError, UnsupportedError
from . import _adapter_config, _agreement, _architecture, _unit

if TYPE_CHECKING:
    from ._load import _Reading


def is_adapted(model: Any) -> bool:
    """Whether it is a model of PEFT; PEFT that has not been imported has made none."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def parts(model: Any, place: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """adapter_config.json as a dict and the adapter's tensors; the config is put into the folder."""
    import peft

    name = model.active_adapter
    if not isinstance(name, str):
        raise UnsupportedError(f"{len(name)} adapters are active; model.set_adapter() chooses the one to save")
    others = sorted(set(model.peft_config) - {name})
    if others:
        warnings.warn(f"the active adapter {name!r} is saved, others are not: {', '.join(others)}", HoldallWarning, stacklevel=4)
    config = copy.deepcopy(model.peft_config[name])
    config.inference_mode = True
    config.base_model_name_or_path = config.base_model_name_or_path or getattr(model.get_base_model(), "name_or_path", None) or None
    config.save_pretrained(place)
    document = _unit.json_of(os.path.join(place, "adapter_config.json"))
    return document, dict(peft.get_peft_model_state_dict(model, adapter_name=name))


def is_adapter(folder: str) -> bool:
    """Whether the folder holds an adapter and no model of its own."""
    return os.path.isfile(os.path.join(folder, "adapter_config.json")) and not os.path.isfile(os.path.join(folder, "config.json"))


def load(
    place: str, read: _Reading, base: Any, task: Any, mode: str, dtype: Any, trusted: Sequence[type], changes: Mapping[str, Any]
) -> Any:
    """The adapted model. Raises MissingError without a base, UnsafeError for a config that would run or fetch something, MismatchError
    where the adapter does not fit the base: one that was given is as it was then.
    """
    import peft

    path = os.path.join(place, "adapter_config.json")
    document = _unit.json_of(path, floats=True)
    names = list(read.opened)
    largest = max((size for tensor in read.opened.values() for size in tensor.shape), default=0)
    config = _adapter_config.build(document, mode == "eval", path, max(largest, 1024), len(names))
    below = _base(place, document, base, task, dtype, read.check, trusted, changes)
    state = dict(zip(names, read.tensors(names), strict=True))
    if below is not base:
        _resize(below, state)
    embeddings = _fitting(below, config, state, place)
    model = peft.get_peft_model(below, config)
    config.base_model_name_or_path = document.get("base_model_name_or_path")
    if "init_lora_weights" in document:
        config.init_lora_weights = document["init_lora_weights"]
    peft.set_peft_model_state_dict(model, {name: value for name, value in state.items() if name not in embeddings})
    own = model.state_dict(keep_vars=True)
    with torch.no_grad():
        for name in embeddings:
            own[name].copy_(state[name])
    return model


def _fitting(base: Any, config: Any, state: Mapping[str, torch.Tensor], place: str) -> list[str]:
    """Tries the adapter on a copy of the base that has no memory; gives the names that are the base's own embeddings.

    Raises MismatchError, with the report where entries are missing or misshapen.
    """
    import peft

    if not isinstance(base, torch.nn.Module):
        raise TypeError(f"base is a {type(base).__name__}, and neither a model nor a folder")
    memo: dict[int, Any] = {id(value): torch.nn.Parameter(torch.empty_like(value, device="meta"), value.requires_grad and value.is_floating_point())
                            for value in base.parameters()}  # fmt: skip
    memo |= {id(value): torch.empty_like(value, device="meta") for value in base.buffers()}
    trial = copy.deepcopy(config)
    trial.inference_mode = True
    if isinstance(getattr(trial, "init_lora_weights", None), str):
        trial.init_lora_weights = False  # a decomposition of weights that have no values
    try:
        with _architecture.quiet(), warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            model = peft.get_peft_model(copy.deepcopy(base, memo), trial)
            own = {name: tuple(value.shape) for name, value in peft.get_peft_model_state_dict(model).items()}
    except Exception as error:  # whatever PEFT says to a config that does not fit
        raise MismatchError(f"PEFT could not put the adapter on the {type(base).__name__}: {error}", path=place) from error
    whole = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    embeddings = [name for name in state if name not in own and name in whole and name in _embeddings(model)]
    own |= {name: whole[name] for name in embeddings}
    report = Report(
        loaded=[name for name in own if name in state],
        missing=[name for name in own if name not in state],
        unexpected=[name for name in state if name not in own],
        mismatched=[(name, tuple(state[name].shape), own[name]) for name in own if name in state and tuple(state[name].shape) != own[name]],
    )
    if not report.complete:
        raise mismatch(f"the adapter does not fit the {type(base).__name__}", report, place)
    return embeddings


def _embeddings(model: Any) -> set[str]:
    """The entries of a model that are its tables of tokens, in and out."""
    found = {id(module) for module in (_of(model, "get_input_embeddings"), _of(model, "get_output_embeddings")) if module is not None}
    return {f"{name}.{own}" for name, module in model.named_modules() if id(module) in found for own in module.state_dict()}


def _of(model: Any, getter: str) -> Any:
    try:
        return getattr(model, getter)()
    except (NotImplementedError, AttributeError):
        return None


def _resize(base: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Gives a base that was loaded for the adapter as many rows as the adapter holds of its table of tokens."""
    rows = _agreement.rows_of(base)
    ends = tuple("." + name for name in _embeddings(base))
    held = {value.shape[0] for name, value in state.items() if ends and name.endswith(ends) and value.dim() == 2}
    if rows is not None and len(held) == 1 and held != {rows}:
        (wanted,) = held
        warnings.warn(f"the base has {rows} rows of tokens, the adapter {wanted}: the base is resized", HoldallWarning, stacklevel=5)
        with _architecture.quiet():
            base.resize_token_embeddings(wanted, mean_resizing=False)


def _base(
    place: str, document: Mapping[str, Any], base: Any, task: Any, dtype: Any, check: bool, trusted: Sequence[type], changes: Mapping[str, Any]
) -> Any:
    if base is not None and not isinstance(base, str | os.PathLike):
        return base
    named = base if base is not None else document.get("base_model_name_or_path") or None
    folder = None if named is None or not isinstance(named, str | os.PathLike) else os.path.join(place if base is None else "", os.fspath(named))
    if folder is None or "\0" in os.fsdecode(folder) or not os.path.isdir(folder):
        raise MissingError(f"the adapter's base model is {named!r}, which is no folder here; give the model, or its folder, by base=", path=place)
    if is_adapter(os.fsdecode(folder)):
        raise MissingError(f"the adapter's base model is {named!r}, which is an adapter; give the model, or its folder, by base=", path=place)
    from . import _load

    model, _ = _load.load(folder, task, dtype=dtype, check=check, trusted=trusted, **changes)
    return model
