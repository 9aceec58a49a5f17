"""Report: what load_into() did."""

from __future__ import annotations

import dataclasses

from .errors import MismatchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclasses.dataclass
class Report:
    """What load_into() did: lists of names of the module's entries, but `unexpected`: the file's."""

    loaded: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    unexpected: list[str] = dataclasses.field(default_factory=list)
    #: (name, shape in the file, shape in the module)
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = dataclasses.field(default_factory=list)
    #: Copied into another dtype than the file's.
    cast: list[str] = dataclasses.field(default_factory=list)
    #: Found under another name; `found_as` says under which.
    renamed: list[str] = dataclasses.field(default_factory=list)
    #: Of those whose dtypes differ, name to (dtype in the file, dtype in the module): they were cast, or where tensors are assigned took the file's.
    dtypes: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    #: Of those that were renamed: name to name in the file.
    found_as: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Report:
        """Of what the library's fit() found."""
        report = cls(found["loaded"], found["missing"], found["unexpected"], found["mismatched"])
        report.found_as = dict(found["renamed"])
        report.renamed = list(report.found_as)
        report.dtypes = {name: (file, own) for name, file, own in found["cast"]}
        report.cast = list(report.dtypes)
        return report

    @property
    def complete(self) -> bool:
        """Every entry of the module was loaded and every tensor of the file was used."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} loaded"]
        casts = set(self.cast)
        for title, names in (
            ("missing in the file", self.missing),
            ("not in the module", self.unexpected),
            ("of another shape", [f"{name}: {list(file)} in the file, {list(own)} in the module" for name, file, own in self.mismatched]),
            ("cast", [f"{name}: {file} to {own}" for name, (file, own) in self.dtypes.items() if name in casts]),
            ("of the file's dtype now", [f"{name}: {file}, was {own}" for name, (file, own) in self.dtypes.items() if name not in casts]),
            ("renamed", [f"{file} to {own}" for own, file in self.found_as.items()]),
        ):
            if names:
                lines.append(f"{len(names)} {title}:")
                lines += [f"  {name}" for name in names[:20]] + ([f"  and {len(names) - 20} more"] if len(names) > 20 else [])
        return "\n".join(lines)


def mismatch(what: str, report: Report, path: str, more: str = "") -> MismatchError:
    """The error that carries a report, and says it between what was to fit and what there is more to say."""
    error = MismatchError(f"{what}\n{report}" + (f"\n{more}" if more else ""), path=path)
    error.report = report
    return error
