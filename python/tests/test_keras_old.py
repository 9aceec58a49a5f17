"""Files of Keras 1, of Theano and of cuDNN's layers in Keras 3. keras1/ was written by Keras 1.2.2 itself, on TensorFlow and on Theano; what is made
by hand here, after the layouts that Keras 2's own loader documents, says so."""

import json
import pathlib
import shutil
import warnings

import h5py
import numpy
import pytest

import holdall

KERAS_1 = pathlib.Path(__file__).parent / "keras1"
KERAS_2 = pathlib.Path(__file__).parent / "keras2"


@pytest.fixture(scope="module")
def expected():
    return numpy.load(KERAS_1 / "expected.npz")


def arrays(expected, name, kind):
    return [expected[key] for key in sorted(expected.files) if key.startswith(f"{name}/{kind}")]


def loaded(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", holdall.HoldallWarning)
        return holdall.keras.load(path, **options)


def predicted(model, inputs):
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", ["images", "images_theano", "merges", "nested", "texts", "transposed", "transposed_theano", "volumes"])
def test_files_of_keras_1_load_and_predict_as_they_did(keras, expected, name):
    with pytest.warns(holdall.HoldallWarning, match="mended"):
        model = holdall.keras.load(KERAS_1 / f"{name}.h5")
    found, truth = predicted(model, arrays(expected, name, "input")), arrays(expected, name, "output")
    assert len(found) == len(truth) and all(numpy.allclose(one, other, atol=2e-6) for one, other in zip(found, truth, strict=True))
    assert all(numpy.std(part) > 1e-3 for part in truth)


def test_what_keras_1_compiled_with_comes_along(keras):
    model = loaded(KERAS_1 / "texts.h5")
    assert type(model.optimizer) is keras.optimizers.SGD and model.loss == "mse"
    assert numpy.isclose(model.optimizer.momentum, 0.9) and numpy.isclose(float(model.optimizer.learning_rate), 0.1)
    first = loaded(KERAS_1 / "images.h5").layers[0]
    assert numpy.isclose(float(first.kernel_regularizer.l2), 0.01) and first.kernel_constraint.max_value == 2.0


def test_padding_that_theano_alone_computes_is_refused(keras):
    with pytest.raises(holdall.UnsupportedError, match="MaxPooling2D.*Theano"):
        loaded(KERAS_1 / "padded_theano.h5")


@pytest.mark.parametrize("name", ["images_theano", "texts"])
@pytest.mark.parametrize("by", ["path", "name"])
def test_weights_of_keras_1_go_into_a_model_of_keras_3(keras, expected, name, by):
    model = keras.models.clone_model(loaded(KERAS_1 / f"{name}.h5"))
    truth = arrays(expected, name, "output")
    report = holdall.keras.load_into(model, KERAS_1 / f"{name}.h5", by=by)
    assert report.complete and len(report.loaded) == len(model.weights)
    assert all(numpy.allclose(one, other, atol=2e-6) for one, other in zip(predicted(model, arrays(expected, name, "input")), truth, strict=True))


def changed(path, out, change_config=None, change=None):
    """A copy of an .h5 file with another config and other contents."""
    shutil.copy(path, out)
    with h5py.File(out, "a") as file:
        if change_config is not None:
            config = json.loads(file.attrs["model_config"])
            change_config(config)
            file.attrs["model_config"] = json.dumps(config).encode()
        if change is not None:
            change(file)


def put(file, name, array):
    del file[name]
    file[name] = array


def all_of(node, key):
    """Dicts in a config that have a key."""
    if isinstance(node, dict):
        yield from ([node] if key in node else [])
        node = list(node.values())
    for value in node if isinstance(node, list) else []:
        yield from all_of(value, key)


def test_convolutions_of_keras_2_on_theano_are_flipped(keras, tmp_path):
    """Made by hand: Keras 2 says its backend, and its Theano went through kernels from the end."""
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.Conv1D(2, 3)])
    model.save(tmp_path / "model.h5")

    def change(file):
        for group in (file, file["model_weights"]):
            group.attrs["keras_version"], group.attrs["backend"] = b"2.1.6", b"theano"

    changed(tmp_path / "model.h5", tmp_path / "theano.h5", change=change)
    kernel, bias = loaded(tmp_path / "theano.h5").get_weights()
    assert numpy.array_equal(kernel, model.get_weights()[0][::-1]) and numpy.array_equal(bias, model.get_weights()[1])


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_weights_of_cudnn_become_those_of_the_layer(keras, tmp_path, kind):
    """Made by hand: cuDNN's layers need its devices to be built."""
    gates = {"LSTM": 4, "GRU": 3}[kind]
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Bidirectional(getattr(keras.layers, kind)(3, bias_initializer="uniform"))])
    model.save(tmp_path / "model.h5")

    def cudnn(name, array):
        if "bias" in name:
            return array.reshape(-1) if kind == "GRU" else numpy.concatenate([array * 0.25, array * 0.75])
        parts = numpy.split(array, gates, 1)
        return numpy.hstack([part.T if "recurrent" in name else part.reshape(part.shape[::-1], order="F").T for part in parts])

    def change(file):
        file.attrs["keras_version"] = b"2.2.4"
        names = []
        file["model_weights"].visititems(lambda name, found: names.append(f"model_weights/{name}") if isinstance(found, h5py.Dataset) else None)
        for name in names:
            put(file, name, cudnn(name, file[name][()]))

    def change_config(config):
        inner = config["config"]["layers"][1]["config"]
        inner.pop("backward_layer")
        kept = {key: inner["layer"]["config"][key] for key in ("name", "units", "return_sequences", "go_backwards")}
        inner["layer"] = {"class_name": f"CuDNN{kind}", "config": kept}

    changed(tmp_path / "model.h5", tmp_path / "cudnn.h5", change_config, change)
    x = numpy.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    assert numpy.allclose(loaded(tmp_path / "cudnn.h5").predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_kernels_of_one_dimension_before_keras_1_2(keras, tmp_path, expected):
    """Made by hand of a file of Keras 1.2.2: Keras 1.1 had the axes in Theano's order."""

    def change(file):
        names = []
        file["model_weights"].visititems(lambda name, found: names.append(name) if "convolution1d" in name and isinstance(found, h5py.Dataset) else None)
        (kernel,) = [f"model_weights/{name}" for name in names if name.endswith("_W:0")]
        put(file, kernel, file[kernel][()].transpose(3, 2, 0, 1))

    for name in ("nested", "texts"):
        changed(KERAS_1 / f"{name}.h5", tmp_path / "old.h5", change=change)
        found = predicted(loaded(tmp_path / "old.h5"), arrays(expected, name, "input"))
        assert all(numpy.allclose(one, other, atol=2e-6) for one, other in zip(found, arrays(expected, name, "output"), strict=True))


def test_hard_sigmoid_is_that_of_the_keras_that_wrote_the_file(keras, tmp_path):
    """Keras 3's has another slope. What is saved again keeps that of the file."""

    def change(config):
        for inner in all_of(config, "recurrent_activation"):
            inner["recurrent_activation"] = "hard_sigmoid"

    changed(KERAS_2 / "text.h5", tmp_path / "hard.h5", change)
    model = loaded(tmp_path / "hard.h5")
    words = numpy.random.default_rng(1).integers(0, 11, size=(8, 5)).astype("int32")
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    found = layers[0].recurrent_activation(numpy.array([-3.0, -2.0, 0.0, 1.0, 3.0], "float32"))
    assert numpy.allclose(found, [0.0, 0.1, 0.5, 0.7, 1.0])
    for suffix in (".keras", ".h5"):
        holdall.keras.save(model, tmp_path / f"again{suffix}", sync=False)
        again = loaded(tmp_path / f"again{suffix}")
        assert all(numpy.array_equal(one, other) for one, other in zip(predicted(again, [words]), predicted(model, [words]), strict=True))


def test_wrapped_layers_of_keras_before_2_13_have_no_module(keras, tmp_path):
    """Made by hand of a later file, whose layers have one."""

    def change(config):
        for node in all_of(config, "module"):
            del node["module"]
            node.pop("registered_name", None)

    changed(KERAS_2 / "text.h5", tmp_path / "older.h5", change)
    words = numpy.random.default_rng(1).integers(0, 11, size=(8, 5)).astype("int32")
    one, other = predicted(loaded(tmp_path / "older.h5", compile=False), [words]), predicted(loaded(KERAS_2 / "text.h5"), [words])
    assert all(numpy.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_merge_by_a_function_and_what_keras_3_cannot_compute_are_refused(keras, tmp_path):
    def by_function(config):
        merge = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Merge")
        merge["config"].update(mode_type="lambda", mode=["4wAA", None, None])

    changed(KERAS_1 / "merges.h5", tmp_path / "function.h5", by_function)
    with pytest.raises(holdall.UnsafeError, match="Merge"):
        loaded(tmp_path / "function.h5")

    def by_batches(config):
        config["config"][1]["config"]["mode"] = 2

    changed(KERAS_1 / "images.h5", tmp_path / "mode.h5", by_batches)
    with pytest.raises(holdall.UnsupportedError, match="mode=0"):
        loaded(tmp_path / "mode.h5")


def dense_of_keras_1(name, units, shape=None, activation="linear"):
    config = {"name": name, "output_dim": units, "init": "glorot_uniform", "activation": activation, "bias": True, "trainable": True}
    return {"class_name": "Dense", "config": {**config, **({} if shape is None else {"batch_input_shape": [None, shape], "input_dtype": "float32"})}}


@pytest.mark.parametrize("mode", ["concat", "sum"])
def test_a_sequential_model_that_begins_with_a_merge_is_a_graph(keras, tmp_path, mode):
    """Made by hand, as Keras 1.2.2's own Sequential.get_config() lists it: the weights of a branch behind those of the one before it."""
    width = {"concat": 6, "sum": 4}[mode]
    second = width - 4 or 4
    rng = numpy.random.default_rng(0)
    shapes = {"first": (3, 4), "second": (5, second), "head": (width, 1)}
    arrays = {name: (rng.normal(size=shape).astype("float32"), rng.normal(size=shape[1:]).astype("float32")) for name, shape in shapes.items()}
    drop = {"class_name": "Dropout", "config": {"name": "drop", "p": 0.5, "trainable": True}}
    branches = [
        {"class_name": "Sequential", "config": [dense_of_keras_1("first", 4, 3, "relu"), drop]},
        {"class_name": "Sequential", "config": [dense_of_keras_1("second", second, 5)]},
    ]
    merge = {"name": "merge_1", "mode": mode, "concat_axis": -1, "dot_axes": -1, "mode_type": "raw", "layers": branches}
    config = {"class_name": "Sequential", "config": [{"class_name": "Merge", "config": merge}, dense_of_keras_1("head", 1)]}
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config).encode(), b"1.2.2"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"first", b"drop", b"second", b"head"]
        for name in ("first", "drop", "second", "head"):
            own = group.create_group(name)
            own.attrs["weight_names"] = [f"{name}_{kind}:0".encode() for kind, _ in zip("Wb", arrays.get(name, ()), strict=False)]
            for kind, array in zip("Wb", arrays.get(name, ()), strict=False):
                own[f"{name}_{kind}:0"] = array
    x, y = rng.normal(size=(2, 3)).astype("float32"), rng.normal(size=(2, 5)).astype("float32")
    one = numpy.maximum(x @ arrays["first"][0] + arrays["first"][1], 0)
    other = y @ arrays["second"][0] + arrays["second"][1]
    joined = numpy.concatenate([one, other], -1) if mode == "concat" else one + other
    truth = joined @ arrays["head"][0] + arrays["head"][1]
    assert numpy.allclose(numpy.asarray(loaded(tmp_path / "model.h5")([x, y])), truth, atol=1e-5)


def test_layers_that_keras_3_does_not_have_are_said_to_be_those(keras, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "model.h5")

    def change(config):
        config["config"]["layers"].append({"class_name": "ThresholdedReLU", "config": {"name": "over", "theta": 0.5}})

    changed(tmp_path / "model.h5", tmp_path / "over.h5", change, lambda file: file.attrs.__setitem__("keras_version", b"2.9.0"))
    x = numpy.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    plain = numpy.asarray(model(x))
    assert numpy.array_equal(numpy.asarray(loaded(tmp_path / "over.h5")(x)), numpy.where(plain > 0.5, plain, 0))
    changed(tmp_path / "over.h5", tmp_path / "gone.h5", lambda config: config["config"]["layers"][-1].update(class_name="LocallyConnected1D"))
    with pytest.raises(holdall.UnsupportedError, match="Keras 3 has no LocallyConnected1D"):
        loaded(tmp_path / "gone.h5")
    assert isinstance(loaded(tmp_path / "gone.h5", placeholders=True).layers[-1], holdall.keras.Placeholder)
