"""How much a file's config may ask for: the variables of its model are bounded by what the file holds, before any is made."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras

from ..errors import LimitError
from . import _file, _judge

#: Elements that a model may have beyond the file's, which may have no weights of an optimizer or of a layer.
_ROOM = 1 << 24
# An optimizer's state, its accumulated gradients and averages are several times the weights.
_TIMES = 8
# Arguments that make lists or tables of their own, which are no variables, and the most of each.
_COUNTS = dict.fromkeys(("num_thresholds", "fft_length", "num_mel_bins"), 1 << 20)
_one_at_a_time = threading.RLock()
# Keras makes every variable of every backend by way of this method, before it has one element.
_Owner: Any = next(of for of in keras.Variable.__mro__ if "_validate_shape" in vars(of))


def check(config: Any, path: str) -> None:
    """Raises LimitError for an argument that asks for more than any model of sense has."""
    for node in _judge.nodes(config, path):
        for key, most in _COUNTS.items():
            value = node.get(key)
            if isinstance(value, int | float) and value > most:
                raise LimitError(f"the config asks for {key}={value}, and at most {most} are taken", path=path)


@contextlib.contextmanager
def bounded(file: _file.File) -> Iterator[None]:
    """While this lasts, what this thread builds has no more elements in its variables than the file's weights let expect. Raises LimitError."""
    held = sum(math.prod(tensor.shape) for tensor in file.model.values())
    most = _TIMES * held + _ROOM
    asked = 0
    refused: LimitError | None = None
    mine = threading.get_ident()
    validate = _Owner._validate_shape

    def counted(variable: Any, shape: Any) -> Any:
        nonlocal asked, refused
        found = validate(variable, shape)
        if threading.get_ident() == mine:
            asked += math.prod(found)
            if asked > most:
                refused = LimitError(
                    f"the config asks for {variable.path} of {list(found)}, {asked} elements in all, and the file's weights have {held}",
                    path=file.model.path,
                )
                raise refused
        return found

    with _one_at_a_time:
        _Owner._validate_shape = counted
        try:
            yield
        except Exception:
            if refused is None:
                raise
        finally:
            _Owner._validate_shape = validate
    if refused is not None:
        raise refused
