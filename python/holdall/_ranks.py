"""The processes of one training: one writes, each adds what is its own, all agree on what there is."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TypeVar

from . import errors
from .errors import Error, UnsupportedError

T = TypeVar("T")


class Ranks:
    """A training of one process."""

    rank = 0
    count = 1

    def any(self, flag: bool) -> bool:
        """Whether any rank says so; on all of them."""
        return flag

    def highest(self, number: int) -> int:
        """The highest that any rank gives; on all of them."""
        return number

    def gather(self, own: T) -> list[T]:
        """What each rank gives, by rank, on the first; empty on the others."""
        return [own]

    def shared(self, first: T) -> T:
        """What the first rank has, on all."""
        return first

    def together(self, failure: BaseException | None) -> None:
        """Raises on every rank what went wrong on any: its own failure where it has one, else an error of the same class."""
        if failure is not None:
            raise failure

    def close(self, alone: bool) -> None:
        """Nothing can be agreed on afterwards. `alone`: others may be elsewhere, and what they wait for fails."""


class TorchRanks(Ranks):
    """Those of a process group of torch.distributed; they talk by a group of gloo, which needs no device."""

    def __init__(self, group: Any) -> None:
        import torch.distributed as distributed

        self._distributed = distributed
        members = distributed.get_process_group_ranks(group if group is not None else distributed.group.WORLD)
        self._group: Any = distributed.new_group(members, backend="gloo")
        self._first = members[0]
        self.rank = distributed.get_rank(self._group)
        self.count = len(members)

    def any(self, flag: bool) -> bool:
        return self.highest(int(flag)) != 0

    def highest(self, number: int) -> int:
        import torch

        numbers = torch.tensor([number], dtype=torch.int32)
        self._distributed.all_reduce(numbers, op=self._distributed.ReduceOp.MAX, group=self._group)
        return int(numbers.item())

    def gather(self, own: T) -> list[T]:
        found: list[Any] | None = [None] * self.count if self.rank == 0 else None
        self._distributed.gather_object(own, found, dst=self._first, group=self._group)
        return found or []

    def shared(self, first: T) -> T:
        values = [first]
        self._distributed.broadcast_object_list(values, src=self._first, group=self._group)
        return values[0]

    def together(self, failure: BaseException | None) -> None:
        failures: list[Any] = [None] * self.count
        self._distributed.all_gather_object(failures, None if failure is None else told(failure, self.rank), group=self._group)
        if failure is not None:
            raise failure
        for other in failures:
            if other is not None:
                raise raised(*other)

    def close(self, alone: bool) -> None:
        if self._group is not None and self._distributed.is_initialized():
            if not alone:
                # Who leaves breaks what others are still waiting in. None leaves before all are here, and here nothing is lost.
                with contextlib.suppress(RuntimeError):
                    self.highest(0)
            self._distributed.destroy_process_group(self._group)
        self._group = None


def ranks_of(distributed: Any) -> Ranks:
    """`distributed`: None for the default process group where there is one, False for this process alone, or a process group."""
    if distributed is False:
        return Ranks()
    torch = sys.modules.get("torch")
    is_there = torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()
    if distributed is None and not is_there:
        return Ranks()
    if not is_there:
        raise UnsupportedError("distributed= needs a process group: call torch.distributed.init_process_group first")
    group = None if distributed is None or distributed is True else distributed
    made = TorchRanks(group)
    return made if made.count > 1 else Ranks()


def told(error: BaseException, rank: int) -> tuple[Any, ...]:
    """An error in plain values, for another rank."""
    if isinstance(error, Error):
        name = next(of.__name__ for of in type(error).__mro__ if of.__name__ in errors.__all__)
        return name, str(error), error.message, error.path, error.offset, error.context
    return "Error", f"rank {rank} failed: {type(error).__name__}: {error}", "", "", None, []


def raised(name: str, text: str, message: str, path: str, offset: int | None, context: list[str]) -> Error:
    """What `told` told."""
    made: Error = getattr(errors, name)(text, message=message, path=path, offset=offset, context=context)
    return made
