"""diff, verify, inspect, convert and formats: documents, exit statuses, messages."""

import hashlib
import io
import json
import math
import os
import struct

import numpy
import pytest
import safetensors.torch
import torch

import samples
from oracle import assert_equal, assert_holds, named


@pytest.fixture
def pair(tmp_path):
    """Two files of one state, in two formats."""
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3, dtype=torch.int64)}
    torch.save(state, tmp_path / "a.pt")
    safetensors.torch.save_file(state, tmp_path / "b.safetensors")
    return state, tmp_path / "a.pt", tmp_path / "b.safetensors"


def test_equal_tensors_in_two_formats_are_the_same(holdall, pair):
    _, a, b = pair
    assert holdall("diff", a, b, "--json").json == {**holdall("diff", a, b, "--json").json, "same": True, "only_a": [], "only_b": [], "changed": []}


def test_differences_are_measured(holdall, pair, tmp_path):
    state, a, _ = pair
    other = {"a": state["a"].clone(), "c": torch.zeros(1)}
    other["a"][1, 2] += 0.5
    safetensors.torch.save_file(other, tmp_path / "c.safetensors")
    document = holdall("diff", a, tmp_path / "c.safetensors", "--json", status=1).json
    assert document["same"] is False and document["only_a"] == ["b"] and document["only_b"] == ["c"]
    (changed,) = document["changed"]
    cosine = torch.nn.functional.cosine_similarity(state["a"].flatten().double(), other["a"].flatten().double(), dim=0).item()
    assert changed["name"] == "a" and changed["max_abs"] == pytest.approx(0.5) and changed["cosine"] == pytest.approx(cosine)
    assert changed["max_rel"] == pytest.approx(0.5 / other["a"][1, 2].item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64, torch.complex128, torch.int8, torch.int64, torch.uint8])
def test_differences_are_those_of_numpy(holdall, tmp_path, dtype):
    a, b = (samples.values(dtype, 1000), samples.values(dtype, 1001)[1:])
    b[7] = 0
    torch.save({"w": a}, tmp_path / "a.pt")
    torch.save({"w": b}, tmp_path / "b.pt")
    (changed,) = holdall("diff", tmp_path / "a.pt", tmp_path / "b.pt", "--json", status=1).json["changed"]
    x, y = (t.to(torch.complex128 if dtype.is_complex else torch.float64).numpy() for t in (a, b))
    away, size = abs(x - y), abs(y)
    assert changed["max_abs"] == pytest.approx(away.max())
    assert changed["max_rel"] == pytest.approx((away[size != 0] / size[size != 0]).max())
    assert changed["cosine"] == pytest.approx((x * y.conj()).real.sum() / numpy.linalg.norm(x) / numpy.linalg.norm(y))
    middle = float(numpy.median(away))
    document = holdall("diff", tmp_path / "a.pt", tmp_path / "b.pt", "--atol", repr(middle), "--json", status=1).json
    assert document["changed"][0]["differing"] == int((away > middle).sum())


def test_complex_numbers_are_as_far_apart_as_their_difference_is_long(holdall, tmp_path):
    torch.save({"w": torch.tensor([3 + 4j])}, tmp_path / "a.pt")
    torch.save({"w": torch.tensor([0j])}, tmp_path / "b.pt")
    (changed,) = holdall("diff", tmp_path / "a.pt", tmp_path / "b.pt", "--atol", "4", "--json", status=1).json["changed"]
    assert (changed["max_abs"], changed["max_rel"]) == (5, None)
    holdall("diff", tmp_path / "a.pt", tmp_path / "b.pt", "--atol", "5")


@pytest.mark.parametrize("out,flags", [("b.npz", ["--shard-size", "1KB"]), ("b.pkl", ["--shard-size", "1KB"]), ("b.pkl", ["--alignment", "4096"])])
def test_a_wish_that_the_target_cannot_fulfil_is_refused(holdall, pair, tmp_path, out, flags):
    _, a, _ = pair
    outcome = holdall("convert", a, tmp_path / out, *flags, status=2)
    assert "shards" in outcome.err or "alignment" in outcome.err
    assert not (tmp_path / out).exists()


def test_a_tolerance_forgives(holdall, pair, tmp_path):
    state, a, _ = pair
    torch.save({"a": state["a"] + 1e-6, "b": state["b"]}, tmp_path / "c.pt")
    holdall("diff", a, tmp_path / "c.pt", status=1)
    holdall("diff", a, tmp_path / "c.pt", "--atol", "1e-3")
    holdall("diff", a, tmp_path / "c.pt", "--rtol", "1e-9", status=1)


def test_shape_dtype_and_tree_changes_are_told(holdall, pair, tmp_path):
    state, a, _ = pair
    torch.save({"a": state["a"].reshape(3, 2), "b": state["b"].int(), "epoch": 4}, tmp_path / "c.pt")
    document = holdall("diff", a, tmp_path / "c.pt", "--json", status=1).json
    changed = {entry["name"]: entry for entry in document["changed"]}
    assert changed["a"]["a"]["shape"] == [2, 3] and changed["a"]["b"]["shape"] == [3, 2]
    assert changed["b"]["a"]["dtype"] == "int64" and changed["b"]["b"]["dtype"] == "int32"
    assert "epoch" in json.dumps(document["tree"])


def test_nan_equals_itself(holdall, tmp_path):
    torch.save({"w": torch.tensor([float("nan"), 1.0])}, tmp_path / "a.pt")
    torch.save({"w": torch.tensor([float("nan"), 2.0])}, tmp_path / "b.pt")
    holdall("diff", tmp_path / "a.pt", tmp_path / "a.pt")
    holdall("diff", tmp_path / "a.pt", tmp_path / "b.pt", status=1)


def test_diff_cannot_answer_without_a_file(holdall, pair, tmp_path):
    holdall("diff", pair[1], tmp_path / "absent.pt", status=2)


def test_offsets_and_sizes_lead_to_the_bytes(holdall, pair):
    state, a, b = pair
    for path in (a, b):
        for name, entry in holdall.inspect(path).tensors.items():
            file = path.parent / entry["file"] if not os.path.isabs(entry["file"]) else entry["file"]
            with open(file, "rb") as source:
                source.seek(entry["offset"])
                data = source.read(entry["bytes"])
            assert data == state[name].numpy().tobytes()
            assert entry["sha256"] == hashlib.sha256(data).hexdigest()


def test_the_document_has_every_key_of_the_contract(holdall, pair):
    document = holdall("inspect", pair[1], "--json").json
    assert {"path", "format", "detail", "bytes", "files", "parameters", "tensors", "tree", "metadata", "verdict", "findings", "warnings"} <= set(document)
    assert document["parameters"] == 9 and document["path"] == str(pair[1])
    assert {"name", "dtype", "shape", "bytes", "file", "offset"} <= set(document["tensors"][0])
    assert "sha256" not in document["tensors"][0] or document["tensors"][0]["sha256"] is None


def test_inspect_reads_no_tensor_bytes(holdall, tmp_path):
    """A file whose tensors are damaged still lists; only --digest notices."""
    torch.save({"w": torch.arange(1000.0)}, tmp_path / "m.pt")
    data = bytearray((tmp_path / "m.pt").read_bytes())
    at = data.index(torch.arange(1000.0).numpy().tobytes()) + 100
    data[at] ^= 1
    (tmp_path / "m.pt").write_bytes(bytes(data))
    holdall("inspect", tmp_path / "m.pt", "--json")
    holdall("inspect", tmp_path / "m.pt", "--json", "--digest", status=2)
    assert holdall("verify", tmp_path / "m.pt", "--json", status=1).json["sound"] is False


def test_tensors_are_chosen_by_glob(holdall, tmp_path):
    torch.save(samples.state_dict(), tmp_path / "m.pt")
    outcome = holdall("inspect", tmp_path / "m.pt", "--json", "--tensors", "layers.0.*")
    assert outcome.tensors and all(name.startswith("layers.0.") for name in outcome.tensors)


def test_standard_input_where_one_pass_suffices(holdall, pair):
    _, _, b = pair
    assert holdall("inspect", "-", "--json", stdin=b.read_bytes()).tensors.keys() == {"a", "b"}


def header(entries, data=b""):
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start, end, dtype="F32", shape=None):
    return {"dtype": dtype, "shape": [(end - start) // 4] if shape is None else shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("data", [
    header({"a": entry(0, 8), "b": entry(12, 16)}, bytes(16)),
    header({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
    header({"a": entry(0, 8)}, bytes(12)),
    header({"a": entry(0, 8)}, bytes(4)),
    header({"a": entry(0, 8, shape=[3])}, bytes(8)),
    header({"a": entry(0, 8, dtype="F31")}, bytes(8)),
    header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)),
    header(b'{"__metadata__":{"a":1}}'),
    header(b'{"\xff":1}'),
    header(b"[]"),
    header({"a": entry(8, 0, shape=[0])}, bytes(8)),
    header({"a": entry(0, 8, shape=[2**62, 2**62])}, bytes(8)),
], ids=["hole", "overlap", "trailing", "short", "shape", "dtype", "duplicate", "metadata", "utf8", "array", "backwards", "overflow"])
def test_broken_safetensors_are_not_whole(holdall, tmp_path, data):
    (tmp_path / "m.safetensors").write_bytes(data)
    verdict = holdall("verify", tmp_path / "m.safetensors", status=(1, 2))
    assert "m.safetensors" in verdict.out + verdict.err
    outcome = holdall("inspect", tmp_path / "m.safetensors", status=2)
    assert "m.safetensors" in outcome.err


def test_memory_that_runs_out_is_told_with_the_file(holdall, tmp_path):
    (tmp_path / "l.pkl").write_bytes(b"\x80\x02(" + b"]" * 8_000_000 + b"l.")
    outcome = holdall("inspect", tmp_path / "l.pkl", memory=250 << 20, status=2)
    assert "l.pkl" in outcome.err and "no memory left" in outcome.err


def test_a_refused_conversion_leaves_the_old_file(holdall, tmp_path):
    torch.save({"z": torch.ones(2, dtype=torch.complex128), "f": torch.ones(2)}, tmp_path / "a.pt")
    (tmp_path / "out.safetensors").write_bytes(b"old")
    outcome = holdall("convert", tmp_path / "a.pt", tmp_path / "out.safetensors", status=1)
    assert "z" in outcome.err + outcome.out and (tmp_path / "out.safetensors").read_bytes() == b"old"
    holdall("convert", tmp_path / "a.pt", tmp_path / "out.safetensors", "--allow-loss", status=(0, 1))


def test_a_conversion_onto_itself_keeps_the_model(holdall, tmp_path):
    state = samples.state_dict()
    torch.save(state, tmp_path / "a.pt")
    holdall("convert", tmp_path / "a.pt", tmp_path / "a.pt", status=None)
    assert_equal(dict(state), dict(torch.load(tmp_path / "a.pt", weights_only=True)))


def test_no_place_to_write_is_an_answer(holdall, pair, tmp_path):
    outcome = holdall("convert", pair[1], tmp_path / "absent" / "out.pt", status=2)
    assert "absent" in outcome.err
    holdall("convert", pair[1], tmp_path / "out.unknown", status=2)
    assert not (tmp_path / "out.unknown").exists()


def test_a_full_disk_leaves_nothing(holdall, tmp_path):
    torch.save({"w": torch.zeros(1_000_000)}, tmp_path / "a.pt")
    outcome = holdall("convert", tmp_path / "a.pt", "/dev/full", status=2)
    assert outcome.err.strip()


def test_the_extension_chooses_the_target_and_content_the_source(holdall, pair, tmp_path):
    state, a, _ = pair
    disguised = tmp_path / "actually_torch.safetensors"
    disguised.write_bytes(a.read_bytes())
    assert holdall("inspect", disguised, "--json").json["format"] == "pytorch"
    holdall("convert", disguised, tmp_path / "x.npz")
    with numpy.load(tmp_path / "x.npz") as arrays:
        assert (arrays["a"] == state["a"].numpy()).all()
    holdall("convert", disguised, tmp_path / "y.bin", "--to", "safetensors")
    assert set(safetensors.torch.load_file(tmp_path / "y.bin")) == {"a", "b"}


def test_other_readers_see_a_plain_safetensors_file(holdall, tmp_path):
    torch.save(samples.adam_checkpoint(), tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    loaded = safetensors.torch.load_file(tmp_path / "a.safetensors")
    expected = named(samples.adam_checkpoint())
    assert set(expected) == set(loaded)
    for name, tensor in loaded.items():
        assert_equal({"t": tensor}, {"t": expected[name].detach()})


def test_numpy_loads_what_we_write(holdall, tmp_path):
    state = {str(dtype).removeprefix("torch."): samples.values(dtype, 2, 3) for dtype in samples.PLAIN_DTYPES}
    torch.save(state, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "a.npz")
    with numpy.load(tmp_path / "a.npz") as arrays:
        for name, tensor in state.items():
            assert arrays[name].dtype == tensor.numpy().dtype and (arrays[name] == tensor.numpy()).all()


@pytest.mark.parametrize("array", [
    numpy.arange(24).reshape(2, 3, 4), numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), numpy.arange(5, dtype=">i2"),
    numpy.array(3.5), numpy.zeros((0, 3)), numpy.array([1 + 2j]), numpy.array([True, False]), numpy.arange(4, dtype="f2"),
], ids=["int64", "fortran", "big_endian", "scalar", "empty", "complex128", "bool", "float16"])
def test_arrays_read_as_numpy_reads_them(holdall, tmp_path, array):
    numpy.save(tmp_path / "a.npy", array)
    (found,) = holdall.inspect(tmp_path / "a.npy").json["tensors"]
    loaded = numpy.load(tmp_path / "a.npy")
    assert found["name"] == "tensor" and found["shape"] == list(loaded.shape)
    assert found["sha256"] == hashlib.sha256(loaded.astype(loaded.dtype.newbyteorder("<")).tobytes()).hexdigest()
    numpy.savez_compressed(tmp_path / "a.npz", x=array, **{"y.z": array})
    assert_holds(holdall.inspect(tmp_path / "a.npz"), {"x": loaded, "y.z": loaded})
    assert all(entry["offset"] is None for entry in holdall.inspect(tmp_path / "a.npz").json["tensors"])


def test_formats_lists_every_format_as_json(holdall, root):
    listed = holdall("formats", "--json").json
    names = [entry["id"] for entry in (listed if isinstance(listed, list) else listed["formats"])]
    lines = (root / "holdall" / "formats" / "formats.inc").read_text().splitlines()
    assert names == [line[len("HOLDALL_FORMAT("):line.index(")")].replace("_", "-") for line in lines if line.startswith("HOLDALL_FORMAT(")]


def test_values_that_json_lacks_are_spelled(holdall, tmp_path):
    torch.save({"nan": math.nan, "inf": math.inf, "minus": -math.inf, "big": 2**80, "bytes": bytearray(b"\xff")}, tmp_path / "a.pt")
    tree = holdall("inspect", tmp_path / "a.pt", "--json").json["tree"]
    assert tree["nan"] == {"$float": "nan"} and tree["inf"] == {"$float": "inf"} and tree["minus"] == {"$float": "-inf"}
    assert tree["big"] == 2**80


def test_a_conversion_replaces_atomically(holdall, tmp_path):
    torch.save({"w": torch.ones(4)}, tmp_path / "a.pt")
    (tmp_path / "out.npz").write_bytes(b"old")
    holdall.convert(tmp_path / "a.pt", tmp_path / "out.npz")
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "out.npz"]
    with numpy.load(io.BytesIO((tmp_path / "out.npz").read_bytes())) as arrays:
        assert arrays["w"].tolist() == [1, 1, 1, 1]
