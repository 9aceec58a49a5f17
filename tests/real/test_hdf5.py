"""HDF5 files that h5py wrote, in every version of the format, against what h5py reads; speed and hostile files too."""

import hashlib
import itertools
import shutil
import struct
import subprocess

import numpy
import pytest

h5py = pytest.importorskip("h5py")

VERSIONS = ["earliest", "v108", "v110", "latest"]
CHANCE = numpy.random.default_rng(7)


def elements(array):
    array = numpy.asarray(array)
    if array.dtype.kind in "SO":
        texts = [text if isinstance(text, bytes) else text.encode() for text in array.ravel().tolist()]
        return b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    if array.dtype.kind == "V":
        return numpy.ascontiguousarray(array).tobytes()
    return numpy.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


def assert_as_h5py(holdall, path):
    """Every data set that h5py finds is there under its path, with its shape and bytes; and no other."""
    outcome = holdall.inspect(path)
    expected = {}
    with h5py.File(path) as file:

        def note(name, item):
            if isinstance(item, h5py.Dataset):
                expected[name] = item[()]

        file.visititems(note)
    found = outcome.tensors
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name]["shape"] == list(numpy.shape(array)), name
        assert found[name]["sha256"] == hashlib.sha256(elements(array)).hexdigest(), name
    assert holdall("verify", path, "--json").json["sound"]
    return outcome


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("order", "<>")
def test_every_dtype(holdall, tmp_path, version, order):
    path = tmp_path / "types.h5"
    with h5py.File(path, "w", libver=version) as file:
        for kind in "i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split():
            for shape in [(), (0,), (5,), (3, 4), (2, 3, 4)]:
                name = f"{kind}/{'x'.join(map(str, shape)) or 'scalar'}"
                file[name] = numpy.asarray(CHANCE.random(shape) * 100).astype(order + kind)
                if shape not in [(), (0,)]:
                    data = (CHANCE.random(shape) * 9).astype(order + kind)
                    file.create_dataset(name + " z", data=data, compression="gzip", shuffle=True, chunks=tuple(max(1, n - 1) for n in shape))
        file["bool"] = CHANCE.random((4, 5)) > 0.5
        file["S"] = numpy.array([[b"a", b"", b"bcd"]])
        file.create_dataset("utf8", data=["", "日本語", "x" * 300], dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=[b"a", "é".encode()], dtype=h5py.string_dtype("utf-8", 6))
        file["record"] = CHANCE.integers(0, 99, 6).astype([("a", order + "i2"), ("b", order + "f8"), ("c", "S3")])
        file["opaque"] = numpy.frombuffer(b"abcdef", "V3")
        file.create_dataset("enum", data=[1, 2, 1], dtype=h5py.enum_dtype({"A": 1, "B": 2}, order + "i4"))
    assert_as_h5py(holdall, path)


SHAPES = [((20,), (3,)), ((17, 13), (5, 4)), ((17, 13), (17, 13)), ((9, 8, 7), (2, 8, 7)), ((9, 8, 7), (4, 3, 7)), ((5, 6, 7, 3), (2, 2, 3, 3))]
FILTERS = [{}, {"compression": "gzip"}, {"shuffle": True}, {"fletcher32": True}, {"compression": 9, "shuffle": True, "fletcher32": True}]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("growth", ["fixed", "bounded", "first", "last", "all"])
def test_every_index_of_chunks_and_filter(holdall, tmp_path, version, growth):
    path = tmp_path / "chunks.h5"
    with h5py.File(path, "w", libver=version) as file:
        for (number, (shape, chunks)), (other, filters) in itertools.product(enumerate(SHAPES), enumerate(FILTERS)):
            most = {
                "fixed": shape,
                "bounded": tuple(2 * n + 1 for n in shape),
                "first": (None, *shape[1:]),
                "last": (*shape[:-1], None),
                "all": (None,) * len(shape),
            }[growth]
            data = CHANCE.integers(0, 50, shape).astype("i4")
            file.create_dataset(f"whole {number} {other}", data=data, chunks=chunks, maxshape=most, **filters)
            part = file.create_dataset(f"part {number} {other}", shape, "f8", chunks=chunks, maxshape=most, fillvalue=1.5, **filters)
            part[tuple(slice(n // 3, n // 2 + 1) for n in shape)] = 2.0
            if growth != "fixed":
                part.resize(tuple(n + 1 if m is None or n < m else n for n, m in zip(shape, most)))
    assert_as_h5py(holdall, path)


@pytest.mark.parametrize("version", VERSIONS)
def test_many_chunks(holdall, tmp_path, version):
    """Indices of several levels, data blocks in pages."""
    path = tmp_path / "many.h5"
    with h5py.File(path, "w", libver=version) as file:
        data = numpy.arange(300_000, dtype="u4")
        for name, most in [("fixed", None), ("growing", (None,)), ("bounded", (400_000,))]:
            made = file.create_dataset(name, data.shape, "u4", chunks=(2,), maxshape=most)
            made[: 150_000] = data[: 150_000]
            made[290_000:] = data[290_000:]
        file.create_dataset("both", data=data.reshape(600, 500), chunks=(3, 5), maxshape=(None, None), compression="gzip")
    assert_as_h5py(holdall, path)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("user_block", [0, 512, 65536])
def test_groups_links_and_attributes(holdall, tmp_path, version, user_block):
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w", libver=version, userblock_size=user_block) as file:
        for i in range(700):
            file[f"wide/d{i}"] = numpy.int32(i)
        file["/".join("deep" for _ in range(60)) + "/data"] = numpy.arange(3)
        tracked = file.create_group("tracked", track_order=True)
        for i in range(20):
            tracked[f"{(i * 7) % 20}"] = numpy.int8(i)
        for i in range(100):
            tracked.attrs[f"a{i}"] = "x" * i
        file["wide/d3"].attrs["numbers"] = numpy.arange(4000.0)
        file.attrs["texts"] = [f"name {i}" for i in range(500)]
        file.attrs["record"] = numpy.array((1, 2.5), dtype=[("a", "i4"), ("b", "f8")])
        for i in range(0, 600, 2):
            del file[f"wide/d{i}"]
    outcome = assert_as_h5py(holdall, path)
    metadata = outcome.json["metadata"]
    assert metadata["texts"] == [f"name {i}" for i in range(500)]
    assert metadata["record"] == {"a": 1, "b": 2.5}
    assert metadata["/tracked"]["a99"] == "x" * 99
    assert metadata["/wide/d3"]["numbers"][:2] == [0.0, 1.0]


def test_types_with_names(holdall, tmp_path):
    """A type that is an object of its own, shared by data sets and attributes."""
    path = tmp_path / "named.h5"
    for version in VERSIONS:
        with h5py.File(path, "w", libver=version) as file:
            file["type"] = numpy.dtype([("a", "<i4"), ("b", "<f8")])
            for i in range(5):
                file.create_dataset(f"d{i}", data=numpy.zeros(3, file["type"].dtype), dtype=file["type"])
                file[f"d{i}"].attrs.create("x", numpy.zeros(2, file["type"].dtype), dtype=file["type"])
        outcome = assert_as_h5py(holdall, path)
        assert outcome.json["metadata"]["/d3"]["x"] == [{"a": 0, "b": 0.0}] * 2


@pytest.mark.skipif(shutil.which("h5repack") is None, reason="h5repack of hdf5-tools makes the files")
@pytest.mark.parametrize("least", ["8", "8:dtype", "8:attr", "8:fill"])
def test_shared_messages(holdall, tmp_path, least):
    """Types, spaces, fill values and attributes that a file keeps once for many objects."""
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w", libver="latest") as file:
        for i in range(60):
            made = file.create_dataset(f"d{i}", data=numpy.arange(30.0).reshape(5, 6), fillvalue=3.5)
            for j in range(12 if i == 5 else 2):
                made.attrs[f"note {j}"] = "the same text for all of them"
    path = tmp_path / "shared.h5"
    subprocess.run(["h5repack", "-L", "-s", least, plain, path], check=True)
    outcome = assert_as_h5py(holdall, path)
    assert outcome.json["metadata"]["/d5"]["note 11"] == "the same text for all of them"


def test_damage_is_never_a_crash(holdall, tmp_path):
    path = tmp_path / "whole.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for i in range(12):
            file[f"d{i}"] = numpy.arange(i)
        file.create_dataset("z", data=numpy.arange(400).reshape(20, 20), chunks=(6, 7), compression="gzip", maxshape=(None, 20))
    whole = path.read_bytes()
    for seed in range(40):
        chance = numpy.random.default_rng(seed)
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.integers(len(damaged))] = chance.integers(256)
        path.write_bytes(damaged)
        holdall("inspect", path, "--digest", status=None, memory=1 << 30)
        holdall("verify", path, status=None, memory=1 << 30)
        holdall("scan", path, status=None, memory=1 << 30)
