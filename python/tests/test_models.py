"""holdall.torch.save_model and load_model: whole modules come back equal, of the classes handed in, and what has changed is said."""

import argparse
import functools
import importlib.util
import os
import pathlib
import subprocess
import sys
import types
import warnings

import blocks
import pytest
import torch
from equal import assert_same

import holdall
import holdall.torch
from holdall.torch import load_model, recorded, report_of, save_model

EXTENSIONS = ["pt", "safetensors"]


def outputs(module, width):
    torch.manual_seed(5)
    with torch.no_grad():
        return module.eval()(torch.randn(2, width))


def same(a, b, width=3):
    assert type(a) is type(b)
    assert_same(dict(a.state_dict()), dict(b.state_dict()))
    assert [own.requires_grad for own in a.parameters()] == [own.requires_grad for own in b.parameters()]
    assert outputs(a, width).equal(outputs(b, width))


def modules():
    head = torch.nn.Sequential(torch.nn.Linear(3, 3), blocks.Net(3, 1, activation=torch.nn.Tanh))
    return {
        "no arguments": (blocks.Plain(), [blocks.Plain], 4),
        "recorded": (blocks.Net(3, depth=3, activation=functools.partial(torch.nn.LeakyReLU, 0.3)), [blocks.Net], 3),
        "a module as an argument": (blocks.Net(3, head=head), [blocks.Net], 3),
        "a dataclass": (blocks.OfFields(3, bias=False), [blocks.OfFields], 3),
        "a config": (blocks.OfConfig(blocks.Config(5)), [blocks.OfConfig, blocks.Config], 5),
        "a config of values": (blocks.OfConfig(types.SimpleNamespace(width=4, activation=torch.nn.SiLU)), [blocks.OfConfig], 4),
        "torch's own": (torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.PReLU()), [], 3),
        "torch's own around ours": (torch.nn.Sequential(blocks.Net(3), torch.nn.Linear(3, 1)), [blocks.Net], 3),
    }


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("name", modules())
def test_a_model_comes_back(name, extension, tmp_path):
    torch.manual_seed(0)
    module, trusted, width = modules()[name]
    path = tmp_path / f"a.{extension}"
    save_model(module, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_model(path, trusted)
    assert report_of(loaded).differences() == [] and report_of(loaded).weights.complete
    same(module, loaded, width)
    assert_same(dict(module.state_dict()), dict(holdall.torch.load(path)))
    if trusted:
        with pytest.raises(holdall.UnsafeError) as raised:
            load_model(path)
        assert all(f"blocks.{of.__name__}" in str(raised.value) for of in trusted)


def test_torchs_own_layers_need_no_arguments(tmp_path):
    torch.manual_seed(0)
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    for module, given in (
        (encoder, (torch.randn(2, 3, 8),)),
        (torch.nn.LSTM(3, 2, 2, bidirectional=True), (torch.randn(4, 2, 3),)),
        (torch.nn.MultiheadAttention(8, 2), (torch.randn(3, 1, 8),) * 3),
        (torch.nn.Embedding(5, 2, padding_idx=1), (torch.tensor([1, 4]),)),
        (torch.nn.CrossEntropyLoss(weight=torch.tensor([0.2, 0.8])), (torch.randn(3, 2), torch.tensor([0, 1, 1]))),
        (torch.nn.Conv2d(2, 3, 3, padding="same"), (torch.randn(1, 2, 5, 5),)),
        (torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2)})["a"].half(), (torch.ones(1, 2).half(),)),
    ):
        save_model(module, tmp_path / "a.pt")
        loaded = load_model(tmp_path / "a.pt")
        assert_same(module(*given), loaded(*given))


def test_sharing_modes_frozen_parameters_and_dtypes_are_kept(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3)).half()
    module[2].weight = module[0].weight
    module[1].eval()
    module[0].bias.requires_grad_(False)
    save_model(module, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    assert loaded[2].weight is loaded[0].weight and loaded[0].weight.dtype == torch.float16
    assert [part.training for part in loaded] == [True, False, True] and loaded.training
    assert [own.requires_grad for own in loaded.parameters()] == [own.requires_grad for own in module.parameters()]
    assert not load_model(tmp_path / "a.safetensors", mode="eval")[2].training
    assert load_model(tmp_path / "a.safetensors", mode="train")[1].training
    assert {own.device.type for own in load_model(tmp_path / "a.safetensors", map_location="meta").parameters()} == {"meta"}


def test_what_is_recorded_is_what_was_passed(tmp_path):
    sizes = [1, 2]
    save_model(blocks.Net(3, sizes=sizes), tmp_path / "a.pt")
    assert sizes == [1, 2, 9]
    assert holdall.open(tmp_path / "a.pt").metadata["holdall.module"]["root"]["kwargs"] == {"width": 3, "sizes": [1, 2]}


def test_what_was_not_recorded_is_asked_for(tmp_path):
    module = torch.nn.Sequential(torch.nn.Identity(), blocks.Unrecorded(4))
    with pytest.raises(holdall.UnsupportedError, match=r"1: nothing says with what Unrecorded\(width=3\) was constructed"):
        save_model(module, tmp_path / "a.pt")
    assert not (tmp_path / "a.pt").exists()
    save_model(module[1], tmp_path / "a.pt", arguments={"width": 4})
    same(module[1], load_model(tmp_path / "a.pt", [blocks.Unrecorded]), 4)
    with pytest.raises(holdall.UnsupportedError, match="does not take these arguments"):
        save_model(module[1], tmp_path / "b.pt", arguments={"depth": 4})

    @recorded
    class Sub(blocks.Net):
        def __init__(self):
            super().__init__(3, 1)

    assert Sub()._recorded_arguments == ((), {})
    class Loose(blocks.Net):
        def __init__(self, more):
            super().__init__(3, more)

    with pytest.raises(holdall.UnsupportedError, match="nothing says"):
        save_model(Loose(1), tmp_path / "b.pt")


def test_wrappers_are_taken_off(tmp_path):
    module = blocks.Net(3)
    save_model(torch.compile(torch.nn.DataParallel(module)), tmp_path / "a.pt")
    same(module, load_model(tmp_path / "a.pt", [blocks.Net]))


def test_it_survives_conversion_and_is_a_plain_state_dict_to_others(tmp_path):
    from safetensors.torch import load_file

    module = blocks.Net(3, head=torch.nn.Linear(3, 2))
    save_model(module, tmp_path / "a.pt", metadata={"licence": "mit"})
    holdall.convert(tmp_path / "a.pt", tmp_path / "b.safetensors")
    holdall.convert(tmp_path / "b.safetensors", tmp_path / "c.npz")
    for name in ("b.safetensors", "c.npz"):
        same(module, load_model(tmp_path / name, [blocks.Net]))
        assert holdall.open(tmp_path / name).metadata["licence"] == "mit"
    assert_same(dict(module.state_dict()), dict(torch.load(tmp_path / "a.pt", weights_only=True)))
    assert set(load_file(tmp_path / "b.safetensors")) == set(module.state_dict())
    assert holdall.scan(tmp_path / "a.pt")["verdict"] == "inert"


def changed(tmp_path, *replacements, name="blocks"):
    """The module of a changed copy of blocks.py."""
    source = pathlib.Path(blocks.__file__).read_text()
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    (folder / f"{name}.py").write_text(source)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = made  # inspect finds sources there
    try:
        spec.loader.exec_module(made)
    finally:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
    return made


def test_a_source_that_differs_is_said(tmp_path, monkeypatch):
    save_model(blocks.Net(3), tmp_path / "a.pt")
    other = changed(tmp_path, ("* self.mask", "* self.mask * 2"))
    monkeypatch.setitem(sys.modules, "blocks", other)
    with pytest.warns(holdall.HoldallWarning, match=r"the source of blocks\.Net differs") as said:
        loaded = load_model(tmp_path / "a.pt", [other.Net])
    report = report_of(loaded)
    assert list(report.sources) == ["blocks.Net"] and "Inner" not in str(said[0].message)
    assert report.sources["blocks.Net"][0] != report.sources["blocks.Net"][1]


def test_parameters_that_are_new_or_gone_are_said(tmp_path, monkeypatch):
    save_model(blocks.Net(3), tmp_path / "a.pt")
    other = changed(tmp_path, ('self.register_buffer("seen"', 'self.extra = torch.nn.Parameter(torch.ones(2))\n        self.register_buffer("count"'))
    monkeypatch.setitem(sys.modules, "blocks", other)
    with pytest.raises(holdall.MismatchError, match=r"(?s)extra.*the source of blocks\.Net differs") as raised:
        load_model(tmp_path / "a.pt", [other.Net])
    assert (raised.value.report.missing, raised.value.report.unexpected) == (["extra", "count"], ["seen"])
    with pytest.warns(holdall.HoldallWarning, match="new in the module, not in the file: extra, count; gone from the module, in the file: seen"):
        loaded = load_model(tmp_path / "a.pt", [other.Net], strict=False)
    assert report_of(loaded).weights.missing == ["extra", "count"] and loaded.extra.tolist() == [1, 1]


def test_arguments_that_are_gone_are_said(tmp_path, monkeypatch):
    save_model(blocks.Net(3, sizes=(1,)), tmp_path / "a.pt")
    other = changed(tmp_path, (", sizes=()", ""), ("        sizes.append(9) if isinstance(sizes, list) else None\n", ""))
    monkeypatch.setitem(sys.modules, "blocks", other)
    with pytest.raises(holdall.MismatchError, match="no longer takes sizes"):
        load_model(tmp_path / "a.pt", [other.Net])
    with pytest.warns(holdall.HoldallWarning, match="no longer takes sizes"):
        assert report_of(load_model(tmp_path / "a.pt", [other.Net], strict=False)).arguments == ["sizes"]
    save_model(blocks.Net(3), tmp_path / "b.pt")
    with pytest.raises(holdall.MismatchError, match="of another shape"):
        load_model(tmp_path / "b.pt", [blocks.Net], arguments={"width": 4})


def test_a_class_that_has_moved_is_taken_by_name_or_as_told(tmp_path):
    save_model(blocks.Net(3), tmp_path / "a.pt")
    moved = changed(tmp_path, name="elsewhere")
    with pytest.warns(holdall.HoldallWarning, match=r"blocks\.Net is taken for elsewhere\.Net"):
        loaded = load_model(tmp_path / "a.pt", [moved.Net])
    assert type(loaded) is moved.Net and report_of(loaded).moved == {"blocks.Net": "elsewhere.Net"}
    with pytest.warns(holdall.HoldallWarning, match=r"taken for elsewhere\.Net"):
        assert type(load_model(tmp_path / "a.pt", {"blocks.Net": moved.Net})) is moved.Net
    another = changed(tmp_path, name="third")
    with pytest.raises(holdall.UnsafeError, match=r"blocks\.Net"):
        load_model(tmp_path / "a.pt", [moved.Net, another.Net])


def test_versions_that_differ_are_said(tmp_path, monkeypatch):
    from holdall.torch import _provenance

    monkeypatch.setattr(_provenance.torch, "__version__", "1.9.0")
    save_model(blocks.Plain(), tmp_path / "a.pt")
    monkeypatch.undo()
    with pytest.warns(holdall.HoldallWarning, match=rf"saved with torch 1\.9\.0, this is {torch.__version__[:4]}"):
        report = report_of(load_model(tmp_path / "a.pt", [blocks.Plain]))
    assert set(report.versions) == {"torch"}
    assert set(holdall.open(tmp_path / "a.pt").metadata["holdall.module"]["versions"]) == {"python", "torch", "numpy", "holdall"}


def test_the_commit_is_read_and_nothing_of_the_repository_runs(tmp_path, monkeypatch):
    other = changed(tmp_path)
    monkeypatch.setitem(sys.modules, "blocks", other)
    folder = pathlib.Path(other.__file__).parent
    ran = tmp_path / "ran"

    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", folder, *words], check=True, capture_output=True)

    git("init", "-q")
    (folder / ".gitattributes").write_text("*.py filter=mine\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    for key, value in {"filter.mine.clean": f"touch {ran}; cat", "filter.mine.required": "true", "core.fsmonitor": f"touch {ran}; false"}.items():
        git("config", key, value)
    for hook in (folder / ".git/hooks/post-index-change", folder / ".git/hooks/fsmonitor-watchman"):
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    ran.unlink(missing_ok=True)
    head = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    def commit_of(module):
        save_model(module, tmp_path / "a.pt")
        return holdall.open(tmp_path / "a.pt").metadata["holdall.module"]["commit"]

    (folder / "blocks.py").touch()
    assert commit_of(other.Plain()) == {"commit": head, "dirty": False}
    with open(folder / "blocks.py", "a") as file:
        file.write("# more\n")
    assert commit_of(other.Plain()) == {"commit": head, "dirty": True}
    assert commit_of(torch.nn.Linear(1, 1)) is None
    assert not ran.exists()


def test_arguments_that_cannot_be_saved_are_named(tmp_path):
    for argument, error, words in (
        (os.system, holdall.UnsafeError, r"posix\.system"), (lambda x: x, holdall.UnsupportedError, "<lambda>"),
        (open(os.devnull), holdall.UnsupportedError, r"_io\.TextIOWrapper"), (argparse.ArgumentParser(), holdall.UnsafeError, "ArgumentParser"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            save_model(blocks.Net(3, sizes={"a": [argument]}), tmp_path / "a.pt")
    for value in ({"$module": 1}, {"$b": (1,)}, {"a": {1, 2}, 3: [torch.float16, torch.Size([1]), None]}):
        save_model(blocks.Net(3, sizes=value), tmp_path / "a.pt")
        assert load_model(tmp_path / "a.pt", [blocks.Net])._recorded_arguments[1]["sizes"] == value


@pytest.mark.parametrize("spoil", [
    lambda root: root.pop("module"), lambda root: root.update(args=3), lambda root: root.update(kwargs={"width": {"$module": 3}}),
    lambda root: root.update(kwargs={"width": {"$name": (1,)}}), lambda root: root.update(kwargs={"width": {"$tensor": b"abc", "dtype": torch.float32, "shape": (1,)}}),
    lambda root: root.update(name="Config"), lambda root: root.update(module="torch.nn.modules.linear", name="Linear", state={"_parameters": 3}),
    lambda root: root.update(kwargs={"width": {"$entry": "x", "dtype": 4, "shape": "y"}}),
])  # fmt: skip
def test_a_description_that_does_not_fit_is_an_error_of_ours(spoil, tmp_path):
    save_model(blocks.Net(3), tmp_path / "a.pt")
    metadata = holdall.torch._models._description_in(holdall.open(tmp_path / "a.pt"), holdall.torch._builders.TorchBuilder((), ""))
    spoil(metadata["root"])
    holdall.torch.save(blocks.Net(3).state_dict(), tmp_path / "b.pt", metadata={"holdall.module": metadata})
    with pytest.raises(holdall.Error):
        load_model(tmp_path / "b.pt", [blocks.Net, blocks.Config])


def test_hooks_are_left_out_with_a_word(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    module[0].register_forward_hook(lambda *given: None)
    with pytest.warns(holdall.HoldallWarning, match="hooks are code and not saved: those of 0"):
        save_model(module, tmp_path / "a.pt")
    assert not load_model(tmp_path / "a.pt")[0]._forward_hooks


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchs_own_hooks_are_kept(tmp_path):
    module = torch.nn.Sequential(torch.nn.utils.weight_norm(torch.nn.Linear(3, 2)), torch.nn.utils.spectral_norm(torch.nn.Linear(2, 2))).eval()
    module(torch.ones(1, 3))
    save_model(module, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    for each in (module, loaded):
        with torch.no_grad():
            each[0].weight_g.mul_(2)
    assert outputs(loaded, 3).equal(outputs(module, 3))


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_modules_that_torch_pickled_open(is_zip, tmp_path):
    for name, (module, trusted, width) in modules().items():
        torch.save(module, tmp_path / "a.pt", _use_new_zipfile_serialization=is_zip)
        loaded = load_model(tmp_path / "a.pt", [*trusted, blocks.Inner, functools.partial])
        assert report_of(loaded).differences() == []
        assert loaded.training
        same(torch.load(tmp_path / "a.pt", weights_only=False), loaded, width)
        if trusted:
            with pytest.raises(holdall.UnsafeError) as raised:
                load_model(tmp_path / "a.pt")
            assert all(f"blocks.{of.__name__}" in str(raised.value) for of in trusted)


def test_what_a_pickled_module_s_class_has_become_is_said(tmp_path, monkeypatch):
    torch.save(blocks.Net(3), tmp_path / "a.pt")
    other = changed(tmp_path, ("self.activation = activation()", "self.act = activation()"), ("self.activation(", "self.act("), name="elsewhere")
    monkeypatch.setitem(sys.modules, "elsewhere", other)
    with pytest.warns(holdall.HoldallWarning) as said:
        loaded = load_model(tmp_path / "a.pt", [other.Net, other.Inner])
    assert "blocks.Net is taken for elsewhere.Net" in str(said[0].message)
    assert "elsewhere.Net sets act, which the file's has not" in str(said[0].message)
    assert report_of(loaded).unlike == {"elsewhere.Net": (["act"], ["activation"])}


class Runs:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickled_module_is_checked_before_anything_is_built(tmp_path):
    class Acts(torch.nn.Module):
        def __setstate__(self, state):
            (tmp_path / "acted").touch()
            super().__setstate__(state)

    Acts.__qualname__ = "Acts"
    globals()["Acts"] = Acts
    module = torch.nn.Sequential(Acts(), blocks.Inner())
    module[1].bad = Runs(tmp_path / "ran")
    torch.save(module, tmp_path / "a.pt")
    (tmp_path / "ran").unlink(missing_ok=True)
    with pytest.raises(holdall.UnsafeError, match=r"blocks\.Inner.*io\.open|io\.open.*blocks\.Inner"):
        load_model(tmp_path / "a.pt", [Acts])
    with pytest.raises(holdall.UnsafeError, match=r"io\.open"):
        load_model(tmp_path / "a.pt", [Acts, blocks.Inner])
    assert not (tmp_path / "ran").exists() and not (tmp_path / "acted").exists()


def test_nothing_that_a_file_names_is_imported(tmp_path):
    moved = changed(tmp_path, name="never_imported")
    sys.modules["never_imported"] = moved
    torch.save(moved.Net(3), tmp_path / "a.pt")
    save_model(moved.Net(3), tmp_path / "b.pt")
    del sys.modules["never_imported"]
    for name in ("a.pt", "b.pt"):
        with pytest.raises(holdall.UnsafeError, match=r"never_imported\.Net"):
            load_model(tmp_path / name)
        with pytest.warns(holdall.HoldallWarning, match=r"never_imported\.Net is taken for blocks\.Net"):
            assert type(load_model(tmp_path / name, [blocks.Net, blocks.Inner])) is blocks.Net
    assert "never_imported" not in sys.modules


def test_a_pickled_module_s_weights_go_into_a_fresh_one(tmp_path):
    torch.manual_seed(0)
    module = blocks.Net(3, head=torch.nn.LSTM(3, 2))
    for is_zip in (True, False):
        torch.save(module, tmp_path / "a.pt", _use_new_zipfile_serialization=is_zip)
        fresh = blocks.Net(3, head=torch.nn.LSTM(3, 2))
        assert holdall.torch.load_into(fresh, tmp_path / "a.pt").complete
        assert_same(dict(module.state_dict()), dict(fresh.state_dict()))
    torch.save(blocks.Unrecorded(4), tmp_path / "b.pt")
    again = load_model(tmp_path / "b.pt", [blocks.Unrecorded], arguments={"width": 4})
    assert report_of(again).weights.complete and again.fc.in_features == 4
    with pytest.raises(holdall.MismatchError, match=r"fc\.weight"):
        load_model(tmp_path / "b.pt", [blocks.Unrecorded], arguments={"width": 5})


def test_files_without_a_module_say_what_to_do(tmp_path):
    torch.save(blocks.Plain().state_dict(), tmp_path / "a.pt")
    with pytest.raises(holdall.UnsupportedError, match="load_into"):
        load_model(tmp_path / "a.pt", [blocks.Plain])
    with pytest.raises(ValueError, match="neither 'eval' nor 'train'"):
        load_model(tmp_path / "a.pt", mode="test")


def test_tied_weights_stay_tied_where_a_module_takes_the_file_s_tensors(tmp_path):
    def tied():
        module = torch.nn.Sequential(torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False))
        module[1].weight = module[0].weight
        return module

    holdall.torch.save(tied().state_dict(), tmp_path / "a.pt")
    with torch.device("meta"):
        fresh = tied()
    assert holdall.torch.load_into(fresh, tmp_path / "a.pt", assign=True).complete
    assert fresh[1].weight is fresh[0].weight and len(list(fresh.parameters())) == 1


def test_a_pickled_module_that_holds_what_none_holds_is_corrupt(tmp_path):
    for name, value in (("_modules", 3), ("_parameters", {"weight": 5}), ("_buffers", {1: torch.ones(2)})):
        module = torch.nn.Sequential(torch.nn.Identity())
        module[0].__dict__[name] = value
        torch.save(module, tmp_path / "a.pt")
        with pytest.raises(holdall.CorruptError, match=name):
            load_model(tmp_path / "a.pt")


def test_a_module_without_values_is_not_saved(tmp_path):
    with torch.device("meta"):
        module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with pytest.raises(holdall.UnsupportedError, match=r"0\.weight is on the meta device"):
        save_model(module, tmp_path / "a.pt")
    module = torch.nn.Linear(2, 2)
    module.register_buffer("table", torch.ones(2, device="meta"), persistent=False)
    with pytest.raises(holdall.UnsupportedError, match="table is on the meta device"):
        save_model(module, tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())
