"""What the tests of checkpoints share: Checkpointers that are closed at the end, and something small to save."""

import copy

import pytest
import torch

import holdall


@pytest.fixture
def made(tmp_path):
    """Checkpointers of a folder that are closed at the end; quick, since none of these tests is about power failing."""
    opened = []

    def make(folder=tmp_path / "runs", **options):
        ckpt = holdall.Checkpointer(folder, **{"sync": False, "signals": (), **options})
        opened.append(ckpt)
        return ckpt

    yield make
    for ckpt in opened:
        ckpt.close()


def parts(seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), 0.01)}


def trained(named, steps=1):
    for _ in range(steps):
        named["optimizer"].zero_grad()
        named["model"](torch.randn(5, 4)).square().sum().backward()
        named["optimizer"].step()
    return named


def states(named):
    return copy.deepcopy({name: target.state_dict() for name, target in named.items()})


def steps_of(ckpt):
    ckpt.wait()
    return [row["step"] for row in ckpt.history()]
