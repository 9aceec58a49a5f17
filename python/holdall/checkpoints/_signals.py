"""Signals that end a program, put off until the state of a step has been saved."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .. import _native

Handler = Any

# The same signal, seen by two threads, by the clock.
_AT_ONCE_SECONDS = 1.0
_WILD = (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGFPE, signal.SIGILL, signal.SIGBUS, signal.SIGABRT)


class Signals:
    """Between the first step() and remove(): a signal is kept in `pending`, so that the training may end its step and save, and has its
    usual effect by take_effect(), or by itself after `seconds`, or when it comes again, or when no step has ended for that long
    (and twice as long as any took). Where the main thread is busy in C and runs no handler, a thread that hears of the signal sees to it.

    Python runs handlers in the main thread, so install() does nothing in another. Processes forked from this one, which a terminal
    interrupts too, put off their end as well, so that the workers of a loader live for the rest of the step; not SIGTERM, which ends them one by one.
    """

    def __init__(self, names: str | int | Sequence[str | int], seconds: float, told: Callable[[int, float], None]) -> None:
        self._numbers = [_number(name) for name in ([names] if isinstance(names, str | int) else names)]
        self._seconds = seconds
        self._told = told
        self._before: dict[int, Handler] = {}
        self._is_installed = False
        self._is_stepping = False
        self._timer: threading.Timer | None = None
        self._process = os.getpid()
        self._last_step = time.monotonic()
        self._caught_at = float("-inf")
        self._longest_step = 0.0
        self._in_child: set[int] = set()
        self._ear: Ear | None = None
        self.pending: int | None = None

    def install(self) -> None:
        """Before processes are forked; until step() is called, what comes has its usual effect."""
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
            _PUT_OFF[number] = self._seconds
        if self._before and self._ear is None:
            self._ear = Ear.made(self._heard)

    def step(self) -> None:
        """A step has ended."""
        now = time.monotonic()
        if self._is_stepping:
            self._longest_step = max(self._longest_step, now - self._last_step)
        self._is_stepping = True
        self._last_step = now
        self.install()

    def remove(self) -> None:
        """Puts back what was there; what is pending stays so. What cannot be put back (in another thread; where somebody else's handler leads
        here) lets signals through."""
        self._stop_timer()
        self._is_installed = self._is_stepping = False
        if threading.current_thread() is threading.main_thread():
            for number in [number for number in self._before if signal.getsignal(number) == self._caught]:
                signal.signal(number, self._before.pop(number))
                _PUT_OFF.pop(number, None)
            if self._ear is not None:
                self._ear.close()
                self._ear = None

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
        self._caught_at = time.monotonic()
        if not self._is_stepping:
            self._let_through(number, frame)
            return
        is_late = self._caught_at - self._last_step > max(self._seconds, 2 * self._longest_step)
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
        if number in self._in_child or number == signal.SIGTERM:
            self.pending = number
            self.take_effect()
            return
        self._in_child.add(number)
        self._start_timer(number)

    def _heard(self, number: int) -> None:
        """In a thread: a signal has come, and the main thread may be about to run _caught(), or not."""
        if number in self._numbers and self._is_stepping:
            timer = threading.Timer(self._seconds, self._overdue_where_stuck, (number, time.monotonic()))
            timer.daemon = True
            timer.start()

    def _overdue_where_stuck(self, number: int, heard: float) -> None:
        if self._is_stepping and self._caught_at < heard - _AT_ONCE_SECONDS:
            self._overdue(number)

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


# The signals that are being put off, and for how many seconds.
_PUT_OFF: dict[int, float] = {}


def in_worker() -> None:
    """In a process that loads data for a training: SIGTERM that came to the whole group is put off here too."""
    seconds = _PUT_OFF.get(signal.SIGTERM)
    if seconds is not None:
        _native.put_off_termination(int(seconds) + 1)


class Ear:
    """A thread that hears of signals when they come, whatever the main thread does: Python's C handler writes them to a pipe."""

    def __init__(self, writer: int) -> None:
        self._writer = writer

    @classmethod
    def made(cls, heard: Callable[[int], None]) -> Ear | None:
        """None where somebody else listens already, as asyncio does."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            os.close(reader)
            os.close(writer)
            return None
        ear = cls(writer)
        _EARS.add(ear)
        threading.Thread(target=_listen, args=(reader, heard), daemon=True, name="holdall signals").start()
        return ear

    def close(self) -> None:
        """In the main thread. Ends the thread. A second time it does nothing."""
        writer, self._writer = self._writer, -1
        if writer == -1:
            return
        _EARS.discard(self)
        mine = signal.set_wakeup_fd(-1)
        if mine not in (-1, writer):
            signal.set_wakeup_fd(mine)
        os.close(writer)


def _listen(reader: int, heard: Callable[[int], None]) -> None:
    while numbers := os.read(reader, 64):
        for number in numbers:
            heard(number)
    os.close(reader)


_EARS: weakref.WeakSet[Ear] = weakref.WeakSet()


def _close_in_child() -> None:
    """What comes to a forked process is not its parent's to hear."""
    for ear in list(_EARS):
        with contextlib.suppress(ValueError, OSError):
            ear.close()


os.register_at_fork(after_in_child=_close_in_child)


def _number(name: str | int) -> int:
    number = getattr(signal, name, None) if isinstance(name, str) else name
    try:
        found = signal.Signals(number)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ValueError(f"{name!r} is no signal: SIGTERM, SIGINT, SIGUSR1") from None
    if found in _WILD:
        raise ValueError(f"{found.name} cannot be put off")
    return int(found)
