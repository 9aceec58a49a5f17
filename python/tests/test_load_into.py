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


def linear(value=None):
    made = torch.nn.Linear(2, 2)
    if value is not None:
        for own in made.parameters():
            torch.nn.init.constant_(own, value)
    return made


@pytest.mark.parametrize("state, places", [
    ({"generator": linear().state_dict(), "discriminator": linear().state_dict()}, "generator., discriminator."),
    (torch.nn.Sequential(linear(), linear()).state_dict(), "0., 1."),
    (torch.nn.Sequential(linear(), torch.nn.Linear(2, 5)).state_dict(), "0., 1."),
])  # fmt: skip
def test_of_places_that_fit_equally_well_none_is_taken(state, places, tmp_path):
    path = save(state, tmp_path)
    module = linear(7)
    for strict in (True, False):
        with pytest.raises(holdall.MismatchError, match=f"several places fit: {places}; give prefix=") as raised:
            holdall.torch.load_into(module, path, strict=strict)
        assert raised.value.report.missing == ["weight", "bias"] and raised.value.path == str(path)
    same_weights(module, linear(7))
    assert holdall.torch.load_into(module, path, prefix=places.split(", ")[0]).complete


def test_a_usual_place_comes_before_others(tmp_path):
    path = save({"ema": linear(1).state_dict(), "model": linear(2).state_dict()}, tmp_path)
    module = linear()
    assert holdall.torch.load_into(module, path).found_as["weight"] == "model.weight"
    same_weights(module, linear(2))


class Remembers(torch.nn.Module):
    def __init__(self, memory):
        super().__init__()
        self.fc = linear()
        self.memory = memory

    def get_extra_state(self):
        return self.memory

    def set_extra_state(self, state):
        self.memory = state


@pytest.mark.parametrize("memory", [{"k": 7, "l": [None, 2.5]}, {"k": torch.arange(3.0)}, torch.arange(4)])
@pytest.mark.parametrize("place", ["", "state_dict."])
def test_extra_state_is_loaded_or_reported(memory, place, tmp_path):
    saved = torch.nn.Sequential(Remembers(memory))
    path = save({place.rstrip("."): saved.state_dict()} if place else saved.state_dict(), tmp_path)
    with torch.device("meta"):
        empty = torch.nn.Sequential(Remembers(None))
    for fresh in (torch.nn.Sequential(Remembers(None)), empty):
        report = holdall.torch.load_into(fresh, path)
        assert "0._extra_state" in report.loaded and report.complete
        assert_same(fresh[0].memory, memory)
        same_weights(fresh[0].fc, saved[0].fc)
    with pytest.raises(holdall.MismatchError, match=r"1 missing in the file:\s+0\._extra_state"):
        holdall.torch.load_into(fresh, save({"0.fc": dict(saved[0].fc.state_dict())}, tmp_path, "b.pt"))
    bare = torch.nn.Sequential(torch.nn.Sequential())
    bare[0].add_module("fc", linear())
    assert holdall.torch.load_into(bare, path, strict=False).unexpected == [f"{place}0._extra_state"]


class Later(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.Tensor.copy_:
            raise RuntimeError("not today")
        return super().__torch_function__(func, types, args, kwargs or {})


def test_an_entry_that_takes_no_copy_leaves_all_as_it_was(tmp_path):
    def holds(value, extra):
        made = torch.nn.Sequential(linear(value))
        made.register_buffer("last", extra)
        return made

    path = save({**holds(1, torch.ones(2)).state_dict()}, tmp_path)
    for extra in (torch.zeros(2, dtype=torch.uint8).view(torch.bits8), torch.zeros(2).as_subclass(Later)):
        module = holds(7, extra)
        with pytest.raises(holdall.UnsupportedError, match="last"):
            holdall.torch.load_into(module, path)
        same_weights(module[0], linear(7))
    with torch.inference_mode():
        module = holds(7, torch.zeros(2))
    assert holdall.torch.load_into(module, path).complete and module.last.tolist() == [1, 1]
    same_weights(module[0], linear(1))


def test_dtypes_that_are_taken_over_are_told(model, fresh, tmp_path):
    path = save(model.state_dict(), tmp_path)
    report = holdall.torch.load_into(fresh.half(), path, assign=True)
    assert report.dtypes["0.weight"] == ("float32", "float16") and not report.cast
    assert "of the file's dtype now" in str(report) and "0.weight: float32, was float16" in str(report)


def test_what_stays_on_the_meta_device_is_told(tmp_path):
    with torch.device("meta"):
        module = linear()
        module.register_buffer("table", torch.ones(2), persistent=False)
    with pytest.warns(holdall.HoldallWarning, match="still on the meta device, table the first"):
        assert holdall.torch.load_into(module, save(linear().state_dict(), tmp_path)).complete


def tied():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2, bias=False))
    module[1].weight = module[0].weight
    return module


def test_one_name_of_a_tied_weight_is_enough_and_of_two_values_the_last_is_taken(tmp_path):
    with torch.device("meta"):
        empty = tied()
    one = save({"0.weight": torch.ones(2, 2)}, tmp_path)
    two = save({"0.weight": torch.ones(2, 2), "1.weight": torch.full((2, 2), 2.0)}, tmp_path, "b.pt")
    for module in (tied(), empty):
        report = holdall.torch.load_into(module, one)
        assert report.complete and report.loaded == ["0.weight", "1.weight"]
        assert module[0].weight is module[1].weight and module[0].weight.eq(1).all()
        with pytest.warns(holdall.HoldallWarning, match=r"1\.weight is tied"):
            holdall.torch.load_into(module, two)
        assert module[0].weight is module[1].weight and module[0].weight.eq(2).all()


def test_a_parameter_without_a_shape_is_refused(tmp_path):
    with pytest.raises(holdall.UnsupportedError, match=r"0\.weight has no shape yet"):
        holdall.torch.load_into(torch.nn.Sequential(torch.nn.LazyLinear(2)), save(linear().state_dict(), tmp_path))


def test_float4_is_counted_in_elements(tmp_path):
    made, fresh = (torch.nn.Module(), torch.nn.Module())
    made.register_buffer("pairs", torch.tensor([18, 52], dtype=torch.uint8).view(torch.float4_e2m1fn_x2))
    fresh.register_buffer("pairs", torch.zeros(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2))
    assert holdall.torch.load_into(fresh, save(made.state_dict(), tmp_path)).complete
    assert fresh.pairs.view(torch.uint8).tolist() == [18, 52]


def test_a_batch_norm_takes_files_from_before_its_counter(model, tmp_path):
    state = model.state_dict()
    del state["1.num_batches_tracked"]
    path = save(state, tmp_path)
    with torch.device("meta"):
        empty = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    for module in (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)), empty):
        assert holdall.torch.load_into(module, path).complete
        assert_same(dict(module.state_dict()), {**state, "1.num_batches_tracked": torch.tensor(0)})


@pytest.mark.parametrize("rename", ["abc", lambda name: None, [("a",)], {"a": 3}, ["ab"]])
def test_a_rename_that_is_none_is_a_type_error(rename, model, fresh, tmp_path):
    with pytest.raises(TypeError, match="rename"):
        holdall.torch.load_into(fresh, save(model.state_dict(), tmp_path), rename=rename)
