"""Where a training begins or goes on, and the loops that know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _random

if TYPE_CHECKING:
    from ._checkpointer import Checkpointer

Batch = TypeVar("Batch")
Position = dict[str, Any]


class PlainFeed:
    """The position in any iterable: it is passed over by drawing from it again, with the random states that it began with."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader
        self._count = 0
        self._random: Any = None

    def batches(self, position: Position | None = None, ready: Callable[[], None] | None = None) -> Iterator[Any]:
        if position is not None:
            _random.set_states(position["random_states"])
        self._random = _random.states()
        self._count = 0
        behind = 0 if position is None else int(position["batches"])
        iterator = iter(self._loader)
        for _ in range(behind):
            next(iterator, None)
        self._count = behind
        if ready is not None:
            ready()
        for batch in iterator:
            self._count += 1
            yield batch

    def position(self) -> Position:
        return {"batches": self._count, "random_states": self._random}

    def close(self) -> None:
        """It holds nothing."""


class Feeds:
    """One for each loader, from epoch to epoch: workers and counts live on in it."""

    # A loader made anew for every epoch is let go in time.
    _MOST = 8

    def __init__(self) -> None:
        self._feeds: list[tuple[Any, Any]] = []

    def of(self, loader: Any) -> Any:
        for known, feed in self._feeds:
            if known is loader:
                return feed
        feed = _feed_of(loader)
        self._feeds.append((loader, feed))
        if len(self._feeds) > self._MOST:
            self._feeds.pop(0)[1].close()
        return feed

    def known(self, loader: Any) -> Any:
        """The feed of a loader that has had one; None for others."""
        return next((feed for known, feed in self._feeds if known is loader), None)

    def loader_of(self, feed: Any) -> Any:
        return next((loader for loader, known in self._feeds if known is feed), None)

    def close(self) -> None:
        for _, feed in self._feeds:
            feed.close()
        self._feeds = []


def _feed_of(loader: Any) -> Any:
    if "torch" not in sys.modules:
        return PlainFeed(loader)
    from ..torch._feed import Feed

    return Feed(loader)


def go_behind(loader: Any, feed: Any, position: Position) -> None:
    """Makes a loader what it was behind an epoch of batches: its own generators, what it counts, workers that live on. Other generators stay
    as they are, and so does what counts further than it did then: somebody has set it for the epoch to come."""
    if isinstance(feed, PlainFeed) or position.get("start") is None:
        return
    from ..torch import _held

    states = _random.states()
    counted = _held.state(loader)["counters"]
    if position["end"] is None:  # left early
        _held.set_state(loader, position["held"])
    else:
        for _ in feed.batches(position):
            pass
    further = {path: max(count, counted[path]) for path, count in _held.state(loader)["counters"].items() if path in counted}
    _held.set_state(loader, {"generators": {}, "counters": further})
    _random.set_states(states)


class Start:
    """What ``Checkpointer.resume`` and ``restore`` give: where to go on.

    `resumed`: whether there was a checkpoint; `path`: which. `step`: how many steps have been taken, 0 at a fresh start. `epoch`: the one to
    go on with, from 0. `metrics`: those of the checkpoint. `best`: {metric: (value, step)} so far. `state`: what the file holds beside the
    states that were put back.
    """

    def __init__(self, checkpointer: Checkpointer, path: str | None = None, state: dict[str, Any] | None = None) -> None:
        self._checkpointer = checkpointer
        self.path = path
        self.state = state or {}
        position = self.state.get("data_position")
        self._position: Position = position if isinstance(position, dict) else {}
        self.resumed = path is not None
        self.step: int = self.state.get("step") or 0
        epoch = self.state.get("epoch")
        self.epoch: int = 0 if epoch is None else epoch + (1 if self._position.get("epoch_done") else 0)
        self.metrics: dict[str, float] = dict(self.state.get("metrics") or {})
        self.best: dict[str, tuple[float, int]] = {name: (value, step) for name, (value, step) in (self.state.get("best") or {}).items()}
        # Amid an epoch, or behind one, until steps() has gone there.
        self._amid = self._position.get("feed")
        self._behind = self._position.get("behind")
        self._passed = list(self._position.get("passed") or [])
        self._others = dict(self._position.get("others") or {})
        self._fresh = True

    def __repr__(self) -> str:
        return f"<Start at step {self.step}, epoch {self.epoch}{f', from {self.path}' if self.path else ', fresh'}>"

    def epochs(self, count: int) -> Iterator[int]:
        """The epochs that are left of `count`, from 0 on. Between two of them a checkpoint is saved where a rule asks for it."""
        for epoch in range(self.epoch, count):
            if self.resumed and self._fresh:
                self._go_back()
            self._fresh = False
            self._checkpointer._begin_epoch(epoch)
            yield epoch
            self._checkpointer.end_epoch(epoch)

    def steps(self, loader: Iterable[Batch]) -> Iterator[tuple[int, Batch]]:
        """(step, batch) of an epoch of `loader`; the steps count through the whole run, the first is 1.

        The first time after a resume amid an epoch, what comes behind the batches that were trained on: the same batches, the same random
        states, as if nothing had happened. A torch DataLoader is not asked to load what it passes over; other iterables are drawn from again.
        Of several loops in one epoch those that had ended give nothing. Raises MismatchError where the place in the data is one in another loader
        (batch size, number of workers, length).
        """
        checkpointer = self._checkpointer
        feed = checkpointer._feeds.of(loader)
        other = self._others.pop(checkpointer._name_of(loader), None)
        if self._amid is not None and self._passed:
            # Of several loops in an epoch, one that had ended.
            position = self._passed.pop(0)
            go_behind(loader, feed, position)
            checkpointer._progress.passed(feed, position)
            return
        amid, self._amid = self._amid, None
        if amid is None:
            self._go_behind(loader, feed, other)
        ready = None if amid is None else self._set_random
        batches = feed.batches(amid, ready)
        checkpointer._begin_feed(feed)
        try:
            for batch in batches:
                yield checkpointer._next_step(), batch
        finally:
            checkpointer._end_feed(feed)

    def _go_behind(self, loader: Any, feed: Any, other: Any = None) -> None:
        behind = other
        if other is None:
            behind, self._behind = self._behind, None
        if behind is not None:
            go_behind(loader, feed, behind)

    def _go_back(self) -> None:
        """To the random states of the moment at which epochs() gave this epoch out, or, between two, of the checkpoint."""
        states = self._position.get("epoch_random_states")
        if states is not None:
            _random.set_states(states)
        else:
            self._set_random()

    def _set_random(self) -> None:
        states = self.state.get("random_states")
        if states is not None:
            self._checkpointer._warn_of(_random.set_states(states))
