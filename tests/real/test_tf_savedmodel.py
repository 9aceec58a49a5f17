"""SavedModels against TensorFlow: variables and signatures as it sees them, and outputs that follow new weights."""

import hashlib
import importlib.util
import os
import pathlib
import shutil

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="no TensorFlow here")


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(numpy.arange(6, dtype=numpy.float32).reshape(3, 2))
        self.biases = [tf.Variable([1.0, 2.0])]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": tf.matmul(x, self.kernel) + self.biases[0]}


def serve(path, x):
    return tf.saved_model.load(str(path)).signatures["serving_default"](x=x)["y"].numpy()


@pytest.fixture
def saved(tmp_path):
    model = Model()
    tf.saved_model.save(model, str(tmp_path / "saved"), signatures=model.__call__)
    return tmp_path / "saved"


def test_variables_and_signatures_are_told(holdall, saved):
    seen = holdall.inspect(saved)
    digest = hashlib.sha256(numpy.arange(6, dtype=numpy.float32).tobytes()).hexdigest()
    assert seen.tensors["kernel/.ATTRIBUTES/VARIABLE_VALUE"]["sha256"] == digest
    signature = seen.json["metadata"]["meta_graphs"][0]["signatures"]["serving_default"]
    assert signature["inputs"]["x"] == {"name": "serving_default_x:0", "dtype": "float32", "shape": "[?, 3]"}
    assert seen.json["verdict"] == "inert"
    holdall("verify", saved)


def test_outputs_follow_new_weights(holdall, saved, tmp_path):
    save = pytest.importorskip("safetensors.numpy", reason="no safetensors here").save_file
    kernel = numpy.full((3, 2), 7, numpy.float32)
    save({"kernel": kernel}, tmp_path / "w.safetensors")
    answer = holdall("update", saved, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new", "--json").json
    assert answer["written"] and answer["loaded"] == ["kernel/.ATTRIBUTES/VARIABLE_VALUE"]
    x = numpy.float32([[1, 2, 3], [4, 5, 6]])
    assert numpy.allclose(serve(tmp_path / "new", x), x @ kernel + numpy.float32([1, 2]))
    holdall("verify", tmp_path / "new")
    save({"kernel": kernel.T.copy()}, tmp_path / "w.safetensors")
    holdall("update", saved, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "not", status=1)
    assert not (tmp_path / "not").exists()


def test_a_model_that_reads_or_writes_files_of_its_own_choice_is_told(holdall, tmp_path):
    class Bad(tf.Module):
        @tf.function(input_signature=[])
        def run(self):
            tf.io.write_file("/tmp/holdall-test", tf.io.read_file("/etc/passwd"))
            return tf.constant(0)

    bad = Bad()
    tf.saved_model.save(bad, str(tmp_path / "bad"), signatures=bad.run)
    answer = holdall("scan", tmp_path / "bad", "--json", status=1).json
    assert answer["verdict"] == "malicious"
    assert {"WriteFile", "ReadFile"} == {word for f in answer["findings"] for word in f["what"].split() if word.endswith("File")}


def of_tensorflow_1(folder, words):
    """A SavedModel whose table reads an asset, with a constant and a variable; the graph with variables made constants; the meta graph."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        path = v1.constant(str(words))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
        rows = tf.lookup.TextFileInitializer(path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        table = tf.lookup.StaticVocabularyTable(rows, 2)
        x = v1.placeholder(tf.string, [None], name="x")
        numbers = v1.placeholder(tf.float32, [None, 5], name="numbers")
        w = v1.get_variable("w", [5, 3], initializer=v1.random_normal_initializer(seed=3))
        y = tf.add(tf.gather(w, table.lookup(x)), tf.constant(numpy.arange(3, dtype=numpy.float32)), name="y")
        z = tf.matmul(numbers, w, name="z")
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder / "saved"))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        assets = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, assets, main_op=v1.tables_initializer())
        builder.save()
        builder.save(as_text=True)
        shutil.copytree(folder / "saved/variables", folder / "text/variables")
        shutil.move(folder / "saved/saved_model.pbtxt", folder / "text")
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["z"])
        (folder / "frozen.pb").write_bytes(frozen.SerializeToString())
        (folder / "frozen.pbtxt").write_text(str(frozen))
        return session.run(w)


def run_1(path, tags, output, inputs):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, tags, str(path))
        return session.run(output, inputs)


def test_models_of_tensorflow_1_are_read_judged_and_written(holdall, tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\nc\n")
    w = of_tensorflow_1(tmp_path, tmp_path / "words.txt")
    (tmp_path / "words.txt").unlink()
    seen = holdall.inspect(tmp_path / "saved")
    assert seen.json["verdict"] == "inert" and seen.json["metadata"]["meta_graphs"][0]["assets"][0] == "words.txt"
    assert seen.tensors["w"]["sha256"] == hashlib.sha256(w.tobytes()).hexdigest()
    holdall("verify", tmp_path / "saved")
    holdall("convert", tmp_path / "saved", tmp_path / "copy", "--to", "tf-savedmodel", "--check")
    outputs = [run_1(tmp_path / name, ["serve"], "y:0", {"x:0": ["b", "?"]}) for name in ("saved", "copy")]
    assert numpy.array_equal(*outputs) and outputs[0].shape == (2, 3)
    (tmp_path / "saved/assets/words.txt").unlink()
    assert "assets/words.txt" in holdall("verify", tmp_path / "saved", status=1).out


def test_a_frozen_graph_is_read_and_becomes_a_saved_model(holdall, tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\nc\n")
    w = of_tensorflow_1(tmp_path, tmp_path / "words.txt")
    assert holdall.inspect(tmp_path / "frozen.pb").tensors["w"]["sha256"] == hashlib.sha256(w.tobytes()).hexdigest()
    assert holdall("scan", tmp_path / "frozen.pb", "--json").json["verdict"] == "inert"
    holdall("verify", tmp_path / "frozen.pb")
    holdall("convert", tmp_path / "frozen.pb", tmp_path / "copy", "--to", "tf-savedmodel", "--check")
    ones = numpy.ones((1, 5), numpy.float32)
    assert numpy.array_equal(run_1(tmp_path / "copy", ["serve"], "z:0", {"numbers:0": ones}), run_frozen(tmp_path / "frozen.pb", ones))
    data = (tmp_path / "frozen.pb").read_bytes()
    (tmp_path / "cut.pb").write_bytes(data[:-40])
    holdall("verify", tmp_path / "cut.pb", status=1)


def run_frozen(path, numbers):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        graph = v1.GraphDef.FromString(path.read_bytes())
        tf.import_graph_def(graph, name="")
        return session.run("z:0", {"numbers:0": numbers})


def test_graphs_as_text_are_refused_by_name_and_never_called_inert(holdall, tmp_path):
    (tmp_path / "words.txt").write_text("a\n")
    w = of_tensorflow_1(tmp_path, tmp_path / "words.txt")
    for path in (tmp_path / "text", tmp_path / "text/saved_model.pbtxt", tmp_path / "frozen.pbtxt"):
        assert "text_format.Parse" in holdall("inspect", path, status=2).err
        assert holdall("scan", path, "--json", status=2).json["verdict"] == "unreadable"
    assert holdall.inspect(tmp_path / "text/variables").tensors["w"]["sha256"] == hashlib.sha256(w.tobytes()).hexdigest()


def test_the_model_of_basic_pitch_is_read_as_tensorflow_reads_it(holdall, tmp_path):
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None:
        pytest.skip("basic-pitch is not installed")
    path = pathlib.Path(spec.origin).parent / "saved_models" / "icassp_2022" / "nmp"
    holdall("verify", path)
    assert holdall("scan", path, "--json").json["verdict"] == "inert"
    seen = holdall.inspect(path).tensors
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if dtype != tf.string:
            assert seen[name]["sha256"] == hashlib.sha256(numpy.asarray(reader.get_tensor(name)).tobytes()).hexdigest(), name
    holdall("convert", path, tmp_path / "copy", "--to", "tf-savedmodel")
    holdall("diff", path, tmp_path / "copy")
    # Its optimizer's slots keep today's tf.saved_model.load from it; sessions take it.
    sound = numpy.random.default_rng(0).random((1, 43844, 1), numpy.float32)
    outputs = [notes_of(each, sound) for each in (path, tmp_path / "copy")]
    assert numpy.array_equal(*outputs)
    save = pytest.importorskip("safetensors.numpy", reason="no safetensors here").save_file
    values = {name: numpy.asarray(reader.get_tensor(name)) for name, dtype in reader.get_variable_to_dtype_map().items() if dtype == tf.float32}
    scaled = {name: numpy.asarray(value * numpy.float32(0.5 if "kernel" in name else 1)) for name, value in values.items()}
    save(scaled, tmp_path / "scaled.safetensors")
    answer = holdall("update", path, "--from", tmp_path / "scaled.safetensors", "--out", tmp_path / "scaled", "--json").json
    assert len(answer["loaded"]) == len(scaled)
    holdall("verify", tmp_path / "scaled")
    assert holdall("diff", path, tmp_path / "scaled", status=1).out
    assert not numpy.allclose(notes_of(tmp_path / "scaled", sound), outputs[0])
    save(values, tmp_path / "same.safetensors")
    holdall("update", tmp_path / "scaled", "--from", tmp_path / "same.safetensors", "--out", tmp_path / "back")
    assert numpy.array_equal(notes_of(tmp_path / "back", sound), outputs[0])


def notes_of(path, sound):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(path))
        return session.run("StatefulPartitionedCall:1", {"serving_default_input_2:0": sound})
