"""Arrays of states that are no torch's, in files that torch reads too."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from .. import _dtypes


def stored(state: Any) -> Any:
    """The same with NumPy's arrays as torch's tensors, in the same memory, where torch is there: an array would be an object of NumPy's in the file,
    which ``torch.load(weights_only=True)`` takes no part in. Without torch it is written as a tensor as it is."""
    if isinstance(state, dict):
        return {name: stored(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(stored(value) for value in state)
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "from_numpy") or type(state).__module__ != "numpy" or not hasattr(state, "strides") or type(state).__name__ != "ndarray":
        return state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not to be written to, which nobody does
        try:
            return torch.from_numpy(state)
        except TypeError:
            dtype = getattr(torch, state.dtype.name, None)
            return state if dtype is None else torch.from_numpy(state.view(_BITS[state.dtype.itemsize])).view(dtype)


def array_of(value: Any) -> Any:
    """NumPy's array of a tensor of torch's, in the same memory; anything else as it is."""
    if not hasattr(value, "detach"):
        return value
    torch = sys.modules["torch"]
    tensor = value.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:
        name = str(tensor.dtype).removeprefix("torch.")
        return tensor.view(getattr(torch, _BITS[tensor.element_size()])).numpy().view(_dtypes.numpy_dtype(name))


_BITS = {1: "uint8", 2: "uint16"}
