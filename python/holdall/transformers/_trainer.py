"""CheckpointCallback: the checkpoints of a Trainer, written behind it, whole or not at all, kept by rules, taken up by Trainer itself."""

from __future__ import annotations

import os
import sys
import types
import warnings
from typing import Any

import transformers

from ..checkpoints import History, _files, _options
from ..checkpoints._checkpointer import options_but
from ..errors import HoldallWarning, UnsupportedError
from ._trainer_files import Folders, metrics_of, refuse_unsupported

_OPTIONS = options_but("folder", "name", "every_steps", "every_epochs", "distributed")
# Keeps all that there are.
_ALL = (1 << 63) - 1


class CheckpointCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Writes a Trainer's checkpoints in its place: ``Trainer(…, callbacks=[CheckpointCallback(keep_last=3, keep_best=("eval_loss", "min"))])``.

    A checkpoint is the folder ``checkpoint-STEP`` in output_dir with the files that Trainer writes. It is there whole or not at all, and on disk;
    the training waits for a copy of its state only. ``trainer.train(resume_from_checkpoint=True)``, or a path, takes it up.

    When: as save_strategy and save_steps of the TrainingArguments say; with `every_steps` or `every_epochs` as those say and at the end, and
    save_strategy is to be "no" (or "best", which adds each new best). `every_minutes`, and a signal, add checkpoints.

    What stays: by `keep_last`, `keep_best`, `keep_every`, `max_age`, `max_bytes` as for holdall.Checkpointer; without rules the newest
    save_total_limit of the TrainingArguments, where it is set, else all. Metrics are the numbers logged at the step: "eval_loss", "eval_accuracy",
    "loss". Where metric_for_best_model is set its best checkpoint stays too. ``state.best_model_checkpoint`` is the best by the first rule of
    those that were saved, and load_best_model_at_end loads that one.

    The other `options` are those of holdall.Checkpointer: when_busy, in_flight, memory, sync, signals, signal_seconds, on_event, on_error, trusted,
    metadata, threads. Other callbacks' on_save is called when the copy is made, before the folder is there.

    Raises UnsupportedError for FSDP, DeepSpeed and the like, where no process has the whole state; ValueError for rules that contradict.
    """

    def __init__(self, *, every_steps: int | None = None, every_epochs: int | None = None, **options: Any) -> None:
        # Checked here, where they are written down, and not when the training begins.
        self._rules = _options.of_callback("CheckpointCallback", options, _OPTIONS, "every_steps, every_epochs")
        _options.when_of(every_steps, every_epochs, options.get("every_minutes"))
        self._every_steps = every_steps
        self._every_epochs = every_epochs
        self._given = options
        self._trainer: Any = None
        self._checkpoints: Folders | None = None
        self._saved: tuple[int, int] = (-1, -1)
        self._best: tuple[float, int] | None = None

    # --- For the user ---------------------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Until all is on disk. Raises what failed. Every rank makes this call."""
        if self._checkpoints is not None:
            self._checkpoints.wait()

    @property
    def history(self) -> History:
        """What is in output_dir, by step, as Checkpointer.history."""
        if self._checkpoints is None:
            raise ValueError("the training has not begun")
        return self._checkpoints.history

    # --- What Trainer calls -----------------------------------------------------------------------------------------------------------

    def on_init_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Takes Trainer's place where it saves."""
        self._attach()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Opens output_dir; another run that saves into it is told by name."""
        trainer = self._attach()
        refuse_unsupported(trainer)
        self._close()
        self._saved, self._best = (-1, -1), None
        folder = trainer._get_output_dir(getattr(trainer, "_trial", None))
        self._checkpoints = Folders(folder, trainer, **{**self._given, **self._kept(args)})
        self._look_back(folder, args, state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Asks for a checkpoint where a rule, a signal or the end does."""
        checkpoints = self._checkpoints
        if checkpoints is None:
            return control
        checkpoints._poll()
        if self._every_steps is not None:
            is_end = state.global_step >= state.max_steps or control.should_training_stop
            control.should_save = control.should_save or is_end or state.global_step % self._every_steps == 0
        wants = checkpoints._is_wanted()
        control.should_save = control.should_save or wants
        if not control.should_save:
            checkpoints._heed_signals()
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Asks for a checkpoint where every_epochs does."""
        if self._every_epochs is not None:
            is_end = state.global_step >= state.max_steps or control.should_training_stop
            control.should_save = control.should_save or is_end or round(state.epoch) % self._every_epochs == 0
        return control

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Waits until all is on disk, and gives output_dir back."""
        self._close()

    # --- Within ---------------------------------------------------------------------------------------------------------------------

    def _attach(self) -> Any:
        """The Trainer that calls; from now on it saves by this callback."""
        trainer = self._caller()
        if trainer is None:
            raise UnsupportedError("CheckpointCallback belongs to a transformers.Trainer: Trainer(…, callbacks=[CheckpointCallback(…)])")
        if trainer is not self._trainer:
            self._check(trainer.args)
            self._trainer = trainer
            trainer._save_checkpoint = self._save_checkpoint
            trainer._load_best_model = self._load_best_model
        return trainer

    def _load_best_model(self) -> None:
        """In the place of Trainer's own, which does the rest once the best is there."""
        self.wait()
        type(self._trainer)._load_best_model(self._trainer)

    def _caller(self) -> Any:
        """Trainer hands itself to no callback: it is looked for among those who are calling."""
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None:
            owner = frame.f_locals.get("self")
            if isinstance(owner, transformers.Trainer) and any(own is self for own in owner.callback_handler.callbacks):
                return owner
            frame = frame.f_back
        return None

    def _check(self, args: Any) -> None:
        strategy = transformers.trainer_utils.SaveStrategy(args.save_strategy)
        own = [name for name, value in (("every_steps", self._every_steps), ("every_epochs", self._every_epochs)) if value is not None]
        if own and strategy.value in ("steps", "epoch"):
            raise ValueError(f"{' and '.join(own)} and save_strategy={strategy.value!r} both say when to save; give save_strategy='no', or no {own[0]}")
        if not own and strategy.value == "no" and self._given.get("every_minutes") is None:
            raise ValueError("nothing says when to save: give every_steps, every_epochs, every_minutes, or a save_strategy other than 'no'")

    def _kept(self, args: Any) -> dict[str, Any]:
        """The rules, with what the TrainingArguments add to them."""
        rules = self._rules
        best = list(rules.best)
        metric = _metric_of(args)
        if metric is not None and metric[0] not in [name for name, _, _ in best]:
            best.append((*metric, 1))
        last = rules.last
        if last is None and not rules.best and rules.every is None:
            limit = args.save_total_limit
            last = limit if limit is not None and limit > 0 else (_ALL if best else None)
        return {"keep_last": last, "keep_best": best or None}

    def _rule(self, args: Any) -> tuple[str, str] | None:
        """The metric by which a checkpoint is the best, and its mode."""
        metric = _metric_of(args)
        return metric if metric is not None else self._rules.best[0][:2] if self._rules.best else None

    def _look_back(self, folder: str, args: Any, state: Any) -> None:
        """The best so far, of what is there; what stands behind the step at which this training begins is another run's."""
        checkpoints = self._checkpoints
        assert checkpoints is not None
        rows = checkpoints._ranks.shared(checkpoints.history if checkpoints._ranks.rank == 0 else History())
        ours = [row for row in rows if row["state"] == "complete"]
        later = [row for row in ours if row["step"] > state.global_step]
        if later and checkpoints._ranks.rank == 0:
            text = f"{folder} holds {len(later)} checkpoints of an earlier run, up to step {later[-1]['step']}; the rules count them, resume takes the highest"
            warnings.warn(text, HoldallWarning, stacklevel=2)
        for row in ours:
            if row["step"] <= state.global_step:
                self._note(args, row["step"], row["metrics"])
        if self._best is not None:
            state.best_model_checkpoint = _path(folder, self._best[1])

    def _note(self, args: Any, step: int, metrics: dict[str, float]) -> None:
        rule = self._rule(args)
        value = metrics.get(rule[0]) if rule is not None else None
        if rule is None or value is None or value != value:
            return
        if self._best is None or (value < self._best[0] if rule[1] == "min" else value > self._best[0]):
            self._best = value, step

    def _save_checkpoint(self, model: Any, trial: Any, *_: Any, **__: Any) -> None:
        """In the place of Trainer's own, called on every rank when all that belongs to a step is done."""
        trainer, checkpoints = self._trainer, self._checkpoints
        if checkpoints is None:
            raise ValueError("a checkpoint can be saved while the training runs")
        state, args = trainer.state, trainer.args
        if trainer.hp_search_backend is None and trial is None:
            trainer.store_flos()
        told = state.global_step, len(state.log_history)
        if told == self._saved:
            checkpoints._heed_signals()
            return
        metrics = metrics_of(state.log_history, state.global_step)
        self._note(args, state.global_step, metrics)
        if self._best is not None:
            state.best_model_checkpoint = _path(trainer._get_output_dir(trial=trial), self._best[1])
            state.best_global_step = self._best[1]
        _note_callbacks(trainer)
        path = checkpoints.save(epoch=int(state.epoch), step=state.global_step, metrics=metrics, wait=args.push_to_hub)
        self._saved = told
        if args.push_to_hub and path is not None:
            trainer._push_from_checkpoint(path)
        checkpoints._heed_signals()

    def _close(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.close()


def last_checkpoint(output_dir: str | os.PathLike[str], *, check: bool = True) -> str | None:
    """The newest checkpoint that CheckpointCallback wrote into output_dir and whose checksums hold, for ``trainer.train(resume_from_checkpoint=…)``;
    None where there is none, which begins anew. Newer ones that are damaged are passed over with a HoldallWarning that says why.

    ``resume_from_checkpoint=True`` takes the one with the highest number, unchecked. `check=False` does not read the files through.
    """
    return _files.newest_whole(os.path.abspath(os.fsdecode(output_dir)), check)


def _metric_of(args: Any) -> tuple[str, str] | None:
    """What metric_for_best_model and greater_is_better say."""
    name = args.metric_for_best_model
    if name is None:
        return None
    return (name if name.startswith("eval_") else f"eval_{name}", "max" if args.greater_is_better else "min")


def _path(folder: str, step: int) -> str:
    return os.path.join(folder, f"checkpoint-{step}")


def _note_callbacks(trainer: Any) -> None:
    """Has the states of callbacks, and what is to be done next, in the state that is saved."""
    kept: dict[str, Any] = {}
    for own in [*trainer.callback_handler.callbacks, trainer.control]:
        if isinstance(own, transformers.trainer_callback.ExportableState):
            kept.setdefault(type(own).__name__, []).append(own.state())
    trainer.state.stateful_callbacks = {name: states[0] if len(states) == 1 else states for name, states in kept.items()}
