"""Trainings of several processes for the tests of checkpoints, DistributedDataParallel over gloo.

``python ranks.py serve`` reads lines of JSON, {"count": …, "folder": …, "out": …}, forks as many ranks for each and answers with a line of
their exit statuses; ``torchrun … ranks.py '{…}'`` runs one of them.
"""

import json
import os
import random
import signal
import sys
import time
import warnings

import numpy
import torch
import torch.distributed as dist

import holdall

SAMPLES, EPOCHS = 24, 3


class Failing:
    """Something with a state that cannot be had from step `at` on."""

    def __init__(self, at):
        self.at, self.step = at, 0

    def state_dict(self):
        if self.step >= self.at:
            raise RuntimeError("no state today")
        return {}

    def load_state_dict(self, state):
        pass


class Samples(torch.utils.data.Dataset):
    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return torch.full((8,), index / SAMPLES) + 0.1 * torch.rand(8) + random.random(), torch.tensor(index % 4)


def parts(rank, count):
    torch.manual_seed(1)
    linear = torch.nn.Linear
    model = torch.nn.Sequential(linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.3), torch.nn.ReLU(), linear(16, 4))
    # Without this it orders its buckets anew behind the first step of each process, and sums of more than two ranks round otherwise there.
    model = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    for seed in (torch.manual_seed, random.seed, numpy.random.seed):
        seed(10 + rank)
    sampler = torch.utils.data.DistributedSampler(Samples(), num_replicas=count, rank=rank, seed=5)
    loader = torch.utils.data.DataLoader(Samples(), batch_size=2, sampler=sampler)
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), 0.01)}, loader


def train(named, batch, step):
    """Gradients are added up over two batches and only then over the ranks."""
    is_whole = step % 2 == 0
    with named["model"].no_sync() if not is_whole else warnings.catch_warnings():
        torch.nn.functional.cross_entropy(named["model"](batch[0]), batch[1]).backward()
    if is_whole:
        named["optimizer"].step()
        named["optimizer"].zero_grad()


def plain(named, loader):
    step = 0
    for epoch in range(EPOCHS):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            step += 1
            train(named, batch, step)


def with_checkpoints(rank, named, loader, order):
    """`own`: options of one rank alone. `do`: [what, step, rank]."""
    do, at, who = order.get("do", ["", 0, 0])
    failing = Failing(at if do == "no state" else 10**9)
    options = {"sync": False, "every_steps": 2, **order.get("options", {}), **order.get("own", {}).get(str(rank), {})}
    folder = order["folder"] + (str(rank) if options.get("distributed") is False else "")
    with holdall.Checkpointer(folder, **options) as ckpt:
        start = ckpt.resume(**named, other=failing, loader=loader)
        for epoch in start.epochs(EPOCHS):
            loader.sampler.set_epoch(epoch)
            for step, batch in start.steps(loader):
                train(named, batch, step)
                failing.step = step
                if step == at and do == "kill":
                    ckpt.wait()
                if step == at and rank == who:
                    act(do)
                ckpt.step(epoch=epoch, step=step, metrics={"loss": 1 / step})
                if step == at and do == "end":
                    ckpt.wait()
                    os._exit(3)


def act(do):
    if do == "raise":
        raise KeyError("this rank's")
    if do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "signal":
        os.kill(os.getpid(), signal.SIGTERM)


def run(rank, count, order, method):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=method, rank=rank, world_size=count)
    named, loader = parts(rank, count)
    told = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", holdall.HoldallWarning)
        try:
            with_checkpoints(rank, named, loader, order) if "folder" in order else plain(named, loader)
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")
    told += [str(warning.message) for warning in caught if issubclass(warning.category, holdall.HoldallWarning)]
    states = {name: target.state_dict() for name, target in named.items()}
    generators = [torch.get_rng_state(), random.getstate(), numpy.random.get_state()]
    torch.save({"states": states, "generators": generators, "told": told}, f"{order['out']}.{rank}")
    if not told:
        dist.destroy_process_group()
    sys.stderr.flush()
    os._exit(0)


def main():
    if "RANK" in os.environ:
        run(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), json.loads(sys.argv[1]), "env://")
    for line in sys.stdin:
        order = json.loads(line)
        print(*together(order.pop("count"), order), flush=True)


def together(count, order):
    """Exit statuses by rank, "hangs" for those that had to be ended."""
    ranks = []
    for rank in range(count):
        child = os.fork()
        if child == 0:
            run(rank, count, order, f"file://{order['out']}.store")
        ranks.append(child)
    deadline = time.monotonic() + 60
    statuses = {}
    while len(statuses) < count and time.monotonic() < deadline:
        for rank, child in enumerate(ranks):
            if rank not in statuses and (ended := os.waitpid(child, os.WNOHANG)) != (0, 0):
                statuses[rank] = os.waitstatus_to_exitcode(ended[1])
        time.sleep(0.01)
    for rank in set(range(count)) - set(statuses):
        os.kill(ranks[rank], signal.SIGKILL)
        os.waitpid(ranks[rank], 0)
    return [statuses.get(rank, "hangs") for rank in range(count)]


if __name__ == "__main__":
    import torch._dynamo  # noqa: F401 (optimizers import it when they are made)

    main()
