"""Several loops in an epoch, a signal that reaches workers too, a save behind one that failed: what a training resumes to all the same."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from runs import made, parts, steps_of, trained  # noqa: F401 (a fixture)

import holdall


def loaders():
    torch.manual_seed(3)
    sets = [torch.utils.data.TensorDataset(torch.arange(8.0) + 100 * i) for i in range(3)]
    return [torch.utils.data.DataLoader(data, batch_size=2, shuffle=True, generator=torch.Generator().manual_seed(i)) for i, data in enumerate(sets)]


def run(ckpt, named, stop=None, uses_epochs=True):
    """What each step was given, and the weights; of two epochs in which three loaders have their turns, the first twice."""
    model = torch.nn.Linear(2, 1)
    given = []
    start = ckpt.resume(model=model, **named)
    order = [named[name] for name in ("a_loader", "b_loader", "c_loader", "a_loader")]
    for _epoch in start.epochs(2) if uses_epochs else range(start.epoch, 2):
        for loader in order if uses_epochs else order[:3]:
            for step, (batch,) in start.steps(loader):
                with torch.no_grad():
                    model.weight += torch.rand(1) * batch.sum()
                given.append((step, batch.tolist()))
                ckpt.step(step=step, epoch=_epoch)
                if step == stop:
                    return given, model.weight.tolist()
    return given, model.weight.tolist()


@pytest.mark.parametrize("uses_epochs", [True, False])
def test_loops_of_an_epoch_that_had_ended_are_passed_over(uses_epochs, made, tmp_path):
    names = ("a_loader", "b_loader", "c_loader")
    torch.manual_seed(0)
    expected, weight = run(made(tmp_path / "whole"), dict(zip(names, loaders(), strict=True)), uses_epochs=uses_epochs)
    assert [step for step, _ in expected] == list(range(1, len(expected) + 1))
    for stop in range(1, len(expected), 1 if uses_epochs else 3):
        folder = tmp_path / str(stop)
        torch.manual_seed(0)
        with made(folder, every_steps=1) as ckpt:
            before, _ = run(ckpt, dict(zip(names, loaders(), strict=True)), stop, uses_epochs)
        torch.manual_seed(77)
        with made(folder, every_steps=1) as ckpt:
            behind, resumed = run(ckpt, dict(zip(names, loaders(), strict=True)), None, uses_epochs)
        assert before + behind == expected and resumed == weight, stop


def test_a_loader_made_anew_for_every_epoch(made):
    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.arange(8.0))

    def go_on(stop):
        given = []
        ckpt = made(every_steps=1)
        start = ckpt.resume(model=torch.nn.Linear(1, 1))
        for epoch in range(start.epoch, 4):
            for step, (batch,) in start.steps(torch.utils.data.DataLoader(data, batch_size=2, shuffle=True)):
                given.append((step, batch.tolist()))
                ckpt.step(epoch=epoch, step=step)
                if step == stop:
                    ckpt.close()
                    return given
        ckpt.close()
        return given

    given = go_on(7) + go_on(11) + go_on(None)
    assert [step for step, _ in given] == list(range(1, 17))
    for epoch in range(4):
        assert sorted(sum((batch for _, batch in given[4 * epoch : 4 * epoch + 4]), [])) == list(range(8))


TRAINING = """
import sys, time, torch, holdall

class Slow(torch.utils.data.Dataset):
    def __len__(self):
        return 1000
    def __getitem__(self, i):
        return torch.tensor([float(i)])

model = torch.nn.Linear(1, 1)
with holdall.Checkpointer(sys.argv[1], every_steps=100000, sync=False) as ckpt:
    start = ckpt.resume(model=model)
    for epoch in start.epochs(1):
        for step, batch in start.steps(torch.utils.data.DataLoader(Slow(), batch_size=1, num_workers=2)):
            time.sleep(0.02)
            ckpt.step()
            if step == 5:
                print("there", flush=True)
"""


def test_sigterm_to_all_processes_of_a_training_leaves_the_last_checkpoint(tmp_path):
    """As `timeout`, systemd and batch schedulers send it: the loader's workers live for the rest of the step."""
    training = subprocess.Popen([sys.executable, "-c", TRAINING, tmp_path / "runs"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert training.stdout.readline() == "there\n"
    os.killpg(training.pid, signal.SIGTERM)
    assert training.wait(60) == -signal.SIGTERM
    with holdall.Checkpointer(tmp_path / "runs") as ckpt:
        assert [row["step"] >= 5 for row in ckpt.history] == [True]


def test_a_save_behind_one_that_failed_is_made(made, tmp_path):
    ckpt = made(on_error="warn")
    named = trained(parts())
    ckpt.track(**named)
    ckpt.save(step=1, wait=True)
    place = os.path.join(ckpt.folder, "checkpoint_epoch0_step2.pt")
    os.mkdir(place)  # in the way of the thread: found when the file is to be put there
    os.mkdir(os.path.join(place, "something"))
    with pytest.warns(holdall.HoldallWarning):
        ckpt.save(step=2)
        ckpt.save(step=3)
        ckpt.wait()
    assert {1, 3} <= set(steps_of(ckpt))
