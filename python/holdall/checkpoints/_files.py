"""The checkpoints of a folder, in the order in which they are to be tried."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import _documents, _native
from ..errors import CorruptError, HoldallWarning, UnsupportedError
from ._options import Best

Row = dict[str, Any]

# Where Holdall knows its own by: a key of a file's metadata, a file in a folder (holdall/checkpoint/record.h).
STAMP = "holdall.checkpoint"
STAMP_FILE = "holdall_checkpoint.json"


def candidates(folder: str, which: Any, best: Sequence[Best], is_named: Callable[[str], object], warn: Callable[[list[str]], None]) -> list[Row]:
    """Of "latest", "best", "best:METRIC" or a step: those that are whole as far as is known unread. `best`: the rules that tell modes, and the metric
    of "best"; `is_named`: whether a name is one that the run gives. `warn` is told of a newer one that is not whole.

    Raises CorruptError, UnsupportedError where there are some and none is whole; ValueError, TypeError for what is no such word.
    """
    rows, newest = _read(folder)
    order = [rows[i] for i in newest]
    if which == "latest":
        lost = [row for row in rows if row["state"] in ("damaged", "future") and _would_be_newest(row, order, is_named)]
        for row in lost:
            warn([f"{row['path']} is passed over: {row['why']}"])
        if lost and not order:
            error = UnsupportedError if all(row["state"] == "future" for row in lost) else CorruptError
            raise error(f"none of {len(lost)} checkpoints is whole; {lost[-1]['path']}: {lost[-1]['why']}", path=folder)
        return order
    if isinstance(which, str):
        word, _, metric = which.partition(":")
        if word != "best":
            raise ValueError(f"{which!r} is neither 'latest' nor 'best' nor a step")
        if not metric and not best:
            raise ValueError("which is the best? give keep_best=, or restore('best:METRIC')")
        modes = {name: mode for name, mode, _ in best}
        metric = metric or best[0][0]
        return [rows[i] for i in _native.best_checkpoints(folder, metric, modes.get(metric, "min"))]
    if isinstance(which, bool) or not isinstance(which, int):
        raise TypeError(f"a checkpoint is 'latest', 'best' or a step, not {type(which).__name__}")
    return [row for row in order if row["step"] == which]


def newest_whole(folder: str, check: bool = True) -> str | None:
    """The path of the newest whose checksums hold; None where there is none. Newer ones that are damaged are passed over with a HoldallWarning that
    says why. `check=False` reads none through."""
    if not os.path.isdir(folder):
        return None
    rows, newest = _read(folder)
    order = [rows[i] for i in newest]
    for row in rows:
        if row["state"] in ("damaged", "future") and row["step"] is not None and _would_be_newest(row, order, lambda _: False):
            warnings.warn(f"{row['path']} is passed over: {row['why']}", HoldallWarning, stacklevel=3)
    for row in order:
        path: str = row["path"]
        faults = _documents.verify(path)["faults"] if check else []
        if not faults:
            return path
        warnings.warn(f"{path} is passed over: {faults[0]['where']}: {faults[0]['what']}", HoldallWarning, stacklevel=3)
    return None


def _read(folder: str) -> tuple[list[Row], list[int]]:
    return _native.read_checkpoints(folder, None, [], None, None, None, True)


def _would_be_newest(row: dict[str, Any], order: list[dict[str, Any]], is_named: Callable[[str], object]) -> bool:
    """Of one that is not whole: whether it would come first, as far as its stamp, or without one its name, tells."""
    if row["step"] is None:
        return bool(is_named(os.path.basename(row["path"])))
    return not order or row["step"] > order[0]["step"]
