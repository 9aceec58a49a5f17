"""What a Keras file's config may ask for: Keras 2's spelling, classes of one's own, code that stays where it is."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import warnings
import zipfile

import h5py
import numpy
import pytest

import holdall

KERAS_2 = pathlib.Path(__file__).parent / "keras2"


def inputs(name):
    """As generate.py made them."""
    rng = numpy.random.default_rng(0)
    if name == "text":
        return numpy.random.default_rng(1).integers(0, 11, size=(8, 5)).astype("int32")
    values = rng.normal(size=(8, 8, 8, 3)).astype("float32")
    if name in ("graph", "scaled"):
        return values[:, :6, 0, :1].repeat(4, 2)
    return values if name == "conv" else values[:, 0, 0, :1].repeat(4, 1)


@pytest.mark.parametrize("file", ["conv.h5", "conv.keras", "text.h5", "text.keras", "mixed.h5", "graph.h5", "graph.keras", "scaled.h5", "scaled.keras", "half.keras"])
def test_files_of_keras_2_load_and_predict_as_they_did(keras, file):
    expected = json.loads((KERAS_2 / "expected.json").read_text())[file]
    with pytest.warns(holdall.HoldallWarning, match="mended"):
        model = holdall.keras.load(KERAS_2 / file)
    found = model.predict(inputs(file.partition(".")[0]), verbose=0)
    found = numpy.concatenate([numpy.asarray(part).astype("float32") for part in (found if isinstance(found, list | tuple) else [found])], -1)
    # Sums of bfloat16, of eight bits, differ from processor to processor.
    rtol, atol = (2**-5, 1e-3) if file.startswith(("mixed", "half")) else (1e-5, 1e-6)
    assert numpy.allclose(found, numpy.array(expected["outputs"], "float32"), rtol, atol)
    assert type(model.optimizer).__name__ == expected["optimizer"]
    if expected["iterations"]:
        assert int(model.optimizer.iterations) == expected["iterations"]
        slots = [numpy.abs(numpy.asarray(v.value)).sum() for v in model.optimizer.variables if v.path.endswith(("momentum", "velocity"))]
        # Keras 2 kept slots for the momentum of an SGD that had none.
        assert not slots or numpy.isclose(sum(slots), expected["slots"], rtol=1e-4)


@pytest.mark.parametrize("file", ["conv.h5", "text.keras", "graph.h5", "scaled.keras"])
def test_weights_of_keras_2_go_into_a_model_of_keras_3(keras, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = holdall.keras.load(KERAS_2 / file)
    given = inputs(file.partition(".")[0])
    other = keras.models.clone_model(model)
    assert not numpy.array_equal(other.get_weights()[0], model.get_weights()[0])
    report = holdall.keras.load_into(other, KERAS_2 / file)
    assert report.complete and all(numpy.array_equal(a, b) for a, b in zip(other.get_weights(), model.get_weights(), strict=True))
    one, two = (each.predict(given, verbose=0) for each in (model, other))
    assert all(numpy.array_equal(a, b) for a, b in zip(one if isinstance(one, list) else [one], two if isinstance(two, list) else [two], strict=True))


@pytest.mark.parametrize("file", ["conv.h5", "scaled.h5", "scaled.keras"])
def test_a_model_of_keras_2_trains_on(keras, file):
    """Its metrics are functions again and not their names; a schedule goes on from its step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = holdall.keras.load(KERAS_2 / file)
    given = inputs(file.partition(".")[0])
    steps = int(model.optimizer.iterations)
    model.fit(given, numpy.zeros((8, 2), "float32"), batch_size=8, verbose=0)
    assert steps and int(model.optimizer.iterations) == steps + 1


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_of_ones_own_saves_and_loads(keras, tmp_path, suffix):
    class Scale(keras.layers.Layer):
        def __init__(self, start, **options):
            super().__init__(**options)
            self.start = start

        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(self.start), name="scale")
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="int32", name="count")

        def call(self, values):
            return values * self.scale

        def get_config(self):
            return {**super().get_config(), "start": self.start}

    model = keras.Sequential([keras.Input((3,)), Scale(2.0), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = numpy.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model.fit(x, x[:, :1], verbose=0)
    model.layers[0].count.assign(5)
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(model, path, sync=False)
    with pytest.raises(holdall.UnsafeError, match="Scale"):
        holdall.keras.load(path)
    for loaded in (holdall.keras.load(path, custom_objects={"Scale": Scale}), holdall.keras.load(path, trusted=[Scale])):
        assert numpy.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0)) and int(loaded.layers[0].count.value) == 5
    stand_in = holdall.keras.load(path, placeholders=True)
    unknown = stand_in.layers[0]
    assert isinstance(unknown, holdall.keras.Placeholder) and unknown.class_name == "Scale" and unknown.config["start"] == 2.0
    assert {tuple(weight.shape) for weight in unknown.weights} == {(3,), ()}
    with pytest.raises(holdall.UnsupportedError, match="Scale"):
        stand_in.predict(x, verbose=0)


def edited(path, out, change):
    """A .keras or .h5 file with another config."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json":
                    config = json.loads(content)
                    change(config)
                    content = json.dumps(config).encode()
                new.writestr(name, content)
        return
    shutil.copy(path, out)
    with h5py.File(out, "a") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config).encode()


def layer_of(config, number=1):
    return config["config"]["layers"][number]


LAMBDA = {"class_name": "Lambda", "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"value": ["4wAA", None, None]}}}}
CODE = {
    "a Lambda": lambda config: config["config"]["layers"].insert(1, {"module": "keras.layers", **LAMBDA}),
    "a Lambda of Keras 2": lambda config: config["config"]["layers"].insert(1, {"class_name": "Lambda", "config": {"function": ["4wAA", None, None]}}),
    "a lambda as activation": lambda config: layer_of(config)["config"].update(activation=LAMBDA["config"]["function"]),
    "a TFSMLayer": lambda config: config["config"]["layers"].insert(1, {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x"}}),
    "a torch module": lambda config: layer_of(config).update(class_name="TorchModuleWrapper", config={"module": "AAAA"}),
    "a file as vocabulary": lambda config: config["config"]["layers"].insert(
        1, {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}
    ),
    "a class of another module": lambda config: layer_of(config).update(module="os", class_name="system"),
    "a function of Keras's that is none of a layer": lambda config: layer_of(config)["config"].update(
        activation={"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    ),
    "a function that loads": lambda config: layer_of(config)["config"].update(
        activation={"module": "keras.models", "class_name": "function", "config": "load_model", "registered_name": "load_model"}
    ),
    "a function that builds": lambda config: layer_of(config)["config"].update(
        activation={"module": "keras.layers", "class_name": "function", "config": "deserialize", "registered_name": "deserialize"}
    ),
    "a Lambda under a registered name": lambda config: config["config"]["layers"].insert(
        1, {"module": "keras.layers", **LAMBDA, "registered_name": "tests>Harmless"}
    ),
    "a Lambda under a registered name, without a module": lambda config: config["config"]["layers"].insert(1, {**LAMBDA, "registered_name": "tests>Harmless"}),
    "a lambda under a registered name": lambda config: layer_of(config)["config"].update(
        activation={**LAMBDA["config"]["function"], "registered_name": "tests>Harmless"}
    ),
    "a vocabulary under a registered name": lambda config: config["config"]["layers"].insert(
        1, {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}, "registered_name": "tests>Harmless"}
    ),
    "a class deep in a wrapper": lambda config: layer_of(config)["config"].update(kernel_initializer={"class_name": "Evil", "config": {"a": [LAMBDA]}}),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("what", CODE)
def test_a_config_that_asks_for_code_is_refused_before_anything_is_built(keras, tmp_path, monkeypatch, what, suffix):
    keras.saving.register_keras_serializable("tests", "Harmless")(type("Harmless", (keras.layers.Layer,), {}))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    holdall.keras.save(model, tmp_path / f"good{suffix}", sync=False)
    edited(tmp_path / f"good{suffix}", tmp_path / f"bad{suffix}", CODE[what])
    monkeypatch.setattr(keras.layers.Layer, "from_config", lambda *_: pytest.fail("something was built"))
    monkeypatch.setattr(keras.Sequential, "from_config", lambda *_, **__: pytest.fail("something was built"))
    with pytest.raises(holdall.UnsafeError):
        holdall.keras.load(tmp_path / f"bad{suffix}")


def test_a_lambda_runs_where_it_is_trusted(keras, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda values: values * 2, output_shape=(3,))])
    path = tmp_path / "model.keras"
    with pytest.raises(holdall.UnsafeError, match="Lambda"):
        holdall.keras.save(model, path)
    holdall.keras.save(model, path, trusted=[keras.layers.Lambda], sync=False)
    with pytest.raises(holdall.UnsafeError, match="Lambda"):
        holdall.keras.load(path)
    loaded = holdall.keras.load(path, trusted=[keras.layers.Lambda])
    assert loaded.predict(numpy.ones((1, 3)), verbose=0).tolist() == [[2.0, 2.0, 2.0]]


def test_configs_that_keras_cannot_build_are_corrupt(keras, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    holdall.keras.save(model, tmp_path / "good.keras", sync=False)
    for number, change in enumerate((
        lambda config: layer_of(config)["config"].update(units="many"),
        lambda config: layer_of(config)["config"].update(nonsense=1),
        lambda config: config.update(config=7),
        lambda config: layer_of(config)["config"].update(units=2),
    )):  # fmt: skip
        path = tmp_path / f"bad{number}.keras"
        edited(tmp_path / "good.keras", path, change)
        with pytest.raises((holdall.CorruptError, holdall.MismatchError)):
            holdall.keras.load(path)


def test_weights_alone_are_no_model(keras, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    holdall.keras.save(model, tmp_path / "model.weights.h5", sync=False)
    with pytest.raises(holdall.UnsupportedError, match="load_into"):
        holdall.keras.load(tmp_path / "model.weights.h5")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_what_is_handed_in_is_what_is_built(keras, tmp_path, suffix):
    """Keras itself would take its own Dense where a .keras file names Keras's module."""

    mine = type("Dense", (keras.layers.Dense,), {})
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]), path, sync=False)
    assert type(holdall.keras.load(path, custom_objects={"Dense": mine}).layers[0]) is mine


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("node", [{"module": "elsewhere", "class_name": "TFSMLayer"}, {"module": "elsewhere", "class_name": "Lambda"}])
def test_of_two_names_the_one_that_was_judged_is_built(keras, tmp_path, suffix, node):
    """.h5 files are built by class_name wherever a layer has no module of Keras's, .keras files by what is registered."""

    @keras.saving.register_keras_serializable("tests")
    class Quiet(keras.layers.Layer):
        def __init__(self, **config):
            super().__init__()

        def call(self, x):
            return x

    def change(config):
        config["config"]["layers"].insert(1, {**node, "config": {"filepath": "/x", "function": ["4wAA", None, None]}, "registered_name": "tests>Quiet"})

    holdall.keras.save(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]), tmp_path / f"good{suffix}", sync=False)
    edited(tmp_path / f"good{suffix}", tmp_path / f"bad{suffix}", change)
    assert [type(layer).__name__ for layer in holdall.keras.load(tmp_path / f"bad{suffix}").layers] == ["Quiet", "Dense"]


HUGE = {
    "units": lambda config: layer_of(config)["config"].update(units=1 << 40),
    "many units of two layers": lambda config: [
        (layer["config"].update(units=1 << 17), layer.pop("build_config", None)) for layer in config["config"]["layers"][1:]
    ],
    "a shape": lambda config: (
        config["config"].update(build_input_shape=[None, 1 << 40]),
        [node["config"].update({key: [None, 1 << 40]}) for node in config["config"]["layers"] for key in ("batch_shape", "batch_input_shape") if key in node["config"]],
        [node.update(build_config={"input_shape": [None, 1 << 40]}) for node in [config, *config["config"]["layers"]] if "build_config" in node],
    ),
    "an embedding": lambda config: config["config"]["layers"].insert(
        1, {"module": "keras.layers", "class_name": "Embedding", "config": {"input_dim": 1 << 40, "output_dim": 4}, "registered_name": None}
    ),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("what", HUGE)
def test_a_config_that_asks_for_more_than_the_file_has_is_refused_before_it_is_made(keras, tmp_path, what, suffix):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    holdall.keras.save(model, tmp_path / f"good{suffix}", sync=False)
    edited(tmp_path / f"good{suffix}", tmp_path / f"bad{suffix}", HUGE[what])
    with pytest.raises(holdall.LimitError, match="the config asks for"):
        holdall.keras.load(tmp_path / f"bad{suffix}")
    assert "counted" not in repr(keras.Variable._validate_shape)


def test_a_metric_of_endless_thresholds_is_refused(keras, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[keras.metrics.AUC(num_thresholds=10)])
    holdall.keras.save(model, tmp_path / "good.keras", sync=False)
    edited(tmp_path / "good.keras", tmp_path / "bad.keras", lambda config: config["compile_config"]["metrics"][0]["config"].update(num_thresholds=1 << 40))
    with pytest.raises(holdall.LimitError, match="num_thresholds"):
        holdall.keras.load(tmp_path / "bad.keras")


def test_models_larger_than_the_room_load_and_lazily_built_ones_too(keras, tmp_path, monkeypatch):
    from holdall.keras import _bounds

    monkeypatch.setattr(_bounds, "_ROOM", 64)
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(20), keras.layers.Dense(10)])
    model.compile("adam", "mse")
    model.fit(numpy.ones((4, 30)), numpy.ones((4, 10)), verbose=0)
    for options in ({}, {"include_optimizer": False}):
        for suffix in (".keras", ".h5"):
            holdall.keras.save(model, tmp_path / f"model{suffix}", sync=False, **options)
            assert numpy.array_equal(holdall.keras.load(tmp_path / f"model{suffix}").get_weights()[0], model.get_weights()[0])
    keras.Sequential([keras.layers.Dense(1 << 14)]).save(tmp_path / "lazy.keras")
    lazy = holdall.keras.load(tmp_path / "lazy.keras")
    assert not lazy.built and lazy(numpy.ones((1, 3))).shape == (1, 1 << 14)


def test_importing_holdall_keras_imports_no_keras():
    code = "import sys, holdall.keras; assert 'keras' not in sys.modules; assert 'load' in dir(holdall.keras); holdall.keras.load; assert 'keras' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "KERAS_BACKEND": "tensorflow"})
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(holdall.keras, "nonsense")  # noqa: B009


@pytest.fixture
def graph(keras, tmp_path):
    entry = keras.Input((4,), name="entry")
    keras.Model(entry, keras.layers.Dense(2, name="d")(keras.layers.RepeatVector(3, name="r")(entry))).save(tmp_path / "graph.keras")
    return tmp_path / "graph.keras"


def test_a_layer_is_not_called_with_values_of_the_config(keras, graph, tmp_path):
    values = {"class_name": "__tensor__", "config": {"value": [[1.0]], "dtype": "float32"}}
    hidden = {"class_name": "Dense", "config": {"units": {"class_name": "__keras_tensor__", "config": {}}}}

    def change(config):
        layer = layer_of(config, 1)
        config["config"]["layers"].append({**layer, "name": "big", "config": {**layer["config"], "name": "big", "n": 1 << 33}})
        config["config"]["layers"][-1]["inbound_nodes"] = [{"args": [values], "kwargs": {"mask": hidden}}]

    edited(graph, tmp_path / "c.keras", change)
    with pytest.raises(holdall.CorruptError, match="big called with no layer's output"):
        holdall.keras.load(tmp_path / "c.keras")


def test_an_array_of_a_config_has_numbers(keras, graph, tmp_path):
    wide = {"class_name": "__numpy__", "config": {"value": [0], "dtype": "S4000000000"}}
    edited(graph, tmp_path / "c.keras", lambda config: layer_of(config, 2)["inbound_nodes"][0]["kwargs"].update(mask=wide))
    with pytest.raises(holdall.LimitError, match="S4000000000"):
        holdall.keras.load(tmp_path / "c.keras")


def test_a_config_that_nests_without_end_is_corrupt(keras, graph, tmp_path):
    def change(config):
        for _ in range(300):
            layer_of(config, 2)["config"]["kernel_initializer"] = {"a": layer_of(config, 2)["config"]["kernel_initializer"]}

    edited(graph, tmp_path / "c.keras", change)
    with pytest.raises(holdall.CorruptError, match="nests deeper than 200 levels"):
        holdall.keras.load(tmp_path / "c.keras")


def test_what_keras_cannot_build_is_the_files_fault_whatever_it_raises(keras, tmp_path):
    path = tmp_path / "m.h5"
    config = {"name": "f", "layers": [], "input_layers": [["x", 0, 0]], "output_layers": [["x", 0, 0]]}
    with h5py.File(path, "w") as file:  # a RuntimeError
        file.attrs.update({"model_config": json.dumps({"class_name": "Functional", "config": config}), "keras_version": "2.11.0", "backend": "tensorflow"})
        file.create_group("model_weights").attrs["layer_names"] = []
    with pytest.raises(holdall.CorruptError, match="Keras cannot build"):
        holdall.keras.load(path)
