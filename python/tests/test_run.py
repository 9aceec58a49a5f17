"""verify(…, run=True): graphs run by their runtimes on made-up inputs."""

import glob
import os

import numpy
import pytest

import holdall
from holdall import _run

onnx = pytest.importorskip("onnx", reason="no onnx here")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def save(path, operator="MatMul", domain="", weight=((1.0, 2.0), (3.0, 4.0))):
    info = helper.make_tensor_value_info
    node = helper.make_node(operator, ["x", "w"], ["y"], domain=domain)
    w = numpy_helper.from_array(numpy.float32(weight), "w")
    graph = helper.make_graph([node], "g", [info("x", TensorProto.FLOAT, ["n", 2])], [info("y", TensorProto.FLOAT, ["n", 2])], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


def test_a_sound_graph_runs(tmp_path):
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here")
    save(tmp_path / "m.onnx")
    answer = holdall.verify(tmp_path / "m.onnx", run=True)
    assert answer["sound"] and answer["run"]["ran"] and answer["run"]["error"] is None
    assert answer["run"]["runtime"] == "onnxruntime"
    assert answer["run"]["inputs"] == {"x": {"dtype": "float32", "shape": [1, 2], "finite": True}}
    assert answer["run"]["outputs"] == {"y": {"dtype": "float32", "shape": [1, 2], "finite": True}}
    assert "run" not in holdall.verify(tmp_path / "m.onnx")


def test_weights_that_make_no_numbers_show(tmp_path):
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here")
    save(tmp_path / "m.onnx", weight=((float("nan"), 1), (1, 1)))
    assert holdall.verify(tmp_path / "m.onnx", run=True)["run"]["outputs"]["y"]["finite"] is False


def test_a_graph_that_does_not_run_says_why(tmp_path):
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here")
    save(tmp_path / "m.onnx", weight=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)))
    answer = holdall.verify(tmp_path / "m.onnx", run=True)["run"]
    assert not answer["ran"] and answer["error"]


def test_what_is_not_inert_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setitem(_run.RUNNERS, "onnx", lambda path: pytest.fail("it was run"))
    save(tmp_path / "m.onnx", "Secret", "my.company")
    assert "code" in holdall.verify(tmp_path / "m.onnx", run=True)["run"]["error"]


def test_a_runtime_that_is_missing_is_said(tmp_path, monkeypatch):
    def missing(path):
        raise ImportError("no module named 'runtime'")

    monkeypatch.setitem(_run.RUNNERS, "onnx", missing)
    save(tmp_path / "m.onnx")
    assert "not installed" in holdall.verify(tmp_path / "m.onnx", run=True)["run"]["error"]


def test_formats_without_a_graph_are_said(tmp_path):
    holdall.save({"w": numpy.zeros(3)}, tmp_path / "w.safetensors")
    assert "safetensors" in holdall.verify(tmp_path / "w.safetensors", run=True)["run"]["error"]


def test_real_models_run():
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here")
    silero = pytest.importorskip("silero_vad", reason="no silero-vad here")
    models = sorted(glob.glob(os.path.join(os.path.dirname(silero.__file__), "data", "*.onnx")))
    ran = [holdall.verify(path, run=True)["run"]["ran"] for path in models]
    assert models and all(ran)


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """y = 2x, as a SavedModel and as a TFLite model, for any number of rows."""
    tf = pytest.importorskip("tensorflow", reason="no TensorFlow here")
    folder = tmp_path_factory.mktemp("doubling")
    module = tf.Module()
    module.factor = tf.Variable([2.0, 2.0])
    module.serve = tf.function(lambda x: {"y": module.factor * x}, input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    tf.saved_model.save(module, str(folder / "saved"), signatures=module.serve)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    (folder / "m.tflite").write_bytes(converter.convert())
    return folder


@pytest.mark.parametrize(("name", "runtime"), [("saved", "tensorflow"), ("m.tflite", "ai-edge-litert")])
def test_graphs_of_tensorflow_run(name, runtime, doubling):
    answer = holdall.verify(doubling / name, run=True)
    assert answer["sound"] and answer["run"]["error"] is None and answer["run"]["ran"]
    assert answer["run"]["runtime"] == runtime and answer["run"]["version"]
    (given,), (made,) = answer["run"]["inputs"].values(), answer["run"]["outputs"].values()
    assert given == made == {"dtype": "float32", "shape": [1, 2], "finite": True}


@pytest.mark.parametrize("name", ["saved", "m.tflite"])
def test_new_weights_run_in_the_old_graph(name, doubling, tmp_path):
    """What update() puts into a graph shows in what it computes: the proof that verify(run=True) gives."""
    factor = next(key for key, tensor in holdall.open(doubling / name).items() if tensor.shape == (2,) and tensor.dtype == "float32")
    holdall.save({factor: numpy.float32([numpy.nan, 1])}, tmp_path / "w.safetensors")
    holdall.update(doubling / name, tmp_path / "w.safetensors", tmp_path / name)
    (made,) = holdall.verify(tmp_path / name, run=True)["run"]["outputs"].values()
    assert made["finite"] is False
