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


def feed_of(loader: Any) -> Any:
    if "torch" not in sys.modules:
        return PlainFeed(loader)
    from ..torch._feed import Feed

    return Feed(loader)


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
        # Behind some batches of an epoch, until steps() has gone there.
        self._behind = self._position.get("feed") if not self._position.get("epoch_done") else None
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
        """
        checkpointer = self._checkpointer
        feed = feed_of(loader)
        behind, self._behind = self._behind, None
        ready = None if behind is None else self._set_random
        checkpointer._begin_feed(feed)
        try:
            for batch in feed.batches(behind, ready):
                yield checkpointer._next_step(), batch
        finally:
            checkpointer._end_feed(feed)

    def _go_back(self) -> None:
        """To the random states of the moment at which epochs() gave this epoch out, or, between two, of the checkpoint."""
        states = self._position.get("epoch_random_states") if self._behind is not None else None
        if states is not None:
            _random.set_states(states)
        else:
            self._set_random()

    def _set_random(self) -> None:
        states = self.state.get("random_states")
        if states is not None:
            self._checkpointer._warn_of(_random.set_states(states))
