"""Values of a model's tree that Python has no type of its own for."""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than the package
if TYPE_CHECKING:
    from typing import Any


class Global:
    """The name of a class or function that a file refers to. Never imported."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __repr__(self) -> str:
        return f"<global {self}>"

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Global) and (self.module, self.name) == (other.module, other.name)

    def __hash__(self) -> int:
        return hash((self.module, self.name))


class Object:
    """An object that a file describes and nobody has built: what would be called, and with what.

    ``callee`` is a `Global` (or whatever value the file calls), ``args`` a tuple, ``kwargs`` a dict; ``state``, ``items``
    and ``pairs`` (a list of ``(key, value)``) are what the file gives the object afterwards, None where it gives nothing.
    """

    __slots__ = ("args", "callee", "is_new", "items", "kwargs", "pairs", "state")

    def __init__(self, callee: Any, args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None, is_new: bool) -> None:
        self.callee = callee
        self.args = () if args is None else args
        self.kwargs = {} if kwargs is None else kwargs
        self.is_new = is_new
        self.state: Any = None
        self.items: list[Any] | None = None
        self.pairs: list[tuple[Any, Any]] | None = None

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key among ``pairs`` (an OrderedDict's), else in ``state`` where that is a dict."""
        for own, value in self.pairs or ():
            if own == key:
                return value
        return self.state.get(key, default) if isinstance(self.state, dict) else default

    def __getitem__(self, key: Any) -> Any:
        found = self.get(key, self)
        if found is self:
            raise KeyError(key)
        return found

    def __repr__(self) -> str:
        return f"<object {self.callee}>"


def inert(
    module: str | None, name: str | None, callee: Any, args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None, is_new: bool
) -> Object:
    """For the native module: an object before its contents are there."""
    return Object(callee if module is None or name is None else Global(module, name), args, kwargs, is_new)


def fill(made: Object, state: Any, items: list[Any] | None, pairs: list[tuple[Any, Any]] | None) -> Object:
    made.state, made.items, made.pairs = state, items, pairs
    return made
