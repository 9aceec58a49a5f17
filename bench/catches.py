"""Shows the tests' own vectors to Holdall and to the scanners it is compared with; prints who caught and who flagged what, as a table.

Usage: catches.py [--only WORD]… [--folder DIR] [--python PYTHON] [--build DIR] [--jobs N] [--write]

Attacks are those of tests/real/pickles.py and attacks.py, by class; harmless files those of pickles.py and benign.py, by family. Each is
given by its path to each program's command line, and only exit statuses count: 1 (found) and 2 (could not be read, as an error) are "not
clean", a crash or a hang too; 0, and modelscan's 3 (no file that it supports), are clean. --write puts the table between the
`<!-- catches -->` marks of docs/benchmarks.md and its last lines between those of README.md and docs/from/picklescan.md. The vectors that
somebody takes for what they are not are listed in FOLDER/missed.txt. What another program said of the same bytes under the same name is kept
in FOLDER.jsonl and not asked again, also where this one was stopped: they take more than an hour.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import marked
import scanners

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAMS = ("Holdall", *scanners.COMMANDS)
ANSWERS = (0, 1, 2, 3)


def attacks():
    """{"class/name": function of a folder that gives the path}"""
    import attacks as vectors
    import pickles

    yield from ((f"pickles by hand/{name}", written(data)) for name, data in (pickles.MALICIOUS | pickles.SUSPICIOUS).items())
    yield from ((name, attack.make) for name, attack in vectors.ATTACKS.items())


def harmless():
    import benign
    import pickles

    yield from ((f"words of attacks/{name}", written(data)) for name, data in pickles.INERT.items())
    yield from benign.BENIGN.items()


def written(data):
    def make(folder):
        path = folder / "model.pkl"
        path.write_bytes(data)
        return path

    return make


def make(folder, rows, group, words):
    """{group(name): paths}; a row that the frameworks here cannot make is left out."""
    paths = collections.defaultdict(list)
    for name, maker in rows:
        if words and not any(word in name for word in words):
            continue
        place = folder / name
        place.mkdir(parents=True)
        try:
            paths[group(name)].append(str(maker(place)))
        except Exception as fault:
            print(f"{name}: left out: {fault}", file=sys.stderr)
    return paths


def digest(folder, path):
    """Of a vector: its name within the folder, and the names and bytes of its files."""
    told = hashlib.sha256(os.path.relpath(path, folder).encode())
    files = sorted(entry for entry in pathlib.Path(path).rglob("*") if entry.is_file()) if os.path.isdir(path) else [pathlib.Path(path)]
    for file in files:
        told.update(f"\0{os.path.relpath(file, folder)}\0{file.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        told.update(file.read_bytes())
    return told.hexdigest()


def own_status(command, path):
    try:
        return subprocess.run([command, "scan", "--quiet", path], stderr=subprocess.DEVNULL, timeout=scanners.SECONDS).returncode
    except subprocess.TimeoutExpired:
        return -signal.SIGALRM


def statuses(program, paths, options):
    if program == "Holdall":
        command = str(pathlib.Path(options.build).resolve() / "holdall")
        return {path: own_status(command, path) for path in paths}
    kept = options.folder.with_suffix(".jsonl")
    known = dict(map(json.loads, kept.read_text().splitlines())) if kept.exists() else {}
    keys = {path: f"{program} {scanners.environment().name} {digest(options.folder, path)}" for path in paths}
    frameworks = next(path for path in sys.path if path.endswith("site-packages"))
    home = options.folder / "home"
    home.mkdir(exist_ok=True)
    asked = [path for path in paths if keys[path] not in known]
    print(f"{program}: {len(paths) - len(asked)} of them are known", file=sys.stderr)
    for path, status in scanners.statuses(program, asked, frameworks, home, options.jobs):
        known[keys[path]] = status
        with kept.open("a") as rows:
            rows.write(json.dumps([keys[path], status]) + "\n")
    return {path: known[keys[path]] for path in paths}


def is_clean(status):
    return status in (0, 3)


def rows(groups, found, is_right):
    """Table rows of numbers: a group each, then the whole."""
    counted = {name: [sum(is_right(found[program][path]) for path in paths) for program in PROGRAMS] for name, paths in groups.items()}
    for name, numbers in sorted(counted.items()):
        yield f"| {name} | {len(groups[name])} | {' | '.join(map(str, numbers))} |"
    whole = [sum(numbers[i] for numbers in counted.values()) for i in range(len(PROGRAMS))]
    yield f"| **together** | **{sum(map(len, groups.values()))}** | {' | '.join(f'**{number}**' for number in whole)} |"


def tables(bad, good, found):
    """The whole table, and the one of its sums."""
    head = f"files | {' | '.join(PROGRAMS)} |"
    line = "|---|" + "---:|" * (len(PROGRAMS) + 1)
    caught = list(rows(bad, found, lambda status: not is_clean(status)))
    flagged = list(rows(good, found, lambda status: not is_clean(status)))
    whole = [f"| attacks caught | {head}", line, *caught, "", f"| harmless files flagged | {head}", line, *flagged]
    whole += ["", silence(found)]
    sums = [f"| | {head}", line, caught[-1].replace("**together**", "attacks caught"), flagged[-1].replace("**together**", "harmless files flagged")]
    return whole, [text.replace("**", "") for text in sums]


def silence(found):
    """How often a program gave no answer."""
    counted = {program: sum(status not in ANSWERS for status in statuses.values()) for program, statuses in found.items()}
    told = ", ".join(f"{number} of {program}" for program, number in counted.items() if number) or "none"
    return f"A crash, or no answer within {scanners.SECONDS} seconds, counts as caught or flagged: {told}."


def missed(groups, found, is_wrong):
    for paths in groups.values():
        for path in paths:
            for program in PROGRAMS:
                if is_wrong(found[program][path]) or found[program][path] not in ANSWERS:
                    yield f"{program}\t{found[program][path]}\t{path}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "catches")
    parser.add_argument("--python", default=scanners.tests_python())
    parser.add_argument("--build", default=ROOT / "build" / "release")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="paths that another scanner is given at once")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if os.path.abspath(sys.executable) != os.path.abspath(options.python):
        os.execv(options.python, [options.python, *sys.argv])
    sys.path.insert(0, str(ROOT / "tests" / "real"))
    options.folder = options.folder.resolve()
    shutil.rmtree(options.folder, ignore_errors=True)
    bad = make(options.folder / "attacks", attacks(), lambda name: name.split("/")[0], options.only)
    good = make(options.folder / "harmless", harmless(), lambda name: name.split("/")[0].split("-")[0], options.only)
    paths = [path for groups in (bad, good) for list_ in groups.values() for path in list_]
    found = {}
    for program in PROGRAMS:
        print(f"{program}: {len(paths)} paths", file=sys.stderr)
        found[program] = statuses(program, paths, options)
    whole, sums = tables(bad, good, found)
    lines = [*missed(bad, found, is_clean), *missed(good, found, lambda status: not is_clean(status))]
    (options.folder / "missed.txt").write_text("\n".join([*lines, ""]))
    print("\n".join(whole))
    if options.write:
        marked.write(ROOT / "docs" / "benchmarks.md", "catches", whole)
        for page in ("README.md", "docs/from/picklescan.md"):
            marked.write(ROOT / page, "catches", sums)
    return 0


if __name__ == "__main__":
    sys.exit(main())
