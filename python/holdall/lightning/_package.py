"""The one of Lightning's two packages that the program uses."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any


def _name() -> str:
    if "lightning.pytorch" in sys.modules or "lightning.fabric" in sys.modules:
        return "lightning"
    if "pytorch_lightning" in sys.modules or importlib.util.find_spec("lightning") is None:
        return "pytorch_lightning"
    return "lightning"


NAME = _name()


def pytorch(module: str) -> Any:
    """A module of Lightning by its name in lightning.pytorch."""
    return importlib.import_module(f"{'lightning.pytorch' if NAME == 'lightning' else NAME}.{module}")


def fabric(module: str) -> Any:
    """A module of Lightning by its name in lightning.fabric."""
    return importlib.import_module(f"{'lightning.fabric' if NAME == 'lightning' else 'lightning_fabric'}.{module}")
