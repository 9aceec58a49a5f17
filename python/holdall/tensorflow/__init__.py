"""TensorFlow's objects from and to any file that Holdall opens.

``save`` writes the variables of a module, a checkpoint, an optimizer by their attributes; ``load`` gives a file's tensors in the nesting that was
saved; ``load_into`` fills an object's variables and reports. Checkpoints go back and forth with ``tf.train.Checkpoint``.
"""

from __future__ import annotations

from .._report import Report
from ._into import load_into
from ._load import load
from ._objects import variables
from ._save import save, update

__all__ = ["Report", "load", "load_into", "save", "update", "variables"]
