"""What a module was constructed with: recorded by a decorator, or told by its class."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch

from ..errors import UnsupportedError

_RECORD = "_recorded_arguments"
_Class = TypeVar("_Class", bound=type[torch.nn.Module])


class Arguments(NamedTuple):
    """Of a constructor: by name where they have one."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def recorded(cls: _Class) -> _Class:
    """A class decorator: instances remember the arguments that they were constructed with, for save_model().

    What is remembered is what was passed, before the constructor could change lists and dicts in it. A subclass with a constructor of
    its own is decorated itself.
    """
    construct = cls.__init__

    @functools.wraps(construct)
    def constructor(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self).__init__ is constructor:
            self.__dict__[_RECORD] = (_snapshot(args), _snapshot(kwargs))
        construct(self, *args, **kwargs)

    cls.__init__ = constructor  # type: ignore[method-assign]
    return cls


def _snapshot(value: Any) -> Any:
    if type(value) in (list, tuple, set):
        return type(value)(_snapshot(item) for item in value)
    if type(value) is dict:
        return {key: _snapshot(item) for key, item in value.items()}
    return value


def arguments_of(module: torch.nn.Module, given: Mapping[str, Any] | Sequence[Any] | None = None) -> Arguments:
    """From `given` (a dict of names, or positions), the decorator's record, the fields of a dataclass, or a ``config``.

    Raises UnsupportedError where nothing says them.
    """
    of = type(module)
    signature = inspect.signature(of)
    found = _found(module, signature, given)
    if found is None:
        raise UnsupportedError(
            f"nothing says with what {of.__qualname__}{signature} was constructed: decorate the class with holdall.torch.recorded, or give "
            "arguments="
        )
    return _named(of, signature, *found)


def _found(
    module: torch.nn.Module, signature: inspect.Signature, given: Mapping[str, Any] | Sequence[Any] | None
) -> tuple[Sequence[Any], Mapping[str, Any]] | None:
    if given is not None:
        return ((), given) if isinstance(given, Mapping) else (given, {})
    if _RECORD in module.__dict__:
        args, kwargs = module.__dict__[_RECORD]
        return args, kwargs
    if dataclasses.is_dataclass(module):
        fields = [field.name for field in dataclasses.fields(module) if field.init]
        if all(name in module.__dict__ or name in module._modules or name in module._parameters for name in fields):
            return (), {name: getattr(module, name) for name in fields}
        return None
    parameters = list(signature.parameters.values())
    if not parameters:
        return (), {}
    config = getattr(module, "config", None)
    if config is None:
        return None
    named = [own for own in parameters if own.kind not in (own.VAR_POSITIONAL, own.VAR_KEYWORD)]
    if any(own.name == "config" for own in named):
        return ((), {"config": config}) if all(own.default is not own.empty or own.name == "config" for own in named) else None
    # Else its entries, where each is a parameter by its own name.
    if isinstance(config, Mapping) and {own.name for own in named}.issuperset(config):
        values = dict(config)
        try:
            signature.bind(**values)
        except TypeError:
            return None
        return (), values
    return None


def _named(of: type, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UnsupportedError(f"{of.__qualname__}{signature} does not take these arguments: {error}") from None
    kinds = {own.kind for name, own in signature.parameters.items() if name in bound.arguments}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY}:
        return Arguments(bound.args, bound.kwargs)
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[name] = value
    return Arguments((), named)
