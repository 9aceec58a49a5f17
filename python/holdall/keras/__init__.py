"""holdall.keras: callbacks that save the training of a Keras model behind it, and take it up exactly where it was.

A Keras model or optimizer may also be handed to a Checkpointer in a loop of one's own: ``ckpt.resume(model=model)``.
"""

from __future__ import annotations

from ._backup import BackupAndRestore
from ._model_checkpoint import ModelCheckpoint

__all__ = ["BackupAndRestore", "ModelCheckpoint"]
