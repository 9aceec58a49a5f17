"""Gradients that wait for a step of their optimizer: part of a state amid an accumulation, of no use behind the step."""

from __future__ import annotations

from typing import Any

# On a gradient: its version when an optimizer used it.
_USED = "_holdall_used"


class Gradients:
    """Knows of each optimizer whether it has used the gradients that are there."""

    def __init__(self) -> None:
        self._watched: dict[str, tuple[Any, Any]] = {}

    def watch(self, name: str, optimizer: Any) -> None:
        """Does nothing for what is no optimizer of torch's."""
        known = self._watched.pop(name, None)
        if known is not None:
            known[1].remove()
        inner: Any = getattr(optimizer, "optimizer", None)  # accelerate's wrapper
        bare: Any = inner if hasattr(inner, "register_step_post_hook") else optimizer
        if hasattr(bare, "register_step_post_hook"):
            self._watched[name] = bare, bare.register_step_post_hook(_used)

    def wait(self) -> bool:
        """Whether there are some that no optimizer has used."""
        return any(_waits(optimizer) for optimizer, _ in self._watched.values())

    def close(self) -> None:
        for _, hook in self._watched.values():
            hook.remove()
        self._watched = {}


def _sample(optimizer: Any) -> Any:
    """One gradient, which stands for all: every step uses all. From the end, where small ones are."""
    for group in reversed(optimizer.param_groups):
        for entry in reversed(group["params"]):
            if entry.grad is not None:
                return entry.grad
    return None


def _used(optimizer: Any, *_: Any) -> None:
    sample = _sample(optimizer)
    if sample is not None:
        setattr(sample, _USED, sample._version)


def _waits(optimizer: Any) -> bool:
    sample = _sample(optimizer)
    return sample is not None and getattr(sample, _USED, None) != sample._version
