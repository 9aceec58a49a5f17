"""An HDF5 file in memory: what Keras's own functions write is recorded, and the library's writer then puts it on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from .. import _dtypes
from ..errors import UnsupportedError

Value = tuple[Any, ...]


class Dataset:
    """The elements, an array of one's own or a view of a variable's."""

    def __init__(self, data: Any) -> None:
        self.data = numpy.asarray(data)
        self.attrs: dict[str, Any] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""
        return tuple(self.data.shape)

    @property
    def dtype(self) -> Any:
        """NumPy's."""
        return self.data.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.data if dtype is None else self.data.astype(dtype)

    def __setitem__(self, place: Any, value: Any) -> None:
        """Takes the value as it is where it is for all elements."""
        value = numpy.asarray(value)
        if value.shape == self.data.shape and value.dtype == self.data.dtype and place in ((), slice(None), Ellipsis):
            self.data = value
        else:
            self.data = self.data.copy()
            self.data[place] = value


class Group:
    """As much of h5py.Group as those who write use. A path leads through groups that are made on the way."""

    def __init__(self) -> None:
        self.attrs: dict[str, Any] = {}
        self._children: dict[str, Group | Dataset] = {}

    def __bool__(self) -> bool:
        return True

    def create_group(self, path: str) -> Group:
        """The group at a path; one that is there is taken."""
        group = self
        for name in _names(path):
            below = group._children.setdefault(name, Group())
            if not isinstance(below, Group):
                raise ValueError(f"{path}: {name} is a dataset, not a group")
            group = below
        return group

    require_group = create_group

    def create_dataset(self, name: str | bytes, shape: Any = None, dtype: Any = None, data: Any = None, **options: Any) -> Dataset:
        """Options of storage are the writer's business. Raises ValueError where there is something of that name."""
        *groups, last = _names(name)
        parent = self.create_group("/".join(groups)) if groups else self
        if last in parent._children:
            raise ValueError(f"there is a {last!r} already")
        made = Dataset(numpy.empty(shape or (), dtype) if data is None else numpy.asarray(data, dtype))
        parent._children[last] = made
        return made

    def __setitem__(self, name: str, value: Any) -> None:
        self.create_dataset(name, data=value)

    def __getitem__(self, path: str) -> Group | Dataset:
        found: Group | Dataset = self
        for name in _names(path):
            if not isinstance(found, Group) or name not in found._children:
                raise KeyError(path)
            found = found._children[name]
        return found

    def __delitem__(self, name: str) -> None:
        del self._children[name]

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except KeyError:
            return False
        return True

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def keys(self) -> list[str]:
        """Names of what is in it."""
        return list(self._children)

    def objects(self, path: str = "") -> Iterator[tuple[str, Value | None, dict[str, Value]]]:
        """(path, elements or None for a group, attributes) of this and all below, as the native module takes them."""
        todo: list[tuple[str, Group | Dataset]] = [(path, self)]
        while todo:
            place, found = todo.pop()
            attributes = {name: attribute(value) for name, value in found.attrs.items()}
            yield place, elements(found.data) if isinstance(found, Dataset) else None, attributes
            if isinstance(found, Group):
                todo += [(f"{place}/{name}" if place else name, child) for name, child in reversed(found._children.items())]


def _names(path: str | bytes) -> list[str]:
    text = path.decode("utf-8") if isinstance(path, bytes) else path
    return [name for name in text.split("/") if name]


def attribute(value: Any) -> Value:
    """What h5py makes of it: texts of any length of str, bytes and lists of bytes, NumPy's own of all else."""
    if type(value) is str:
        return ("text", "utf8", (), [value.encode("utf-8")])
    if type(value) is bytes:
        return ("text", "ascii", (), [value])
    array = numpy.asarray(value)
    if array.dtype.kind == "S" and not isinstance(value, numpy.bytes_ | numpy.ndarray):
        return ("text", "ascii", tuple(array.shape), [bytes(text) for text in array.reshape(-1)])
    return elements(array)


def elements(array: numpy.ndarray[Any, Any]) -> Value:
    """An array's. Raises UnsupportedError for what HDF5 has no type for."""
    shape = tuple(array.shape)
    if array.dtype.kind == "S":
        return ("fixed", "ascii", shape, [bytes(text) for text in array.reshape(-1)])
    if array.dtype.kind in "UOT":
        texts = array.reshape(-1).tolist()
        if not all(isinstance(text, str | bytes) for text in texts):
            raise UnsupportedError("an array of objects that are no texts has no place in HDF5")
        return ("text", "utf8", shape, [text.encode("utf-8") if isinstance(text, str) else text for text in texts])
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    name = _dtypes.name_of_numpy(array.dtype)
    if name is None:
        raise UnsupportedError(f"an array of {array.dtype} has no place in HDF5")
    flat = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) if array.size else numpy.empty(0, numpy.uint8)
    # As h5py writes the types of ml_dtypes, and Keras reads them.
    return (name if name in _OF_HDF5 else f"opaque{array.dtype.itemsize}", shape, flat)


_OF_HDF5 = frozenset("bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64 complex64 complex128".split())
