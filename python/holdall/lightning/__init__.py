"""holdall.lightning: checkpoints of Lightning that are whole, durable, written behind the training, and taken up to the last bit.

For ``lightning`` and for ``pytorch_lightning``, whichever of the two is imported; the first where both are, or none.
"""

from __future__ import annotations

from ._io import CheckpointIO
from ._model_checkpoint import ModelCheckpoint

__all__ = ["CheckpointIO", "ModelCheckpoint"]
