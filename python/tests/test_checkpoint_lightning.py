"""holdall.lightning: Lightning trains on from our files as if nothing had happened, amid an epoch too; its files are whole and plain."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import warnings

import lightning.fabric
import lightning.pytorch as pl
import pytest
import run_lightning
import torch
from equal import assert_same
from fresh import Fresh

import holdall
import holdall.torch
from holdall.lightning import CheckpointIO, ModelCheckpoint


@pytest.fixture(scope="module")
def run():
    with Fresh("run_lightning") as fresh:
        yield lambda ranks=1, **given: fresh.run(given, ranks)


def ends(folder):
    return torch.load(folder / "final.pt")


def files_in(folder):
    return sorted(path.name for path in (folder / "out").iterdir() if not path.name.startswith("."))


# Epochs bound the run, or steps do, which Lightning takes up in another way; validation at the end of each epoch, or amid it.
TRAINERS = {"epochs": {}, "amid": {"val_check_interval": 4}, "steps": {"max_epochs": -1, "max_steps": 15, "val_check_interval": 4}}


@pytest.mark.parametrize("loader", ["plain", "generator", "workers", "stateful", "stream"])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_killed_training_ends_as_one_that_was_not_interrupted(run, loader, trainer, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    codes, said = run(folder=str(whole), loader=loader, trainer=TRAINERS[trainer])
    assert codes == [0], said
    expected = ends(whole)
    # Amid the first epoch, behind its end (11 batches), and amid a later one.
    chance = random.Random(f"{loader} {trainer}")
    for at in (chance.randrange(7, 11), chance.randrange(12, 18), chance.randrange(19, 26)):
        parts = tmp_path / f"killed {at}"
        parts.mkdir()
        codes, said = run(folder=str(parts), loader=loader, trainer=TRAINERS[trainer], kill=at)
        assert codes == [9], said
        codes, said = run(folder=str(parts), loader=loader, trainer=TRAINERS[trainer], resume="last")
        assert codes == [0], said
        found = ends(parts)
        assert_same(found["state"], expected["state"])
        assert found["losses"] == expected["losses"][-len(found["losses"]) :], at
        kept = [pathlib.Path(found[name]).name for name in ("best", "last")]
        assert kept == [pathlib.Path(expected[name]).name for name in ("best", "last")]
        # A worker that was forked while a file was written has it open, and it stays for as long.
        stay = set(kept) - {""}  # no checkpoint with the metric, no best
        assert set(files_in(parts)) == stay or (loader == "workers" and set(files_in(parts)) > stay)


def test_the_training_is_that_of_lightning_alone(run, tmp_path):
    states = []
    for name in ("ours", "none"):
        folder = tmp_path / name
        folder.mkdir()
        codes, said = run(folder=str(folder), checkpoint={} if name == "ours" else {"save_top_k": 0})
        assert codes == [0], said
        states.append(ends(folder))
    assert_same(states[0]["state"], states[1]["state"])
    assert states[0]["losses"] == states[1]["losses"] and files_in(tmp_path / "ours")


def test_two_ranks_go_on_each_with_its_own_random_states_and_data(run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    trainer = {"devices": 2, "strategy": "ddp", "accumulate_grad_batches": 1}
    codes, said = run(ranks=2, folder=str(whole), world=2, trainer=trainer)
    assert codes == [0, 0], said
    codes, said = run(ranks=2, folder=str(parts), world=2, trainer=trainer, kill=18)
    assert codes == [9, 9], said
    newest = max((parts / "out").glob("*.ckpt"), key=lambda path: int(path.stem.partition("step=")[2]))
    assert newest.name in ("epoch=1-step=15.ckpt", "epoch=1-step=18.ckpt")
    kept = holdall.torch.load(newest)["holdall"]["ranks"]
    assert len(kept) == 2 and not kept[0]["random_states"]["torch"].equal(kept[1]["random_states"]["torch"])
    codes, said = run(ranks=2, folder=str(parts), world=2, trainer=trainer, resume="last")
    assert codes == [0, 0], said
    assert_same(ends(parts)["state"], ends(whole)["state"])


def test_a_signal_has_one_last_checkpoint_saved_before_lightning_heeds_it(run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    rule = {"every_n_train_steps": 100}
    assert run(folder=str(whole), checkpoint=rule)[0] == [0]
    codes, said = run(folder=str(parts), checkpoint=rule, kill=14, signal=int(signal.SIGTERM))
    # Lightning raises SystemExit behind the step.
    assert codes == [1] and "SIGTERM" in said, said
    # Batch 14 is the fourth of the second epoch, and ends the accumulation that it is in.
    assert files_in(parts) == ["epoch=1-step=8.ckpt"]
    assert run(folder=str(parts), checkpoint=rule, resume="last")[0] == [0]
    assert_same(ends(parts)["state"], ends(whole)["state"])


# --- In this process ----------------------------------------------------------------------------------------------------------------


def fit(folder, checkpoint, resume=None, **given):
    torch.manual_seed(0), random.seed(0)
    module = run_lightning.Net()
    settings = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    callbacks = [checkpoint, *given.pop("callbacks", [])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", holdall.HoldallWarning)
        trainer = pl.Trainer(**{**settings, **given}, callbacks=callbacks, default_root_dir=folder)
        validation = torch.utils.data.DataLoader(run_lightning.Data(6, 2), batch_size=3)
        trainer.fit(module, run_lightning.loader_of("plain"), validation, ckpt_path=resume)
    return trainer, module


def test_files_are_lightnings_and_load_without_running_code(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "out", filename="net-{epoch:02d}-{val/loss:.3f}", monitor="val/loss", auto_insert_metric_name=True)
    trainer, module = fit(tmp_path, checkpoint)
    best = holdall.torch.load(checkpoint.best_model_path)
    plain = torch.load(checkpoint.best_model_path, weights_only=True)
    assert_same(best, plain)
    trainer.save_checkpoint(tmp_path / "lightning.ckpt")
    theirs = torch.load(tmp_path / "lightning.ckpt", weights_only=True)
    assert plain.keys() - {"holdall"} == theirs.keys() - {"holdall"}
    loss = float(checkpoint.best_model_score)
    names = {pathlib.Path(checkpoint.best_model_path).name, pathlib.Path(checkpoint.last_model_path).name}
    assert set(files_in(tmp_path)) == names and f"val_loss={loss:.3f}-step=" in checkpoint.best_model_path
    again = run_lightning.Net.load_from_checkpoint(checkpoint.best_model_path)
    assert_same(again.state_dict(), plain["state_dict"])
    assert again.hparams.rate == 0.05
    assert holdall.verify(checkpoint.best_model_path)["sound"]
    # Lightning goes on from it without this callback too.
    own = pl.callbacks.ModelCheckpoint(tmp_path / "own", save_top_k=-1)
    fit(tmp_path, own, resume=checkpoint.last_model_path, max_epochs=3)
    assert own.best_model_path.endswith("epoch=2-step=33.ckpt")


def test_the_best_by_the_monitor_stay_and_the_newest(tmp_path):
    events = []
    checkpoint = ModelCheckpoint(
        tmp_path / "out", "{epoch}-{step}", "val/loss", mode="max", save_top_k=2, every_n_train_steps=2, on_event=events.append
    )
    trainer, _ = fit(tmp_path, checkpoint, val_check_interval=4)
    saved = {event.step: event.metrics.get("val/loss") for event in events if event.kind == "saved"}
    assert list(saved) == list(range(2, 23, 2))
    # Validation came behind steps 4, 8, 15 and 19: what it found says nothing of the steps between.
    validated = {step: loss for step, loss in saved.items() if loss is not None}
    assert list(validated) == [4, 8]
    best = sorted(validated, key=validated.get, reverse=True)[:2]
    steps = sorted(int(name.partition("step=")[2].removesuffix(".ckpt")) for name in files_in(tmp_path))
    assert steps == sorted({*best, max(saved)})
    assert checkpoint.best_model_path.endswith(f"step={best[0]}.ckpt") and float(checkpoint.best_model_score) == pytest.approx(validated[best[0]])
    assert trainer.checkpoint_callback is checkpoint
    trainer.validate(run_lightning.Net(), torch.utils.data.DataLoader(run_lightning.Data(6, 2)), ckpt_path="best", verbose=False)


def test_a_damaged_newest_file_is_passed_over(tmp_path):
    fit(tmp_path, ModelCheckpoint(tmp_path / "out", every_n_train_steps=4, keep_last=2, save_last=True))
    first, newest = sorted((tmp_path / "out").glob("*.ckpt"), key=lambda path: int(path.stem.partition("step=")[2]))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    checkpoint = ModelCheckpoint(tmp_path / "out", every_n_train_steps=4, keep_last=2)
    with pytest.warns(holdall.HoldallWarning, match=f"{newest.name} is passed over"):
        assert checkpoint._find_last_checkpoints(None) == {str(first)}
    with pytest.warns(holdall.HoldallWarning, match="is passed over"):
        _, module = fit(tmp_path, checkpoint, resume="last")
    step = int(first.stem.partition("step=")[2])
    assert module.losses[0][0] == step


def test_an_exception_in_the_training_leaves_what_was_saved_and_is_what_is_told(tmp_path):
    class Broken(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if trainer.global_step == 5:
                raise RuntimeError("broken")

    checkpoint = ModelCheckpoint(tmp_path / "out", every_n_train_steps=4, save_on_exception=True, save_top_k=-1)
    with pytest.raises(RuntimeError, match="broken"):
        fit(tmp_path, checkpoint, callbacks=[Broken()])
    assert files_in(tmp_path) == ["epoch=0-step=4.ckpt", "epoch=0-step=5.ckpt"]
    # The folder is free for the next one.
    fit(tmp_path, ModelCheckpoint(tmp_path / "out", save_top_k=-1), resume="last")


def test_arguments_that_contradict_are_refused(tmp_path):
    with pytest.raises(TypeError, match="ModelCheckpoint takes no folder"):
        ModelCheckpoint(folder="x")
    with pytest.raises(ValueError, match="keep_last is 0"):
        ModelCheckpoint(keep_last=0)
    with pytest.raises(ValueError, match="a name without folders"):
        ModelCheckpoint(filename="a/{epoch}")
    with pytest.raises(ValueError, match="the module logs no such metric; it logs val/loss"):
        fit(tmp_path, ModelCheckpoint(tmp_path / "out", monitor="accuracy"))


class Odd:
    """Of no library that is known to be inert."""


def test_the_io_plugin_writes_whole_plain_files(tmp_path):
    own = pl.callbacks.ModelCheckpoint(tmp_path / "out", monitor="val/loss", save_last=True)
    fit(tmp_path, own, plugins=[CheckpointIO()])
    assert holdall.verify(own.best_model_path)["checked"] and files_in(tmp_path)[-1] == "last.ckpt"
    plain = torch.load(own.last_model_path, weights_only=True)
    assert_same(CheckpointIO().load_checkpoint(own.last_model_path), plain)
    fit(tmp_path, pl.callbacks.ModelCheckpoint(tmp_path / "again"), resume=own.last_model_path, max_epochs=3, plugins=[CheckpointIO(sync=False)])
    plugin = CheckpointIO()
    path = tmp_path / "deeper" / "a.ckpt"
    plugin.save_checkpoint({"a": torch.ones(3)}, path)
    with pytest.raises(holdall.UnsafeError, match="Odd"):
        plugin.save_checkpoint({"a": Odd()}, path)
    assert_same(plugin.load_checkpoint(path), {"a": torch.ones(3)})
    assert os.listdir(path.parent) == ["a.ckpt"]
    CheckpointIO(trusted=[Odd]).save_checkpoint({"a": Odd()}, path)
    with pytest.raises(holdall.UnsafeError, match="Odd"):
        plugin.load_checkpoint(path)
    assert isinstance(CheckpointIO(trusted=[Odd]).load_checkpoint(path)["a"], Odd)
    assert isinstance(plugin.load_checkpoint(path, weights_only=False)["a"], Odd)
    with pytest.raises(FileNotFoundError):
        plugin.load_checkpoint(tmp_path / "none.ckpt")
    with pytest.raises(TypeError, match="storage_options"):
        plugin.save_checkpoint({}, path, storage_options={})
    plugin.remove_checkpoint(path)
    assert not path.exists()


def test_fabric_saves_and_loads_by_the_io_plugin(tmp_path):
    fabric = lightning.fabric.Fabric(accelerator="cpu", plugins=[CheckpointIO()])
    module = torch.nn.Linear(3, 2)
    module, optimizer = fabric.setup(module, torch.optim.Adam(module.parameters()))
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    fabric.save(tmp_path / "a.ckpt", {"module": module, "optimizer": optimizer, "step": 3})
    kept = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert_same(kept["module"], module.state_dict())
    other = torch.nn.Linear(3, 2)
    other, again = fabric.setup(other, torch.optim.Adam(other.parameters()))
    state = {"module": other, "optimizer": again, "step": 0}
    fabric.load(tmp_path / "a.ckpt", state)
    assert_same(other.state_dict(), module.state_dict())
    assert_same(again.state_dict(), optimizer.state_dict())
    assert state["step"] == 3


PROGRAM = """
import sys
import pytorch_lightning
from holdall.lightning import CheckpointIO, ModelCheckpoint
assert issubclass(ModelCheckpoint, pytorch_lightning.callbacks.ModelCheckpoint)
import lightning_fabric
assert issubclass(CheckpointIO, lightning_fabric.plugins.CheckpointIO)
assert "lightning" not in sys.modules
"""


def test_the_package_that_is_imported_is_the_one():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM], env=environment, check=True, capture_output=True)
