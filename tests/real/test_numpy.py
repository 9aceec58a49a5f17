"""NumPy's files against NumPy: what it writes is read bit for bit, what the command writes numpy.load opens without pickles."""

import hashlib
import io
import struct
import subprocess
import zipfile

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as given_
from hypothesis.extra import numpy as arrays_of

KINDS = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split()


def elements(array):
    """The bytes that a digest is over."""
    if array.dtype.kind in "US":
        texts = [text.encode() if array.dtype.kind == "U" else text for text in array.ravel().tolist()]
        return b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    if array.dtype.kind == "V":
        return numpy.ascontiguousarray(array).tobytes()
    return numpy.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


def digest(array):
    return hashlib.sha256(elements(array)).hexdigest()


def every_array():
    chance = numpy.random.default_rng(1)
    arrays = {kind: (chance.random((3, 5)) * 100).astype(kind) for kind in KINDS}
    arrays |= {"big " + kind: arrays[kind].astype(">" + kind) for kind in KINDS if kind[1:] not in ("", "1")}
    arrays |= {"fortran " + kind: numpy.asfortranarray(arrays[kind]) for kind in ("i2", "f8", "c16")}
    arrays["text"] = numpy.array([["a", "日本"], ["", "\U0001f600!"]])
    arrays["text big fortran"] = numpy.asfortranarray(arrays["text"].astype(">U7"))
    arrays["bytes"] = numpy.array([b"a", b"", b"bcd"])
    arrays["datetime"] = numpy.array(["2020-01-01", "NaT"], dtype="M8[us]")
    arrays["structured"] = numpy.array([(1, (2.5, "x"))], dtype=[("a", ">i4"), ("b", [("c", "f8"), ("d", "U3")])])
    arrays["scalar"] = numpy.array(7)
    arrays["empty"] = numpy.zeros((3, 0, 2), "f4")
    return arrays


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
def test_archives_of_numpy_are_read_bit_for_bit(holdall, tmp_path, save):
    arrays = every_array()
    save(tmp_path / "a.npz", **arrays)
    seen = holdall.inspect(tmp_path / "a.npz").tensors
    assert list(seen) == list(arrays)
    for name, array in arrays.items():
        assert seen[name]["sha256"] == digest(array), name
        assert seen[name]["shape"] == list(array.shape), name


def test_single_arrays_of_numpy_are_read_bit_for_bit(holdall, tmp_path):
    for index, (name, array) in enumerate(every_array().items()):
        path = tmp_path / f"{index}.npy"
        numpy.save(path, array)
        assert holdall.inspect(path).tensors["tensor"]["sha256"] == digest(array), name


@pytest.mark.parametrize("target", ["b.npz", "b.npy"])
def test_numpy_loads_what_is_written(holdall, tmp_path, target):
    arrays = every_array()
    if target == "b.npy":
        for array in arrays.values():
            numpy.save(tmp_path / "a.npy", array)
            holdall.convert(tmp_path / "a.npy", tmp_path / target)
            written = numpy.load(tmp_path / target, allow_pickle=False)
            assert written.shape == array.shape and elements(written) == elements(array)
        return
    numpy.savez(tmp_path / "a.npz", **arrays)
    holdall.convert(tmp_path / "a.npz", tmp_path / target)
    with numpy.load(tmp_path / target, allow_pickle=False) as written:
        assert written.files == list(arrays)
        for name, array in arrays.items():
            assert written[name].shape == array.shape and elements(written[name]) == elements(array), name


def test_a_checkpoint_goes_through_an_archive_unchanged(holdall, tmp_path):
    torch = pytest.importorskip("torch")
    weights = torch.arange(6.0).reshape(2, 3)
    state = {
        "epoch": 3,
        "loss": float("nan"),
        "model": {"w": weights, "tied": weights, "bf16": weights.bfloat16(), "f8": weights.to(torch.float8_e4m3fn)},
        "betas": (0.9, 0.999),
    }
    torch.save(state, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.npz")
    with numpy.load(tmp_path / "b.npz", allow_pickle=False) as opened:
        for name in opened.files:
            opened[name]
        assert numpy.array_equal(opened["model.w"], weights.numpy())
    holdall.convert(tmp_path / "b.npz", tmp_path / "c.pt")
    again = torch.load(tmp_path / "c.pt", weights_only=True)
    assert list(again) == list(state) and again["betas"] == state["betas"] and again["epoch"] == 3
    assert again["model"]["w"].data_ptr() == again["model"]["tied"].data_ptr()
    for name, tensor in state["model"].items():
        assert again["model"][name].dtype == tensor.dtype
        assert torch.equal(again["model"][name].view(torch.uint8), tensor.view(torch.uint8)), name


def test_zip_tools_accept_what_is_written(holdall, tmp_path):
    numpy.savez(tmp_path / "a.npz", **every_array())
    holdall.convert(tmp_path / "a.npz", tmp_path / "b.npz")
    assert zipfile.ZipFile(tmp_path / "b.npz").testzip() is None
    for command in (["unzip", "-tqq"], ["zip", "-Tq"]):
        done = subprocess.run([*command, str(tmp_path / "b.npz")], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(given_.data())
def test_any_array_is_read_bit_for_bit(holdall, tmp_path, data):
    dtype = data.draw(
        given_.one_of(
            arrays_of.scalar_dtypes(),
            arrays_of.array_dtypes(arrays_of.scalar_dtypes(), max_size=3, allow_subarrays=True),
        )
    )
    if dtype.kind in "US":
        array = data.draw(arrays_of.arrays(dtype, arrays_of.array_shapes(max_dims=3, max_side=4)))
    else:
        shape = data.draw(arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
        size = int(numpy.prod(shape)) * dtype.itemsize
        array = numpy.frombuffer(data.draw(given_.binary(min_size=size, max_size=size)), "u1")
        if dtype.itemsize == 0 or "U" in str(dtype.descr):
            return
        array = (array % 2 if dtype.kind == "b" else array).view(dtype).reshape(shape)
    if data.draw(given_.booleans()):
        array = numpy.asfortranarray(array)
    target = io.BytesIO()
    numpy.save(target, array)
    path = tmp_path / "any.npy"
    path.write_bytes(target.getvalue())
    try:
        numpy.load(path)
    except (ValueError, TypeError):
        return
    expected = numpy.load(path)
    assert holdall.inspect(path).tensors["tensor"]["sha256"] == digest(expected)
