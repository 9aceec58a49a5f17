"""One write for all ranks of a distributed run: rank 0 writes, all return when it is on disk, or all raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed

from .. import _ranks
from ..errors import UnsupportedError

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
            told = [_ranks.told(error, 0)]
    torch.distributed.broadcast_object_list(told, src=first, group=group)
    if failure is not None:
        raise failure
    if told[0] is not None:
        raise _ranks.raised(*told[0])
