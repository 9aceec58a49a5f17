"""holdall.keras: models of Keras saved, loaded and filled with a report, and callbacks that save a training behind it and take it up exactly where it was.

``save`` writes the files that Keras itself reads, ``load`` builds a model of what the file says only when that runs no code of the file's, ``load_into``
puts weights into a model that is there. A Keras model or optimizer may also be handed to a Checkpointer in a loop of one's own:
``ckpt.resume(model=model)``.
"""

from __future__ import annotations

from .._report import Report
from ._backup import BackupAndRestore
from ._into import load_into
from ._load import load
from ._model_checkpoint import ModelCheckpoint
from ._placeholder import Placeholder
from ._save import save

__all__ = ["BackupAndRestore", "ModelCheckpoint", "Placeholder", "Report", "load", "load_into", "save"]
