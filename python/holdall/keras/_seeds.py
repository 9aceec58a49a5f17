"""Random states beside those of Python, NumPy and torch: TensorFlow's, and that of Keras for what has no seed of its own."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any

import keras
import numpy

from .. import _random
from ..errors import CorruptError

State = dict[str, Any]
_KERAS = "global_seed_generator"
_INVALID = (AttributeError, KeyError, IndexError, OverflowError, TypeError, ValueError)


def taken() -> State:
    """{"keras": two integers or None, "tensorflow": {"seed", "operations", "generator"} or None}."""
    generator = keras.src.backend.common.global_state.get_global_attribute(_KERAS)
    own = None if generator is None else [int(number) for number in keras.ops.convert_to_numpy(generator.state.value)]
    return {"keras": own, "tensorflow": _tensorflow()}


def put(state: Any) -> None:
    """Raises CorruptError where it is no such state."""
    try:
        own = state["keras"]
        if own is not None:
            keras.src.random.seed_generator.global_seed_generator().state.assign(numpy.array([int(number) for number in own]))
        if state["tensorflow"] is not None:
            _put_tensorflow(state["tensorflow"])
    except _INVALID as error:
        raise CorruptError(f"the random states of Keras are none: {error}") from None


def tensorflow_seed() -> int | None:
    """What tf.random.set_seed was told."""
    context = _context()
    return None if context is None else context._seed


def _context() -> Any:
    module = sys.modules.get("tensorflow.python.eager.context")
    return None if module is None else module.context()


def _global_generator() -> Any:
    module = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    return None if module is None else module.global_generator


def _tensorflow() -> State | None:
    context, generator = _context(), _global_generator()
    if context is None:
        return None
    # The seeds of operations that have none of their own are drawn from it.
    draws = getattr(context, "_rng", None)
    return {
        "seed": context._seed,
        "operations": None if draws is None else _random.packed(draws.getstate()),
        "generator": None if generator is None else [int(number) for number in generator.state.numpy()],
    }


def _put_tensorflow(state: Mapping[str, Any]) -> None:
    context, generator = _context(), _global_generator()
    if context is None:
        return
    seed = state["seed"]
    if seed is not None and type(seed) is not int:
        raise ValueError(f"{seed!r} is no seed")
    draws = None
    if state["operations"] is not None:
        draws = random.Random()
        _random.set_state_of(draws, {"kind": "python", "state": state["operations"]})
        context._rng = draws
    context._seed = seed
    if generator is not None and state["generator"] is not None:
        generator.state.assign(numpy.array([int(number) for number in state["generator"]], generator.state.dtype.as_numpy_dtype))
