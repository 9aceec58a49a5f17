"""A training that is killed and taken up by the same script in a new process ends bit-equal to one that never stopped, which is bit-equal to the
same training in plain PyTorch: weights, optimizer, scheduler, averages, scaler, gradients, losses, random generators."""

import json
import os
import pathlib
import random
import subprocess
import sys

import pytest
import torch
import trainings
from equal import assert_same
from trainings import EPOCHS, STEPS

EIGHT = ["mlp", "cnn", "bert", "gpt2", "accumulating", "mixed", "cosine", "averaged"]
LAST = STEPS * EPOCHS


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    """run(order) gives what a process of its own ends with, or None where that was killed."""
    out = tmp_path_factory.mktemp("runs") / "out.pt"
    server = subprocess.Popen([sys.executable, trainings.__file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(**order):
        server.stdin.write(json.dumps({**order, "out": str(out)}) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        if "kill_after" in order and status == -9:
            return None
        if order.get("at") is not None:
            assert status == 137, f"the run that was to be killed ended with {status}"
            return None
        assert status == 0
        return torch.load(out, weights_only=False)

    yield run
    server.stdin.close()
    assert server.wait() == 0


@pytest.fixture(scope="session")
def plain(serving):
    """What a plain training ends with, each run once."""
    found = {}

    def of(**training):
        key = json.dumps(training)
        if key not in found:
            found[key] = serving(training=training)
        return found[key]

    return of


def assert_ends_as(result, reference, warned=False):
    result, reference = dict(result), dict(reference)
    told = result.pop("warnings")
    reference.pop("warnings")
    losses = result["states"].pop("losses", None)
    assert losses is None or losses == {"losses": reference["losses"]}
    assert_same(result, reference)
    assert bool(told) == warned, told


def moments(seed):
    """Of three runs in a row: amid an epoch, in the last batch of one, at its border or at random, the last right behind a resume."""
    chosen = random.Random(seed)
    kinds = ["step", "saved", "written"]
    first = [chosen.choice(kinds), chosen.randrange(1, STEPS)]
    second = chosen.choice([["written", STEPS], ["saved", STEPS], ["behind", 0], ["epoch", 0], [chosen.choice(kinds), chosen.randrange(STEPS + 1, 2 * STEPS)]])
    third = [chosen.choice(kinds), chosen.randrange(2 * STEPS + 1, LAST + 1)]
    return [first, second, third]


def interrupted(serving, training, folder, at, **options):
    for moment in at:
        serving(training=training, folder=str(folder), at=moment, **options)
    return serving(training=training, folder=str(folder), **options)


@pytest.mark.parametrize("of", EIGHT)
def test_a_checkpointer_changes_nothing(of, serving, plain, tmp_path):
    assert_ends_as(serving(training={"of": of}, folder=str(tmp_path)), plain(of=of))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("of", EIGHT)
def test_killed_three_times_it_ends_the_same(of, number, serving, plain, tmp_path):
    at = moments(f"{of} {number}")
    result = interrupted(serving, {"of": of}, tmp_path, at, every_steps=1 + number, every_epochs=1)
    assert_ends_as(result, plain(of=of)), at


@pytest.mark.parametrize("moment", [("written", STEPS), ("step", STEPS + 1), ("behind", 1), ("epoch", 1), ("written", LAST), ("epoch", EPOCHS - 1)])
@pytest.mark.parametrize("of", ["cnn", "accumulating", "own generator"])
@pytest.mark.parametrize("loops", ["start", "own"])
def test_the_borders_of_epochs(of, moment, loops, serving, plain, tmp_path):
    rules = {"every_steps": 1} if loops == "own" else {"every_steps": STEPS, "every_epochs": 1}
    result = interrupted(serving, {"of": of}, tmp_path, [moment], loops=loops, **rules)
    assert_ends_as(result, plain(of=of))


def test_killed_right_behind_the_resume_again_and_again(serving, plain, tmp_path):
    at = [["written", 14], ["step", 15], ["step", 15], ["written", 15], ["step", 16], ["written", 21], ["step", 22]]
    assert_ends_as(interrupted(serving, {"of": "mlp"}, tmp_path, at, every_steps=1), plain(of="mlp"))


def test_steps_may_be_told_behind_those_of_the_optimizer_only(serving, plain, tmp_path):
    at = [["written", 6], ["step", 11], ["written", 24]]
    result = interrupted(serving, {"of": "accumulating"}, tmp_path, at, whole=True, every_steps=5)
    assert_ends_as(result, plain(of="accumulating"))


@pytest.mark.parametrize(
    "training",
    [
        {"of": "mlp", "workers": 2},
        {"of": "own generator", "workers": 2},
        {"of": "mlp", "workers": 2, "persistent_workers": True},
        {"of": "mlp", "loader": "torchdata"},
        {"of": "mlp", "loader": "torchdata", "workers": 2},
        {"of": "stream"},
        {"of": "stream", "workers": 2},
    ],
    ids=lambda training: " ".join(str(value) for value in training.values()),
)
def test_the_data_goes_on_where_it_was(training, serving, plain, tmp_path):
    at = [["written", 4], ["behind", 0], ["written", 16], ["step", 27]]
    result = interrupted(serving, training, tmp_path, at, every_steps=2, every_epochs=1)
    assert_ends_as(result, plain(**training))


def test_killed_from_outside_at_any_moment(serving, plain, tmp_path):
    """While it imports, takes up, trains, saves, removes; HOLDALL_KILLS times, then to the end. The folder is anew where a run got there first."""
    kills = int(os.environ.get("HOLDALL_KILLS", "25"))
    chosen = random.Random(int(os.environ.get("HOLDALL_SEED", "1")))
    order = {"training": {"of": "averaged"}, "every_steps": 1, "keep_last": 2, "keep_best": [["loss", "min"]]}
    folders = killed = 0
    while killed < kills:
        result = serving(**order, folder=str(tmp_path / str(folders)), kill_after=chosen.uniform(0, 0.4))
        if result is None:
            killed += 1
        else:
            assert_ends_as(result, plain(of="averaged"))
            folders += 1
    assert_ends_as(serving(**order, folder=str(tmp_path / str(folders))), plain(of="averaged"))


def test_a_script_of_its_own_each_time(plain, tmp_path):
    """Nothing comes from being forked: python is started anew."""
    for at in (["written", 8], ["step", 19], None):
        order = {"training": {"of": "mlp"}, "folder": str(tmp_path / "runs"), "at": at, "out": str(tmp_path / "out.pt")}
        status = subprocess.run([sys.executable, trainings.__file__, json.dumps(order)], check=False).returncode
        assert status == (0 if at is None else 137)
    assert_ends_as(torch.load(pathlib.Path(order["out"]), weights_only=False), plain(of="mlp"))
