"""holdall.Checkpointer: when it saves, what it keeps, what it finds again, what it refuses."""

import datetime
import math
import os
import random
import subprocess
import time

import numpy
import pytest
import torch
from equal import assert_same
from runs import made, parts, states, steps_of, trained  # noqa: F401 (a fixture)

import holdall


# --- When ---------------------------------------------------------------------------------------------------------------------------


def test_without_a_rule_only_save_saves(made):
    ckpt = made()
    ckpt.track(**parts())
    assert [ckpt.step(step=step, epoch=0) for step in range(1, 50)] == [None] * 49
    assert steps_of(ckpt) == []
    path = ckpt.save(step=50, epoch=1, wait=True)
    assert os.path.basename(path) == "checkpoint_epoch1_step50.pt" and os.path.exists(path)


@pytest.mark.parametrize(
    ("told", "saved"),
    [
        (range(1, 12), [3, 6, 9]),
        (range(10), [3, 6, 9]),
        ([2, 4, 8, 16], [4, 8, 16]),
        ([1, 2, 3, 3, 2, 3, 4, 6], [3, 6]),
    ],
    ids=["from 1", "from 0", "in strides", "going back"],
)
def test_every_steps(told, saved, made):
    ckpt = made(every_steps=3)
    ckpt.track(**parts())
    assert [step for step in told if ckpt.step(step=step)] == saved or told == [1, 2, 3, 3, 2, 3, 4, 6]
    assert steps_of(ckpt) == saved


def test_steps_count_themselves(made):
    ckpt = made(every_steps=2)
    ckpt.track(**parts())
    assert [bool(ckpt.step()) for _ in range(6)] == [False, True] * 3
    assert steps_of(ckpt) == [2, 4, 6]


def test_every_epochs_where_the_loop_is_the_users(made):
    """The first step of the next epoch tells that one has ended."""
    ckpt = made(every_epochs=2)
    ckpt.track(**parts())
    saved = [(epoch, step) for epoch in range(6) for step in range(3) if ckpt.step(epoch=epoch, step=3 * epoch + step)]
    assert saved == [(2, 0), (4, 0)]


def test_every_epochs_where_ends_are_told(made):
    ckpt = made(every_epochs=2)
    ckpt.track(**parts())
    saved = []
    for epoch in range(4):
        saved += [("step", epoch) for step in range(3) if ckpt.step(epoch=epoch)]
        saved += [("end", epoch)] if ckpt.end_epoch(epoch, metrics={"eval_loss": 1 / (1 + epoch)}) else []
    assert saved == [("end", 1), ("end", 3)]
    ckpt.wait()
    assert [row["metrics"] for row in ckpt.history()] == [{"eval_loss": 0.5}, {"eval_loss": 0.25}]


def test_every_minutes(made):
    ckpt = made(every_minutes=0.2 / 60)
    ckpt.track(**parts())
    assert ckpt.step() is None
    time.sleep(0.25)
    assert ckpt.step() is not None
    assert ckpt.step() is None


# --- What stays ---------------------------------------------------------------------------------------------------------------------


def test_rules_compose(made):
    ckpt = made(keep_last=2, keep_best=[("loss", "min"), ("accuracy", "max", 2)], keep_every=10)
    ckpt.track(**parts())
    losses = {3: 0.1}
    accuracies = {5: 0.8, 6: 0.9}
    for step in range(1, 16):
        ckpt.save(step=step, metrics={"loss": losses.get(step, 1.0), "accuracy": accuracies.get(step, 0.5)}, wait=True)
    assert steps_of(ckpt) == [3, 5, 6, 10, 14, 15]
    assert {row["step"]: row["fate"] for row in ckpt.history()}[3] == "best loss"
    assert ckpt.prune() == []


def test_rules_that_came_later_prune_what_was_there(made):
    first = made()
    first.track(**parts())
    for step in range(5):
        first.save(step=step)
    first.close()
    second = made(keep_last=2)
    assert [row["kept"] for row in second.history()] == [False, False, False, True, True]
    assert sorted(second.prune()) == [f"checkpoint_epoch0_step{step}.pt" for step in range(3)]
    assert steps_of(second) == [3, 4]


def test_the_best_survives_a_resume(made):
    """Of a metric that is better the lower, NaN is never the best."""
    ckpt = made(keep_last=1, keep_best=("loss", "min"))
    ckpt.track(**parts())
    for step, loss in enumerate([math.nan, 0.5, 0.2, math.inf, 0.3], 1):
        ckpt.save(step=step, metrics={"loss": loss})
    ckpt.close()
    assert [row["step"] for row in ckpt.history()] == [3, 5]
    again = made(keep_last=1, keep_best=("loss", "min"))
    start = again.resume(**parts())
    assert (start.step, start.best, start.metrics) == (5, {"loss": (0.2, 3)}, {"loss": 0.3})
    again.save(step=6, metrics={"loss": 0.4}, wait=True)
    assert steps_of(again) == [3, 6]


def test_bytes_and_ages_may_be_said_in_words(made):
    ckpt = made(max_bytes="1 kB", max_age="7d")
    ckpt.track(**parts())
    for step in range(3):
        ckpt.save(step=step, wait=True)
    assert steps_of(ckpt) == [2]
    holdall.Checkpointer(ckpt.folder + "2", max_age=datetime.timedelta(days=1), signals=()).close()


def test_names(made):
    ckpt = made(name="bert-{step:06}-{loss:.2f}.pt")
    ckpt.track(**parts())
    path = ckpt.save(step=12, metrics={"loss": 0.4567}, wait=True)
    assert os.path.basename(path) == "bert-000012-0.46.pt"
    with pytest.raises(holdall.Error, match="no such metric"):
        ckpt.save(step=13, metrics={"accuracy": 1})


def test_a_name_with_a_metric_and_a_rule(made):
    ckpt = made(name="{step}-{loss:.1f}.pt", every_steps=2)
    ckpt.track(**parts())
    assert os.path.basename([ckpt.step(metrics={"loss": 0.5}) for _ in range(2)][1]) == "2-0.5.pt"


# --- Found again --------------------------------------------------------------------------------------------------------------------


def test_restore_by_which(made):
    ckpt = made(keep_best=("loss", "min"), keep_last=9)
    named = parts()
    ckpt.track(**named)
    there = {}
    for step, loss in [(1, 0.5), (2, 0.1), (3, 0.9)]:
        trained(named)
        ckpt.save(step=step, metrics={"loss": loss, "speed": -loss})
        there[step] = states(named)
    for which, step in [("latest", 3), ("best", 2), ("best:loss", 2), ("best:speed", 3), (1, 1)]:
        other = parts(seed=9)
        start = ckpt.restore(which, **other)
        assert start.step == step and start.resumed
        assert_same(states(other), there[step])
    with pytest.raises(holdall.MissingError, match="7"):
        ckpt.restore(7)
    with pytest.raises(holdall.MissingError, match="no checkpoint 'best:none'"):
        ckpt.restore("best:none")
    for wrong, error in [("newest", ValueError), (1.5, TypeError), (True, TypeError)]:
        with pytest.raises(error):
            ckpt.restore(wrong)


def test_a_fresh_start(made):
    start = made().resume(**parts())
    assert (start.resumed, start.path, start.step, start.epoch, start.metrics, start.best) == (False, None, 0, 0, {}, {})
    assert "fresh" in repr(start)


def test_only_what_is_named_is_put_back(made):
    ckpt = made()
    named = parts()
    ckpt.track(**named)
    trained(named)
    ckpt.save(step=1)
    saved = states(named)
    trained(named)
    moved = named["optimizer"].state_dict()["state"][0]["step"].item()
    ckpt.restore("latest", model=named["model"])
    assert_same(states(named)["model"], saved["model"])
    assert named["optimizer"].state_dict()["state"][0]["step"].item() == moved


def test_after_a_rollback_the_new_line_is_the_latest(made, tmp_path):
    ckpt = made()
    named = parts()
    ckpt.track(**named)
    for step in (1, 2, 3, 4):
        trained(named)
        ckpt.save(step=step)
    assert ckpt.restore(2).step == 2
    trained(named)
    ckpt.save(step=3, wait=True)
    here = states(named)
    again = tmp_path / "copy"
    subprocess.run(["cp", "-r", ckpt.folder, again], check=True)  # as a kill would leave it
    with holdall.Checkpointer(again, signals=()) as other:
        there = parts(seed=5)
        assert other.resume(**there).step == 3
        assert_same(states(there), here)


def test_random_generators_go_on(made):
    ckpt = made()
    ckpt.track(**parts())
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(5)
    ckpt.save(step=1)
    expected = random.random(), numpy.random.random(), torch.rand(2).tolist()
    ckpt.restore()
    assert (random.random(), numpy.random.random(), torch.rand(2).tolist()) == expected


def test_what_differs_is_told(made, monkeypatch):
    ckpt = made()
    ckpt.track(**parts())
    ckpt.save(step=1, wait=True)
    from holdall.checkpoints import _environment

    now = _environment.environment()
    now["packages"]["torch"] = "99.0"
    monkeypatch.setattr(_environment, "environment", lambda: now)
    ckpt.close()
    again = made()
    with pytest.warns(holdall.HoldallWarning, match=r"torch was .*, and is 99\.0"):
        again.resume(**parts())


def test_history_is_a_table(made):
    ckpt = made(keep_last=5)
    ckpt.track(**parts())
    ckpt.save(epoch=0, step=1, metrics={"loss": 0.25})
    ckpt.save(epoch=1, step=2, metrics={"accuracy": 0.5}, wait=True)
    history = ckpt.history()
    assert [row["metrics"] for row in history] == [{"loss": 0.25}, {"accuracy": 0.5}]
    lines = repr(history).splitlines()
    assert len(lines) == 3 and lines[0].split()[:4] == ["step", "epoch", "loss", "accuracy"] and lines[1].split()[:4] == ["1", "0", "0.25", "-"]
    assert "<td>0.25</td>" in history._repr_html_()


# --- The files ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["pt", "safetensors"])
def test_files_are_ordinary(extension, made):
    ckpt = made(name=f"s{{step}}.{extension}", metadata={"note": "ours"})
    named = parts()
    ckpt.track(**named)
    trained(named)
    path = ckpt.save(epoch=2, step=7, metrics={"loss": 0.5}, wait=True)
    if extension == "pt":
        state = torch.load(path, weights_only=True)
        assert_same(state["model_state_dict"], named["model"].state_dict())
    else:
        from safetensors.torch import load_file

        flat = load_file(path)
        assert flat["model_state_dict.0.weight"].equal(named["model"][0].weight)
    ours = holdall.load(path, framework="torch")
    assert_same(ours["optimizer_state_dict"], named["optimizer"].state_dict())
    assert (ours["epoch"], ours["step"], ours["metrics"]) == (2, 7, {"loss": 0.5})
    assert {"random_states", "data_position", "environment"} <= set(ours)
    assert "gradients" not in ours
    assert holdall.open(path).metadata["note"] == "ours"
    assert holdall.verify(path)["sound"]
    other = parts(seed=4)
    assert ckpt.restore("latest", **other).step == 7
    assert_same(states(other), states(named))


def test_a_metric_that_never_came_is_told_at_the_end(made):
    ckpt = made(keep_best=[("eval_loss", "min"), ("loss", "min")])
    ckpt.track(**parts())
    ckpt.save(step=1, metrics={"loss": 1.0, "eval_loss": math.nan})
    with pytest.warns(holdall.HoldallWarning, match="keep_best looks for eval_loss, and no"):
        ckpt.close()


# --- Metrics ------------------------------------------------------------------------------------------------------------------------


def test_metrics_of_every_kind_of_number(made):
    ckpt = made()
    ckpt.track(**parts())
    loss = torch.tensor(0.5, requires_grad=True)
    ckpt.log(eval_loss=numpy.float32(0.25))
    ckpt.save(step=1, metrics={"loss": loss, "one": torch.tensor([2]), "int": numpy.int64(3), "nan": math.nan, "inf": -math.inf}, wait=True)
    metrics = ckpt.history()[0]["metrics"]
    assert math.isnan(metrics.pop("nan"))
    assert metrics == {"loss": 0.5, "one": 2.0, "int": 3.0, "inf": -math.inf, "eval_loss": 0.25}
    assert {type(value) for value in metrics.values()} == {float}
    state = torch.load(ckpt.history()[0]["path"], weights_only=True)
    assert math.isnan(state["metrics"]["nan"])


def test_what_was_logged_goes_with_the_next_save_only(made):
    ckpt = made()
    ckpt.track(**parts())
    ckpt.log(eval_loss=0.5)
    ckpt.save(step=1)
    ckpt.save(step=2, wait=True)
    assert [row["metrics"] for row in ckpt.history()] == [{"eval_loss": 0.5}, {}]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"metrics": {"loss": "0.5"}}, "loss is a number, not str"),
        ({"metrics": {"loss": None}}, "loss is a number"),
        ({"metrics": {"loss": torch.ones(2)}}, "loss is one number"),
        ({"metrics": {1: 0.5}}, "a metric has a name"),
        ({"metrics": [0.5]}, "a dict of names"),
        ({"step": "3"}, "step is a number that counts, not str"),
        ({"step": 3.0}, "step is a number that counts"),
        ({"step": True}, "step is a number that counts"),
        ({"step": -1}, "step is -1"),
        ({"epoch": "3"}, "epoch is a number that counts"),
    ],
    ids=str,
)
def test_what_is_no_number(told, error, made):
    ckpt = made(every_steps=1)
    ckpt.track(**parts())
    for call in (ckpt.step, ckpt.save):
        with pytest.raises((TypeError, ValueError), match=error):
            call(**told)
    assert steps_of(ckpt) == []


def test_numbers_of_numpy_are_numbers(made):
    ckpt = made(every_steps=numpy.int64(2), keep_last=numpy.int32(1))
    ckpt.track(**parts())
    assert ckpt.step(step=numpy.int64(2), epoch=torch.tensor(1)) is not None
    assert steps_of(ckpt) == [2]
    state = torch.load(ckpt.history()[0]["path"], weights_only=True)
    assert (type(state["step"]), type(state["epoch"])) == (int, int)


# --- Arguments ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"name": "always_the_same.pt"},
        {"name": "{step}.unknown"},
        {"name": "{step}/a.pt"},
        {"name": "{step"},
        {"every_steps": 0},
        {"every_steps": "1000"},
        {"every_steps": 1.5},
        {"every_steps": True},
        {"every_epochs": -1},
        {"every_minutes": 0},
        {"every_minutes": "15"},
        {"every_minutes": math.nan},
        {"keep_last": 0},
        {"keep_best": ("loss", "lowest")},
        {"keep_best": ("loss",)},
        {"keep_best": ("loss", "min", 0)},
        {"keep_best": [("loss", "min"), ("loss", "max")]},
        {"keep_best": ("step", "max")},
        {"keep_best": ("", "min")},
        {"keep_every": 0},
        {"max_age": "soon"},
        {"max_age": 0},
        {"max_bytes": 0},
        {"max_bytes": "much"},
        {"when_busy": "hurry"},
        {"when_busy": "replace", "in_flight": 1},
        {"in_flight": 0},
        {"memory": 0},
        {"memory": "lots"},
        {"signals": ("SIGNAL",)},
        {"signals": ("SIGKILL",)},
        {"signals": (99,)},
        {"signal_seconds": 0},
        {"signal_seconds": "long"},
        {"on_event": "print"},
        {"on_error": "ignore"},
        {"metadata": "note"},
        {"threads": -1},
        {"distributed": True},
        {"every_stpes": 5},
    ],
    ids=str,
)
def test_arguments_are_refused_before_anything_is_touched(options, tmp_path):
    folder = tmp_path / "runs"
    with pytest.raises((TypeError, ValueError, holdall.Error)):
        holdall.Checkpointer(folder, **options)
    assert not folder.exists()


@pytest.mark.parametrize("target", [5, "model", object(), [torch.zeros(1)], torch.zeros(1)], ids=["int", "str", "object", "list", "tensor"])
def test_a_target_without_a_state_is_refused(target, made):
    ckpt = made()
    with pytest.raises(TypeError, match=r"thing is a .*no state_dict"):
        ckpt.resume(**parts(), thing=target)
    with pytest.raises(ValueError, match="nothing to save"):
        ckpt.save(step=1)


def test_names_of_targets_collide_with_nothing(made):
    ckpt = made()
    names = ["self", "which", "epoch", "step", "metrics", "best", "random_states", "environment", "ranks", "gradients", "data_position"]
    named = {name: torch.nn.Linear(2, 2) for name in names}
    ckpt.track(**named)
    before = states(named)
    ckpt.save(step=3)
    other = {name: torch.nn.Linear(2, 2) for name in names}
    start = ckpt.restore("latest", **other)
    assert start.step == 3
    assert_same(states(other), before)


def test_nothing_named_nothing_saved(made):
    with pytest.raises(ValueError, match="nothing to save"):
        made(every_steps=1).step()


def test_lists_of_batches_are_loaders_too(made):
    batches = [torch.randn(2, 4) for _ in range(5)]
    ckpt = made(every_steps=2)
    start = ckpt.resume(**parts(), loader=batches)
    seen = []
    for step, batch in start.steps(batches):
        seen.append(batch)
        ckpt.step()
        if step == 4:
            break
    ckpt.wait()
    again = ckpt.restore()
    assert [step for step, _ in again.steps(batches)] == [5]


# --- As the documentation has it ----------------------------------------------------------------------------------------------------


def test_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = parts()
    model, optimizer = named.values()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(12, 4)), batch_size=4, shuffle=True)

    def train(batch):
        optimizer.zero_grad()
        loss = model(batch[0]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    with holdall.Checkpointer("runs/bert", keep_last=3, keep_best=("eval_loss", "min"), every_steps=1000, every_minutes=15) as ckpt:
        start = ckpt.resume(model=model, optimizer=optimizer, scheduler=scheduler, loader=loader)
        for epoch in start.epochs(10):
            for step, batch in start.steps(loader):
                loss = train(batch)
                ckpt.step(epoch=epoch, step=step, metrics={"loss": loss})
        ckpt.save(epoch=epoch, step=step, wait=True)
    assert [row["step"] for row in ckpt.history()] == [30]
