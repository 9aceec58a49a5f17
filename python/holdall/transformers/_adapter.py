"""Adapters of PEFT: their weights and config, put on a base model."""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..errors import HoldallWarning, MismatchError, MissingError, UnsupportedError
from ..torch import Report
from . import _unit

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
    if config.base_model_name_or_path is None:
        config.base_model_name_or_path = getattr(model.get_base_model(), "name_or_path", None)
    config.save_pretrained(place)
    document = _unit.json_of(os.path.join(place, "adapter_config.json"))
    return document, dict(peft.get_peft_model_state_dict(model, adapter_name=name))


def is_adapter(folder: str) -> bool:
    """Whether the folder holds an adapter and no model of its own."""
    return os.path.isfile(os.path.join(folder, "adapter_config.json")) and not os.path.isfile(os.path.join(folder, "config.json"))


def load(
    place: str, read: _Reading, base: Any, task: Any, mode: str, dtype: Any, trusted: Sequence[type], changes: Mapping[str, Any]
) -> Any:
    """The adapted model. Raises MissingError without a base, MismatchError where the adapter does not fit it."""
    import peft

    path = os.path.join(place, "adapter_config.json")
    document = _unit.json_of(path)
    kind = document.get("peft_type")
    if kind not in list(peft.PeftType):
        raise UnsupportedError(f"this PEFT has no adapters of type {kind!r}", path=path)
    document = {**document, "inference_mode": mode == "eval"}
    of = peft.PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    known = {name for given in of.__mro__ for name in getattr(given, "__dataclass_fields__", ())}
    config = of(**{name: value for name, value in document.items() if name in known and name != "peft_type"})
    model = peft.get_peft_model(_base(place, document, base, task, dtype, read.check, trusted, changes), config)
    config.base_model_name_or_path = document.get("base_model_name_or_path")
    names = list(read.opened)
    state = dict(zip(names, read.tensors(names), strict=True))
    own = {name: tuple(value.shape) for name, value in peft.get_peft_model_state_dict(model).items()}
    report = Report(
        loaded=[name for name in own if name in state],
        missing=[name for name in own if name not in state],
        unexpected=[name for name in state if name not in own],
        mismatched=[(name, tuple(state[name].shape), own[name]) for name in own if name in state and tuple(state[name].shape) != own[name]],
    )
    if not report.complete:
        unfit = MismatchError(f"the adapter does not fit the {type(model.get_base_model()).__name__}\n{report}", path=place)
        unfit.report = report
        raise unfit
    peft.set_peft_model_state_dict(model, state)
    return model


def _base(
    place: str, document: Mapping[str, Any], base: Any, task: Any, dtype: Any, check: bool, trusted: Sequence[type], changes: Mapping[str, Any]
) -> Any:
    if base is not None and not isinstance(base, str | os.PathLike):
        return base
    named = base if base is not None else document.get("base_model_name_or_path")
    folder = None if named is None else os.path.join(place if base is None else "", os.fspath(named))
    if folder is None or not os.path.isdir(folder):
        raise MissingError(f"the adapter's base model is {named!r}, which is no folder here; give the model, or its folder, by base=", path=place)
    from . import _load

    model, _ = _load.load(folder, task, dtype=dtype, check=check, trusted=trusted, **changes)
    return model
