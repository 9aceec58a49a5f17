"""The code of a page, as a reader would try it: blocks in their order, one namespace and one folder a page.

    ```python     run; `expression  # → value` must have that repr
    ```text       right behind a python block: what that block printed
    ```console    `$ command` lines run by bash on a terminal, the lines behind each are what it said; a command that does not end
                  with status 0 is followed by `$ echo $?`

`…` in what is expected stands for anything. Other blocks are not run.
"""

import ast
import contextlib
import dataclasses
import io
import os
import pathlib
import pty
import re
import subprocess
import sys
import threading
import types

COLUMNS = 88


@dataclasses.dataclass
class Block:
    kind: str
    line: int  # of its first line of content, from 1
    text: str
    follows: bool  # nothing but blank lines stand between it and the block before


def blocks(markdown):
    found = []
    end = None
    for match in re.finditer(r"^([ ]*)```[ ]*(\w*)[^\n`]*\n(.*?)^\1```[ ]*$", markdown, re.M | re.S):
        indent, kind, body = match.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        follows = end is not None and not markdown[end : match.start()].strip()
        found.append(Block(kind, markdown.count("\n", 0, match.start(3)) + 1, "\n".join(lines), follows))
        end = match.end()
    return found


def fits(expected, found):
    """Whether what was found is what a page shows."""
    lines = [line.rstrip() for line in found.strip("\n").splitlines()]
    pattern = ".*?".join(map(re.escape, "\n".join(line.rstrip() for line in expected.strip("\n").splitlines()).split("…")))
    return re.fullmatch(pattern, "\n".join(lines), re.S) is not None


class Page:
    """A page that is run in the current folder."""

    def __init__(self, path, name):
        self.path = path
        self.name = name
        self.blocks = blocks(path.read_text())
        self.module = types.ModuleType("__main__")
        # Tracebacks and inspect.getsource() look here: the page's Python, on the lines where the page has it.
        self.source = pathlib.Path.cwd() / ".page.py"
        lines = []
        for block in self.blocks:
            if block.kind == "python":
                lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
        self.source.write_text("\n".join(lines) + "\n")
        self.module.__file__ = str(self.source)

    def run(self):
        main = sys.modules["__main__"]
        sys.modules["__main__"] = self.module
        try:
            printed = ""
            for block in self.blocks:
                if block.kind == "python":
                    printed = self.python(block)
                elif block.kind == "text" and block.follows:
                    assert fits(block.text, printed), f"{self.name}:{block.line}: printed is\n{printed}"
                elif block.kind == "console":
                    self.console(block)
        finally:
            sys.modules["__main__"] = main

    def python(self, block):
        """Runs a block; gives what it printed."""
        printed = io.StringIO()
        lines = block.text.splitlines()
        tree = ast.parse("\n" * (block.line - 1) + block.text, str(self.source))
        with contextlib.redirect_stdout(printed):
            for statement in tree.body:
                behind = re.search(r"#\s*→ (.*)$", lines[statement.end_lineno - block.line])
                if isinstance(statement, ast.Expr) and behind:
                    value = eval(compile(ast.Expression(statement.value), str(self.source), "eval"), self.module.__dict__)
                    assert fits(behind[1], repr(value)), f"{self.name}:{statement.lineno}: is {value!r}"
                else:
                    exec(compile(ast.Module([statement], []), str(self.source), "exec"), self.module.__dict__)
        return printed.getvalue()

    def console(self, block):
        commands = []
        for number, line in enumerate(block.text.splitlines(), block.line):
            if line.startswith("$ "):
                commands.append((number, line[2:], []))
            elif commands[-1][1].endswith("\\"):
                commands[-1] = (number, f"{commands[-1][1]}\n{line}", [])
            else:
                commands[-1][2].append(line)
        results = terminal([command for _, command, _ in commands])
        for at, (number, command, expected) in enumerate(commands):
            said, status = results[at]
            assert fits("\n".join(expected), said), f"{self.name}:{number}: {command}\n{said}"
            told = at + 1 < len(commands) and commands[at + 1][1] == "echo $?"
            assert status == 0 or told, f"{self.name}:{number}: {command} ended with {status}, which the page does not say\n{said}"


def terminal(commands):
    """(what it said, status) of each command, run by one bash on a terminal."""
    script = "".join(f"{command}\n__status=$?; printf '\\036%s\\036' $__status; (exit $__status)\n" for command in commands)
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8"}
    own, theirs = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    output = bytearray()

    def gather():
        with contextlib.suppress(OSError):
            while piece := os.read(own, 65536):
                output.extend(piece)

    reader = threading.Thread(target=gather)
    reader.start()
    try:
        subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment, timeout=120)
    finally:
        os.close(theirs)
        reader.join()
        os.close(own)
    # A progress bar is gone once its line is cleared.
    text = re.sub(r"[^\n\x1e]*(\r|\x1b\[K)", "", output.decode().replace("\r\n", "\n"))
    parts = text.split("\x1e")
    return [(parts[at], int(parts[at + 1])) for at in range(0, 2 * len(commands), 2)]
