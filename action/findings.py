"""What a scan found, file by file, and how it is told: names and messages come from files of strangers and are data everywhere."""

import dataclasses
import posixpath
import re
import unicodedata

# Worst first.
VERDICTS = ("malicious", "unreadable", "forbidden", "code", "inert")
LONGEST = 500


@dataclasses.dataclass
class File:
    """One that is not inert, with what was found in it, worst first."""

    path: str
    findings: list

    @property
    def verdict(self):
        return worst(finding["severity"] for finding in self.findings)


def worst(verdicts):
    return min(verdicts, key=VERDICTS.index, default="inert")


def place(finding):
    return finding["where"].removeprefix("./")


def by_file(reports):
    """The files that are not inert, worst first."""
    found = {}
    for report in reports:
        for finding in report["findings"]:
            found.setdefault(posixpath.normpath(finding.get("file") or report["path"]), []).append(finding)
    files = [File(path, sorted(findings, key=lambda finding: VERDICTS.index(finding["severity"]))) for path, findings in found.items()]
    return sorted(files, key=lambda file: VERDICTS.index(file.verdict))


def plain(text, longest=LONGEST, hidden=""):
    """On one line, every character to be seen, those of `hidden` as escapes; nothing in it is a command to a runner."""

    def seen(letter):
        if unicodedata.category(letter)[0] != "C" and unicodedata.category(letter) not in ("Zl", "Zp") and letter not in hidden:
            return letter
        number = ord(letter)
        return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

    shown = "".join(map(seen, text)).replace("##[", "\\x23#[")
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def code(text, longest=LONGEST):
    """The same as a code span of Markdown, in a table too: nothing in it ends the span or the cell."""
    shown = plain(text, longest, "`|")
    return f"`{shown}`" if shown.strip() else "` `"


def table(files, most, longest=LONGEST):
    """A table in Markdown: `most` files at most, each with its worst finding."""
    lines = ["| verdict | file | what | rule |", "|---|---|---|---|"]
    for file in files[:most]:
        first, rest = file.findings[0], len(file.findings) - 1
        more = f" and {rest} more" if rest else ""
        lines.append(f"| {file.verdict} | {code(file.path, longest)} | {code(first['what'], longest)}{more} | {code(first['rule'])} |")
    if len(files) > most:
        lines += ["", f"… and {len(files) - most} more files: see the log"]
    return lines


def prose(text):
    """Words as Markdown that shows them."""
    return re.sub(r"([\\`*_\[\]<>#|~&@!])", r"\\\1", plain(text))


def command(kind, message, **properties):
    """A command to the runner, as it reads them on standard output."""

    def data(text):
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    given = ",".join(f"{name}={data(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in properties.items())
    return f"::{kind} {given}::{data(message)}"
