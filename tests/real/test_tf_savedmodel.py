"""SavedModels against TensorFlow: variables and signatures as it sees them, and outputs that follow new weights."""

import hashlib
import importlib.util
import os
import pathlib

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
    # Its optimizer's slots keep today's tf.saved_model.load from it; sessions take it.
    sound = numpy.random.default_rng(0).random((1, 43844, 1), numpy.float32)
    outputs = [notes_of(each, sound) for each in (path, tmp_path / "copy")]
    assert numpy.array_equal(*outputs)


def notes_of(path, sound):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(path))
        return session.run("StatefulPartitionedCall:1", {"serving_default_input_2:0": sound})
