"""holdall.tensorflow.save as a SavedModel: signatures and metadata along, whole or not at all, read by TensorFlow as by Holdall."""

import os
import subprocess
import sys
import textwrap

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="no TensorFlow here")

import holdall  # noqa: E402
import holdall.tensorflow as of_tf  # noqa: E402

X = numpy.float32([[1, 2, 3], [4, 5, 6]])


class Net(tf.Module):
    def __init__(self, value=2.0, words=None):
        super().__init__()
        self.kernel = tf.Variable(tf.fill([3, 2], value), name="kernel")
        self.layers = [tf.Variable(tf.fill([2], value + 1), name="bias")]
        if words is not None:
            self.words = tf.saved_model.Asset(str(words))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x @ self.kernel + self.layers[0]}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def twice(self, x):
        return {"z": 2 * (x @ self.kernel)}


def signatures_of(path):
    return holdall.inspect(path)["metadata"]["meta_graphs"][0]["signatures"]


def served(path, signature="serving_default", **inputs):
    return tf.saved_model.load(str(path)).signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})


def test_a_module_is_served_as_it_called_and_comes_back(tmp_path):
    net = Net()
    of_tf.save(net, tmp_path / "served", format="tf-savedmodel", metadata={"author": "me", "scores": (0.5, None)})
    assert numpy.array_equal(served(tmp_path / "served", x=X)["y"], net(X)["y"])
    told = signatures_of(tmp_path / "served")["serving_default"]
    assert (told["inputs"]["x"]["shape"], told["inputs"]["x"]["dtype"]) == ("[?, 3]", "float32")
    assert told["outputs"]["y"]["shape"] == "[?, 2]"
    metadata = holdall.open(tmp_path / "served").metadata
    assert (metadata["author"], metadata["scores"]) == ("me", (0.5, None))
    assert holdall.inspect(tmp_path / "served")["metadata"]["author"] == "me"
    assert holdall.verify(tmp_path / "served")["sound"] and holdall.scan(tmp_path / "served")["verdict"] == "inert"
    other = Net(0.0)
    assert of_tf.load_into(other, tmp_path / "served").complete
    assert numpy.array_equal(other(X)["y"], net(X)["y"])
    assert numpy.array_equal(of_tf.load(tmp_path / "served")["kernel"], net.kernel)
    assert os.listdir(tmp_path) == ["served"]


def test_signatures_are_those_that_are_given(tmp_path):
    net = Net()
    concrete = tf.function(lambda x: {"z": x @ net.kernel}).get_concrete_function(tf.TensorSpec([5, 3], tf.float32, name="x"))
    of_tf.save(net, tmp_path / "served", signatures={"call": net.__call__, "five": concrete})
    told = signatures_of(tmp_path / "served")
    assert set(told) - {"__saved_model_init_op"} == {"call", "five"}
    assert told["five"]["inputs"]["x"]["shape"] == "[5, 3]" and told["five"]["outputs"]["z"]["dtype"] == "float32"
    assert numpy.array_equal(served(tmp_path / "served", "call", x=X)["y"], net(X)["y"])
    of_tf.save(net, tmp_path / "one", signatures=net.twice)
    assert numpy.array_equal(served(tmp_path / "one", x=X)["z"], net.twice(X)["z"])


def test_metadata_goes_on_with_new_weights(tmp_path):
    of_tf.save(Net(), tmp_path / "served", format="tf-savedmodel", metadata={"author": "me"})
    of_tf.update(tmp_path / "served", Net(7.0), tmp_path / "new")
    assert holdall.open(tmp_path / "new").metadata["author"] == "me"
    assert numpy.array_equal(served(tmp_path / "new", x=X)["y"], Net(7.0)(X)["y"])


def test_other_metadata_keeps_what_the_graph_needs(tmp_path):
    of_tf.save(Net(), tmp_path / "served", format="tf-savedmodel")
    model = holdall.open(tmp_path / "served")
    with pytest.raises(holdall.UnsupportedError, match="object_graph"):
        holdall.save(model, tmp_path / "new", metadata={"author": "you"})
    holdall.save(model, tmp_path / "new", metadata={**model.metadata, "author": "you"})
    assert holdall.open(tmp_path / "new").metadata["author"] == "you"
    assert numpy.array_equal(served(tmp_path / "new", x=X)["y"], Net()(X)["y"])


def test_a_checkpoint_becomes_one_with_all_that_it_has(tmp_path):
    root = tf.train.Checkpoint(net=Net(3.0), step=tf.Variable(7, dtype=tf.int64))
    of_tf.save(root, tmp_path / "served", format="tf-savedmodel")
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    assert loaded.step.numpy() == 7 and numpy.array_equal(loaded.net.kernel, root.net.kernel)
    assert of_tf.load_into(root.net, tmp_path / "served", strict=False).loaded == ["kernel", "layers.0"]


def test_shards_and_assets_are_kept(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    of_tf.save(Net(words=tmp_path / "words.txt"), tmp_path / "served", format="tf-savedmodel", shard_size=16)
    assert (tmp_path / "served/assets/words.txt").read_text() == "a\nb\n"
    assert len(list((tmp_path / "served/variables").glob("variables.data-*"))) > 1
    assert numpy.array_equal(served(tmp_path / "served", x=X)["y"], Net()(X)["y"])


def keras_model():
    return tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(4), tf.keras.layers.BatchNormalization(), tf.keras.layers.Dense(2)])


def trained():
    model = keras_model()
    model.compile("adam", "mse")
    model.fit(X, X[:, :2], verbose=0)
    return model


def test_a_keras_model_is_served_and_its_weights_go_into_another(tmp_path):
    model = trained()
    of_tf.save(model, tmp_path / "served", format="tf-savedmodel", metadata={"epochs": 1})
    told = signatures_of(tmp_path / "served")
    assert set(told) - {"__saved_model_init_op"} == {"serve", "serving_default"}
    (name,) = told["serving_default"]["inputs"]
    assert told["serving_default"]["inputs"][name]["shape"] == "[?, 3]"
    (outputs,) = served(tmp_path / "served", **{name: X}).values()
    assert numpy.array_equal(outputs, model(X))
    assert numpy.array_equal(tf.saved_model.load(str(tmp_path / "served")).serve(X), model(X))
    assert numpy.array_equal(tf.keras.layers.TFSMLayer(str(tmp_path / "served"))(X), model(X))
    opened = holdall.open(tmp_path / "served")
    assert opened.metadata["epochs"] == 1 and not any("optimizer" in name for name in opened)
    for other in (keras_model(), trained()):
        assert of_tf.load_into(other, tmp_path / "served").complete
        assert numpy.array_equal(other(X), model(X))


class Several(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = tf.keras.layers.Dense(3), tf.keras.layers.Dense(1)

    def call(self, inputs, training=False):
        hidden = self.first(inputs["a"]) + inputs["b"]
        return {"hidden": hidden, "out": self.second(hidden)}


def test_a_keras_model_of_its_own_class_has_names_for_inputs_and_outputs(tmp_path):
    a, b = tf.keras.Input((3,), name="a"), tf.keras.Input((3,), name="b")
    inner = Several()
    model = tf.keras.Model({"a": a, "b": b}, inner({"a": a, "b": b}))
    of_tf.save(model, tmp_path / "served", format="tf-savedmodel")
    told = signatures_of(tmp_path / "served")["serving_default"]
    assert sorted(told["inputs"]) == ["a", "b"] and sorted(told["outputs"]) == ["hidden", "out"]
    outputs = served(tmp_path / "served", a=X, b=X)
    assert numpy.array_equal(outputs["out"], model({"a": X, "b": X})["out"])


def test_a_keras_model_with_signatures_of_its_own(tmp_path):
    model, other = keras_model(), keras_model()

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def best(x):
        return {"best": tf.argmax(model(x, training=False), axis=-1)}

    of_tf.save(model, tmp_path / "served", signatures={"best": best})
    assert numpy.array_equal(served(tmp_path / "served", "best", x=X)["best"], best(X)["best"])
    assert of_tf.load_into(other, tmp_path / "served").complete
    assert numpy.array_equal(other(X), model(X))


def test_a_keras_model_without_weights_is_told(tmp_path):
    with pytest.raises(holdall.UnsupportedError, match="built"):
        of_tf.save(tf.keras.Sequential([tf.keras.layers.Dense(4)]), tmp_path / "served", format="tf-savedmodel")
    assert os.listdir(tmp_path) == []


def test_a_vocabulary_goes_along(tmp_path):
    text = tf.keras.Input((), dtype="string")
    model = tf.keras.Model(text, tf.keras.layers.Embedding(3, 4)(tf.keras.layers.StringLookup(vocabulary=["a", "b"])(text)))
    of_tf.save(model, tmp_path / "served", format="tf-savedmodel")
    (name,) = signatures_of(tmp_path / "served")["serving_default"]["inputs"]
    (outputs,) = served(tmp_path / "served", **{name: ["b", "?", "a"]}).values()
    assert numpy.array_equal(outputs, model(tf.constant(["b", "?", "a"])))


class Everything(tf.Module):
    """Whatever else a module has beside numbers."""

    def __init__(self):
        super().__init__()
        self.words = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.words.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
        self.fixed = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [5]), 0)
        self.random = tf.random.Generator.from_seed(3)
        self.texts, self.half = tf.Variable(["hi", "there"]), tf.Variable(tf.cast([1.5, 2], tf.bfloat16))
        self.empty, self.parts = tf.Variable(tf.zeros([0, 3])), {"k": tf.Variable(2 + 1j), "pair": (tf.Variable(True), self.half)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, words):
        return {"words": self.words.lookup(words), "fixed": self.fixed.lookup(words), "texts": self.texts, "k": self.parts["k"]}


def test_tables_texts_and_generators_come_back(tmp_path):
    module = Everything()
    of_tf.save(module, tmp_path / "served", format="tf-savedmodel")
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    outputs = loaded.signatures["serving_default"](tf.constant(["b", "c"]))
    assert all(numpy.array_equal(outputs[name], value) for name, value in module(tf.constant(["b", "c"])).items())
    assert numpy.array_equal(loaded.random._state_var, module.random.state) and loaded.parts["pair"][1] is loaded.half
    other = Everything()
    other.texts.assign(["", ""])
    report = of_tf.load_into(other, tmp_path / "served", strict=False)
    assert not report.missing and other.texts.numpy().tolist() == [b"hi", b"there"]
    assert sorted(report.unexpected) == ["words/.ATTRIBUTES/table-keys", "words/.ATTRIBUTES/table-values"]


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_saved_model_is_replaced_and_what_is_none_is_refused(tmp_path):
    place = tmp_path / "served"
    (tmp_path / "words.txt").write_text("a\n")
    tf.saved_model.save(Net(1.0, tmp_path / "words.txt"), str(place))  # with a fingerprint and an asset
    of_tf.save(Net(), place, format="tf-savedmodel")
    assert numpy.array_equal(served(place, x=X)["y"], Net()(X)["y"]) and not (place / "assets/words.txt").exists()
    (place / "assets.extra").mkdir()
    (place / "assets.extra/tf_serving_warmup_requests").write_bytes(b"mine")
    before = tree(place)
    with pytest.raises(holdall.errors.StorageError, match="tf_serving_warmup_requests"):
        of_tf.save(Net(9.0), place, format="tf-savedmodel")
    assert tree(place) == before
    other = tmp_path / "notes"
    other.mkdir()
    (other / "variables").write_text("mine")
    with pytest.raises(holdall.errors.StorageError, match="'variables', which would be lost"):
        of_tf.save(Net(), other, format="tf-savedmodel")
    assert sorted(os.listdir(tmp_path)) == ["notes", "served", "words.txt"]


def test_a_link_stays_and_where_it_leads_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/served")
    of_tf.save(Net(), tmp_path / "link", format="tf-savedmodel")
    assert os.listdir(tmp_path / "far") == ["served"] and (tmp_path / "link").is_symlink()
    assert numpy.array_equal(served(tmp_path / "link", x=X)["y"], Net()(X)["y"])


def half_written(error):
    def save(model, folder, **_):
        os.makedirs(os.path.join(folder, "variables"))
        with open(os.path.join(folder, "saved_model.pb"), "wb") as file:
            file.write(b"\x08\x01\x12\x05half")
        if error is not None:
            raise error

    return save


@pytest.mark.parametrize(
    "error, raised",
    [
        (tf.errors.ResourceExhaustedError(None, None, "no space left"), holdall.errors.StorageError),
        (ValueError("no"), holdall.UnsupportedError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (None, holdall.CorruptError),
    ],
)
def test_a_failure_in_the_middle_leaves_what_stood_there_and_nothing_else(tmp_path, monkeypatch, error, raised):
    of_tf.save(Net(), tmp_path / "served", format="tf-savedmodel")
    before = tree(tmp_path)
    monkeypatch.setattr(tf.saved_model, "save", half_written(error))
    for name in ("served", "new"):
        with pytest.raises(raised):
            of_tf.save(Net(9.0), tmp_path / name, format="tf-savedmodel")
        assert tree(tmp_path) == before and os.listdir(tmp_path) == ["served"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        of_tf.save(Net(), tmp_path / "served", format="tf-savedmodel", progress=interrupt)
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_goes_with_the_next_save(tmp_path):
    code = """
        import os, sys
        import tensorflow as tf
        import holdall.tensorflow as of_tf
        write = tf.saved_model.save
        def killed(*args, **kwargs):
            write(*args, **kwargs)
            os._exit(9)
        tf.saved_model.save = killed
        net = tf.Module()
        net.kernel = tf.Variable([1.0])
        of_tf.save(net, sys.argv[1], format="tf-savedmodel")
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "served")], check=False).returncode == 9
    assert len(os.listdir(tmp_path)) == 1 and not (tmp_path / "served").exists()
    of_tf.save(Net(), tmp_path / "served", format="tf-savedmodel")
    assert os.listdir(tmp_path) == ["served"]


def test_what_cannot_be_saved_so_is_told(tmp_path):
    net, stray = Net(), tf.Variable(1.0)
    with pytest.raises(holdall.UnsupportedError, match="SavedModel of the Net"):
        of_tf.save(net, tmp_path / "m", signatures=lambda x: x)
    untracked = tf.function(lambda x: {"y": x + stray}, input_signature=[tf.TensorSpec([], tf.float32)])
    with pytest.raises(holdall.UnsupportedError, match="untracked"):
        of_tf.save(net, tmp_path / "m", signatures=untracked)
    with pytest.raises(holdall.UnsupportedError):
        of_tf.save({"kernel": net.kernel}, tmp_path / "m", format="tf-savedmodel")
    for state, format in (({"kernel": net.kernel}, None), (net, "tf-checkpoint")):
        with pytest.raises(ValueError, match="signatures"):
            of_tf.save(state, tmp_path / "m", format=format, signatures=net.__call__)
    with pytest.raises(TypeError, match="metadata"):
        of_tf.save(net, tmp_path / "m", format="tf-savedmodel", metadata={"tensor": net.kernel})
    with pytest.raises(ValueError, match="'meta_graphs'"):
        of_tf.save(net, tmp_path / "m", format="tf-savedmodel", metadata={"meta_graphs": 1})
    with pytest.raises(holdall.MissingError, match="no folder"):
        of_tf.save(net, tmp_path / "none/m", format="tf-savedmodel")
    assert os.listdir(tmp_path) == []
