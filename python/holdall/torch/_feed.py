"""The position in the data of an epoch: taken behind any batch, given back in a new process, which goes on with the very next one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch.utils.data import IterableDataset

from .. import _random
from ..errors import CorruptError, HoldallWarning, MismatchError, UnsupportedError
from . import _feed_sources, _held

# Stored: never renumber.
_VERSION = 1


class Feed:
    """Gives the batches of a loader, epoch by epoch, and knows where it is.

    `loader`: a DataLoader, torchdata's StatefulDataLoader, what accelerate made of one, a tf.data.Dataset, any iterable, or a function
    that returns one for each epoch. A run through a Feed gives the batches of a plain loop over the loader and leaves every random
    generator as that would. A position given back in a new process, with a loader made as it was then, continues bit for bit:

    - Of samples by index (a DataLoader of a dataset with ``__getitem__``), no sample that was consumed is loaded again.
    - Worker processes begin in the random states in which theirs were behind the last batch that was consumed; batches keep their worker.
    - A StatefulDataLoader of an iterable or a stateful dataset, and anything else with ``state_dict`` and ``load_state_dict``, is given its
      own state back, and workers their random states beside it, where torchdata has none. It is asked for it behind every batch.
    - Whatever else there is is begun as the epoch was and drawn from up to the position, with a HoldallWarning where that is long.

    Generators that loader, sampler, dataset or collate_fn hold as attributes are part of a position, as are the epochs that samplers count.
    What a position cannot hold is what an iterable in this process (no workers) keeps from random numbers that it drew in the middle of an
    epoch from a generator that the training draws from too, and other changes that workers make to their copies of the dataset.

    Raises UnsupportedError for ``in_order=False``: batches come as workers finish, which nothing can repeat.
    """

    def __init__(self, loader: Any) -> None:
        if getattr(loader, "in_order", None) is False and getattr(loader, "num_workers", None):
            raise UnsupportedError("in_order=False gives batches in the order in which workers finish, which no resume can repeat")
        if not callable(loader) and not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__"):
            raise TypeError(f"a loader is something to iterate over, or a function that returns that, not {type(loader).__name__}")
        self._loader = loader
        self._source = _feed_sources.source_of(loader)
        self._start: dict[str, Any] | None = None
        self._end: dict[str, Any] | None = None
        self._consumed = 0
        self._given: Mapping[str, Any] | None = None
        # Which of the iterations so far is the one that runs, None when none does.
        self._turns = 0
        self._turn: int | None = None

    def batches(self, position: Mapping[str, Any] | None = None, ready: Callable[[], None] | None = None) -> Iterator[Any]:
        """The batches of one epoch: all of them, or those behind a `position`, none where that is at the end of its epoch.

        With a position the random generators are set to what they were when its epoch began, so that the loader is made to go where it
        was; whoever has the generators' states of the position sets them in `ready`, which is called before the first new batch is
        fetched. A position at the end of an epoch leaves them as the end of that epoch did, and then calls `ready`. Without a
        position `ready` is called first. Leaving the loop early ends the worker processes, but for those of persistent_workers.

        Raises MismatchError, before anything is consumed, for a position of another loader: other lengths, batch sizes, numbers of workers,
        classes of samplers; CorruptError for what is no position.
        """
        if position is not None:
            _check(position, self._loader, self._source.parts)
        self._given = position
        return self._run(position, ready)

    def position(self) -> dict[str, Any]:
        """Behind the batch handed out last: plain values and tensors, for holdall.save or torch.save."""
        if self._given is not None:
            return dict(self._given)
        loader = describe(self._loader)
        if loader["batches"] is not None and self._consumed > loader["batches"]:
            loader["batches"] = None
        found = {"version": _VERSION, "loader": loader, "consumed": self._consumed, "start": self._start, "end": self._end}
        if self._start is None:
            return found
        return {**found, "held": _held.state(self._loader), **self._source.extra(self._end is not None)}

    def close(self) -> None:
        """Ends the worker processes that persistent_workers keeps."""
        self._source.forget()

    def _run(self, position: Mapping[str, Any] | None, ready: Callable[[], None] | None) -> Iterator[Any]:
        if self._turn is not None:
            self._source.close()
        self._turns += 1
        turn = self._turn = self._turns
        try:
            items = self._begun(position, ready)
            for batch in items:
                self._consumed += 1
                yield batch
            if position is None or position["end"] is None:
                self._end = _random.states()
        finally:
            items = iter(())
            if turn == self._turn:
                self._turn = None
                self._source.close()

    def _begun(self, position: Mapping[str, Any] | None, ready: Callable[[], None] | None) -> Iterator[Any]:
        if position is not None and position["start"] is not None:
            items = self._resumed(position)
            if ready is not None:
                ready()
            return items
        if ready is not None:
            ready()
        start = {"random": _random.states(), "held": _held.state(self._loader)}
        self._given, self._end, self._consumed, self._start = None, None, 0, start
        return self._source.fresh()

    def _resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        done = position["end"] is not None
        before = {"random": _random.states(), "held": _held.state(self._loader)}
        try:
            self._restore(position["start"])
            if done:
                self._source.finished(position)
                items: Iterator[Any] = iter(())
            else:
                items = self._source.resumed(position)
            missing = _held.set_state(self._loader, position["held"])
            if done:
                _random.set_states(position["end"])
        except BaseException:
            self._restore(before)
            raise
        if missing:
            text = f"generators that the loader held when its position was taken are not there, and start anew: {', '.join(missing)}"
            warnings.warn(text, HoldallWarning, stacklevel=2)
        # At the end of an epoch the position stays what it is until another one begins.
        self._given = position if done else None
        self._start, self._end, self._consumed = position["start"], position["end"], position["consumed"]
        return items

    def _restore(self, start: Mapping[str, Any]) -> None:
        _random.set_states(start["random"])
        _held.set_state(self._loader, start["held"])


def describe(loader: Any) -> dict[str, Any]:
    """What tells a loader from others, as plain values: None where it does not say."""
    of = type(loader)
    dataset, sampler, batch_sampler = (getattr(loader, name, None) for name in ("dataset", "sampler", "batch_sampler"))
    found = {"class": f"{of.__module__}.{of.__qualname__}", "batches": None if isinstance(dataset, IterableDataset) else _length(loader)}
    for name in ("batch_size", "drop_last", "num_workers", "persistent_workers"):
        value = getattr(loader, name, None)
        found[name] = value if isinstance(value, int) else None
    for name, part in (("sampler", sampler), ("batch_sampler", batch_sampler)):
        found[name] = None if part is None else f"{type(part).__module__}.{type(part).__qualname__}"
    found["samples"] = None if dataset is None else _length(dataset)
    for name in ("num_replicas", "rank"):
        value = getattr(sampler, name, None)
        found[name] = value if isinstance(value, int) else None
    return found


def _length(value: Any) -> int | None:
    try:
        return int(len(value))
    except (TypeError, NotImplementedError, AttributeError, OverflowError):
        return None


_PARTS = {"version", "loader", "consumed", "start", "end"}


def _check(position: Any, loader: Any, parts: frozenset[str]) -> None:
    """Raises CorruptError, MismatchError."""
    if not isinstance(position, Mapping) or not set(position) >= _PARTS or not isinstance(position["loader"], Mapping):
        raise CorruptError(f"no position in data: {repr(position)[:100]}")
    if position["version"] != _VERSION:
        raise UnsupportedError(f"the position has version {position['version']!r}, this is for {_VERSION}")
    consumed, start = position["consumed"], position["start"]
    if type(consumed) is not int or consumed < 0 or (start is None and (consumed or position["end"] is not None)):
        raise CorruptError(f"no position in data: behind {repr(consumed)[:100]} batches of an epoch that {'has' if start else 'has not'} begun")
    here, there = describe(loader), position["loader"]
    differing = [
        f"{name} was {there.get(name)}, is {value}"
        for name, value in here.items()
        if there.get(name) != value and not (name in _UNSURE and None in (value, there.get(name)))
    ]
    if differing:
        raise MismatchError(f"the position is one in another loader: {'; '.join(differing)}")
    if there.get("batches") is not None and consumed > there["batches"]:
        raise MismatchError(f"the position lies behind {consumed} batches, the loader has {there['batches']}")
    if start is not None:
        _check_parts(position, start, parts, loader)


def _check_parts(position: Mapping[str, Any], start: Any, parts: frozenset[str], loader: Any) -> None:
    lacking = [name for name in sorted(parts | {"held"}) if name not in position]
    if lacking:
        raise CorruptError(f"no position in data: {', '.join(lacking)} not there")
    held = [isinstance(start, Mapping) and "random" in start and start.get("held"), position["held"]]
    if not all(isinstance(own, Mapping) and {"generators", "counters"} <= set(own) for own in held):
        raise CorruptError("no position in data: the states that its loader held are not there")
    workers = position.get("workers")
    if "workers" in parts and (
        not isinstance(workers, Mapping)
        or not {"again", "birth", "states", "indices"} <= set(workers)
        or len(workers["states"]) != loader.num_workers
        or (workers["again"] and workers["birth"] is None and "state" not in parts)
    ):
        raise CorruptError("no position in data: the states of its workers are not there")


# Lengths that not every loader knows, or not rightly.
_UNSURE = ("batches",)
