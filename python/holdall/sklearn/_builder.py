"""Builds estimators of what a file describes: the library's table says which names are scikit-learn's, nothing else is built but what was handed in."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import _build, _native
from .._build import Builder
from .._values import Global
from ..errors import CorruptError, HoldallWarning, UnsafeError
from . import _bounds, _mend, _names, _parts


def _make(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return builder.keep(_parts.called(_names.found(module, name), args, kwargs)) if isinstance(builder, EstimatorBuilder) else None


def _new_object(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """copyreg's functions, and those by which Cython's classes are pickled: newObj(class)."""
    of = args[0]
    if name.startswith("__pyx_unpickle_"):
        if of.__name__ != name.removeprefix("__pyx_unpickle_"):
            raise UnsafeError(f"{module}.{name} is given {of!r}")
        return builder.new(of, ())
    if _parts.is_retired(of) or _is_of_library(of):
        return builder.new(of, args[1:])
    return _build.MAKES["reconstructor" if name == "_reconstructor" else "new_object"](builder, module, name, args, kwargs)


def _reconstructor(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) == 3 and args[1] is object:
        return _new_object(builder, module, name, args[:1], kwargs)
    if len(args) == 3 and args[1] is dict and _is_of_library(args[0]):
        made = builder.new(args[0], ())
        if isinstance(made, _parts.Waiting):
            made.args = args[2:]
        else:
            for key, value in dict(args[2]).items():
                _parts.check_key(key, args[0].__name__)
                made[key] = value
        return made
    return _build.MAKES["reconstructor"](builder, module, name, args, kwargs)


def _is_of_library(of: Any) -> bool:
    return isinstance(of, type) and of.__module__.startswith(("sklearn.", "scipy."))


class EstimatorBuilder(Builder):
    """Builds one estimator; `versions`: those of scikit-learn that the file names."""

    def __init__(self, trusted: _build.Trusted, path: str) -> None:
        super().__init__(trusted, path)
        self.makes = {**_build.MAKES, "sklearn": _make, "named_tuple": _make, "new_object": _new_object, "reconstructor": _reconstructor}
        self.names = {**_build.NAMES, "sklearn": _parts.named, "named_tuple": _parts.named}
        self.versions: set[str] = set()
        self.notes: dict[str, None] = {}
        self.waiting: dict[int, _parts.Waiting] = {}
        self.estimators: list[Any] = []

    def check(self, native: _native.Model) -> None:
        with self.blaming("a value of the file"):
            super().check(native)

    def tree(self, native: _native.Model, tensors: list[Any], tensor: Callable[..., Any] | None) -> Any:
        """What check() has let pass. Each estimator is compared with its parts when all are there: parts may lead back to it."""
        with self.blaming("a value of the file"):
            made = native.tree("tree", tensors, tensor, self.named, self.make, self.fill)
        for part in self.waiting.values():
            raise CorruptError(f"a {part.of.__name__} has no state", path=self.path)
        for estimator in self.estimators:
            with self.blaming(type(estimator).__qualname__):
                _bounds.check(estimator)
        return made

    def keep(self, made: Any) -> Any:
        if isinstance(made, _parts.Waiting):
            self.waiting[id(made)] = made
        return made

    def knows_call(self, module: str, name: str, args: tuple[Any, ...]) -> bool:
        """functools.partial of a function that the table lists for scikit-learn."""
        if (module, name) != ("functools", "partial") or len(args) != 1:
            return False
        of = args[0]
        named = (of.module, of.name) if isinstance(of, Global) else (getattr(of, "__module__", ""), getattr(of, "__name__", ""))
        return _native.judged(*named) == ("sklearn", "inert")

    def called(self, args: tuple[Any, ...]) -> Any:
        if not callable(args[0]) or isinstance(args[0], type):
            raise UnsafeError(f"functools.partial is given {args[0]!r}, which is no function", path=self.path)
        return functools.partial(args[0])

    def made(self, builder: str, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_new: bool) -> Any:
        if builder in ("sklearn", "named_tuple") and is_new:
            return self.new(_names.found(module, name), args)
        return super().made(builder, module, name, args, kwargs, is_new)

    def new(self, of: Any, args: tuple[Any, ...]) -> Any:
        if _parts.is_retired(of):
            return of()
        return self.keep(_parts.blank(of, args)) if _is_of_library(of) else super().new(of, args)

    def fill(self, made: Any, state: Any, items: list[Any] | None, pairs: list[tuple[Any, Any]] | None) -> Any:
        with self.blaming(type(made).__qualname__):
            for key, _ in pairs or () if _is_of_library(type(made)) else ():
                _parts.check_key(key, type(made).__qualname__)
        return super().fill(made, state, items, pairs)

    def set_state(self, made: Any, state: Any) -> Any:
        of = type(made)
        if isinstance(made, _parts.Waiting):
            self.waiting.pop(id(made), None)
            with self.blaming(made.of.__qualname__):
                return _parts.built(made, state)
        if of is dict or isinstance(made, _names.Retired) or (of.__module__ == "sklearn._loss._loss" and state in ((), None)):
            return made
        if of is functools.partial:
            return _parts.partial_of(made, state)
        if not _is_of_library(of) and not _mend.is_estimator(made):
            return super().set_state(made, state)
        _mend.check_state(made, state)
        version = state.get("_sklearn_version") if isinstance(state, dict) else None
        if isinstance(version, str) and of.__module__.startswith("sklearn."):
            self.versions.add(version)
        if isinstance(state, dict):
            state = _mend.state(made, dict(state), self.notes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ours names both versions, once
            super().set_state(made, state)
        made = _mend.whole(made, version if isinstance(version, str) else "", self.notes)
        self.estimators.append(made)
        return made

    def tell(self) -> None:
        """The warning for a file of another version."""
        import sklearn

        others = sorted(version for version in self.versions if version != sklearn.__version__)
        if not others:
            return
        what = "".join(f"; {note}" for note in self.notes)
        warnings.warn(
            f"{self.path} was written by scikit-learn {' and '.join(others)}, this is {sklearn.__version__}{what}", HoldallWarning, stacklevel=4
        )


def check_whole(made: Any, path: str) -> Any:
    if isinstance(made, _names.Retired):
        raise UnsafeError(f"{path} holds a {made.name}, which is no estimator", path=path)
    return made
