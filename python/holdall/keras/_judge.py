"""What the config of a Keras file asks for: judged here, before Keras builds anything of it."""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src import api_export
from keras.src.saving import object_registration
from keras.src.saving.keras_saveable import KerasSaveable

from .._build import Trusted, named
from ..errors import CorruptError, UnsafeError, UnsupportedError

#: A config nests no deeper: what copies and builds it goes by Python's own calls, some for each level.
_DEEPEST = 200
_PLAIN = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"))
# Classes whose config is code, or names files and modules that are run.
_CODE = frozenset(("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"))
# Layers of Keras 1 and 2 that Keras 3 does not have: known, and of no harm.
_GONE = frozenset((
    "LocallyConnected1D", "LocallyConnected2D", "Highway", "MaxoutDense", "SReLU", "ParametricSoftplus", "RandomFourierFeatures", "DenseFeatures",
    "SequenceFeatures", "PeepholeLSTMCell", "TensorFlowOpLayer",
))  # fmt: skip
# Arguments with which a layer would read a file of this machine, where they are texts.
_FILES = {"vocabulary", "idf_weights"}
_MODULES = (
    "layers", "models", "optimizers", "optimizers.schedules", "losses", "metrics", "initializers", "regularizers", "constraints", "dtype_policies",
    "quantizers", "random", "activations",
)  # fmt: skip
# Where functions are that a config may name, and what is none of these there.
_FUNCTIONS = ("activations", "losses", "metrics", "initializers", "regularizers", "constraints")
_NO_FUNCTIONS = frozenset(("get", "serialize", "deserialize"))


class Known:
    """What the caller has handed in, by the names under which a config may ask for it, and what was registered with Keras."""

    def __init__(self, trusted: Trusted = (), custom_objects: Mapping[str, Any] | None = None) -> None:
        self.objects: dict[str, Any] = dict(custom_objects or {})
        self.code: set[str] = set()
        for name, value in named(trusted).items():
            own = str(getattr(value, "__name__", name))
            if own in _CODE and str(getattr(value, "__module__", "")).partition(".")[0] == "keras":
                self.code.add(own)
                continue
            for key in (name, own, object_registration.get_registered_name(value)):
                self.objects.setdefault(key, value)

    def find(self, *names: Any) -> Any:
        """The first that was handed in or registered; None."""
        for name in names:
            if isinstance(name, str):
                found = self.objects.get(name) or object_registration.get_registered_object(name)
                if found is not None:
                    return found
        return None


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


def check_depth(config: Any, path: str) -> None:
    """Raises CorruptError as nodes() does, before anything is copied."""
    for _ in nodes(config, path):
        pass


def findings(config: Any, known: Known, path: str) -> Findings:
    """Names are those of classes and functions in the config."""
    found = Findings()
    for node in nodes(config, path):
        name, inner = node.get("class_name"), node.get("config")
        if not isinstance(name, str) or name in _PLAIN:
            continue
        built = resolved(node, known)
        if built.is_given:
            continue
        code = getattr(built.value, "__name__", name)
        if name == "__lambda__":
            if "Lambda" not in known.code:
                found.code.append("a lambda")
        elif code in _CODE or name in _CODE:
            if code not in known.code:
                found.code.append(f"keras.layers.{code if code in _CODE else name}")
        elif built.value is None:
            found.unknown.append(str(inner if name == "function" else name))
        if isinstance(inner, dict):
            found.code += [f"{name} with {key} from the file {inner[key]!r}" for key in _FILES if isinstance(inner.get(key), str)]
    found.code = list(dict.fromkeys(found.code))
    found.unknown = list(dict.fromkeys(found.unknown))
    return found


@dataclasses.dataclass(frozen=True)
class Resolved:
    """What a node of a config builds: what the caller handed in or registered, under `key`; a class or function of Keras's own; None."""

    value: Any = None
    key: str = ""

    @property
    def is_given(self) -> bool:
        """By the caller."""
        return bool(self.key)


def resolved(node: Mapping[str, Any], known: Known) -> Resolved:
    """Of a node with a class name. Which of its names Keras goes by differs from place to place and format to format: pinned() settles it."""
    name = node.get("class_name")
    if name in _PLAIN or name == "__lambda__":
        return Resolved()
    if name == "function":
        name = node.get("config")
        given = known.find(name)
        return Resolved(given, str(name)) if given is not None else Resolved(_function(name, node.get("module")))
    for key in (name, None if class_of(node) is not None else node.get("registered_name")):
        given = known.find(key)
        if given is not None:
            return Resolved(given, str(key))
    return Resolved(class_of(node))


def pinned(config: Any, known: Known, path: str) -> None:
    """Changes a config so that each node has one name, that of what was judged, whichever of them Keras goes by."""
    for node in nodes(config, path):
        name = node.get("class_name")
        if not isinstance(name, str) or name in _PLAIN or name == "__lambda__":
            continue
        built = resolved(node, known)
        if name == "function":
            if "registered_name" in node:
                node["registered_name"] = node["config"]
            continue
        if built.is_given:
            node["class_name"] = built.key
        if "registered_name" in node:
            node["registered_name"] = built.key or None


def check(config: Any, known: Known, path: str, registered: bool = False) -> None:
    """Raises UnsafeError for all that would run code of the file's, or is not known, UnsupportedError where that are layers of older Keras alone.
    `registered`: classes of one's own are let pass, as where a model in hand is saved."""
    found = findings(config, known, path)
    if found.code:
        raise UnsafeError(
            f"loading it runs code that the file carries or names: {', '.join(found.code)}; trusted=[keras.layers.Lambda, …] allows what is a class",
            path=path,
        )
    if found.unknown and not registered and _GONE.issuperset(found.unknown):
        raise UnsupportedError(
            f"Keras 3 has no {', '.join(found.unknown)}: give a layer of your own as custom_objects={{{found.unknown[0]!r}: …}}, or placeholders=True", path=path
        )
    if found.unknown and not registered:
        raise UnsafeError(
            f"nothing was handed in for {', '.join(found.unknown)}: give custom_objects={{{found.unknown[0]!r}: …}}, or placeholders=True", path=path
        )


def class_of(node: Mapping[str, Any]) -> Any:
    """Keras's own class that a node of a config names; None where it is none. Nothing is imported."""
    name, module = str(node.get("class_name")), node.get("module")
    if module is None:
        return classes().get(name) or optimizers().get(name.lower())
    if not isinstance(module, str) or module.partition(".")[0] != "keras":
        return None
    found = api_export.get_symbol_from_name(f"{module}.{name}")
    if found is None and module in sys.modules:
        found = vars(sys.modules[module]).get(name)
    if found is None and module == "keras.optimizers":
        found = optimizers().get(name.lower())
    return found if isinstance(found, type) and (issubclass(found, KerasSaveable) or found in classes().values()) else None


@functools.lru_cache(maxsize=1)
def classes() -> dict[str, type]:
    """Keras's public classes that configs name."""
    found: dict[str, type] = {"Functional": keras.Model, "DTypePolicy": keras.DTypePolicy, "Variable": keras.Variable}
    for module in _modules(_MODULES):
        for name, value in vars(module).items():
            if isinstance(value, type) and not name.startswith("_"):
                found.setdefault(name, value)
                found.setdefault(value.__name__, value)  # which configs have: GroupedQueryAttention is exported as GroupQueryAttention
    return found


@functools.lru_cache(maxsize=1)
def optimizers() -> dict[str, type]:
    """Keras's, by their names in small letters, as configs may have them."""
    return {name.lower(): value for name, value in vars(keras.optimizers).items() if isinstance(value, type)}


def _function(name: Any, module: Any) -> Any:
    """Keras's function that a config names as a value: activations, losses and the like, and no other."""
    if not isinstance(name, str) or name in _NO_FUNCTIONS or name.startswith("_"):
        return None
    of_keras = isinstance(module, str) and (module == "builtins" or module.partition(".")[0] in ("keras", "tensorflow", "tf_keras"))
    if module is not None and not of_keras:
        return None
    return next((found for place in _modules(_FUNCTIONS) if isinstance(found := vars(place).get(name), types.FunctionType)), None)


def _modules(names: tuple[str, ...]) -> Iterator[Any]:
    for path in names:
        module: Any = keras
        for part in path.split("."):
            module = getattr(module, part, None)
        if module is not None:
            yield module
