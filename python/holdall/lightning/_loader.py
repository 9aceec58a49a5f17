"""A training's data loader that knows where it is, so that an epoch goes on behind any of its batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .. import _random
from ..torch import _held
from ..torch._feed import Feed

State = dict[str, Any]


class Loader:
    """In the place of a loader; nothing is drawn from generators before the first batch is asked for.

    Where a loader does not know its length, Lightning fetches one batch ahead, so that the place of the training is one behind. `state`: a
    position to go on from; `ready` sets the random generators to what they were there; `drawn` takes note of what they are, where a batch
    of a new epoch had to be fetched before the training started.
    """

    def __init__(self, loader: Any, state: State | None, ready: Callable[[], None], drawn: Callable[[], None]) -> None:
        self._loader = loader
        self._feed = Feed(loader)
        self._pending = state
        self._ready = ready
        self._drawn = drawn
        self._is_sized = _length(loader) is not None
        self._before: State | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    @property
    def worker_init_fn(self) -> Any:
        return self._loader.worker_init_fn

    @worker_init_fn.setter
    def worker_init_fn(self, function: Any) -> None:
        self._loader.worker_init_fn = function

    def __iter__(self) -> Iterator[Any]:
        return self._batches()

    def _batches(self) -> Iterator[Any]:
        pending, self._pending = self._pending, None
        then = None
        if pending is None:
            items = self._feed.batches()
        elif _is_over(pending):
            items = self._next_epoch(pending["position"])
            then = None if self._is_sized else self._drawn
        else:
            random = pending["random_states"]
            items = self._feed.batches(pending["position"], self._ready if random is None else lambda: _set(random))
            then = None if random is None else self._ready
        while True:
            if not self._is_sized:
                self._before = {"position": self._feed.position(), "random_states": _random.states(), "left": False}
            try:
                batch = next(items)
            except StopIteration:
                return
            if then is not None:
                then()
                then = None
            yield batch

    def _next_epoch(self, position: State) -> Iterator[Any]:
        """The loader is brought to where its epoch ended, and begins another."""
        if not self._is_sized:
            self._ready()
        before = _random.states()
        items = self._feed.batches(position)
        next(items, None)
        items.close()  # type: ignore[attr-defined]
        if position["start"] is not None:
            _held.set_state(self._loader, position["held"])
        _set(before)
        return self._feed.batches()

    def position(self, is_ahead: bool, is_last: bool) -> State:
        """Behind the batch that was trained on. `is_ahead`: whether one more has been fetched; `is_last`: whether the epoch ends with it."""
        if self._pending is not None:
            return self._pending
        if is_ahead and self._before is not None:
            return self._before
        return {"position": self._feed.position(), "random_states": None, "left": is_last}

    # Lightning tells loaders that can go on amid an epoch by these; what they say is kept by the callback, for each rank.

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        pass


def _is_over(state: State) -> bool:
    return state["position"]["end"] is not None or state["left"]


def _set(states: State) -> None:
    _random.set_states(states)


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None
