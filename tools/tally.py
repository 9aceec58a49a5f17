"""Reads how many tests a log says have passed, failed and were skipped: pytest's or unittest's last line, or "N passed, N failed".
Each line "install: …" of the installation test is one more that passed.

Usage: tally.py LOG EXIT_STATUS. Prints "PASSED FAILED SKIPPED". A step that failed without counting a failure, or that counted
nothing at all, is one failed test.
"""

import pathlib
import re
import sys

COLUMNS = {"passed": 0, "failed": 1, "error": 1, "errors": 1, "skipped": 2, "xfailed": 2}


def tally(text, status):
    counts = [0, 0, 0]
    closing = re.compile(r"\b(\d+) (passed|failed|errors?|skipped|xfailed)\b")
    lines = [line for line in text.splitlines() if closing.search(line)]
    for number, word in closing.findall(lines[-1]) if lines else []:
        counts[COLUMNS[word]] += int(number)
    for number in re.findall(r"^Ran (\d+) tests? in ", text, re.M):
        broken = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", text.splitlines()[-1])))
        counts[0] += int(number) - broken
        counts[1] += broken
    counts[0] += len(re.findall(r"^install: ", text, re.M))
    if (status != 0 or sum(counts) == 0) and counts[1] == 0:
        counts[1] = 1
    return counts


if __name__ == "__main__":
    print(*tally(pathlib.Path(sys.argv[1]).read_text(errors="replace"), int(sys.argv[2])))
