"""Whether two values are the same in every respect that saving must keep."""

import argparse

import numpy
import torch


def assert_same(a, b, where="value"):
    assert type(a) is type(b), (where, type(a), type(b))
    if isinstance(a, torch.Tensor):
        assert_same_tensor(a, b, where)
    elif isinstance(a, numpy.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all(), where
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        assert getattr(a, "_metadata", None) == getattr(b, "_metadata", None), where
        for key in a:
            assert_same(a[key], b[key], f"{where}[{key!r}]")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.UntypedStorage | torch.storage.TypedStorage):
        assert a.tolist() == b.tolist(), where
    elif isinstance(a, argparse.Namespace):
        assert_same(vars(a), vars(b), where)
    elif isinstance(a, float):
        assert a == b or (a != a and b != b), where
    else:
        assert a == b, where


def assert_same_tensor(a, b, where):
    assert (a.dtype, a.layout, a.requires_grad, a.is_nested) == (b.dtype, b.layout, b.requires_grad, b.is_nested), where
    if a.is_nested:
        assert_same(list(a.unbind()), list(b.unbind()), where)
        return
    assert a.shape == b.shape, where
    assert {k: v for k, v in vars(a).items() if k[0] != "_"} == {k: v for k, v in vars(b).items() if k[0] != "_"}, where
    if a.device.type == "meta":
        assert b.device.type == "meta", where
        return
    if a.is_quantized:
        assert a.qscheme() == b.qscheme() and torch.equal(a.int_repr(), b.int_repr()), where
        assert torch.equal(a.dequantize(), b.dequantize()), where
        return
    if a.layout != torch.strided:
        a, b = a.to_dense(), b.to_dense()
    elif a.numel() > 1:
        assert a.stride() == b.stride(), where
    assert bits(a).equal(bits(b)), where


def bits(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return tensor.view(torch.uint8) if tensor.numel() else torch.empty(0, dtype=torch.uint8)
