"""How far a training has come, and whether a step is to be followed by a save."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import _random
from ._options import When


class Progress:
    """`step`: taken by the loop of Start.steps(), or said by the caller. `metrics`: of the last step, with what was logged since a save."""

    def __init__(self, when: When) -> None:
        self._when = when
        self._saved_at = time.monotonic()
        self._seen: int | None = None  # the step that step() was told last
        self._seen_epoch: int | None = None
        self._logged: dict[str, float] = {}
        self.step = 0
        self.epoch: int | None = None
        self.metrics: dict[str, float] = {}
        self.feed: Any = None
        self.is_feeding = False
        self.is_epoch_done = False
        self.epoch_random: Any = None

    def go_on(self, step: int, epoch: int | None, is_epoch_done: bool) -> None:
        """From a checkpoint."""
        self.step = step
        self._seen = step
        self._seen_epoch = self.epoch = epoch
        self.is_epoch_done = is_epoch_done
        self.feed = None
        self.is_feeding = False

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.is_epoch_done = False
        self.epoch_random = _random.states()

    def log(self, metrics: dict[str, float]) -> None:
        self._logged.update(metrics)

    def told(self, epoch: int | None, step: int | None, metrics: Mapping[str, float] | None) -> None:
        """What a caller says of where it is; what it leaves out stays."""
        if step is not None:
            self.step = step
        if epoch is not None:
            self.epoch = epoch
        if metrics is not None:
            self.metrics = {name: float(value) for name, value in metrics.items()}

    def is_due(self) -> bool:
        """By steps, minutes, or, where nobody says that an epoch has ended, by the first step of the next."""
        before = self._seen if self._seen is not None else self.step - 1
        self._seen = self.step
        steps = self._when.steps
        if steps is not None and self.step > before and self.step // steps > before // steps and (self.step > 0 or steps == 1):
            return True
        epochs, last = self._when.epochs, self._seen_epoch
        self._seen_epoch = self.epoch
        if epochs is not None and self.epoch_random is None and self.epoch is not None and last is not None and self.epoch > last:
            return self.epoch // epochs > last // epochs
        return False

    def is_time(self) -> bool:
        minutes = self._when.minutes
        return minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes

    def is_epoch_due(self) -> bool:
        """An epoch has ended."""
        return self._when.epochs is not None and self.epoch is not None and (self.epoch + 1) % self._when.epochs == 0

    def all_metrics(self) -> dict[str, float]:
        return {**self.metrics, **self._logged}

    def saved(self) -> None:
        self._saved_at = time.monotonic()
        self._logged = {}

    def position(self) -> dict[str, Any]:
        """Where in the data: of what ``Start.steps`` and ``Start.epochs`` have given out."""
        behind = None if self.feed is None or self.is_epoch_done else self.feed.position()
        return {
            "epoch": self.epoch,
            "epoch_done": self.is_epoch_done,
            "feed": behind,
            "epoch_random_states": None if self.is_epoch_done else self.epoch_random,
        }
