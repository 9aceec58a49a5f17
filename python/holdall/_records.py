"""Tensors of NumPy's structured types: `logical` is the type's descr as a Python literal, gaps included."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from . import _dtypes

if TYPE_CHECKING:
    import numpy

    from . import _native


def array(memory: _native.Memory, shape: tuple[int, ...], logical: str) -> numpy.ndarray[Any, Any]:
    import numpy

    dtype: numpy.dtype[Any] = numpy.lib.format.descr_to_dtype(ast.literal_eval(logical))
    return _dtypes.array_of(memory, dtype).reshape(shape)
