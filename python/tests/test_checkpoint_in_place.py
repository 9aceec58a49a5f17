"""A large state is read into the tensors that the training has, after all of it has been read through: nothing changes before it is known to be whole."""

import os

import pytest
import torch
from equal import assert_same

import holdall
from holdall.torch import _in_place


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(_in_place, "_LARGE", 1 << 20)
    monkeypatch.setattr(_in_place, "_TENSOR", 1 << 10)


@pytest.fixture
def filled(monkeypatch):
    """The names of the targets that were read in place, and how many tensors of each."""
    found = []
    fill = _in_place.InPlace.fill
    monkeypatch.setattr(_in_place.InPlace, "fill", lambda self, name: (found.append((name, len(self._of.get(name, {})))), fill(self, name)))
    return found


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(1000, 256)
        self.middle = torch.nn.Linear(256, 256)
        self.norm = torch.nn.BatchNorm1d(256)
        self.head = torch.nn.Linear(256, 1000, bias=False)
        self.head.weight = self.embedding.weight


def trained(seed, make=Tied):
    torch.manual_seed(seed)
    module = make()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01 * seed)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return {"model": module, "optimizer": optimizer}


def states(parts):
    return {name: part.state_dict() for name, part in parts.items()}


def saved(folder, *seeds, make=Tied):
    with holdall.Checkpointer(folder, signals=()) as ckpt:
        for step, seed in enumerate(seeds, 1):
            ckpt.track(**trained(seed, make))
            ckpt.save(step=step, epoch=0)
        ckpt.wait()
        return [row["path"] for row in ckpt.history]


def resumed(folder, parts):
    with holdall.Checkpointer(folder, signals=()) as ckpt:
        return ckpt.resume(**parts)


def damage(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("name", ["checkpoint_step{step}.pt", "checkpoint_step{step}.safetensors"])
def test_tensors_stay_where_they_are_and_have_what_was_saved(name, filled, tmp_path):
    want = trained(1)
    with holdall.Checkpointer(tmp_path, name, signals=()) as ckpt:
        ckpt.track(**want)
        ckpt.save(step=1, epoch=0)
    own = trained(2)
    places = {key: tensor.data_ptr() for key, tensor in own["model"].state_dict().items()}
    moments = {key: state["exp_avg"].data_ptr() for key, state in own["optimizer"].state_dict()["state"].items()}
    resumed(tmp_path, own)
    assert_same(states(own), states(want))
    assert {key: tensor.data_ptr() for key, tensor in own["model"].state_dict().items()} == places
    assert {key: state["exp_avg"].data_ptr() for key, state in own["optimizer"].state_dict()["state"].items()} == moments
    # The embedding under both its names, the two matrices, norms and biases of a kilobyte; the moments of all parameters.
    assert dict(filled) == {"model": 8, "optimizer": 10}
    assert own["model"].head.weight is own["model"].embedding.weight and own["model"].head.weight.requires_grad


def test_a_new_optimizer_gets_memory_of_its_own(filled, tmp_path):
    saved(tmp_path, 1)
    own = trained(2)
    own["optimizer"] = torch.optim.AdamW(own["model"].parameters())
    resumed(tmp_path, own)
    assert_same(states(own), states(trained(1)))
    assert dict(filled) == {"model": 8, "optimizer": 0}
    # They are the optimizer's alone: the next step changes them and no file, no other tensor.
    own["optimizer"].step()


@pytest.mark.parametrize("which", ["model_state_dict.embedding.weight", "model_state_dict.norm.running_mean", "optimizer_state_dict.state.0.exp_avg_sq"])
def test_what_is_damaged_changes_nothing_and_the_older_one_is_taken(which, filled, tmp_path):
    folder = tmp_path / "runs"
    *_, newest = saved(folder, 1, 2)
    _, offset, size = holdall.open(newest)[which].location
    damage(newest, offset + size // 2)
    own, before = trained(3), states(trained(3))
    oldest, hidden = folder / "checkpoint_epoch0_step1.pt", tmp_path / "hidden"
    os.rename(oldest, hidden)
    with pytest.raises(holdall.CorruptError):
        resumed(folder, own)
    assert_same(states(own), before)
    assert filled == []
    os.rename(hidden, oldest)
    with pytest.warns(holdall.HoldallWarning, match="passed over"):
        assert resumed(folder, own).step == 1
    assert_same(states(own), states(trained(1)))


def test_a_target_that_does_not_fit_changes_nothing(filled, tmp_path):
    saved(tmp_path, 1)
    own = trained(3)
    own["optimizer"] = torch.optim.AdamW([*own["model"].parameters(), torch.nn.Parameter(torch.zeros(3))])
    before = states(own)
    with pytest.raises(holdall.MismatchError):
        resumed(tmp_path, own)
    assert_same(states(own), before)
    assert filled == []


class Doubling(Tied):
    """Reads its state more than once, as it may."""

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        with torch.no_grad():
            self.middle.weight.zero_()
            self.middle.weight += state_dict[prefix + "middle.weight"]
        super()._load_from_state_dict(state_dict, prefix, *rest)


def with_hook():
    module = Tied()
    module.register_load_state_dict_pre_hook(lambda module, state, *_: module.middle.weight.data.zero_())
    return module


def of_one_buffer():
    """Two parameters that overlap."""
    module = Tied()
    flat = torch.randn(256 * 300)
    module.first = torch.nn.Parameter(flat[: 256 * 200])
    module.second = torch.nn.Parameter(flat[256 * 100 :])
    return module


def with_hook_of_saving():
    module = Tied()
    module.middle.register_state_dict_pre_hook(lambda module, *_: None)
    return module


def patched():
    """What one module was given of its own."""
    module = Tied()
    load = module.load_state_dict
    module.load_state_dict = lambda state, **how: (module.middle.weight.data.zero_(), load(state, **how))[1]
    return module


@pytest.mark.parametrize("make", [Doubling, with_hook, with_hook_of_saving, patched, of_one_buffer])
def test_what_may_do_more_than_copy_gets_its_state_beside(make, filled, tmp_path):
    saved(tmp_path, 1, make=make)
    own, other = trained(2, make), trained(3, make)
    resumed(tmp_path, own)
    assert dict(filled)["model"] == 0
    state = torch.load(os.path.join(tmp_path, "checkpoint_epoch0_step1.pt"), weights_only=True)
    other["optimizer"].load_state_dict(state["optimizer_state_dict"])
    other["model"].load_state_dict(state["model_state_dict"])
    assert_same(states(own), states(other))


def test_an_optimizer_that_was_given_its_own_way_gets_its_state_beside(filled, tmp_path):
    saved(tmp_path, 1)
    own, kept = trained(2), []
    load = own["optimizer"].load_state_dict
    own["optimizer"].load_state_dict = lambda state: (kept.append(own["optimizer"].state_dict()["state"][0]["exp_avg"].clone()), load(state))[1]
    before = own["optimizer"].state_dict()["state"][0]["exp_avg"].clone()
    resumed(tmp_path, own)
    assert dict(filled)["optimizer"] == 0 and torch.equal(kept[0], before)
    assert_same(states(own), states(trained(1)))


class Marked:
    """Tensors of a module that are more than their values."""

    def __init__(self, module):
        self.state = module.state_dict()
        self.state["middle.weight"].requires_grad_(True)
        self.state["norm.running_mean"].origin = "here"

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        raise AssertionError


def test_live_tensors_are_not_changed_by_what_the_file_says_of_its_own(filled, tmp_path):
    with holdall.Checkpointer(tmp_path, signals=()) as ckpt:
        ckpt.track(model=Marked(trained(1)["model"]), optimizer=trained(1)["optimizer"])
        ckpt.save(step=1, epoch=0)
    own = trained(3)
    own["model"].requires_grad_(False)
    strange = {"model": own["model"], "optimizer": torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))])}
    with pytest.raises(holdall.MismatchError):
        resumed(tmp_path, strange)
    assert not own["model"].middle.weight.requires_grad and not hasattr(own["model"].norm.running_mean, "origin")
    resumed(tmp_path, own)
    assert not own["model"].middle.weight.requires_grad and not hasattr(own["model"].norm.running_mean, "origin")
    assert_same(states(own), states(trained(1)))
    assert filled == []
