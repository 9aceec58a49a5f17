"""The tree as the house checks see it: its files, and C++ with comments or strings blanked out."""

import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOORS = ["base", "io", "core", "codec", "objects", "formats", "trust", "ops", "checkpoint", "adapters"]
CODE = (".h", ".cc")

_TOKEN = re.compile(
    r'(?P<raw>R"(?P<mark>[^(\s]{0,16})\(.*?\)(?P=mark)")'
    r"|(?P<line>//[^\n]*)"
    r"|(?P<block>/\*.*?\*/)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<number>\b\d[\d']*)"
    r"|(?P<char>'(?:\\.|[^'\\\n])+')",
    re.S,
)


@functools.cache
def files():
    """Every file of the tree that git does not ignore, relative to the root, sorted."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout
    paths = [pathlib.PurePosixPath(name) for name in listed.split("\0") if name]
    return sorted(path for path in set(paths) if (ROOT / path).is_file())


def code_files(*folders):
    """C++ files, of the given top folders when any are named."""
    return [path for path in files() if path.suffix in CODE and (not folders or path.parts[0] in folders)]


def is_test(path):
    return path.stem.endswith(("_test", "_fuzz")) or path.parts[0] in ("tests", "bench", "examples")


@functools.cache
def text(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def formats():
    """The formats' folder names, in the order of formats.inc."""
    return re.findall(r"^HOLDALL_FORMAT\(([a-z0-9_]+)\)", text(pathlib.PurePosixPath("holdall/formats/formats.inc")), re.M)


def _blank(found):
    return re.sub(r"[^\n]", " ", found)


def without_comments(source):
    """C++ with comments blanked out, lines kept."""

    def replace(match):
        return _blank(match[0]) if match["line"] or match["block"] else match[0]

    return _TOKEN.sub(replace, source)


def only_code(source):
    """C++ with comments, strings and characters blanked out, lines kept."""

    def replace(match):
        return match[0] if match["number"] else _blank(match[0])

    return _TOKEN.sub(replace, source)


def matches(path, source, pattern, what):
    """A fault for each match of `pattern`: "path:line: what"."""
    for match in re.finditer(pattern, source):
        line = source.count("\n", 0, match.start()) + 1
        yield f"{path}:{line}: {what}: {match[0].strip()}"
