"""Signals that end a program, put off until the state of a step has been saved."""

from __future__ import annotations

import os
import signal
import threading
import time
import types
from collections.abc import Callable, Sequence
from typing import Any

from .. import _native

Handler = Any


class Signals:
    """Between install() and remove(): a signal is kept in `pending`, so that the training may end its step and save, and has its
    usual effect by take_effect(), or by itself after `seconds`, or when it comes again, or when no step has ended for that long
    (and twice as long as any took).

    Python runs handlers in the main thread, so install() does nothing in another. Processes forked from this one, which a terminal
    interrupts too, put off their end as well, so that the workers of a loader live for the rest of the step; SIGTERM, by which such
    are ended, is not put off there.
    """

    def __init__(self, names: str | int | Sequence[str | int], seconds: float, told: Callable[[int, float], None]) -> None:
        self._numbers = [_number(name) for name in ([names] if isinstance(names, str | int) else names)]
        self._seconds = seconds
        self._told = told
        self._before: dict[int, Handler] = {}
        self._is_installed = False
        self._timer: threading.Timer | None = None
        self._process = os.getpid()
        self._last_step = time.monotonic()
        self._longest_step = 0.0
        self._in_child: set[int] = set()
        self.pending: int | None = None

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def install(self) -> None:
        if self._is_installed or threading.current_thread() is not threading.main_thread() or os.getpid() != self._process:
            return
        self._is_installed = True
        self._last_step = time.monotonic()
        for number in self._numbers:
            before = signal.getsignal(number)
            if before is None or before == signal.SIG_IGN or before == self._caught:  # not Python's, or nobody is to notice
                continue
            self._before[number] = before
            signal.signal(number, self._caught)

    def step(self) -> None:
        """A step has ended."""
        now = time.monotonic()
        if self._is_installed:
            self._longest_step = max(self._longest_step, now - self._last_step)
        self._last_step = now

    def remove(self) -> None:
        """Puts back what was there; what is pending stays so. What cannot be put back (in another thread; where somebody else's handler leads
        here) lets signals through."""
        self._stop_timer()
        self._is_installed = False
        if threading.current_thread() is threading.main_thread():
            for number in [number for number in self._before if signal.getsignal(number) == self._caught]:
                signal.signal(number, self._before.pop(number))

    def take_effect(self) -> None:
        """What the pending signal would have done at once. Returns where its handler does."""
        number, self.pending = self.pending, None
        self.remove()
        if number is not None:
            signal.raise_signal(number)

    def _caught(self, number: int, frame: types.FrameType | None) -> None:
        if os.getpid() != self._process:
            self._caught_in_child(number)
            return
        if not self._is_installed:
            self._let_through(number, frame)
            return
        is_late = time.monotonic() - self._last_step > max(self._seconds, 2 * self._longest_step)
        if self.pending is not None or is_late:
            self.pending = number
            self.take_effect()
            return
        self.pending = number
        self._start_timer(number)
        self._told(number, self._seconds)

    def _let_through(self, number: int, frame: types.FrameType | None) -> None:
        before = self._before.get(number, signal.SIG_DFL)
        if callable(before):
            before(number, frame)
        elif before == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _caught_in_child(self, number: int) -> None:
        if number == signal.SIGTERM or number in self._in_child:
            self.pending = number
            self.take_effect()
            return
        self._in_child.add(number)
        self._start_timer(number)

    def _start_timer(self, number: int) -> None:
        self._timer = threading.Timer(self._seconds, self._overdue, (number,))
        self._timer.daemon = True
        self._timer.start()

    def _overdue(self, number: int) -> None:
        if self._before.get(number) == signal.SIG_DFL:
            _native.default_signal(number)  # also where the main thread is busy and runs no handler
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _number(name: str | int) -> int:
    if isinstance(name, str):
        number = getattr(signal, name, None)
        if not isinstance(number, signal.Signals):
            raise ValueError(f"{name!r} is no signal: SIGTERM, SIGINT, SIGUSR1")
        return _catchable(number)
    try:
        number = signal.Signals(name)
    except (ValueError, TypeError):
        raise ValueError(f"{name!r} is no signal: SIGTERM, SIGINT, SIGUSR1") from None
    return _catchable(number)


def _catchable(number: signal.Signals) -> int:
    if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGFPE, signal.SIGILL, signal.SIGBUS, signal.SIGABRT):
        raise ValueError(f"{number.name} cannot be put off")
    return int(number)
