"""save_model() and load_model(): whole modules without pickles that run."""

from __future__ import annotations

import dataclasses
import warnings
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from .. import _model
from .._build import Trusted
from .._origin import version_of
from .._progress import Callback
from .._report import Report
from ..errors import CorruptError, HoldallWarning, MismatchError, UnsafeError, UnsupportedError
from . import _into, _load, _provenance
from ._builders import TorchBuilder
from ._description import Building, Describing, Given, check_parts, names_in
from ._save import save

#: In a file's metadata: how the module is made, and where its code came from.
KEY = "holdall.module"


@dataclasses.dataclass
class ModelReport:
    """What load_model() found to differ from what was saved; `weights`: what became of the tensors, None for pickled modules."""

    #: Package to (version when saved, version now); None: not installed.
    versions: dict[str, tuple[str, str | None]] = dataclasses.field(default_factory=dict)
    #: Class to (SHA-256 of its source when saved, now); None: not to be found.
    sources: dict[str, tuple[str, str | None]] = dataclasses.field(default_factory=dict)
    #: A name in the file to that of what took its place.
    moved: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Recorded arguments that the constructor no longer takes.
    arguments: list[str] = dataclasses.field(default_factory=list)
    #: Of pickled modules, by class: (what its constructor sets and the file's lacks, what the file's holds and the class never names).
    unlike: dict[str, tuple[list[str], list[str]]] = dataclasses.field(default_factory=dict)
    #: Commit of the code, when saved: {"commit", "dirty"}; None: not known.
    commit: dict[str, Any] | None = None
    weights: Report | None = None

    def differences(self) -> list[str]:
        """A line each; empty where nothing differs."""
        lines = [f"saved with {package} {then}, this is {now or 'without it'}" for package, (then, now) in self.versions.items()]
        lines += [f"the source of {name} {'differs' if now else 'is not to be found'}" for name, (_, now) in self.sources.items()]
        lines += [f"{name} is taken for {now}" for name, now in self.moved.items()]
        lines += [f"the constructor no longer takes {name}" for name in self.arguments]
        for name, (lacks, holds) in self.unlike.items():
            lines += [f"{name} sets {', '.join(lacks)}, which the file's has not"] if lacks else []
            lines += [f"the file's {name} has {', '.join(holds)}, which the class does not name"] if holds else []
        if self.weights is not None:
            for title, names in (
                ("new in the module, not in the file", self.weights.missing),
                ("gone from the module, in the file", self.weights.unexpected),
                ("of another shape", [name for name, _, _ in self.weights.mismatched]),
            ):
                if names:
                    lines.append(f"{title}: {', '.join(names[:8])}" + (f" and {len(names) - 8} more" if len(names) > 8 else ""))
        return lines

    def __str__(self) -> str:
        return "\n".join(self.differences()) or "nothing differs"


_REPORTS: weakref.WeakKeyDictionary[torch.nn.Module, ModelReport] = weakref.WeakKeyDictionary()


def report_of(module: torch.nn.Module) -> ModelReport:
    """The report of the load_model() that gave `module`. Raises KeyError for modules that come from elsewhere."""
    return _REPORTS[module]


def save_model(
    module: torch.nn.Module,
    path: _model.PathLike,
    *,
    arguments: Given | None = None,
    format: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    sync: bool = True,
    shard_size: int | str = 0,
    trusted: Iterable[Any] = (),
    distributed: Any = False,
    progress: bool | Callback | None = None,
) -> None:
    """A whole module without pickle: its state dict, with how to make it as metadata, in .pt or .safetensors by the extension.

    Kept beside the weights: the class's import path, the arguments of its constructor (recorded by the decorator recorded(), a
    dataclass's fields, a ``config`` attribute, or `arguments`: a dict of names, or positions), SHA-256 of the sources of its classes,
    versions of Python, torch, NumPy and the packages of its classes, the git commit where there is one, and which modules train and
    which parameters are frozen. Modules of torch's own need no arguments. Of wrappers (DataParallel, DistributedDataParallel,
    torch.compile) the module inside is saved. Others read the file as an ordinary state dict.

    `distributed`: as for save(). Raises UnsupportedError where nothing says the arguments and for a module on the meta device,
    UnsafeError for arguments that could not be loaded without running code, LossError, StorageError.
    """
    module = _unwrapped(module)
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if value.device.type == "meta":
            raise UnsupportedError(f"{name} is on the meta device and has no values to save")
    description = _described(module, arguments)
    save(
        module.state_dict(), path, format=format, metadata={**(metadata or {}), KEY: description}, sync=sync, shard_size=shard_size,
        trusted=tuple(trusted), distributed=distributed, progress=progress,
    )  # fmt: skip


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    while True:
        inner = getattr(module, "_orig_mod", None)
        if isinstance(module, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            inner = module.module
        if not isinstance(inner, torch.nn.Module):
            return module
        module = inner


def _described(module: torch.nn.Module, arguments: Given | None) -> dict[str, Any]:
    describing = Describing(module, arguments)
    root = describing.module(module)
    if describing.hooked:
        warnings.warn(f"hooks are code and not saved: those of {', '.join(describing.hooked)}", HoldallWarning, stacklevel=4)
    classes = _provenance.own_classes(module)
    return {
        "layout": 1,
        "root": root,
        "sources": {name: digest for name, of in classes.items() if (digest := _provenance.source_digest(of)) is not None},
        "versions": _provenance.versions(classes.values()),
        "commit": _provenance.commit(classes.values()),
        "training": module.training,
        "other_modes": [name for name, part in module.named_modules() if part.training != module.training],
        "frozen": [name for name, own in module.named_parameters(remove_duplicate=False) if not own.requires_grad],
    }


def load_model(
    path: _model.Source | _model.Model,
    trusted: Trusted = (),
    *,
    map_location: _load.MapLocation = None,
    mode: str | None = None,
    strict: bool = True,
    arguments: Given | None = None,
    check: bool = True,
    policy: _model.PathLike | None = None,
    progress: bool | Callback | None = None,
) -> torch.nn.Module:
    """The module of a file of save_model(), or of ``torch.save(module, path)``: built of the classes that are handed in.

    `trusted`: every class and function that is not torch's own, or a dict of what the file calls them (``"old.place.Net"``) to those
    that take their place; one of the same name in another module is taken with a warning. `mode`: "eval" or "train"; None as it was
    saved. `arguments`: for the constructor, instead of those recorded (a dict: beside them); a pickled module is then made anew too,
    and only its weights are taken. With `strict`, weights that do not fit raise MismatchError with the report; else they are left
    out. `policy`: as holdall.load() has it. What has changed since (versions, sources, names, arguments, parameters) is a HoldallWarning, and in report_of(module).

    Nothing in the file is imported or run. Raises UnsafeError, listing every class that it would need; otherwise as load().
    """
    if mode not in (None, "eval", "train"):
        raise ValueError(f"mode {mode!r} is neither 'eval' nor 'train'")
    model = _model.opened(path, policy)
    builder = _ModelBuilder(trusted, model.path)
    description = _description_in(model, builder)
    report = ModelReport(commit=None if description is None else description.get("commit"))
    if description is None:
        module = _of_pickle(model, builder, report, map_location, arguments, strict, check, progress)
    else:
        module = _of_description(model, builder, report, description, map_location, arguments, strict, check)
    if mode is not None:
        module.train(mode == "train")
    report.moved = builder.moved
    differences = report.differences()
    if differences:
        warnings.warn(f"{model.path}: " + "; ".join(differences), HoldallWarning, stacklevel=2)
    _REPORTS[module] = report
    return module


class _ModelBuilder(TorchBuilder):
    """Takes a class of the same name where none of the same module and name was handed in."""

    def __init__(self, trusted: Trusted, path: str) -> None:
        super().__init__(trusted, path)
        handed_in = list(self.trusted.items())
        self.moved: dict[str, str] = {}
        for name, value in handed_in:
            if isinstance(value, type) and name != f"{value.__module__}.{value.__qualname__}":
                self.moved[name] = f"{value.__module__}.{value.__qualname__}"
        # The class of a trusted module's configuration, as transformers' name theirs.
        for _, value in handed_in:
            config = getattr(value, "config_class", None)
            if isinstance(config, type):
                self.trusted.setdefault(f"{config.__module__}.{config.__qualname__}", config)
        self._handed_in = [value for _, value in handed_in]

    def match(self, names: Iterable[tuple[str, str]]) -> None:
        """Raises UnsafeError for all that nothing was handed in for."""
        left = []
        for module, name in dict.fromkeys(names):
            last = name.rpartition(".")[2]
            same = [value for value in self._handed_in if getattr(value, "__qualname__", "").rpartition(".")[2] == last]
            if len(same) != 1:
                left.append((module, name))
                continue
            self.trusted[f"{module}.{name}"] = same[0]
            self.moved[f"{module}.{name}"] = f"{same[0].__module__}.{same[0].__qualname__}"
        if left:
            self.moved.clear()
            raise self.unsafe(*left)


def _description_in(model: _model.Model, builder: TorchBuilder) -> dict[str, Any] | None:
    if not isinstance(model.metadata, Mapping) or KEY not in model.metadata:
        return None
    found = model._native.tree("metadata", [], None, builder.named, builder.make, builder.fill)[KEY]
    if not isinstance(found, dict) or not isinstance(found.get("root"), dict):
        raise CorruptError(f"the metadata {KEY} describes no module", path=model.path)
    if found.get("layout") != 1:
        raise UnsupportedError(f"the module is described in layout {found.get('layout')}, this Holdall reads layout 1", path=model.path)
    return found


def _of_description(
    model: _model.Model, builder: _ModelBuilder, report: ModelReport, description: dict[str, Any], map_location: _load.MapLocation,
    arguments: Given | None, strict: bool, check: bool,
) -> torch.nn.Module:  # fmt: skip
    with builder.blaming(KEY):
        builder.match((module, name) for module, name in names_in(description["root"]) if not builder.knows(module, name, builder.names))
    report.versions, report.sources = _changed(description, builder)
    try:
        module, report.arguments = Building(builder).module(description["root"], arguments, strict=strict)
        where = None if map_location is None else _load.place_of(map_location)
        report.weights = _into.into(module, model, strict=strict, assign=True, check=check, where=where, builder=builder)
    except MismatchError as error:
        before = ModelReport(report.versions, report.sources, builder.moved).differences()
        if before:
            error.args = (f"{error}\n" + "\n".join(before),)
        raise
    frozen = set(description.get("frozen", ()))
    for name, own in module.named_parameters(remove_duplicate=False):
        own.requires_grad_(name not in frozen and (own.is_floating_point() or own.is_complex()))
    module.train(bool(description.get("training", True)))
    parts = dict(module.named_modules())
    for name in description.get("other_modes", ()):
        if name in parts:
            parts[name].training = not module.training
    return _moved(module, map_location)


def _changed(description: dict[str, Any], builder: _ModelBuilder) -> tuple[dict[str, tuple[str, str | None]], dict[str, tuple[str, str | None]]]:
    versions: dict[str, tuple[str, str | None]] = {}
    for package, then in description.get("versions", {}).items():
        now = version_of(package)
        parts = 2 if package == "python" else None
        if (now or "").split(".")[:parts] != str(then).split(".")[:parts]:
            versions[package] = (str(then), now)
    classes: dict[str, type] = {}
    for value in builder.trusted.values():
        for of in value.__mro__ if isinstance(value, type) else ():
            classes.setdefault(f"{of.__module__}.{of.__qualname__}", of)
    classes.update({name: value for name, value in builder.trusted.items() if isinstance(value, type)})
    sources: dict[str, tuple[str, str | None]] = {}
    for name, then in description.get("sources", {}).items():
        # Classes of submodules that a constructor makes are not handed in: they are looked for where the handed in ones come from.
        found = classes.get(name) or _provenance.imported(name)
        now = None if found is None else _provenance.source_digest(found)
        if now != then:
            sources[name] = (str(then), now)
    return versions, sources


def _moved(module: torch.nn.Module, map_location: _load.MapLocation) -> torch.nn.Module:
    """Buffers that no state dict holds go where the others went."""
    if map_location is None or callable(map_location):
        return module
    place = map_location.get("cpu", "cpu") if isinstance(map_location, Mapping) else map_location
    return module.to(place)


def _of_pickle(
    model: _model.Model, builder: _ModelBuilder, report: ModelReport, map_location: _load.MapLocation, arguments: Given | None,
    strict: bool, check: bool, progress: bool | Callback | None,
) -> torch.nn.Module:  # fmt: skip
    builder.match(builder.needed(model._native))
    if arguments is not None:
        root = model.tree
        callee = getattr(root, "callee", None)
        if callee is None:
            raise _no_module(model)
        module, _ = Building(builder).module({"module": callee.module, "name": callee.name}, arguments)
        report.weights = _into.into(module, model, strict=strict, check=check, builder=builder)
        return _moved(module, map_location)
    found = _load.load(model, device=map_location, check=check, builder=builder, progress=progress)
    if not isinstance(found, torch.nn.Module):
        raise _no_module(model)
    check_parts(found, model.path)
    for part in found.modules():
        name = f"{type(part).__module__}.{type(part).__qualname__}"
        if name not in report.unlike and any(unlike := _provenance.unlike_its_class(part)):
            report.unlike[name] = unlike
    return found


def _no_module(model: _model.Model) -> UnsupportedError:
    return UnsupportedError(
        "the file holds no whole module: load_into(module, path) takes its weights, load(path) gives what is in it", path=model.path
    )
