"""Checkpoints of a training, by Holdall and by others: how long a step waits, how much slower steps are meanwhile, when it is on disk.

Usage: training.py WORK ARGUMENT…. The training is a small network that keeps every core busy, and a state of COUNT tensors of
FLOATS elements beside it, which every step changes a little; each work saves four times and tells the median of the last three.
"""

import os
import statistics
import time

import rivals

SAVES = 4
# Steps between two saves, and that are timed without one.
STEPS = 20
THREADS = len(os.sched_getaffinity(0))


class Training:
    def __init__(self, count, floats):
        import torch

        torch.manual_seed(1)
        torch.set_num_threads(THREADS)
        self.torch = torch
        self.module = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024) for _ in range(4)])
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=1e-3)
        self.batch = torch.randn(256, 1024)
        self.state = rivals.tensors(int(count), int(floats))

    def step(self):
        self.optimizer.zero_grad()
        self.module(self.batch).square().mean().backward()
        self.optimizer.step()
        for tensor in self.state.values():
            tensor[:1] += 1

    def steps(self):
        """Seconds of a step, on average, with nothing beside it."""
        begin = time.perf_counter()
        for _ in range(STEPS):
            self.step()
        return (time.perf_counter() - begin) / STEPS

    def state_dict(self):
        return dict(self.state)

    def load_state_dict(self, state):
        for name, tensor in self.state.items():
            tensor.copy_(state[name])


class Saves:
    """What is told of the saves but the first, which has memory to get."""

    def __init__(self):
        self.waited, self.slowed, self.whole = [], [], []

    def of(self, training, save, is_done):
        for number in range(SAVES):
            training.steps()
            begin = time.perf_counter()
            save(number)
            waited = time.perf_counter() - begin
            count, before = 0, time.perf_counter()
            while not is_done():
                training.step()
                count += 1
            whole = time.perf_counter() - begin
            if number > 0:
                self.waited.append(waited)
                self.whole.append(whole)
                if count:
                    self.slowed.append((time.perf_counter() - before) / count)

    def median(self, what):
        return rivals.Taken(statistics.median(getattr(self, what)))


def holdall(folder, count, floats, what):
    """`what`: waited, slowed or whole, of Saves."""
    import holdall

    training = Training(count, floats)
    done = []
    saves = Saves()
    yield
    with holdall.Checkpointer(folder, keep_last=1, signals=(), on_event=lambda event: done.append(event.kind)) as checkpointer:
        checkpointer.track(state=training)

        def save(number):
            done.clear()
            checkpointer.save(step=number, epoch=0)

        def is_done():
            checkpointer._dispatch()
            return "saved" in done

        saves.of(training, save, is_done)
    return saves.median(what)


def holdall_now(folder, count, floats):
    """The same save with nothing beside it."""
    import holdall

    training = Training(count, floats)
    yield
    times = []
    with holdall.Checkpointer(folder, keep_last=1, signals=()) as checkpointer:
        checkpointer.track(state=training)
        for number in range(SAVES):
            begin = time.perf_counter()
            checkpointer.save(step=number, epoch=0, wait=True)
            times.append(time.perf_counter() - begin)
    return rivals.Taken(statistics.median(times[1:]))


def dcp(folder, count, floats, what):
    """torch.distributed.checkpoint.async_save with its stager kept, files synced."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

    training = Training(count, floats)
    saves = Saves()
    stager = DefaultStager(StagingOptions(use_pinned_memory=False, use_shared_memory=True, use_async_staging=False, use_non_blocking_copy=False))
    futures = []

    def save(number):
        writer = dcp.FileSystemWriter(os.path.join(folder, str(number)), sync_files=True, single_file_per_rank=True, thread_count=THREADS)
        future = dcp.async_save(training.state_dict(), storage_writer=writer, async_stager=stager, no_dist=True)
        futures.append(getattr(future, "upload_completion", future))

    yield
    saves.of(training, save, lambda: futures[-1].done())
    stager.close()
    return saves.median(what)


def _at_once(folder, count, floats, save):
    """Seconds that the training waits for a file that is on disk then."""
    os.makedirs(folder, exist_ok=True)
    training = Training(count, floats)
    times = []
    for number in range(2):
        path = os.path.join(folder, str(number))
        begin = time.perf_counter()
        save(training.state_dict(), path)
        rivals.durable(path)
        times.append(time.perf_counter() - begin)
    return rivals.Taken(statistics.median(times))


def torch_waits(folder, count, floats):
    import torch

    yield
    return _at_once(folder, count, floats, torch.save)


def safetensors_waits(folder, count, floats):
    from safetensors.torch import save_file

    yield
    return _at_once(folder, count, floats, save_file)


def memcpy(folder, count, floats):
    """The state into memory that has been used before, by every core."""
    from concurrent.futures import ThreadPoolExecutor

    import torch

    training = Training(count, floats)
    torch.set_num_threads(1)
    copies = {name: torch.empty_like(tensor).copy_(tensor) for name, tensor in training.state.items()}
    yield
    times = []
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(SAVES):
            for _ in range(5):
                training.step()
            begin = time.perf_counter()
            list(pool.map(lambda name: copies[name].copy_(training.state[name]), copies))
            times.append(time.perf_counter() - begin)
    return rivals.Taken(statistics.median(times[1:]))


def steps_alone(folder, count, floats):
    training = Training(count, floats)
    training.steps()
    yield
    return rivals.Taken(training.steps())


def _new(bytes_):
    """A module and its AdamW, whose states will be that many bytes together once it has made a step."""
    import torch

    torch.manual_seed(1)
    size = int((int(bytes_) / 4 / 3 / 12) ** 0.5)
    module = torch.nn.Sequential(*[torch.nn.Linear(size, size) for _ in range(12)])
    return module, torch.optim.AdamW(module.parameters())


def _running(bytes_):
    import torch

    module, optimizer = _new(bytes_)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    return module, optimizer


def make_restorable(folder, bytes_):
    """What those below restore."""
    import torch

    import holdall

    module, optimizer = _running(bytes_)
    yield
    with holdall.Checkpointer(folder, signals=()) as checkpointer:
        checkpointer.track(model=module, optimizer=optimizer)
        checkpointer.save(step=1, epoch=0, wait=True)
    path = os.path.join(folder, "torch.pth")
    torch.save({"model": module.state_dict(), "optimizer": optimizer.state_dict()}, path)


def _by_holdall(folder, module, optimizer):
    import holdall

    with holdall.Checkpointer(folder, signals=()) as checkpointer:
        yield
        checkpointer.restore("latest", model=module, optimizer=optimizer)


def _by_torch(folder, module, optimizer):
    import torch

    path = os.path.join(folder, "torch.pth")
    yield
    state = torch.load(path, weights_only=True)
    module.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])


def holdall_resumes(folder, bytes_):
    yield from _by_holdall(folder, *_new(bytes_))


def torch_resumes(folder, bytes_):
    yield from _by_torch(folder, *_new(bytes_))


def holdall_goes_back(folder, bytes_):
    yield from _by_holdall(folder, *_running(bytes_))


def torch_goes_back(folder, bytes_):
    yield from _by_torch(folder, *_running(bytes_))


def make_many(folder, count):
    """That many small checkpoints."""
    import numpy

    import holdall

    yield
    state = {"weight": numpy.zeros(4, numpy.float32)}

    class Tiny:
        def state_dict(self):
            return state

        def load_state_dict(self, _):
            pass

    with holdall.Checkpointer(folder, name="checkpoint_step{step}.safetensors", sync=False, signals=()) as checkpointer:
        checkpointer.track(model=Tiny())
        for step in range(1, int(count) + 1):
            checkpointer.save(step=step, epoch=step // 100, metrics={"loss": 1 / step, "accuracy": 1 - 1 / step})


if __name__ == "__main__":
    saves = (holdall, holdall_now, dcp, torch_waits, safetensors_waits, memcpy, steps_alone)
    rivals.main((*saves, make_restorable, holdall_resumes, torch_resumes, holdall_goes_back, torch_goes_back, make_many))
