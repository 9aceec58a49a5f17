"""holdall.checkpoints: what stands behind holdall.Checkpointer."""

from __future__ import annotations

from ._checkpointer import Checkpointer
from ._events import Event, History
from ._start import Start

__all__ = ["Checkpointer", "Event", "History", "Start"]
