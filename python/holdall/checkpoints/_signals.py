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
    usual effect by take_effect(), or by itself after `seconds`, or when it comes again, or when no step has ended for that long.

    Python runs handlers in the main thread, so install() does nothing in another.
    """

    def __init__(self, names: Sequence[str | int], seconds: float, told: Callable[[int, float], None]) -> None:
        self._numbers = [_number(name) for name in names]
        self._seconds = seconds
        self._told = told
        self._before: dict[int, Handler] = {}
        self._timer: threading.Timer | None = None
        self._process = os.getpid()
        self._last_step = time.monotonic()
        self.pending: int | None = None

    def install(self) -> None:
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for number in self._numbers:
            before = signal.getsignal(number)
            if before is None or before == signal.SIG_IGN:  # not Python's, or nobody is to notice
                continue
            self._before[number] = before
            signal.signal(number, self._caught)

    def step(self) -> None:
        """A step has ended."""
        self._last_step = time.monotonic()

    def remove(self) -> None:
        """Puts back what was there; what is pending stays so."""
        self._stop_timer()
        for number, before in self._before.items():
            if signal.getsignal(number) == self._caught:
                signal.signal(number, before)
        self._before = {}

    def take_effect(self) -> None:
        """What the pending signal would have done at once. Returns where its handler does."""
        number, self.pending = self.pending, None
        self.remove()
        if number is not None:
            signal.raise_signal(number)

    def _caught(self, number: int, frame: types.FrameType | None) -> None:
        is_late = time.monotonic() - self._last_step > self._seconds
        if self.pending is not None or is_late or os.getpid() != self._process:
            self.pending = number
            self.take_effect()
            return
        self.pending = number
        self._timer = threading.Timer(self._seconds, self._overdue, (number,))
        self._timer.daemon = True
        self._timer.start()
        self._told(number, self._seconds)

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
        return int(number)
    try:
        return int(signal.Signals(name))
    except (ValueError, TypeError):
        raise ValueError(f"{name!r} is no signal: SIGTERM, SIGINT, SIGUSR1") from None
