"""Copies of what lies on devices, in page-locked memory of the host that is used again from one checkpoint to the next."""

from __future__ import annotations

from typing import Any

import torch


class Staging:
    """Between begin() and finish(): copies are asked for one behind another on a stream of their own, behind what the training has asked the
    device for, and run while the next is being described; finish() waits for all. What is copied may change as soon as finish() has returned.

    Memory: the bytes that lie on devices, from the first use on.
    """

    def __init__(self) -> None:
        self._memory: list[torch.Tensor] = []  # by the order in which storages come, which is the same each time
        self._count = 0
        self._streams: dict[torch.device, Any] = {}
        self._begun: set[torch.device] = set()

    def begin(self) -> None:
        self._count = 0
        self._begun = set()

    def moved(self, storage: torch.UntypedStorage) -> torch.UntypedStorage:
        """The same bytes in the host's memory, once finish() has returned."""
        device = storage.device
        source = torch.empty(0, dtype=torch.uint8, device=device).set_(storage)
        memory = self._memory_of(storage.nbytes(), device)
        if device.type == "cuda":
            with torch.cuda.stream(self._stream(device)):
                memory.copy_(source, non_blocking=True)
        else:
            memory.copy_(source)
        return memory.untyped_storage()

    def finish(self) -> None:
        for device in self._begun:
            self._streams[device].synchronize()

    def _stream(self, device: torch.device) -> Any:
        stream = self._streams.get(device)
        if stream is None:
            stream = self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        if device not in self._begun:
            self._begun.add(device)
            stream.wait_stream(torch.cuda.current_stream(device))
        return stream

    def _memory_of(self, size: int, device: torch.device) -> torch.Tensor:
        place, self._count = self._count, self._count + 1
        if place == len(self._memory):
            self._memory.append(torch.empty(0, dtype=torch.uint8))
        if self._memory[place].numel() != size:
            self._memory[place] = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        return self._memory[place]
