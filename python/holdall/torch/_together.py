"""One write for all ranks of a distributed run: rank 0 writes, all return when it is on disk, or all raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed

from .. import errors
from ..errors import Error, UnsupportedError

# True for the default process group, or a group.
Ranks = Any


def once(write: Callable[[], None], ranks: Ranks) -> None:
    """Calls `write` on the first rank of the group alone. Raises there what it raised, on the others an error of the same class."""
    if ranks is None or ranks is False:
        return write()
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        raise UnsupportedError("distributed= needs a process group: call torch.distributed.init_process_group first")
    group = None if ranks is True else ranks
    first = torch.distributed.get_global_rank(group, 0) if group is not None else 0
    mine = torch.distributed.get_rank() == first
    failure: BaseException | None = None
    told: list[Any] = [None]
    if mine:
        try:
            write()
        except BaseException as error:
            failure = error
            told = [_told(error)]
    torch.distributed.broadcast_object_list(told, src=first, group=group)
    if failure is not None:
        raise failure
    if told[0] is not None:
        raise _raised(*told[0])


def _told(error: BaseException) -> tuple[Any, ...]:
    if isinstance(error, Error):
        name = next(of.__name__ for of in type(error).__mro__ if of.__name__ in errors.__all__)
        return name, str(error), error.message, error.path, error.offset, error.context
    return "Error", f"rank 0 could not save: {type(error).__name__}: {error}", "", "", None, []


def _raised(name: str, text: str, message: str, path: str, offset: int | None, context: list[str]) -> Error:
    made: Error = getattr(errors, name)(text, message=message, path=path, offset=offset, context=context)
    return made
