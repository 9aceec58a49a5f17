"""CheckpointCallback: what it writes in the place of Trainer is taken up by Trainer's own code, to the last bit, and is always whole."""

import json
import os
import pathlib
import random
import resource
import signal
import warnings

import pytest
import run_trainer
import tokenizers_made
import torch
import transformers
from equal import assert_same
from fresh import Fresh

import holdall
from holdall.transformers import CheckpointCallback, last_checkpoint

TIMES = ("_runtime", "_per_second")


@pytest.fixture(scope="module")
def run():
    with Fresh("run_trainer") as fresh:
        yield lambda ranks=1, **given: fresh.run(given, ranks)


def ends(folder):
    """The weights at the end of a run, and what was logged on the way, without times."""
    state = json.loads((folder / "final.json").read_text())
    logged = [{name: value for name, value in row.items() if not name.endswith(TIMES)} for row in state["log_history"]]
    best = state["best_model_checkpoint"] and pathlib.Path(state["best_model_checkpoint"]).name
    return torch.load(folder / "final.pt"), logged[:-1], (best, state["best_metric"], state["total_flos"])


def steps_in(folder):
    return sorted(int(path.name.rpartition("-")[2]) for path in (folder / "out").glob("checkpoint-*"))


# Trainer's own saving refuses modules with tied weights that are none of transformers'.
UNSAVED = {"save_strategy": "no", "load_best_model_at_end": False}
LAST_ONE = {"load_best_model_at_end": False}


@pytest.mark.parametrize(
    ("kind", "kills", "args"),
    [("bert", 2, {}), ("lora", 1, {}), ("plain", 1, LAST_ONE), ("mixtral", 1, LAST_ONE)],
    ids=["bert", "gpt2-lora", "plain-module", "mixtral"],
)
def test_a_killed_training_ends_as_one_that_was_not_interrupted(run, kind, kills, args, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    code, said = run(kind=kind, folder=str(whole), stock=True, args=UNSAVED if kind == "plain" else args)
    assert code == [0], said
    resume = None
    for at in sorted(random.Random(kind).sample(range(3, run_trainer.STEPS), kills)):
        code, said = run(kind=kind, folder=str(parts), kill=at, resume=resume, args=args, callback={"keep_last": 2})
        assert code == [9], said
        resume = True
    code, said = run(kind=kind, folder=str(parts), resume=resume, args=args, callback={"keep_last": 2})
    assert code == [0], said
    expected, found = ends(whole), ends(parts)
    assert_same(found[0], expected[0])
    assert found[1] == expected[1]
    assert kind == "plain" or found[2] == expected[2]
    # The newest two, and the best.
    best = json.loads((parts / "final.json").read_text())["best_model_checkpoint"]
    assert os.path.isdir(best) and steps_in(parts) == sorted({10, 12, int(best.rpartition("-")[2])})


def test_a_signal_ends_a_training_behind_one_last_checkpoint(run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    own = {"save_strategy": "no", "load_best_model_at_end": False}
    assert run(kind="gpt2", folder=str(whole), stock=True, args=own)[0] == [0]
    code, said = run(kind="gpt2", folder=str(parts), kill=6, signal=int(signal.SIGTERM), args=own, callback={"every_steps": 5})
    assert code == [-signal.SIGTERM], said
    assert steps_in(parts) == [5, 7]
    # The newest is damaged: the one before it is taken, with a word, and the steps between are taken again.
    damaged = parts / "out" / "checkpoint-7" / "optimizer.pt"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    code, said = run(kind="gpt2", folder=str(parts), last=True, args=own, callback={"every_epochs": 1})
    assert code == [0], said
    assert "checkpoint-7 is passed over" in said and "optimizer.pt" in said
    assert_same(ends(parts)[0], ends(whole)[0])
    assert ends(parts)[1] == ends(whole)[1]
    # Behind epochs 1 and 2; the damaged one stays for whoever wants to look.
    assert steps_in(parts) == [5, 6, 7, 12]


def test_two_ranks_save_once_and_each_goes_on_with_its_own_random_states(run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    args = {"gradient_accumulation_steps": 1}
    code, said = run(ranks=2, kind="bert", folder=str(whole), stock=True, args=args)
    assert code == [0, 0], said
    code, said = run(ranks=2, kind="bert", folder=str(parts), kill=9, args=args)
    assert code == [9, 9], said
    assert not (parts / "final.pt").exists()
    newest = parts / "out" / f"checkpoint-{steps_in(parts)[-1]}"
    files = {path.name for path in newest.iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt", "scheduler.pt", "model.safetensors", "trainer_state.json"} <= files
    states = [torch.load(newest / f"rng_state_{rank}.pth", weights_only=False)["cpu"] for rank in (0, 1)]
    assert len(states) == 2
    code, said = run(ranks=2, kind="bert", folder=str(parts), resume=True, args=args)
    assert code == [0, 0], said
    assert_same(ends(parts)[0], ends(whole)[0])
    assert ends(parts)[1:] == ends(whole)[1:]


def test_a_signal_to_one_rank_has_all_save_before_it_ends(run, tmp_path):
    codes, said = run(ranks=2, kind="bert", folder=str(tmp_path), kill=4, signal=int(signal.SIGTERM), args={"save_steps": 10})
    # The other one goes on, and finds that it is alone.
    assert codes == [1, -signal.SIGTERM], said
    assert steps_in(tmp_path) == [5] and last_checkpoint(tmp_path / "out") == str(tmp_path / "out" / "checkpoint-5")


# --- In this process ----------------------------------------------------------------------------------------------------------------


def train(tmp_path, callback=None, kind="gpt2", extra=(), **args):
    torch.manual_seed(0)
    trainer = run_trainer.trainer_of({"kind": kind, "folder": str(tmp_path), "args": {"max_steps": 6, **args}}, callback)
    for own in extra:
        trainer.add_callback(own)
    trainer.train()
    return trainer


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_a_checkpoint_is_what_trainer_writes(tmp_path, monkeypatch):
    tokenizer = tokenizers_made.bert()
    monkeypatch.setattr(tokenizers_made, "bert", lambda: tokenizer)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    train(ours, CheckpointCallback(), kind="bert")
    train(theirs, kind="bert")
    ours, theirs = ours / "out" / "checkpoint-6", theirs / "out" / "checkpoint-6"
    own = {"holdall.json", "holdall_checkpoint.json"}
    assert {path.name for path in ours.iterdir()} - own == {path.name for path in theirs.iterdir()}
    for name in ("optimizer.pt", "scheduler.pt"):
        assert_same(torch.load(ours / name, weights_only=True), torch.load(theirs / name, weights_only=True))
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    states = [torch.load(folder / "rng_state.pth", weights_only=False) for folder in (ours, theirs)]
    assert states[0]["python"] == states[1]["python"] and states[0]["cpu"].equal(states[1]["cpu"])
    kept = [json.loads((folder / "trainer_state.json").read_text()) for folder in (ours, theirs)]
    assert kept[0].keys() == kept[1].keys() and kept[0]["stateful_callbacks"] == kept[1]["stateful_callbacks"]
    assert torch.load(ours / "training_args.bin", weights_only=False).learning_rate == 5e-2
    models = [transformers.AutoModelForSequenceClassification.from_pretrained(folder) for folder in (ours, theirs)]
    assert_same(models[0].state_dict(), models[1].state_dict())
    model, tokenizer = holdall.transformers.load(ours)
    assert_same(model.state_dict(), models[1].state_dict())
    assert holdall.verify(ours)["sound"] and tokenizer.vocab_size


def test_every_file_of_a_checkpoint_is_checked(tmp_path, out):
    train(tmp_path, CheckpointCallback(), kind="bert", save_steps=6, load_best_model_at_end=False)
    folder = out / "checkpoint-6"
    assert last_checkpoint(out) == str(folder)
    for path in sorted(folder.iterdir()):
        if path.name in ("holdall.json", "holdall_checkpoint.json"):
            continue
        data = path.read_bytes()
        changed = bytearray(data)
        changed[len(data) // 2] ^= 4
        path.write_bytes(changed)
        with pytest.warns(holdall.HoldallWarning, match="checkpoint-6 is passed over"):
            assert last_checkpoint(out) is None, path.name
        path.write_bytes(data)
    assert last_checkpoint(out) == str(folder)
    assert last_checkpoint(tmp_path / "none") is None


def test_names_of_tensors_are_those_that_resume_takes(tmp_path, out):
    trainer = train(tmp_path, CheckpointCallback(), kind="mixtral", save_steps=6, load_best_model_at_end=False)
    assert set(holdall.open(out / "checkpoint-6")) == set(trainer.model.state_dict())


def test_rules_of_its_own_say_when_and_what_stays(tmp_path, out):
    events = []
    callback = CheckpointCallback(every_steps=2, every_epochs=1, keep_last=1, keep_best=("eval_loss", "max"), on_event=events.append)
    trainer = train(tmp_path, callback, max_steps=9, save_strategy="no", load_best_model_at_end=False, metric_for_best_model=None)
    evaluated = {row["step"]: row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row}
    best = max((step for step in evaluated if step % 2 == 0), key=evaluated.get)
    assert trainer.state.best_model_checkpoint == str(out / f"checkpoint-{best}") and trainer.state.best_global_step == best
    assert steps_in(tmp_path) == sorted({9, best})
    saved = [event.step for event in events if event.kind == "saved"]
    assert saved == [2, 4, 6, 8, 9]
    assert {event.step for event in events if event.kind == "removed"} == {2, 4, 6, 8} - {best}
    history = callback.history()
    assert [row["step"] for row in history] == steps_in(tmp_path) and history[-1]["kept"]
    (logged,) = [row for row in trainer.state.log_history if row["step"] == 9 and "loss" in row]
    assert {name: history[-1]["metrics"][name] for name in ("loss", "learning_rate")} == {name: logged[name] for name in ("loss", "learning_rate")}


def test_the_settings_of_the_arguments_are_followed(tmp_path, out):
    saves = []

    class Told(transformers.TrainerCallback):
        def on_save(self, args, state, control, **_):
            saves.append((state.global_step, state.best_model_checkpoint))

    trainer = train(tmp_path, CheckpointCallback(), extra=[Told], save_strategy="best", save_total_limit=1)
    evaluated = {row["step"]: row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row}
    lowest, expected = float("inf"), []
    for step, loss in evaluated.items():
        if loss < lowest:
            lowest = loss
            expected.append((step, str(out / f"checkpoint-{step}")))
    assert saves == expected and steps_in(tmp_path) == [expected[-1][0]]
    best = holdall.load(out / f"checkpoint-{expected[-1][0]}" / "model.safetensors", framework="torch")
    assert_same({name: trainer.model.state_dict()[name] for name in best}, dict(best))


def test_save_only_model_leaves_the_rest_out(tmp_path, out):
    train(tmp_path, CheckpointCallback(), save_only_model=True, save_strategy="epoch", eval_strategy="epoch")
    assert steps_in(tmp_path) == [6]
    names = {path.name for path in (out / "checkpoint-6").iterdir()}
    assert "model.safetensors" in names and names.isdisjoint({"optimizer.pt", "scheduler.pt", "rng_state.pth"})


def test_what_somebody_else_wrote_stays_and_the_training_says_so(tmp_path, out):
    (out / "checkpoint-4").mkdir(parents=True)
    (out / "checkpoint-4" / "mine.txt").write_text("mine")
    with pytest.raises(holdall.Error, match="is not known to be a checkpoint of this Holdall's"):
        train(tmp_path, CheckpointCallback(keep_last=1))
    assert (out / "checkpoint-4" / "mine.txt").read_text() == "mine" and steps_in(tmp_path) == [2, 4]


def test_a_write_that_fails_behind_the_training_is_told(tmp_path, out):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    reached = []

    class Full(transformers.TrainerCallback):
        """No file may become larger than 20 KB, from the second step on."""

        def on_step_begin(self, args, state, control, **_):
            reached.append(state.global_step)
            if state.global_step == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))

    try:
        with pytest.raises(holdall.StorageError, match="checkpoint-2"):
            train(tmp_path, CheckpointCallback(), extra=[Full])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert steps_in(tmp_path) == [] and reached[-1] in (2, 3)


def test_a_second_training_goes_on_in_the_same_process(tmp_path, out):
    callback = CheckpointCallback(keep_last=2)
    trainer = train(tmp_path, callback)
    with pytest.warns(holdall.HoldallWarning, match="holds 2 checkpoints of an earlier run, up to step 6"):
        trainer.train()
    trainer.args.max_steps = 8
    trainer.train(resume_from_checkpoint=True)
    assert steps_in(tmp_path)[-1] == 8 and last_checkpoint(out) == str(out / "checkpoint-8")


def test_pushing_waits_until_the_checkpoint_is_there(tmp_path, out, monkeypatch):
    pushed = []
    monkeypatch.setattr(transformers.Trainer, "init_hf_repo", lambda self, token=None: None)
    monkeypatch.setattr(transformers.Trainer, "_finish_current_push", lambda self: None)
    monkeypatch.setattr(transformers.Trainer, "_push_from_checkpoint", lambda self, folder: pushed.append((folder, os.listdir(folder))))
    train(tmp_path, CheckpointCallback(), push_to_hub=True)
    assert [folder for folder, _ in pushed] == [str(out / f"checkpoint-{step}") for step in (2, 4, 6)]
    assert all("optimizer.pt" in names for _, names in pushed)


def test_contradictions_are_refused_where_they_are_written(tmp_path):
    with pytest.raises(TypeError, match="CheckpointCallback takes no folder"):
        CheckpointCallback(folder="x")
    with pytest.raises(ValueError, match="keep_last is 0"):
        CheckpointCallback(keep_last=0)
    with pytest.raises(ValueError, match="when_busy"):
        CheckpointCallback(when_busy="never")
    with pytest.raises(ValueError, match="every_steps and save_strategy='steps' both say when to save"):
        train(tmp_path, CheckpointCallback(every_steps=2))
    with pytest.raises(ValueError, match="nothing says when to save"):
        train(tmp_path, CheckpointCallback(), save_strategy="no", load_best_model_at_end=False)
    with pytest.raises(holdall.UnsupportedError, match="save_on_each_node"):
        train(tmp_path, CheckpointCallback(), save_on_each_node=True)
    with pytest.raises(holdall.UnsupportedError, match=r"belongs to a transformers\.Trainer"):
        CheckpointCallback().on_train_begin(None, None, None)


def test_another_run_in_the_folder_is_refused_by_name(tmp_path, out):
    other = holdall.Checkpointer(out, every_steps=1)
    with warnings.catch_warnings(), pytest.raises(holdall.StorageError, match=str(os.getpid())):
        train(tmp_path, CheckpointCallback())
    other.close()
