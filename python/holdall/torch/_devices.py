"""Storages through a small buffer, for what the processor cannot read into: a device's memory, or elements of another dtype.

For an accelerator the buffers are a pinned ring: while the device copies from one, the next is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .. import _native
from .._progress import Callback

Places = list[tuple[int, tuple[int, ...] | None, int, str, tuple[int, ...]]]

# Memory beside the tensors: so many buffers of so many bytes.
BUFFERS = 3
BUFFER_BYTES = 16 << 20


def load(
    native: _native.Model,
    entries: Sequence[int],
    device: torch.device,
    casts: tuple[dict[str, torch.dtype], torch.dtype, str] | None,
    check: bool,
    tell: Callback | None,
) -> tuple[list[torch.UntypedStorage], Places]:
    """The storages of entries in a device's memory, and where each entry lies in them. On the meta device nothing is read.

    `casts`: the dtypes, by the library's names, that become another, that one, and the library's name of it. A storage becomes
    one of another dtype whole, so that what shares it still does; a storage that is seen as several dtypes stays as it is.
    """
    staging, sizes, places = native.stage(entries, check, tell)
    seen: dict[int, set[str]] = {}
    for storage, _, _, name, _ in places if casts else ():
        seen.setdefault(storage, set()).add(name)
    storages, sources = [], []
    for number, size in enumerate(sizes):
        names = seen.get(number, set())
        source = casts[0].get(next(iter(names))) if casts and len(names) == 1 else None
        sources.append(torch.uint8 if source is None else source)
        if casts and source is not None:
            storages.append(torch.empty(size // source.itemsize, dtype=casts[1], device=device))
        else:
            storages.append(torch.empty(size, dtype=torch.uint8, device=device))
    if device.type != "meta":
        _fill(staging, storages, sources, [_Slot(device, size) for size in _buffer_sizes(sizes)])
    if casts:
        places = [
            (storage, strides, offset, casts[2] if sources[storage] != torch.uint8 else name, shape)
            for storage, strides, offset, name, shape in places
        ]
    return [storage.untyped_storage() for storage in storages], places


def _buffer_sizes(sizes: Sequence[int]) -> list[int]:
    """No larger than what is to be loaded, each storage at a multiple of 64 bytes."""
    total = sum((size + 63) // 64 * 64 for size in sizes)
    return [min(BUFFER_BYTES, total)] * min(BUFFERS, -(-total // BUFFER_BYTES))


class _Slot:
    """A buffer of the ring, and what tells that the device has taken all of it."""

    def __init__(self, device: torch.device, size: int) -> None:
        accelerator = torch.accelerator.current_accelerator()
        is_pinned = accelerator is not None and accelerator.type == device.type
        self.bytes = torch.empty(size, dtype=torch.uint8, pin_memory=is_pinned)
        self.event = torch.Event(device) if is_pinned else None

    def taken(self) -> None:
        if self.event is not None:
            self.event.record()

    def wait(self) -> None:
        if self.event is not None:
            self.event.synchronize()


def _fill(staging: _native.Staging, storages: Sequence[torch.Tensor], sources: Sequence[torch.dtype], ring: Sequence[_Slot]) -> None:
    """`sources`: the dtypes as which the bytes of each storage are read before they become its elements."""
    try:
        number = 0
        while ring:
            slot = ring[number % len(ring)]
            slot.wait()
            pieces = staging.next(slot.bytes.numpy())
            if not pieces:
                return
            for storage, offset, at, size in pieces:
                source = sources[storage]
                # Every piece but a storage's last is a multiple of 64 bytes, so elements are whole.
                begin = offset // source.itemsize
                part = slot.bytes[at : at + size].view(source)
                storages[storage][begin : begin + len(part)].copy_(part, non_blocking=slot.event is not None)
            slot.taken()
            number += 1
    finally:
        for slot in ring:
            slot.wait()
