"""Objects that people save, by name."""

import argparse
import collections
import datetime
import decimal
import pathlib
import uuid

import numpy
import torch

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
]  # fmt: skip


def trained():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    return model, optimizer


def with_attribute():
    tensor = torch.ones(2)
    tensor.tag = "x"
    return tensor


def objects():
    model, optimizer = trained()
    base = torch.arange(12.0).reshape(3, 4)
    return {
        "state_dict": model.state_dict(),
        "checkpoint": {
            "epoch": 1, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": 0.5, "nan": float("nan"),
            "big": 1 << 80,
        },  # fmt: skip
        "views": {"a": base, "b": base[1:], "c": base.t(), "d": base[:, ::2]},
        "tied": [base, base],
        **{str(dtype): torch.ones(4, dtype=torch.uint8).to(dtype) for dtype in DTYPES},
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "frozen parameter": torch.nn.Parameter(torch.ones(3), requires_grad=False),
        "requires_grad": torch.ones(2, requires_grad=True),
        "attribute": with_attribute(),
        "empty": [torch.empty(0), torch.empty(0, 3), torch.tensor(5.0)],
        "sparse coo": torch.eye(3).to_sparse(),
        "sparse csr": torch.eye(3).to_sparse_csr(),
        "sparse csc": torch.eye(4).to_sparse_csc(),
        "sparse bsr": torch.eye(4).to_sparse_bsr((2, 2)),
        "sparse bsc": torch.eye(4).to_sparse_bsc((2, 2)),
        "per tensor": torch.quantize_per_tensor(torch.randn(3), 0.1, 2, torch.qint8),
        "per channel": torch.quantize_per_channel(torch.randn(3, 2), torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2]), 0, torch.quint8),
        **{
            f"{dtype} {tuple(values.shape)}": torch.quantize_per_channel(values, torch.rand(len(values)) + 0.1, torch.randn(len(values)), 0, dtype)
            for dtype in (torch.quint4x2, torch.quint2x4)
            for values in (torch.randn(5, 7), torch.randn(2, 8), torch.randn(3, 2, 5))
        },
        "quint4x2": torch.quantize_per_tensor(torch.randn(3, 5), 0.1, 2, torch.quint4x2),
        "qint32": torch.quantize_per_tensor(torch.randn(3), 0.1, 2, torch.qint32),
        "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "meta": torch.empty(3, device="meta"),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "torch's": (torch.Size([1, 2]), torch.device("cpu"), torch.device("cuda", 1), torch.float32, torch.strided),
        "python's": (
            {1, 2}, frozenset([3]), collections.OrderedDict(a=1), collections.defaultdict(list, {"a": [1]}), collections.Counter("aab"),
            collections.deque([1, 2]), 1 + 2j, b"x", None, bytearray(b"hi"), range(3), slice(1, 2), {1: 2, (3, "x"): None},
        ),  # fmt: skip
        "numpy's": {"array": numpy.arange(3), "float": numpy.float32(2.5), "int": numpy.int64(3)},
        "numpy's texts and times": [numpy.str_("x"), numpy.bytes_(b"y"), numpy.datetime64("2020-01-01T03"), numpy.timedelta64(3, "s")],
        "numpy's objects": numpy.array([1, "a", None], dtype=object),
        "classes": [int, type(None), torch.nn.Linear, torch.nn.functional.relu, torch.relu, torch.float16, torch.Size, torch.Tensor],
        "plain objects": [uuid.UUID(int=5), decimal.Decimal("1.5"), datetime.timedelta(1), pathlib.PurePosixPath("a/b")],
        "no text": "\ud800x\x00",
        "jagged": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        "meta parameter": torch.nn.Parameter(torch.empty(2, 3, device="meta")),
        "storage": torch.arange(3.0).storage(),
        "namespace": argparse.Namespace(lr=0.1, device=torch.device("cpu")),
    }


# What has no place in safetensors, whose dtypes are fewer.
NOT_IN_SAFETENSORS = {"torch.complex128", "per tensor", "per channel", "qint32"}
