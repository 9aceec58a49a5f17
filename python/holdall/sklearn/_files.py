"""save() and load(): estimators in .pkl, .joblib and safetensors files, without anything being unpickled."""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Sequence
from typing import Any

import numpy

from .. import _build, _load, _model, _save
from .._values import Global, Object, fill, inert
from ..errors import CorruptError, UnsafeError, UnsupportedError
from ._builder import EstimatorBuilder, check_whole

# Numbers that safetensors has a type for.
_PLAIN = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
_KEY = "sklearn"


def save(estimator: Any, path: _model.PathLike, *, format: str | None = None, compress: bool = False, trusted: Sequence[Any] = (), sync: bool = True) -> None:
    """Writes an estimator (a pipeline, a search, …) so that `load` builds it again; the file is there whole and on disk, or as it was before.

    The extension, or `format`, chooses: ``.pkl`` is read by ``pickle.load`` too, ``.joblib`` by ``joblib.load``, and ``.safetensors`` has arrays and
    one JSON document, no pickle at all. `compress`: zlib, for joblib. `trusted`: classes and functions of your own that the estimator holds.

    Raises UnsafeError, naming them, for classes that `load` would refuse, and whatever the estimator raises when it is pickled.
    """
    import sklearn

    opened = _model.open(io.BytesIO(pickle.dumps(estimator, protocol=4)))
    builder = EstimatorBuilder(trusted, "the estimator")
    builder.check(opened._native)
    wanted = format or _format_of(path)
    if wanted in ("pickle", "joblib"):
        _save.save(opened, path, format=wanted, compress=compress, sync=sync)
    else:
        tree = _spelled(opened)
        fortran = [f"estimator.{name}" for entry, name in enumerate(opened) if opened._native.is_fortran(entry)]
        about = {"version": sklearn.__version__, "fortran": fortran}
        _save.save({"estimator": tree}, path, format=wanted, metadata={_KEY: about}, trusted=[*builder.trusted.values(), functools.partial], sync=sync)


def load(path: _model.PathLike, *, trusted: _build.Trusted = (), policy: _model.PathLike | None = None) -> Any:
    """The estimator that a ``.pkl``, ``.joblib`` or ``.safetensors`` file holds, whichever version of scikit-learn wrote it.

    Built are scikit-learn's own estimators and what they are made of, NumPy's and SciPy's types, and what `trusted` names (classes and functions, or a
    dict of what the file calls them to those); nothing is unpickled. A file of another version is mended to predict what it did there, and a
    HoldallWarning names both versions. `policy`: as holdall.load() has it.

    Raises UnsafeError, naming all that is none of these, before anything is built; UnsupportedError for what the installed version cannot do any
    more; CorruptError, MissingError, StorageError.
    """
    model = _model.opened(path, policy)
    builder = EstimatorBuilder(trusted, model.path)
    builder.check(model._native)
    arrays = _arrays(model)
    tensors = [None if entry is None else arrays[entry] for entry in model._native.entries_by_index()]
    made = builder.tree(model._native, tensors, None)
    if _about(model) is not None:
        if not isinstance(made, dict) or "estimator" not in made:
            raise CorruptError(f"a file of an estimator holds {type(made).__name__} without 'estimator'", path=model.path)
        made = made["estimator"]
    builder.tell()
    return check_whole(made, model.path)


def _about(model: _model.Model) -> dict[str, Any] | None:
    """What save() says of an estimator where a format holds more than it. Raises CorruptError."""
    about = model.metadata.get(_KEY)
    if not isinstance(about, dict):
        return None
    fortran = about.get("fortran", [])
    if not isinstance(fortran, list) or not all(isinstance(name, str) for name in fortran):
        raise CorruptError(f"metadata {_KEY!r}: 'fortran' is {repr(fortran)[:100]}, not a list of names", path=model.path)
    return about


def _format_of(path: _model.PathLike) -> str:
    name = str(path).lower()
    for ending, found in ((".joblib", "joblib"), (".pkl", "pickle"), (".pickle", "pickle"), (".safetensors", "safetensors")):
        if name.endswith(ending):
            return found
    raise UnsupportedError(f"{path}: an estimator is written as .pkl, .joblib or .safetensors")


def _spelled(model: _model.Model) -> Any:
    """The tree with inert objects; arrays whose elements safetensors has no type for are their bytes and their type."""
    arrays = _arrays(model)
    tensors = [None if entry is None else _numbers(arrays[entry]) for entry in model._native.entries_by_index()]
    return model._native.tree("tree", tensors, None, Global, inert, fill)


def _arrays(model: _model.Model) -> list[Any]:
    """By entry, in the memory order in which they were saved."""
    fortran = set((_about(model) or {}).get("fortran", ()))
    names = list(model)
    found = _load._arrays(model, names, True, False, None, None)
    return [
        numpy.asfortranarray(array) if name in fortran or model._native.is_fortran(entry) else array
        for entry, (name, array) in enumerate(zip(names, found, strict=True))
    ]


def _numbers(array: Any) -> Any:
    if array.dtype.name in _PLAIN:
        return array
    if array.dtype.hasobject:
        raise UnsafeError("an array of objects is none of numbers")
    flat = numpy.ascontiguousarray(array)
    raw = numpy.frombuffer(flat.tobytes(), dtype=numpy.uint8)
    made = Object(Global("numpy._core.numeric", "_frombuffer"), (raw, _dtype(array.dtype), array.shape, "C"), None, False)
    return made


def _dtype(dtype: Any) -> Object:
    """As pickle has it."""
    of, args, state = dtype.__reduce__()
    made = Object(Global("numpy", "dtype"), args, None, False)
    made.state = tuple(_inner(part) for part in state)
    return made


def _inner(part: Any) -> Any:
    if isinstance(part, numpy.dtype):
        return _dtype(part)
    if isinstance(part, tuple):
        return tuple(_inner(item) for item in part)
    if hasattr(part, "items"):
        return {key: _inner(item) for key, item in part.items()}
    return part


