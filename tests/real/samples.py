"""Objects that people save with torch, one function each; tests save them, and compare what Holdall makes of the file.

STATES load with torch.load(weights_only=True). OBJECTS need weights_only=False: whole modules and classes of their own.
"""

import argparse
import collections
import dataclasses
import random

import numpy
import torch

STATES = {}
OBJECTS = {}
# Dtypes that every container here can hold, so that a chain of conversions loses nothing.
PLAIN_DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64]
DTYPES = [
    *PLAIN_DTYPES, torch.uint16, torch.uint32, torch.uint64, torch.bfloat16, torch.complex32, torch.complex64, torch.complex128,
    torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
]


def state(function):
    STATES[function.__name__] = function
    return function


def saved_object(function):
    OBJECTS[function.__name__] = function
    return function


def values(dtype, *shape):
    """Varied values of any dtype, the same every time: made from bytes, NaNs avoided so that comparisons are plain."""
    generator = torch.Generator().manual_seed(hash_of(str(dtype), shape))
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    if dtype in (torch.float8_e8m0fnu,):
        return torch.randint(100, 150, shape, generator=generator, dtype=torch.uint8).view(dtype)
    if dtype == torch.complex32:
        return torch.randn((*shape, 2), generator=generator).to(torch.float16).view(torch.complex32).reshape(shape)
    if dtype.is_floating_point or dtype.is_complex:
        real = torch.randn(shape, generator=generator)
        return real.to(dtype) if not dtype.is_complex else torch.complex(real, -2 * real).to(dtype)
    return torch.randint(0, 100, shape, generator=generator).to(dtype)


def hash_of(*parts):
    return int.from_bytes(repr(parts).encode()[-6:], "little")


class Block(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(width, 2)
        self.norm = torch.nn.LayerNorm(width)
        self.forward_layer = torch.nn.Linear(width, width, bias=False)


class Net(torch.nn.Module):
    """A module with tied weights, buffers (one not persistent), nested lists, and None parameters."""

    def __init__(self, width=8, layers=2):
        super().__init__()
        self.embedding = torch.nn.Embedding(10, width)
        self.layers = torch.nn.ModuleList(Block(width) for _ in range(layers))
        self.batch_norm = torch.nn.BatchNorm1d(width)
        self.head = torch.nn.Linear(width, 10, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("positions", torch.arange(10))
        self.register_buffer("cache", torch.zeros(3), persistent=False)
        self.register_parameter("absent", None)


@dataclasses.dataclass
class Settings:
    rate: float = 0.5
    names: list = dataclasses.field(default_factory=lambda: ["a", "b"])
    weight: torch.Tensor = None


def seeded_net():
    torch.manual_seed(7)
    return Net()


def trained(make_optimizer, **scheduler):
    """A net and its optimizer after two steps, and a scheduler."""
    net = seeded_net()
    optimizer = make_optimizer(net.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (net.head(net.embedding(torch.arange(4))).sum() + net.batch_norm(torch.randn(4, 8)).sum()).backward()
        optimizer.step()
        schedule.step()
    return net, optimizer, schedule


@state
def bare_tensor():
    return torch.arange(12, dtype=torch.float32).reshape(3, 4)


@state
def state_dict():
    return seeded_net().state_dict()


@state
def every_dtype():
    return {str(dtype).removeprefix("torch."): values(dtype, 3, 5) for dtype in DTYPES}


@state
def odd_shapes():
    return {
        "scalar": torch.tensor(3.5), "empty": torch.zeros(0), "empty2d": torch.zeros(0, 4), "hollow": torch.zeros(3, 0, 2),
        "one": torch.ones(1), "six": torch.arange(64.0).reshape(2, 2, 2, 2, 2, 2), "big": values(torch.float32, 300, 70),
    }


@state
def views():
    base = torch.arange(60, dtype=torch.float32).reshape(6, 10)
    return {
        "base": base, "transposed": base.t(), "row": base[2], "column": base[:, 3], "steps": base[::2, 1::3],
        "window": torch.arange(10.0).unfold(0, 4, 2), "expanded": torch.arange(3.0).expand(4, 3), "tail": torch.arange(100.0)[90:],
        "channels_last": values(torch.float32, 2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    }


@state
def conjugates():
    z = torch.complex(torch.arange(6.0), -torch.arange(6.0)).reshape(2, 3)
    # A negated view lies in a complex storage of its own: torch refuses to save one storage as two dtypes.
    return {"plain": z, "conjugate": z.conj(), "hermitian": z.mH, "negative": torch.imag((z * 1).conj())}


@state
def tied():
    weight = values(torch.float32, 5, 6)
    return collections.OrderedDict([("encoder.weight", weight), ("decoder.weight", weight), ("half", weight[:2])])


@state
def parameters():
    frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)
    marked = torch.nn.Parameter(torch.ones(2))
    return {"a": torch.nn.Parameter(values(torch.float32, 4)), "frozen": frozen, "marked": marked, "grad": torch.ones(2, requires_grad=True)}


@state
def nested_values():
    return {
        "epoch": 3, "loss": 0.1 + 0.2, "none": None, "yes": True, "big": 2**70, "negative": -(2**63), "nan": float("nan"),
        "inf": float("-inf"), "text": "naïve \u2603 \U0001f600", "empty": "", "bytes": bytearray(b"\x00\xff"), "complex": 1 - 2j,
        "list": [1, [2, [3, {}]], ()], "tuple": (1, "a", None), "set": {1, 2, 3}, "size": torch.Size([2, 3]),
        "device": torch.device("cpu"), "dtype": torch.bfloat16, 5: "int key", "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter("abca"), "weight": torch.ones(2), "$dollar": {"$tensor": "not one"}, "a.b": {"c": torch.zeros(1)},
    }


@state
def same_names():
    return {"a.b": torch.zeros(1), "a": {"b": torch.ones(2)}}


@state
def cycles():
    shared = [1, 2]
    return {"x": shared, "y": shared, "w": torch.ones(1)}


@state
def adam_checkpoint():
    net, optimizer, schedule = trained(lambda p: torch.optim.AdamW(p, lr=0.1, amsgrad=True))
    return {
        "epoch": 10, "step": 1000, "model_state_dict": net.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": schedule.state_dict(), "loss": 0.25, "rng": torch.get_rng_state(),
    }


@state
def momentum_checkpoint():
    net, optimizer, schedule = trained(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True))
    return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "lr": schedule.state_dict()}


@state
def adagrad_checkpoint():
    _, optimizer, _ = trained(lambda p: torch.optim.Adagrad(p, lr=0.1))
    return optimizer.state_dict()


@state
def quantized():
    x = values(torch.float32, 4, 6)
    scales, zeros = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), torch.tensor([0, 1, 2, 3])
    return {
        "tensor_q8": torch.quantize_per_tensor(x, 0.1, 3, torch.qint8), "tensor_qu8": torch.quantize_per_tensor(x, 0.1, 3, torch.quint8),
        "tensor_q32": torch.quantize_per_tensor(x, 0.1, 3, torch.qint32), "channel": torch.quantize_per_channel(x, scales, zeros, 0, torch.qint8),
    }


@state
def sparse():
    dense = torch.tensor([[0.0, 2.0, 0.0, 0.0], [1.0, 0.0, 0.0, 3.0]])
    blocks = torch.kron(torch.eye(2), torch.ones(2, 2))
    return {
        "coo": dense.to_sparse_coo().coalesce(), "csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc(),
        "bsr": blocks.to_sparse_bsr((2, 2)), "bsc": blocks.to_sparse_bsc((2, 2)),
    }


@state
def many_small():
    return {f"layer.{i}.weight": values(torch.float32, 4, 4) for i in range(500)}


@saved_object
def whole_module():
    return seeded_net()


@saved_object
def whole_sequential():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LSTM(16, 4))


@saved_object
def python_values():
    defaults = collections.defaultdict(list)
    defaults["k"].append(torch.ones(2))
    return {
        "args": argparse.Namespace(lr=0.1, name="run", sizes=[1, 2]), "settings": Settings(weight=torch.ones(3)), "defaults": defaults,
        "numpy": numpy.arange(6, dtype=numpy.int16).reshape(2, 3), "numpy_scalar": numpy.float64(2.5), "fortran": numpy.asfortranarray(numpy.ones((2, 3))),
        "python_random": random.Random(3).getstate(), "numpy_random": numpy.random.RandomState(3).get_state(), "frozen": frozenset([1, 2]),
        "range": range(3), "slice": slice(1, 2), "bytes": b"\x00\xfe",
    }
