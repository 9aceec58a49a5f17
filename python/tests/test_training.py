"""inspect on checkpoints: every optimizer and scheduler of torch is told by what its state dict holds."""

import json
import os
import subprocess
import warnings

import pytest
import torch

import holdall
import holdall.torch

SCHEDULERS = torch.optim.lr_scheduler
OPTIMIZERS = {
    name: of for name, of in vars(torch.optim).items() if isinstance(of, type) and issubclass(of, torch.optim.Optimizer) and name != "Optimizer"
}
# Settings that put other entries into the state.
SETTINGS = {
    "SGD": [{}, {"momentum": 0.9}], "Adam": [{}, {"amsgrad": True}, {"weight_decay": 0.1}], "AdamW": [{}, {"amsgrad": True}, {"weight_decay": 0}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}], "NAdam": [{}, {"decoupled_weight_decay": True}],
    "RAdam": [{}, {"decoupled_weight_decay": True}], "Adam8bit": [],
}  # fmt: skip


def stepped(name, settings, steps=3):
    module = torch.nn.Embedding(4, 3, sparse=True) if name == "SparseAdam" else torch.nn.Linear(3, 2, bias=False)
    given = torch.tensor([1, 2]) if name == "SparseAdam" else torch.ones(1, 3)
    optimizer = OPTIMIZERS[name](module.parameters(), lr=0.25, **settings)

    def loss():
        optimizer.zero_grad()
        value = module(given).pow(2).sum()
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(loss)
    return optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_torch_is_told(name, tmp_path):
    for settings in SETTINGS.get(name, [{}]):
        for steps in (3, 0):
            optimizer = stepped(name, settings, steps)
            for path in (tmp_path / "a.pt", tmp_path / "a.safetensors"):
                holdall.torch.save({"epoch": 1, "optimizer_state_dict": optimizer.state_dict()}, path)
                (found,) = holdall.inspect(path)["optimizers"]
                assert (found["where"], found["class"]) == ("optimizer_state_dict", name), settings
                assert found["groups"][0]["lr"] == 0.25 and found["groups"][0]["parameters"] == found["parameters"] == 1
                counts = any("step" in own for own in optimizer.state_dict()["state"].values())
                assert found["step"] == (steps if counts else found["step"] if name == "LBFGS" else None)


def test_settings_are_those_of_the_state_dict(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    groups = [{"params": module[0].parameters(), "lr": torch.tensor(0.5)}, {"params": module[1].parameters(), "weight_decay": 0.125, "name": "head"}]
    optimizer = torch.optim.Adam(groups, lr=0.25)
    torch.save({"a": {"b": [optimizer.state_dict()]}}, tmp_path / "a.pt")
    (found,) = holdall.inspect(tmp_path / "a.pt")["optimizers"]
    assert found["where"] == "a.b.0" and found["step"] is None
    for shown, group in zip(found["groups"], optimizer.state_dict()["param_groups"], strict=True):
        assert shown.pop("parameters") == len(group.pop("params")) == 2
        assert shown == json.loads(json.dumps({key: value.item() if isinstance(value, torch.Tensor) else value for key, value in group.items()}))


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_files_of_torch_before_2_7_do_not_say_which_adam(name, tmp_path):
    state = stepped(name, {}).state_dict()
    del state["param_groups"][0]["decoupled_weight_decay"]
    torch.save(state, tmp_path / "a.pt")
    assert [found["class"] for found in holdall.inspect(tmp_path / "a.pt")["optimizers"]] == ["Adam or AdamW"]


def test_pickled_optimizers_say_their_class(tmp_path):
    torch.save({"optimizer": stepped("RAdam", {})}, tmp_path / "a.pt")
    (found,) = holdall.inspect(tmp_path / "a.pt")["optimizers"]
    assert (found["class"], found["step"], found["groups"][0]["lr"]) == ("RAdam", 3, 0.25)


MAKE_SCHEDULER = {
    "StepLR": lambda o: SCHEDULERS.StepLR(o, 3),
    "MultiStepLR": lambda o: SCHEDULERS.MultiStepLR(o, [3, 5]),
    "ExponentialLR": lambda o: SCHEDULERS.ExponentialLR(o, 0.5),
    "CosineAnnealingLR": lambda o: SCHEDULERS.CosineAnnealingLR(o, 10),
    "CosineAnnealingWarmRestarts": lambda o: SCHEDULERS.CosineAnnealingWarmRestarts(o, 5),
    "ReduceLROnPlateau": lambda o: SCHEDULERS.ReduceLROnPlateau(o),
    "OneCycleLR": lambda o: SCHEDULERS.OneCycleLR(o, 0.1, total_steps=10),
    "CyclicLR": lambda o: SCHEDULERS.CyclicLR(o, 0.1, 0.2),
    "LambdaLR": lambda o: SCHEDULERS.LambdaLR(o, lambda epoch: 1.0),
    "MultiplicativeLR": lambda o: SCHEDULERS.MultiplicativeLR(o, lambda epoch: 1.0),
    "LinearLR": lambda o: SCHEDULERS.LinearLR(o),
    "ConstantLR": lambda o: SCHEDULERS.ConstantLR(o),
    "PolynomialLR": lambda o: SCHEDULERS.PolynomialLR(o),
    "SequentialLR": lambda o: SCHEDULERS.SequentialLR(o, [SCHEDULERS.ConstantLR(o), SCHEDULERS.ExponentialLR(o, 0.9)], [2]),
    "ChainedScheduler": lambda o: SCHEDULERS.ChainedScheduler([SCHEDULERS.ConstantLR(o), SCHEDULERS.ExponentialLR(o, 0.9)]),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.05),
}


def test_every_scheduler_of_torch_is_told(tmp_path):
    own = {name for name, of in vars(SCHEDULERS).items() if isinstance(of, type) and issubclass(of, SCHEDULERS.LRScheduler) and name[0] != "_"}
    assert own - {"LRScheduler"} <= set(MAKE_SCHEDULER)
    for name, make in MAKE_SCHEDULER.items():
        optimizer = stepped("SGD", {"momentum": 0.5})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = make(optimizer)
            scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
        state = scheduler.state_dict()
        torch.save({"scheduler": state}, tmp_path / "a.pt")
        (found,) = holdall.inspect(tmp_path / "a.pt")["schedulers"]
        assert found["class"] == ("LambdaLR or MultiplicativeLR" if "lr_lambdas" in state else name)
        assert (found["where"], found["last_epoch"], found["lr"]) == ("scheduler", state.get("last_epoch"), scheduler.get_last_lr())


def test_the_command_prints_them(tmp_path):
    optimizer = stepped("AdamW", {})
    torch.save({"optimizer": optimizer.state_dict(), "scheduler": SCHEDULERS.StepLR(optimizer, 3).state_dict()}, tmp_path / "a.pt")
    done = subprocess.run([os.environ["HOLDALL_COMMAND"], "inspect", tmp_path / "a.pt"], capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert ["# optimizer", "optimizer", "AdamW", "3"] in lines and ["# scheduler", "scheduler", "StepLR", "0", "0.25"] in lines
    (group,) = (line for line in lines if line[0] == "# group")
    assert group[:5] == ["# group", "optimizer", "0", "1", "lr=0.25"] and "betas=(0.9, 0.999)" in group
