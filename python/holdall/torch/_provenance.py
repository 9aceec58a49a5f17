"""Where a module's code comes from: digests of sources, versions of packages, the commit."""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import os
import platform
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import torch

from .. import _native
from .._origin import commit_of, version_of


def own_classes(module: torch.nn.Module) -> dict[str, type]:
    """The classes of a module, of its submodules and those they derive from, but not torch's and Python's: by module and name."""
    found: dict[str, type] = {}
    for part in module.modules():
        for of in type(part).__mro__:
            if of.__module__.partition(".")[0] not in ("torch", "builtins", "typing", "abc"):
                found.setdefault(f"{of.__module__}.{of.__qualname__}", of)
    return found


def source_digest(of: type) -> str | None:
    """SHA-256 of a class's source as it stands in its file, without its indentation; None where there is none."""
    try:
        linecache.checkcache()
        source = inspect.getsource(of)
    except (OSError, TypeError):
        return None
    return hashlib.sha256(textwrap.dedent(source).encode()).hexdigest()


def unlike_its_class(module: torch.nn.Module) -> tuple[list[str], list[str]]:
    """Of a module that was not constructed: what its class's constructors set and it lacks, and what it holds (parameters, buffers,
    modules) that its classes never mention. Told by their sources alone; what those leave open is in neither."""
    held = {*module._parameters, *module._buffers, *module._modules}
    has = held | set(module.__dict__)
    sets: list[str] = []
    said: set[str] = set()
    is_open = False
    for of in type(module).__mro__:
        if of.__module__.partition(".")[0] in ("torch", "builtins"):
            is_open = is_open or of not in (torch.nn.Module, object)
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(of)))
        except (OSError, TypeError, SyntaxError, ValueError):
            return [], []
        for node in ast.walk(tree):
            said.add(getattr(node, "attr", ""))
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                said.add(node.target.id)
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _SETTERS:
                is_open = is_open or not any(isinstance(given, ast.Constant) and isinstance(given.value, str) for given in node.args)
        sets += _set_by_constructor(tree)
    lacks = [name for name in dict.fromkeys(sets) if name not in has and not hasattr(type(module), name)]
    return lacks, [] if is_open else [name for name in held if name not in said]


_SETTERS = ("setattr", "__setattr__", "add_module", "register_module", "register_parameter", "register_buffer", "update")


def _set_by_constructor(tree: ast.Module) -> list[str]:
    """Names that ``__init__`` assigns to self whatever its arguments are."""
    found: list[str] = []
    for of in tree.body:
        for function in of.body if isinstance(of, ast.ClassDef) else ():
            if not isinstance(function, ast.FunctionDef) or function.name != "__init__" or not function.args.args:
                continue
            own = function.args.args[0].arg
            for statement in function.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                for target in targets:
                    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == own:
                        found.append(target.attr)
                if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
                    break
    return found


def imported(name: str) -> type | None:
    """A class of a module that has been imported already, by its dotted name. Imports nothing."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:count]))
        if found is None:
            continue
        for part in parts[count:]:
            found = inspect.getattr_static(found, part, None)
        return found if isinstance(found, type) else None
    return None


def versions(classes: Iterable[type]) -> dict[str, str]:
    """Of Python, torch, NumPy, Holdall and the packages that define `classes`."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__), "holdall": _native.__version__}
    for package in dict.fromkeys(["numpy", *(of.__module__.partition(".")[0] for of in classes)]):
        version = None if package == "__main__" else version_of(package)
        if version is not None:
            found.setdefault(package, version)
    return found


def commit(classes: Iterable[type]) -> dict[str, Any] | None:
    """{"commit", "dirty"} of the repository that tracks the first of `classes`; None where there is none.

    Asks git, which is kept from running what the repository configures: hooks, filters, file monitors. "dirty" is None where git
    could not tell.
    """
    for of in classes:
        try:
            path = os.path.abspath(inspect.getsourcefile(of) or "")
        except (OSError, TypeError):
            continue
        found = commit_of(path)
        if found is not None:
            return found
    return None
