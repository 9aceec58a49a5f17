"""Loaders for test_feed.py, by name, and the processes in which they run: plainly, through a Feed, and resumed from a position.

As a program: reads one JSON object a line, {"case", "do": "plain" | "through" | "resume", …}, runs it in a new process of its own and
writes a line when that has ended.
"""

import json
import os
import random
import sys
import traceback
import warnings

import numpy
import torch
from torch.utils.data import (
    BatchSampler, DataLoader, Dataset, DistributedSampler, IterableDataset, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler,
    WeightedRandomSampler, get_worker_info,
)  # fmt: skip

import holdall
from holdall import _random
from holdall.torch._feed import Feed

SAMPLES = 23


def drawn():
    return [torch.rand(()).item(), random.random(), random.gauss(0, 1), numpy.random.rand(), numpy.random.randn()]


class Numbers(Dataset):
    """Augments: each sample holds numbers drawn from every generator. Notes down what it was asked for."""

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        if "HOLDALL_ASKED" in os.environ:
            with open(os.environ["HOLDALL_ASKED"], "a") as file:
                file.write(f"{int(index)}\n")
        return torch.tensor([float(index), *drawn()], dtype=torch.float64)


class Many(Numbers):
    def __getitems__(self, indices):
        assert indices
        return [self[index] for index in indices]


class Own(Numbers):
    """Draws from generators of its own."""

    def __init__(self):
        self.numpy = numpy.random.default_rng(7)
        self.others = {"a": [random.Random(8), numpy.random.RandomState(9)], "b": torch.Generator().manual_seed(10)}

    def __getitem__(self, index):
        first, second = self.others["a"]
        own = [self.numpy.random(), first.random(), second.rand(), torch.rand((), generator=self.others["b"]).item()]
        return torch.tensor([float(index), *own], dtype=torch.float64)


class InWorker(Numbers):
    """Looks at what torch tells it about its worker."""

    def __getitem__(self, index):
        info = get_worker_info()
        assert info is None or (type(info.dataset) is InWorker and info.dataset is self)
        place = [] if info is None else [info.id, info.num_workers, info.seed % 1000003]
        return torch.tensor([float(index), *place, *drawn()], dtype=torch.float64)


class PythonSampler(Sampler):
    """Shuffles when it is asked for an iterator, not when the first index is."""

    def __len__(self):
        return SAMPLES

    def __iter__(self):
        order = list(range(SAMPLES))
        random.shuffle(order)
        return iter(order)


class NumpySampler(PythonSampler):
    def __iter__(self):
        yield from numpy.random.permutation(SAMPLES)


class AfreshSampler(PythonSampler):
    """Draws each index when it is asked for it, from generators that the training draws from too."""

    def __iter__(self):
        for _ in range(SAMPLES):
            yield random.randrange(SAMPLES)


class CountingSampler(PythonSampler):
    """Shuffles by how many epochs there were."""

    def __init__(self):
        self.epoch = 0

    def __iter__(self):
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(self.epoch)).tolist()
        self.epoch += 1
        yield from order


class Batches(BatchSampler):
    """Batches of growing size."""

    def __iter__(self):
        indices, size = list(self.sampler), 1
        while indices:
            yield indices[:size]
            indices, size = indices[size:], size + 1

    def __len__(self):
        return 6


class Stream(IterableDataset):
    """Without a length; of unequal lengths in the workers."""

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        for index in range(worker, SAMPLES - 5 * worker, workers):
            yield torch.tensor([float(index), worker, *drawn()], dtype=torch.float64)
        drawn()


class Buffered(Stream):
    """Shuffles through a buffer, by a generator of its own."""

    def __init__(self):
        self.own = random.Random(5)

    def __iter__(self):
        buffer = []
        for sample in super().__iter__():
            buffer.append(sample)
            if len(buffer) == 5:
                yield buffer.pop(self.own.randrange(5))
        yield from buffer


class StatefulStream(Stream):
    """With a state, as torchdata's loader asks for it."""

    def __init__(self):
        self.at, self.loaded = 0, False

    def __iter__(self):
        self.at = self.at if self.loaded else 0
        self.loaded = False
        return self._rest()

    def _rest(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        while worker + self.at * workers < SAMPLES - 5 * worker:
            self.at += 1
            yield torch.tensor([float(worker + (self.at - 1) * workers), *drawn()], dtype=torch.float64)

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at, self.loaded = state["at"], True


class StatefulIterator(IterableDataset):
    """Whose iterator has the state; draws when it is made."""

    def __iter__(self):
        return _StatefulIterator()


class _StatefulIterator:
    def __init__(self):
        info = get_worker_info()
        self.worker, self.at = (info.id if info else 0), 0
        self.offset = random.random()

    def __iter__(self):
        return self

    def __next__(self):
        if self.at >= 11 - 3 * self.worker:
            raise StopIteration
        self.at += 1
        return torch.tensor([float(self.at), self.offset, *drawn()], dtype=torch.float64)

    def state_dict(self):
        return {"at": self.at, "offset": self.offset}

    def load_state_dict(self, state):
        self.at, self.offset = state["at"], state["offset"]


class StatefulNumbers(Numbers):
    """Samples by index, with a count of those that were asked for."""

    def __init__(self):
        self.count = 0

    def __getitem__(self, index):
        self.count += 1
        return torch.tensor([float(index), self.count, *drawn()], dtype=torch.float64)

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Looped(DataLoader):
    """A subclass that iterates in its own way."""

    def __iter__(self):
        for batch in super().__iter__():
            yield batch, drawn()


class Relabelled(DataLoader):
    """A subclass that leaves iterating to torch."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.label = "train"


def init(worker):
    random.seed(1000 + worker)
    numpy.random.seed(get_worker_info().seed % 2**32)


def with_noise(samples):
    return torch.stack(samples), torch.rand(2), numpy.random.rand(2)


def stateful(dataset, **settings):
    from torchdata.stateful_dataloader import StatefulDataLoader

    return StatefulDataLoader(dataset, **settings)


def accelerated(**settings):
    from accelerate import Accelerator

    return Accelerator(cpu=True).prepare(DataLoader(Numbers(), batch_size=4, shuffle=True, **settings))


def generated():
    own = random.Random(3)

    def batches():
        for index in range(9):
            yield torch.tensor([index, own.random(), *drawn()])

    return batches


def tensorflow_data():
    import tensorflow

    tensorflow.random.set_seed(3)
    return tensorflow.data.Dataset.range(SAMPLES).shuffle(SAMPLES).batch(4)


def g():
    return torch.Generator().manual_seed(11)


MAP = {
    "shuffled": lambda **own: DataLoader(Numbers(), batch_size=4, shuffle=True, **own),
    "generator": lambda **own: DataLoader(Numbers(), batch_size=4, shuffle=True, generator=g(), **own),
    "drop_last": lambda **own: DataLoader(Numbers(), batch_size=4, shuffle=True, drop_last=True, **own),
    "in_order_of_the_dataset": lambda **own: DataLoader(Numbers(), batch_size=4, **own),
    "batch_sampler": lambda **own: DataLoader(Numbers(), batch_sampler=Batches(RandomSampler(range(SAMPLES)), 1, False), **own),
    "python_sampler": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=PythonSampler(), **own),
    "numpy_sampler": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=NumpySampler(), **own),
    "afresh_sampler": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=AfreshSampler(), **own),
    "counting_sampler": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=CountingSampler(), **own),
    "list_sampler": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=[5, 3, 1, 22, 21, 4, 4], **own),
    "replacement": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=RandomSampler(range(SAMPLES), True, 70), **own),
    "replacement_generator": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=RandomSampler(range(SAMPLES), True, 70, g()), **own),
    "weighted": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=WeightedRandomSampler([1.0 + i for i in range(SAMPLES)], 20), **own),
    "subset": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=SubsetRandomSampler(range(3, 20)), **own),
    "distributed": lambda **own: DataLoader(Numbers(), batch_size=4, sampler=DistributedSampler(range(SAMPLES), 2, 1), **own),
    "single": lambda **own: DataLoader(Numbers(), batch_size=None, shuffle=True, **own),
    "single_afresh": lambda **own: DataLoader(Numbers(), batch_size=None, sampler=NumpySampler(), **own),
    "getitems": lambda **own: DataLoader(Many(), batch_size=4, shuffle=True, **own),
    "own_generators": lambda **own: DataLoader(Own(), batch_size=4, shuffle=True, **own),
    "collate": lambda **own: DataLoader(Numbers(), batch_size=4, shuffle=True, collate_fn=with_noise, **own),
    "worker_info": lambda **own: DataLoader(InWorker(), batch_size=4, shuffle=True, **own),
    "subclass": lambda **own: Relabelled(Numbers(), batch_size=4, shuffle=True, **own),
    "stateful_map": lambda **own: stateful(Numbers(), batch_size=4, shuffle=True, **own),
    "stateful_map_generator": lambda **own: stateful(Numbers(), batch_size=4, shuffle=True, generator=g(), **own),
    "stateful_counting": lambda **own: stateful(StatefulNumbers(), batch_size=4, shuffle=True, **own),
    "stateful_sampler": lambda **own: stateful(StatefulNumbers(), batch_size=4, sampler=PythonSampler(), **own),
}  # fmt: skip
ITERABLE = {
    "iterable": lambda **own: DataLoader(Stream(), batch_size=4, **own),
    "iterable_drop_last": lambda **own: DataLoader(Stream(), batch_size=4, drop_last=True, **own),
    "iterable_single": lambda **own: DataLoader(Stream(), batch_size=None, **own),
    "iterable_buffered": lambda **own: DataLoader(Buffered(), batch_size=4, **own),
    "stateful_iterable": lambda **own: stateful(StatefulStream(), batch_size=4, **own),
    "stateful_iterator": lambda **own: stateful(StatefulIterator(), batch_size=2, **own),
}
LOOPS = {
    "own_loop": lambda **own: Looped(Numbers(), batch_size=4, shuffle=True, **own),
    "accelerate": accelerated,
}
OTHER = {
    "list": lambda: [torch.tensor([float(number)]) for number in range(9)],
    "array": lambda: numpy.arange(36.0).reshape(9, 4),
    "function": generated,
}
SETTINGS = OTHER | {
    "tensorflow": tensorflow_data,
    "prefetch_1": lambda: MAP["afresh_sampler"](num_workers=2, prefetch_factor=1),
    "prefetch_5": lambda: MAP["numpy_sampler"](num_workers=3, prefetch_factor=5),
    "pinned": lambda: MAP["shuffled"](num_workers=2, pin_memory=True),
    "worker_init_fn": lambda: MAP["shuffled"](num_workers=2, worker_init_fn=init),
    "worker_init_fn-persistent": lambda: MAP["shuffled"](num_workers=2, worker_init_fn=init, persistent_workers=True),
    "spawned": lambda: MAP["shuffled"](num_workers=2, worker_init_fn=init, multiprocessing_context="spawn"),
    "more_workers_than_batches": lambda: DataLoader(Numbers(), batch_size=12, num_workers=3, shuffle=True, persistent_workers=True),
    "stateful_every_third": lambda: stateful(StatefulStream(), batch_size=2, num_workers=2, snapshot_every_n_steps=3),
}
LOADERS = dict(SETTINGS)
for _name, _make in {**MAP, **ITERABLE, **LOOPS}.items():
    LOADERS |= {f"{_name}-{workers}": (lambda make=_make, workers=workers: make(num_workers=workers)) for workers in (0, 2, 3)}
    LOADERS |= {f"{_name}-{workers}-persistent": (lambda make=_make, n=workers: make(num_workers=n, persistent_workers=True)) for workers in (2, 3)}


def seed(number):
    torch.manual_seed(number)
    random.seed(number)
    numpy.random.seed(number)


def begin_epoch(loader, epoch):
    sampler = getattr(loader, "sampler", None)
    if isinstance(sampler, DistributedSampler):
        sampler.set_epoch(epoch)


def plain(batch):
    return torch.from_numpy(batch.numpy()) if type(batch).__module__.startswith("tensorflow") else batch


class Run:
    """What one run saw: batches, and the states in which it left the generators."""

    def __init__(self, told):
        self.epochs, self.leave = told["epochs"], told.get("leave")
        self.loader = LOADERS[told["case"]]()
        self.seen = []

    def train(self, batch):
        self.seen.append(plain(batch))
        drawn()

    def result(self):
        return {"seen": self.seen, "end": _random.states()}

    def plain(self, told):
        for epoch in range(self.epochs):
            begin_epoch(self.loader, epoch)
            for number, batch in enumerate(self.loader() if callable(self.loader) else self.loader, 1):
                self.train(batch)
                if number == self.leave:
                    break
        return self.result()

    def epoch(self, feed, epoch, batches, behind=lambda epoch, number: None, number=0):
        for number, batch in enumerate(batches, number + 1):
            self.train(batch)
            if number == self.leave:
                break
            behind(epoch, number)
        else:
            behind(epoch, "end")

    def through(self, told):
        feed = Feed(self.loader)
        took = 0

        def behind(epoch, number):
            nonlocal took
            path = os.path.join(told["folder"], f"{epoch}-{number}.pt")
            if not told["behind"] or [epoch, number] in told["behind"]:
                holdall.save({"position": feed.position(), "random": _random.states(), "epoch": epoch, "seen": len(self.seen)}, path, sync=False)
                took += 1

        for epoch in range(self.epochs):
            begin_epoch(self.loader, epoch)
            self.epoch(feed, epoch, feed.batches(), behind)
        return self.result() | {"took": took}

    def resume(self, told):
        state = torch.load(told["from"], weights_only=True)
        feed = Feed(self.loader)
        first = state["epoch"]
        begin_epoch(self.loader, first)
        batches = feed.batches(state["position"], lambda: _random.set_states(state["random"]))
        self.epoch(feed, first, batches, number=state["position"]["consumed"])
        for epoch in range(first + 1, self.epochs):
            begin_epoch(self.loader, epoch)
            self.epoch(feed, epoch, feed.batches())
        return self.result()


def child(told):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ.update(told.get("environment", {}))
    try:
        seed(told.get("seed", 1))
        torch.save(getattr(Run(told), told["do"])(told), told["result"])
        code = 0
    except BaseException:
        with open(told["result"] + ".error", "w") as file:
            traceback.print_exc(file=file)
        code = 1
    sys.stdout.flush()
    os._exit(code)


def main():
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(told)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": status}), flush=True)


if __name__ == "__main__":
    main()
