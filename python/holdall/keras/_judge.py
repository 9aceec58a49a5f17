"""What the config of a Keras file asks for: judged here, before Keras builds anything of it."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src.saving import object_registration
from keras.src.saving.keras_saveable import KerasSaveable

from .._build import Trusted
from ..errors import CorruptError, UnsafeError

#: A config nests no deeper.
_DEEPEST = 500
_PLAIN = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"))
# Classes whose config is code, or names files and modules that are run.
_CODE = frozenset(("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"))
# Arguments with which a layer would read a file of this machine, where they are texts.
_FILES = {"vocabulary", "idf_weights"}
_MODULES = (
    "layers", "models", "optimizers", "optimizers.schedules", "losses", "metrics", "initializers", "regularizers", "constraints", "dtype_policies",
    "quantizers", "random", "activations",
)  # fmt: skip


class Known:
    """What the caller has handed in, by the names under which a config may ask for it, and what was registered with Keras."""

    def __init__(self, trusted: Trusted = (), custom_objects: Mapping[str, Any] | None = None) -> None:
        self.objects: dict[str, Any] = dict(custom_objects or {})
        self.code: set[str] = set()
        handed_in = list(trusted.items()) if isinstance(trusted, Mapping) else [(_name_of(each), each) for each in trusted]
        for name, value in handed_in:
            own = getattr(value, "__name__", name)
            if own in _CODE and str(getattr(value, "__module__", "")).partition(".")[0] == "keras":
                self.code.add(own)
                continue
            self.objects.setdefault(name, value)
            self.objects.setdefault(object_registration.get_registered_name(value), value)

    def find(self, *names: Any) -> Any:
        """The first that was handed in or registered; None."""
        for name in names:
            if isinstance(name, str):
                found = self.objects.get(name) or object_registration.get_registered_object(name)
                if found is not None:
                    return found
        return None


def _name_of(value: Any) -> str:
    if not isinstance(name := getattr(value, "__name__", None), str):
        raise TypeError(f"trusted takes classes and functions, not {value!r}")
    return name


@dataclasses.dataclass
class Findings:
    """Of a config: what would run code of the file's, and what nobody knows; each once, in order."""

    code: list[str] = dataclasses.field(default_factory=list)
    unknown: list[str] = dataclasses.field(default_factory=list)


def nodes(config: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """All dicts of a config, from the outside in. Raises CorruptError where it nests without end."""
    level = [config]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                yield value
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise CorruptError(f"the config nests deeper than {_DEEPEST} levels", path=path)


def findings(config: Any, known: Known, path: str) -> Findings:
    """Names are those of classes and functions in the config."""
    found = Findings()
    for node in nodes(config, path):
        name = node.get("class_name")
        if not isinstance(name, str):
            continue
        inner = node.get("config")
        wanted = inner if name == "function" else name
        if known.find(node.get("registered_name"), wanted) is not None or name in _PLAIN:
            continue
        resolved = _function(wanted) if name == "function" else class_of(node)
        code = getattr(resolved, "__name__", name)
        if name == "__lambda__":
            if "Lambda" not in known.code:
                found.code.append("a lambda")
        elif resolved is None:
            found.unknown.append(str(wanted))
        elif code in _CODE and code not in known.code:
            found.code.append(f"keras.layers.{code}")
        if isinstance(inner, dict):
            found.code += [f"{name} with {key} from the file {inner[key]!r}" for key in _FILES if isinstance(inner.get(key), str)]
    found.code = list(dict.fromkeys(found.code))
    found.unknown = list(dict.fromkeys(found.unknown))
    return found


def check(config: Any, known: Known, path: str, registered: bool = False) -> None:
    """Raises UnsafeError for all that would run code of the file's, or is not known. `registered`: classes of one's own are let pass, as where
    a model in hand is saved."""
    found = findings(config, known, path)
    if found.code:
        raise UnsafeError(
            f"loading it runs code that the file carries or names: {', '.join(found.code)}; trusted=[keras.layers.Lambda, …] allows what is a class",
            path=path,
        )
    if found.unknown and not registered:
        raise UnsafeError(
            f"nothing was handed in for {', '.join(found.unknown)}: give custom_objects={{{found.unknown[0]!r}: …}}, or placeholders=True", path=path
        )


def class_of(node: Mapping[str, Any]) -> Any:
    """Keras's own class that a node of a config names; None where it is none. Nothing is imported."""
    name, module = node.get("class_name"), node.get("module")
    if isinstance(module, str) and module.startswith("keras.src."):
        found = vars(sys.modules[module]).get(str(name)) if module in sys.modules else None
        return found if isinstance(found, type) and issubclass(found, KerasSaveable) else None
    if module is None or (isinstance(module, str) and (module == "keras" or module.startswith("keras."))):
        return classes().get(str(name)) or _optimizers().get(str(name).lower())
    return None


@functools.lru_cache(maxsize=1)
def classes() -> dict[str, type]:
    """Keras's public classes that configs name."""
    found: dict[str, type] = {"Functional": keras.Model, "DTypePolicy": keras.DTypePolicy, "Variable": keras.Variable}
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, type) and not name.startswith("_"):
                found.setdefault(name, value)
    return found


@functools.lru_cache(maxsize=1)
def _optimizers() -> dict[str, type]:
    return {name.lower(): value for name, value in vars(keras.optimizers).items() if isinstance(value, type)}


def _function(name: Any) -> Any:
    for module in _modules():
        found = vars(module).get(str(name))
        if callable(found):
            return found
    return None


def _modules() -> Iterator[Any]:
    for path in _MODULES:
        module: Any = keras
        for part in path.split("."):
            module = getattr(module, part, None)
        if module is not None:
            yield module
