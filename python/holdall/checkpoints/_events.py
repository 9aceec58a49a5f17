"""What happened to checkpoints, and what there is of them."""

from __future__ import annotations

import html
import time
from typing import Any

Row = dict[str, Any]


class Event:
    """`kind`: "saved", "skipped" (another was still being written), "replaced" (while it waited), "failed", "removed" (no rule keeps it),
    "held" (it was to go, and somebody has it open), "signal". `waited`, `written`: seconds that the training waited and that writing took.
    ``str(event)`` is one line."""

    __slots__ = ("bytes", "epoch", "error", "kind", "metrics", "path", "step", "waited", "written")

    def __init__(self, row: Row) -> None:
        self.kind: str = row["kind"]
        self.path: str = row["path"]
        self.step: int | None = row["step"]
        self.epoch: int | None = row["epoch"]
        self.metrics: dict[str, float] = row["metrics"]
        self.bytes: int = row["bytes"]
        self.waited: float = row["waited"]
        self.written: float = row["written"]
        self.error: str | None = row["error"]

    def __str__(self) -> str:
        words = [f"{self.kind} {self.path}"]
        if self.kind == "saved":
            words.append(f"step {self.step}" + ("" if self.epoch is None else f", epoch {self.epoch}"))
            words += [f"{name} {value:g}" for name, value in self.metrics.items()]
            words.append(f"{size_text(self.bytes)}, waited {self.waited:.3g} s, written in {self.written:.3g} s")
        if self.error:
            words.append(self.error)
        return ", ".join(words) if self.kind != "failed" else f"failed {self.path}: {self.error}"

    def __repr__(self) -> str:
        return f"<Event {self}>"


class History(list[Row]):
    """The checkpoints of a folder by step, a dict each: step, epoch, metrics, bytes, path, state, time, why, kept, fate. It prints as a
    table, in a notebook too."""

    def __call__(self) -> History:
        return self

    def __repr__(self) -> str:
        heads, rows = self._cells()
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows])

    def _repr_html_(self) -> str:
        heads, rows = self._cells()
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        metrics = list(dict.fromkeys(name for row in self for name in row["metrics"]))
        heads = ["step", "epoch", *metrics, "size", "saved", "state", "kept", "path"]
        return heads, [_cells_of(row, metrics) for row in self]


def _cells_of(row: Row, metrics: list[str]) -> list[str]:
    said = [_text(row["step"]), _text(row["epoch"])]
    said += [f"{row['metrics'][name]:g}" if name in row["metrics"] else "-" for name in metrics]
    when = "-" if row["time"] is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["time"]))
    return [*said, size_text(row["bytes"]), when, row["state"], row["fate"], row["path"]]


def _text(value: int | None) -> str:
    return "-" if value is None else str(value)


def size_text(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
