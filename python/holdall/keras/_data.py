"""Where fit() is in its data, and how it is brought there again: the iterators that it has made, what it has drawn from the one that runs."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from .. import _random
from ..errors import CorruptError, HoldallWarning, MismatchError
from . import _dataset, _seeds

State = dict[str, Any]
# Data whose batches are made by a thread of TensorFlow's or of Keras's, ahead of the training, in the order of the training.
_THREADED = ("PyDatasetAdapter", "GeneratorDataAdapter", "TorchDataLoaderAdapter")
# An iterator of data sets that shuffle under these goes by what was drawn from the iterators before it, not by their number alone.
_REPEATS = ("RepeatDataset", "CacheDataset", "SnapshotDataset")
_SHUFFLES = ("ShuffleDataset", "RandomDataset")
_AHEAD = ("PrefetchDataset", "ParallelMapDataset", "ParallelBatchDataset")
# Iterators of one training.
_MOST = 1 << 24


class Data:
    """Of one fit(), by keras's EpochIterator of it."""

    def __init__(self, epochs: Any) -> None:
        self._epochs = epochs
        self._adapter = epochs.data_adapter
        self._counted = _count_iterators(epochs)
        self._start: State = {}
        self._random: Any = None
        self._passed = 0
        self._batches: int | None = None
        self._items: Any = None
        self._dataset = getattr(self._adapter, "py_dataset", None)
        self._loader = getattr(self._adapter, "_dataloader", None)
        self._first = {} if self._dataset is None else _dataset.attributes(self._dataset)

    @property
    def is_threaded(self) -> bool:
        """Whether random numbers are drawn ahead of the training, so that the states of a moment say nothing."""
        ahead = getattr(self._adapter, "enqueuer", None) is not None
        return ahead or (keras.backend.backend() == "tensorflow" and type(self._adapter).__name__ in _THREADED)

    def warn_of_chance(self) -> None:
        """Where TensorFlow draws an order that nobody can draw again."""
        of_arrays = type(self._adapter).__name__ == "ArrayDataAdapter"
        if of_arrays and keras.backend.backend() == "tensorflow":
            is_unseeded = bool(self._adapter._shuffle) and _seeds.tensorflow_seed() is None
        else:
            is_unseeded = self._counted is not None and any(_is_unseeded(node) for node in _nodes(self._counted.dataset))
        if is_unseeded:
            text = "TensorFlow shuffles the data without a seed, so that a resume amid an epoch gets another order: call keras.utils.set_random_seed first"
            warnings.warn(text, HoldallWarning, stacklevel=5)

    def begin_epoch(self) -> None:
        """Before the first batch of an epoch is asked for."""
        epochs = self._epochs
        items = None if epochs.steps_per_epoch is None else epochs._current_iterator
        self._random, self._passed, self._batches = None, 0, epochs._num_batches
        if items is None or items is not self._items or not epochs._steps_seen:
            if self._counted is not None:
                self._counted.left()
            self._start = self._now()
        else:
            self._random, self._passed = _random.states(), epochs._steps_seen

    def drew(self) -> None:
        """The batches of one step of fit() were drawn."""
        self._items = self._epochs._current_iterator
        if self._counted is not None:
            self._counted.drew(self._epochs.steps_per_execution)

    def _now(self) -> State:
        start: State = {"random": _random.states(), "seeds": _seeds.taken()}
        if self._counted is not None:
            start["made"], start["drawn"] = self._counted.made, [list(entry) for entry in self._counted.entries]
        if self._dataset is not None:
            start["dataset"] = _dataset.state(self._dataset, self._first)
        if self._loader is not None:
            from ..torch import _held

            start["loader"] = _held.state(self._loader)
        return start

    def position(self) -> State:
        """Of the beginning of this epoch, as plain values and arrays: "iterator", what was when the iterator was made; "passed", batches that
        earlier epochs drew from it; "random", the random states when the epoch began, None where it began with the iterator."""
        epochs = self._epochs
        return {
            "adapter": type(self._adapter).__name__,
            "steps_per_epoch": epochs.steps_per_epoch,
            "steps_per_execution": epochs.steps_per_execution,
            "batches": self._batches,
            "iterator": self._start,
            "passed": self._passed,
            "random": self._random,
        }

    def check(self, position: Any) -> None:
        """Raises MismatchError for the position in other data, CorruptError for none."""
        if not isinstance(position, Mapping) or not _PARTS <= set(position) or not isinstance(position["iterator"], Mapping):
            raise CorruptError("the position in the data is none")
        here = {"the kind of data": type(self._adapter).__name__, "steps_per_epoch": self._epochs.steps_per_epoch}
        here["steps_per_execution"] = self._epochs.steps_per_execution
        then = {name: position[part] for name, part in zip(here, ("adapter", "steps_per_epoch", "steps_per_execution"), strict=True)}
        if self._epochs._num_batches is not None:
            here["the number of batches"], then["the number of batches"] = self._epochs._num_batches, position["batches"]
        differing = [f"{what} was {then[what]}, and is {now}" for what, now in here.items() if then[what] != now]
        if differing:
            raise MismatchError(f"this is not the fit() that was interrupted: {'; '.join(differing)}")

    def go_to(self, position: Mapping[str, Any]) -> None:
        """To the beginning of the epoch: what is asked for next comes as it did then."""
        start, epochs, passed = position["iterator"], self._epochs, int(position["passed"])
        if self._dataset is not None:
            _dataset.put_state(self._dataset, start.get("dataset"))
        if self._loader is not None and start.get("loader") is not None:
            from ..torch import _held

            _held.set_state(self._loader, start["loader"])
        if self._counted is not None:
            self._counted.go_on(int(start["made"]), start["drawn"])
        self._start, self._random, self._passed = dict(start), position["random"], passed
        epochs._num_batches = self._batches = position["batches"]
        _seeds.put(start["seeds"])
        _random.set_states(start["random"])
        epochs._steps_seen = 0
        if passed:
            epochs._current_iterator = self._items = iter(epochs._get_iterator())
            _random.set_states(start["random"])
            if draw(self._items, passed) < passed:
                raise MismatchError(f"the interrupted fit() had drawn {passed} batches before this epoch; now there are fewer")
            epochs._steps_seen = passed
            if self._counted is not None:
                self._counted.drew(passed)
        if self._random is not None and not self.is_threaded:
            _random.set_states(self._random)


_PARTS = {"adapter", "steps_per_epoch", "steps_per_execution", "batches", "iterator", "passed", "random"}


def draw(items: Iterator[Any], count: int) -> int:
    """Draws batches that nobody trains on; returns how many there were."""
    return sum(1 for _ in itertools.islice(items, count))


class Counted:
    """A data set of TensorFlow's that counts its iterators: what it shuffles to goes by that count."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.made = self._number = 0
        # Of iterators that were drawn from and left: (number, batches). Kept where later ones go by it.
        self.entries: list[tuple[int, int]] = []
        self._batches = 0
        self._shuffles = any(_is(node, _SHUFFLES) for node in _nodes(dataset))
        self._is_ahead = any(_is(node, _AHEAD) for node in _nodes(dataset))
        self._repeats = any(_is(node, _REPEATS) and any(_is(under, _SHUFFLES) for under in _nodes(node)) for node in _nodes(dataset))

    def __iter__(self) -> Any:
        self.made += 1
        return iter(self.dataset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def drew(self, batches: int) -> None:
        if not self._batches:
            self._number = self.made
        self._batches += batches

    def left(self) -> None:
        """Another iterator is used from now on."""
        if self._repeats and self._batches:
            self.entries.append((self._number, self._batches))
        self._batches = 0

    def go_on(self, made: int, entries: list[Any]) -> None:
        """Makes iterators until as many have been made."""
        self.entries = [(int(number), int(batches)) for number, batches in entries]
        if not 0 <= made <= _MOST:
            raise CorruptError(f"{made} iterators of the data were made")
        drawn = dict(self.entries)
        while self._shuffles and self.made < made:
            items = iter(self)
            count = drawn.get(self.made, 0)
            # What works ahead has met the end, and a data set that repeats draws a seed there.
            draw(items, count + 1 if count and self._is_ahead else count)
        self.made = made


def _count_iterators(epochs: Any) -> Counted | None:
    """Puts a Counted in the place of TensorFlow's data set that fit() iterates over, where it does over one."""
    if hasattr(epochs, "_distributed_dataset"):
        epochs._distributed_dataset = _counted(epochs._distributed_dataset)
        return epochs._distributed_dataset  # type: ignore[no-any-return]
    adapter = epochs.data_adapter
    if type(adapter).__name__ != "TFDatasetAdapter":
        return None
    adapter._dataset = _counted(adapter._dataset)
    return adapter._dataset  # type: ignore[no-any-return]


def _counted(dataset: Any) -> Counted:
    return dataset if isinstance(dataset, Counted) else Counted(dataset)


def _nodes(dataset: Any) -> Iterator[Any]:
    """The data set and those that it is made of."""
    todo, seen = [dataset], 0
    while todo and seen < _MOST:
        node = todo.pop()
        seen += 1
        yield node
        todo += node._inputs() if callable(getattr(node, "_inputs", None)) else []


def _is(node: Any, names: tuple[str, ...]) -> bool:
    return type(node).__name__.lstrip("_") in names


def _is_unseeded(node: Any) -> bool:
    seeds = [getattr(node, name, None) for name in ("_seed", "_seed2")]
    return _is(node, _SHUFFLES) and all(seed is not None and int(seed) == 0 for seed in seeds)
