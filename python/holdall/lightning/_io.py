"""CheckpointIO: how Lightning and Fabric write, read and remove the file of a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .. import _save
from ..torch import load
from . import _package

_TorchCheckpointIO: Any = _package.fabric("plugins.io.torch_io").TorchCheckpointIO


class CheckpointIO(_TorchCheckpointIO):  # type: ignore[misc]
    """``Trainer(plugins=[CheckpointIO()])``, ``Fabric(plugins=[CheckpointIO()])``: a file is there whole and on disk, or what stood there stays.

    Files are those of Lightning: ``torch.load(path, weights_only=True)`` reads them. What could not be loaded without running code of its own
    raises UnsafeError, which names it, unless its class is in `trusted`; such a file needs ``weights_only=False``. Loading runs nothing but
    what is in `trusted`; with ``weights_only=False`` it is torch.load's. `sync=False` does not wait for the disk. Paths of other file systems
    (``s3://…``) are left to Lightning.
    """

    def __init__(self, *, sync: bool = True, trusted: Sequence[Any] = ()) -> None:
        super().__init__()
        self._sync = sync
        self._trusted = trusted

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None) -> None:
        """Writes the file. Raises UnsafeError, StorageError."""
        if storage_options is not None or _is_elsewhere(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        place = os.path.abspath(os.fspath(path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        native = _save.build(checkpoint, None, self._trusted, framework="pt")
        _save.write(native, place, "pytorch", False, self._sync, 0, 0, False, None)

    def load_checkpoint(self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """What the file holds. Raises FileNotFoundError; UnsafeError, CorruptError and the like."""
        if weights_only is False or _is_elsewhere(path):
            found: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
            return found
        if not os.path.exists(path):
            raise FileNotFoundError(f"Checkpoint file not found: {path}")
        # Lightning moves what it puts back by itself; by its default nothing is moved here.
        is_device = map_location is not None and (not callable(map_location) or isinstance(map_location, Mapping))
        loaded: dict[str, Any] = load(path, trusted=self._trusted, **({"map_location": map_location} if is_device else {"map_location": "cpu"}))
        return loaded


def _is_elsewhere(path: str | os.PathLike[str]) -> bool:
    return "://" in os.fspath(path)
