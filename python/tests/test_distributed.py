"""holdall.torch.save in a distributed run: one rank writes, all wait for it, all learn what went wrong. Two processes, gloo."""

import os
import pathlib
import socket
import subprocess
import sys

import blocks
import torch
from equal import assert_same

import holdall
import holdall.torch

PROGRAM = """
import os, pathlib, sys, time
import torch
import torch.distributed as dist
import blocks, holdall, holdall.torch

folder, rank = pathlib.Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{sys.argv[3]}", rank=rank, world_size=2)
torch.manual_seed(0)
module = torch.nn.parallel.DistributedDataParallel(blocks.Net(3))
optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
torch.manual_seed(rank)
module(torch.randn(4, 3)).sum().backward()
optimizer.step()

# PyTorch's own way: one rank saves, the others wait.
if rank == 0:
    holdall.torch.save(module.state_dict(), folder / "own.pt")
dist.barrier()

# Every rank makes the call.
if rank == 0:
    time.sleep(0.2)
checkpoint = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "rank": rank}
holdall.torch.save(checkpoint, folder / "all.pt", distributed=True)
assert (folder / "all.pt").exists()
assert holdall.torch.load(folder / "all.pt")["rank"] == 0
holdall.torch.save_model(module, folder / "model.safetensors", distributed=dist.group.WORLD)
second = dist.new_group([1])
if rank == 1:
    holdall.torch.save({"rank": rank}, folder / "second.pt", distributed=second)

dist.barrier()
before = sorted(os.listdir(folder))
for value, error in (({"w": os.system}, holdall.UnsafeError), (checkpoint, holdall.MissingError)):
    try:
        holdall.torch.save(value, folder / ("none/a.pt" if error is holdall.MissingError else "bad.pt"), distributed=True)
    except error as raised:
        print(type(raised).__name__, str(raised).replace(str(folder), ""))
    else:
        raise AssertionError(error)
dist.barrier()
assert sorted(os.listdir(folder)) == before

# What one rank wrote goes into the wrapped module of every rank, and into a bare one.
for target in (torch.nn.parallel.DistributedDataParallel(blocks.Net(3)), blocks.Net(3)):
    for name in ("own.pt", "model.safetensors"):
        report = holdall.torch.load_into(target, folder / name)
        assert report.complete, report
    held = target.module if hasattr(target, "module") else target
    assert all(a.equal(b) for a, b in zip(held.state_dict().values(), module.module.state_dict().values(), strict=True))
dist.destroy_process_group()
"""


def test_rank_0_saves_and_all_wait_or_raise(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(pathlib.Path(blocks.__file__).parent), *sys.path])}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    ranks = [
        subprocess.Popen([*command, str(rank), str(port)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        outputs = [rank.communicate(timeout=120) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], "".join(map("".join, outputs))
    first, second = (out.splitlines() for out, _ in outputs)
    assert first == second and first[0].startswith("UnsafeError posix.system") and first[1].startswith("MissingError ")
    assert torch.load(tmp_path / "second.pt") == {"rank": 1}
    assert list(torch.load(tmp_path / "own.pt")) == list(torch.load(tmp_path / "all.pt")["module"])
    loaded = holdall.torch.load_model(tmp_path / "model.safetensors", [blocks.Net])
    assert_same(dict(loaded.state_dict()), {name.removeprefix("module."): value for name, value in torch.load(tmp_path / "own.pt").items()})


def test_without_a_process_group_the_call_says_so(tmp_path):
    try:
        holdall.torch.save({}, tmp_path / "a.pt", distributed=True)
    except holdall.UnsupportedError as error:
        assert "init_process_group" in str(error)
    else:
        raise AssertionError
    assert not (tmp_path / "a.pt").exists()
