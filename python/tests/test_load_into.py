"""holdall.torch.load_into: what is loaded, what is reported, and that nothing is loaded by halves."""

import pytest
import torch
from equal import assert_same
from objects import trained

import holdall
import holdall.torch


@pytest.fixture
def model():
    return trained()[0]


@pytest.fixture
def fresh():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))


def save(state, tmp_path, name="a.pt"):
    holdall.torch.save(state, tmp_path / name)
    return tmp_path / name


def same_weights(a, b):
    assert_same(dict(a.state_dict()), dict(b.state_dict()))


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_state_dict_is_loaded_whole(name, model, fresh, tmp_path):
    report = holdall.torch.load_into(fresh, save(model.state_dict(), tmp_path, name), mode="eval")
    assert report.complete and report.loaded == list(model.state_dict()) and not (report.cast or report.renamed)
    same_weights(model, fresh)
    assert not fresh.training
    holdall.torch.load_into(fresh, tmp_path / name, mode="train")
    assert fresh.training


@pytest.mark.parametrize("wrap", [
    lambda state: {f"module.{name}": value for name, value in state.items()},
    lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
    lambda state: {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": {"state": {0: {"step": torch.ones(1)}}}},
    lambda state: {"state_dict": {f"model.{name}": value for name, value in state.items()}},
])  # fmt: skip
def test_wrappers_are_found_and_reported(wrap, model, fresh, tmp_path):
    report = holdall.torch.load_into(fresh, save(wrap(model.state_dict()), tmp_path))
    assert report.complete and report.renamed == list(model.state_dict())
    assert report.found_as["0.weight"].endswith("0.weight") and len(report.found_as["0.weight"]) > len("0.weight")
    same_weights(model, fresh)


def test_a_wrapped_module_takes_a_bare_file(model, fresh, tmp_path):
    report = holdall.torch.load_into(torch.nn.DataParallel(fresh), save(model.state_dict(), tmp_path))
    assert report.complete and report.found_as["module.0.weight"] == "0.weight"
    same_weights(model, fresh)


def test_what_does_not_fit_is_named_and_nothing_is_loaded(model, tmp_path):
    state = model.state_dict()
    del state["1.bias"]
    state["extra"] = torch.ones(2)
    path = save(state, tmp_path)
    other = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(holdall.MismatchError, match=r"0\.weight: \[3, 4\] in the file, \[3, 5\] in the module") as raised:
        holdall.torch.load_into(other, path)
    report = raised.value.report
    assert (report.missing, report.unexpected, report.mismatched) == (["1.bias"], ["extra"], [("0.weight", (3, 4), (3, 5))])
    assert_same(before, dict(other.state_dict()))
    report = holdall.torch.load_into(other, path, strict=False)
    assert report.loaded == [name for name in other.state_dict() if name not in ("1.bias", "0.weight")]
    assert other[0].bias.equal(model[0].bias) and other[0].weight.equal(before["0.weight"])


def test_dtypes_are_cast_and_reported(model, fresh, tmp_path):
    path = save({name: value.double() if value.is_floating_point() else value for name, value in model.state_dict().items()}, tmp_path)
    report = holdall.torch.load_into(fresh, path)
    assert report.cast[0] == "0.weight" and report.dtypes["0.weight"] == ("float64", "float32")
    same_weights(model, fresh)
    assert holdall.torch.load_into(fresh, path, assign=True).cast == [] and fresh[0].weight.dtype == torch.float64


@pytest.mark.parametrize("rename", [{"old.*": "0.*"}, lambda name: name.replace("old", "0"), [("old.weight", "0.weight"), ("old.bias", "0.bias")]])
def test_names_are_changed_as_asked(rename, model, fresh, tmp_path):
    path = save({"old": dict(model[0].state_dict()), "1": dict(model[1].state_dict())}, tmp_path)
    assert holdall.torch.load_into(fresh, path, rename=rename).found_as == {"0.weight": "old.weight", "0.bias": "old.bias"}
    same_weights(model, fresh)


def test_a_prefix_takes_a_part(model, tmp_path):
    path = save({"encoder": dict(model.state_dict()), "head": {"w": torch.ones(2)}}, tmp_path)
    part = torch.nn.Linear(4, 3)
    assert holdall.torch.load_into(part, path, prefix="encoder.0.").complete
    same_weights(model[0], part)


def test_a_module_on_the_meta_device_gets_the_file_s_tensors(model, tmp_path):
    with torch.device("meta"):
        empty = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    assert holdall.torch.load_into(empty, save(model.state_dict(), tmp_path)).complete
    same_weights(model, empty)


def test_damage_leaves_the_module_as_it_was(model, fresh, tmp_path):
    path = save(model.state_dict(), tmp_path)
    place = holdall.open(path)["1.running_var"].location
    data = bytearray(path.read_bytes())
    data[place.offset] ^= 1
    path.write_bytes(data)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    with pytest.raises(holdall.CorruptError):
        holdall.torch.load_into(fresh, path)
    assert_same(before, dict(fresh.state_dict()))


def test_what_a_copy_would_make_wrong_is_refused_before_anything_changes(model, fresh, tmp_path):
    state = model.state_dict()
    state["1.bias"] = torch.quantize_per_tensor(state["1.bias"], 0.1, 2, torch.qint8)
    path = save(state, tmp_path)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    for strict in (True, False):
        with pytest.raises(holdall.UnsupportedError, match=r"1\.bias.*qint8"):
            holdall.torch.load_into(fresh, path, strict=strict)
    fresh[1].running_var = torch.ones(1).expand(3)
    with pytest.raises(holdall.UnsupportedError, match=r"1\.running_var.*expanded"):
        holdall.torch.load_into(fresh, save(model.state_dict(), tmp_path))
    fresh[1].running_var = before["1.running_var"].clone()
    assert_same(before, dict(fresh.state_dict()))
