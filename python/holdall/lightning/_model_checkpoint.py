"""ModelCheckpoint: Lightning's callback, its files written behind the training, kept by rules, taken up to the last bit."""

from __future__ import annotations

import os
import re
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from .. import _collector, _random, _save
from ..checkpoints import Checkpointer, History, _files, _options
from ..checkpoints._checkpointer import options_but
from ..errors import Error, HoldallWarning, UnsupportedError
from . import _package
from ._loader import Loader

_Base: Any = _package.pytorch("callbacks").ModelCheckpoint
_Torch: Any = _package.fabric("plugins.io.torch_io").TorchCheckpointIO

_KEY = "holdall"
_OPTIONS = options_but("folder", "name", "every_steps", "every_epochs", "every_minutes", "keep_best", "distributed")
_FIELD = re.compile(r"\{([^:{}]+)(:[^{}]*)?\}")


class _Files(Checkpointer):
    """A Checkpointer of files that hold what Lightning gives."""

    taken: dict[str, Any] | None = None

    def _of_this_rank(self) -> dict[str, Any]:
        return {}

    def _write(self, ranks: list[dict[str, Any]], step: int, epoch: int | None, metrics: list[tuple[str, float]], last: bool) -> str | None:
        writer, taken = self._writer, self.taken
        assert writer is not None
        if taken is None:
            raise UnsupportedError("the strategy writes checkpoints of its own, of which each process has a part; use Lightning's ModelCheckpoint")
        with _collector.put_off():
            metadata = {**self._metadata, _files.STAMP: writer.stamp(step, epoch, metrics)}
            native = _save.build(taken, metadata, self._trusted, framework="pt")
        return self._behind(lambda: writer.save(native, step, epoch, metrics, "pytorch", {}, []), last)


class _Taken(_Torch):  # type: ignore[misc]
    """In the place of what writes files, while Lightning makes a checkpoint: keeps what was to be written."""

    def __init__(self, checkpoints: _Files) -> None:
        super().__init__()
        self._checkpoints = checkpoints

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self._checkpoints.taken = checkpoint


class ModelCheckpoint(_Base):  # type: ignore[misc]
    """Lightning's ModelCheckpoint with the checkpoints of holdall.Checkpointer: the training waits for a copy of its state only; a file is there
    whole and on disk, or not at all; ``trainer.fit(ckpt_path=…)`` goes on as if nothing had happened, amid an epoch too.

    `dirpath`, `filename`, `monitor`, `mode`, `every_n_train_steps`, `train_time_interval`, `every_n_epochs`, `save_on_train_epoch_end`,
    `save_on_exception`, `save_weights_only`, `auto_insert_metric_name`, `verbose` are Lightning's. `save_top_k`: with a monitor so many of the best
    stay, without one the newest for 1; -1 for all, 0 for none saved. The newest stays always, so that `save_last` needs no copy:
    ``ckpt_path="last"`` is the newest file in dirpath whose checksums hold, ``"best"`` the best that was saved. A filename without {step} gets one.

    `keep_last`, `keep_every`, `max_age`, `max_bytes` and the other `options` are those of holdall.Checkpointer: when_busy, in_flight, memory, sync,
    signals, signal_seconds, on_event, on_error, trusted, metadata, threads. A signal has one last checkpoint saved behind the step in which it
    comes, before Lightning heeds it.

    What Lightning does not save is added under "holdall": each process's random states and places in the data. Loaders of any kind
    are taken as they are; ``torchdata``'s StatefulDataLoader is not needed. Raises UnsupportedError for strategies that write parts in several
    processes.
    """

    # Of Lightning's callback.
    best_k_models: dict[str, Any]
    _defer_save_until_validation: bool

    def __init__(
        self,
        dirpath: str | os.PathLike[str] | None = None,
        filename: str | None = None,
        monitor: str | None = None,
        verbose: bool = False,
        save_last: bool | None = None,
        save_top_k: int = 1,
        save_on_exception: bool = False,
        save_weights_only: bool = False,
        mode: str = "min",
        auto_insert_metric_name: bool = True,
        every_n_train_steps: int | None = None,
        train_time_interval: Any = None,
        every_n_epochs: int | None = None,
        save_on_train_epoch_end: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            dirpath, filename, monitor, verbose, save_last, save_top_k, save_on_exception, save_weights_only, mode, auto_insert_metric_name,
            every_n_train_steps, train_time_interval, every_n_epochs, save_on_train_epoch_end,
        )  # fmt: skip
        _options.of_callback("ModelCheckpoint", options, _OPTIONS, "Lightning's arguments")
        self._options = options
        self._name, self._fields = _name_of(filename, auto_insert_metric_name)
        self._files: _Files | None = None
        self._loaders: list[weakref.ref[Loader]] = []
        self._restored: dict[str, Any] | None = None
        self._positions: list[dict[str, Any]] = []
        self._process_dataloader: Any = None
        self._is_due = False
        # Whether an epoch has ended and is being saved; whether one had ended in what is taken up.
        self._is_over = False
        self._is_fresh_epoch = False
        self._before_validation: dict[str, Any] = {}
        # The metrics that the last validation found, and behind which step it was.
        self._validated: list[str] = []
        self._validated_step = -1

    # --- For the user ---------------------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Until all is on disk. Raises what failed. Every rank makes this call."""
        if self._files is not None:
            self._files.wait()

    @property
    def history(self) -> History:
        """What is in the folder, by step, as Checkpointer.history."""
        if self._files is None:
            raise ValueError("the training has not begun")
        return self._files.history

    # --- What Lightning calls -----------------------------------------------------------------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Opens dirpath; another run that saves into it is told by name."""
        super().setup(trainer, pl_module, stage)
        if stage != "fit" or trainer.fast_dev_run or self.save_top_k == 0:
            return
        self._close(wait=True)
        self._files = _Files(self.dirpath, self._name, **{**self._options, **self._rules()})
        self._loaders, self._restored, self._positions, self._is_fresh_epoch = [], None, [], False
        strategy = trainer.strategy
        self._process_dataloader = strategy.process_dataloader
        strategy.process_dataloader = lambda loader: self._loader(trainer, self._process_dataloader(loader))
        # When it goes on, Lightning may begin a validation that was done, only to count it.
        loop = trainer.fit_loop.epoch_loop.val_loop
        count = type(loop).increment_progress_to_evaluation_end
        loop.increment_progress_to_evaluation_end = lambda: _undrawn(lambda: count(loop))

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Takes this process's random states and places in the data."""
        kept = checkpoint.get(_KEY)
        if self._files is None or not isinstance(kept, Mapping):
            return
        ranks = kept["ranks"]
        if len(ranks) != trainer.world_size:
            text = f"saved by {len(ranks)} processes, these are {trainer.world_size}: random states begin anew, data with the epoch"
            warnings.warn(text, HoldallWarning, stacklevel=2)
            return
        self._is_fresh_epoch = bool(kept["epoch_over"])
        self._restored = dict(ranks[trainer.global_rank])
        self._positions = list(self._restored["loaders"])

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Adds every process's random states and places in the data."""
        if self._files is None:
            return
        own = {"random_states": _random.states(), "loaders": self._places(trainer)}
        ranks = self._files._ranks.gather(own)
        if ranks:
            checkpoint[_KEY] = {"version": 1, "epoch_over": self._is_over, "ranks": ranks}
        loop = checkpoint["loops"]["fit_loop"]
        loop["state_dict"].pop("combined_loader", None)  # of one process
        if self._is_over:
            _end_epoch(loop)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Sets the random states that were saved."""
        super().on_train_start(trainer, pl_module)
        self._set_random()
        if self._is_fresh_epoch:
            # A run that is bound by steps would ask whether the last batch had its validation.
            for loop in (trainer.fit_loop, trainer.fit_loop.epoch_loop, trainer.fit_loop.epoch_loop.val_loop):
                loop._restarting = False

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Saves where a rule or a signal asks for it and the optimizer has stepped."""
        files = self._files
        if files is None:
            return
        files._poll()
        self._is_due = files._is_wanted() or self._is_due
        loop = trainer.fit_loop.epoch_loop
        # Gradients that wait for a step are in no checkpoint; what validation draws, and finds, comes before one.
        if loop._should_accumulate():
            return
        is_due = self._is_due or self._is_step_due(trainer) or self._is_time(files)
        if trainer.is_last_batch:
            self._is_due = is_due  # behind the end of the epoch, where Lightning goes on without doubt
        elif self._will_validate(trainer):
            self._defer_save_until_validation = self._defer_save_until_validation or is_due
        else:
            self._save_if(trainer, is_due)
            files._heed_signals()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Saves where a rule asks for it, with what the epoch's last batch left due."""
        if self._files is not None:
            self._is_over = trainer.is_last_batch
            super().on_train_epoch_end(trainer, pl_module)
            self._save_if(trainer, self._is_due)
            self._is_over = False
            self._files._heed_signals()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Notes what is known before."""
        self._before_validation = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Saves what was due before the validation."""
        before = self._before_validation
        self._validated = [name for name, value in trainer.callback_metrics.items() if before.get(name) is not value]
        self._validated_step = int(trainer.global_step)
        super().on_validation_end(trainer, pl_module)
        if self._files is not None and trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._save_if(trainer, self._defer_save_until_validation)
            self._defer_save_until_validation = False
            self._files._heed_signals()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Waits until all is on disk."""
        self._save_if(trainer, bool(self.save_last) and self._files is not None)
        self.wait()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Saves once more with save_on_exception; what ended the training is what is told."""
        if self._files is not None and self._should_save_on_exception(trainer):
            self._save_now(trainer, self._monitor_candidates(trainer))
        try:
            self._close(wait=not isinstance(exception, KeyboardInterrupt))
        except Error as failure:  # what ended the training is what is told
            warnings.warn(f"a checkpoint was not saved: {failure}", HoldallWarning, stacklevel=2)
        self._give_back(trainer)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Gives dirpath back."""
        super().teardown(trainer, pl_module, stage)
        if stage == "fit":
            self._give_back(trainer)
            self._close(wait=True)

    # --- In the place of Lightning's own -------------------------------------------------------------------------------------------------

    def _save_topk_checkpoint(self, trainer: Any, monitor_candidates: dict[str, Any]) -> None:
        if self._files is None:
            return
        if self.monitor is not None and self.monitor not in monitor_candidates and trainer.fit_loop.epoch_loop.val_loop._has_run:
            names = ", ".join(name for name in monitor_candidates if name not in ("epoch", "step"))
            raise ValueError(f"ModelCheckpoint(monitor={self.monitor!r}): the module logs no such metric; it logs {names or 'none'}")
        self._save_now(trainer, monitor_candidates)

    def _save_last_checkpoint(self, trainer: Any, monitor_candidates: dict[str, Any]) -> None:
        """The newest always stays: there is nothing more to save."""

    def _find_last_checkpoints(self, trainer: Any) -> set[str]:
        path = None if self.dirpath is None else _files.newest_whole(self.dirpath)
        return set() if path is None else {path}

    # --- Within ---------------------------------------------------------------------------------------------------------------------

    def _rules(self) -> dict[str, Any]:
        """keep_last and keep_best by save_top_k."""
        last = self._options.get("keep_last")
        if self.save_top_k == -1:
            return {}
        if self.monitor is None:
            return {"keep_last": last or 1}
        return {"keep_best": (self.monitor, self.mode, self.save_top_k)}

    def _save_if(self, trainer: Any, is_due: bool) -> None:
        if is_due and not self._should_skip_saving_checkpoint(trainer):
            self._save_now(trainer, self._monitor_candidates(trainer))

    def _save_now(self, trainer: Any, candidates: dict[str, Any]) -> None:
        files = self._files
        assert files is not None
        # What an earlier validation found says nothing of this step.
        left_out = {"epoch", "step", *(self._validated if self._validated_step != trainer.global_step else ())}
        metrics = {name: _number(value) for name, value in candidates.items() if name not in left_out}
        for field, name in self._fields.items():
            metrics.setdefault(field, metrics.get(name, float("nan")))
        step, epoch = int(trainer.global_step), int(trainer.current_epoch)
        values = {**metrics, "step": step, "epoch": epoch}
        path = os.path.join(self.dirpath, _FIELD.sub(lambda found: format(values[found[1]], (found[2] or ":")[1:]), self._name))
        self._note(path, metrics, candidates)
        io = trainer.strategy._checkpoint_io
        try:
            trainer.strategy.checkpoint_io = _Taken(files)
            trainer.save_checkpoint(path, self.save_weights_only)
        finally:
            trainer.strategy.checkpoint_io = io
        try:
            files.save(epoch=epoch, step=step, metrics=metrics)
        finally:
            files.taken = None
        self._is_due = False
        self._last_time_checked = time.monotonic()
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = path
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.after_save_checkpoint(weakref.proxy(self))

    def _note(self, path: str, metrics: Mapping[str, float], candidates: dict[str, Any]) -> None:
        """The newest and the best, which are part of the state."""
        self.last_model_path = path
        if self.monitor is None:
            self.best_model_path = path
            return
        value = metrics.get(self.monitor)
        if value is None or value != value:
            return
        self.current_score = candidates[self.monitor]
        self.best_k_models[path] = self.current_score
        order = sorted(self.best_k_models, key=lambda own: _number(self.best_k_models[own]), reverse=self.mode == "max")
        if self.save_top_k > 0:
            self.best_k_models = {own: self.best_k_models[own] for own in order[: self.save_top_k]}
        self.best_model_path, self.best_model_score = order[0], self.best_k_models[order[0]]
        self.kth_best_model_path = list(self.best_k_models)[-1] if self.save_top_k <= 0 else order[: self.save_top_k][-1]
        self.kth_value = self.best_k_models[self.kth_best_model_path]

    def _is_step_due(self, trainer: Any) -> bool:
        return bool(self._every_n_train_steps >= 1 and trainer.global_step % self._every_n_train_steps == 0)

    def _is_time(self, files: _Files) -> bool:
        interval, last = self._train_time_interval, self._last_time_checked
        return interval is not None and files._ranks.any(last is not None and time.monotonic() - last >= interval.total_seconds())

    def _will_validate(self, trainer: Any) -> bool:
        """Whether validation comes behind this batch."""
        loop = trainer.fit_loop
        return bool(trainer.enable_validation and loop.epoch_loop._should_check_val_fx(loop._data_fetcher))

    def _loader(self, trainer: Any, loader: Any) -> Any:
        if not trainer.training:
            return loader
        made = Loader(loader, self._positions.pop(0) if self._positions else None, self._set_random, self._keep_random)
        self._loaders.append(weakref.ref(made))
        return made

    def _places(self, trainer: Any) -> list[dict[str, Any]]:
        combined, fetcher = trainer.fit_loop._combined_loader, trainer.fit_loop._data_fetcher
        ours = [loader for loader in combined.flattened if isinstance(loader, Loader)] if combined is not None else []
        is_ahead = bool(getattr(fetcher, "batches", None))
        return [loader.position(is_ahead, trainer.is_last_batch and not is_ahead) for loader in ours]

    def _set_random(self) -> None:
        if self._restored is not None:
            for line in _random.set_states(self._restored["random_states"]):
                warnings.warn(line, HoldallWarning, stacklevel=2)

    def _keep_random(self) -> None:
        """The states are those of now: a first batch was drawn before the training started."""
        if self._restored is not None:
            self._restored["random_states"] = _random.states()

    def _give_back(self, trainer: Any) -> None:
        if self._process_dataloader is not None:
            trainer.strategy.process_dataloader = self._process_dataloader
            self._process_dataloader = None

    def _close(self, wait: bool) -> None:
        files, self._files = self._files, None
        if files is not None:
            files._close(wait)


def _name_of(filename: str | None, says_names: bool) -> tuple[str, dict[str, str]]:
    """A template of CheckpointName that gives the names that Lightning's gives, and {its field: metric}.

    Raises ValueError for a filename with folders in it.
    """
    given = filename or "{epoch}-{step}"
    if "{step" not in given:
        given += "-{step}" if says_names else "-step{step}"
    fields: dict[str, str] = {}

    def field(found: re.Match[str]) -> str:
        name, form = found[1].replace("/", "_"), found[2] or ""
        if name not in ("epoch", "step"):
            fields[name] = found[1]
            form = form or ":g"
        return f"{name}={{{name}{form}}}" if says_names else f"{{{name}{form}}}"

    made = _FIELD.sub(field, given)
    if "/" in made:
        raise ValueError(f"filename is {filename!r}: a name without folders; dirpath is where the files are")
    return made + ".ckpt", fields


def _end_epoch(loop: dict[str, Any]) -> None:
    """Has the state of Lightning's loops say that the epoch is complete, as it is when another begins."""
    for name, progress in loop.items():
        if not name.startswith("epoch_loop.") or not isinstance(progress, dict):
            continue
        if "is_last_batch" in progress:
            progress["is_last_batch"] = False
        waiting = [progress]
        while waiting:
            part = waiting.pop()
            waiting += [value for key, value in part.items() if isinstance(value, dict) and key != "current"]
            part.get("current", {}).update({key: 0 for key in part.get("current", {})})
    for part in loop["epoch_progress"].values():
        part["completed"] = part["processed"]


def _undrawn(action: Callable[[], object]) -> None:
    """Does it, and leaves the random generators as they were."""
    before = _random.states()
    action()
    _random.set_states(before)


def _number(value: Any) -> float:
    return float(value.item() if hasattr(value, "item") else value)
