"""BackupAndRestore: an interrupted fit() goes on at the very next batch, as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy

from .. import _random
from ..checkpoints import Checkpointer, Event, _arrays
from ..errors import CorruptError, HoldallWarning, UnsupportedError
from . import _beside, _folders, _passing, _seeds, _state
from ._data import Data

State = dict[str, Any]
# Stored: never renumber.
_VERSION = 1
_PREFIX = "backup_"
_NAME = _PREFIX + "epoch{epoch}_step{step}.pt"
_PARTS = {"version", "epoch", "calls", "step", "logs", "data", "seeds", "callbacks"}


class _Fit:
    """Where fit() is, as a target of a Checkpointer. It is put back before the model, so that what is another fit()'s is refused before anything
    has changed."""

    def __init__(self, state: Callable[[], State], data: Data) -> None:
        self._state = state
        self._data = data
        self.found: State | None = None

    def state_dict(self) -> State:
        state: State = _arrays.stored(self._state())
        return state

    def load_state_dict(self, state: Any) -> None:
        if not isinstance(state, Mapping) or not _PARTS <= set(state):
            raise CorruptError("the state of fit() is none")
        if state["version"] != _VERSION:
            raise UnsupportedError(f"the state of fit() has version {state['version']!r}, this is for {_VERSION}")
        if not all(type(state[name]) is int and state[name] >= 0 for name in ("epoch", "calls", "step")):
            raise CorruptError("the state of fit() is none: an epoch, a batch or a step is no number")
        self._data.check(state["data"])
        self.found = dict(state)


class BackupAndRestore(keras.callbacks.Callback):  # type: ignore[misc]
    """As keras.callbacks.BackupAndRestore, and exact: ``fit`` called again in a new process, with the same arguments, goes on with the batch that
    came next, and ends with the weights, the optimizer's slots and the numbers of a run that was never interrupted, bit for bit.

    ``model.fit(x, y, epochs=10, callbacks=[holdall.keras.BackupAndRestore("backup", save_freq=100)])``

    `save_freq`: "epoch", or a number of batches, counted through the whole run; False for `every_minutes` and `signals` alone.
    `delete_checkpoint`: the files go when fit() has ended. `keep_last`: how many there are meanwhile; one that is damaged is passed over for the one
    before it, with a HoldallWarning. `signals`: one last checkpoint behind the batch in which such a signal comes, at most `signal_seconds` later
    its usual effect. `when_busy`, `memory`, `sync`, `on_event`, `on_error`, `metadata`: as of holdall.Checkpointer, which writes behind the training.

    State: the variables of the model, seed generators and metrics among them, of the optimizer; random generators of Python, NumPy, torch, TensorFlow
    and Keras; the place in the data; counters of EarlyStopping, ReduceLROnPlateau, ModelCheckpoint and SwapEMAWeights beside it, and of callbacks
    with state_dict() and load_state_dict().

    Data: arrays, tf.data.Dataset, PyDataset, torch's DataLoader, generators. The batches of the interrupted epoch that were trained on are drawn again
    and passed over; callbacks are called for them with the numbers of the last one, so that those that count batches count them all. A learning
    rate that a callback sets is part of the state at the place among the callbacks at which this one stands.

    Raises UnsupportedError where fit() is not Keras's own loop; MismatchError, before anything has changed, where the state is another model's
    or the data are others.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int | bool = "epoch",
        delete_checkpoint: bool = True,
        *,
        every_minutes: float | None = None,
        keep_last: int = 2,
        when_busy: str = "wait",
        memory: int | str | None = None,
        sync: bool = True,
        signals: Sequence[str | int] = ("SIGTERM", "SIGINT", "SIGUSR1"),
        signal_seconds: float = 30.0,
        on_event: Callable[[Event], object] | None = None,
        on_error: str = "raise",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if save_freq is not False and save_freq != "epoch" and not (type(save_freq) is int and save_freq > 0):
            raise ValueError(f"save_freq is {save_freq!r}: 'epoch', a number of batches, or False")
        self._folder = backup_dir
        self._by_epoch = save_freq == "epoch"
        self._deletes = delete_checkpoint
        steps = save_freq if isinstance(save_freq, int) and save_freq else None
        self._options: dict[str, Any] = {
            "name": _NAME, "every_steps": steps, "every_minutes": every_minutes, "keep_last": keep_last, "when_busy": when_busy, "memory": memory, "sync": sync,
            "signals": signals, "signal_seconds": signal_seconds, "on_event": on_event, "on_error": on_error, "metadata": metadata,
        }  # fmt: skip
        self._checkpointer: Checkpointer | None = None
        self._epoch = self._calls = self._step = 0
        self._logs: dict[str, float] = {}
        self._is_due = False
        # What was found, until it has been put back.
        self._found: State | None = None
        self._model_state: State = {}
        self._found_random: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Finds where to go on, and puts the state back."""
        epochs, self._others = _callers(self)
        _passing.end(self.model)
        _require_one_replica(self.model)
        self._epochs, self._data = epochs, Data(epochs)
        if not self._by_epoch:
            self._data.warn_of_chance()
        self._epoch = self._calls = self._step = 0
        self._logs, self._found, self._is_due = {}, None, False
        checkpointer = self._checkpointer = _folders.opened(self, self._folder, **self._options)
        fit = _Fit(self._where, self._data)
        if not any(row["state"] == "complete" for row in checkpointer.history()):
            checkpointer.track(fit=fit, model=self.model)
            return
        _build(self.model, epochs)
        start = checkpointer.resume(fit=fit, model=self.model)
        found = fit.found
        if found is not None:
            self._found, self._found_random = found, start.state["random_states"]
            self._model_state = _copied(_state.taken(self.model))
            self._step = found["step"]
            self.model._initial_epoch = found["epoch"]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Goes to where the data were, or saves what the epoch before has ended with."""
        checkpointer = self._open()
        self._epoch, self._calls = epoch, 0
        if self._found is not None:
            self.model._initial_epoch = None
            self._data.go_to(self._found["data"])
            if self._found["calls"]:
                _passing.begin(self.model, self._epochs, self._found["logs"])
            else:
                self._put()
        else:
            self._data.begin_epoch()
            if self._is_due:
                checkpointer.save(epoch=epoch - 1, step=self._step, metrics=self._logs)
        self._is_due = False
        checkpointer._begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves where a rule or a signal asks for it."""
        self._calls += 1
        self._data.drew()
        if self._found is not None:
            if self._calls == self._found["calls"]:
                _passing.end(self.model)
                self._put()
            return
        self._step += self.model.steps_per_execution
        self._logs = _numbers(logs)
        self._open().step(epoch=self._epoch, step=self._step, metrics=self._logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes the numbers of the epoch."""
        # Saved when the next one begins, behind what other callbacks do between the two.
        self._logs = _numbers(logs)
        self._is_due = self._by_epoch

    def on_train_end(self, logs: Any = None) -> None:
        """Waits for the disk, and removes the files."""
        _passing.end(self.model)
        self.model._initial_epoch = None
        checkpointer = self._open()
        self._checkpointer = None
        _folders.closed(checkpointer)
        if self._deletes:
            _delete(checkpointer)

    def _put(self) -> None:
        """At the place among the callbacks at which it was taken."""
        found = self._found
        assert found is not None
        _state.put(self.model, self._model_state)
        without = _beside.put(self._others, found["callbacks"])
        if without:
            warnings.warn(f"no state of {', '.join(without)} was saved: it begins anew", HoldallWarning, stacklevel=3)
        _seeds.put(found["seeds"])
        if not (found["calls"] and self._data.is_threaded):
            _random.set_states(self._found_random)
        self._logs = dict(found["logs"])
        self._found, self._model_state, self._found_random = None, {}, None

    def _where(self) -> State:
        return {
            "version": _VERSION,
            "epoch": self._epoch,
            "calls": self._calls,
            "step": self._step,
            "logs": self._logs,
            "data": self._data.position(),
            "seeds": _seeds.taken(),
            "callbacks": _beside.taken(self._others),
        }

    def _open(self) -> Checkpointer:
        if self._checkpointer is None:
            raise UnsupportedError("fit() has not begun")
        return self._checkpointer


def _callers(callback: Any) -> tuple[Any, list[Any]]:
    """(fit()'s iterator of epochs, the callbacks beside this one): of the functions that have called on_train_begin."""
    epochs, others = None, []
    frame = sys._getframe(2)
    while frame is not None and epochs is None:
        own = frame.f_locals.get("self")
        if isinstance(own, keras.callbacks.CallbackList):
            others = [other for other in own.callbacks if other is not callback]
        found = frame.f_locals.get("epoch_iterator")
        epochs = found if hasattr(found, "data_adapter") and hasattr(found, "_steps_seen") else None
        frame = frame.f_back  # type: ignore[assignment]
    if epochs is None:
        raise UnsupportedError("BackupAndRestore works in keras.Model.fit, whose data it has to find; in a loop of your own use holdall.Checkpointer")
    return epochs, others


def _require_one_replica(model: Any) -> None:
    strategy = getattr(model, "_distribute_strategy", None)
    if getattr(strategy, "num_replicas_in_sync", 1) > 1 or keras.distribution.distribution() is not None:
        raise UnsupportedError("BackupAndRestore is for one process with one device: this model is distributed over several")


def _build(model: Any, epochs: Any) -> None:
    """Makes all variables, as the first batch would; none is drawn where the data say what they are made of."""
    dataset = getattr(epochs, "_distributed_dataset", None)
    if dataset is not None:
        model._symbolic_build(data_batch=dataset.element_spec)
    optimizer = getattr(model, "optimizer", None)
    if model.built and optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


def _copied(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return state.clone() if hasattr(state, "clone") else numpy.array(state)


def _numbers(logs: Any) -> dict[str, float]:
    found = {}
    for name, value in dict(logs or {}).items():
        with contextlib.suppress(TypeError, ValueError):
            found[str(name)] = float(value)
    return found


def _delete(checkpointer: Checkpointer) -> None:
    """What was written for this fit(), and the folder where there is nothing else."""
    folder = checkpointer.folder
    for row in checkpointer.history():
        if row["state"] == "complete" and os.path.basename(row["path"]).startswith(_PREFIX):
            os.unlink(row["path"])
    if all(name in (".holdall.journal", ".holdall.lease") for name in os.listdir(folder)):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
