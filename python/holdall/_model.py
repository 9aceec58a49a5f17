"""Model and Tensor: a model file opened, its tensors still on disk."""

from __future__ import annotations

import functools
import math
import os
from collections import namedtuple
from collections.abc import Iterator, Mapping

from . import _dtypes, _native
from ._values import Global, fill, inert
from .errors import Error, MissingError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, overload

    # Under names that no method has: Tensor.numpy and Tensor.torch hide the modules' own from annotations.
    import numpy as np
    from torch import Tensor as TorchTensor


    class BinaryFile(Protocol):
        """A seekable file object that gives bytes."""

        def read(self, size: int, /) -> bytes: ...
        def seek(self, offset: int, whence: int, /) -> int: ...

    PathLike = str | os.PathLike[str]
    Source = PathLike | BinaryFile


class Location(namedtuple("Location", ("path", "offset", "bytes"))):
    """Where a tensor's elements lie verbatim: row-major, little-endian, without gaps; `offset` and `bytes` in bytes."""

    path: str
    offset: int
    bytes: int


class Tensor:
    """A named tensor of an opened model; its bytes are read when asked for."""

    __slots__ = ("_entry", "_facts", "_native", "name")

    def __init__(self, native: _native.Model, entry: int, name: str) -> None:
        self._native = native
        self._entry = entry
        self._facts: tuple[str, tuple[int, ...], int, str, str] | None = None
        self.name = name

    def _known(self) -> tuple[str, tuple[int, ...], int, str, str]:
        if self._facts is None:
            self._facts = self._native.facts(self._entry)
        return self._facts

    @property
    def dtype(self) -> str:
        """The dtype's name: ``"float32"``, ``"bfloat16"``, ``"q4_k"``."""
        return self._known()[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""
        return self._known()[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, packed."""
        return self._known()[2]

    @property
    def logical(self) -> str:
        """What the elements mean where the dtype cannot say (``"datetime64[ns]"``, ``"U5"``); else empty."""
        return self._known()[3]

    @property
    def file(self) -> str:
        """The file that holds the bytes, relative to the model's path."""
        return self._known()[4]

    @property
    def ndim(self) -> int:
        """Dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def location(self) -> Location | None:
        """(path, offset, bytes) of the elements, for those who do their own I/O; None for compressed, strided, empty ones."""
        place = self._native.location(self._entry)
        return None if place is None else Location(place[0], place[1], self.nbytes)

    def __repr__(self) -> str:
        return f"<Tensor {self.name} {self.dtype} {list(self.shape)}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without dimensions")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a tensor without dimensions")
        return (self[row] for row in range(self.shape[0]))

    def __float__(self) -> float:
        return float(self._only())

    def __int__(self) -> int:
        return int(self._only())

    def __complex__(self) -> complex:
        return complex(self._only())

    def _only(self) -> Any:
        if self.size != 1:
            raise TypeError(f"a tensor of {self.size} elements is no number")
        return self.numpy().reshape(())[()]

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"tensor {self.name!r} is on disk and is not pickled alone: pickle its Model, or what tensor.numpy() gives")

    def numpy(self, *, check: bool = True) -> np.ndarray[Any, Any]:
        """The elements as an array of their own, writable. Quantized ones are the integers that are stored, those in
        GGML's blocks the float32 that they mean.

        ``check=False`` skips the stored checksums. Raises CorruptError, StorageError; UnsupportedError for a dtype that neither
        NumPy nor ml_dtypes has.
        """
        (memory,) = self._native.load_elements([self._entry], check, False, None)
        return self._array(memory, self.shape)

    def _array(self, memory: _native.Memory, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        import numpy

        count = math.prod(shape)
        if self.dtype == "string":
            return _strings(memory, shape, self.logical)
        if self.dtype == "record":
            from . import _records

            return _records.array(memory, shape, self.logical)
        if count == 0:
            return numpy.empty(shape, _logical(_dtypes.numpy_dtype(self.dtype), self.logical))
        dtype = _dtypes.numpy_dtype(self.dtype)
        if _dtypes.table()[self.dtype][0] != 1 and not _dtypes.is_block(self.dtype):
            return _dtypes.unpacked(_dtypes.array_of(memory, numpy.uint8), self.dtype, count).reshape(shape)
        return _dtypes.array_of(memory, _logical(dtype, self.logical)).reshape(shape)

    def torch(self, device: Any = "cpu", *, check: bool = True) -> TorchTensor:
        """The elements as a torch tensor of its own on `device`, quantized where the file says how. Raises as numpy()."""
        from .torch import _load

        return _load.flat(self._native, [self._entry], device=device, check=check)[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """For ``numpy.asarray(tensor)``. Raises as numpy(); ValueError for ``copy=False``."""
        if copy is False:
            raise ValueError("a tensor on disk cannot become an array without a copy")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, **options: Any) -> Any:
        """For ``from_dlpack(tensor)`` of any framework: a copy in the CPU's memory. Raises as numpy()."""
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __getitem__(self, index: Any) -> Any:
        """A part as an array, or one element; only the rows of the first dimension that the index needs are read, unchecked."""
        parts = index if isinstance(index, tuple) else (index,)
        elements, size = _dtypes.table()[self.dtype]
        first = parts[0] if parts else Ellipsis
        if not self.shape or size == 0 or elements != 1 or not isinstance(first, (int, slice)) or isinstance(first, bool):
            return self.numpy()[index]
        rows = self.shape[0]
        row_bytes = self.nbytes // rows if rows else 0
        if isinstance(first, int):
            at = first + rows if first < 0 else first
            if not 0 <= at < rows:
                raise IndexError(f"index {first} is out of bounds for a dimension of {rows}")
            begin, end, step = at, at + 1, None
        else:
            chosen = range(rows)[first]
            begin, end = (min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1]) + 1) if chosen else (0, 0)
            step = first.step
        memory = self._native.read_range(self._entry, begin * row_bytes, end * row_bytes)
        part = self._array(memory, (end - begin, *self.shape[1:]))
        head: Any = 0 if isinstance(first, int) else slice(None, None, step)
        return part[(head, *parts[1:])]


def _logical(dtype: np.dtype[Any], logical: str) -> np.dtype[Any]:
    import numpy

    return numpy.dtype(logical) if logical.startswith(("datetime64", "timedelta64")) else dtype


def _strings(memory: _native.Memory, shape: tuple[int, ...], logical: str) -> np.ndarray[Any, Any]:
    """Per element a little-endian uint64 length and that many bytes: UTF-8, or bytes where NumPy's type was S."""
    import numpy

    data = memoryview(memory)
    values: list[str | bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        piece = bytes(data[at + 8 : at + 8 + size])
        values.append(piece if logical.startswith("S") else piece.decode("utf-8", "surrogateescape"))
        at += 8 + size
    array = numpy.empty(len(values), object)
    array[:] = values
    if logical[:1] in ("U", "S"):
        array = array.astype(logical)
    return array.reshape(shape)


class Model(Mapping[str, Tensor]):
    """A model file: a mapping of names to tensors that are still on disk, and what stands beside them.

    Nothing in the file is executed, imported or resolved.
    """

    def __init__(self, native: _native.Model, source: Source) -> None:
        self._native = native
        self._source = source
        self._names: dict[str, int] = {name: i for i, name in enumerate(native.names())}

    def __getitem__(self, name: str) -> Tensor:
        entry = self._names.get(name)
        if entry is None:
            import difflib

            near = difflib.get_close_matches(str(name), self._names, 1)
            raise _NoTensor(f"there is no tensor {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""), path=self.path)
        return Tensor(self._native, entry, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        return f"<Model {self.path} {self.format} {len(self)} tensors>"

    @property
    def path(self) -> str:
        """The path as it was given; a file object's name."""
        return self._native.path

    @property
    def format(self) -> str:
        """The format's id: ``"pytorch"``, ``"safetensors"``."""
        return self._native.format

    @property
    def detail(self) -> str:
        """The format's variant: ``"zip, pickle protocol 2, torch >= 2.1"``."""
        return self._native.detail

    @property
    def files(self) -> list[str]:
        """Every file read, relative to the path."""
        return self._native.files

    @property
    def parameters(self) -> int:
        """Elements of all distinct tensors."""
        return self._native.parameters

    @property
    def warnings(self) -> list[str]:
        """What deserves a word but not a stop: parts that disagree, files that are missing."""
        return self._native.warnings

    @functools.cached_property
    def tree(self) -> Any:
        """What the file holds: dicts, lists and plain values, with Tensors and inert Objects where they stand."""
        return self._tree("tree")

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """The container's own metadata."""
        return self._tree("metadata") or {}

    @functools.cached_property
    def config(self) -> Any:
        """config.json of a folder; None where there is none."""
        return self._tree("config") if self._native.has_config else None

    @functools.cached_property
    def verdict(self) -> str:
        """``"inert"``, ``"code"``, ``"malicious"`` or ``"unreadable"``: whether loading it elsewhere could run code."""
        from ._documents import scan

        return str(scan(self._source)["verdict"])

    def _tree(self, part: str) -> Any:
        names = list(self._names)
        tensors = [None if entry is None else Tensor(self._native, entry, names[entry]) for entry in self._native.entries_by_index()]
        return self._native.tree(part, tensors, None, Global, inert, fill)

    def __reduce__(self) -> tuple[Any, ...]:
        """A model pickles as its absolute path; where it is unpickled, the file must stand there and be the same.

        The same is: names, dtypes, shapes and places of the tensors, and for each file its size and its first and last MiB, which
        hold a header, or a directory with the checksums of tensors. Other bytes in the middle of a large file are not noticed.
        """
        if not isinstance(self._source, str | os.PathLike):
            raise UnsupportedError("a model opened from a file object cannot be pickled")
        return (_reopen, (os.path.abspath(os.fspath(self._source)), self._fingerprint()))

    def _fingerprint(self) -> str:
        import hashlib
        import io
        import json

        facts = [[name, *self._native.facts(entry)[:3], (self._native.location(entry) or ("", 0))[1]] for name, entry in self._names.items()]
        digest = hashlib.sha256(json.dumps([facts, self.files]).encode())
        for name in self.files:
            with io.open(os.path.join(_folder(self.path), name), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                digest.update(size.to_bytes(8, "little"))
                for begin in sorted({0, max(size - _EDGE_BYTES, 0)}):
                    file.seek(begin)
                    digest.update(file.read(_EDGE_BYTES))
        return digest.hexdigest()

    def _repr_html_(self) -> str:
        from ._html import model_table

        return model_table(self)


# Of each end of a file that a pickled model stands for.
_EDGE_BYTES = 1 << 20


class _NoTensor(MissingError, KeyError):
    pass


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path)


def open(source: Source, *, format: str | None = None, policy: PathLike | None = None) -> Model:
    """Opens a file or folder as whatever model it holds; no tensor byte is read and nothing is executed.

    `source`: a path, or a seekable binary file object. `format`: read it as this format instead of telling by the content. `policy`: a
    file as ``holdall scan --policy`` takes it. Raises MissingError, StorageError, UnsupportedError, CorruptError, LimitError; UnsafeError for
    what scan() does not call inert under the policy.
    """
    return held(Model(_native.open(source_of(source), format or ""), source), policy)


def open_to_load(source: Source, policy: PathLike | None = None) -> Model:
    """open() for whoever loads everything next, and once: what is decoded on the way there is kept for it."""
    return held(Model(_native.open_to_load(source_of(source)), source), policy)


def opened(source: Source | Model, policy: PathLike | None = None) -> Model:
    """open() of what may be open already."""
    return held(source, policy) if isinstance(source, Model) else open(source, policy=policy)


def held(model: Model, policy: PathLike | None) -> Model:
    """The model, where it is inert under the policy. Raises UnsafeError."""
    if policy is not None:
        _native.require(model._native, os.fsdecode(policy))
    return model


if TYPE_CHECKING:

    @overload
    def source_of(source: PathLike) -> str: ...
    @overload
    def source_of(source: BinaryFile) -> BinaryFile: ...


def source_of(source: Source) -> str | BinaryFile:
    """What the native module takes: a text, or the file object itself."""
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if hasattr(source, "encoding") and hasattr(source, "errors"):
        raise TypeError("the file object is in text mode: open it with 'rb'")
    if hasattr(source, "read") and hasattr(source, "seek"):
        return source
    raise TypeError(f"a path or a seekable binary file is needed, not {type(source).__name__}")


def _reopen(path: str, fingerprint: str) -> Model:
    model = open(path)
    if model._fingerprint() != fingerprint:
        raise Error("the file is another than the one that was pickled", path=path)
    return model
