"""holdall.transformers: models of transformers saved and loaded as one unit: weights, config, tokenizer, generation config, metadata.

Like ``save_pretrained`` and ``from_pretrained``, whose folders these are, without their surprises: a folder is there whole or not at
all, its parts agree when it is saved and when it is loaded, nothing in it is run, nothing is initialised anew without a word, and a
sample proves later that the model still says the same. CheckpointCallback does as much for the checkpoints of a Trainer.
"""

from __future__ import annotations

from ._load import load
from ._save import save
from ._training import resume
from ._verify import verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._trainer import CheckpointCallback as CheckpointCallback
    from ._trainer import last_checkpoint as last_checkpoint

__all__ = ["CheckpointCallback", "last_checkpoint", "load", "resume", "save", "verify"]


def __getattr__(name: str) -> object:
    # What belongs to a Trainer needs more than models do.
    if name in ("CheckpointCallback", "last_checkpoint"):
        from . import _trainer

        return getattr(_trainer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
