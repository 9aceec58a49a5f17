"""Checkpointer: the states of a training, saved behind it, kept by rule, found again, taken up exactly."""

from __future__ import annotations

import atexit
import contextlib
import inspect
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .. import _collector, _native, _random, _ranks, _save
from ..errors import CorruptError, Error, HoldallWarning, LimitError, MissingError, StorageError, UnsupportedError
from . import _environment, _files, _options, _state
from ._events import Event, History
from ._gradients import Gradients
from ._progress import Progress
from ._signals import Signals
from ._start import Feeds, Start

_STATE = _state.STATE
# Why a save is asked for beside the rules of steps and epochs; the highest of all ranks counts.
_TIME, _ENDS = 1, 2
_DAMAGE = (CorruptError, LimitError, MissingError, StorageError, UnsupportedError)

# What writing may meet.
_OF_THE_DISK = (MissingError, StorageError)

Targets = dict[str, Any]


class Checkpointer:
    """Saves the state of a training into a folder, one file a checkpoint, and finds it again.

    ``with holdall.Checkpointer("runs/bert", keep_last=3, keep_best=("eval_loss", "min"), every_steps=1000) as ckpt:``

    `name`: a template of {step}, {epoch} and metrics ({loss:.3f}); its extension, .pt or .safetensors, says what is written, a file that
    ``torch.load(weights_only=True)`` or safetensors reads. A file is a dict: epoch, step, metrics, a state under each keyword given to resume()
    plus "_state_dict", random_states, data_position, environment.

    When: `every_steps`, `every_epochs`, `every_minutes`; without a rule only save() saves. `signals`: one last checkpoint behind the step in
    which such a signal comes, at most `signal_seconds` later its usual effect; () for none.

    What stays: `keep_last`, `keep_best` (("loss", "min"), ("accuracy", "max", 3) or a list of such), `keep_every` (steps, for good), and of these
    nothing older than `max_age` ("7d", seconds, a timedelta) or that makes the folder larger than `max_bytes` ("50GB"). Never removed are the
    newest, the best, what somebody has open, and what Holdall did not write.

    How: the step waits for a copy of the state; a thread writes it. `when_busy`: what a save does while `in_flight` (1) others are not on disk:
    "wait", "skip", or "replace" one that waits (in_flight 2). `memory`: bytes for copies ("8GB"); a state that is larger is written while the step
    waits. `sync=False` does not wait for the disk. `on_event` is called, in the training's thread, with each Event; ``print`` shows a line. A failure
    of the thread is raised by the next call, or with `on_error="warn"` a HoldallWarning. `trusted`: classes that the states hold beyond those
    known to be inert. `distributed`: a process group; None takes torch's where there is one: every rank makes every call, the first writes, each
    adds its random states. `metadata`: plain values for each file.

    Raises StorageError, naming host and process, where another run saves into the folder; ValueError, TypeError for arguments.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        name: str = "checkpoint_epoch{epoch}_step{step}.pt",
        *,
        every_steps: int | None = None,
        every_epochs: int | None = None,
        every_minutes: float | None = None,
        keep_last: int | None = None,
        keep_best: Any = None,
        keep_every: int | None = None,
        max_age: Any = None,
        max_bytes: int | str | None = None,
        when_busy: str = "wait",
        in_flight: int | None = None,
        memory: int | str | None = None,
        sync: bool = True,
        signals: Sequence[str | int] = ("SIGTERM", "SIGINT", "SIGUSR1"),
        signal_seconds: float = 30.0,
        on_event: Callable[[Event], object] | None = None,
        on_error: str = "raise",
        trusted: Sequence[Any] = (),
        distributed: Any = None,
        metadata: Mapping[str, Any] | None = None,
        threads: int = 0,
    ) -> None:
        self.folder = os.path.abspath(os.fsdecode(folder))
        self._rules = _options.rules_of(keep_last, keep_best, keep_every, max_age, max_bytes)
        when = _options.when_of(every_steps, every_epochs, every_minutes)
        flights = _options.busy_of(when_busy, in_flight)
        bound = _options.memory_of(memory)
        _options.check_rest(on_event, on_error, metadata)
        self._is_named = _options.matcher_of(name)
        self._waits = when_busy == "wait"
        self._on_event = on_event
        self._warns = on_error == "warn"
        self._trusted = trusted
        self._metadata = dict(metadata or {})
        self._targets: Targets = {}
        self._progress = Progress(when)
        self._signals = Signals(signals, _options.seconds_of("signal_seconds", signal_seconds), self._signalled)
        self._has_rules = any(rule is not None for rule in when)
        self._asks_ranks = every_minutes is not None or bool(signals)
        self._environment: _environment.Environment | None = None
        self._best: dict[str, tuple[float, int]] = {}
        self._gradients = Gradients()
        self._feeds = Feeds()
        self._loaders: Targets = {}
        self._process = os.getpid()
        self._staging: list[Any] = []
        self._is_ready = self._ends = self._has_saved = self._is_closed = False
        self._writer: _native.Checkpointer | None = None
        self._ranks = _ranks.ranks_of(distributed)
        with self._agreed():
            if self._ranks.rank == 0:
                self._writer = _options.native_writer(self.folder, name, self._rules, when_busy, flights, bound, sync, threads)
        # For those who do not close it: nothing that was saved is to be lost when the program ends.
        self._at_exit = _at_exit(self)

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, of: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.close()
            return
        # What ended the training is what is told.
        try:
            self._close(wait=not isinstance(error, KeyboardInterrupt), alone=True)
        except Error as failure:
            warnings.warn(f"a checkpoint was not saved: {failure}", HoldallWarning, stacklevel=2)

    # --- What is saved -----------------------------------------------------------------------------------------------------------

    def track(self, /, **targets: Any) -> None:
        """Names what belongs to the state, without taking up anything: modules, optimizers, schedulers, scalers, whatever has state_dict() and
        load_state_dict(); loaders of data, whose position Start.steps() knows, need not be named. What was named before stays."""
        self._usable()
        for name, target in targets.items():
            if target is not None and not _state.is_loader(name, target):
                _state.require(name, target)
        for name, target in targets.items():
            if _state.is_loader(name, target):
                self._loaders[name] = target
            elif target is not None:
                self._targets[name] = target
                self._gradients.watch(name, target)

    def step(self, *, epoch: int | None = None, step: int | None = None, metrics: Mapping[str, float] | None = None) -> str | None:
        """To be called behind each step of the training, last in the loop's body: what stands behind it there is not done again after a resume. Saves
        where a rule or a signal asks for it and returns the path, else None.

        `step` counts through the whole run; it and `epoch` may be left out in the loops of Start. `metrics`: numbers, kept with a checkpoint.
        Raises what the thread behind met: StorageError and the like; what came by a signal.
        """
        self._usable()
        progress = self._progress
        if step is None and not progress.is_feeding:
            step = progress.step + 1
        progress.told(epoch, step, metrics)
        if not progress.is_amid:
            progress.is_epoch_done = False
        if self._signals.pending is None:
            self._poll()
        is_due = progress.is_due()
        asked = self._asked()
        if asked == _ENDS:
            return self._save_at_the_end()
        path = self._save() if is_due or asked == _TIME else None
        if path is None and self._has_rules:
            self._make_ready()
        return path

    def save(self, *, epoch: int | None = None, step: int | None = None, metrics: Mapping[str, float] | None = None, wait: bool = False) -> str | None:
        """Saves now and returns the path; None where `when_busy="skip"` had it skipped. With `wait` it is on disk then. Outside of Start.steps() it
        says that the epoch is done."""
        self._usable()
        progress = self._progress
        progress.told(epoch, step, metrics)
        if not progress.is_feeding:
            progress.end_epoch()
        self._poll()
        path = self._save()
        if wait:
            self.wait()
        return path

    def log(self, **metrics: float) -> None:
        """Numbers for the next checkpoint, whenever it comes: ckpt.log(eval_loss=0.25)."""
        self._progress.log(metrics)

    def end_epoch(self, epoch: int | None = None, metrics: Mapping[str, float] | None = None) -> str | None:
        """An epoch is done, with all that is done between two; the loop of Start.epochs() calls it. Saves where every_epochs asks for it."""
        self._usable()
        progress = self._progress
        progress.told(epoch, None, metrics)
        progress.end_epoch_as_told()
        self._poll()
        return self._save() if progress.is_epoch_due() else None

    def wait(self) -> None:
        """Until all is on disk. Raises what failed."""
        if not self._is_closed:
            self._wait()

    def _wait(self) -> None:
        try:
            with self._agreed():
                if self._writer is not None:
                    self._told(self._writer.wait)
        finally:
            self._dispatch()

    def close(self) -> None:
        """wait(), and gives the folder back. What failed and was not told is raised."""
        self._close(wait=True)

    def prune(self) -> list[str]:
        """Removes what the rules let go, now; returns the names. history() tells beforehand what they would be ("kept")."""
        self._usable()
        with self._agreed():
            removed = self._writer.prune() if self._writer is not None else []
        self._dispatch()
        return self._ranks.shared(removed)

    # --- What is found again --------------------------------------------------------------------------------------------------------

    def resume(self, /, **targets: Any) -> Start:
        """Puts the newest checkpoint whose checksums hold back into the targets, and says where to go on; a fresh start where there is none.

        The keywords are names of their own: ``resume(model=model, optimizer=optimizer, scheduler=scheduler, ema=ema)``; they are what is saved from
        now on. What accelerate prepared is taken as it is, with ``accelerator=accelerator`` beside it. Random generators go on where they were. A
        checkpoint that is damaged is passed over with a HoldallWarning that says why; so is told what differs in versions and commit. Raises
        MismatchError, before anything has changed, where a state is another module's. StorageError where the disk fails once all was read through:
        a large state, which is read into the target's own tensors, may then be there in part.
        """
        self.track(**targets)
        if _state.accelerator_lacks(self._targets):
            self._warn_of(["gradients are accumulated over batches that the Accelerator counts: name it too, resume(accelerator=accelerator, …)"])
        order = self._candidates("latest")
        if not order:
            self._progress.go_on(0, None, False)
            return Start(self)
        return self._take_up(order, self._targets)

    def restore(self, which: str | int = "latest", /, **targets: Any) -> Start:
        """The same for "latest", "best" (by the first rule of keep_best), "best:METRIC", or a step. Without targets into those named before.
        Raises MissingError where there is no such checkpoint."""
        self.track(**targets)
        order = self._candidates(which)
        if not order:
            raise MissingError(f"there is no checkpoint {which!r}", path=self.folder)
        chosen = {name: self._targets[name] for name in targets if name in self._targets} if targets else self._targets
        return self._take_up(order if isinstance(which, str) else order[:1], chosen)

    @property
    def history(self) -> History:
        """What is in the folder, by step: a list of dicts that prints as a table. ``history()`` is the same."""
        rules = self._rules
        rows, _ = _native.read_checkpoints(self.folder, rules.last, rules.best, rules.every, rules.age, rules.bytes, True)
        return History(rows)

    # --- Within ---------------------------------------------------------------------------------------------------------------------

    def _candidates(self, which: str | int) -> list[dict[str, Any]]:
        self._usable()
        with self._agreed():
            rows = self._candidates_here(which) if self._ranks.rank == 0 else []
        return self._ranks.shared(rows)

    def _candidates_here(self, which: str | int) -> list[dict[str, Any]]:
        if self._writer is not None:
            self._writer.wait()
        return _files.candidates(self.folder, which, self._rules.best, self._is_named, self._warn_of)

    def _take_up(self, order: list[dict[str, Any]], targets: Targets) -> Start:
        failures: list[BaseException | None] = []
        for row in order:
            state, before_each, failure = self._loaded(row["path"], targets)
            self._ranks.together(failure if failure is not None and not isinstance(failure, _DAMAGE) else None)
            if self._ranks.any(failure is not None):
                failures.append(failure)
                self._warn_of([f"{row['path']} is passed over: {failure or 'another rank cannot read it'}"])
                continue
            return self._put(row["path"], state, targets, before_each)
        if len(failures) == 1 and failures[0] is not None:
            raise failures[0]
        raise CorruptError(f"none of {len(failures)} checkpoints can be loaded; the newest: {failures[0]}", path=self.folder)

    def _loaded(self, path: str, targets: Targets) -> tuple[dict[str, Any], Callable[[str], None], Exception | None]:
        failure: Exception | None = None
        state, before_each = None, lambda _: None
        try:
            with _collector.put_off():
                state, before_each = _state.read(path, targets, self._trusted)
            if not isinstance(state, Mapping) or "step" not in state:
                raise CorruptError("this is no state of a training: it has no step", path=path)
        except Exception as error:
            failure, state = error, {}
        return dict(state), before_each, failure

    def _put(self, path: str, state: dict[str, Any], targets: Targets, before_each: Callable[[str], None]) -> Start:
        self._ranks.together(_failure_of(lambda: _state.check_all(path, state, targets)))
        states = {name: state.pop(name + _STATE) for name in targets}
        self._ranks.together(_failure_of(lambda: _state.put_all(targets, states, path, before_each=before_each)))
        self._own(state)
        grads = state.pop("gradients", None) or {}
        for name, target in targets.items():
            if _state.is_module(target):
                _state.put_gradients(target, grads.get(name, {}))
        if self._ranks.rank == 0:
            lines = _environment.differences(state.get("environment"), self._here())
            self._warn_of([f"{os.path.basename(path)} was saved elsewhere: {'; '.join(lines)}"] if lines else [])
        self._warn_of(_random.set_states(state["random_states"]) if state.get("random_states") is not None else [])
        start = Start(self, path, state)
        self._best = dict(start.best)
        position = state.get("data_position") or {}
        self._progress.go_on(start.step, state.get("epoch"), bool(position.get("epoch_done")))
        if position.get("loader") in self._loaders:
            loader = self._loaders[position["loader"]]
            start._go_behind(loader, self._feeds.of(loader))
        return start

    def _own(self, state: dict[str, Any]) -> None:
        """What each rank has kept for itself takes the place of the first one's."""
        ranks = state.pop("ranks", None)
        count = len(ranks) if isinstance(ranks, list) else 1
        if count != self._ranks.count:
            self._warn_of([f"saved by {count} processes, these are {self._ranks.count}: random states and positions are those of the first"])
        elif ranks is not None:
            state.update(ranks[self._ranks.rank])

    def _save(self, last: bool = False) -> str | None:
        progress = self._progress
        own: dict[str, Any] = {}
        metrics: dict[str, float] = {}
        failure: BaseException | None = None
        try:
            own = self._of_this_rank()
            metrics = progress.all_metrics()
        except Exception as error:
            failure = error
        self._ranks.together(failure)
        ranks = self._ranks.gather(own) if self._ranks.count > 1 else [own]
        path: str | None = None
        with self._agreed():
            if self._writer is not None:
                path = self._write(ranks, progress.step, progress.epoch, list(metrics.items()), last)
        path = self._ranks.shared(path)
        progress.saved()
        self._dispatch()
        return path

    def _asked(self) -> int:
        """Behind a step: whether a signal has come, or the time of every_minutes, on any rank."""
        self._signals.step()
        asked = _ENDS if self._signals.pending is not None else _TIME if self._progress.is_time() else 0
        return self._ranks.highest(asked) if self._asks_ranks and self._ranks.count > 1 else asked

    def _is_wanted(self) -> bool:
        """The same for callbacks that have steps, and saves, of their own; _heed_signals() is to follow."""
        asked = self._asked()
        self._ends = asked == _ENDS
        return asked != 0

    def _heed_signals(self) -> None:
        """Behind a save that _is_wanted() asked for: all ranks wait for the disk, then a signal has its effect where it came."""
        if self._ends:
            self._ends = False
            self._end(self.wait)

    def _save_at_the_end(self) -> str | None:
        """Once more, before a signal has its effect where it came. What fails is but a warning: the signal is not lost."""
        return self._end(self._poll, lambda: self._save(last=True), self.wait)

    def _end(self, *acts: Callable[[], str | None]) -> str | None:
        path: str | None = None
        for act in acts:
            try:
                path = act() or path
            except Error as failure:
                warnings.warn(f"a checkpoint was not saved: {failure}", HoldallWarning, stacklevel=3)
        if self._signals.pending is not None:
            self._signals.take_effect()
            self._signals.step()
        return path

    def _of_this_rank(self) -> dict[str, Any]:
        if not self._targets:
            raise ValueError("nothing to save: name it by resume(model=…, optimizer=…) or track(…)")
        feed = self._progress.feed
        own: dict[str, Any] = {"random_states": _random.states(), "data_position": self._progress.position()}
        own["data_position"]["loader"] = self._name_of(self._feeds.loader_of(feed))
        others = {name: self._feeds.known(loader) for name, loader in self._loaders.items()}
        own["data_position"]["others"] = {name: other.position() for name, other in others.items() if other is not None and other is not feed}
        if self._gradients.wait():
            own["gradients"] = {name: _state.gradients(target) for name, target in self._targets.items() if _state.is_module(target)}
        return own

    def _write(self, ranks: list[dict[str, Any]], step: int, epoch: int | None, metrics: list[tuple[str, float]], last: bool) -> str | None:
        writer = self._writer
        assert writer is not None
        self._note_best(step, dict(metrics))
        state: dict[str, Any] = {"epoch": epoch, "step": step, "metrics": dict(metrics), "best": {name: list(best) for name, best in self._best.items()}}
        with _collector.put_off():
            for name, target in self._targets.items():
                state[name + _STATE] = _state.taken(target)
            state.update(ranks[0])
            if len(ranks) > 1:
                state["ranks"] = ranks
            state["environment"] = self._here()
            stamp = writer.stamp(step, epoch, metrics)
            with _state.staged(self._staging) as staging:
                native = _save.build(state, {**self._metadata, _files.STAMP: stamp}, self._trusted, framework=_framework(), staging=staging)
        return self._behind(lambda: writer.save(native, step, epoch, metrics, "", {}, []), last)

    def _behind(self, save: Callable[[], str], last: bool) -> str | None:
        """What was made of the states is handed to the thread. Of a save that failed before is told first, so that this one is made all the same."""
        writer = self._writer
        assert writer is not None
        if self._waits or last:
            writer.wait_for_room()
        self._told(writer.check)
        path: list[str] = []
        self._told(lambda: path.append(save()))
        return path[0] or None if path else None

    def _make_ready(self) -> None:
        """Has memory for copies touched behind the first steps, once the optimizer has its state."""
        if self._is_ready or self._writer is None or not self._targets:
            return
        self._is_ready = True
        with _collector.put_off():
            state = {name + _STATE: _state.taken(target) for name, target in self._targets.items()}
            self._writer.prepare(_save.build(state, None, self._trusted, framework=_framework()))

    def _note_best(self, step: int, metrics: dict[str, float]) -> None:
        self._has_saved = True
        for name, mode, _ in self._rules.best:
            value = metrics.get(name)
            best = self._best.get(name)
            if value is not None and value == value and (best is None or (value < best[0] if mode == "min" else value > best[0])):
                self._best[name] = (value, step)

    def _here(self) -> _environment.Environment:
        if self._environment is None:
            self._environment = _environment.environment()
        return self._environment

    @contextlib.contextmanager
    def _agreed(self) -> Iterator[None]:
        """What fails on any rank is raised on all."""
        if self._ranks.count == 1:
            yield
            return
        failure: BaseException | None = None
        try:
            yield
        except Exception as error:
            failure = error
        self._ranks.together(failure)

    def _poll(self) -> None:
        if self._ranks.count == 1 and self._writer is not None:
            self._told(self._writer.check)
            if self._on_event is not None:
                self._dispatch()

    def _told(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except _OF_THE_DISK as error:
            if not self._warns:
                raise
            warnings.warn(f"a checkpoint was not saved: {error}", HoldallWarning, stacklevel=4)

    def _dispatch(self) -> None:
        if self._writer is None:
            return
        for row in self._writer.events():
            if self._on_event is not None:
                self._on_event(Event(row))

    def _signalled(self, number: int, seconds: float) -> None:
        if self._on_event is None:
            return
        import signal

        row = {"kind": "signal", "path": self.folder, "step": self._progress.step, "epoch": self._progress.epoch, "metrics": {}, "bytes": 0}
        name = signal.Signals(number).name
        self._on_event(Event({**row, "waited": 0.0, "written": 0.0, "error": f"{name}: one last checkpoint behind this step, within {seconds:g} s"}))

    def _close(self, wait: bool, alone: bool = False) -> None:
        """`alone`: other ranks may be elsewhere."""
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self._at_exit)
        self._signals.remove()
        if os.getpid() != self._process:  # all of it is the parent's
            return
        never = [name for name, _, _ in self._rules.best if self._has_saved and name not in self._best]
        if never:
            self._warn_of([f"keep_best looks for {', '.join(never)}, and no checkpoint has a number under that name"])
        self._gradients.close()
        try:
            self._settle(wait, alone)
        except Error as failure:
            if self._signals.pending is None:
                raise
            warnings.warn(f"a checkpoint was not saved: {failure}", HoldallWarning, stacklevel=3)
        if self._signals.pending is not None:
            self._signals.take_effect()

    def _settle(self, wait: bool, alone: bool) -> None:
        writer = self._writer
        try:
            if wait and (not alone or self._ranks.count == 1):
                self._wait()
        finally:
            try:
                if writer is not None:
                    self._told(lambda: writer.close(wait))
                    self._dispatch()
            finally:
                self._feeds.close()
                self._ranks.close(alone)

    def _usable(self) -> None:
        if self._is_closed:
            raise ValueError("this Checkpointer is closed")

    def _warn_of(self, lines: list[str]) -> None:
        for line in lines:
            warnings.warn(line, HoldallWarning, stacklevel=3)

    # For the loops of Start.

    def _name_of(self, loader: Any) -> str | None:
        return next((name for name, known in self._loaders.items() if known is loader), None)

    def _begin_epoch(self, epoch: int) -> None:
        self._progress.begin_epoch(epoch)

    def _begin_feed(self, feed: Any) -> None:
        self._signals.install()  # before the loader forks its workers
        self._progress.begin_feed(feed)

    def _next_step(self) -> int:
        self._progress.step += 1
        return self._progress.step

    def _end_feed(self, feed: Any) -> None:
        self._progress.end_feed(feed)


def options_but(*own: str) -> list[str]:
    """The names of a Checkpointer's arguments, for callbacks that hand them on, but for those that are the callback's own business."""
    return [name for name in inspect.signature(Checkpointer).parameters if name not in own]


def _failure_of(act: Callable[[], None]) -> Exception | None:
    try:
        act()
    except Exception as error:
        return error
    return None


def _at_exit(checkpointer: Checkpointer) -> Callable[[], None]:
    of = weakref.ref(checkpointer)

    def close() -> None:
        left = of()
        if left is not None:
            left.__exit__(SystemExit, SystemExit(), None)

    return atexit.register(close)


def _framework() -> str:
    return "pt" if "torch" in sys.modules else ""
