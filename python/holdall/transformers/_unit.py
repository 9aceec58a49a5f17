"""holdall.json: what is kept of a saved unit: its classes, the libraries' versions, the checksums of the files beside the weights."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from typing import Any

import torch
import transformers

from .. import _native
from ..errors import CorruptError

FILE = "holdall.json"
SAMPLE = "holdall_sample.npz"
TRAINING = "training.pt"


def document(model: Any, preprocessing: Any, kind: str | None, files: Mapping[str, bytes], beside: Mapping[str, Any]) -> bytes:
    listed: dict[str, Any] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in sorted(files.items())
    }
    listed |= {name: {} for name in sorted(beside)}
    return json.dumps({
        "holdall": _native.__version__,
        "model": type(model).__name__,
        "preprocessing": None if kind is None else {"kind": kind, "class": type(preprocessing).__name__},
        "versions": {
            "python": platform.python_version(), "torch": str(torch.__version__), "transformers": transformers.__version__,
        },
        "files": listed,
    }, indent=2).encode() + b"\n"  # fmt: skip


def read(folder: str) -> dict[str, Any]:
    """The folder's holdall.json; empty where another library wrote it. Raises CorruptError."""
    path = os.path.join(folder, FILE)
    if not os.path.isfile(path):
        return {}
    found = json_of(path)
    if not isinstance(found.get("files"), dict):
        raise CorruptError("it lists no files", path=path)
    return found


def json_of(path: str, floats: bool = False) -> dict[str, Any]:
    """A file that is one JSON object. Raises CorruptError. `floats`: {"__float__": "Infinity"} is the number, as transformers has it."""
    with open(path, "rb") as file:
        try:
            found = json.load(file, object_hook=_float if floats else None)
        except (ValueError, RecursionError) as error:
            raise CorruptError(f"it is no JSON: {error}", path=path) from error
    if not isinstance(found, dict):
        raise CorruptError("it is no JSON object", path=path)
    return found


def _float(found: dict[str, Any]) -> Any:
    tag = found.get("__float__")
    return float(tag) if len(found) == 1 and tag in ("Infinity", "-Infinity", "NaN") else found


def check(folder: str, unit: Mapping[str, Any]) -> None:
    """Compares the files beside the weights with their checksums. Raises CorruptError for the first that differs or is missing."""
    for name, facts in unit.get("files", {}).items():
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise CorruptError(f"{FILE} lists {name}, and it is not there", path=path)
        expected = facts.get("sha256") if isinstance(facts, dict) else None
        if expected is None:
            continue
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if digest != expected:
            raise CorruptError(
                f"{name} is not what was saved: its SHA-256 is {digest}, {expected} was kept; check=False takes it as it is", path=path
            )
