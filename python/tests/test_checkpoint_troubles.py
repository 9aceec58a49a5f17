"""A Checkpointer where something is in its way: another run, a full disk, a folder that is gone, writing that takes long, little memory, processes
and threads; and how it ends."""

import contextlib
import errno
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import threading

import pytest
import torch
from runs import made, parts, steps_of  # noqa: F401 (a fixture)

import holdall
from holdall.checkpoints import Event


# --- One folder, one run ------------------------------------------------------------------------------------------------------------


def test_a_folder_in_use_is_refused_by_host_and_process(made, tmp_path):
    ckpt = made()
    with pytest.raises(holdall.StorageError, match=str(os.getpid())):
        made()
    code = f"import holdall; holdall.Checkpointer({ckpt.folder!r})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert f"process {os.getpid()}" in found.stderr and platform.node() in found.stderr
    ckpt.close()
    made().close()


def test_the_folder_of_a_killed_run_is_taken_over_at_once(made):
    folder = made().folder
    code = f"import holdall, os, signal; c = holdall.Checkpointer({folder + '2'!r}); print('there', flush=True); signal.pause()"
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "there\n"
    with pytest.raises(holdall.StorageError, match=f"process {run.pid}"):
        made(folder=folder + "2")
    run.kill()
    run.wait()
    made(folder=folder + "2").close()


# --- What goes wrong behind ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system takes rights that this user has not")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def big(bytes=3_000_000):
    return {"model": torch.nn.Linear(bytes // 4000, 1000, bias=False)}


def test_a_full_disk_is_told_by_the_next_call_and_once(made, small_disk):
    ckpt = made(small_disk / "runs")
    ckpt.track(**big())
    ckpt.save(step=1, wait=True)
    ckpt.save(step=2)
    with pytest.raises(holdall.StorageError, match="checkpoint_epoch0_step2"):
        while True:
            ckpt.step(step=3)
    ckpt.step(step=4)
    ckpt.close()
    assert [row["step"] for row in ckpt.history() if row["state"] == "complete"] == [1]


def test_a_full_disk_is_told_at_close(made, small_disk):
    ckpt = made(small_disk / "runs")
    ckpt.track(**big(6_000_000))
    ckpt.save(step=1)
    with pytest.raises(holdall.StorageError) as told:
        ckpt.close()
    assert told.value.errno == errno.ENOSPC
    ckpt.close()
    assert os.listdir(small_disk / "runs") == [] or not [name for name in os.listdir(small_disk / "runs") if not name.startswith(".")]


def test_a_run_goes_on_from_what_is_on_a_full_disk(made, small_disk):
    """Full to the last byte, where not even who goes on can be noted."""
    saved = big(1_000_000)
    with holdall.Checkpointer(small_disk / "runs", signals=()) as ckpt:
        ckpt.track(**saved)
        ckpt.save(step=1)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    own = big(1_000_000)
    ckpt = made(small_disk / "runs")
    assert ckpt.resume(**own).step == 1 and own["model"].weight.equal(saved["model"].weight)
    filler.unlink()
    ckpt.save(step=2, wait=True)


def test_what_ended_the_training_is_what_is_raised(small_disk):
    with pytest.warns(holdall.HoldallWarning, match="not saved"), pytest.raises(KeyError):  # noqa: SIM117
        with holdall.Checkpointer(small_disk / "runs", sync=False, signals=()) as ckpt:
            ckpt.track(**big(6_000_000))
            ckpt.save(step=1)
            raise KeyError("the training's")


def test_on_error_warn_goes_on(made, small_disk):
    told = []
    ckpt = made(small_disk / "runs", on_error="warn", on_event=told.append)
    ckpt.track(**big(6_000_000))
    ckpt.save(step=1)
    with pytest.warns(holdall.HoldallWarning, match="not saved"):
        ckpt.wait()
    with pytest.warns(holdall.HoldallWarning, match="not saved"):
        ckpt.save(step=2, wait=True)
    ckpt.close()
    assert [event.kind for event in told] == ["failed", "failed"]
    assert str(told[0]).startswith("failed ") and "step1" in str(told[0])


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_bound_of_memory_and_a_full_disk(on_error, made, small_disk):
    """What is written while the step waits fails there."""
    ckpt = made(small_disk / "runs", memory="1MB", on_error=on_error)
    ckpt.track(**big(6_000_000))
    if on_error == "warn":
        with pytest.warns(holdall.HoldallWarning, match="not saved"):
            assert ckpt.save(step=1) is None
    else:
        with pytest.raises(holdall.StorageError):
            ckpt.save(step=1)
    ckpt.close()


def test_a_folder_deleted_under_it(made):
    ckpt = made()
    ckpt.track(**parts())
    shutil.rmtree(ckpt.folder)
    ckpt.save(step=1)
    with pytest.raises((holdall.StorageError, holdall.MissingError)):
        ckpt.close()
    ckpt.close()


# --- While others are written -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy", ["wait", "skip", "replace"])
def test_when_busy(busy, made):
    """Of a state of 200 MB some saves come while another is written."""
    told = []
    ckpt = made(when_busy=busy, on_event=told.append)
    ckpt.track(**big(100_000_000))
    paths = [ckpt.save(step=step) for step in range(1, 7)]
    ckpt.close()
    kinds = [(event.kind, event.step) for event in told]
    saved = {step for kind, step in kinds if kind == "saved"}
    others = {step for kind, step in kinds if kind == {"skip": "skipped", "replace": "replaced"}.get(busy)}
    assert saved | others == set(range(1, 7)) and not saved & others
    assert {step for step, path in enumerate(paths, 1) if path is None} == (others if busy == "skip" else set())
    assert (busy == "wait") == (not others)
    assert [row["step"] for row in ckpt.history()] == sorted(saved)
    assert (1 in saved) if busy == "skip" else (6 in saved)


def test_events_and_their_lines(made, capsys):
    ckpt = made(keep_last=1, on_event=print)
    ckpt.track(**parts())
    ckpt.save(epoch=3, step=7, metrics={"loss": 0.25}, wait=True)
    ckpt.save(epoch=3, step=8, wait=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"saved {ckpt.folder}/checkpoint_epoch3_step7.pt, step 7, epoch 3, loss 0.25, ")
    assert " kB, waited " in lines[0] and " s, written in " in lines[0]
    assert lines[2] == f"removed {ckpt.folder}/checkpoint_epoch3_step7.pt"


def test_events_have_facts(made):
    told = []
    ckpt = made(on_event=told.append)
    ckpt.track(**parts())
    path = ckpt.save(epoch=3, step=7, metrics={"loss": 0.25}, wait=True)
    event = told[0]
    assert type(event) is Event
    assert (event.kind, event.path, event.step, event.epoch, event.metrics, event.error) == ("saved", path, 7, 3, {"loss": 0.25}, None)
    assert event.bytes == os.path.getsize(path) and event.waited > 0 and event.written > 0


# --- The end ------------------------------------------------------------------------------------------------------------------------


def test_closed_is_closed(made):
    ckpt = made(every_steps=1)
    ckpt.track(**parts())
    ckpt.save(step=1)
    ckpt.close()
    ckpt.close()
    ckpt.wait()
    assert [row["step"] for row in ckpt.history()] == [1]
    for call in (ckpt.step, ckpt.save, ckpt.end_epoch, ckpt.resume, ckpt.restore, ckpt.prune, lambda: ckpt.track(**parts())):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_hooks_are_gone_behind_close(made):
    named = parts()
    before = len(named["optimizer"]._optimizer_step_post_hooks)
    ckpt = made()
    ckpt.resume(**named)
    ckpt.resume(**named)
    assert len(named["optimizer"]._optimizer_step_post_hooks) == before + 1
    ckpt.close()
    assert len(named["optimizer"]._optimizer_step_post_hooks) == before


def test_nobody_closes_and_nothing_is_lost(tmp_path):
    code = """
import sys, torch, holdall
ckpt = holdall.Checkpointer(sys.argv[1])
ckpt.track(model=torch.nn.Linear(5000, 5000))
ckpt.step(step=1)
ckpt.save(step=2)
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    with holdall.Checkpointer(tmp_path) as ckpt:
        assert [(row["step"], row["state"]) for row in ckpt.history()] == [(2, "complete")]


def test_another_thread_may_do_all_of_it(made):
    found = []

    def work():
        ckpt = made(every_steps=1, signals=("SIGTERM", "SIGINT"))
        ckpt.track(**parts())
        for _ in range(3):
            ckpt.step()
        ckpt.close()
        found.append([row["step"] for row in ckpt.history()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [[1, 2, 3]]


def _in_child(ckpt, queue):
    try:
        ckpt.save(step=9)
    except Exception as error:
        queue.put(f"{type(error).__name__}: {error}")
    ckpt.close()


def test_a_forked_child_touches_nothing(made):
    """It ends through the interpreter's usual way out, with the Checkpointer alive, closed, or in a with block that it leaves."""
    ckpt = made(every_steps=1, signals=("SIGTERM",))
    ckpt.track(**parts())
    ckpt.step()
    ckpt.wait()
    before = sorted(os.listdir(ckpt.folder))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(ckpt, queue))
    child.start()
    said = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and "child process" in said
    assert sorted(os.listdir(ckpt.folder)) == before
    ckpt.step()
    ckpt.wait()
    assert steps_of(ckpt) == [1, 2]


def test_a_child_that_exits_by_itself(tmp_path):
    code = """
import os, sys, torch, holdall
with holdall.Checkpointer(sys.argv[1], every_steps=1) as ckpt:
    ckpt.track(model=torch.nn.Linear(1000, 1000))
    ckpt.step()
    child = os.fork()
    if child == 0:
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    ckpt.step()
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=120)
    with holdall.Checkpointer(tmp_path) as ckpt:
        assert [row["step"] for row in ckpt.history()] == [1, 2]


def test_workers_of_a_loader_end_as_they_do(made):
    ckpt = made(every_steps=2, signals=("SIGTERM", "SIGINT"))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(12, 4)), batch_size=2, num_workers=2)
    start = ckpt.resume(**parts(), loader=loader)
    for _ in start.epochs(2):
        for _ in start.steps(loader):
            ckpt.step()
    assert steps_of(ckpt) == [2, 4, 6, 8, 10, 12]


# --- Memory -------------------------------------------------------------------------------------------------------------------------

MEMORY = """
import sys, threading, time, torch, holdall
megabytes, bound = 300, sys.argv[2]
model = torch.nn.Linear(megabytes * 250, 1000, bias=False)
torch.nn.init.ones_(model.weight)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

highest = 0
def watch():
    global highest
    while True:
        highest = max(highest, resident())
        time.sleep(0.002)

with holdall.Checkpointer(sys.argv[1], memory=None if bound == "none" else bound, sync=False, signals=()) as ckpt:
    ckpt.track(model=model)
    before = resident()
    threading.Thread(target=watch, daemon=True).start()
    for step in range(3):
        ckpt.save(step=step)
print((highest - before) // 1_000_000)
"""


@pytest.mark.parametrize(("bound", "most"), [("none", 345), ("40MB", 85), ("400MB", 345)])
def test_memory_is_bounded(bound, most, tmp_path):
    """One copy of the state, or what was allowed, and little beside."""
    found = subprocess.run([sys.executable, "-c", MEMORY, tmp_path, bound], capture_output=True, text=True, check=True)
    assert int(found.stdout) <= most
