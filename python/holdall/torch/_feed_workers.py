"""A DataLoader whose workers tell, with each batch, in which states it left their random generators, and can be started in such states.

The user's objects stay as they are: what is changed are a shallow copy of the loader and, inside the worker processes, the fetcher that
torch makes there.
"""

from __future__ import annotations

import collections
import itertools
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, _DatasetKind
from torch.utils.data._utils.pin_memory import pin_memory

from .. import _random
from ..errors import MismatchError
from . import _held

# Bytes of the pickled states of one worker at most.
_SLOT = 1 << 16
BEGUN, ENDED = 0, 1


class Nothing:
    """An index that stands for a batch consumed long ago: its worker gives nothing for it, and touches neither data nor generators."""


class Sent:
    """What a worker sends: a batch, by which worker, and the raw states of its generators, None where they are as it sent them before."""

    __slots__ = ("batch", "states", "worker")

    def __init__(self, batch: Any, worker: int, states: dict[str, Any] | None) -> None:
        self.batch = batch
        self.worker = worker
        self.states = states

    def __reduce__(self) -> tuple[Any, ...]:
        return Sent, (self.batch, self.worker, self.states)

    def pin_memory(self) -> Sent:
        """Called by torch, in its own thread, where batches are to be pinned."""
        return Sent(pin_memory(self.batch), self.worker, self.states)  # type: ignore[no-untyped-call]


class Start:
    """The worker_init_fn: the user's own, then states to start in, by worker.

    `late`: the states are those behind the making of the fetcher, which restores the dataset, and not before it.
    """

    def __init__(
        self, init: Callable[[int], None] | None, states: Sequence[dict[str, Any] | None], notes: torch.Tensor | None, late: bool = False
    ) -> None:
        self.init = init
        self.states = states
        self.notes = notes
        self.late = late

    def __call__(self, worker: int) -> None:
        signals = sys.modules.get("holdall.checkpoints._signals")
        if signals is not None:
            signals.in_worker()
        if self.init is not None:
            self.init(worker)
        own = _Worker(worker, self.states[worker] if worker < len(self.states) else None, self.notes)
        create: Any = _DatasetKind.create_fetcher

        def create_fetcher(kind: Any, dataset: Any, auto_collation: Any, collate_fn: Any, drop_last: Any) -> Any:
            own.held = _held.generators({"dataset": dataset, "collate_fn": collate_fn})
            if not self.late:
                own.start()
            fetcher = create(kind, dataset, auto_collation, collate_fn, drop_last)
            if self.late and own.due is None:
                own.note(BEGUN)
            fetch = fetcher.fetch
            fetcher.fetch = lambda index: own.fetch(fetch, index)
            return fetcher

        setattr(_DatasetKind, "create_fetcher", staticmethod(create_fetcher))


class _Worker:
    """Lives in a worker process, from epoch to epoch."""

    def __init__(self, number: int, due: dict[str, Any] | None, notes: torch.Tensor | None) -> None:
        self.number = number
        self.due = due
        self.notes = notes
        self.held: dict[str, Any] = {}
        self.told: dict[str, Any] | None = None

    def start(self) -> None:
        if self.due is not None:
            due, self.due = self.due, None
            _random.set_states(due["process"])
            for path, state in due["held"].items():
                if path in self.held:
                    _random.set_state_of(self.held[path], state)

    def fetch(self, fetch: Callable[[Any], Any], index: Any) -> Sent:
        if isinstance(index, Nothing):
            return Sent(None, self.number, None)
        self.start()
        try:
            batch = fetch(index)
        except StopIteration:
            self.note(ENDED)
            raise
        states = self.states()
        if self.told is not None and _random.same(states, self.told):
            return Sent(batch, self.number, None)
        self.told = states
        return Sent(batch, self.number, states)

    def note(self, when: int) -> None:
        """Tells the states where there is no batch to send them with."""
        if self.notes is not None:
            _write(self.notes[when, self.number], self.states())

    def states(self) -> dict[str, Any]:
        found = _random.raw_states()
        for path, generator in self.held.items():
            found[f"held {path}"] = {"kind": _random.kind_of(generator), "state": _random.raw_of(generator)}
        return found


def packed(states: dict[str, Any]) -> dict[str, Any]:
    """The states that a worker sent as plain values and tensors, for a position."""
    held = {name.removeprefix("held "): _random.packed(raw) for name, raw in states.items() if name[:5] == "held "}
    return {"process": {name: _random.packed(raw) for name, raw in states.items() if name[:5] != "held "}, "held": held}


def notes_of(workers: int) -> torch.Tensor:
    """Memory that workers write their states into when there is no batch to send them with: when an epoch has begun, and when it has ended.
    [BEGUN | ENDED, workers, bytes]."""
    made = torch.zeros(2, workers, _SLOT, dtype=torch.uint8)
    made.share_memory_()  # type: ignore[no-untyped-call]
    return made


def _write(slot: torch.Tensor, states: dict[str, Any]) -> None:
    data = pickle.dumps(states)
    if len(data) <= _SLOT - 8:
        slot[: 8 + len(data)] = torch.frombuffer(bytearray(len(data).to_bytes(8, "little") + data), dtype=torch.uint8)


def read(slot: torch.Tensor) -> dict[str, Any] | None:
    data = slot.numpy().tobytes()
    size = int.from_bytes(data[:8], "little")
    slot.zero_()
    return pickle.loads(data[8 : 8 + size]) if size else None


class Indices:
    """In the place of a loader's batch sampler: the same, and it can pass over what was consumed, and tells what is on its way to workers.

    `skip`: batches that the next iteration passes over, before it gives those in `before` and then the sampler's own. `again`: of the two
    iterators that a new iterator of the loader asks for, only the second is the sampler's, as for one that lives on from epoch to epoch.
    `told` is called behind the first. `asked`: so many times the sampler is asked for an iterator, then the last is given again.
    """

    def __init__(
        self,
        sampler: Iterable[Any],
        skip: int = 0,
        before: Sequence[Any] = (),
        again: bool = False,
        told: Callable[[], None] | None = None,
        asked: int = -1,
    ) -> None:
        self.sampler = sampler
        self.current = _Iteration(iter(()))
        self.next: tuple[int, Sequence[Any]] = (skip, before)
        self.again = again
        self.told = told
        self.asked = asked

    def __len__(self) -> int:
        return len(self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> _Iteration:
        if self.again or not self.asked:
            self.again = False
            return self.current
        self.asked -= 1
        self.current = _Iteration(iter(self.sampler), *self.next)
        if self.told is not None:
            self.told()
            self.told = None
        return self.current

    def passed(self) -> None:
        """What was to be passed over is, and iterations from now on begin at the beginning. Raises MismatchError."""
        self.current.pass_over()
        self.next, self.asked = (0, ()), -1


class _Iteration:
    """`sent`: what was given and not yet taken off by whoever consumes the batches."""

    def __init__(self, real: Iterator[Any], skip: int = 0, before: Sequence[Any] = ()) -> None:
        self.real = real
        self.skip = skip
        self.before = collections.deque(before)
        self.sent: collections.deque[Any] = collections.deque()
        self.stopped = False

    def __iter__(self) -> _Iteration:
        return self

    def __next__(self) -> Any:
        if self.skip:
            self.pass_over()
        if self.stopped:
            raise StopIteration
        index = self.before.popleft() if self.before else next(self.real)
        self.sent.append(index)
        return index

    def pass_over(self) -> None:
        count, self.skip = self.skip, 0
        passed = sum(1 for _ in itertools.islice(self.real, count))
        if passed < count:
            raise MismatchError(f"the position lies behind {count} batches, the loader has {passed}")


def copy_of(loader: Any, of: type, **changes: Any) -> Any:
    """A shallow copy of a DataLoader as an instance of `of`, some attributes changed; no iterator is running on it."""
    made: Any = object.__new__(of)
    made.__dict__.update(loader.__dict__)
    made.__dict__.update(changes, _iterator=None)
    return made


def is_plain(of: type) -> bool:
    """Whether a class iterates as torch's DataLoader does."""
    names = ("__iter__", "_get_iterator", "_index_sampler", "_auto_collation")
    return issubclass(of, DataLoader) and all(getattr(of, name) is getattr(DataLoader, name) for name in names)
