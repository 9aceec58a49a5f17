"""The states of random generators as plain values and tensors, and back, bit for bit.

What `states` gives, `holdall.save` writes to any format that keeps nested values, and ``torch.load(weights_only=True)`` takes where torch was
there when it was made: dicts, lists, numbers, texts and tensors; NumPy arrays in place of tensors where there is no torch.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Mapping

from .errors import CorruptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

# Words of a Mersenne Twister.
_WORDS = 624
# Backends of torch that have one generator a device, and MPS, which has one.
_DEVICES = ("cuda", "xpu")


def states() -> State:
    """The states of this process's global generators: ``python``; ``numpy`` and ``torch`` (of the CPU) where those are imported;
    ``cuda`` and ``xpu``, a list of one a device, where they are in use; ``mps`` where there is such a device."""
    found: State = {"python": packed(random.getstate())}
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        found["numpy"] = packed(of_numpy())
    torch = _torch()
    if torch is None:
        return found
    found["torch"] = torch.get_rng_state()
    for name in _DEVICES:
        backend = getattr(torch, name, None)
        if backend is not None and backend.is_available() and backend.is_initialized():
            found[name] = [backend.get_rng_state(device) for device in range(backend.device_count())]
    if hasattr(torch, "mps") and torch.backends.mps.is_available():
        found["mps"] = torch.mps.get_rng_state()
    return found


def set_states(states: Mapping[str, Any]) -> list[str]:
    """Sets what `states` gave, perhaps read back from a file. Returns a text for each generator that this process does not have.

    Raises CorruptError (a ValueError) for what is no such state, before any generator was changed.
    """
    if not isinstance(states, Mapping) or not states:
        raise CorruptError(f"no states of random generators: {_short(states)}")
    lacking: list[str] = []
    sets: list[Callable[[], object]] = []
    for name, state in states.items():
        make = _SETTERS.get(name)
        if make is None:
            lacking.append(f"random generator {str(name)[:100]!r}: not known to this version")
            continue
        try:
            sets += make(name, state, lacking)
        except _INVALID as error:
            raise CorruptError(f"the state of the random generator {name!r} is none: {error}") from None
    for action in sets:
        action()
    return lacking


def state_of(generator: Any) -> State:
    """Of one generator: random.Random, numpy.random.Generator or RandomState, torch.Generator. Raises TypeError for anything else."""
    kind = kind_of(generator)
    if kind is None:
        raise TypeError(f"{type(generator).__module__}.{type(generator).__qualname__} is no random generator")
    return {"kind": kind, "state": packed(raw_of(generator))}


def set_state_of(generator: Any, state: Any) -> None:
    """Raises CorruptError where it is not a state of such a generator, which then is as it was."""
    kind = kind_of(generator)
    try:
        if kind is None or state["kind"] != kind:
            raise ValueError(f"it is one of {_short(state)}, not of {kind}")
        _setter(generator, kind, state["state"])()
    except _INVALID as error:
        raise CorruptError(f"the state of a generator of {type(generator).__qualname__} is none: {error}") from None


def kind_of(generator: Any) -> str | None:
    """``python``, ``numpy``, ``numpy legacy``, ``torch``; None for what has no state that can be had."""
    if isinstance(generator, random.Random):
        return None if isinstance(generator, random.SystemRandom) else "python"
    numpy, torch = sys.modules.get("numpy.random"), _torch()
    if numpy is not None and isinstance(generator, numpy.Generator):
        return "numpy"
    if numpy is not None and isinstance(generator, numpy.RandomState):
        return "numpy legacy"
    return "torch" if torch is not None and isinstance(generator, torch.Generator) else None


def raw_of(generator: Any) -> Any:
    """The state as its library gives it, torch's as bytes: cheap to have, to compare with `same` and to send to another process."""
    kind = kind_of(generator)
    if kind == "python":
        return generator.getstate()
    if kind == "torch":
        return generator.get_state().numpy().tobytes()
    return generator.bit_generator.state if kind == "numpy" else generator.get_state(legacy=False)


def of_numpy() -> Any:
    """The raw state of NumPy's global generator."""
    import numpy

    return numpy.random.get_state(legacy=False)


def raw_states() -> State:
    """Raw states of this process's global generators, those of devices left out."""
    found: State = {"python": random.getstate()}
    if "numpy.random" in sys.modules:
        found["numpy"] = of_numpy()
    torch = _torch()
    if torch is not None:
        found["torch"] = raw_of(torch.default_generator)
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two raw states are equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in reversed(one.items()))
    if hasattr(one, "dtype"):
        return bool((one == other).all())
    return bool(one == other)


def packed(raw: Any) -> Any:
    """A raw state as plain values and tensors: words of 32 bits as int64, others as bytes, integers past 63 bits as hexadecimal texts."""
    if isinstance(raw, bytes):
        return _array(raw, 1)
    if isinstance(raw, tuple):
        version, words, gauss = raw
        return {"version": version, "words": _array(words, 8), "gauss": gauss}
    if isinstance(raw, Mapping):
        return {key: packed(value) for key, value in raw.items()}
    if hasattr(raw, "dtype") and raw.shape != ():
        if raw.dtype.itemsize <= 4:
            return _array(raw.astype("int64"), 8)
        return {"dtype": str(raw.dtype), "bytes": _array(raw.tobytes(), 1)}
    if isinstance(raw, int) and raw.bit_length() > 63:
        return hex(raw)
    return raw.item() if hasattr(raw, "item") else raw


def _array(values: Any, size: int) -> Any:
    """One axis of uint8 (`size` 1) or int64 (8): a tensor where torch is there, else an array, else a list."""
    torch, numpy = _torch(), sys.modules.get("numpy")
    if torch is not None:
        if size == 1:
            return torch.frombuffer(bytearray(values), dtype=torch.uint8)
        return torch.tensor(values if isinstance(values, tuple) else values.tolist(), dtype=torch.int64)
    if numpy is not None:
        return numpy.frombuffer(bytes(values), "uint8").copy() if size == 1 else numpy.array(values, "int64")
    return list(values)


def _numbers(value: Any, most: int) -> list[int]:
    """Of a tensor, an array or a list of integers in [0, most], along one axis. Raises ValueError."""
    if not isinstance(value, list | tuple):
        if len(getattr(value, "shape", ())) != 1 or "int" not in str(getattr(value, "dtype", "")):
            raise ValueError(f"{_short(value)} is no row of integers")
        value = value.tolist()
    if not all(type(number) is int and 0 <= number <= most for number in value):
        raise ValueError(f"its numbers are not all between 0 and {most}")
    return list(value)


def _python(state: Any) -> tuple[Any, ...]:
    words, gauss = _numbers(state["words"], 2**32 - 1), state["gauss"]
    if len(words) != _WORDS + 1 or words[-1] > _WORDS:
        raise ValueError(f"{len(words)} words, the last {words[-1:]}: {_WORDS + 1} are needed, the last at most {_WORDS}")
    if not (gauss is None or type(gauss) is float):
        raise ValueError(f"{_short(gauss)} for the number kept of a pair")
    return int(state["version"]), tuple(words), gauss


def _bytes(value: Any) -> bytes:
    return bytes(_numbers(value, 255))


def _unpacked(state: Any, like: Any, at: str = "") -> Any:
    """What `packed` made of a raw NumPy state, by a raw state of the same class of generator. Raises ValueError."""
    import numpy

    if isinstance(like, Mapping):
        if not isinstance(state, Mapping) or set(state) != set(like):
            raise ValueError(f"{at or 'it'} is {_short(state)}, not {', '.join(map(str, like))}")
        return {key: _unpacked(state[key], value, str(key)) for key, value in like.items()}
    if isinstance(like, numpy.ndarray) and like.shape:
        if like.dtype.itemsize <= 4:
            values = numpy.array(_numbers(state, 2 ** (8 * like.dtype.itemsize) - 1), like.dtype)
        else:
            values = numpy.frombuffer(_bytes(state["bytes"]), like.dtype).copy()
        if values.shape != like.shape:
            raise ValueError(f"{at} has {list(values.shape)} numbers instead of {list(like.shape)}")
        return values
    if isinstance(like, str):
        if state != like:
            raise ValueError(f"{at} is {_short(state)}, not {like}")
        return like
    if isinstance(like, float):
        return float(state)
    number = int(state, 16) if isinstance(state, str) else int(state)
    if not 0 <= number <= _MOST.get(at, 2**128 - 1):
        raise ValueError(f"{at} is {number}, at most {_MOST.get(at, 2**128 - 1)} is allowed")
    return number


# Positions in a generator's buffer, which NumPy takes unchecked, and the most that each may be.
_MOST = {"pos": _WORDS, "buffer_pos": 4, "has_uint32": 1, "has_gauss": 1}


def _setter(generator: Any, kind: str, state: Any) -> Callable[[], object]:
    """Sets the state when called; what could go wrong goes wrong before. Raises what `_INVALID` lists."""
    if kind == "python":
        value = _python(state)
        random.Random().setstate(value)
        return lambda: generator.setstate(value)
    if kind == "torch":
        return _torch_setter(state, generator.device, generator.set_state)
    raw = _unpacked(state, raw_of(generator))
    if kind == "numpy legacy":
        return lambda: generator.set_state(raw)
    return lambda: setattr(generator.bit_generator, "state", raw)


def _torch_setter(state: Any, device: Any, set_state: Callable[[Any], object]) -> Callable[[], object]:
    import torch

    made = torch.frombuffer(bytearray(_bytes(state)), dtype=torch.uint8)
    torch.Generator(device).set_state(made)
    return lambda: set_state(made)


def _set_python(name: str, state: Any, lacking: list[str]) -> list[Callable[[], object]]:
    value = _python(state)
    random.Random().setstate(value)
    return [lambda: random.setstate(value)]


def _set_numpy(name: str, state: Any, lacking: list[str]) -> list[Callable[[], object]]:
    try:
        import numpy.random
    except ImportError:
        lacking.append("random generator 'numpy': NumPy is not installed")
        return []
    like = of_numpy()
    if state["bit_generator"] != like["bit_generator"]:
        like = numpy.random.RandomState(getattr(numpy.random, _named(state["bit_generator"]))()).get_state(legacy=False)
    raw = _unpacked(state, like)
    if raw["bit_generator"] == of_numpy()["bit_generator"] == "MT19937":
        return [lambda: numpy.random.set_state(raw)]
    if raw["bit_generator"] != of_numpy()["bit_generator"]:
        lacking.append(f"random generator 'numpy': {raw['bit_generator']} was in use, here it is {of_numpy()['bit_generator']}")
        return []
    return [lambda: setattr(numpy.random.mtrand.get_bit_generator(), "state", {key: raw[key] for key in raw if key not in ("has_gauss", "gauss")})]


def _named(name: Any) -> str:
    if name not in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        raise ValueError(f"{_short(name)} is no generator of NumPy")
    return str(name)


def _set_torch(name: str, state: Any, lacking: list[str]) -> list[Callable[[], object]]:
    try:
        import torch
    except ImportError:
        lacking.append(f"random generator {name!r}: torch is not installed")
        return []
    if name == "torch":
        return [_torch_setter(state, "cpu", torch.set_rng_state)]
    if name == "mps":
        if not torch.backends.mps.is_available():
            lacking.append("random generator 'mps': no such device here")
            return []
        return [_torch_setter(state, "mps", torch.mps.set_rng_state)]
    backend: Any = getattr(torch, name, None)
    count = backend.device_count() if backend is not None and backend.is_available() else 0
    sets = []
    for device, own in enumerate(list(state)):
        if device < count:
            sets.append(_torch_setter(own, f"{name}:{device}", functools.partial(backend.set_rng_state, device=device)))
        else:
            _bytes(own)
            lacking.append(f"random generator '{name}:{device}': no such device here")
    return sets


_SETTERS: dict[str, Callable[[str, Any, list[str]], list[Callable[[], object]]]] = {
    "python": _set_python, "numpy": _set_numpy, "torch": _set_torch, "cuda": _set_torch, "xpu": _set_torch, "mps": _set_torch,
}  # fmt: skip
# What contents of the wrong kind raise on the way.
_INVALID = (AttributeError, KeyError, IndexError, OverflowError, RuntimeError, TypeError, ValueError)


def _torch() -> Any:
    """torch, where it has been imported whole."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "get_rng_state") else None


def _short(value: Any) -> str:
    return repr(value)[:100]
