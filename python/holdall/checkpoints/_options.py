"""What a Checkpointer is told, checked before anything is touched."""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import _native
from .._documents import size_of
from ..errors import Error

_DAY = 86_400.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY, "w": 7 * _DAY}
_BUSY = ("wait", "skip", "replace")

Best = tuple[str, str, int]


class Rules(NamedTuple):
    """Which checkpoints are kept, in the units of the library."""

    last: int | None
    best: list[Best]
    every: int | None
    age: int | None  # nanoseconds
    bytes: int | None


class When(NamedTuple):
    """When a step is followed by a save."""

    steps: int | None
    epochs: int | None
    minutes: float | None


def rules_of(keep_last: int | None, keep_best: Any, keep_every: int | None, max_age: Any, max_bytes: Any) -> Rules:
    """Raises TypeError, ValueError naming the argument."""
    return Rules(
        _count("keep_last", keep_last),
        _best(keep_best),
        _count("keep_every", keep_every),
        None if max_age is None else int(seconds_of("max_age", max_age) * 1e9),
        None if max_bytes is None else _positive("max_bytes", size_of(max_bytes)),
    )


def when_of(every_steps: int | None, every_epochs: int | None, every_minutes: float | None) -> When:
    minutes = every_minutes
    if minutes is not None:
        if isinstance(minutes, bool) or not isinstance(minutes, int | float):
            raise TypeError(f"every_minutes is a number, not {type(minutes).__name__}")
        if not 0 < minutes < float("inf"):
            raise ValueError(f"every_minutes is {minutes}: a time above 0")
    return When(_count("every_steps", every_steps), _count("every_epochs", every_epochs), minutes)


def busy_of(when_busy: str, in_flight: int | None) -> int:
    """How many saves may be in flight."""
    if when_busy not in _BUSY:
        raise ValueError(f"when_busy is {when_busy!r}: one of {', '.join(_BUSY)}")
    if in_flight is None:
        return 2 if when_busy == "replace" else 1
    count = _count("in_flight", in_flight)
    if when_busy == "replace" and count == 1:
        raise ValueError("when_busy='replace' with in_flight=1: with one in flight none waits that could be replaced; give 2 or more")
    return count or 1


def memory_of(memory: int | str | None) -> int:
    """Bytes; 0 for as many as it takes."""
    return 0 if memory is None else _positive("memory", size_of(memory))


def of_callback(callback: str, given: Mapping[str, Any], taken: Sequence[str], beside: str) -> Rules:
    """Checks what a callback is to hand on to a Checkpointer, before there is one. Raises TypeError, ValueError."""
    unknown = [name for name in given if name not in taken]
    if unknown:
        raise TypeError(f"{callback} takes no {', '.join(unknown)}; beside {beside} it takes {', '.join(taken)}")
    busy_of(given.get("when_busy", "wait"), given.get("in_flight"))
    memory_of(given.get("memory"))
    return rules_of(*(given.get(name) for name in ("keep_last", "keep_best", "keep_every", "max_age", "max_bytes")))


def native_writer(folder: str, name: str, rules: Rules, busy: str, in_flight: int, memory: int, sync: bool, threads: int) -> _native.Checkpointer:
    """Raises ValueError for a name that is none; StorageError for the folder."""
    try:
        return _native.open_checkpointer(
            folder, name, rules.last, rules.best, rules.every, rules.age, rules.bytes, busy, in_flight, memory, bool(sync), threads
        )
    except Error as error:
        if type(error) is Error and not error.path:
            raise ValueError(str(error)) from None
        raise


def seconds_of(name: str, time: Any) -> float:
    """A number of seconds, a timedelta, or a text like "7d", "12h"."""
    if isinstance(time, datetime.timedelta):
        time = time.total_seconds()
    if isinstance(time, str):
        number, unit = time.strip()[:-1], time.strip()[-1:]
        if unit not in _UNITS:
            raise ValueError(f"{name} is {time!r}: write 90s, 30m, 12h, 7d or 2w")
        try:
            time = float(number) * _UNITS[unit]
        except ValueError:
            raise ValueError(f"{name} is {time!r}: write 90s, 30m, 12h, 7d or 2w") from None
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise TypeError(f"{name} is a number of seconds, a timedelta or a text like '7d', not {type(time).__name__}")
    if not 0 < time < 3e9:
        raise ValueError(f"{name} is {time} s: a time above 0 and below 100 years")
    return float(time)


def matcher_of(name: Any) -> Callable[[str], object]:
    """Whether a file may have been named by the template."""
    if not isinstance(name, str):
        raise TypeError(f"name is a template like 'checkpoint_step{{step}}.pt', not {type(name).__name__}")
    pieces = re.split(r"\{[^{}]*\}", name)
    return re.compile(".+".join(map(re.escape, pieces)), re.DOTALL).fullmatch


def check_rest(on_event: Any, on_error: Any, metadata: Any) -> None:
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event is a function that takes an Event, not {type(on_event).__name__}")
    if on_error not in ("raise", "warn"):
        raise ValueError(f"on_error is {on_error!r}: 'raise' or 'warn'")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TypeError(f"metadata is a dict of plain values, not {type(metadata).__name__}")


def _count(name: str, count: int | None) -> int | None:
    if count is None:
        return None
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"{name} is a number that counts, not {type(count).__name__}")
    return _positive(name, operator.index(count))


def _positive(name: str, number: int) -> int:
    if not 1 <= number < 1 << 63:
        raise ValueError(f"{name} is {number}: 1 or more")
    return number


def _best(given: Any) -> list[Best]:
    if given is None:
        return []
    rules = [given] if isinstance(given, str) or (isinstance(given, tuple) and given and isinstance(given[0], str)) else list(given)
    found: list[Best] = []
    for rule in rules:
        parts = (rule, "min") if isinstance(rule, str) else tuple(rule)
        if len(parts) not in (2, 3) or not isinstance(parts[0], str) or parts[1] not in ("min", "max"):
            raise ValueError(f"keep_best is {rule!r}: ('loss', 'min') or ('accuracy', 'max', 3), or a list of such")
        if not parts[0] or parts[0] in [name for name, _, _ in found]:
            raise ValueError(f"keep_best names the metric {parts[0]!r} twice" if parts[0] else "keep_best names a metric without a name")
        found.append((parts[0], parts[1], _count("how many keep_best keeps", parts[2] if len(parts) == 3 else 1) or 1))
    return found
