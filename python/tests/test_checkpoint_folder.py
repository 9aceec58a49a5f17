"""A folder of foreign, damaged, truncated, empty files and files of the future: listed as what they are, never chosen, never removed; a resume falls
back to what is whole and says why, and nothing is half put back."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import warnings

import pytest
import torch
from equal import assert_same

import holdall


def parts(seed=0, width=3, optimizer=torch.optim.AdamW):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.BatchNorm1d(width), torch.nn.Linear(width, 2))
    made = optimizer(model.parameters(), 0.01)
    return {"model": model, "optimizer": made, "scheduler": torch.optim.lr_scheduler.StepLR(made, 1)}


def trained(named):
    named["optimizer"].zero_grad()
    named["model"](torch.randn(5, 4)).square().sum().backward()
    named["optimizer"].step()
    named["scheduler"].step()
    return named


def states(named):
    import copy

    return copy.deepcopy({name: target.state_dict() for name, target in named.items()})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with three checkpoints, and the states of each."""
    folder = tmp_path_factory.mktemp("saved") / "runs"
    there, named = {}, parts()
    with holdall.Checkpointer(folder, sync=False, signals=()) as ckpt:
        ckpt.track(**named)
        for step in (1, 2, 3):
            trained(named)
            ckpt.save(step=step, epoch=0, metrics={"loss": 1 / step})
            there[step] = states(named)
    return folder, there


@pytest.fixture
def folder(saved, tmp_path):
    return pathlib.Path(shutil.copytree(saved[0], tmp_path / "runs"))


def name(step):
    return f"checkpoint_epoch0_step{step}.pt"


def opened(folder, **options):
    return holdall.Checkpointer(folder, sync=False, signals=(), **options)


def forget(folder):
    """The journal is lost."""
    for file in folder.iterdir():
        if file.name.startswith("."):
            file.unlink()


def assert_falls_back(folder, saved, to, why, journal=True):
    if not journal:
        forget(folder)
    named = parts(seed=7)
    with opened(folder) as ckpt:
        with pytest.warns(holdall.HoldallWarning, match=why):
            start = ckpt.resume(**named)
        assert start.step == to
        assert_same(states(named), saved[1][to])


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "no journal"])
@pytest.mark.parametrize("part", [0, 1, 4, 30, 0.2, 0.5, 0.9, -1000, -22, -1])
def test_truncated(part, journal, folder, saved):
    file = folder / name(3)
    size = file.stat().st_size
    os.truncate(file, part if part in (0, 1, 4, 30) else int(size * part) if part > 0 else size + part)
    assert_falls_back(folder, saved, 2, name(3), journal)
    assert file.exists()
    with opened(folder) as ckpt:
        row = {os.path.basename(row["path"]): row for row in ckpt.history()}[name(3)]
        assert row["state"] == "damaged" and row["why"] and row["bytes"] == file.stat().st_size


def flipped(file, place):
    with open(file, "r+b") as opened:
        opened.seek(place)
        byte = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte[0] ^ 0x10]))


def test_a_bit_anywhere_in_a_tensor(folder, saved):
    """The file's structure is whole: its checksums tell."""
    location = holdall.open(folder / name(3))["model_state_dict.0.weight"].location
    flipped(folder / name(3), location.offset + 5)
    assert_falls_back(folder, saved, 2, name(3))
    assert (folder / name(3)).exists()


def test_bits_at_random_places_never_change_what_is_put_back(folder, saved):
    chosen = random.Random(3)
    whole = (folder / name(3)).read_bytes()
    fallen = 0
    for _ in range(60):
        (folder / name(3)).write_bytes(whole)
        flipped(folder / name(3), chosen.randrange(len(whole)))
        named = parts(seed=7)
        with opened(folder) as ckpt:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                start = ckpt.resume(**named)
            assert start.step in (2, 3) and bool(told) == (start.step == 2), [str(w.message) for w in told]
            assert_same(states(named), saved[1][start.step])
            fallen += start.step == 2
    assert fallen > 30


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "no journal"])
def test_two_damaged_one_whole(journal, folder, saved):
    (folder / name(3)).write_bytes(b"")
    os.truncate(folder / name(2), 700)
    assert_falls_back(folder, saved, 1, name(3), journal)


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "no journal"])
@pytest.mark.parametrize("how", ["empty", "bit"])
def test_all_damaged(how, journal, folder):
    for step in (1, 2, 3):
        if how == "empty":
            (folder / name(step)).write_bytes(b"")
        else:
            flipped(folder / name(step), holdall.open(folder / name(step))["model_state_dict.0.weight"].location.offset)
    if not journal:
        forget(folder)
    named = trained(parts(seed=7))
    before = states(named)
    with opened(folder) as ckpt:
        with pytest.raises(holdall.CorruptError, match=r"checkpoint"), pytest.warns(holdall.HoldallWarning):
            ckpt.resume(**named)
        assert_same(states(named), before)
    assert len(list(folder.glob("*.pt"))) == 3


def test_of_a_later_version(folder, saved):
    """What another Holdall has written is neither taken nor removed."""
    path = folder / name(9)
    stamp = {"version": 99, "run": "x", "sequence": 50, "step": 9, "epoch": 0, "metrics": {}, "time": 1}
    holdall.save({"step": 9}, path, metadata={"holdall.checkpoint": json.dumps(stamp)})
    assert_falls_back(folder, saved, 3, "version 99")
    with opened(folder, keep_last=1) as ckpt:
        ckpt.track(**parts())
        ckpt.save(step=10, wait=True)
        ckpt.prune()
        assert {os.path.basename(row["path"]): row["state"] for row in ckpt.history()} == {name(9): "future", name(10): "complete"} or path.exists()
    assert path.exists()


def strangers(folder):
    """{name: state} of what is put there."""
    torch.save({"step": 99, "model_state_dict": {}}, folder / "checkpoint_epoch9_step99.pt")
    (folder / "notes.txt").write_text("ours")
    (folder / "empty.pt").write_bytes(b"")
    (folder / "half.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    (folder / "a folder").mkdir()
    (folder / "a folder" / "checkpoint_epoch0_step7.pt").write_bytes(b"x")
    (folder / "logs").mkdir()
    (folder / "link.pt").symlink_to(folder / "nowhere.pt")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe.pt")
    (folder / "naïve – 名前\n\t.pt").write_bytes(b"no")
    (folder / os.fsdecode(b"\xff\xfe.pt")).write_bytes(b"no")
    (folder / "-rf").write_bytes(b"")
    (folder / "checkpoint_epoch0_step1000.pt.tmp").write_bytes(b"PK")
    (folder / "pickle.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def test_strangers_are_listed_never_chosen_never_removed(folder, saved):
    before = set(strangers(folder))
    named = parts(seed=7)
    with opened(folder, keep_last=1) as ckpt:
        start = ckpt.resume(**named)
        assert start.step == 3
        assert_same(states(named), saved[1][3])
        rows = {os.path.basename(row["path"]): row for row in ckpt.history()}
        assert set(rows) == before - {"link.pt"}  # it leads nowhere: there is nothing to list
        found = {key: row["state"] for key, row in rows.items()}
        assert {key for key, state in found.items() if state == "complete"} == {name(1), name(2), name(3)}
        assert set(found.values()) == {"complete", "damaged", "foreign"}
        assert found["checkpoint_epoch9_step99.pt"] == found["notes.txt"] == found["logs"] == found["pickle.pkl"] == "foreign"
        assert found["empty.pt"] == found["half.safetensors"] == "damaged"
        assert repr(ckpt.history()) and ckpt.history()._repr_html_()
        trained(named)
        ckpt.save(step=4, epoch=0, wait=True)
        ckpt.prune()
        with pytest.raises(holdall.Error, match="what has this name is not known to be a checkpoint"):
            ckpt.save(step=99, epoch=9)
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert left == before - {name(1), name(2), name(3)} | {name(4)}


def test_a_file_copied_in_counts_and_one_taken_away_does_not(folder, saved, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / name(2), other / "by hand.pt")
    named = parts(seed=7)
    with opened(other) as ckpt:
        assert ckpt.resume(**named).step == 2
        assert_same(states(named), saved[1][2])
    (folder / name(3)).unlink()
    with opened(folder) as ckpt:
        assert ckpt.resume(**named).step == 2


UNREADABLE = """
import sys, warnings, torch, holdall
with holdall.Checkpointer(sys.argv[1], signals=()) as ckpt, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    start = ckpt.resume()
    print(start.step, *[warning.message for warning in told])
"""


def test_what_may_not_be_read(folder):
    (folder / name(3)).chmod(0)
    command = [sys.executable, "-c", UNREADABLE, str(folder)]
    if os.geteuid() == 0:  # who may read everything
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.startswith(f"2 {folder / name(3)} is passed over: ") and "ermission" in found.splitlines()[0]


def test_a_file_stands_where_the_folder_is_to_be(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(holdall.Error, match="a file stands where"):
        opened(tmp_path / "runs")


# --- Targets that are others ---------------------------------------------------------------------------------------------------------


class Refusing:
    """Takes no state."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        raise RuntimeError("not this one")


def wider():
    return parts(seed=7, width=5)


def deeper():
    named = parts(seed=7)
    named["model"].append(torch.nn.Linear(2, 2))
    return named


def another_optimizer():
    return parts(seed=7, optimizer=torch.optim.SGD)


def another_scheduler():
    named = parts(seed=7)
    named["scheduler"] = torch.optim.lr_scheduler.CosineAnnealingLR(named["optimizer"], 10)
    return named


def groups():
    named = parts(seed=7)
    named["optimizer"] = torch.optim.AdamW([{"params": [value]} for value in named["model"].parameters()], 0.01)
    del named["scheduler"]
    return named


def an_unknown():
    return {**parts(seed=7), "ema": torch.nn.Linear(2, 2)}


def optimizer_of_others():
    named = parts(seed=7)
    named["optimizer"] = torch.optim.AdamW(reversed(list(named["model"].parameters())), 0.01)
    return named


@pytest.mark.parametrize("made", [wider, deeper, another_optimizer, another_scheduler, groups, an_unknown, optimizer_of_others])
def test_nothing_changes_where_something_does_not_fit(made, folder):
    named = made()
    before, generator = states(named), torch.get_rng_state()
    with opened(folder) as ckpt:
        with pytest.raises(holdall.MismatchError, match="state of|no state of"):
            ckpt.resume(**named)
        assert_same(states(named), before)
        assert torch.get_rng_state().equal(generator)


def test_a_state_that_is_refused_halfway_changes_nothing(tmp_path):
    named = {**trained(parts()), "other": Refusing()}
    with opened(tmp_path) as ckpt:
        ckpt.track(**named)
        ckpt.save(step=1, wait=True)
        for order in (list(named), list(reversed(named))):
            other = {**trained(parts(seed=7)), "other": Refusing()}
            before = states(other)
            with pytest.raises(holdall.MismatchError, match="other does not take its state: RuntimeError: not this one"):
                ckpt.restore("latest", **{key: other[key] for key in order})
            assert_same(states(other), before)


def test_wrapped_modules_and_bare_ones_are_the_same(tmp_path):
    model = torch.nn.Linear(3, 3)
    with opened(tmp_path) as ckpt:
        ckpt.track(model=torch.compile(torch.nn.DataParallel(model), backend="eager"))
        path = ckpt.save(step=1, wait=True)
        assert list(torch.load(path, weights_only=True)["model_state_dict"]) == ["weight", "bias"]
        other = torch.nn.Linear(3, 3)
        ckpt.restore("latest", model=other)
        assert other.weight.equal(model.weight)
