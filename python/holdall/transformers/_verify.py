"""verify(): whether a folder is whole, and whether the model in it still says what it said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .. import _documents, _model
from .. import _load as _plain
from ..errors import MismatchError, MissingError
from . import _load, _preprocessing, _sample, _unit


def verify(folder: _model.PathLike, *, device: Any = None, base: Any = None, trusted: Sequence[type] = ()) -> dict[str, Any]:
    """What ``holdall.verify`` says of the folder, every file of a unit compared with its checksum, and what the model says to its sample.

    ``{"sound", "checked", "faults", "sample"}``; `sample` is None where none was kept or the files are damaged, else ``{"equal",
    "bit_equal", "tokens_equal", "tolerance", "outputs": {name: {"max_abs", "bit_equal"}}}``: `equal` says that each output is within
    `tolerance`, times the largest of its values (at least 1), of what was kept: 1e-4 for float32, 1e-2 for float16, 5e-2 for bfloat16.
    Damage and other outputs are an answer, not an exception. Raises what load() raises for a folder that is sound and cannot be loaded.
    """
    path = os.path.abspath(os.fsdecode(folder))
    document = _documents.verify(path)
    document["sample"] = None
    fault = _unit.weights_fault(path, _unit.read(path)) if document["sound"] else None
    if fault is not None:
        document["faults"].append({"where": fault[0], "offset": None, "what": fault[1]})
        document["sound"] = False
    if not document["sound"] or not os.path.isfile(os.path.join(path, _unit.SAMPLE)):
        return document
    model, preprocessing = _load.load(path, device=device, base=base, trusted=trusted)
    found = _compared(model, preprocessing, path)
    document["sample"] = found
    for what in _complaints(found):
        document["faults"].append({"where": os.path.join(path, _unit.SAMPLE), "offset": None, "what": what})
    document["sound"] = not document["faults"]
    return document


def prove(model: Any, preprocessing: Any, folder: str, unit: Mapping[str, Any]) -> None:
    """Raises MismatchError where the model says other things than its sample, MissingError where there is none."""
    if not os.path.isfile(os.path.join(folder, _unit.SAMPLE)):
        raise MissingError("no sample was kept with the model", path=folder)
    complaints = _complaints(_compared(model, preprocessing, folder))
    if complaints:
        versions = ", ".join(f"{name} {version}" for name, version in unit.get("versions", {}).items())
        raise MismatchError(f"the model no longer says what it said: {'; '.join(complaints)}; saved with {versions}", path=folder)


def _compared(model: Any, preprocessing: Any, folder: str) -> dict[str, Any]:
    sample = _plain.load(os.path.join(folder, _unit.SAMPLE), framework="torch")
    return _sample.compare(model, preprocessing, None if preprocessing is None else _preprocessing.kind_of(preprocessing), sample)


def _complaints(found: Mapping[str, Any]) -> list[str]:
    said = []
    if not found["equal"]:
        apart = {name: detail["max_abs"] for name, detail in found["outputs"].items() if not detail["bit_equal"]}
        far = ", ".join(f"{name} by {'another shape' if most is None else f'{most:.3g}'}" for name, most in apart.items())
        said.append(f"outputs differ from those that were kept: {far} (allowed {found['tolerance']:g} of the largest value)")
    if found["tokens_equal"] is False:
        said.append("the tokenizer makes other tokens of the sample's texts")
    return said
