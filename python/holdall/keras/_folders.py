"""The folders that callbacks save into: a fit() that was left by an exception does not say so, and the next one takes its folder over."""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Any

from ..checkpoints import Checkpointer

_opened: dict[str, weakref.finalize[Any, Any]] = {}


def opened(owner: Any, folder: str | os.PathLike[str], **options: Any) -> Checkpointer:
    """A Checkpointer that is closed with `owner`, with the process, or when another callback of this process opens the folder."""
    path = os.path.realpath(os.fsdecode(folder))
    before = _opened.pop(path, None)
    if before is not None:
        before()
    checkpointer = Checkpointer(folder, **options)
    _opened[path] = weakref.finalize(owner, _close, checkpointer)
    return checkpointer


def closed(checkpointer: Checkpointer) -> None:
    """Raises what failed."""
    before = _opened.pop(os.path.realpath(checkpointer.folder), None)
    if before is not None:
        before.detach()
    checkpointer.close()


def _close(checkpointer: Checkpointer) -> None:
    with contextlib.suppress(Exception):
        checkpointer.close()
