"""Builds estimators of what a file describes: the library's table says which names are scikit-learn's, nothing else is built but what was handed in."""

from __future__ import annotations

import functools
import warnings
from typing import Any

from .. import _build, _native
from .._build import Builder
from .._values import Global
from ..errors import HoldallWarning, UnsafeError
from . import _mend, _names, _parts


def _make(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    of = _names.found(module, name)
    made = _parts.called(of, args)
    return of(*args, **kwargs) if made is None else made


def _new_object(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """copyreg's functions, and those by which Cython's classes are pickled: newObj(class)."""
    of = args[0]
    if name.startswith("__pyx_unpickle_") and of.__name__ != name.removeprefix("__pyx_unpickle_"):
        raise UnsafeError(f"{module}.{name} is given {of!r}")
    if name.startswith("__pyx_unpickle_"):
        return of.__new__(of)
    if isinstance(of, functools.partial) or getattr(of, "__module__", "").startswith(("sklearn.", "scipy.")):
        return builder.new(of, args[1:])
    return _build.MAKES["reconstructor" if name == "_reconstructor" else "new_object"](builder, module, name, args, kwargs)


def _reconstructor(builder: Builder, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) == 3 and args[1] is object:
        return _new_object(builder, module, name, args[:1], kwargs)
    if len(args) == 3 and args[1] is dict and getattr(args[0], "__module__", "").startswith("sklearn."):
        made = args[0].__new__(args[0])
        made.update(args[2])
        return made
    return _build.MAKES["reconstructor"](builder, module, name, args, kwargs)


class EstimatorBuilder(Builder):
    """Builds one estimator; `versions`: those of scikit-learn that the file names."""

    def __init__(self, trusted: _build.Trusted, path: str) -> None:
        super().__init__(trusted, path)
        self.makes = {**_build.MAKES, "sklearn": _make, "new_object": _new_object, "reconstructor": _reconstructor}
        self.names = {**_build.NAMES, "sklearn": _names.found}
        self.versions: set[str] = set()
        self.notes: dict[str, None] = {}

    def knows_call(self, module: str, name: str, args: tuple[Any, ...]) -> bool:
        """functools.partial of a function that the table lists for scikit-learn."""
        if (module, name) != ("functools", "partial") or len(args) != 1:
            return False
        of = args[0]
        named = (of.module, of.name) if isinstance(of, Global) else (getattr(of, "__module__", ""), getattr(of, "__name__", ""))
        return _native.judged(*named) == ("sklearn", "inert")

    def called(self, args: tuple[Any, ...]) -> Any:
        return functools.partial(args[0])

    def made(self, builder: str, module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_new: bool) -> Any:
        if builder == "sklearn" and is_new:
            return self.new(_names.found(module, name), args)
        return super().made(builder, module, name, args, kwargs, is_new)

    def new(self, of: Any, args: tuple[Any, ...]) -> Any:
        if isinstance(of, functools.partial):  # a retired class
            return of()
        if isinstance(of, type) and of.__module__.startswith(("sklearn.", "scipy.")):
            return _parts.blank(of, args)
        return super().new(of, args)

    def set_state(self, made: Any, state: Any) -> Any:
        of = type(made)
        if of is dict or (of.__module__ == "sklearn._loss._loss" and state in ((), None)):
            return made
        if of is functools.partial:
            if not isinstance(state, tuple) or len(state) != 4 or state[0] is not made.func or state[3]:
                raise UnsafeError("a functools.partial becomes another")
            return functools.partial(made.func, *state[1], **(state[2] or {}))
        if isinstance(made, _names.Retired):
            vars(made).update(state if isinstance(state, dict) else {})
            return made
        if not of.__module__.startswith(("sklearn.", "scipy.")) and not _mend.is_estimator(made):
            return super().set_state(made, state)
        taken = _parts.filled(made, state)
        if taken is not None:
            return taken
        version = state.get("_sklearn_version") if isinstance(state, dict) else None
        if isinstance(version, str) and of.__module__.startswith("sklearn."):
            self.versions.add(version)
        if isinstance(state, dict):
            state = _mend.state(made, dict(state), self.notes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ours names both versions, once
            super().set_state(made, state)
        return _mend.whole(made, version if isinstance(version, str) else "", self.notes)

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
