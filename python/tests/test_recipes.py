"""The recipes of PyTorch's documentation on saving and loading, as they stand there, with holdall.torch on one side or on both.

tutorials/beginner/saving_loading_models, recipes/recipes/module_load_state_dict_tips, recipes/recipes/amp_recipe,
intermediate/ddp_tutorial (also test_distributed.py), docs/notes/serialization.
"""

import collections
import io
import random

import numpy
import pytest
import torch
import torch.nn.functional as F
from equal import assert_same
from torch import nn

import holdall
import holdall.torch

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.parametrize(
        ("saver", "loader"),
        [(holdall.torch, torch), (torch, holdall.torch), (holdall.torch, holdall.torch)],
        ids=["holdall to torch", "torch to holdall", "holdall to holdall"],
    ),
]


class TheModelClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 4, 5)
        self.fc1 = nn.Linear(4 * 5 * 5, 12)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(12, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = self.drop(F.relu(self.fc1(x.view(-1, 4 * 5 * 5))))
        return self.fc2(x)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TheModelClass()


@pytest.fixture
def PATH(tmp_path):
    return tmp_path / "model.pt"


def answers(model):
    torch.manual_seed(1)
    with torch.no_grad():
        return model(torch.randn(2, 3, 32, 32))


def trained(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    return optimizer


def test_state_dict(saver, loader, model, PATH):
    saver.save(model.state_dict(), PATH)
    other = TheModelClass()
    assert str(other.load_state_dict(loader.load(PATH, weights_only=True))) == "<All keys matched successfully>"
    other.eval()
    assert answers(other).equal(answers(model.eval()))


def test_entire_model(saver, loader, model, PATH):
    names = {"trusted": [TheModelClass]}
    saver.save(model, PATH, **(names if saver is holdall.torch else {}))
    other = loader.load(PATH, weights_only=False, **(names if loader is holdall.torch else {}))
    other.eval()
    assert type(other) is TheModelClass and answers(other).equal(answers(model.eval()))
    with pytest.raises(holdall.UnsafeError, match=r"test_recipes\.TheModelClass"):
        holdall.torch.load(PATH)


def test_checkpoint_for_inference_or_resuming(saver, loader, model, PATH):
    optimizer = trained(model)
    saver.save({"epoch": 4, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": 0.4}, PATH)
    other = TheModelClass()
    other_optimizer = torch.optim.SGD(other.parameters(), lr=0.5, momentum=0.1)
    checkpoint = loader.load(PATH, weights_only=True)
    other.load_state_dict(checkpoint["model_state_dict"])
    other_optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    assert (checkpoint["epoch"], checkpoint["loss"]) == (4, 0.4)
    assert_same(optimizer.state_dict(), other_optimizer.state_dict())
    other.train()
    assert answers(other).equal(answers(model))


def test_several_models_in_one_file(saver, loader, model, PATH):
    model_b = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizers = {"optimizerA_state_dict": trained(model).state_dict(), "optimizerB_state_dict": torch.optim.Adam(model_b.parameters()).state_dict()}
    saver.save({"modelA_state_dict": model.state_dict(), "modelB_state_dict": model_b.state_dict(), **optimizers}, PATH)
    checkpoint = loader.load(PATH, weights_only=True)
    other, other_b = TheModelClass(), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    other.load_state_dict(checkpoint["modelA_state_dict"])
    other_b.load_state_dict(checkpoint["modelB_state_dict"])
    assert_same(dict(model_b.state_dict()), dict(other_b.state_dict()))
    assert_same(optimizers, {name: checkpoint[name] for name in optimizers})
    # The same with a module's own name of where it stands.
    assert holdall.torch.load_into(TheModelClass(), PATH, prefix="modelA_state_dict.").complete


def test_warm_start_with_a_partial_dict(saver, loader, model, PATH):
    saver.save(model.state_dict(), PATH)
    model_b = TheModelClass()
    model_b.fc2 = nn.Linear(12, 10, bias=False)
    model_b.extra = nn.Linear(1, 1)
    missing, unexpected = model_b.load_state_dict(loader.load(PATH, weights_only=True), strict=False)
    assert (missing, unexpected) == (["extra.weight", "extra.bias"], ["fc2.bias"])
    report = holdall.torch.load_into(model_b, PATH, strict=False)
    assert (report.missing, report.unexpected) == (missing, unexpected)
    # Renamed keys, as the recipe's note has them.
    renamed = collections.OrderedDict((name.replace("conv1", "stem"), value) for name, value in loader.load(PATH).items())
    model_b.stem = nn.Conv2d(3, 6, 5)
    assert "stem.weight" not in model_b.load_state_dict(renamed, strict=False).missing_keys


@pytest.mark.parametrize("place", [
    "cpu", torch.device("cpu"), "meta", torch.device("meta"), {"cuda:0": "cpu"}, {"cpu": "meta"}, lambda storage, location: storage,
    lambda storage, location: storage.cpu(), lambda storage, location: None,
])  # fmt: skip
def test_across_devices(saver, loader, place, model, PATH):
    saver.save(model.state_dict(), PATH)
    state = loader.load(PATH, map_location=place, weights_only=True)
    assert_same(torch.load(PATH, map_location=place), state)
    with torch.device(next(iter(state.values())).device):
        other = TheModelClass()
    other.load_state_dict(state)


def test_data_parallel(saver, loader, model, PATH):
    wrapped = nn.DataParallel(model)
    saver.save(wrapped.module.state_dict(), PATH)
    TheModelClass().load_state_dict(loader.load(PATH, weights_only=True))
    saver.save(wrapped.state_dict(), PATH)
    nn.DataParallel(TheModelClass()).load_state_dict(loader.load(PATH, weights_only=True))
    bare = TheModelClass()
    assert holdall.torch.load_into(bare, PATH).found_as["fc1.weight"] == "module.fc1.weight"
    assert answers(bare.eval()).equal(answers(model.eval()))


@pytest.mark.parametrize("mmap", [False, True])
def test_a_module_on_the_meta_device_takes_the_file_s_tensors(saver, loader, mmap, model, PATH):
    saver.save(model.state_dict(), PATH)
    state = loader.load(PATH, mmap=mmap, weights_only=True)
    with torch.device("meta"):
        meta = TheModelClass()
    meta.load_state_dict(state, assign=True)
    assert all(own.device.type == "cpu" and own.data_ptr() == state[name].data_ptr() for name, own in meta.named_parameters())
    assert answers(meta.eval()).equal(answers(model.eval()))


def test_gradient_scaler(saver, loader, model, PATH):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    optimizer = torch.optim.Adam(model.parameters())
    scaler.scale(model(torch.randn(2, 3, 32, 32)).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    saver.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}, PATH)
    checkpoint = loader.load(PATH, map_location=lambda storage, location: storage)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(checkpoint["scaler"])
    assert other.state_dict() == scaler.state_dict()
    assert_same(optimizer.state_dict(), checkpoint["optimizer"])


def test_tensors_and_what_holds_them(saver, loader, model, PATH):
    saver.save(torch.tensor([1.0, 2.0]), PATH)
    assert loader.load(PATH).equal(torch.tensor([1.0, 2.0]))
    value = {"a": torch.tensor([1.0, 2.0]), "b": (torch.arange(3), [torch.tensor(True)])}
    saver.save(value, PATH)
    assert_same(value, loader.load(PATH))
    numbers = torch.arange(1, 10)
    saver.save([numbers, numbers[1::2]], PATH)
    loaded = loader.load(PATH)
    loaded[1] *= 2
    assert loaded[0].tolist() == [1, 4, 3, 8, 5, 12, 7, 16, 9]
    large = torch.arange(1, 1000)
    saver.save(large[0:5].clone(), PATH)
    assert loader.load(PATH).storage().size() == 5


def test_files_in_memory(saver, loader, model, PATH):
    buffer = io.BytesIO()
    saver.save(model.state_dict(), buffer)
    buffer.seek(0)
    assert_same(model.state_dict(), loader.load(buffer))
    with open(PATH, "wb") as file:
        saver.save(model.state_dict(), file)
    with open(PATH, "rb") as file:
        assert_same(model.state_dict(), loader.load(file))


class Training:
    """Two epochs of shuffled batches with everything that has a state: moments, schedule, scaler, generators, order of the data."""

    def __init__(self, seed):
        random.seed(seed)
        numpy.random.seed(seed)
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.05)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=3, gamma=0.5)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=4)
        self.generator = torch.Generator().manual_seed(seed)
        self.order, self.position = [], 0

    def step(self):
        if self.position >= len(self.order):
            self.order, self.position = torch.randperm(40, generator=self.generator).tolist(), 0
        chosen = self.order[self.position : self.position + 5]
        self.position += 5
        noise = torch.from_numpy(numpy.random.normal(size=6).astype("float32"))
        data = torch.sin(torch.arange(240.0).reshape(40, 6))[chosen] + random.random() + noise
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (self.model(data) - 1).float().pow(2).mean()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        return loss.item()

    def state(self):
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(), "order": self.order, "position": self.position,
            "random": random.getstate(), "numpy": numpy.random.get_state(), "torch": torch.get_rng_state(), "generator": self.generator.get_state(),
        }  # fmt: skip

    def resume(self, state):
        for name in ("model", "optimizer", "scheduler", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.order, self.position = state["order"], state["position"]
        random.setstate(state["random"])
        numpy.random.set_state(state["numpy"])
        torch.set_rng_state(state["torch"])
        self.generator.set_state(state["generator"])


def test_a_run_that_resumes_goes_on_as_if_it_had_never_stopped(saver, loader, model, PATH):
    straight = Training(0)
    whole = [straight.step() for _ in range(20)]
    stopped = Training(0)
    assert [stopped.step() for _ in range(11)] == whole[:11]  # in the middle of an epoch
    saver.save(stopped.state(), PATH)
    resumed = Training(99)
    resumed.step()
    resumed.resume(loader.load(PATH, weights_only=False))
    assert [resumed.step() for _ in range(9)] == whole[11:]
    assert_same(dict(straight.model.state_dict()), dict(resumed.model.state_dict()))
    assert len(set(whole)) == 20 and straight.scaler.get_scale() != 2.0**8
