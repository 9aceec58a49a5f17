"""The library's HDF5 writer against h5py and the tools of the HDF Group: everything comes back, and h5py goes on writing in it."""

import os
import shutil
import subprocess

import h5py
import ml_dtypes
import numpy
import pytest

import holdall
from holdall import _native
from holdall.keras import _recorded

DTYPES = "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64 complex64 complex128".split()
OPAQUE = {"bfloat16": ml_dtypes.bfloat16, "float8_e4m3fn": ml_dtypes.float8_e4m3fn}
SHAPES = {"matrix": (3, 4), "scalar": (), "empty": (0, 2), "large": (300, 70)}
ATTRIBUTES = {
    "text": "hé", "bytes": b"by", "fixed": numpy.array([b"ab", b"cde"]), "texts": ["ab", "ç", ""], "integer": 3, "real": 1.5, "flag": True, "élan": numpy.float32(2),
    "json": b"x" * 300_000, "none": [], "numpy": numpy.bytes_(b"abc"), "array": numpy.arange(6).reshape(2, 3),
}  # fmt: skip


def write(path, group, members=None, alignment=0, level=0):
    _native.write_hdf5(os.fspath(path), list(group.objects()), members, alignment, level, False, True, None)


def arrays():
    rng = numpy.random.default_rng(0)
    made = {f"{name}/{kind}": (rng.normal(size=shape) * 50).astype(name) for name in DTYPES for kind, shape in SHAPES.items()}
    made.update((name, rng.normal(size=(5, 2)).astype(dtype)) for name, dtype in OPAQUE.items())
    made["fixed"] = numpy.array([b"ab", b"cde", b""])
    return made


def filled(given):
    group = _recorded.Group()
    for name, array in given.items():
        group[name] = array
    for parent in (group, group["float32/matrix"], group.create_group("sub/empty")):
        parent.attrs.update(ATTRIBUTES)
    return group


def assert_read(file, given):
    for name, array in given.items():
        found = numpy.asarray(file[name][()])
        assert found.shape == array.shape and found.tobytes() == array.tobytes(), name
        assert file[name].dtype == array.dtype or name in OPAQUE, name
    for parent in (file, file["float32/matrix"], file["sub/empty"]):
        for name, value in ATTRIBUTES.items():
            found = parent.attrs[name]
            if isinstance(value, list | numpy.ndarray):
                assert numpy.asarray(found).tolist() == numpy.asarray(value).tolist(), name
            else:
                assert found == (value.decode() if type(value) is bytes else value), name


@pytest.mark.parametrize("level", [0, 4])
def test_h5py_reads_everything_back_and_goes_on_writing(tmp_path, level):
    given = arrays()
    path = tmp_path / "all.h5"
    write(path, filled(given), level=level)
    with h5py.File(path) as file:
        assert_read(file, given)
        assert file["float32/large"].compression == ("gzip" if level else None)
    with h5py.File(path, "a") as file:
        file["new"] = numpy.arange(1_000_000)
        file["sub/empty/other"] = "text"
        file.attrs["more"] = "z"
        file["float32/matrix"].attrs["more"] = 1
        file["float64/large"][...] = 7
        del file["int8/scalar"]
    with h5py.File(path) as file:
        del given["int8/scalar"], given["float64/large"]
        assert_read(file, given)
        assert file["new"][999_999] == 999_999 and file.attrs["more"] == "z" and (file["float64/large"][()] == 7).all()


@pytest.mark.parametrize("level", [0, 4])
def test_the_tools_of_hdf5_read_it(tmp_path, level):
    if shutil.which("h5dump") is None:
        pytest.skip("h5dump is not installed")
    path = tmp_path / "all.h5"
    given = arrays()
    write(path, filled(given), level=level)
    listed = subprocess.run(["h5ls", "-r", path], capture_output=True, text=True, check=True)
    assert listed.stderr == "" and all(f"/{name}" in listed.stdout for name in given)
    dumped = subprocess.run(["h5dump", "-d", "/int32/large", "-w", "0", "-m", "%d", path], capture_output=True, text=True, check=True)
    assert dumped.stderr == ""
    numbers = [int(word) for line in dumped.stdout.splitlines() if "): " in line for word in line.split("): ")[1].rstrip(",").split(",") if word.strip()]
    assert numbers == given["int32/large"].reshape(-1).tolist()
    assert subprocess.run(["h5dump", path], capture_output=True, check=True).stderr == b""


def test_groups_of_many_links_and_objects_of_many_attributes(tmp_path):
    group = _recorded.Group()
    for number in range(20_000):
        group[f"many/name{number}"] = numpy.int16(number % 1000)
    for number in range(3000):
        group.attrs[f"attribute{number}"] = number
    path = tmp_path / "many.h5"
    write(path, group)
    with h5py.File(path, "a") as file:
        assert len(file["many"]) == 20_000 and len(file.attrs) == 3000
        assert all(file[f"many/name{number}"][()] == number % 1000 for number in range(0, 20_000, 97))
        for number in range(500):
            file[f"many/other{number}"] = number
            del file[f"many/name{number}"]
    with h5py.File(path) as file:
        assert len(file["many"]) == 20_000 and file["many/other499"][()] == 499


@pytest.mark.parametrize("shape", [(3000, 1000), (1, 3, 2000, 500), (3_000_000,), (3, 1_000_000), (2, 1, 1_500_000)])
def test_chunks_of_every_shape(tmp_path, shape):
    array = numpy.random.default_rng(0).integers(0, 9, size=shape, dtype="int32")
    group = _recorded.Group()
    group["a"], group["behind"] = array, array.reshape(-1)[:2000]
    path = tmp_path / "chunks.h5"
    write(path, group, level=1)
    with h5py.File(path) as file:
        assert file["a"].chunks is not None and (file["a"][()] == array).all() and (file["behind"][()] == array.reshape(-1)[:2000]).all()


def test_what_no_header_holds_is_refused_and_nothing_is_written(tmp_path):
    for name, value in (("long", numpy.array([b"n" * 40_000] * 2)), ("", 1), ("a\0b", 1)):
        group = _recorded.Group()
        group.attrs[name] = value
        with pytest.raises(holdall.Error):
            write(tmp_path / "out.h5", group)
    assert os.listdir(tmp_path) == []


def test_elements_are_aligned(tmp_path):
    group = _recorded.Group()
    group["a"], group["b"] = numpy.arange(1000), numpy.arange(5)
    write(tmp_path / "out.h5", group, alignment=4096)
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["a"].id.get_offset() % 4096 == 0 and file["b"].id.get_offset() % 4096 == 0
