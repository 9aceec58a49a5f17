"""load_into(): a file's tensors into a module, with a report of what fits and what does not."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from .. import _model
from .._values import Object
from ..errors import HoldallWarning, MismatchError, UnsupportedError
from . import _tensors


@dataclasses.dataclass
class Report:
    """What load_into() did: lists of names of the module's entries, but `unexpected`: the file's."""

    loaded: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    unexpected: list[str] = dataclasses.field(default_factory=list)
    #: (name, shape in the file, shape in the module)
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = dataclasses.field(default_factory=list)
    #: Copied into another dtype; `dtypes` says from which to which.
    cast: list[str] = dataclasses.field(default_factory=list)
    #: Found under another name; `found_as` says under which.
    renamed: list[str] = dataclasses.field(default_factory=list)
    #: Of those that were cast: name to (dtype in the file, dtype in the module).
    dtypes: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    #: Of those that were renamed: name to name in the file.
    found_as: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every entry of the module was loaded and every tensor of the file was used."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} loaded"]
        for title, names in (
            ("missing in the file", self.missing),
            ("not in the module", self.unexpected),
            ("of another shape", [f"{name}: {list(file)} in the file, {list(own)} in the module" for name, file, own in self.mismatched]),
            ("cast", [f"{name}: {file} to {own}" for name, (file, own) in self.dtypes.items()]),
            ("renamed", [f"{file} to {own}" for own, file in self.found_as.items()]),
        ):
            if names:
                lines.append(f"{len(names)} {title}:")
                lines += [f"  {name}" for name in names[:20]] + ([f"  and {len(names) - 20} more"] if len(names) > 20 else [])
        return "\n".join(lines)


# A device, or what brings each storage to where it is to be.
Where = tuple[torch.device | None, _tensors.Place | None]
Rename = Mapping[str, str] | Iterable[tuple[str, str]] | Callable[[str], str]


def load_into(
    module: torch.nn.Module,
    source: _model.Source | _model.Model,
    *,
    strict: bool = True,
    rename: Rename | None = None,
    prefix: str = "",
    mode: str | None = None,
    assign: bool = False,
    check: bool = True,
) -> Report:
    """Loads a file's tensors into a module by name.

    `rename`: names of the file to those of the module, a dict (with one ``*`` on each side where wanted) or a function; prefixes that
    wrappers add (``module.``, ``_orig_mod.``, ``model.``) and the place of the weights in a checkpoint are found by themselves and
    reported. `prefix`: takes the entries under it and drops it. `mode`: "eval" or "train" puts the module into that mode; None leaves
    it. `assign`: the file's tensors become the module's, dtypes and all, instead of being copied into them; needed for modules on
    the meta device.

    Returns the Report. With `strict`, anything missing, unexpected or of another shape raises MismatchError, which carries it, and
    nothing has been loaded.
    """
    if mode not in (None, "eval", "train"):
        raise ValueError(f"mode {mode!r} is neither 'eval' nor 'train'")
    model = source if isinstance(source, _model.Model) else _model.open(source)
    report = into(module, model, strict=strict, rename=rename, prefix=prefix, assign=assign, check=check)
    if mode is not None:
        module.train(mode == "train")
    return report


def into(
    module: torch.nn.Module,
    model: _model.Model,
    *,
    strict: bool = True,
    rename: Rename | None = None,
    prefix: str = "",
    assign: bool = False,
    check: bool = True,
    where: Where | None = None,
) -> Report:
    """load_into(); `where` what is assigned goes, None: to where the entries are."""
    own = module.state_dict(keep_vars=True)
    own = {name: value for name, value in own.items() if isinstance(value, torch.Tensor)}
    report, taken, assign = _compared(model, own, rename, prefix, assign)
    if strict and not report.complete:
        error = MismatchError(f"the file does not fit the {type(module).__name__}\n{report}", path=model.path)
        error.report = report
        raise error
    _fill(module, own, model, taken, assign, check, where)
    return report


def _compared(
    model: _model.Model, own: Mapping[str, torch.Tensor], rename: Rename | None, prefix: str, assign: bool
) -> tuple[Report, list[tuple[str, _model.Tensor]], bool]:
    """The report, what can be loaded: (name in the module, tensor in the file), and whether it is assigned."""
    rules = list(rename.items()) if isinstance(rename, Mapping) else rename if rename is None or callable(rename) else list(rename)
    entries = [(name, tuple(value.shape), _tensors.name_of(value.dtype)) for name, value in own.items()]
    found, pairs = model._native.fit(entries, rules, prefix)
    report = Report(found["loaded"], found["missing"], found["unexpected"], found["mismatched"])
    report.found_as = dict(found["renamed"])
    report.renamed = list(report.found_as)
    if report.unexpected and (known := _entries_of_pickled(model)):
        # What else a pickled module's attributes hold is none of its state dict.
        report.unexpected = [name for name in report.unexpected if name in known]
    names = list(model)
    taken = [(entries[entry][0], model[names[tensor]]) for entry, tensor in pairs]
    assign = assign or any(own[name].device.type == "meta" for name, _ in taken)
    if not assign:
        report.dtypes = {name: (file, to) for name, file, to in found["cast"]}
        report.cast = list(report.dtypes)
    for name, tensor in taken:
        _refuse_unfit(model, tensor, name, own[name], assign)
    return report, taken, assign


def _refuse_unfit(model: _model.Model, tensor: _model.Tensor, name: str, entry: torch.Tensor, assign: bool) -> None:
    """Raises UnsupportedError for what a copy would make wrong, or stop at halfway."""
    if tensor.dtype in _tensors.INTEGERS:
        raise UnsupportedError(
            f"{name}: the file's tensor is quantized ({tensor.dtype}), integers without their scale to the module; load() gives it whole", path=model.path
        )
    if assign:
        return
    is_dense = entry.layout == torch.strided and not entry.is_quantized
    if not is_dense or any(step == 0 and size > 1 for step, size in zip(entry.stride(), entry.shape, strict=True)):
        raise UnsupportedError(
            f"{name}: the module's tensor is sparse, quantized or expanded and cannot be copied into; assign=True puts the file's in its place",
            path=model.path,
        )


def _entries_of_pickled(model: _model.Model) -> set[str]:
    """The names of a pickled module's state dict; empty for any other tree."""
    found: set[str] = set()
    todo: list[tuple[Any, str]] = [(model.tree, "")]
    # A module that holds itself would have names without end: only those that the file's tensors have are followed.
    prefixes = {"", *(name[: at + 1] for name in model for at, character in enumerate(name) if character == ".")}
    while todo:
        part, prefix = todo.pop()
        state = part.state if isinstance(part, Object) else None
        if not isinstance(state, dict) or "_modules" not in state or prefix not in prefixes:
            continue
        prefixes.discard(prefix)
        left_out = state.get("_non_persistent_buffers_set") or ()
        for name, value in _items(state.get("_parameters")) + [item for item in _items(state.get("_buffers")) if item[0] not in left_out]:
            if value is not None:
                found.add(f"{prefix}{name}")
        todo += [(value, f"{prefix}{name}.") for name, value in _items(state["_modules"])]
    return found


def _items(mapping: Any) -> list[tuple[Any, Any]]:
    if isinstance(mapping, Object):
        return list(mapping.pairs or ())
    return list(mapping.items()) if isinstance(mapping, dict) else []


def _fill(
    module: torch.nn.Module, own: Mapping[str, torch.Tensor], model: _model.Model, taken: list[tuple[str, _model.Tensor]], assign: bool,
    check: bool, where: Where | None,
) -> None:  # fmt: skip
    """All is read before the first entry changes, so that damage leaves the module as it was."""
    device, place = where or (None, None)
    tensors = _tensors.load(model._native, [tensor._entry for _, tensor in taken], device=device, check=check, place=place)
    with torch.no_grad():
        if not assign:
            for (name, _), tensor in zip(taken, tensors, strict=True):
                own[name].copy_(tensor)
            return
    state: dict[str, torch.Tensor] = {}
    # What is one tensor under several names stays one.
    firsts: dict[int, torch.Tensor] = {}
    for (name, _), tensor in zip(taken, tensors, strict=True):
        if where is None and own[name].device.type != "meta":
            tensor = tensor.to(own[name].device)
        if isinstance(own[name], torch.nn.Parameter):
            tensor = torch.nn.Parameter(tensor, own[name].requires_grad and (tensor.is_floating_point() or tensor.is_complex()))
        state[name] = firsts.setdefault(id(own[name]), tensor)
    module.load_state_dict(state, strict=False, assign=True)
    left = [name for name, value in module.state_dict().items() if isinstance(value, torch.Tensor) and value.device.type == "meta"]
    if left and where is None:
        warnings.warn(f"{len(left)} entries are still on the meta device, {left[0]} the first", HoldallWarning, stacklevel=3)
