"""Modules as plain values, and back: classes by name, constructor arguments; state where the class is torch's own.

A value that is not plain is a dict of one key: ``$module`` (a module), ``$entry`` (a tensor of the state dict), ``$tensor`` (another
tensor), ``$name`` (a class or function), ``$partial``, ``$config`` (an object of a configuration's class), ``$dict`` (a dict that could be
taken for one of these).
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from .. import _native
from .._build import Builder
from ..errors import CorruptError, MismatchError, UnsafeError, UnsupportedError
from ._recorded import arguments_of

# Bytes of all tensors that stand in a description: it is read whole before anything else.
_MOST_BYTES = 16 << 20
Given = Mapping[str, Any] | Sequence[Any]
# What an error blames where a description does not say what it must.
_DESCRIPTION = "the module's description"


def is_torchs(module: str, name: str) -> bool:
    """Modules and the like of torch's own that hold nothing but their state."""
    return _native.judged(module, name) == ("module", "inert")


class Describing:
    """Describes one module. `trusted`: classes and functions that may stand among arguments beyond those known to be inert."""

    def __init__(self, root: torch.nn.Module, arguments: Given | None) -> None:
        self._root = root
        self._given = arguments
        self._paths = {id(part): path for path, part in root.named_modules()}
        entries = root.state_dict(keep_vars=True)
        self._entries = {id(value): name for name, value in reversed(entries.items()) if isinstance(value, torch.Tensor)}
        self._nodes: dict[int, dict[str, Any]] = {}
        self._bytes = 0
        #: Modules whose hooks are left out.
        self.hooked: list[str] = []

    def module(self, module: torch.nn.Module) -> dict[str, Any]:
        if id(module) in self._nodes:
            return self._nodes[id(module)]
        of = type(module)
        node = self._nodes[id(module)] = {"module": of.__module__, "name": of.__qualname__}
        given = self._given if module is self._root else None
        if is_torchs(of.__module__, of.__qualname__) and given is None:
            node["state"] = self._state(module)
            return node
        try:
            arguments = arguments_of(module, given)
            node["args"], node["kwargs"] = self.value(arguments.args), self.value(arguments.kwargs)
        except (UnsupportedError, UnsafeError) as error:
            path = self._paths.get(id(module))
            raise type(error)(f"{path}: {error}" if path else str(error)) from None
        return node

    def _state(self, module: torch.nn.Module) -> dict[str, Any]:
        """What a pickle would hold, but hooks: they are code, where they are not torch's own (of weight_norm)."""
        state = dict(module.__reduce_ex__(2)[2])  # type: ignore[arg-type]
        for name in [name for name in state if "_hooks" in name]:
            hooks = state.pop(name)
            kept = {key: hook for key, hook in hooks.items() if is_torchs(type(hook).__module__, type(hook).__qualname__)}
            if kept:
                state[name] = kept
            if len(kept) < len(hooks):
                self.hooked.append(self._paths.get(id(module)) or type(module).__qualname__)
        return {name: self.value(value) for name, value in state.items()}

    def value(self, value: Any) -> Any:
        of = type(value)
        if of in (list, tuple, set, frozenset):
            return of(self.value(item) for item in value)
        if of in (dict, collections.OrderedDict):
            made = {self.value(key): self.value(item) for key, item in value.items()}
            return {"$dict": list(made.items())} if len(made) == 1 and str(next(iter(made)))[:1] == "$" else made
        if isinstance(value, torch.nn.Module):
            return {"$module": self.module(value)}
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, functools.partial):
            return {"$partial": self.value(value.func), "args": self.value(value.args), "kwargs": self.value(value.keywords)}
        if isinstance(value, type) or (callable(value) and hasattr(value, "__name__") and hasattr(value, "__qualname__")):
            name = name_of(value)
            if _native.judged(*name)[1] == "malicious":
                raise UnsafeError(f"{'.'.join(name)} among the arguments is code that nobody should load")
            return {"$name": name}
        if isinstance(value, enum.Enum):
            return {"$config": (of.__module__, of.__qualname__), "member": value.name}
        if dataclasses.is_dataclass(value):
            fields = [field.name for field in dataclasses.fields(value) if field.init]
            return {"$config": (of.__module__, of.__qualname__), "fields": {name: self.value(getattr(value, name)) for name in fields}}
        if callable(getattr(value, "to_dict", None)) and callable(getattr(of, "from_dict", None)):
            return {"$config": (of.__module__, of.__qualname__), "dict": self.value(value.to_dict())}
        return value

    def _tensor(self, tensor: torch.Tensor) -> dict[str, Any]:
        if torch.nn.parameter.is_lazy(tensor):
            raise UnsupportedError("a parameter has no shape yet: call the module once before it is saved")
        about = {"dtype": tensor.dtype, "shape": tuple(tensor.shape)}
        if isinstance(tensor, torch.nn.Parameter):
            about["requires_grad"] = tensor.requires_grad
        name = self._entries.get(id(tensor))
        if name is not None:
            return {"$entry": name, **about}
        self._bytes += tensor.numel() * tensor.element_size()
        if self._bytes > _MOST_BYTES or tensor.layout is not torch.strided or tensor.is_quantized:
            raise UnsupportedError(f"a tensor of {list(tensor.shape)} among the arguments is none of the state dict's, and too much for a description")
        data = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        return {"$tensor": data.view(torch.uint8).numpy().tobytes() if data.numel() else b"", **about}


def name_of(value: Any) -> tuple[str, str]:
    """Of a class or function. Raises UnsupportedError for lambdas and the like."""
    name, short = value.__qualname__, value.__name__
    module = getattr(value, "__module__", None) or ""
    if _native.judged(module, name)[1] != "inert" and getattr(torch, short, None) is value:
        return "torch", short
    if not module or "<" in name.replace("<locals>", ""):
        raise UnsupportedError(f"the function {name} has no name to find it by")
    return module, name


def names_in(described: Any) -> Iterator[tuple[str, str]]:
    """Every (module, name) that building a description looks up."""
    todo, seen = [described], set()
    while todo:
        value = todo.pop()
        if isinstance(value, list | tuple | set | frozenset | dict):
            if id(value) in seen:
                continue
            seen.add(id(value))
        if isinstance(value, dict):
            if len(value) > 1 and "module" in value and "name" in value and ("state" in value or "kwargs" in value):
                yield value["module"], value["name"]
            for key in ("$name", "$config"):
                if key in value:
                    yield tuple(value[key])
            todo += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            todo += value


_PARTS = {"_parameters": torch.nn.Parameter, "_buffers": torch.Tensor, "_modules": torch.nn.Module}


def check_parts(root: torch.nn.Module, path: str) -> None:
    """Raises CorruptError where a module that was filled, not constructed, holds what no module holds."""
    todo, seen = [root], {id(root)}
    while todo:
        module = todo.pop()
        for name, of in _PARTS.items():
            parts = module.__dict__.get(name)
            if not isinstance(parts, dict) or not all(isinstance(key, str) and isinstance(part, of | None) for key, part in parts.items()):
                raise CorruptError(f"the {name} of a {type(module).__qualname__} are none", path=path)
        _check_code(module, path)
        for part in module._modules.values():
            if part is not None and id(part) not in seen:
                seen.add(id(part))
                todo.append(part)


def _check_code(module: torch.nn.Module, path: str) -> None:
    """Raises UnsafeError for functions of torch's own that a file hangs where a module calls them: only a trusted one may stand there."""

    def is_listed(value: Any) -> bool:
        while isinstance(value, functools.partial):
            value = value.func
        return hasattr(value, "__qualname__") and _native.judged(*_name_or_none(value))[1] == "inert"

    for name, value in module.__dict__.items():
        if "_hooks" in name and isinstance(value, Mapping):
            if any(is_listed(hook) or not callable(hook) for hook in value.values()):
                raise UnsafeError(f"a {type(module).__qualname__} of the file has {name} that are not its own", path=path)
        elif callable(getattr(type(module), name, None)):
            raise UnsafeError(f"the file replaces {name} of a {type(module).__qualname__}", path=path)


def _name_or_none(value: Any) -> tuple[str, str]:
    try:
        return name_of(value)
    except UnsupportedError:
        return "", ""


class Building:
    """Builds what Describing described, of the classes and functions that a builder knows."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._path = builder.path
        self._made: dict[int, torch.nn.Module] = {}
        self._entries: dict[str, torch.Tensor] = {}

    def module(self, node: dict[str, Any], arguments: Given | None = None, *, strict: bool = True) -> tuple[torch.nn.Module, list[str]]:
        """The module, and which recorded arguments its constructor no longer takes (left out unless `strict`)."""
        if id(node) in self._made:
            return self._made[id(node)], []
        with self._builder.blaming(_DESCRIPTION):
            of = self._builder.named(node["module"], node["name"])
        if is_torchs(node["module"], node["name"]) and "state" not in node and arguments is None and not self._builder.is_trusted(of):
            raise self._builder.unsafe((node["module"], node["name"]))
        if not (isinstance(of, type) and issubclass(of, torch.nn.Module)):
            raise UnsafeError(f"{node['module']}.{node['name']} is no module's class", path=self._path)
        if "state" in node and arguments is None:
            made = self._made[id(node)] = of.__new__(of)
            with self._builder.blaming(f"{node['module']}.{node['name']}"):
                torch.nn.Module.__init__(made)
                state = {name: self.value(value) for name, value in node["state"].items()}
                state.update({name: collections.OrderedDict(hooks) for name, hooks in state.items() if "_hooks" in name})
                self._builder.set_state(made, {**made.__dict__, **state})
                check_parts(made, self._path)
            return made, []
        with self._builder.blaming(_DESCRIPTION):
            args, kwargs = tuple(self.value(node.get("args", ()))), dict(self.value(node.get("kwargs", {})))
        gone: list[str] = []
        if isinstance(arguments, Mapping):
            kwargs = {**kwargs, **arguments}
        elif arguments is not None:
            args, kwargs = tuple(arguments), {}
        else:
            gone = self._gone(of, kwargs)
            if gone and strict:
                raise MismatchError(f"{of.__qualname__}{inspect.signature(of)} no longer takes {', '.join(gone)}; strict=False leaves it out, "
                                    "arguments= says others", path=self._path)  # fmt: skip
            kwargs = {name: value for name, value in kwargs.items() if name not in gone}
        try:
            inspect.signature(of).bind(*args, **kwargs)
        except TypeError as error:
            raise MismatchError(f"{of.__qualname__}{inspect.signature(of)} does not take the arguments: {error}", path=self._path) from None
        made = self._made[id(node)] = of(*args, **kwargs)
        return made, gone

    @staticmethod
    def _gone(of: type, kwargs: Mapping[str, Any]) -> list[str]:
        parameters = inspect.signature(of).parameters
        takes_any = any(own.kind is own.VAR_KEYWORD for own in parameters.values())
        return [] if takes_any else [name for name in kwargs if name not in parameters]

    def value(self, value: Any) -> Any:
        of = type(value)
        if of in (list, tuple, set, frozenset):
            return of(self.value(item) for item in value)
        if of is not dict:
            return value
        if "$module" in value:
            return self.module(value["$module"])[0]
        if "$entry" in value:
            return self._entry(value)
        if "$tensor" in value:
            return self._tensor(value)
        if "$name" in value:
            return self._builder.named(*value["$name"])
        if "$partial" in value:
            return functools.partial(self.value(value["$partial"]), *self.value(value["args"]), **self.value(value["kwargs"]))
        if "$config" in value:
            return self._config(value)
        if "$dict" in value:
            return {self.value(key): self.value(item) for key, item in value["$dict"]}
        return {self.value(key): self.value(item) for key, item in value.items()}

    def _entry(self, about: dict[str, Any]) -> torch.Tensor:
        """A place for a tensor of the state dict, one for all its names."""
        name = about["$entry"]
        if name not in self._entries:
            tensor = torch.zeros(about["shape"], dtype=about["dtype"])
            self._entries[name] = torch.nn.Parameter(tensor, about["requires_grad"]) if "requires_grad" in about else tensor
        return self._entries[name]

    def _tensor(self, about: dict[str, Any]) -> torch.Tensor:
        data = bytearray(about["$tensor"])
        tensor = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        tensor = tensor.view(about["dtype"]).reshape(about["shape"])
        return torch.nn.Parameter(tensor, about["requires_grad"]) if "requires_grad" in about else tensor

    def _config(self, about: dict[str, Any]) -> Any:
        of = self._builder.named(*about["$config"])
        if "member" in about and isinstance(of, type) and issubclass(of, enum.Enum):
            return of[about["member"]]
        if not self._builder.is_trusted(of):
            raise self._builder.unsafe(tuple(about["$config"]))
        if "fields" in about and dataclasses.is_dataclass(of) and isinstance(of, type):
            return of(**self.value(about["fields"]))
        return of.from_dict(self.value(about["dict"]))
