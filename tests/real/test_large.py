"""A model larger than memory: 20 GB as far as the file system and Holdall are concerned, holes on the disk."""

import json
import os
import shutil

import pytest
import safetensors
import torch

import damage

GIGABYTE = 1 << 30
SIZE = 20


def sparse_safetensors(path, tensors, elements):
    """A valid safetensors file of float32 zeros that takes no space; the first value of each tensor is its number."""
    header = {f"layer.{i}.weight": {"dtype": "F32", "shape": [elements // 1024, 1024],
                                    "data_offsets": [i * elements * 4, (i + 1) * elements * 4]} for i in range(tensors)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for i in range(tensors):
            file.seek(8 + len(text) + i * elements * 4)
            file.write(torch.tensor([float(i + 1)]).numpy().tobytes())
        file.truncate(8 + len(text) + tensors * elements * 4)
    return path


@pytest.fixture
def large(tmp_path):
    if shutil.disk_usage(tmp_path).free < (SIZE + 6) * GIGABYTE:
        pytest.skip(f"needs {SIZE + 6} GiB of disk")
    return sparse_safetensors(tmp_path / "large.safetensors", SIZE, GIGABYTE // 4)


@pytest.mark.slow
def test_twenty_gigabytes_convert_in_bounded_memory(holdall, large, tmp_path, monkeypatch):
    monkeypatch.setattr(damage.Limits, "seconds", 600)
    monkeypatch.setattr(damage.Limits, "address_space", GIGABYTE // 2)
    done = damage.run(holdall.path, ["inspect", large], tmp_path)
    assert done.status == 0 and done.seconds < 2 and done.resident < 20_000_000, (done.seconds, done.resident, done.said)
    target = tmp_path / "large.pt"
    done = damage.run(holdall.path, ["convert", large, target], tmp_path)
    assert done.status == 0, done.said
    assert done.resident < damage.Limits.resident_bytes, done.resident
    assert target.stat().st_size > SIZE * GIGABYTE
    loaded = torch.load(target, mmap=True, weights_only=True)
    assert [loaded[f"layer.{i}.weight"][0, 0].item() for i in range(SIZE)] == [i + 1 for i in range(SIZE)]
    assert loaded["layer.19.weight"].shape == (GIGABYTE // 4096, 1024) and loaded["layer.19.weight"][-1, -1] == 0


@pytest.mark.slow
def test_a_part_of_twenty_gigabytes_is_cheap(holdall, large, tmp_path):
    done = damage.run(
        holdall.path, ["convert", large, tmp_path / "part.safetensors", "--select", "layer.7.*", "--dtype", "float16", "--allow-loss"],
        tmp_path)
    assert done.status == 0 and done.resident < damage.Limits.resident_bytes, (done.said, done.resident)
    with safetensors.safe_open(tmp_path / "part.safetensors", "pt") as file:
        assert list(file.keys()) == ["layer.7.weight"]
        weight = file.get_tensor("layer.7.weight")
    assert weight.dtype == torch.float16 and weight[0, 0] == 8 and weight[-1, -1] == 0
    assert os.path.getsize(tmp_path / "part.safetensors") < GIGABYTE // 2 + 10_000
