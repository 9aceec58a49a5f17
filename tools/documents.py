"""Checks the documents that must agree with the program: README's table of formats, the API documentation.

Usage: documents.py COMMAND [--write]. A block of a document between `<!-- NAME -->` and `<!-- /NAME -->` must be what the command
prints; --write puts it there. The last line is "N passed, N failed".
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def printed(command, *arguments):
    return subprocess.run([command, *arguments], check=True, capture_output=True, text=True).stdout


def formats_table(command):
    """`holdall formats` in a pipe is tab-separated: id, files, access; README adds each format's page."""
    lines = ["| format | files | |", "|---|---|---|"]
    for line in printed(command, "formats").splitlines():
        name, files, access, *_ = line.split("\t")
        lines.append(f"| [`{name}`](holdall/formats/{name.replace('-', '_')}/README.md) | {files} | {access} |")
    return "\n".join(lines)


BLOCKS = {"formats": formats_table}


def between(document, name):
    """(start, end) of a block's content."""
    opening, closing = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    start = document.index(opening) + len(opening)
    return start, document.index(closing, start - 1)


def block_faults(command, write):
    for name, content in BLOCKS.items():
        document = README.read_text()
        start, end = between(document, name)
        wanted = content(command)
        if document[start:end].strip("\n") == wanted:
            yield name, None
        elif write:
            README.write_text(document[:start] + wanted + document[end:])
            yield name, None
        else:
            yield name, "README.md: not what the command prints; python3 tools/documents.py COMMAND --write"


def api_faults():
    (ROOT / "build").mkdir(exist_ok=True)
    done = subprocess.run(["doxygen", "docs/Doxyfile"], cwd=ROOT, capture_output=True, text=True)
    warnings = (done.stdout + done.stderr).strip()
    yield "api", warnings or (f"doxygen ended with {done.returncode}" if done.returncode else None)


def main():
    command, write = sys.argv[1], "--write" in sys.argv[2:]
    failed = 0
    results = [*block_faults(command, write), *api_faults()]
    for name, fault in results:
        failed += fault is not None
        print(f"{'FAILED' if fault else 'passed'} {name}" + (f"\n{fault}" if fault else ""))
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
