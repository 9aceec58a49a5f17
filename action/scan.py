"""Runs the scan of the action: a line a finding into the log, annotations and a summary of the job, SARIF, and the report that
comment.py reads. What was found never fails this step; that a scan gave no answer does.

In the environment: HOLDALL_COMMAND, HOLDALL_PATHS (one a line), HOLDALL_POLICY, HOLDALL_FAIL_ON, HOLDALL_SARIF, and the runner's
GITHUB_OUTPUT, GITHUB_STEP_SUMMARY, RUNNER_TEMP. Outputs: verdict, refused, sarif-file, report.
"""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

from findings import VERDICTS, by_file, command, place, plain, table, worst

MOST_ANNOTATIONS = 10  # of one kind from one step: the runner shows no more
MOST_ROWS = 500
# What code scanning takes: results that it shows, and bytes compressed (10 MB, with room for another compressor).
MOST_RESULTS = 5000
MOST_BYTES = 9_000_000


class NoAnswer(Exception):
    pass


def verdicts_that_fail(given):
    chosen = {word for word in re.split(r"[,\s]+", given.strip()) if word}
    allowed = {*VERDICTS, "none"} - {"inert"}
    if not chosen or chosen - allowed or ("none" in chosen and len(chosen) > 1):
        raise NoAnswer(f"fail-on: {given!r}; it is {', '.join(sorted(allowed - {'none'}))}, or some of them, or none")
    return chosen - {"none"}


def document(flag):
    """What the command says with --json or --sarif."""
    # Relative to the repository, as pull requests and code scanning name files.
    here = os.getcwd() + os.sep
    paths = [line.strip().removeprefix(here) for line in os.environ["HOLDALL_PATHS"].splitlines() if line.strip()]
    if not paths:
        raise NoAnswer("path: names nothing")
    if missing := [path for path in paths if not os.path.lexists(path)]:
        raise NoAnswer(f"path: {missing[0]} is not there")
    policy = os.environ.get("HOLDALL_POLICY")
    arguments = [os.environ["HOLDALL_COMMAND"], "scan", flag, *(["--policy", policy] if policy else []), "--", *paths]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True)
    try:
        if done.returncode not in (0, 1, 2):
            raise ValueError(f"ended with status {done.returncode}")
        return json.loads(done.stdout.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise NoAnswer(f"holdall scan {flag}: {said or error}") from error


def bounded(sarif):
    """The document as bytes that code scanning takes; says what it left out."""
    run = sarif["runs"][0]
    total = len(run["results"])
    if total > MOST_RESULTS:
        run["results"].sort(key=lambda result: ("suppressions" in result, result["level"] != "error"))
        run["results"] = run["results"][:MOST_RESULTS]
    while True:
        written = json.dumps(sarif, ensure_ascii=False).encode("utf-8", "replace")
        if len(gzip.compress(written)) <= MOST_BYTES:
            break
        if not run.pop("artifacts", None):
            run["results"] = run["results"][: len(run["results"]) // 2]
    if len(run["results"]) < total:
        print(command("warning", f"SARIF: {len(run['results'])} of {total} results, more than code scanning takes", title="holdall scan"))
    return written


def tell(files, failing):
    """The log and the annotations."""
    for file in files:
        for finding in file.findings:
            print(f"{finding['severity']}: {finding['rule']}: {plain(place(finding))}: {plain(finding['what'])}")
    for kind, chosen in (
        ("error", [file for file in files if file.verdict in failing]),
        ("warning", [file for file in files if file.verdict not in failing]),
    ):
        for file in chosen[:MOST_ANNOTATIONS]:
            first, rest = file.findings[0], len(file.findings) - 1
            more = f" (and {rest} more)" if rest else ""
            print(command(kind, f"{first['rule']}: {plain(first['what'])}{more}", file=file.path, title=f"holdall scan: {file.verdict}"))


def summary(verdict, scanned, files):
    lines = [f"### holdall scan: {verdict}", "", f"{scanned} {'file' if scanned == 1 else 'files'}, {len(files)} not inert", ""]
    if files:
        lines += table(files, MOST_ROWS)
    return "\n".join(lines) + "\n"


def give(name, value):
    """An output of the step."""
    if "\n" in value or "\r" in value:
        raise NoAnswer(f"{name}: a line break in it")
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.write(f"{name}={value}\n")


def main():
    failing = verdicts_that_fail(os.environ["HOLDALL_FAIL_ON"])
    answer = document("--json")
    reports = answer if isinstance(answer, list) else [answer]
    files = by_file(reports)
    verdict = worst(file.verdict for file in files)
    sarif = document("--sarif")
    target = pathlib.Path(os.environ["HOLDALL_SARIF"])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(bounded(sarif))
    report = pathlib.Path(os.environ["RUNNER_TEMP"], "holdall-report.json")
    report.write_text(json.dumps(reports))
    tell(files, failing)
    scanned = sum(len(report["files"]) for report in reports)
    with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as page:
        page.write(summary(verdict, scanned, files))
    give("verdict", verdict)
    give("refused", str(any(finding["severity"] in failing for file in files for finding in file.findings)).lower())
    give("sarif-file", os.fspath(target))
    give("report", os.fspath(report))
    print(f"{verdict}: {scanned} scanned, {len(files)} not inert")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        main()
    except (NoAnswer, OSError) as error:
        print(command("error", plain(str(error)), title="holdall scan"))
        sys.exit(1)
