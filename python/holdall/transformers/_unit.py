"""holdall.json: what is kept of a saved unit: its classes, the libraries' versions, the checksums of the files beside the weights."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from typing import Any

import torch
import transformers

from .. import _native
from ..errors import CorruptError

FILE = "holdall.json"
SAMPLE = "holdall_sample.npz"
TRAINING = "training.pt"
OWN = {FILE, SAMPLE, TRAINING, "adapter_config.json", "config.json", "generation_config.json"}
WEIGHTS = re.compile(r"(adapter_)?model(-\d{5,}-of-\d{5,})?\.safetensors")


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


def seal(folder: str, sync: bool) -> None:
    """Adds to holdall.json what is known when the files are written: their checksums, and those of the weights' headers.

    The folder is whole before and after: the document takes the place of the other at once.
    """
    path = os.path.join(folder, FILE)
    found = json_of(path)
    for name, facts in found["files"].items():
        if "sha256" not in facts:
            digest = _digest(os.path.join(folder, name))
            facts |= {"bytes": os.path.getsize(os.path.join(folder, name)), "sha256": digest}
    found["weights"] = {name: {"header_sha256": _header(os.path.join(folder, name))} for name in sorted(os.listdir(folder)) if WEIGHTS.fullmatch(name)}
    handle, new = tempfile.mkstemp(dir=folder, prefix=FILE + ".")
    try:
        with open(handle, "wb") as file:
            file.write(json.dumps(found, indent=2).encode() + b"\n")
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.chmod(new, os.stat(path).st_mode & 0o777)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 22):
            digest.update(part)
        return digest.hexdigest()


def _header(path: str) -> str | None:
    """SHA-256 of a safetensors file's header, in which the checksums of its tensors are; None for none."""
    with open(path, "rb") as file:
        start = file.read(8)
        size = int.from_bytes(start, "little")
        return None if size > os.path.getsize(path) else hashlib.sha256(start + file.read(size)).hexdigest()


def weights_fault(folder: str, unit: Mapping[str, Any]) -> tuple[str, str] | None:
    """The path of weights that are not those which were saved with this holdall.json, by their headers, and words; None for none."""
    kept = unit.get("weights")
    for name, facts in kept.items() if isinstance(kept, dict) else ():
        path = os.path.join(folder, name)
        if not WEIGHTS.fullmatch(name) or not isinstance(facts, dict):
            continue
        if not os.path.isfile(path):
            return path, f"{FILE} lists {name}, and it is not there"
        if facts.get("header_sha256") != _header(path):
            return path, f"{name} is not what was saved: its header's SHA-256 is {_header(path)}, {facts.get('header_sha256')} was kept"
    return None


def read(folder: str) -> dict[str, Any]:
    """The folder's holdall.json; empty where another library wrote it. Raises CorruptError."""
    path = os.path.join(folder, FILE)
    if not os.path.isfile(path):
        return {}
    found = json_of(path)
    if not isinstance(found.get("files"), dict):
        raise CorruptError("it lists no files", path=path)
    saved = found.get("preprocessing")
    if saved is not None and not (isinstance(saved, dict) and isinstance(saved.get("kind"), str | None)):
        raise CorruptError("its preprocessing is no {kind, class}", path=path)
    if not isinstance(found.get("versions", {}), dict):
        raise CorruptError("its versions are no names and numbers", path=path)
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
        if "\0" in name or not os.path.isfile(path):
            raise CorruptError(f"{FILE} lists {name}, and it is not there", path=path)
        expected = facts.get("sha256") if isinstance(facts, dict) else None
        if expected is None:
            continue
        digest = _digest(path)
        if digest != expected:
            raise CorruptError(
                f"{name} is not what was saved: its SHA-256 is {digest}, {expected} was kept; check=False takes it as it is", path=path
            )
    fault = weights_fault(folder, unit)
    if fault is not None:
        raise CorruptError(fault[1] + "; check=False takes it as it is", path=fault[0])
