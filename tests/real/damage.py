"""Runs the command many thousand times, cheaply, under limits: no framework is loaded here and no shell is started."""

import json
import os
import resource
import signal
import subprocess
import sys
import time


def mutations(data, count):
    """(name, bytes): `data` cut short, with bits flipped, bytes set, runs taken out, doubled and zeroed, spread evenly.

    The first and last 64 bytes, where headers and directories are, are hit more densely than the rest.
    """
    size = len(data)
    spread = {size * i // count for i in range(count)} | set(range(0, min(size, 64), 3)) | set(range(max(0, size - 64), size, 3))
    for at in sorted(spread):
        yield f"cut{at}", data[:at]
    for i, at in enumerate(sorted(spread)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << (i % 8)
        yield f"flip{at}", bytes(flipped)
        if i % 3 == 0:
            flipped[at] = 0xFF
            yield f"ff{at}", bytes(flipped)
        if i % 3 == 1:
            yield f"out{at}", data[:at] + data[at + 5:]
        if i % 3 == 2:
            yield f"twice{at}", data[:at] + data[max(0, at - 9):]
        if i % 5 == 0:
            yield f"large{at}", data[:at] + b"\xff\xff\xff\x7f\xff\xff\xff\xff" + data[at + 8:]
    yield "grown", data + bytes(16)
    yield "empty", b""


class Limits:
    seconds = 20
    address_space = 1 << 30
    resident_bytes = 80_000_000  # 64 MB and the program itself; the files are far smaller than their headers may be


class Run:
    """Exit status (negative: the signal that ended it), largest resident size in bytes, seconds, and what was said."""

    def __init__(self, status, resident, seconds, said):
        self.status, self.resident, self.seconds, self.said = status, resident, seconds, said


class Runner:
    """A small process that starts the command: a child's largest resident size counts what its parent had, so the parent must be
    small, and starting from it is cheap."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, command, arguments, scratch):
        request = [str(command), [str(argument) for argument in arguments], str(scratch), Limits.seconds, Limits.address_space]
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return Run(*json.loads(self.process.stdout.readline()))


_runner = []


def run(command, arguments, scratch):
    """One run of the command under Limits; `scratch` is a folder for what it says (the file "said")."""
    if not _runner:
        _runner.append(Runner())
    return _runner[0].run(command, arguments, scratch)


def serve():
    for line in sys.stdin:
        command, arguments, scratch, seconds, address_space = json.loads(line)
        print(json.dumps(spawned(command, arguments, os.path.join(scratch, "said"), seconds, address_space)), flush=True)


def spawned(command, arguments, said, seconds, address_space):
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    started = time.monotonic()
    child = os.posix_spawn(command, [command, *arguments], os.environ, file_actions=actions)
    resource.prlimit(child, resource.RLIMIT_AS, (address_space, address_space))
    resource.prlimit(child, resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(seconds)
    _, status, usage = os.wait4(child, 0)
    signal.alarm(0)
    with open(said, "rb") as file:
        text = file.read(4000).decode("utf-8", "replace")
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024, time.monotonic() - started, text


if __name__ == "__main__":
    serve()
