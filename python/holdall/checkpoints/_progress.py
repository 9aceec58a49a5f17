"""How far a training has come, and whether a step is to be followed by a save."""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping
from typing import Any

from .. import _random
from ._options import When

# A number, or a tensor on a device, which is not waited for before it is needed.
Metrics = dict[str, Any]


class Progress:
    """`step`: taken by the loop of Start.steps(), or said by the caller. `metrics`: of the last step, with what was logged since a save.

    `feed` gave the batches of the last loop of Start.steps(); `is_feeding` while that runs, `is_amid` until the epoch is done.
    """

    def __init__(self, when: When) -> None:
        self._when = when
        self._saved_at = time.monotonic()
        self._seen: int | None = None  # the step that step() was told last
        self._seen_epoch: int | None = None
        self._ends_are_told = False
        self._logged: Metrics = {}
        self._metrics: Metrics = {}
        self.step = 0
        self.epoch: int | None = None
        self.feed: Any = None
        self.is_feeding = False
        self.is_amid = False
        self.is_epoch_done = False
        self.epoch_random: Any = None
        # The loops of this epoch that have ended, and where they left their loaders.
        self._passed: list[tuple[Any, Any]] = []

    def go_on(self, step: int, epoch: int | None, is_epoch_done: bool) -> None:
        """From a checkpoint."""
        self.step = step
        self._seen = step
        self.epoch = epoch
        self._seen_epoch = None if is_epoch_done else epoch
        self._logged, self._metrics = {}, {}
        self.is_epoch_done = is_epoch_done
        self.feed = None
        self.is_feeding = self.is_amid = False
        self.epoch_random = None
        self._passed = []

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.is_epoch_done = self.is_amid = False
        self.epoch_random = _random.states()
        self._passed = []

    def begin_feed(self, feed: Any) -> None:
        # Where nobody tells epochs, one begins with a loader that has had its turn.
        if self.epoch_random is None and any(known is feed for known, _ in self._passed):
            self._passed = []
        self.feed = feed
        self.is_epoch_done = False
        self.is_feeding = self.is_amid = True

    def end_feed(self, feed: Any) -> None:
        if self.feed is feed and self.is_feeding:
            self.is_feeding = False
            self.passed(feed, feed.position())

    def passed(self, feed: Any, position: Any) -> None:
        """A loop of this epoch has ended, perhaps before a resume."""
        self._passed.append((feed, position))

    def end_epoch(self) -> None:
        self.is_epoch_done = True
        self.is_feeding = self.is_amid = False

    def end_epoch_as_told(self) -> None:
        """Whoever says so once says it behind every epoch."""
        self._ends_are_told = True
        self.end_epoch()

    def log(self, metrics: Mapping[str, Any]) -> None:
        self._logged.update(_checked(metrics))

    def told(self, epoch: int | None, step: int | None, metrics: Mapping[str, Any] | None) -> None:
        """What a caller says of where it is; what it leaves out stays. Raises TypeError, ValueError, and then nothing was told."""
        step = self.step if step is None else _position("step", step)
        epoch = self.epoch if epoch is None else _position("epoch", epoch)
        if metrics is not None:
            self._metrics = _checked(metrics)
        if epoch != self.epoch and self.epoch_random is None:
            self._passed = []
        self.step, self.epoch = step, epoch

    def is_due(self) -> bool:
        """By steps, or, where nobody says that an epoch has ended, by the first step of the next."""
        before = self._seen if self._seen is not None else self.step - 1
        self._seen = self.step
        steps = self._when.steps
        if steps is not None and self.step > before and self.step // steps > before // steps and (self.step > 0 or steps == 1):
            return True
        epochs, last = self._when.epochs, self._seen_epoch
        self._seen_epoch = self.epoch
        if epochs is not None and not self._ends_are_told and self.epoch is not None and last is not None and self.epoch > last:
            return self.epoch // epochs > last // epochs
        return False

    def is_time(self) -> bool:
        minutes = self._when.minutes
        return minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes

    def is_epoch_due(self) -> bool:
        """An epoch has ended."""
        return self._when.epochs is not None and self.epoch is not None and (self.epoch + 1) % self._when.epochs == 0

    def all_metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in {**self._metrics, **self._logged}.items()}

    def saved(self) -> None:
        self._saved_at = time.monotonic()
        self._logged = {}

    def position(self) -> dict[str, Any]:
        """Where in the data: of what Start.steps() and Start.epochs() have given out. "feed": amid the batches of an epoch; "behind": of the loader
        that has given an epoch's, behind them; "passed": behind each loop of the epoch that had ended before that of "feed" began."""
        found = None if self.feed is None else self.feed.position()
        # Where nobody says which epoch it is, the loop is taken to be its only one.
        is_told = self.epoch is not None and self.is_amid
        passed = [position for feed, position in self._passed if feed is not self.feed or self.is_feeding] if is_told else []
        return {
            "epoch": self.epoch,
            "epoch_done": self.is_epoch_done,
            "feed": found if self.is_amid else None,
            "behind": None if self.is_amid else found,
            "passed": passed,
            "epoch_random_states": None if self.is_epoch_done else self.epoch_random,
        }


def _position(name: str, number: Any) -> int:
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{name} is a number that counts, not {type(number).__name__}")
    value = operator.index(number)
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{name} is {value}: 0 or more")
    return value


def _checked(metrics: Mapping[str, Any]) -> Metrics:
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics are a dict of names and numbers, not {type(metrics).__name__}")
    return {_name(name): _number(name, value) for name, value in metrics.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"a metric has a name, not {name!r}")
    return name


def _number(name: str, value: Any) -> Any:
    if type(value) is float or type(value) is int:
        return float(value)
    if hasattr(value, "detach") and hasattr(value, "numel"):
        value = value.detach()
        if value.device.type != "cpu" and value.numel() == 1:
            return value  # to wait for a device behind every step would slow the training down
    if isinstance(value, str | bytes | bytearray) or not hasattr(value, "__float__"):
        raise TypeError(f"the metric {name} is a number, not {type(value).__name__}")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"the metric {name} is one number: {error}") from None
