"""The state of a scikit-learn estimator: taken, compared, put back, as plain values and arrays."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy
import sklearn

from .. import _random
from ..checkpoints import _arrays
from ..errors import CorruptError, Error, HoldallWarning, MismatchError
from . import _classes
from ._plain import Decoder, Encoder

State = dict[str, Any]
# What contents of the wrong kind raise on the way.
_INVALID = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


def taken(target: Any) -> State:
    """{"class", "version", "parameters", "attributes", "objects", "generators", "buffers"}; see _plain for what stands for what is no plain
    value. Arrays share memory with the target. Raises UnsupportedError, naming the attribute, for what is not known to be part of it."""
    parameters, own = _classes.parameters(target), _own(target)
    encoder = Encoder(_classes.parts_of(target), own)
    attributes = encoder.attributes({name: value for name, value in vars(target).items() if name not in parameters})
    encoder.own_generators(own)
    return {
        "class": _classes.name_of(type(target)),
        "version": sklearn.__version__,
        "parameters": {name: _told(value) for name, value in parameters.items()},
        "attributes": _arrays.stored(attributes),
        "objects": _arrays.stored(encoder.objects),
        "generators": encoder.generators,
        "buffers": _arrays.stored(encoder.buffers),
    }


def check(name: str, target: Any, state: Any, path: str) -> None:
    """Raises MismatchError for the state of an estimator of another class, UnsafeError for one that names classes that are not part of such an
    estimator, CorruptError for what is none. Parameters that differ are told by a HoldallWarning; those of the target count."""
    if not isinstance(state, Mapping) or not _MEMBERS <= set(state):
        raise MismatchError(f"the state of {name} is no estimator's", path=path)
    here = _classes.name_of(type(target))
    if state["class"] != here:
        raise MismatchError(f"the state of {name} is one of {str(state['class'])[:200]}, the estimator is a {here}", path=path)
    try:
        _decoded(target, state)
    except Error as error:
        raise type(error)(f"the state of {name}: {error}", path=path) from None
    except _INVALID as error:
        raise CorruptError(f"the state of {name} is none: {type(error).__name__}: {error}", path=path) from None
    then = state["parameters"] if isinstance(state["parameters"], Mapping) else {}
    now = {key: _told(value) for key, value in _classes.parameters(target).items()}
    differing = [f"{key} was {_short(then[key])}, and is {_short(now[key])}" for key in now if key in then and not _same(then[key], now[key])]
    if differing:
        warnings.warn(f"{name} was saved with other parameters: {'; '.join(differing)}", HoldallWarning, stacklevel=2)


def put(target: Any, state: State) -> None:
    """What the target has learned so far is gone."""
    attributes, decoder = _decoded(target, state)
    parameters = _classes.parameters(target)
    for name in [name for name in vars(target) if name not in parameters and name not in attributes]:
        if name.startswith("_") or name.endswith("_"):  # learned; what else there is comes from the constructor
            delattr(target, name)
    vars(target).update(attributes)
    decoder.set_own()


_MEMBERS = {"class", "parameters", "attributes", "objects", "generators", "buffers"}


def _decoded(target: Any, state: Mapping[str, Any]) -> tuple[dict[str, Any], Decoder]:
    decoder = Decoder(state, _classes.parts_of(target), _own(target))
    attributes = decoder.attributes(state["attributes"], type(target))
    clashing = set(attributes) & set(_classes.parameters(target))
    if clashing:
        raise CorruptError(f"{', '.join(sorted(clashing))} is a parameter, not part of the state")
    return attributes, decoder


def _own(target: Any) -> dict[str, Any]:
    """Random generators that the estimator was constructed with, and draws from."""
    given = _classes.parameters(target)
    return {name: value for name, value in given.items() if _random.kind_of(value) is not None}


def _told(value: Any) -> Any:
    """A parameter as a plain value, to be compared; by its class where it is none."""
    if isinstance(value, numpy.generic):
        return value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple) and len(value) <= _MOST:
        return [_told(item) for item in value]
    return f"<{_classes.name_of(type(value))}>"


_MOST = 100


def _same(then: Any, now: Any) -> bool:
    return bool(then == now) or (then != then and now != now)


def _short(value: Any) -> str:
    return repr(value)[:100]
