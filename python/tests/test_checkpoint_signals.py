"""Signals: one last checkpoint of the step in which they come, then what they always do, within the stated time whatever the program does."""

import os
import signal
import subprocess
import sys
import time

import pytest

import holdall

# Steps until it is told what to do by its standard input's first line: it says "step N" before each, and is slow enough to be met in one.
PROGRAM = """
import os, signal, sys, threading, time, warnings
import torch, holdall
folder, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored

def say(text):
    print(text, flush=True)

model = torch.nn.Linear(10, 10)
if kind == "own handler":
    signal.signal(signal.SIGUSR1, lambda number, frame: say("handled"))
    signal.signal(signal.SIGTERM, lambda number, frame: say("handled"))
before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}

def train(ckpt):
    for step in range(1, 200):
        say(f"step {step}")
        if step == 3 and kind == "asleep":
            time.sleep(1000)
        elif step == 3 and kind == "in C":
            import hashlib
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes in which no handler runs
        elif kind == "only save":
            ckpt.save(step=step)
            time.sleep(1000)
        else:
            time.sleep(0.3)
        if kind == "late failure" and step == 3:
            import shutil
            shutil.rmtree(folder)
        ckpt.step(step=step)
        if kind == "own handler" and step == 6:
            return

try:
    with holdall.Checkpointer(folder, sync=False, signal_seconds=seconds, on_event=lambda event: say(event.kind)) as ckpt:
        ckpt.track(model=model)
        if kind == "a thread":
            thread = threading.Thread(target=train, args=(ckpt,))
            thread.start()
            thread.join()
        elif kind == "body ends":
            ckpt.step(step=1)
            say("step 3")
            time.sleep(0.5)
        else:
            train(ckpt)
except KeyboardInterrupt:
    say("interrupted")
    sys.exit(5)
except RuntimeError as error:
    say(f"error {error}")
    sys.exit(6)
say("handlers are back" if before == {number: signal.getsignal(number) for number in before} else "handlers are others")
"""


class Run:
    def __init__(self, folder, kind="", seconds=60, program=PROGRAM, group=False):
        self.folder = folder
        command = [sys.executable, "-c", program, str(folder), kind, str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=group)

    def until(self, line):
        while True:
            said = self.process.stdout.readline()
            assert said, self.process.communicate()[1]
            if said.strip() == line:
                return

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        """(exit status, lines said since, seconds)"""
        begin = time.monotonic()
        said, errors = self.process.communicate(timeout=120)
        self.errors = errors
        return self.process.returncode, said.split("\n")[:-1], time.monotonic() - begin

    def steps(self):
        with holdall.Checkpointer(self.folder, signals=()) as ckpt:
            return [row["step"] for row in ckpt.history()]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_one_last_checkpoint_of_the_step_then_the_usual_effect(name, tmp_path):
    run = Run(tmp_path / "runs")
    run.until("step 3")
    run.send(getattr(signal, name))
    status, said, _ = run.end()
    assert said == (["signal", "saved", "interrupted"] if name == "SIGINT" else ["signal", "saved"])
    assert status == (5 if name == "SIGINT" else -getattr(signal, name))
    assert run.steps() == [3]


def test_the_users_own_handler_is_called_and_the_training_goes_on(tmp_path):
    run = Run(tmp_path / "runs", "own handler")
    run.until("step 2")
    run.send(signal.SIGUSR1)
    run.until("step 4")
    run.send(signal.SIGTERM)
    status, said, _ = run.end()
    assert said == ["signal", "saved", "handled", "step 5", "step 6", "handlers are back"] and status == 0
    assert run.steps() == [2, 4]


def test_the_second_signal_has_its_effect_at_once(tmp_path):
    run = Run(tmp_path / "runs", "asleep")
    run.until("step 3")
    run.send(signal.SIGTERM)
    run.until("signal")
    run.send(signal.SIGTERM)
    status, said, _ = run.end()
    assert (status, said) == (-signal.SIGTERM, []) and run.steps() == []


@pytest.mark.parametrize("kind", ["asleep", "in C"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_step_that_never_ends_is_ended(kind, name, tmp_path):
    """In C no handler runs: the process ends all the same where the signal's effect is to end it."""
    run = Run(tmp_path / "runs", kind, 1)
    run.until("step 3")
    time.sleep(0.2)
    run.send(getattr(signal, name))
    status, said, seconds = run.end()
    assert status == -getattr(signal, name) and said == (["signal"] if kind == "asleep" else [])
    assert seconds < 60


def test_a_step_that_never_ends_is_interrupted(tmp_path):
    run = Run(tmp_path / "runs", "asleep", 1)
    run.until("step 3")
    run.send(signal.SIGINT)
    assert run.end()[:2] == (5, ["signal", "interrupted"])


def test_a_program_that_only_saves_is_interrupted_at_once(tmp_path):
    run = Run(tmp_path / "runs", "only save")
    run.until("step 1")
    time.sleep(0.5)
    run.send(signal.SIGINT)
    status, said, _ = run.end()
    assert status == 5 and "signal" not in said and said[-1] == "interrupted"
    assert run.steps() == [1]


def test_a_body_that_ends_before_the_next_step(tmp_path):
    run = Run(tmp_path / "runs", "body ends")
    run.until("step 3")
    run.send(signal.SIGTERM)
    assert run.end()[:2] == (-signal.SIGTERM, ["signal"])


def test_in_another_thread_signals_do_as_ever(tmp_path):
    run = Run(tmp_path / "runs", "a thread")
    run.until("step 3")
    run.send(signal.SIGTERM)
    assert run.end()[0] == -signal.SIGTERM and run.steps() == []


def test_a_last_checkpoint_that_fails_keeps_no_signal(tmp_path):
    """The folder is gone when the signal's save comes."""
    run = Run(tmp_path / "runs", "late failure")
    run.until("step 3")
    run.send(signal.SIGTERM)
    status, said, _ = run.end()
    assert (status, said[0]) == (-signal.SIGTERM, "signal")
    assert "was not saved" in run.errors


WORKERS = """
import signal, sys, time, torch, holdall
signal.signal(signal.SIGINT, signal.default_int_handler)

class Slow(torch.utils.data.Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        time.sleep(0.05)
        return torch.randn(3)

if __name__ == "__main__":
    loader = torch.utils.data.DataLoader(Slow(), batch_size=4, num_workers=2)
    try:
        with holdall.Checkpointer(sys.argv[1], sync=False, on_event=lambda event: print(event.kind, flush=True)) as ckpt:
            start = ckpt.resume(model=torch.nn.Linear(3, 3), loader=loader)
            for step, batch in start.steps(loader):
                ckpt.step()
                print("step", step, flush=True)
                time.sleep(0.05)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGUSR1"])
def test_a_terminal_that_interrupts_the_workers_of_a_loader_too(name, tmp_path):
    """Ctrl-C goes to all processes of a group: the workers live until the step has been saved."""
    run = Run(tmp_path / "runs", program=WORKERS, group=True)
    run.until("step 5")
    os.killpg(run.process.pid, getattr(signal, name))
    status, said, _ = run.end()
    assert status == (0 if name == "SIGINT" else -signal.SIGUSR1), run.errors
    assert "signal" in said
    last = [5, *(int(line.split()[1]) for line in said if line.startswith("step "))][-1]
    assert run.steps() in ([last], [last + 1])
