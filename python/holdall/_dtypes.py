"""The library's dtypes by name, and what they are in NumPy."""

from __future__ import annotations

import functools

from . import _native
from .errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy

# What NumPy calls otherwise, or lacks and ml_dtypes has. Everything else has the same name in NumPy, or nothing there is it.
_OF_ML_DTYPES = {
    "bfloat16": "bfloat16",
    "float8_e4m3fn": "float8_e4m3fn",
    "float8_e4m3fnuz": "float8_e4m3fnuz",
    "float8_e5m2": "float8_e5m2",
    "float8_e5m2fnuz": "float8_e5m2fnuz",
    "float8_e8m0fnu": "float8_e8m0fnu",
    "float6_e2m3": "float6_e2m3fn",
    "float6_e3m2": "float6_e3m2fn",
    "float4_e2m1": "float4_e2m1fn",
    "int4": "int4",
    "uint4": "uint4",
    "int2": "int2",
    "uint2": "uint2",
}
_QUANTIZED = {"qint8": "int8", "quint8": "uint8", "qint32": "int32"}
_OF_NUMPY = frozenset(
    "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64 complex64 complex128".split()
)


@functools.lru_cache(maxsize=1)
def table() -> dict[str, tuple[int, int]]:
    """{name: (elements of a block, bytes of a block)} of every dtype; 0 bytes: elements without a fixed size."""
    return _native.dtypes()


def is_block(name: str) -> bool:
    """Whether a dtype is one of GGML's, whose elements come in blocks of 32 and more."""
    return table().get(name, (1, 0))[0] >= 32


@functools.lru_cache(maxsize=None)
def numpy_dtype(name: str) -> numpy.dtype[Any]:
    """NumPy's dtype of the elements; of GGML's blocks that of the numbers they mean. Raises UnsupportedError where it has none (complex32)."""
    import numpy

    if is_block(name):
        return numpy.dtype("float32")

    if name in _OF_NUMPY:
        return numpy.dtype(name)
    if name in _QUANTIZED:
        return numpy.dtype(_QUANTIZED[name])
    if name in _OF_ML_DTYPES:
        try:
            import ml_dtypes
        except ImportError as error:
            raise UnsupportedError(f"NumPy has no {name}; the package ml_dtypes brings it") from error
        dtype: numpy.dtype[Any] = numpy.dtype(getattr(ml_dtypes, _OF_ML_DTYPES[name]))
        return dtype
    raise UnsupportedError(f"NumPy has no dtype for {name}")


@functools.lru_cache(maxsize=None)
def name_of_numpy(dtype: numpy.dtype[Any]) -> str | None:
    """The library's name of a NumPy dtype in native byte order; None where it has none."""
    name = dtype.name
    if name in _OF_NUMPY:
        return name
    return next((own for own, theirs in _OF_ML_DTYPES.items() if theirs == name), None)


def array_of(memory: _native.Memory, dtype: Any) -> numpy.ndarray[Any, Any]:
    """The elements in a memory, flat and where they are."""
    import numpy

    # NumPy's stubs list classes where any buffer does.
    array: numpy.ndarray[Any, Any] = numpy.frombuffer(memory, dtype)  # type: ignore[call-overload]
    return array


def unpacked(packed: numpy.ndarray[Any, Any], name: str, count: int) -> numpy.ndarray[Any, Any]:
    """Elements smaller than a byte, one in a byte each as ml_dtypes keeps them, from the packed bytes, low bits first."""
    import numpy

    elements, size = table()[name]
    bits = 8 * size // elements
    flat = numpy.unpackbits(packed, bitorder="little")[: count * bits].reshape(count, bits)
    values = numpy.packbits(flat, axis=1, bitorder="little").reshape(count)
    if name.startswith("int"):  # the sign goes into the bits above, as a cast of ml_dtypes would leave it
        values = ((values.astype(numpy.int8) << (8 - bits)) >> (8 - bits)).view(numpy.uint8)
    return values.view(numpy_dtype(name))
