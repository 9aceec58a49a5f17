"""Whatever is passed in, and whatever the file has become: an exception of a known kind, never a crash, never half a result."""

import contextlib
import io
import math
import os
import shutil

import numpy
import pytest
import torch
from equal import assert_same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from objects import trained

import holdall
import holdall.torch
from holdall import _native

# What Python raises for an argument of a wrong type or value; everything else that comes out is Holdall's.
REFUSALS = (TypeError, ValueError, OverflowError, IndexError, KeyError, BufferError, holdall.Error)
QUIET = settings(deadline=None, max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(max_size=8), st.binary(max_size=8),
    st.sampled_from(["torch", "numpy", "float16", "q4_k", "cpu", "pytorch", "*", "w", "../x", "a\0b", "\ud800", "/", ""]),
)  # fmt: skip
keys = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none(), st.tuples(st.integers(), st.text(max_size=2)), st.floats())
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(keys, inner, max_size=3), st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "a.pt"
    model, optimizer = trained()
    torch.save({"m": model.state_dict(), "o": optimizer.state_dict(), "w": torch.arange(120.0).reshape(2, 3, 4, 5)}, path)
    return path


@contextlib.contextmanager
def refused_or_done():
    with contextlib.suppress(*REFUSALS):
        yield


@QUIET
@given(arguments=st.fixed_dictionaries({}, optional={name: scalars | anything for name in
       ("framework", "device", "dtype", "select", "check", "mmap", "trusted", "progress")}))  # fmt: skip
def test_load_takes_or_refuses_any_arguments(path, arguments):
    with refused_or_done(), contextlib.suppress(ImportError, RuntimeError):  # a framework that is not there; a device that torch does not know
        holdall.load(path, **arguments)


@QUIET
@given(value=anything, extension=st.sampled_from(["pt", "npz", "safetensors", "pkl", "npy", "x"]), metadata=st.none() | st.dictionaries(keys, anything, max_size=2),
       more=st.fixed_dictionaries({}, optional={name: anything for name in ("format", "shard_size", "alignment", "trusted")}))  # fmt: skip
def test_what_save_takes_comes_back(tmp_path, value, extension, metadata, more):
    path = tmp_path / f"a.{extension}"
    try:
        holdall.save(value, path, metadata=metadata, sync=False, **more)
    except REFUSALS:
        assert os.listdir(tmp_path) == []
        return
    if path.is_dir():  # a format that is a folder
        shutil.rmtree(path)
        return
    assert same(holdall.load(path), value)
    assert metadata is None or same(holdall.open(path).metadata, metadata)
    path.unlink()


def same(a, b):
    if isinstance(a, dict):
        return type(b) is dict and len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or repr(a) == repr(b))


@QUIET
@given(arguments=st.fixed_dictionaries({}, optional={name: anything for name in
       ("format", "dtype", "select", "rename", "shard_size", "alignment", "compress", "allow_loss")}), output=st.text(max_size=6))  # fmt: skip
def test_convert_takes_or_refuses_any_arguments(path, tmp_path, arguments, output):
    with refused_or_done():
        holdall.convert(path, tmp_path / ("x" + output.replace("/", "").replace("\0", "")), sync=False, **arguments)


indices = st.one_of(st.integers(-6, 6), st.slices(6), st.just(...), st.none(), st.booleans(), st.lists(st.integers(-3, 2), max_size=3), st.text(max_size=2))


@QUIET
@given(index=indices | st.lists(indices, max_size=5).map(tuple))
def test_a_part_is_numpy_s_part_or_numpy_s_refusal(path, index):
    tensor = holdall.open(path)["w"]
    try:
        expected = tensor.numpy()[index]
    except (IndexError, TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            tensor[index]
        return
    part = tensor[index]
    assert numpy.array_equal(part, expected) and numpy.shape(part) == numpy.shape(expected) and part.dtype == expected.dtype


numbers = st.integers(-(1 << 70), 1 << 70) | st.integers(-3, 600)
NATIVE = {
    "facts": (numbers,), "location": (numbers,), "read_range": (numbers, numbers, numbers),
    "load_elements": (st.lists(numbers, max_size=3), st.booleans(), st.booleans(), st.none() | scalars),
    "load_storages": (st.lists(numbers, max_size=3), st.booleans(), st.booleans(), st.none() | scalars),
    "stage": (st.lists(numbers, max_size=3), st.booleans(), st.none() | scalars),
    "tree": (st.sampled_from(["tree", "metadata", "config", "x"]), st.lists(scalars, max_size=3), anything, anything, anything, anything),
    "save": (scalars, scalars, st.booleans(), st.booleans(), numbers, numbers, st.booleans(), st.none()),
}  # fmt: skip


@pytest.mark.parametrize("method", NATIVE)
def test_the_binding_refuses_what_it_cannot_take(path, method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    native = holdall.open(path)._native

    @QUIET
    @given(arguments=st.tuples(*NATIVE[method]) | st.lists(scalars, max_size=8))
    def call(arguments):
        with refused_or_done():
            getattr(native, method)(*arguments)

    call()


@QUIET
@given(described=st.tuples(st.sampled_from(["elements", "object", "global", "model", "x"]), anything, anything, anything, anything) | anything)
def test_a_description_that_is_none_is_refused(described):
    with refused_or_done(), contextlib.suppress(RuntimeError):  # a field of the tuple that is of another type
        _native.build({"x": object()}, lambda value: described, None, "")


@QUIET
@given(size=st.integers(0, 200), piece=anything)
def test_any_buffer_is_filled_or_refused(path, size, piece):
    native = holdall.open(path)._native
    staging, sizes, _ = native.stage(range(len(native)), True, None)
    with refused_or_done():
        staging.next(piece)
    with refused_or_done():
        memory = bytearray(size)
        for _ in range(sum(sizes)):
            pieces = staging.next(memory)
            if not pieces:
                break
            assert all(at + count <= size for _, _, at, count in pieces)


class Odd(io.RawIOBase):
    """A file object that is no good."""

    def __init__(self, data, answers):
        self.data, self.answers, self.at = data, answers, 0

    def seek(self, offset, whence=0):
        self.at = offset + (len(self.data) if whence == 2 else 0)
        return self.at

    def read(self, size=-1):
        answer = self.answers.pop() if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return self.data[self.at : self.at + size] if answer is None else answer


@QUIET
@given(answers=st.lists(st.one_of(st.none(), st.binary(max_size=9), st.text(max_size=3), st.just(OSError("no")), st.just(b"x" * 5000), st.integers()), max_size=6))
def test_file_objects_may_answer_anything(path, answers):
    with refused_or_done():
        holdall.load(Odd(path.read_bytes(), list(answers)), framework="torch")


@pytest.mark.parametrize("extension", ["pt", "safetensors", "npz", "pkl"])
def test_damaged_files_give_all_or_an_error(extension, path, tmp_path):
    whole = tmp_path / f"a.{extension}"
    holdall.convert(path, whole, allow_loss=True)
    data = whole.read_bytes()
    expected = holdall.load(whole, framework="torch")
    damaged = tmp_path / "damaged"
    first = min((place.offset for tensor in holdall.open(whole).values() if (place := tensor.location)), default=0)

    @QUIET
    @given(edits=st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), min_size=1, max_size=3), size=st.just(len(data)) | st.integers(0, len(data)))
    def load(edits, size):
        changed = bytearray(data[:size])
        for at, byte in edits:
            if at < size:
                changed[at] = byte
        damaged.write_bytes(changed)
        module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
        before = {name: value.clone() for name, value in module.state_dict().items()}
        try:
            holdall.torch.load_into(module, damaged, prefix="m.")
        except holdall.Error:
            assert_same(before, dict(module.state_dict()))
        with contextlib.suppress(*REFUSALS):
            loaded = holdall.load(damaged, framework="torch")
            # Where every tensor has a checksum, and what keeps it is whole, what loads has the values that were saved.
            if all(at >= first for at, _ in edits) and extension in ("pt", "safetensors") and isinstance(loaded, dict) and isinstance(loaded.get("w"), torch.Tensor):
                assert loaded["w"].shape != (2, 3, 4, 5) or loaded["w"].dtype != torch.float32 or loaded["w"].equal(expected["w"])

    load()


def test_a_size_that_overflows_is_refused(tmp_path):
    for size in ("9" * 400 + "GB", "1e400", math.inf, -1, 1 << 64):
        with pytest.raises(REFUSALS):
            holdall.save({"w": numpy.ones(3)}, tmp_path / "a.safetensors", shard_size=size)
    assert os.listdir(tmp_path) == []
