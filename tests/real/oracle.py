"""What Holdall's documents must say, computed from the frameworks' own objects.

A digest is SHA-256 over a tensor's elements, row-major, little-endian, without gaps; equal in every format that holds the
same tensor. Names are paths of keys joined with '.'.
"""

import hashlib

import numpy


def little_endian_bytes(array):
    """The elements of a NumPy array or torch tensor as the digest sees them."""
    if type(array).__module__.split(".")[0] == "torch":
        return _torch_bytes(array)
    array = numpy.asarray(array)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and not numpy.little_endian):
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes(order="C")


def _torch_bytes(tensor):
    import torch

    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.contiguous()
    if tensor.numel() == 0:
        return b""
    if tensor.dim() == 0:
        tensor = tensor.reshape(1)
    return tensor.view(torch.uint8).numpy().tobytes()


def digest(array):
    return hashlib.sha256(little_endian_bytes(array)).hexdigest()


def dtype_name(array):
    """The dtype's name in Holdall's documents."""
    return array.dtype.name if isinstance(array.dtype, numpy.dtype) else str(array.dtype).removeprefix("torch.")


def flatten(value, path=()):
    """(name, array) of every tensor in nested dicts, lists and tuples, in the order they stand."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        yield ".".join(path) if path else "tensor", value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from flatten(item, (*path, str(index)))


def named(value):
    """{name: array}; of two paths with one name the later one is NAME@2."""
    found = {}
    seen = {}
    for name, array in flatten(value):
        seen[name] = seen.get(name, 0) + 1
        found[name if seen[name] == 1 else f"{name}@{seen[name]}"] = array
    return found


def assert_holds(outcome, arrays, names_only=False):
    """An `inspect --json --digest` outcome holds exactly these arrays: {name: array}."""
    found = outcome.tensors
    assert list(found) == list(arrays) if names_only else set(found) == set(arrays), (
        f"only in the file: {sorted(set(found) - set(arrays))}; missing: {sorted(set(arrays) - set(found))}"
    )
    for name, array in arrays.items():
        entry = found[name]
        assert entry["dtype"] == dtype_name(array), (name, entry, array.dtype)
        assert entry["shape"] == list(array.shape), (name, entry, array.shape)
        assert entry["sha256"] == digest(array), f"{name}: other bytes"


def assert_equal(a, b, where="$"):
    """Two loaded checkpoints are equal: types, keys and their order, values bit for bit, tensors bit for bit."""
    assert type(a) is type(b), f"{where}: {type(a)} became {type(b)}"
    if hasattr(a, "dtype") and hasattr(a, "shape"):
        _assert_equal_arrays(a, b, where)
    elif isinstance(a, dict):
        assert list(a) == list(b), f"{where}: keys {list(a)} became {list(b)}"
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), f"{where}: {len(a)} items became {len(b)}"
        for index, (left, right) in enumerate(zip(a, b)):
            assert_equal(left, right, f"{where}.{index}")
    elif isinstance(a, float):
        assert a.hex() == b.hex(), f"{where}: {a!r} became {b!r}"
    elif hasattr(a, "__dict__") and not callable(a):
        assert_equal(vars(a), vars(b), where)
    else:
        assert a == b, f"{where}: {a!r} became {b!r}"


def _assert_equal_arrays(a, b, where):
    assert a.dtype == b.dtype and tuple(a.shape) == tuple(b.shape), f"{where}: {a.dtype} {a.shape} became {b.dtype} {b.shape}"
    if type(a).__module__.split(".")[0] == "torch":
        assert a.layout == b.layout, f"{where}: {a.layout} became {b.layout}"
        assert a.requires_grad == b.requires_grad, f"{where}: requires_grad"
        if a.is_quantized:
            _assert_equal_quantization(a, b, where)
        parts = _sparse_parts(a)
        if parts:
            for left, right in zip(parts, _sparse_parts(b)):
                _assert_equal_arrays(left, right, where)
            return
    assert little_endian_bytes(a) == little_endian_bytes(b), f"{where}: other values"


def _assert_equal_quantization(a, b, where):
    import torch

    assert a.qscheme() == b.qscheme(), f"{where}: {a.qscheme()} became {b.qscheme()}"
    if a.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        assert (a.q_scale(), a.q_zero_point()) == (b.q_scale(), b.q_zero_point()), f"{where}: scale"
    else:
        assert a.q_per_channel_axis() == b.q_per_channel_axis(), f"{where}: axis"
        assert a.q_per_channel_scales().equal(b.q_per_channel_scales()), f"{where}: scales"
        assert a.q_per_channel_zero_points().equal(b.q_per_channel_zero_points()), f"{where}: zero points"


def _sparse_parts(tensor):
    import torch

    if tensor.layout == torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    return None
