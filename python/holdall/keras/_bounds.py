"""How much a file's config may ask for: the variables of its model are bounded by what the file holds, before any is made."""

from __future__ import annotations

import contextlib
import math
import re
import threading
from collections.abc import Iterator
from typing import Any

import keras

from ..errors import CorruptError, LimitError
from . import _file, _judge

#: Elements that a model may have beyond the file's, which may have no weights of an optimizer or of a layer.
_ROOM = 1 << 24
# An optimizer's state, its accumulated gradients and averages are several times the weights.
_TIMES = 8
# Arguments that make lists or tables of their own, which are no variables, and the most of each.
_COUNTS = dict.fromkeys(("num_thresholds", "fft_length", "num_mel_bins"), 1 << 20)
# In the name of a dtype: the size of an element that is no number.
_WIDE = re.compile(r"[0-9]{4}")
_one_at_a_time = threading.RLock()
# Keras makes every variable of every backend by way of this method, before it has one element.
_Owner: Any = next(of for of in keras.Variable.__mro__ if "_validate_shape" in vars(of))


def check(config: Any, path: str) -> None:
    """Raises LimitError for an argument that asks for more than any model of sense has, CorruptError for a call that would compute here and now: one
    of no layer's output, which Keras never writes."""
    for node in _judge.nodes(config, path):
        calls = node.get("inbound_nodes")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and not _takes_output(call):
                raise CorruptError(f"the config has {str(node.get('name', node.get('class_name')))[:100]} called with no layer's output", path=path)
        if node.get("class_name") == "__numpy__" and isinstance(inner := node.get("config"), dict) and _WIDE.search(str(inner.get("dtype"))):
            raise LimitError(f"the config asks for an array of {str(inner['dtype'])[:100]}, and elements are numbers", path=path)
        for key, most in _COUNTS.items():
            value = node.get(key)
            if isinstance(value, int | float) and value > most:
                raise LimitError(f"the config asks for {key}={value}, and at most {most} are taken", path=path)


def _takes_output(call: dict[str, Any]) -> bool:
    """Whether a call has an output of a layer among its arguments: not in the config of one."""
    todo: list[Any] = [call]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            return True
        elif isinstance(value, dict) and "class_name" not in value:
            todo += value.values()
    return False


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
