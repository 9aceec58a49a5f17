"""safetensors files against the reference library, both ways. Made for safetensors 0.8 and torch 2.13."""

import json
import struct

import numpy
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from oracle import assert_equal, assert_holds, digest

DTYPES = [
    "bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64", "complex64",
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
]


def tensor_of(dtype, shape, seed):
    """Random bits as a tensor: every pattern is a value of these dtypes (of bool: 0 and 1)."""
    rng = numpy.random.default_rng(seed)
    kind = getattr(torch, dtype)
    size = int(numpy.prod(shape)) * torch.empty((), dtype=kind).element_size()
    if size == 0:
        return torch.empty(shape, dtype=kind)
    data = rng.integers(0, 2 if dtype == "bool" else 256, size, dtype=numpy.uint8)
    return torch.frombuffer(bytearray(data.tobytes()), dtype=kind).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4), (2, 1, 3)], ids=str)
def test_what_the_library_writes_is_read(holdall, tmp_path, dtype, shape):
    tensors = {"x": tensor_of(dtype, shape, 1), "a.b": tensor_of(dtype, (7,), 2)}
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt", "k": "é"})
    outcome = holdall.inspect(path)
    assert_holds(outcome, tensors)
    assert outcome.json["metadata"] == {"format": "pt", "k": "é"}
    assert outcome.json["warnings"] == []


def test_what_is_written_the_library_reads(holdall, tmp_path):
    # The library's torch side cannot load float8_e8m0fnu, whose name it lacks; its raw side can.
    tensors = {f"t.{dtype}": tensor_of(dtype, (2, 3), i) for i, dtype in enumerate(DTYPES)}
    torch.save(tensors, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    raw = dict(safetensors.deserialize((tmp_path / "a.safetensors").read_bytes()))
    assert set(raw) == set(tensors)
    import hashlib

    for name, tensor in tensors.items():
        assert hashlib.sha256(raw[name]["data"]).hexdigest() == digest(tensor), name
    loadable = {name: tensor for name, tensor in tensors.items() if "e8m0" not in name}
    torch.save(loadable, tmp_path / "b.pt")
    holdall.convert(tmp_path / "b.pt", tmp_path / "b.safetensors")
    loaded = safetensors.torch.load_file(tmp_path / "b.safetensors")
    assert set(loaded) == set(loadable)
    for name, tensor in loadable.items():
        assert loaded[name].dtype == tensor.dtype and digest(loaded[name]) == digest(tensor), name
    with safetensors.safe_open(tmp_path / "b.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "pt"


def test_numpy_loads_what_is_written(holdall, tmp_path):
    arrays = {"w": numpy.arange(12, dtype=numpy.float32).reshape(3, 4), "n": numpy.array(5, dtype=numpy.int64)}
    safetensors.numpy.save_file(arrays, tmp_path / "a.safetensors")
    holdall.convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    loaded = safetensors.numpy.load_file(tmp_path / "b.safetensors")
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype and loaded[name].tobytes() == array.tobytes()


def test_a_checkpoint_comes_back_equal_through_safetensors(holdall, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    state = {"epoch": 3, "loss": 0.25, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "note": ("a", None, 2**70)}
    state["model"]["tied"] = state["model"]["0.weight"]
    torch.save(state, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    holdall.convert(tmp_path / "a.safetensors", tmp_path / "b.pt")
    again = torch.load(tmp_path / "b.pt", weights_only=True)
    assert_equal(state, again)
    assert again["model"]["tied"].data_ptr() == again["model"]["0.weight"].data_ptr()
    assert "model.0.weight" in safetensors.torch.load_file(tmp_path / "a.safetensors")


def test_files_that_the_library_refuses_are_refused(holdall, tmp_path):
    safetensors.torch.save_file({"a": torch.ones(3), "b": torch.zeros(2, dtype=torch.int64)}, tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    path = tmp_path / "damaged.safetensors"
    rng = numpy.random.default_rng(3)
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    refused = accepted = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(0, header)] ^= 1 << rng.integers(0, 8)
        path.write_bytes(damaged)
        status = holdall("inspect", path, "--json", status=None).status
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                names = set(file.keys())
        except safetensors.SafetensorError:
            assert status == 2, bytes(damaged[8:header])
            refused += 1
            continue
        accepted += 1
        assert status == 0, bytes(damaged[8:header])
        assert set(holdall.inspect(path).tensors) == names
    assert refused > 100 and accepted > 0


def test_shards_of_transformers_names_load_one_by_one(holdall, tmp_path):
    state = {f"layer.{i}.weight": torch.full((64,), float(i)) for i in range(10)}
    torch.save(state, tmp_path / "a.pt")
    holdall.convert(tmp_path / "a.pt", tmp_path / "shards", "--to", "safetensors", "--shard-size", "1000")
    index = json.loads((tmp_path / "shards/model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 10 * 256
    loaded = {}
    for file in sorted(set(index["weight_map"].values())):
        part = safetensors.torch.load_file(tmp_path / "shards" / file)
        assert all(index["weight_map"][name] == file for name in part)
        loaded.update(part)
    assert_equal(dict(sorted(state.items())), dict(sorted(loaded.items())))
    assert_holds(holdall.inspect(tmp_path / "shards/model.safetensors.index.json"), state)
