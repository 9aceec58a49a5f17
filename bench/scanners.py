"""The scanners that `holdall scan` is raced and compared with, in an environment of their own.

Called by run.py and catches.py, and run by itself in the scanners' environment:
  scanners.py each NAME FRAMEWORKS JOBS    NAME's own command line over each path of standard input, a line each, JOBS of them at once, with the
                                           packages of the folder FRAMEWORKS behind its own; prints "STATUS PATH" lines
  scanners.py fickling PATH                fickling's functions over the files of PATH; its exit status
"""

import hashlib
import importlib
import os
import pathlib
import resource
import signal
import subprocess
import sys
import types
import zipfile

# The module whose main() is the command, and what stands before the path.
COMMANDS = {
    "picklescan": ("picklescan.cli", ["--path"]),
    "modelscan": ("modelscan.cli", ["scan", "--path"]),
    "fickling": ("fickling.cli", ["--json-output", os.devnull, "--huggingface"]),
    "modelaudit": ("modelaudit.cli", ["scan", "--no-cache"]),
}
PINS = pathlib.Path(__file__).resolve().parent / "requirements-scanners.txt"
SECONDS = 120  # that a path may take
MEMORY = 8 << 30  # of addresses, for each path
CRASHED = 70  # the status where a Python exception ended it; signals have negative ones


def cache():
    """Where ./test keeps its environment too (tools/setup.sh)."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "holdall"


def tests_python():
    """The Python of the environment that ./test makes, with torch and the others; this one where there is none."""
    found = sorted(cache().glob("venv-*/bin/python"), key=os.path.getmtime)
    return str(found[-1]) if found else sys.executable


def environment():
    """The folder of the scanners' environment, made on first use."""
    folder = cache() / f"scanners-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        print(f"installing the scanners of {PINS.name} into {folder}", file=sys.stderr)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-qq", "--no-deps", "-r", PINS], check=True)
        (folder / "complete").touch()
    return folder


def variables(home):
    """Nothing is reported to anybody, and settings are a fresh user's."""
    return {"NO_ANALYTICS": "1", "HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}


def command(name, path):
    """What a user types. fickling's command takes one bare pickle: for anything else its functions are called, without torch."""
    programs = environment() / "bin"
    if name == "fickling":
        return [programs / "python", __file__, name, path]
    return [programs / name, *COMMANDS[name][1], path]


def statuses(name, paths, frameworks, home, jobs):
    """Yields (path, exit status) of the scanner for each of the paths, which hold no line breaks, as soon as it is known."""
    asked = home / "paths"
    asked.write_text("".join(f"{path}\n" for path in paths))
    command = [environment() / "bin" / "python", __file__, "each", name, frameworks, str(jobs)]
    with asked.open() as lines, subprocess.Popen(command, text=True, cwd=home, stdin=lines, stdout=subprocess.PIPE, env=os.environ | variables(home)) as running:
        for line in running.stdout:
            status, path = line.rstrip("\n").split(" ", 1)
            yield path, int(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)


def versions():
    code = f"import importlib.metadata as m; print(', '.join(f'{{n}} {{m.version(n)}}' for n in {tuple(COMMANDS)}))"
    return subprocess.run([environment() / "bin" / "python", "-c", code], check=True, capture_output=True, text=True).stdout.strip()


# --- In the scanners' environment ---------------------------------------------------------------------------------------------


def files_of(path):
    return [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names] if os.path.isdir(path) else [path]


def fickling(path):
    from fickling.loader import scan_file, scan_zip_archive

    is_safe = True
    for file in files_of(path):
        results = scan_zip_archive(file, graceful=True).values() if zipfile.is_zipfile(file) else [scan_file(file, graceful=True)]
        is_safe = is_safe and all(result.is_safe for result in results)
    return 0 if is_safe else 1


def local_hub():
    """A module huggingface_hub whose repositories are local paths, so that `fickling --huggingface` goes through them and chooses files."""
    folder = lambda path: path if os.path.isdir(path) else os.path.dirname(path)  # noqa: E731
    names = lambda path: [types.SimpleNamespace(rfilename=os.path.relpath(file, folder(path))) for file in files_of(path)]  # noqa: E731
    hub = types.ModuleType("huggingface_hub")
    hub.HfApi = lambda **_: types.SimpleNamespace(repo_info=lambda repo_id, **_: types.SimpleNamespace(siblings=names(repo_id)))
    hub.hf_hub_download = lambda repo_id, filename, **_: os.path.join(folder(repo_id), filename)
    return hub


def prepared(name):
    """The command's main(), with all imported that every path needs."""
    if name == "modelscan":
        scanner = importlib.import_module("modelscan.modelscan").ModelScan
        scanner()
        # For a file alone that it fails to read its status would be that of one which it does not look at; in a folder it is not.
        scanner.scanned = property(lambda self: self._scanned or self._errors)
    if name == "modelaudit":
        importlib.import_module("modelaudit.scanners")._registry.get_scanner_classes()
    if name == "fickling":
        importlib.import_module("fickling.polyglot")
        sys.modules["huggingface_hub"] = local_hub()
    return importlib.import_module(COMMANDS[name][0]).main


def run_child(main, arguments):
    """Never returns."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(SECONDS)
    sys.argv = arguments
    try:
        status = main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        status = CRASHED
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


def each(name, frameworks, jobs):
    sys.path.append(frameworks)
    main = prepared(name)
    running = {}

    def report():
        child, status = os.wait()
        print(os.waitstatus_to_exitcode(status), running.pop(child), flush=True)

    for path in sys.stdin.read().splitlines():
        if len(running) == int(jobs):
            report()
        child = os.fork()
        if child == 0:
            run_child(main, [name, *COMMANDS[name][1], path])
        running[child] = path
    while running:
        report()


if __name__ == "__main__":
    if sys.argv[1] == "each":
        each(*sys.argv[2:])
    else:
        sys.exit(fickling(sys.argv[2]))
