"""How the batches of one epoch come out of each kind of loader, from the beginning or from a position on."""

from __future__ import annotations

import contextlib
import copy
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy
import torch
from torch.utils.data import DataLoader, IterableDataset

from .. import _random
from ..errors import HoldallWarning, MismatchError
from . import _feed_workers
from ._feed_workers import Indices, Nothing, Start, copy_of

# Passing over more batches than this by loading them is worth a warning.
_SLOW = 1000
# Batches whose states are noted, at some 10 KB each.
_NOTED = 500
_STATEFUL = "torchdata.stateful_dataloader.stateful_dataloader"


def source_of(loader: Any) -> Source:
    of = type(loader)
    if issubclass(of, DataLoader):
        is_map = not isinstance(loader.dataset, IterableDataset)
        ours = of.__module__ == _STATEFUL
        if _feed_workers.is_plain(of) or (ours and not _has_own_state(loader)):
            if loader.num_workers:
                return Workers(loader, DataLoader if ours else of, is_map)
            if is_map:
                return Indexed(loader, DataLoader if ours else of)
        elif ours:
            return StatefulWorkers(loader) if loader.num_workers else Stateful(loader)
    return Drawn(loader)


def _keeps_state(value: Any) -> bool:
    return callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None))


def _has_own_state(loader: Any) -> bool:
    """Whether there is more to a StatefulDataLoader than samplers that can be asked again."""
    return isinstance(loader.dataset, IterableDataset) or _keeps_state(loader.dataset) or not _can_ask_again(loader)


def _can_ask_again(loader: Any) -> bool:
    samplers = [loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)]
    return not any(_keeps_state(sampler) and not _is_torchs(sampler) for sampler in samplers)


def _is_torchs(sampler: Any) -> bool:
    return type(sampler).__module__.partition(".")[0] in ("torch", "torchdata")


class Source:
    """Of one loader, for many epochs."""

    # What `extra` gives: what a position holds beside what every position does.
    parts: frozenset[str] = frozenset()

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def fresh(self) -> Iterator[Any]:
        raise NotImplementedError

    def resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        """Behind what was consumed; the generators are in the states of the start of the epoch. Raises MismatchError."""
        raise NotImplementedError

    def finished(self, position: Mapping[str, Any]) -> None:
        """The next epoch is the one behind `position`, which is at the end of one."""

    def extra(self, done: bool) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Whoever consumed the batches has stopped."""

    def forget(self) -> None:
        """Ends workers that live on."""


class Indexed(Source):
    """Samples by index in this process: batches of indices are passed over, no sample is loaded for them."""

    def __init__(self, loader: Any, of: type) -> None:
        super().__init__(loader)
        self.of = of

    def fresh(self) -> Iterator[Any]:
        return iter(self.loader)

    def resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        indices = Indices(self.loader._index_sampler, position["consumed"])
        items: Iterator[Any] = iter(copy_of(self.loader, self.of, **_in_place(self.loader, indices)))
        indices.passed()
        return items


def _in_place(loader: Any, indices: Indices) -> dict[str, Any]:
    return {"sampler" if loader.batch_sampler is None else "batch_sampler": indices}


class Workers(Source):
    """A DataLoader with worker processes. Of samples by index, worker w makes the batches k with k % workers == w, however often resumed."""

    parts = frozenset({"workers"})

    def __init__(self, loader: Any, of: type, is_map: bool) -> None:
        super().__init__(loader)
        self.of = of
        self.is_map = is_map
        self.count: int = loader.num_workers
        self.lives_on = bool(loader.persistent_workers)
        self.items: Any = None
        self.forget()

    def forget(self) -> None:
        """Ends the workers."""
        if self.items is not None:
            self.items._shutdown_workers()
        self.copy: Any = None
        self.items = None
        self.indices: Any = None
        self.notes: torch.Tensor | None = None
        # Of each worker, raw or packed: behind its last batch that was consumed; when the epoch began.
        self.states: list[dict[str, Any] | None] = [None] * self.count
        self.at_start = list(self.states)
        # The state of the generator that the seed of the workers is drawn from; whether this is not their first epoch.
        self.birth: Any = None
        self.again = False

    def fresh(self) -> Iterator[Any]:
        if self.lives_on and self.items is not None:
            self._drain()
            self.again = True
        elif not (self.again and self.copy is None):
            self.forget()
        self.at_start = list(self.states)
        return self._begun()

    def resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        self._recall(position)
        consumed = position["consumed"]
        if not self.is_map:
            return _passed(self._begun(), consumed)
        own = position["workers"]
        recorded = _indices(own["indices"])
        skip, past = consumed + len(recorded), consumed % self.count
        batches = self._begun(skip, [*[Nothing()] * past, *recorded])
        self.indices.passed()
        return _passed(batches, past)

    def finished(self, position: Mapping[str, Any]) -> None:
        if self.lives_on:
            self._recall(position)
            self.again = True

    def _recall(self, position: Mapping[str, Any]) -> None:
        self.forget()
        own = position["workers"]
        self.again, self.birth, self.states = own["again"], own["birth"], list(own["states"])
        self.at_start = list(self.states)

    def _begun(self, skip: int = 0, before: Sequence[Any] = ()) -> Iterator[Any]:
        if self.copy is None:
            self.copy = self._copied(skip, before)
        self.items = iter(self.copy)
        return self._batches(self.items)

    def _copied(self, skip: int, before: Sequence[Any]) -> Any:
        if self.lives_on and not self.is_map:
            self.notes = _feed_workers.notes_of(self.count)
        start = Start(self.loader.worker_init_fn, list(map(_packed, self.states)), self.notes)
        self.indices = Indices(self.loader._index_sampler, skip, before, self.again, None if self.again else self._note_birth)
        changes = {"worker_init_fn": start, **_in_place(self.loader, self.indices)}
        if self.again:
            changes["generator"] = torch.Generator()
            changes["generator"].set_state(self.birth)
        return copy_of(self.loader, self.of, **changes)

    def _note_birth(self) -> None:
        self.birth = (self.loader.generator or torch.default_generator).get_state() if self.lives_on else None

    def _batches(self, items: Iterator[Any]) -> Iterator[Any]:
        sent = self.indices.current.sent
        for one in items:
            if one.states is not None:
                self.states[one.worker] = one.states
            sent.popleft()
            yield one.batch

    def _drain(self) -> None:
        """What was on its way when an epoch was left early is made, and its makers' generators have advanced."""
        if self.indices.current.stopped:
            for _ in self._batches(self.items):
                pass
        self._read(_feed_workers.ENDED)

    def _read(self, when: int) -> None:
        if self.notes is not None:
            self.states = [_feed_workers.read(slot) or own for slot, own in zip(self.notes[when], self.states, strict=True)]

    def extra(self, done: bool) -> dict[str, Any]:
        if self.lives_on and done:
            self._read(_feed_workers.ENDED)
        states = list(map(_packed, self.states if self.is_map or done else self.at_start))
        ahead = list(self.indices.current.sent) if self.is_map and self.indices is not None and not done else []
        # torch's own samplers draw once, or from a generator of their own; others may draw each index from the process's generators.
        foreign = any(part is not None and not _is_torchs(part) for part in (self.loader.sampler, self.loader.batch_sampler))
        indices = _described(ahead) if foreign else None
        return {"workers": {"again": self.again, "birth": self.birth, "states": states, "indices": indices}}

    def close(self) -> None:
        if self.items is None:
            return
        if self.lives_on:
            self.indices.current.stopped = True
        else:
            self.items._shutdown_workers()


def _packed(states: dict[str, Any] | None) -> dict[str, Any] | None:
    return states if states is None or "process" in states else _feed_workers.packed(states)


def _described(indices: Sequence[Any]) -> dict[str, Any] | None:
    """Indices on their way to workers as plain values and tensors; None where they are of other classes. `_indices` reads it."""
    rows = [index if type(index) is list else [index] for index in indices]
    kinds = {type(value) for row in rows for value in row}
    if len(kinds) == 1 and not {int, numpy.int64}.isdisjoint(kinds):
        lengths = [len(index) if type(index) is list else -1 for index in indices]
        try:
            values = torch.tensor([int(value) for row in rows for value in row], dtype=torch.int64)
        except (OverflowError, RuntimeError):
            return None
        return {"kind": kinds.pop().__name__, "values": values, "lengths": torch.tensor(lengths, dtype=torch.int64)}
    plain = kinds <= {int, str, float, bool, bytes, type(None)}
    return {"kind": "plain", "values": list(indices), "lengths": None} if plain else None


def _indices(described: Mapping[str, Any] | None) -> list[Any]:
    if described is None or described["kind"] == "plain":
        return [] if described is None else list(described["values"])
    of = numpy.int64 if described["kind"] == "int64" else int
    values = iter(described["values"].tolist())
    lengths = described["lengths"].tolist()
    return [of(next(values)) if length < 0 else [of(value) for value in itertools.islice(values, length)] for length in lengths]


class Stateful(Source):
    """torchdata's StatefulDataLoader without workers, by its own state."""

    parts = frozenset({"state"})

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        # The loader, or a copy of it for the epoch of a resume.
        self.current = loader

    def fresh(self) -> Iterator[Any]:
        self.current = self.loader
        return iter(self.loader)

    def resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        indices = _asked_once(self.loader)
        self.current = self.loader if indices is None else copy_of(self.loader, type(self.loader), **_in_place(self.loader, indices))
        self.current.load_state_dict(copy.deepcopy(position["state"]))
        items: Any = iter(self.current)
        # It passes over indices when the first batch is asked for, which may be too late: the sampler draws where it is begun.
        if indices is not None:
            items._sampler_iter = itertools.chain(list(itertools.islice(items._sampler_iter, 1)), items._sampler_iter)
            indices.passed()
        return items  # type: ignore[no-any-return]

    def finished(self, position: Mapping[str, Any]) -> None:
        self.current = self.loader
        self.loader.load_state_dict(copy.deepcopy(position["state"]))
        self.loader._get_iterator()

    def extra(self, done: bool) -> dict[str, Any]:
        return {"state": copy.deepcopy(self.current.state_dict())}


def _asked_once(loader: Any, again: bool = False) -> Indices | None:
    """For a StatefulDataLoader that begins anew where its state says: it would ask the sampler for one more iterator than it did at the
    beginning of the epoch, and the sampler may draw for each. None where the sampler has a state of its own."""
    if isinstance(loader.dataset, IterableDataset) or not _can_ask_again(loader):
        return None
    return Indices(loader._index_sampler, again=again, asked=2 if loader.num_workers and not again else 1)


class StatefulWorkers(Workers):
    """torchdata's StatefulDataLoader with workers, by its own state, which lacks their random generators."""

    parts = frozenset({"workers", "state"})

    def __init__(self, loader: Any) -> None:
        super().__init__(loader, type(loader), False)

    def fresh(self) -> Iterator[Any]:
        batches = super().fresh()
        self._read(_feed_workers.BEGUN)
        return batches

    def resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        self._recall(position)
        indices = self._stateful(position["state"])
        batches = self._begun()
        if indices is not None:
            indices.passed()
        return batches

    def finished(self, position: Mapping[str, Any]) -> None:
        if self.lives_on:
            self._recall(position)
            indices = self._stateful(position["state"])
            self.copy._iterator = self.items = self.copy._get_iterator()
            if indices is not None:
                indices.passed()

    def _stateful(self, state: Any) -> Indices | None:
        self.copy = self._copied(0, ())
        indices = _asked_once(self.loader, self.again)
        self.copy.__dict__.update({} if indices is None else _in_place(self.loader, indices))
        if self.again:
            # The seed of the workers is in the state.
            self.copy.generator = torch.Generator()
        self.copy.load_state_dict(copy.deepcopy(state))
        return indices

    def _copied(self, skip: int, before: Sequence[Any]) -> Any:
        self.notes = _feed_workers.notes_of(self.count) if self.lives_on else None
        start = Start(self.loader.worker_init_fn, list(map(_packed, self.states)), self.notes, late=True)
        return copy_of(self.loader, self.of, worker_init_fn=start, snapshot_every_n_steps=1)

    def _batches(self, items: Iterator[Any]) -> Iterator[Any]:
        for one in items:
            if one.states is not None:
                self.states[one.worker] = one.states
            yield one.batch

    def _drain(self) -> None:
        pass

    def extra(self, done: bool) -> dict[str, Any]:
        if done:
            self._read(_feed_workers.ENDED)
        workers = {"again": self.again, "birth": None, "states": list(map(_packed, self.states)), "indices": None}
        return {"workers": workers, "state": copy.deepcopy(self.copy.state_dict())}

    def close(self) -> None:
        if self.items is not None and not self.lives_on:
            self.items._shutdown_workers()


class Drawn(Source):
    """Anything else that gives batches: by its own state where it has one, else what was consumed is drawn again."""

    parts = frozenset({"state", "entries", "made"})

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self.is_sequence = isinstance(loader, list | tuple | numpy.ndarray | torch.Tensor)
        # What draws in this process may do so between draws of the training from the same generators. Then each batch is drawn again
        # from the states of its own: by its number, those of generators that it drew from.
        self.watches = not self.is_sequence and not getattr(loader, "num_workers", 0)
        self.entries: dict[int, dict[str, Any]] = {}
        self.number = 0
        self.made = 0
        self.warned = False

    def _begun(self) -> Iterator[Any]:
        self.made += 1
        self.entries, self.number = {}, 0
        return iter(self.loader if hasattr(self.loader, "__iter__") or not callable(self.loader) else self.loader())

    def _watched(self, items: Iterator[Any]) -> Iterator[Any]:
        """Notes the states from which batches are drawn, of the first `_NOTED` that draw at all and of the last."""
        while self.watches:
            before = _random.raw_states()
            try:
                item = next(items)
            except StopIteration:
                return
            self.number += 1
            after = _random.raw_states()
            drew = {name: raw for name, raw in before.items() if not _random.same(raw, after[name])}
            if drew:
                if len(self.entries) > _NOTED:
                    self.entries.popitem()
                self.entries[self.number] = drew
            yield item
        yield from items

    def fresh(self) -> Iterator[Any]:
        return self._watched(self._begun())

    def resumed(self, position: Mapping[str, Any]) -> Iterator[Any]:
        count = position["consumed"]
        self._catch_up(position)
        if position["state"] is not None:
            self.loader.load_state_dict(copy.deepcopy(position["state"]))
            return self._watched(self._begun())
        self._warn(count, position["made"])
        items = self._begun()
        for number, states in position["entries"]:
            _passed(items, number - 1 - self.number, self.number)
            _random.set_states(states)
            self.entries[number] = {name: raw for name, raw in _random.raw_states().items() if name in states}
            _passed(items, 1, number - 1)
            self.number = number
        _passed(items, count - self.number, self.number)
        self.number = count
        return self._watched(items)

    def _warn(self, count: int, made: int) -> None:
        name = type(self.loader).__name__
        if made > 1 and getattr(self.loader, "persistent_workers", False) and getattr(self.loader, "num_workers", 0):
            text = f"the workers of {name} lived on from an epoch before: if they draw random numbers, they begin anew with other ones"
            warnings.warn(text, HoldallWarning, stacklevel=3)
        if count > _SLOW and not self.is_sequence and not self.warned:
            self.warned = True
            text = f"{name} has no state and no sampler to ask: {count} batches are loaded again, to be passed over"
            warnings.warn(text, HoldallWarning, stacklevel=3)

    def finished(self, position: Mapping[str, Any]) -> None:
        self._catch_up(position, 0)

    def _catch_up(self, position: Mapping[str, Any], this: int = 1) -> None:
        """TensorFlow's data sets shuffle by how often they were iterated."""
        while type(self.loader).__module__.startswith("tensorflow") and self.made < position["made"] - this:
            self._begun()
        self.made = position["made"] - this
        # accelerate has torchdata's loader begin its first epoch, and draw for it, when it is wrapped; each later one begins by itself.
        base: Any = getattr(self.loader, "base_dataloader", None)
        if self.made and type(base).__module__ == _STATEFUL:
            base.load_state_dict({})

    def extra(self, done: bool) -> dict[str, Any]:
        state = None
        # accelerate's loaders have torchdata's state where they wrap its loader, and ask the sampler only for the first batch: too late.
        if _keeps_state(self.loader) and not type(self.loader).__module__.startswith("accelerate."):
            # What wraps a loader may have its methods and not its state.
            with contextlib.suppress(AttributeError, NotImplementedError):
                state = copy.deepcopy(self.loader.state_dict())
        noted = [] if done or state is not None else list(self.entries.items())
        entries = [(number, {name: _random.packed(raw) for name, raw in drew.items()}) for number, drew in noted]
        return {"state": state, "entries": entries, "made": self.made}


def _passed(items: Iterator[Any], count: int, before: int = 0) -> Iterator[Any]:
    passed = sum(1 for _ in itertools.islice(items, count))
    if passed < count:
        raise MismatchError(f"the position lies behind {before + count} batches, the loader has {before + passed}")
    return items
