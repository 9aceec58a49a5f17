"""A Checkpointer in trainings of several processes: one writes, each keeps its random states, all agree on what there is, none waits for ever."""

import json
import os
import subprocess
import sys

import pytest
import ranks
import torch
from equal import assert_same

import holdall


@pytest.fixture(scope="session")
def server():
    run = subprocess.Popen([sys.executable, ranks.__file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield run
    run.stdin.close()
    assert run.wait() == 0


@pytest.fixture
def launched(server, tmp_path):
    """run(count, …) gives the exit statuses and what each rank ended with, None for those that were killed."""
    number = 0

    def run(count, torchrun=False, **order):
        nonlocal number
        number += 1
        out = tmp_path / f"out{number}"
        order["out"] = str(out)
        if torchrun:
            command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), ranks.__file__, json.dumps(order)]
            subprocess.run(command, check=True)
            statuses = [0] * count
        else:
            server.stdin.write(json.dumps({"count": count, **order}) + "\n")
            server.stdin.flush()
            statuses = server.stdout.readline().split()
        assert "hangs" not in statuses
        files = [f"{out}.{rank}" for rank in range(count)]
        return list(map(int, statuses)), [torch.load(file, weights_only=False) if os.path.exists(file) else None for file in files]

    return run


@pytest.fixture(scope="session")
def plain(server, tmp_path_factory):
    """What plain trainings of so many ranks end with, each run once."""
    found = {}

    def of(count):
        if count not in found:
            out = str(tmp_path_factory.mktemp("plain") / "out")
            server.stdin.write(json.dumps({"count": count, "out": out}) + "\n")
            server.stdin.flush()
            assert server.stdout.readline().split() == ["0"] * count
            found[count] = [torch.load(f"{out}.{rank}", weights_only=False) for rank in range(count)]
        return found[count]

    return of


def steps_of(folder):
    with holdall.Checkpointer(folder, signals=()) as ckpt:
        return [row["step"] for row in ckpt.history() if row["state"] == "complete"]


def assert_end_alike(results, references):
    for result, reference in zip(results, references, strict=True):
        assert result["told"] == []
        assert_same(result["states"], reference["states"])
        assert_same(result["generators"], reference["generators"])


@pytest.mark.parametrize(("count", "torchrun"), [(2, False), (2, True), (4, False)])
def test_a_resume_is_exact_on_every_rank(count, torchrun, launched, plain, tmp_path):
    """Amid an epoch and an accumulation, whose gradients each rank has of its own; then behind an epoch."""
    folder = str(tmp_path / "runs")
    steps = ranks.SAMPLES // 2 // count
    for at in (3, 2 * steps):
        statuses, _ = launched(count, folder=folder, do=["end", at, 0], options={"every_steps": 1})
        assert statuses == [3] * count
    statuses, results = launched(count, torchrun, folder=folder, options={"every_steps": 1})
    assert statuses == [0] * count
    assert_end_alike(results, plain(count))


def test_one_file_with_the_random_states_of_all(launched, tmp_path):
    folder = str(tmp_path / "runs")
    launched(2, folder=folder, options={"keep_last": 1})
    files = [name for name in os.listdir(folder) if not name.startswith(".")]
    assert files == ["checkpoint_epoch2_step18.pt"]
    state = torch.load(os.path.join(folder, files[0]), weights_only=True)
    first, second = state["ranks"]
    assert not first["random_states"]["torch"].equal(second["random_states"]["torch"])
    assert list(state["model_state_dict"])[0] == "0.weight"


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("do", ["raise", "kill"])
def test_a_rank_that_is_lost_makes_no_checkpoint_and_leaves_none_waiting(do, who, launched, plain, tmp_path):
    folder = str(tmp_path / "runs")
    statuses, results = launched(2, folder=folder, do=[do, 6, who])
    assert statuses == [-9 if do == "kill" and rank == who else 0 for rank in range(2)]
    assert results[1 - who]["told"]
    assert do == "kill" or results[who]["told"] == ["KeyError: \"this rank's\""]
    assert steps_of(folder) == [2, 4]
    _, results = launched(2, folder=folder)
    assert_end_alike(results, plain(2))


def test_a_state_that_cannot_be_had_is_raised_on_all(launched, tmp_path):
    folder = str(tmp_path / "runs")
    statuses, results = launched(4, folder=folder, do=["no state", 4, 0])
    assert statuses == [0] * 4
    assert [result["told"][0] for result in results] == ["RuntimeError: no state today"] + ["Error: rank 0 failed: RuntimeError: no state today"] * 3
    assert steps_of(folder) == [2]


def test_minutes_are_decided_together(launched, tmp_path):
    """By whichever clock is first."""
    folder = str(tmp_path / "runs")
    own = {"0": {"every_minutes": 1000}, "1": {"every_minutes": 1e-9}}
    statuses, results = launched(2, folder=folder, options={"every_steps": None, "signals": []}, own=own)
    assert statuses == [0, 0] and [result["told"] for result in results] == [[], []]
    assert steps_of(folder) == list(range(1, 19))


@pytest.mark.parametrize("who", [0, 1])
def test_a_signal_to_one_saves_on_all(who, launched, plain, tmp_path):
    folder = str(tmp_path / "runs")
    statuses, results = launched(2, folder=folder, options={"every_steps": None}, do=["signal", 5, who])
    assert statuses[who] == -15 and statuses[1 - who] == 0
    assert steps_of(folder) == [5]
    _, results = launched(2, folder=folder)
    assert_end_alike(results, plain(2))


def test_another_number_of_ranks_is_told(launched, tmp_path):
    folder = str(tmp_path / "runs")
    launched(2, folder=folder, do=["end", 4, 0])
    _, results = launched(1, folder=folder)
    assert any("saved by 2 processes, these are 1" in line for line in results[0]["told"])


def test_a_folder_in_use_is_refused_on_all(launched, tmp_path):
    folder = str(tmp_path / "runs")
    with holdall.Checkpointer(folder, signals=()):
        _, results = launched(2, folder=folder)
    assert all(result["told"][0].startswith("StorageError: ") and str(os.getpid()) in result["told"][0] for result in results)


def test_each_for_itself(launched, tmp_path):
    folder = str(tmp_path / "runs")
    statuses, results = launched(2, folder=folder, options={"distributed": False})
    assert statuses == [0, 0] and [result["told"] for result in results] == [[], []]
    assert steps_of(folder + "0") == steps_of(folder + "1") != []
    assert not os.path.exists(folder)
