"""policy=: what a team allows holds wherever a file is opened, loaded or converted."""

import inspect
import io
import pickle

import numpy
import pytest

import holdall


class Net:
    """What no table of inert names has."""

    def __init__(self):
        self.rate = 0.1


@pytest.fixture
def files(tmp_path):
    (tmp_path / "none.toml").write_text("")
    (tmp_path / "ours.toml").write_text(f'[allow]\nnames = ["{Net.__module__}.Net"]\n')
    (tmp_path / "only.toml").write_text('[allow]\nformats = ["safetensors"]\n')
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"net": Net(), "w": numpy.ones(3)}))
    holdall.save({"w": numpy.ones(3)}, tmp_path / "plain.npz")
    holdall.save({"w": numpy.ones(3)}, tmp_path / "plain.safetensors")
    return tmp_path


def test_scan_says_what_a_policy_allows(files):
    assert holdall.scan(files / "net.pkl")["verdict"] == "code"
    document = holdall.scan(files / "net.pkl", policy=files / "ours.toml")
    assert document["verdict"] == "inert" and [each["subject"] for each in document["allowed"]] == [f"{Net.__module__}.Net"]
    with open(files / "net.pkl", "rb") as file:
        assert holdall.scan(file, policy=files / "ours.toml")["verdict"] == "inert"
    found = holdall.scan([files / "plain.npz", files / "plain.safetensors"], policy=files / "only.toml")
    assert [each["verdict"] for each in found] == ["forbidden", "inert"]


def test_loading_and_opening_hold_to_a_policy(files):
    with pytest.raises(holdall.UnsafeError, match="Net"):
        holdall.load(files / "net.pkl", policy=files / "none.toml", trusted=[Net])
    with pytest.raises(holdall.UnsafeError, match="Net"):
        holdall.open(files / "net.pkl", policy=files / "none.toml")
    # Names by themselves build nothing: the class comes from the caller.
    with pytest.raises(holdall.UnsafeError, match="trusted"):
        holdall.load(files / "net.pkl", policy=files / "ours.toml")
    assert holdall.load(files / "net.pkl", policy=files / "ours.toml", trusted=[Net])["net"].rate == 0.1
    with pytest.raises(holdall.UnsafeError, match="npz|numpy"):
        holdall.load(files / "plain.npz", policy=files / "only.toml")
    assert holdall.load(files / "plain.safetensors", policy=files / "only.toml")["w"].sum() == 3


def test_a_model_that_is_open_is_held_to_it_too(files):
    model = holdall.open(files / "net.pkl")
    with pytest.raises(holdall.UnsafeError):
        holdall.load(model, policy=files / "none.toml", trusted=[Net])
    with pytest.raises(holdall.UnsafeError):
        holdall.load(io.BytesIO((files / "net.pkl").read_bytes()), policy=files / "none.toml", trusted=[Net])


def test_convert_holds_to_a_policy(files):
    with pytest.raises(holdall.UnsafeError):
        holdall.convert(files / "plain.npz", files / "out.safetensors", policy=files / "only.toml")
    assert not (files / "out.safetensors").exists()
    document = holdall.convert(files / "net.pkl", files / "out.safetensors", policy=files / "ours.toml")
    assert document["written"] and document["disarmed"] == [f"{Net.__module__}.Net"]


def test_mistakes_are_told(files):
    (files / "bad.toml").write_text("[allow]\nformat = []\n")
    with pytest.raises(holdall.Error, match="line 2"):
        holdall.scan(files / "net.pkl", policy=files / "bad.toml")
    with pytest.raises(holdall.MissingError):
        holdall.load(files / "plain.npz", policy=files / "absent.toml")


def test_every_way_of_loading_holds_to_a_policy(files):
    import holdall.keras
    import holdall.sklearn
    import holdall.tensorflow
    import holdall.torch
    import holdall.transformers
    import keras
    import tensorflow
    import torch

    module, layers, variable = torch.nn.Linear(1, 1), keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), tensorflow.Module()
    ways = [
        lambda path, policy: holdall.torch.load(path, policy=policy),
        lambda path, policy: holdall.torch.load_into(module, path, policy=policy),
        lambda path, policy: holdall.torch.load_model(path, policy=policy),
        lambda path, policy: holdall.keras.load(path, policy=policy),
        lambda path, policy: holdall.keras.load_into(layers, path, policy=policy),
        lambda path, policy: holdall.tensorflow.load(path, policy=policy),
        lambda path, policy: holdall.tensorflow.load_into(variable, path, policy=policy),
        lambda path, policy: holdall.sklearn.load(path, policy=policy),
    ]
    for way in ways:
        with pytest.raises(holdall.UnsafeError, match="forbidden"):
            way(files / "plain.npz", files / "only.toml")
    folder = files / "folder"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert", "auto_map": {"AutoModel": "modeling.Net"}}')
    holdall.save({"w": numpy.ones(3)}, folder / "model.safetensors")
    with pytest.raises(holdall.UnsafeError, match="modeling|auto_map"):
        holdall.transformers.load(folder, policy=files / "none.toml")
    assert "policy" in inspect.signature(holdall.transformers.load).parameters
