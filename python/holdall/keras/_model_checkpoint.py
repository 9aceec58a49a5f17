"""ModelCheckpoint: the checkpoints of a fit(), written behind it and kept by rules."""

from __future__ import annotations

import os
from typing import Any

import keras

from ..checkpoints import Checkpointer, History
from . import _folders, _passing, _state
from ._backup import _numbers


class ModelCheckpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves the model, its optimizer and its metrics while fit() goes on, one file a checkpoint, with the metrics of the logs.

    ``holdall.keras.ModelCheckpoint("runs/mnist", every_epochs=1, keep_last=3, keep_best=("val_loss", "min"))``

    When: `every_steps` (batches through the whole run), `every_epochs`, `every_minutes`; every epoch where none is given. An epoch's checkpoint has the
    metrics of its end, val_ among them. What stays, and all that `options` may be: as of holdall.Checkpointer, but that signals are left alone
    unless they are named; its names of files take {epoch} from 0.

    To go on from one, or to look at the best: ``holdall.Checkpointer(folder).restore("best:val_loss", model=model)``, which a model takes that was built and
    compiled as this one. To go on amid an epoch use BackupAndRestore beside it.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        name: str = "checkpoint_epoch{epoch}_step{step}.pt",
        *,
        every_steps: int | None = None,
        every_epochs: int | None = None,
        every_minutes: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if every_steps is None and every_epochs is None and every_minutes is None:
            every_epochs = 1
        self._folder = folder
        self._options = {"signals": (), **options, "name": name, "every_steps": every_steps, "every_epochs": every_epochs, "every_minutes": every_minutes}
        self._checkpointer: Checkpointer | None = None
        self._step: int | None = None
        self._epoch = 0

    @property
    def history(self) -> History:
        """What is in the folder, by step, as Checkpointer.history."""
        return self._checkpointer.history if self._checkpointer is not None else _history(self._folder)

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the folder."""
        self._checkpointer = _folders.opened(self, self._folder, **self._options)
        self._checkpointer.track(model=self.model)
        self._step = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves where a rule asks for it."""
        if _passing.is_passing(self.model) or self._checkpointer is None:
            return
        self._step = _steps(self.model) if self._step is None else self._step + self.model.steps_per_execution
        self._checkpointer.step(epoch=self._epoch, step=self._step, metrics=_numbers(logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves where every_epochs asks for it."""
        if self._checkpointer is not None:
            self._checkpointer.end_epoch(epoch, metrics=_numbers(logs))

    def on_train_end(self, logs: Any = None) -> None:
        """Waits for the disk."""
        if self._checkpointer is not None:
            _folders.closed(self._checkpointer)
        self._checkpointer = None


def _steps(model: Any) -> int:
    """How many the optimizer has taken."""
    _state._sync(model)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return int(optimizer._iterations.value) if optimizer is not None else model.steps_per_execution


def _history(folder: str | os.PathLike[str]) -> History:
    from .. import _native

    rows, _ = _native.read_checkpoints(os.path.abspath(os.fsdecode(folder)), None, [], None, None, None, False)
    return History(rows)
