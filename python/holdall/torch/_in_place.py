"""A state that is read into the memory in which it is to be, instead of beside it: fresh memory is what a load waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from .. import _model
from . import _tensors

# Bytes of a target's state from which reading its file twice costs less than memory that was never used, and of a tensor that counts.
_LARGE = 64 << 20
_TENSOR = 64 << 10


class InPlace:
    """What of an opened file is read into live tensors. All of it has been read through, and its checksums hold.

    `tensors` are those by their entries: they stand in the state for what is still in the file. `fill()` reads it.
    """

    def __init__(self, model: _model.Model, targets: Mapping[str, Any], suffix: str) -> None:
        self.tensors: dict[int, torch.Tensor] = {}
        self._native = model._native
        self._of: dict[str, dict[int, torch.Tensor]] = {}
        paths: dict[int, tuple[str, ...]] = {}
        for name, target in targets.items():
            found = {}
            for path, live in _live(target):
                tensor = model.get(".".join((name + suffix, *path)))
                if tensor is not None and _fits(tensor, live):
                    found[tensor._entry] = live
                    paths[tensor._entry] = (name + suffix, *path)
            if sum(live.nbytes for live in found.values()) >= _LARGE:
                self._of[name] = found
        self._leave_shared(model)
        entries = [entry for found in self._of.values() for entry in found]
        if entries and self._native.check_cached(entries):
            self.tensors = {entry: live for found in self._of.values() for entry, live in found.items()}
        else:
            self._of = {}
        self._paths = {entry: paths[entry] for entry in self.tensors}

    def stands(self, state: Any) -> bool:
        """Whether each live tensor is where it was looked for: names can be spelled by several paths."""
        return all(_at(state, path) is self.tensors[entry] for entry, path in self._paths.items())

    def fill(self, name: str) -> None:
        """Raises CorruptError where the file has changed meanwhile, StorageError where it can no longer be read: the target then has some of its
        tensors from the file, in part perhaps, and the others as they were; all else is untouched."""
        once = {live.data_ptr(): (entry, live) for entry, live in self._of.get(name, {}).items()}
        buffers = [live.detach().view(-1).view(torch.uint8).numpy() for _, live in once.values()]
        self._native.load_into([entry for entry, _ in once.values()], buffers)

    def _leave_shared(self, model: _model.Model) -> None:
        """Memory that two tensors have is left to the framework, but for one tensor of several names in the file too."""
        ranges = sorted(
            (live.data_ptr(), live.data_ptr() + live.nbytes, str(model._native.location(entry)), name, entry)
            for name, found in self._of.items()
            for entry, live in found.items()
        )
        end = 0
        for before, here in zip([None, *ranges], ranges, strict=False):
            if before is not None and here[0] < end and here[:4] != before[:4]:
                self._of.pop(here[3], None)
                self._of.pop(before[3], None)
            end = max(end, here[1])


def _at(state: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if isinstance(state, Mapping):
            state = state[key] if key in state else state.get(int(key)) if key.isdigit() else None
    return state


def _live(target: Any) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    """Tensors that load_state_dict() does nothing with but copy to them, by their places in the state; nothing of targets that may do more."""
    if isinstance(target, torch.nn.Module):
        if _takes_as_it_is(target):
            own = {id(tensor) for tensors in (target.parameters(), target.buffers()) for tensor in tensors}
            yield from (((key,), tensor) for key, tensor in target.state_dict(keep_vars=True).items() if id(tensor) in own)
    elif isinstance(target, torch.optim.Optimizer) and _keeps_as_it_is(target):
        numbered = enumerate(entry for group in target.param_groups for entry in group["params"])
        for number, entry in numbered:
            kept = target.state.get(entry, {})
            states = ((key, value) for key, value in kept.items() if isinstance(value, torch.Tensor) and value.dtype == entry.dtype)
            yield from ((("state", str(number), key), value) for key, value in states)


# What a module may do otherwise than torch's own does, of its class or of itself alone.
_OF_STATE = ("load_state_dict", "state_dict", "_load_from_state_dict", "_save_to_state_dict")


def _takes_as_it_is(module: torch.nn.Module) -> bool:
    return type(module).load_state_dict is torch.nn.Module.load_state_dict and all(
        not part._load_state_dict_pre_hooks
        and not part._load_state_dict_post_hooks
        and not part._state_dict_hooks
        and not part._state_dict_pre_hooks
        and not any(name in vars(part) for name in _OF_STATE)
        and all(of.__module__.startswith("torch.nn.") for of in type(part).__mro__ if any(name in vars(of) for name in _OF_STATE[1:]))
        for part in module.modules()
    )


def _keeps_as_it_is(optimizer: torch.optim.Optimizer) -> bool:
    return (
        type(optimizer).__module__.startswith("torch.optim.")
        and not any(name in vars(optimizer) for name in _OF_STATE)
        and not optimizer._optimizer_load_state_dict_pre_hooks
        and not optimizer._optimizer_load_state_dict_post_hooks
        and not optimizer._optimizer_state_dict_pre_hooks
        and not optimizer._optimizer_state_dict_post_hooks
    )


def _fits(tensor: _model.Tensor, live: torch.Tensor) -> bool:
    return (
        type(live) in (torch.Tensor, torch.nn.Parameter)
        and live.device.type == "cpu"
        and live.layout == torch.strided
        and live.is_contiguous()
        and live.nbytes >= _TENSOR
        and not live.is_conj()
        and not live.is_neg()
        and tuple(live.shape) == tuple(tensor.shape)
        and tensor.dtype == _tensors.name_of(live.dtype)
    )
