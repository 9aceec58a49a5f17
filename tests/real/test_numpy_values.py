"""NumPy's arrays and scalars inside of files that are not NumPy's: a checkpoint dict comes back with their types and dtypes."""

import pickle
import zipfile

import numpy
import pytest
import torch

SCALARS = {
    "float64": numpy.float64(0.25), "float32": numpy.float32(0.1), "float16": numpy.float16(0.1), "nan": numpy.float32("nan"),
    "int64": numpy.int64(-7), "int8": numpy.int8(-1), "uint64": numpy.uint64(2**64 - 1), "bool": numpy.bool_(True),
    "complex64": numpy.complex64(1 - 2j), "complex128": numpy.complex128(1e300j), "str": numpy.str_("na\u00efve"),
    "bytes": numpy.bytes_(b"a\xff"), "datetime": numpy.datetime64("2024-01-02"), "timedelta": numpy.timedelta64(5, "ms"),
    "longdouble": numpy.longdouble(1) / 3,
}
STRUCTURE = numpy.dtype([("id", "<i4"), ("name", "<U3"), ("raw", "S2"), ("box", "<f4", (2, 2)), ("inner", [("when", "<M8[ns]"), ("ok", "?")])])
ARRAYS = {
    "matrix": numpy.arange(6, dtype="<i2").reshape(2, 3), "scalar": numpy.array(2.5), "empty": numpy.zeros((0, 3), "<u2"),
    "bool": numpy.array([True, False]), "complex": numpy.array([1 - 2j], "<c8"), "text": numpy.array([["a"], ["\u20acuro"]]),
    "blank": numpy.array(["", ""]), "raw": numpy.array([b"ab", b"c"]), "when": numpy.array(["2020-01-01", "NaT"], "<M8[D]"),
    "structure": numpy.zeros(3, STRUCTURE), "gaps": numpy.zeros(2, numpy.dtype([("a", "i1"), ("b", "<f8")], align=True)),
    "holes": numpy.zeros((2, 1), numpy.dtype({"names": ["x", "y"], "formats": ["<i2", ">f4"], "offsets": [4, 8], "itemsize": 20})),
    "titles": numpy.zeros(2, [(("a title", "a"), "<i4"), ("it's", "<i4")]), "opaque": numpy.array([b"abc", b"de"], "V4"),
    "longdouble": numpy.array([1, 3], numpy.longdouble) / 3,
}
# Objects that stay what they are, without being tensors.
OBJECTS = {
    "objects": numpy.array([{"a": numpy.arange(2)}, None, "x"], dtype=object), "masked": numpy.ma.masked_array([1.0, 2.0], mask=[False, True]),
    "records": numpy.rec.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i4"), ("b", "<f8")]), "void": ARRAYS["structure"][1],
    "view": numpy.asmatrix(numpy.ones((2, 2))), "generator": numpy.random.default_rng(3), "dtype": STRUCTURE, "class": numpy.float32,
}
ARRAYS["structure"]["id"] = [1, -2, 3]
ARRAYS["structure"]["name"] = ["a", "\u20ac", "xyz"]
ARRAYS["structure"]["box"] = 0.5
ARRAYS["structure"]["inner"]["ok"] = True
ARRAYS["holes"]["y"] = 1.5


# What safetensors has dtypes for.
PLAIN = {name: array for name, array in ARRAYS.items() if array.dtype.kind in "biufcM" and array.dtype != numpy.longdouble}


def checkpoint(arrays=PLAIN):
    return {
        "model": {"w": torch.arange(4.0), "b": torch.nn.Parameter(torch.ones(2))}, "scalars": SCALARS, "arrays": arrays, "objects": OBJECTS,
        "rng": numpy.random.RandomState(3).get_state(), "history": [numpy.float64(0.5), {numpy.int64(3): numpy.float32(2)}], "epoch": 3,
    }


def assert_same(found, wanted, where="$"):
    assert type(found) is type(wanted), f"{where}: {type(wanted)} became {type(found)}"
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for key in wanted:
            assert_same(found[key], wanted[key], f"{where}.{key}")
    elif isinstance(wanted, numpy.ndarray):
        assert found.dtype == wanted.dtype.newbyteorder("<") if wanted.dtype.names is None else found.dtype == wanted.dtype, where
        assert found.shape == wanted.shape, where
        if isinstance(wanted, numpy.ma.MaskedArray):
            assert_same(found.mask, wanted.mask, where)
        if wanted.dtype.hasobject:
            assert_same(found.tolist(), wanted.tolist(), where)
        else:
            assert found.tobytes() == (wanted if wanted.dtype.names else wanted.astype(found.dtype)).tobytes(), where
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), where
        for index, pair in enumerate(zip(found, wanted)):
            assert_same(*pair, f"{where}.{index}")
    elif isinstance(wanted, numpy.generic):
        assert found.dtype == wanted.dtype and found.tobytes() == wanted.tobytes(), f"{where}: {wanted!r} became {found!r}"
    elif isinstance(wanted, torch.Tensor):
        assert found.dtype == wanted.dtype and torch.equal(found, wanted), where
    elif isinstance(wanted, numpy.random.Generator):
        assert found.bit_generator.state == wanted.bit_generator.state, where
    else:
        assert found == wanted, f"{where}: {wanted!r} became {found!r}"


def through(holdall, folder, first, *others):
    for name in others:
        holdall.convert(first, folder / name)
        first = folder / name
    return first


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("chain", [["b.pt"], ["b.npz", "c.pt"], ["b.safetensors", "c.pt"], ["b.safetensors", "c.npz", "d.pt"]], ids="-".join)
def test_a_torch_checkpoint_comes_back_with_numpys_types(holdall, tmp_path, chain, protocol):
    value = checkpoint(PLAIN if "b.safetensors" in chain else ARRAYS)
    torch.save(value, tmp_path / "a.pt", pickle_protocol=protocol)
    last = through(holdall, tmp_path, tmp_path / "a.pt", *chain)
    assert_same(torch.load(last, weights_only=False), value)
    assert holdall("diff", tmp_path / "a.pt", last, "--json").json["same"] is True


def test_a_legacy_file_and_shards_keep_them_too(holdall, tmp_path):
    value = {"w": torch.ones(2), "loss": numpy.float32(0.1), "rng": numpy.arange(5, dtype="u4")}
    torch.save(value, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.pt")
    assert_same(torch.load(tmp_path / "b.pt", weights_only=False), value)
    holdall.convert(tmp_path / "a.pt", tmp_path / "shards", "--to", "pytorch", "--shard-size", "1kB")
    holdall.convert(tmp_path / "shards", tmp_path / "c.pt")
    assert_same(torch.load(tmp_path / "c.pt", weights_only=False), value)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_comes_back_with_numpys_types(holdall, tmp_path, protocol):
    value = {key: value for key, value in checkpoint(ARRAYS).items() if key != "model"}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
    last = through(holdall, tmp_path, tmp_path / "a.pkl", "b.pkl", "c.npz", "d.pkl")
    assert_same(pickle.loads(last.read_bytes()), value)
    assert holdall("scan", last, "--json", status=None).json["verdict"] == holdall("scan", tmp_path / "a.pkl", "--json", status=None).json["verdict"]


def test_arrays_of_an_archive_become_a_pickle(holdall, tmp_path):
    numpy.savez(tmp_path / "a.npz", **ARRAYS, objects=OBJECTS["objects"])
    holdall.convert(tmp_path / "a.npz", tmp_path / "b.pkl")
    assert_same(pickle.loads((tmp_path / "b.pkl").read_bytes()), {**ARRAYS, "objects": OBJECTS["objects"]})


def test_byte_order_becomes_the_usual_one_and_memory_order_stays(holdall, tmp_path):
    value = {"big": numpy.arange(6, dtype=">f8").reshape(2, 3), "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3))}
    torch.save(value, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.pt")
    back = torch.load(tmp_path / "b.pt", weights_only=False)
    assert back["big"].dtype == numpy.dtype("<f8") and back["fortran"].flags.f_contiguous
    for name in value:
        assert numpy.array_equal(back[name], value[name])


def test_whose_array_it_is_makes_no_difference(holdall, tmp_path):
    torch.save({"w": torch.ones(2), "x": {"a": numpy.arange(3), "n": numpy.float64(2)}}, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.pkl")
    assert holdall("diff", tmp_path / "a.pt", tmp_path / "b.pkl", "--json").json["same"] is True


def test_a_bare_array_of_a_torch_file_is_an_array_file(holdall, tmp_path):
    torch.save(numpy.arange(3), tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.npy")
    assert_same(numpy.load(tmp_path / "b.npy"), numpy.arange(3))


def test_an_array_that_two_keys_share_stays_one(holdall, tmp_path):
    array = numpy.arange(3)
    torch.save({"a": array, "b": [array], "w": torch.ones(1)}, tmp_path / "a.pt")
    back = torch.load(through(holdall, tmp_path, tmp_path / "a.pt", "b.safetensors", "c.npz", "d.pt"), weights_only=False)
    assert back["a"] is back["b"][0]


def test_the_weights_only_loader_takes_them_where_it_is_allowed_to(holdall, tmp_path):
    from numpy._core.multiarray import _reconstruct

    value = {"w": torch.ones(1), "loss": numpy.float64(0.5), "step": numpy.int64(3), "rng": numpy.arange(3, dtype="u4")}
    torch.save(value, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.pt", weights_only=True)
    allowed = [numpy.float64, numpy.int64, numpy.ndarray, numpy.dtype, numpy.dtypes.UInt32DType, (_reconstruct, "numpy.core.multiarray._reconstruct")]
    with torch.serialization.safe_globals(allowed):
        assert_same(torch.load(tmp_path / "b.pt", weights_only=True), value)


def test_what_did_not_come_from_torch_becomes_torchs_own(holdall, tmp_path):
    value = {"w": numpy.arange(4, dtype="f4"), "loss": numpy.float32(0.1), "n": {"step": numpy.int64(3)}}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    last = through(holdall, tmp_path, tmp_path / "a.pkl", "b.safetensors", "c.pt")
    for path in (last, through(holdall, tmp_path, tmp_path / "a.pkl", "d.pt")):
        back = torch.load(path, weights_only=True)
        assert torch.equal(back["w"], torch.arange(4.0))
        assert type(back["loss"]) is float and back["loss"] == float(numpy.float32(0.1))
        assert type(back["n"]["step"]) is int


def test_arrays_too_large_for_the_pickles_text_are_copied(holdall, tmp_path):
    """Protocol 2 spells bytes as text; beyond 64 MB protocol 4 has them as they are, copied piece by piece."""
    value = {"large": numpy.arange(9_000_000, dtype="<f8"), "small": numpy.arange(10), "w": torch.ones(3)}
    torch.save(value, tmp_path / "a.pt", pickle_protocol=4)
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.pt", memory=1 << 30)
    assert_same(torch.load(tmp_path / "b.pt", weights_only=False), value)
    with zipfile.ZipFile(tmp_path / "b.pt") as archive:
        assert archive.read("b/data.pkl")[:2] == b"\x80\x04" and archive.testzip() is None
    assert holdall("verify", tmp_path / "b.pt", "--json").json["sound"] is True
