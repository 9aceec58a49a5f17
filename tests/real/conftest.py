"""Fixtures of the tests against the real libraries: the command under test, the C++ test tools, and where files go.

The command is $HOLDALL_COMMAND, else build/release/holdall, else build/debug/holdall. Tests here know the command by its
contract alone (documents, names, digests, exit statuses) and the frameworks by their own loaders and savers.
"""

import dataclasses
import json
import os
import pathlib
import resource
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # of the commands too


@dataclasses.dataclass
class Outcome:
    """What one run of the command gave back."""

    command: list
    status: int
    out: str
    err: str

    @property
    def json(self):
        """The one document that --json prints."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"not one JSON document ({error}): {self}") from error

    @property
    def tensors(self):
        """The tensors of an `inspect --json` document by name; a name twice is a failure."""
        entries = self.json["tensors"]
        named = {entry["name"]: entry for entry in entries}
        assert len(named) == len(entries), "a tensor name occurs twice"
        return named

    def __str__(self):
        return f"$ {' '.join(self.command)}\nexit {self.status}\n{self.out[-4000:]}{self.err[-4000:]}"


class Command:
    """Runs the command: `holdall("inspect", path, "--json")`.

    `status` is the exit status that is a pass (None: any of 0, 1, 2; a signal never passes). `memory` caps the address
    space in bytes; `timeout` is in seconds.
    """

    def __init__(self, path):
        self.path = str(path)

    def __call__(self, *arguments, status=0, stdin=None, timeout=120, memory=None, env=None, cwd=None):
        command = [self.path, *map(str, arguments)]
        # Without a preexec_fn nothing of the frameworks' threads and fork handlers runs on the way.
        limit = [] if memory is None else ["prlimit", f"--as={memory}", "--"]
        done = subprocess.run(
            [*limit, *command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        outcome = Outcome(
            command, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )
        allowed = (0, 1, 2) if status is None else (status,) if isinstance(status, int) else tuple(status)
        assert outcome.status in allowed, f"exit status {outcome.status}, expected {allowed}\n{outcome}"
        return outcome

    def inspect(self, path, *flags, **options):
        """`inspect --json --digest`, the document every comparison starts from."""
        return self("inspect", path, "--json", "--digest", *flags, **options)

    def convert(self, source, target, *flags, **options):
        return self("convert", source, target, "--check", *flags, **options)


def _find(name, given, folders):
    if given:
        return pathlib.Path(given)
    for folder in folders:
        path = ROOT / "build" / folder / name
        if path.exists():
            return path
    return None


@pytest.fixture(scope="session")
def holdall():
    path = _find("holdall", os.environ.get("HOLDALL_COMMAND"), ["release", "debug"])
    assert path is not None and path.exists(), "no holdall command: build it (./run --build) or set HOLDALL_COMMAND"
    return Command(path.resolve())


@pytest.fixture(scope="session")
def program():
    """The path of a C++ test tool, built by the debug preset (or found in $HOLDALL_TOOLS)."""

    def find(name):
        given = os.environ.get("HOLDALL_TOOLS")
        path = _find(name, given and pathlib.Path(given) / name, ["debug", "asan"])
        assert path is not None and path.exists(), f"no {name}: cmake --build --preset debug --target {name}"
        return str(path)

    return find


@pytest.fixture(scope="session")
def root():
    """The root of the source tree."""
    return ROOT
