"""Doxygen's input filter: turns the house's plain comments before and behind declarations into Doxygen's.

A file's first comment block becomes its description. Markdown passes unchanged.
"""

import re
import sys


def filtered(source):
    lines = source.splitlines()
    opening = 0
    while opening < len(lines) and lines[opening].startswith("//"):
        opening += 1
    out = []
    for number, line in enumerate(lines):
        if number < opening:
            out.append(("/// @file\n" if number == 0 else "") + "///" + escaped(line[2:]))
        elif match := re.match(r"(\s*)//(.*)", line):
            out.append(f"{match[1]}///{escaped(match[2])}")
        elif match := re.match(r"(.*[;,{(]\s+)//( .*)$", line):
            out.append(f"{match[1]}///<{escaped(match[2])}")
        else:
            out.append(line)
    return "\n".join(out)


def escaped(text):
    """Comments are prose: no commands, tags or links that were not meant."""
    return re.sub(r"([\\@<>#%&])", r"\\\1", text)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    sys.stdout.write(filtered(text) if sys.argv[1].endswith(".h") else text)
