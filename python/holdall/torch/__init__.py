"""holdall.torch: torch.save and torch.load without pickles that run, and modules loaded with a report.

Drop-in for ``torch.save`` and ``torch.load`` on state dicts, checkpoints, tensors and nestings of them; files cross both ways. Whole
modules are saved and loaded by ``save_model`` and ``load_model``, and built only of the classes that are handed in.
"""

from __future__ import annotations

from .._report import Report
from ._into import load_into
from ._load import load_path as load
from ._models import ModelReport, load_model, report_of, save_model
from ._recorded import recorded
from ._save import save

__all__ = ["ModelReport", "Report", "load", "load_into", "load_model", "recorded", "report_of", "save", "save_model"]
