"""What an accelerate.Accelerator itself keeps of a training: where it is in accumulating gradients, the scaler, objects registered with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import CorruptError, MismatchError

State = dict[str, Any]


def taken(accelerator: Any) -> State:
    state: State = {"step": accelerator.step}
    if accelerator.scaler is not None:
        state["scaler"] = accelerator.scaler.state_dict()
    registered = [own.state_dict() for own in accelerator._custom_objects]
    return {**state, "registered": registered} if registered else state


def check(name: str, accelerator: Any, state: Any, path: str) -> None:
    if not isinstance(state, Mapping) or type(state.get("step")) is not int:
        raise CorruptError(f"the state of {name} is no Accelerator's", path=path)
    was, now = len(state.get("registered", ())), len(accelerator._custom_objects)
    if was != now:
        raise MismatchError(f"{was} objects were registered with {name}, there are {now}: register_for_checkpointing() comes before", path=path)


def put(accelerator: Any, state: Mapping[str, Any]) -> None:
    accelerator.step = state["step"]
    if accelerator.scaler is not None and "scaler" in state:
        accelerator.scaler.load_state_dict(state["scaler"])
    for own, kept in zip(accelerator._custom_objects, state.get("registered", ()), strict=True):
        own.load_state_dict(kept)
