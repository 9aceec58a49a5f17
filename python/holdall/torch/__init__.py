"""holdall.torch: torch.save and torch.load without pickles that run, and modules loaded with a report.

Drop-in for ``torch.save`` and ``torch.load`` on state dicts, checkpoints, tensors and nestings of them; files cross both ways.
"""

from __future__ import annotations

from ._into import Report, load_into
from ._load import load_path as load
from ._save import save

__all__ = ["Report", "load", "load_into", "save"]
