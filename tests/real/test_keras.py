"""Files that Keras 3 wrote, against Keras's own weights; configs that would run something."""

import json
import os
import zipfile

import numpy
import pytest

os.environ["KERAS_BACKEND"] = "tensorflow"
h5py = pytest.importorskip("h5py")
keras = pytest.importorskip("keras")

from oracle import digest  # noqa: E402


def model():
    """Nested and shared layers, recurrent and convolving ones, a wrapper, an embedding; compiled and trained a step."""
    keras.utils.set_random_seed(1)
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    image = keras.Input((8, 8, 3), name="image")
    shared = keras.layers.Dense(5, name="shared")
    embedded = keras.layers.Embedding(11, 4, name="words")(tokens)
    read = keras.layers.Bidirectional(keras.layers.LSTM(3), name="both.ways")(embedded)
    seen = keras.layers.Conv2D(2, 3, name="conv")(image)
    seen = keras.layers.Flatten()(keras.layers.BatchNormalization(name="norm")(seen))
    inner = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dropout(0.1)], name="inner")
    joined = keras.layers.Concatenate()([shared(read), inner(shared(keras.layers.Dense(6)(seen)))])
    made = keras.Model([tokens, image], keras.layers.Dense(1, name="head")(joined))
    made.compile(keras.optimizers.AdamW(1e-3), "mse", metrics=["mae"])
    data = [numpy.ones((2, 6), "i4"), numpy.ones((2, 8, 8, 3), "f4")]
    made.fit(data, numpy.ones((2, 1), "f4"), verbose=0)
    return made


@pytest.fixture(scope="module")
def made():
    return model()


def weights_of(made):
    return sorted(digest(numpy.asarray(weight)) for weight in made.get_weights())


def optimizer_weights_of(made):
    return sorted(digest(keras.ops.convert_to_numpy(variable.value)) for variable in made.optimizer.variables)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5", "m.weights.json"])
def test_weights_are_all_there(holdall, tmp_path, made, name):
    path = tmp_path / name
    if "weights" in name:
        made.save_weights(path, **({"max_shard_size": 2e-6} if name.endswith("json") else {}))
    else:
        made.save(path)
    outcome = holdall.inspect(path)
    assert outcome.json["format"] == ("keras-h5" if name == "m.h5" else "keras")
    assert outcome.json["verdict"] == "inert"
    own, of_optimizer = [], []
    for entry in outcome.json["tensors"]:
        if "seed_generator" not in entry["name"]:
            (of_optimizer if entry["name"].startswith("optimizer") else own).append(entry["sha256"])
    assert sorted(own) == weights_of(made)
    assert sorted(of_optimizer) == optimizer_weights_of(made)
    assert holdall("verify", path, "--json").json["sound"]
    if name == "m.h5":
        names = [entry["name"] for entry in outcome.json["tensors"]]
        first = next(layer.name for layer in made.layers if layer.weights)
        assert names[0].startswith(f"model_weights/{first}/"), "in the order of the layers"
    else:
        assert outcome.json["metadata"]["layer_names"]["layers/embedding"] == "words"


def test_a_folder_is_the_archive_unpacked(holdall, tmp_path, made):
    made.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        archive.extractall(tmp_path / "folder")
    packed, unpacked = holdall.inspect(tmp_path / "m.keras"), holdall.inspect(tmp_path / "folder")
    assert unpacked.json["format"] == "keras"
    assert {n: e["sha256"] for n, e in packed.tensors.items()} == {n: e["sha256"] for n, e in unpacked.tensors.items()}


def test_an_archive_that_was_compressed_opens(holdall, tmp_path, made):
    made.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        with zipfile.ZipFile(tmp_path / "small.keras", "w", zipfile.ZIP_DEFLATED) as small:
            for name in archive.namelist():
                small.writestr(name, archive.read(name))
    assert holdall.inspect(tmp_path / "small.keras").tensors.keys() == holdall.inspect(tmp_path / "m.keras").tensors.keys()


HOSTILE = [
    ({"class_name": "Lambda", "config": {}}, "code"),
    ({"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {}}}}, "code"),
    ({"module": "mine.layers", "class_name": "Layer", "config": {}, "registered_name": "mine>Layer"}, "code"),
    ({"class_name": "Nobodys", "config": {}}, "code"),
    ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/model"}}, "code"),
    ({"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "gASV"}}, "code"),
    ({"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, "code"),
    ({"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}, "malicious"),
    ({"module": "builtins", "class_name": "exec", "config": {"source": "1"}}, "malicious"),
    ({"module": "subprocess", "class_name": "Popen", "config": {"args": ["id"]}}, "malicious"),
    ({"module": "keras.utils", "class_name": "get_file", "config": {"origin": "https://x.org/a"}}, "malicious"),
    ({"module": "keras.src.config", "class_name": "function", "config": "enable_unsafe_deserialization"}, "malicious"),
]


@pytest.mark.parametrize("layer, verdict", HOSTILE)
@pytest.mark.parametrize("nested", [False, True])
def test_what_a_config_would_run_is_told(holdall, tmp_path, layer, verdict, nested):
    if nested:
        layer = {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"layer": {"class_name": "Sequential", "config": {"layers": [layer]}}}}
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["layers/dense/vars/0"] = numpy.zeros(3)
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    for name in ("m.keras", "m.h5"):
        assert holdall("scan", tmp_path / name, "--json", status=1).json["verdict"] == verdict, name


def op_layer(operator):
    """As TensorFlow 2.3 wrote what was computed between layers."""
    node = {"name": operator, "op": operator, "input": ["x", "y"], "attr": {"T": {"type": "DT_FLOAT"}}}
    return {"class_name": "TensorFlowOpLayer", "config": {"name": operator, "trainable": True, "dtype": "float32", "node_def": node, "constants": {"1": 2.0}}}


@pytest.mark.parametrize("operator, verdict", [("AddV2", "inert"), ("Relu", "inert"), ("ReadFile", "code"), ("PyFunc", "code"), ("WriteFile", "code")])
def test_a_layer_around_an_operator_is_judged_by_that(holdall, tmp_path, operator, verdict):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [op_layer(operator)]}})
    outcome = holdall("scan", tmp_path / "m.h5", "--json", status=0 if verdict == "inert" else 1)
    assert outcome.json["verdict"] == verdict


@pytest.mark.parametrize("size", ["2kB", "1GB"])
def test_shards_are_what_keras_loads(holdall, tmp_path, made, size):
    """From a whole .weights.h5; with small shards the optimizer's group is in several."""
    made.save_weights(tmp_path / "whole.weights.h5")
    holdall("convert", tmp_path / "whole.weights.h5", tmp_path / "out.weights.json", "--shard-size", size, "--check")
    index = json.loads((tmp_path / "out.weights.json").read_text())
    shards = sorted(each.name for each in tmp_path.glob("out_*.weights.h5"))
    assert (len(shards) > 3) == (size == "2kB") and shards[0] == "out_00000.weights.h5"
    assert any(isinstance(names, list) for names in index["weight_map"].values()) == (size == "2kB")
    own, back = holdall.inspect(tmp_path / "whole.weights.h5"), holdall.inspect(tmp_path / "out.weights.json")
    assert {n: e["sha256"] for n, e in own.tensors.items()} == {n: e["sha256"] for n, e in back.tensors.items()}
    assert own.json["metadata"] == back.json["metadata"] and holdall("verify", tmp_path / "out.weights.json", "--json").json["sound"]
    other = model()
    before = [0 * weight for weight in other.get_weights()]
    other.set_weights(before)
    other.load_weights(tmp_path / "out.weights.json")
    assert all(numpy.array_equal(one, two) for one, two in zip(other.get_weights(), made.get_weights(), strict=True))
    assert optimizer_weights_of(other) == optimizer_weights_of(made)


def test_an_index_of_a_model_without_weights_opens(holdall, tmp_path):
    bare = keras.Sequential([keras.Input((3,)), keras.layers.ReLU()])
    bare.save_weights(tmp_path / "m.weights.json", max_shard_size=1)
    outcome = holdall.inspect(tmp_path / "m.weights.json")
    assert outcome.json["format"] == "keras" and not outcome.json["tensors"]


@pytest.mark.parametrize("backend_free", [keras.applications.MobileNetV3Small, keras.applications.EfficientNetB0, keras.applications.ResNet50V2])
def test_models_that_keras_ships_are_inert(holdall, tmp_path, backend_free):
    made = backend_free(weights=None, classes=4)
    for name in ("m.keras", "m.h5"):
        made.save(tmp_path / name)
        outcome = holdall.inspect(tmp_path / name)
        assert outcome.json["verdict"] == "inert", outcome.json["findings"]
        assert outcome.json["parameters"] >= made.count_params()
