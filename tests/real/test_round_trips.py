"""Whole objects and odd trees through containers that have no pickle of their own, and back to what torch loads."""

import uuid
import zipfile

import pytest
import torch

import samples
from oracle import assert_equal


class Outer:
    class Inner:
        def __init__(self, x):
            self.x = x


def adamw():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter], lr=0.01)
    parameter.sum().backward()
    optimizer.step()
    return optimizer


WHOLE = {
    "linear": lambda: torch.nn.Linear(2, 2),
    "sequential": lambda: torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.5)),
    "optimizer": adamw,
    "scheduler": lambda: torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.5), 3),
    "uuid": lambda: {"id": uuid.UUID(int=7), "w": torch.ones(2)},
    "nested_class": lambda: {"o": Outer.Inner(5), "c": Outer.Inner, "w": torch.ones(2)},
}


def said(value):
    """What two objects must have in common."""
    if isinstance(value, torch.nn.Module):
        return type(value), repr(value), value.training, said(value.state_dict())
    if isinstance(value, torch.optim.Optimizer):
        return type(value), said(value.state_dict()), said(value.param_groups), said(dict(value.state).values())
    if isinstance(value, torch.optim.lr_scheduler.LRScheduler):
        return type(value), said(value.state_dict()), said(value.optimizer)
    if isinstance(value, Outer.Inner):
        return type(value), value.x
    if isinstance(value, torch.Tensor):
        return type(value), value.requires_grad, value.tolist()
    if isinstance(value, dict):
        return {key: said(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or type(value).__name__ == "dict_values":
        return [said(item) for item in value]
    return value


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("middle", ["middle.safetensors", "middle.npz", "middle.pt"])
@pytest.mark.parametrize("name", [*WHOLE])
def test_whole_objects_come_back_through_any_container(holdall, tmp_path, name, middle, protocol):
    made = WHOLE[name]()
    torch.save(made, tmp_path / "model.pt", pickle_protocol=protocol)
    holdall.convert(tmp_path / "model.pt", tmp_path / middle)
    holdall.convert(tmp_path / middle, tmp_path / "back.pt")
    assert said(torch.load(tmp_path / "back.pt", weights_only=False)) == said(made)
    assert holdall("diff", tmp_path / "model.pt", tmp_path / "back.pt", "--json").json["same"] is True


def test_memory_formats_saved_at_protocol_4_are_written_so_that_torch_loads_them(holdall, tmp_path):
    value = {"format": torch.channels_last, "w": torch.ones(2)}
    torch.save(value, tmp_path / "model.pt", pickle_protocol=4)
    holdall.convert(tmp_path / "model.pt", tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=False)
    assert back["format"] is torch.channels_last and torch.equal(back["w"], value["w"])


def test_a_pickle_without_its_storages_is_refused(holdall, tmp_path):
    import zipfile

    torch.save(samples.state_dict(), tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "model.pt") as archive:
        (tmp_path / "data.pkl").write_bytes(archive.read("model/data.pkl"))
    outcome = holdall("convert", tmp_path / "data.pkl", tmp_path / "out.pt", status=1)
    assert "persistent id" in outcome.out + outcome.err
    assert not (tmp_path / "out.pt").exists()
    holdall("convert", tmp_path / "data.pkl", tmp_path / "out.pt", "--allow-loss")
    assert set(torch.load(tmp_path / "out.pt").values()) == {None}


def test_bytes_behind_a_pickle_are_a_loss_that_must_be_allowed(holdall, tmp_path):
    import pickle

    (tmp_path / "data.pkl").write_bytes(pickle.dumps({"epoch": 3}) + b"\xa0\x01\x02")
    for target in ("out.pt", "out.npz", "out.pkl"):
        outcome = holdall("convert", tmp_path / "data.pkl", tmp_path / target, status=1)
        assert "3 bytes behind the end" in outcome.out
        assert not (tmp_path / target).exists()
    holdall("convert", tmp_path / "data.pkl", tmp_path / "out.pt", "--allow-loss")
    assert torch.load(tmp_path / "out.pt") == {"epoch": 3}


@pytest.mark.parametrize("target", ["out.safetensors", "out.npz"])
def test_a_check_passes_over_what_was_allowed_to_be_lost(holdall, tmp_path, target):
    value = {**samples.quantized(), "complex": torch.ones(2, dtype=torch.complex32), "deep": {"w": torch.ones(3), "epoch": 4}}
    torch.save(value, tmp_path / "model.pt")
    holdall("convert", tmp_path / "model.pt", tmp_path / target, "--allow-loss", "--check")
    document = holdall("inspect", tmp_path / target, "--json").json
    assert document["warnings"] == []
    assert document["tree"]["deep"] == {"w": {"$tensor": "deep.w"}, "epoch": 4}


@pytest.mark.parametrize("first", ["../x", "y"])
def test_a_lost_name_of_a_tensor_that_is_kept_under_another_takes_nothing_else_along(holdall, tmp_path, first):
    w = torch.arange(4.0)
    torch.save({first: w, ({"../x", "y"} - {first}).pop(): w, "epoch": 3}, tmp_path / "model.pt")
    holdall("convert", tmp_path / "model.pt", tmp_path / "out.npz", "--allow-loss", "--check")
    assert holdall("inspect", tmp_path / "out.npz", "--json").json["warnings"] == []
    holdall.convert(tmp_path / "out.npz", tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt")
    assert back["epoch"] == 3 and torch.equal(back["y"], w) and back["../x"] is back["y"]


def test_a_check_knows_the_tensors_whose_names_a_loss_has_moved_up(holdall, tmp_path):
    """Of two paths named "a.b" the first is lost, so that "a.b@2" is "a.b" in the result; the lost one has as many bytes."""
    import pickle

    import numpy

    value = {"a.b": numpy.array(["xy"]), "a": {"b": numpy.arange(10, dtype="u1"), "c": numpy.zeros(3)}}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(value))
    assert {"a.b", "a.b@2"} <= set(holdall.inspect(tmp_path / "model.pkl").tensors)
    outcome = holdall("convert", tmp_path / "model.pkl", tmp_path / "out.pt", "--allow-loss", "--check", "--json").json
    assert outcome["checked"] == 2 and outcome["differing"] == []
    assert torch.load(tmp_path / "out.pt")["a"]["b"].tolist() == list(range(10))


@pytest.mark.parametrize("target", ["out.pkl", "out.npz", "back.safetensors"])
def test_what_holdall_says_in_a_file_is_no_metadata_of_the_model(holdall, tmp_path, target):
    torch.save({"w": torch.ones(2), "epoch": 3}, tmp_path / "model.pt")
    holdall("convert", tmp_path / "model.pt", tmp_path / "middle.safetensors")
    assert b'"format":"pt"' in (tmp_path / "middle.safetensors").read_bytes()
    assert holdall("inspect", tmp_path / "middle.safetensors", "--json").json["metadata"] == {}
    holdall("convert", tmp_path / "middle.safetensors", tmp_path / target)


def test_a_strangers_metadata_stays_a_loss(holdall, tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    outcome = holdall("convert", tmp_path / "model.safetensors", tmp_path / "out.pkl", status=1)
    assert "metadata" in outcome.out


@pytest.mark.parametrize("extension", ["pt", "safetensors", "npz"])
@pytest.mark.parametrize("key", [lambda key: key, lambda key: (1, key)])
def test_a_tensor_in_a_key_is_a_listed_loss_and_nothing_is_lost_in_silence(holdall, tmp_path, extension, key):
    torch.save({key(torch.tensor([1.0, 2.0])): torch.tensor([3.0]), "a": torch.tensor([4.0])}, tmp_path / "in.pt")
    refused = holdall("convert", tmp_path / "in.pt", tmp_path / f"out.{extension}", "--check", status=1)
    assert "in keys of dicts" in refused.out + refused.err
    assert not (tmp_path / f"out.{extension}").exists()


def test_bytes_behind_the_pickle_of_an_archive_are_a_fault(holdall, tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive, zipfile.ZipFile(tmp_path / "b.pt", "w") as longer:
        for name in archive.namelist():
            longer.writestr(name, archive.read(name) + (b"junk" if name.endswith("data.pkl") else b""))
    verified = holdall("verify", tmp_path / "b.pt", status=1)
    assert "4 bytes stand behind the end of the pickle" in verified.out
    holdall("convert", tmp_path / "b.pt", tmp_path / "c.pt", status=1)
