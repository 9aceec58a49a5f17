"""load_into(): a file's tensors into a module, with a report of what fits and what does not."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from .. import _model, _rules
from .._report import Report, mismatch
from .._rules import Rename
from .._values import Object
from ..errors import HoldallWarning, MismatchError, UnsupportedError
from . import _load, _tensors
from ._builders import TorchBuilder

# What a module's get_extra_state() gave is called so in a state dict.
_EXTRA = "_extra_state"
_OWN_CLASSES = (torch.Tensor, torch.nn.Parameter)
_PLAIN = (str, bytes, int, float, complex, bool, type(None))

# A device, or what brings each storage to where it is to be.
Where = tuple[torch.device | None, _tensors.Place | None]


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
    policy: _model.PathLike | None = None,
) -> Report:
    """Loads a file's tensors into a module by name.

    `rename`: names of the file to those of the module, a dict (with one ``*`` on each side where wanted) or a function; prefixes that
    wrappers add (``module.``, ``_orig_mod.``, ``model.``) and the place of the weights in a checkpoint are found by themselves and
    reported. Where several places fit equally well and none has a usual name (``model_state_dict.``, ``state_dict.``, ``model.``, …), or
    a layer of a list does beside others, none is taken: MismatchError names them. `prefix`: takes the entries under it and drops it.
    `mode`: "eval" or "train" puts the module into that mode; None leaves it. `assign`: the file's tensors become the module's, dtypes
    and all (the report's `dtypes`), instead of being copied into them; done for modules on the meta device. `policy`: as holdall.load() has it.

    Extra state goes to the modules' set_extra_state(), last and as it was saved: what that raises comes after the tensors. Of tied
    entries one in the file is enough; where their values differ the last is taken, with a HoldallWarning. A ``num_batches_tracked`` that
    an old file lacks is left as it is, as torch does.

    Returns the Report. With `strict`, anything missing, unexpected or of another shape raises MismatchError, which carries it, and
    nothing has been loaded. Raises UnsupportedError, before anything changes, for entries that cannot be filled.
    """
    if mode not in (None, "eval", "train"):
        raise ValueError(f"mode {mode!r} is neither 'eval' nor 'train'")
    model = _model.opened(source, policy)
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
    builder: TorchBuilder | None = None,
) -> Report:
    """load_into(); `where` what is assigned goes, None: to where the entries are; `builder` makes what extra state is."""
    state = module.state_dict(keep_vars=True)
    own = {name: value for name, value in state.items() if isinstance(value, torch.Tensor) and not _is_extra(name)}
    for name, value in own.items():
        if torch.nn.parameter.is_lazy(value):
            raise UnsupportedError(f"{name} has no shape yet: call the {type(module).__name__} once before it is loaded into", path=model.path)
    unfit = f"the file does not fit the {type(module).__name__}"
    try:
        report, taken, assign = _compared(model, own, rename, prefix, assign)
    except MismatchError as error:
        raise mismatch(unfit, Report(missing=list(own)), model.path, error.message) from None
    _forgive(module, own, report, taken)
    extra = _extra_of(model, [name for name in state if _is_extra(name)], report, taken)
    if strict and not report.complete:
        raise mismatch(unfit, report, model.path)
    for name, tensor in taken:
        _refuse_unfit(model, tensor, name, own[name], assign)
    _fill(module, own, model, taken, assign, check, where, _built(model, extra, builder, check))
    return report


def _compared(
    model: _model.Model, own: Mapping[str, torch.Tensor], rename: Rename | None, prefix: str, assign: bool
) -> tuple[Report, list[tuple[str, _model.Tensor]], bool]:
    """The report, what can be loaded: (name in the module, tensor in the file), and whether it is assigned."""
    entries = [(name, _elements(value), _tensors.name_of(value.dtype)) for name, value in own.items()]
    found, pairs = model._native.fit(entries, _rules.checked(rename), prefix)
    report = Report.of(found)
    if report.unexpected and (known := _entries_of_pickled(model)):
        # What else a pickled module's attributes hold is none of its state dict.
        report.unexpected = [name for name in report.unexpected if name in known]
    names = list(model)
    taken = [(entries[entry][0], model[names[tensor]]) for entry, tensor in pairs]
    assign = assign or any(own[name].device.type == "meta" for name, _ in taken)
    if assign:
        report.cast = []
    return report, taken, assign


def _elements(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape in elements: torch counts pairs of float4."""
    shape = tuple(tensor.shape)
    return (*shape[:-1], shape[-1] * 2) if shape and _tensors.name_of(tensor.dtype) == "float4_e2m1" else shape


def _forgive(module: torch.nn.Module, own: Mapping[str, torch.Tensor], report: Report, taken: list[tuple[str, _model.Tensor]]) -> None:
    """What is missing in the file and no fault: other names of a loaded tensor, the counters that old BatchNorms had not."""
    if not report.missing:
        return
    of = {id(own[name]): tensor for name, tensor in taken}
    tied = [name for name in report.missing if id(own[name]) in of]
    taken += [(name, of[id(own[name])]) for name in tied]
    parts = dict(module.named_modules(remove_duplicate=False))

    def is_counter(name: str) -> bool:
        part, _, last = name.rpartition(".")
        return last == "num_batches_tracked" and isinstance(parts.get(part), torch.nn.modules.batchnorm._NormBase)

    report.loaded += tied
    report.missing = [name for name in report.missing if id(own[name]) not in of and not is_counter(name)]


def _is_extra(name: str) -> bool:
    return name.rpartition(".")[2] == _EXTRA


def _extra_of(model: _model.Model, names: list[str], report: Report, taken: list[tuple[str, _model.Tensor]]) -> dict[str, str]:
    """Names of the module's extra state to those in the file, where the tensors beside it were found; reports the others."""
    in_file = dict(_extra_in(model.tree))
    if not names and not in_file:
        return {}
    found: dict[str, str] = {}
    for name in names:
        place = next((place for place in _places(name, taken) if place in in_file), name)
        if place in in_file:
            found[name] = place
            if place != name:
                report.found_as[name] = place
                report.renamed.append(name)
        (report.loaded if name in found else report.missing).append(name)
    root = next((tensor.name.removesuffix(name) for name, tensor in taken if tensor.name.endswith(name)), "")
    used = set(found.values())
    report.unexpected = [name for name in report.unexpected if not any(name == place or name.startswith(f"{place}.") for place in in_file)]
    report.unexpected += [place for place in in_file if place not in used and place.startswith(root)]
    return found


def _places(name: str, taken: list[tuple[str, _model.Tensor]]) -> Iterator[str]:
    """Where the file may have an entry of the module, going by where tensors of the same part of it are; the nearest part first."""
    part = name
    while part:
        part = part.rstrip(".").rpartition(".")[0]
        part += "." if part else ""
        for own, tensor in taken:
            rest = own.removeprefix(part)
            if own.startswith(part) and tensor.name.endswith(rest):
                yield tensor.name.removesuffix(rest) + name.removeprefix(part)


def _extra_in(tree: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of all extra state in a tree of dicts and lists."""
    todo: list[tuple[Any, str]] = [(tree, "")]
    seen: set[int] = set()
    while todo:
        part, prefix = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        for key, value in enumerate(part) if isinstance(part, list | tuple) else _items(part):
            if isinstance(key, str) and _is_extra(key):
                yield f"{prefix}{key}", value
            elif isinstance(value, dict | list | tuple | Object):
                todo.append((value, f"{prefix}{key}."))


def _built(model: _model.Model, extra: Mapping[str, str], builder: TorchBuilder | None, check: bool) -> dict[str, Any]:
    """The values of extra state, by names of the module."""
    if not extra:
        return {}
    in_file = dict(_extra_in(model.tree))
    if not all(_is_plain(in_file[place]) for place in extra.values()):
        in_file = dict(_extra_in(_load.load(model, check=check, builder=builder)))
    return {name: in_file[place] for name, place in extra.items()}


def _is_plain(value: Any) -> bool:
    """Whether the inert tree has it as it is."""
    if type(value) in (list, tuple):
        return all(_is_plain(item) for item in value)
    if type(value) is dict:
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    return type(value) in _PLAIN


def _refuse_unfit(model: _model.Model, tensor: _model.Tensor, name: str, entry: torch.Tensor, assign: bool) -> None:
    """Raises UnsupportedError for what a copy would make wrong, or stop at halfway."""
    if tensor.dtype in _tensors.INTEGERS:
        raise UnsupportedError(
            f"{name}: the file's tensor is quantized ({tensor.dtype}), integers without their scale to the module; load() gives it whole",
            path=model.path,
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
    check: bool, where: Where | None, extra: dict[str, Any],
) -> None:  # fmt: skip
    """All is read before the first entry changes, so that damage leaves the module as it was."""
    device, place = where or (None, None)
    tensors = _tensors.load(model._native, [tensor._entry for _, tensor in taken], device=device, check=check, place=place)
    # What is one tensor under several names stays one.
    lasts: dict[int, torch.Tensor] = {}
    for (name, found), tensor in zip(taken, tensors, strict=True):
        before = lasts.get(id(own[name]))
        if before is not None and not _same(before, tensor):
            warnings.warn(
                f"{model.path}: {name} is tied to another entry of the module, but not of the file: the values of {found.name} are taken",
                HoldallWarning, stacklevel=4,
            )  # fmt: skip
        lasts[id(own[name])] = tensor
    entries = {id(own[name]): (name, own[name]) for name, _ in taken}
    state: dict[str, Any] = {}
    if assign:
        for key, (_, entry) in entries.items():
            tensor = lasts[key]
            if where is None and entry.device.type != "meta":
                tensor = tensor.to(entry.device)
            if isinstance(entry, torch.nn.Parameter):
                tensor = torch.nn.Parameter(tensor, entry.requires_grad and (tensor.is_floating_point() or tensor.is_complex()))
            lasts[key] = tensor
        state.update((name, lasts[id(own[name])]) for name, _ in taken)
    else:
        _copy([(name, entry, lasts[key]) for key, (name, entry) in entries.items()], model.path)
    state.update(extra)
    if state:
        module.load_state_dict(state, strict=False, assign=assign)
    parts = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    left = [name for name, value in parts if value.device.type == "meta"]
    if left and (device is None or device.type != "meta"):
        warnings.warn(f"{len(left)} parameters and buffers are still on the meta device, {left[0]} the first", HoldallWarning, stacklevel=4)


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors of one shape have the same values."""
    if a is b or (a.dtype == b.dtype and a.data_ptr() == b.data_ptr() and a.stride() == b.stride()):
        return True
    if a.dtype.itemsize == 1:
        return a.dtype == b.dtype and torch.equal(a.view(torch.uint8), b.view(torch.uint8))
    both_nan = torch.isnan(a) & torch.isnan(b)
    return bool(((a == b.to(a.dtype)) | both_nan).all())


def _copy(pairs: list[tuple[str, torch.Tensor, torch.Tensor]], path: str) -> None:
    """(name, entry, new values): all are copied, or none."""
    ways = [(pair, _way_of(*pair, path)) for pair in pairs]
    # Of classes that are not torch's own nobody knows beforehand whether they take a copy: they come first.
    ways.sort(key=lambda way: type(way[0][1]) in _OWN_CLASSES)
    before: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        for (name, entry, tensor), as_bytes in ways:
            kept = None if type(entry) in _OWN_CLASSES else entry.detach().clone()
            try:
                _copy_one(entry, tensor, as_bytes)
            except (RuntimeError, NotImplementedError, TypeError) as error:
                for changed, values in before:
                    _copy_one(changed, values, False)
                raise UnsupportedError(f"{name}: the {type(entry).__name__} cannot be copied into: {error}", path=path) from error
            if kept is not None:
                before.append((entry, kept))


def _copy_one(entry: torch.Tensor, tensor: torch.Tensor, as_bytes: bool) -> None:
    # What was made under inference mode changes there only.
    with torch.inference_mode() if entry.is_inference() else contextlib.nullcontext():
        if as_bytes:
            entry.view(torch.uint8).copy_(tensor.view(torch.uint8))
        else:
            entry.copy_(tensor)


def _way_of(name: str, entry: torch.Tensor, tensor: torch.Tensor, path: str) -> bool:
    """Whether the bytes are copied, because torch copies no elements of the dtype. Raises UnsupportedError where nothing can."""
    try:
        torch.empty(1, dtype=entry.dtype, device=entry.device).copy_(torch.empty(1, dtype=tensor.dtype, device=tensor.device))
    except (RuntimeError, NotImplementedError) as error:
        if entry.dtype == tensor.dtype and entry.dtype.itemsize == 1:
            return True
        raise UnsupportedError(f"{name}: torch cannot copy {tensor.dtype} into {entry.dtype}: {error}", path=path) from error
    return False
