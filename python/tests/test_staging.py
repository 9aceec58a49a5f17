"""Staging: what lies on a device goes through memory that is used again. Without a device here the host stands for one."""

import pytest
import torch

import holdall.torch
from holdall import _save
from holdall.torch import _describe
from holdall.torch._staging import Staging


@pytest.fixture
def elsewhere(monkeypatch):
    """Tensors are described as if none lay in the CPU's memory."""
    plain = _describe._tensor

    def tensor(value, describer):
        described = list(plain(value, describer))
        storage = describer.moved(described[1], value.untyped_storage())
        described[2], described[11] = storage.data_ptr(), storage
        return tuple(described)

    monkeypatch.setattr(_describe, "_tensor", tensor)
    monkeypatch.setattr(_describe, "plain", tensor)


def test_what_is_saved_is_what_was_there_and_memory_is_used_again(elsewhere, tmp_path):
    staging = Staging()
    values = {"a": torch.arange(10.0), "b": torch.arange(6).reshape(2, 3).t(), "c": torch.ones(3, dtype=torch.bfloat16)}
    values["shared"] = values["a"][2:5]
    addresses = []
    for turn in range(3):
        values["a"] += 1
        staging.begin()
        native = _save.build(values, None, (), framework="pt", staging=staging)
        staging.finish()
        kept = {name: value.clone() for name, value in values.items()}
        values["a"] += 100  # the training goes on
        _save.write(native, tmp_path / "a.pt", None, False, False, 0, 0, False, None)
        values["a"] -= 100
        loaded = torch.load(tmp_path / "a.pt", weights_only=True)
        assert all(torch.equal(loaded[name], kept[name]) for name in kept), turn
        assert loaded["shared"].untyped_storage().data_ptr() == loaded["a"].untyped_storage().data_ptr()
        addresses.append([memory.data_ptr() for memory in staging._memory])
    assert addresses[0] == addresses[1] == addresses[2] and len(addresses[0]) == 3


def test_storages_that_grow_get_memory_of_their_size():
    staging = Staging()
    for size in (4, 9, 2):
        staging.begin()
        moved = staging.moved(torch.arange(size, dtype=torch.uint8).untyped_storage())
        staging.finish()
        assert list(moved) == list(range(size))
