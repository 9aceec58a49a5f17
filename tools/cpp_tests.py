"""Runs the C++ test programs of a build folder and counts the tests in them (ctest counts only the programs).

Usage: cpp_tests.py BUILD_FOLDER LOG_FOLDER [NAME_PREFIX…]. Prints one line a program and ends with "N passed, N failed".
A program that crashes, hangs or says nothing counts as one failed test beside those it reported.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TIMEOUT_SECONDS = 900


def listed(build, prefixes):
    """(name, command) of every test that CMake registered, slowest kinds first so that none is left alone at the end."""
    out = subprocess.run(
        ["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True, text=True
    ).stdout
    # A program that is not built has no command: running it by its name fails and is counted.
    tests = [(test["name"], test.get("command", [f"{build}/{test['name']}"])) for test in json.loads(out)["tests"]]
    tests = [test for test in tests if not prefixes or test[0].startswith(tuple(prefixes))]
    return sorted(tests, key=lambda test: (test[0].endswith("_replay"), test[0] not in ("faults_test", "conformance_test")))


def counted(text, status):
    """(passed, failed, skipped) of one program's output and exit status."""
    replayed = re.search(r"^(\d+) inputs replayed$", text, re.M)
    if replayed:
        return (int(replayed[1]), 0, 0) if status == 0 else (0, 1, 0)

    def number(pattern):
        found = re.findall(pattern, text, re.M)
        return int(found[-1]) if found else 0

    passed = number(r"^\[  PASSED  \] (\d+) tests?\.")
    failed = number(r"^\[  FAILED  \] (\d+) tests?, listed below")
    skipped = number(r"^\[  SKIPPED \] (\d+) tests?, listed below")
    finished = re.search(r"^\[==========\] \d+ tests? from \d+ test suites? ran", text, re.M)
    if not finished:
        passed = len(re.findall(r"^\[       OK \]", text, re.M))
        failed = len(re.findall(r"^\[  FAILED  \]", text, re.M)) + 1
    elif status != 0 and failed == 0:
        failed = 1
    return passed, failed, skipped


def run(test, logs):
    name, command = test
    log = logs / f"{name}.log"
    started = time.monotonic()
    with log.open("wb") as file:
        try:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS
            ).returncode
        except OSError as error:
            file.write(f"{error}\n".encode())
            status = -1
        except subprocess.TimeoutExpired:
            file.write(f"\nstill running after {TIMEOUT_SECONDS} s\n".encode())
            status = -1
    text = log.read_text(errors="replace")
    return name, counted(text, status), status, time.monotonic() - started, text


def main():
    build, logs, prefixes = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    logs.mkdir(parents=True, exist_ok=True)
    tests = listed(build, prefixes)
    totals = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, counts, status, seconds, text in pool.map(lambda test: run(test, logs), tests):
            totals = [total + count for total, count in zip(totals, counts)]
            skipped = f", {counts[2]} skipped" if counts[2] else ""
            print(f"{name}: {counts[0]} passed, {counts[1]} failed{skipped} ({seconds:.1f} s)", flush=True)
            if counts[1] or status != 0:
                print("\n".join(text.splitlines()[-40:]))
                print(f"{name}: exit status {status}")
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 0 if totals[0] and not totals[1] else 1


if __name__ == "__main__":
    sys.exit(main())
