"""Batches that were trained on before an interruption: drawn again, and not trained on."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras

_models: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def is_passing(model: Any) -> bool:
    """Whether fit() is passing over batches: nothing is to be saved, or counted as trained on."""
    return model in _models


def begin(model: Any, epochs: Any, logs: Mapping[str, float]) -> None:
    """From now on each step of the fit() with this EpochIterator draws its batches and gives these numbers."""
    trains = _models.setdefault(model, model.train_function)
    draws = _FUNCTIONS[keras.backend.backend()](dict(logs), model.steps_per_execution)
    seen = [epochs._steps_seen]

    def function(*arguments: Any) -> Any:
        if epochs._steps_seen == seen[0]:  # that fit() was left by an exception, this is another one
            end(model)
            return trains(*arguments)
        seen[0] = epochs._steps_seen
        return draws(*arguments)

    model.train_function = function


def end(model: Any) -> None:
    """Steps train again."""
    function = _models.pop(model, None)
    if function is not None:
        model.train_function = function


def _draw(iterator: Any, count: int) -> None:
    """Raises StopIteration where there is none."""
    next(iterator)
    for _ in range(count - 1):
        next(iterator, None)


def _for_tensorflow(logs: dict[str, float], count: int) -> Callable[..., Any]:
    def function(iterator: Any) -> dict[str, float]:
        _draw(iterator, count)
        return logs

    return function


def _for_jax(logs: dict[str, float], count: int) -> Callable[..., Any]:
    def function(state: Any, iterator: Any) -> tuple[dict[str, float], Any]:
        _draw(iterator, count)
        return logs, state

    return function


def _for_torch(logs: dict[str, float], count: int) -> Callable[..., Any]:
    return lambda data: logs


_FUNCTIONS = {"tensorflow": _for_tensorflow, "jax": _for_jax, "torch": _for_torch}
