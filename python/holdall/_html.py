"""A model as a notebook shows it: a table that folds by the components of the names."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._model import Model, Tensor

# Folders of more than so many entries begin folded.
_OPEN = 12


def model_table(model: Model) -> str:
    folders: dict[str, Any] = {}
    for name in model:
        *path, last = name.split(".")
        place = folders
        for component in path:
            inner = place.setdefault(component, {})
            if not isinstance(inner, dict):  # a tensor has the name of a folder
                inner = place[component + "."] = {"": inner}
            place = inner
        place[last if last not in place else name] = model[name]
    size = sum(tensor.nbytes for tensor in model.values())
    head = f"<b>{html.escape(model.path)}</b> {html.escape(model.format)}, {len(model)} tensors, {_bytes(size)}, {model.parameters:,} parameters"
    return f'<div style="font-family:monospace">{head}{_folder(folders)}</div>'


def _folder(entries: dict[str, Any]) -> str:
    rows = []
    for name, entry in entries.items():
        if isinstance(entry, dict):
            opened = " open" if len(entries) <= _OPEN else ""
            count, size = _total(entry)
            rows.append(
                f"<details{opened}><summary>{html.escape(name)} <small>{count} tensors, {_bytes(size)}</small></summary>{_folder(entry)}</details>"
            )
        else:
            rows.append(f"<div>{html.escape(name)} <small>{_facts(entry)}</small></div>")
    return f'<div style="margin-left:1.5em">{"".join(rows)}</div>'


def _total(entries: dict[str, Any]) -> tuple[int, int]:
    count = size = 0
    for entry in entries.values():
        inner = _total(entry) if isinstance(entry, dict) else (1, entry.nbytes)
        count += inner[0]
        size += inner[1]
    return count, size


def _facts(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)} {_bytes(tensor.nbytes)}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            break
        size /= 1000
    else:
        unit = "TB"
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
