"""holdall.keras: models saved are models of Keras, what Keras saved is loaded, and what the files say is the same to the byte."""

import io
import os
import zipfile

import h5py
import keras_models
import numpy
import pytest
from keras_models import MODELS, X, Y, further, predicted, state, trained

import holdall


def same(one, other):
    return len(one) == len(other) and all(numpy.array_equal(a, b) for a, b in zip(one, other, strict=True))


def content(path):
    """{object: (attributes, dtype, shape, bytes)} of the HDF5 file, as h5py sees it."""
    found = {}

    def note(name, thing):
        attributes = {key: (numpy.asarray(value).dtype.str, numpy.asarray(value).tolist()) for key, value in thing.attrs.items()}
        found[name] = (attributes, *(() if isinstance(thing, h5py.Group) else (thing.dtype.str, thing.shape, thing[()].tobytes())))

    if str(path).endswith(".keras"):
        path = io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))
    with h5py.File(path) as file:
        note("/", file)
        file.visititems(note)
    return found


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("made", MODELS)
def test_what_is_saved_is_what_keras_would_have_saved(keras, tmp_path, made, suffix):
    model = trained(keras, made)
    ours, theirs = tmp_path / f"ours{suffix}", tmp_path / f"theirs{suffix}"
    holdall.keras.save(model, ours, sync=False)
    (model.save_weights if suffix == ".weights.h5" else model.save)(theirs)
    assert content(ours) == content(theirs)
    if suffix == ".keras":
        with zipfile.ZipFile(ours) as one, zipfile.ZipFile(theirs) as other:
            assert one.namelist() == other.namelist() and one.testzip() is None
            assert one.read("config.json") == other.read("config.json")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("made", MODELS)
def test_models_come_back_and_train_on_as_if_they_had_stayed(keras, tmp_path, made, suffix):
    model = trained(keras, made, "sgd")
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(model, path, sync=False)
    loaded = holdall.keras.load(path)
    assert numpy.array_equal(predicted(loaded), predicted(model))
    assert same(state(loaded), state(model)) and type(loaded.optimizer) is type(model.optimizer)
    if not (made == "bfloat" and suffix == ".h5"):  # which Keras cannot read
        theirs = keras.models.load_model(path, compile=suffix == ".keras")  # it cannot compile what it wrote as "mse" into .h5
        assert numpy.array_equal(predicted(theirs), predicted(model))
    assert same(further(keras, loaded), further(keras, model))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop"])
def test_optimizers_go_on(keras, tmp_path, optimizer, suffix):
    model = trained(keras, "sequential", optimizer)
    model.save(tmp_path / f"theirs{suffix}")
    holdall.keras.save(model, tmp_path / f"ours{suffix}", sync=False)
    losses = []
    for name in ("theirs", "ours"):
        loaded = holdall.keras.load(tmp_path / f"{name}{suffix}")
        assert same(state(loaded), state(model))
        losses.append(further(keras, loaded))
    truth = further(keras, model)
    assert same(losses[0], truth) and same(losses[1], truth)


@pytest.mark.parametrize("made", MODELS)
@pytest.mark.parametrize("by", ["path", "name", "shape"])
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_weights_go_into_another_model(keras, tmp_path, made, by, suffix):
    model = trained(keras, made)
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(model, path, sync=False)
    other = keras.models.clone_model(model) if by == "name" else MODELS[made](keras)
    other.compile("adam", "mse")
    report = holdall.keras.load_into(other, path, by=by, optimizer=True)
    assert report.complete and not report.cast and len(report.loaded) >= len(model.weights)
    assert numpy.array_equal(predicted(other), predicted(model))
    assert same(state(other), state(model))


def test_a_report_says_what_does_not_fit_and_nothing_has_changed(keras, tmp_path):
    model = trained(keras, "sequential")
    path = tmp_path / "model.keras"
    holdall.keras.save(model, path, sync=False)
    layers = keras.layers
    other = keras.Sequential([
        keras.Input((6, 4)), layers.Conv1D(5, 3, padding="same"), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3, name="head"), layers.Dense(1),
    ])  # fmt: skip
    before = [numpy.array(weight) for weight in other.get_weights()]
    with pytest.raises(holdall.MismatchError) as error:
        holdall.keras.load_into(other, path)
    report = error.value.report
    assert [name.rpartition("/")[2] for name, _, _ in report.mismatched] == ["kernel", "bias"] and len(report.missing) == 2
    assert report.mismatched[0][1:] == ((30, 2), (30, 3)) and not report.unexpected
    assert same(before, other.get_weights())
    report = holdall.keras.load_into(other, path, strict=False)
    assert len(report.loaded) == 6 and same(other.get_weights()[:6], model.get_weights()[:6]) and same(before[6:], other.get_weights()[6:])


def test_names_are_changed_prefixes_taken_and_dtypes_cast(keras, tmp_path):
    model = trained(keras, "sequential")
    path = tmp_path / "model.weights.h5"
    holdall.keras.save(model, path, sync=False)
    keras.utils.set_random_seed(1)
    half = keras.Sequential([keras.Input((6, 4)), keras.layers.Conv1D(5, 3, padding="same", activation="relu", dtype="bfloat16", name="first")])
    report = holdall.keras.load_into(half, path, prefix="layers/conv1d/", rename=lambda name: f"layers/conv1d/{name}", strict=False)
    kernel, bias = (variable.path for variable in half.layers[0].variables)
    assert report.cast == [kernel, bias] and report.dtypes[kernel] == ("float32", "bfloat16") and not report.unexpected
    assert numpy.allclose(half.get_weights()[0].astype("float32"), model.get_weights()[0], atol=1e-2)


def test_a_state_dict_of_any_format_goes_into_a_model(keras, tmp_path):
    model = trained(keras, "sequential")
    path = tmp_path / "weights.safetensors"
    holdall.save({variable.path: numpy.asarray(variable.value) for variable in model.variables}, path, sync=False)
    other = keras.models.clone_model(model)
    report = holdall.keras.load_into(other, path)
    assert report.complete and numpy.array_equal(predicted(other), predicted(model))


def test_vocabularies_travel_as_assets(keras, tmp_path):
    lookup = keras.layers.StringLookup()
    lookup.adapt(["a", "b", "ü"])
    given = keras.Input((1,), dtype="string")
    model = keras.Model(given, keras.layers.Embedding(5, 2)(lookup(given)))
    path = tmp_path / "model.keras"
    holdall.keras.save(model, path, sync=False)
    assert any(name.startswith("assets/") for name in zipfile.ZipFile(path).namelist())
    import tensorflow

    words = tensorflow.constant([["ü"], ["nobody"], ["a"]])
    for load in (holdall.keras.load, keras.models.load_model):
        assert numpy.array_equal(load(path).predict(words, verbose=0), model.predict(words, verbose=0))


def test_options_of_saving(keras, tmp_path):
    model = trained(keras, "sequential")
    for suffix in (".keras", ".h5", ".weights.h5"):
        path = tmp_path / f"model{suffix}"
        holdall.keras.save(model, path, compress=True, include_optimizer=False, sync=False)
        other = keras_models.sequential(keras)
        holdall.keras.load_into(other, path)
        assert numpy.array_equal(predicted(other), predicted(model))
        assert not any("momentum" in name for name in holdall.open(path))
    with pytest.raises(holdall.UnsupportedError, match=r"\.keras, \.h5"):
        holdall.keras.save(model, tmp_path / "model.pt")
    with pytest.raises(holdall.UnsupportedError, match="no weights yet"):
        holdall.keras.save(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "model.keras")
    assert sorted(os.listdir(tmp_path)) == ["model.h5", "model.keras", "model.weights.h5"]
    assert len(X) == len(Y)
