"""The files of a Trainer's checkpoint: those that Trainer itself writes and looks for, in memory, to be published in one step."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers

from .. import _collector, _native
from .. import _save as _plain
from ..checkpoints import Checkpointer
from ..checkpoints._files import STAMP_FILE
from ..errors import UnsupportedError
from . import _adapter, _preprocessing, _save, _unit

Files = dict[str, bytes]

_NAME = "checkpoint-{step}"
_METRICS_LEFT_OUT = ("epoch", "step", "total_flos")


class Folders(Checkpointer):
    """A Checkpointer of a Trainer's folders. Every rank makes every call."""

    def __init__(self, folder: str, trainer: Any, **options: Any) -> None:
        super().__init__(folder, _NAME, **options)
        self._trainer = trainer
        self._still: Files | None = None

    def _of_this_rank(self) -> Files:
        """What Trainer writes on each rank, by its own functions: random states under a name of each, the scaler."""
        trainer = self._trainer
        if trainer.args.save_only_model:
            return {}
        with tempfile.TemporaryDirectory() as place:
            trainer._save_rng_state(place)
            trainer._save_scaler(place)
            return _files_in(place)

    def _write(self, ranks: list[Files], step: int, epoch: int | None, metrics: list[tuple[str, float]], last: bool) -> str | None:
        writer = self._writer
        assert writer is not None
        files = {name: data for own in ranks for name, data in own.items()}
        with _collector.put_off():
            native, beside = self._contents(files)
        there = pathlib.Path(self.folder, _NAME.format(step=step))
        # A checkpoint of this step that is written once more, after an evaluation or by an earlier run; others are refused.
        may_go = [str(path.relative_to(there)) for path in there.rglob("*")] if (there / STAMP_FILE).is_file() else []
        return self._behind(lambda: writer.save(native, step, epoch, metrics, "huggingface", beside, may_go), last)

    def _contents(self, files: Files) -> tuple[_native.Model, dict[str, _native.Model]]:
        """The model with all small files, and what holds more tensors."""
        trainer = self._trainer
        model = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
        with tempfile.TemporaryDirectory() as place:
            config, state = _parts(model, place)
            trainer.state.save_to_json(os.path.join(place, "trainer_state.json"))
            beside: dict[str, _native.Model] = {}
            if not trainer.args.save_only_model:
                torch.save(trainer.lr_scheduler.state_dict(), os.path.join(place, "scheduler.pt"))
                beside["optimizer.pt"] = _plain.build(trainer.optimizer.state_dict(), None, self._trusted, "pt")
            files |= _files_in(place)
        files |= self._of_training()
        preprocessing = preprocessing_of(trainer)
        files[_unit.FILE] = _unit.document(model, preprocessing, _kind_of(preprocessing), files, beside)
        return _plain.build(state, self._metadata or None, self._trusted, "pt", config, files), beside

    def _of_training(self) -> Files:
        """What stays the same from one checkpoint to the next."""
        if self._still is None:
            with tempfile.TemporaryDirectory() as place:
                preprocessing = preprocessing_of(self._trainer)
                if preprocessing is not None:
                    preprocessing.save_pretrained(place)
                torch.save(self._trainer.args, os.path.join(place, "training_args.bin"))
                self._still = _files_in(place)
        return self._still


def metrics_of(history: Sequence[Mapping[str, Any]], step: int) -> dict[str, float]:
    """The numbers that were logged at a step, evaluations' among them; not how long they took."""
    found: dict[str, float] = {}
    for logged in reversed(history):
        if logged.get("step") != step:
            break
        for name, value in logged.items():
            is_time = name.endswith(("_runtime", "_per_second"))
            if name not in _METRICS_LEFT_OUT and not is_time and isinstance(value, int | float):
                found.setdefault(name, float(value))
    return found


def refuse_unsupported(trainer: Any) -> None:
    """Raises UnsupportedError for models whose state lies on several processes, each with a part."""
    args = trainer.args
    reasons = [
        ("FSDP", trainer.is_fsdp_enabled or trainer.is_fsdp_xla_enabled),
        ("DeepSpeed", trainer.is_deepspeed_enabled),
        ("models sharded when they are loaded", getattr(trainer, "is_distributed_loading_by_transformers", False)),
        ("save_on_each_node", args.save_on_each_node),
        ("XLA", args.parallel_mode == transformers.training_args.ParallelMode.TPU),
    ]
    for name, is_so in reasons:
        if is_so:
            raise UnsupportedError(f"CheckpointCallback has one process write the whole state, which does not go with {name}; leave saving to Trainer")


def preprocessing_of(trainer: Any) -> Any:
    """The tokenizer or processor that Trainer saves beside the model."""
    if trainer.processing_class is not None:
        return trainer.processing_class
    return getattr(trainer.data_collator, "tokenizer", None)


def _kind_of(preprocessing: Any) -> str | None:
    try:
        return None if preprocessing is None else _preprocessing.kind_of(preprocessing)
    except UnsupportedError:
        return None


def _parts(model: Any, place: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The config and the tensors, under the names that load_state_dict() and load_adapter() take."""
    if _adapter.is_adapted(model):
        return _adapter.parts(model, place)
    if isinstance(model, transformers.PreTrainedModel):
        return _save._parts(model, place, names="module")
    return None, dict(model.state_dict())


def _files_in(place: str) -> Files:
    folder = pathlib.Path(place)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
