"""rename=: what names of a file are called in what they are loaded into, as load_into() takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from . import _native

Rename = Mapping[str, str] | Iterable[tuple[str, str]] | Callable[[str], str]


def checked(rename: Rename | None) -> Callable[[str], str] | list[tuple[str, str]] | None:
    """As the library's fit() takes it. Raises TypeError for what is none."""
    if rename is None:
        return None
    if callable(rename):
        change = rename

        def renamed(name: str) -> str:
            new = change(name)
            if not isinstance(new, str):
                raise TypeError(f"rename gave {new!r} for {name}, not a name")
            return new

        return renamed
    rules = [] if isinstance(rename, str | bytes) else list(rename.items() if isinstance(rename, Mapping) else rename)
    if isinstance(rename, str | bytes) or not all(isinstance(rule, tuple | list) and [type(name) for name in rule] == [str, str] for rule in rules):
        raise TypeError(f"rename takes a dict of names, pairs of names, or a function of a name, not {rename!r}")
    return [(old, new) for old, new in rules]


def called(rename: Rename | None, names: Iterable[str]) -> dict[str, str]:
    """What each of a file's names is called: by a function, or by the first rule that fits, exact or with one ``*`` on each side. Raises TypeError,
    and Error for a rule that is none."""
    own = list(names)
    rules = checked(rename)
    if callable(rules):
        return {name: rules(name) for name in own}
    return dict(zip(own, _native.renamed(rules or [], own), strict=True))
