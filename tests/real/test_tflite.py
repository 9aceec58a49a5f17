"""TFLite models against LiteRT: constants and scales as its interpreter has them, outputs that follow new weights."""

import hashlib
import importlib.util
import os
import pathlib
import zipfile

import numpy as np
import pytest

import damage

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
litert = pytest.importorskip("ai_edge_litert.interpreter", reason="no LiteRT here")
safetensors = pytest.importorskip("safetensors.numpy", reason="no safetensors here")

GENERATE = pathlib.Path(__file__).resolve().parents[2] / "holdall/formats/tflite/testdata/generate.py"
_spec = importlib.util.spec_from_file_location("tflite_models", GENERATE)
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)
schema = models.schema

KINDS = ["float", "dynamic", "float16", "full", "signatures"]


@pytest.fixture(scope="session")
def converted():
    pytest.importorskip("tensorflow", reason="no TensorFlow here")
    made = {}

    def convert(kind):
        if kind not in made:
            made[kind] = models.converted(kind)
        return made[kind]

    return convert


def sha(array):
    return hashlib.sha256(models.little(array)).hexdigest()


def run(path, *inputs, signature=None, resolver=litert.OpResolverType.AUTO):
    """The outputs for these inputs, by LiteRT."""
    interpreter = litert.Interpreter(model_path=str(path), experimental_op_resolver_type=resolver)
    if signature is not None:
        runner = interpreter.get_signature_runner(signature)
        return list(runner(**dict(zip(runner.get_input_details(), inputs))).values())
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_constants_are_those_of_the_interpreter(holdall, converted, tmp_path, kind):
    path = write(tmp_path, "m.tflite", converted(kind))
    holdall("verify", path)
    seen = holdall.inspect(path)
    assert seen.json["verdict"] == "inert"
    count = 0
    for graph, detail, values in models.constants(path, 2 if kind == "signatures" else 1):
        name = detail["name"] if graph == 0 else f"{seen.json['metadata']['subgraphs'][graph]['name']}/{detail['name']}"
        assert seen.tensors[name]["sha256"] == sha(values), name
        assert seen.tensors[name]["shape"] == list(values.shape)
        count += 1
    assert count == len(seen.tensors)


@pytest.mark.parametrize("kind", ["dynamic", "full"])
def test_integers_become_the_real_numbers_that_they_stand_for(holdall, converted, tmp_path, kind):
    path = write(tmp_path, "m.tflite", converted(kind))
    holdall("convert", path, tmp_path / "real.safetensors", "--dtype", "float32", "--allow-loss", "--check")
    real = safetensors.load_file(tmp_path / "real.safetensors")
    quantised = 0
    for _, detail, values in models.constants(path):
        quantisation = detail["quantization_parameters"]
        if len(quantisation["scales"]) and values.dtype.kind == "i":
            expected = models.dequantised(values, quantisation)
            assert real[detail["name"]].dtype == np.float32
            assert np.array_equal(real[detail["name"]], expected), detail["name"]
            quantised += 1
        elif values.dtype.kind == "i":
            assert np.array_equal(real[detail["name"]], values), "an integer that stands for nothing else stays one"
    assert quantised == (2 if kind == "dynamic" else 4)
    holdall("convert", path, tmp_path / "half.safetensors", "--dtype", "float16", "--allow-loss")
    half = safetensors.load_file(tmp_path / "half.safetensors")
    assert all(np.array_equal(half[name], real[name].astype(np.float16)) for name in half if half[name].dtype == np.float16)


def new_weights():
    """The dense layer's and the convolution's, as TensorFlow has them and as the graph has them."""
    dense, conv = models.weights(30, (64, 20)) * 0.7, models.weights(31, (3, 3, 8, 16)) * 1.3
    return dense, conv, {"MatMul": np.ascontiguousarray(dense.T), "Conv2D": np.ascontiguousarray(conv.transpose(3, 0, 1, 2))}


@pytest.mark.parametrize("kind", ["float", "dynamic", "float16"])
def test_new_weights_make_the_file_that_the_converter_makes_of_them(holdall, converted, tmp_path, kind):
    dense, conv, weights = new_weights()
    path = write(tmp_path, "old.tflite", converted(kind))
    safetensors.save_file(weights, tmp_path / "w.safetensors")
    answer = holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite", "--json").json
    assert answer["written"] and sorted(answer["loaded"]) == ["Conv2D", "MatMul"]
    holdall("verify", tmp_path / "new.tflite")
    meant = write(tmp_path, "meant.tflite", models.converted(kind, dense, conv))
    own = {detail["name"]: (detail, values) for _, detail, values in models.constants(tmp_path / "new.tflite")}
    for _, detail, values in models.constants(meant):
        assert np.array_equal(own[detail["name"]][1], values), detail["name"]
        for key in ("scales", "zero_points", "quantized_dimension"):
            assert np.array_equal(own[detail["name"]][0]["quantization_parameters"][key], detail["quantization_parameters"][key])
    x = models.weights(40, (1, 4, 4, 8))
    assert np.array_equal(run(tmp_path / "new.tflite", x)[0], run(meant, x)[0])
    assert os.path.getsize(path) == os.path.getsize(tmp_path / "new.tflite")


def test_a_model_of_integers_follows_new_weights(holdall, converted, tmp_path):
    dense, _, weights = new_weights()
    path = write(tmp_path, "old.tflite", converted("full"))
    before = {detail["name"]: (detail, values) for _, detail, values in models.constants(path)}
    conv = models.dequantised(before["Conv2D"][1], before["Conv2D"][0]["quantization_parameters"])
    given = {"MatMul": weights["MatMul"], "Conv2D": conv * np.float32(0.5)}
    safetensors.save_file(given, tmp_path / "w.safetensors")
    holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
    holdall("verify", tmp_path / "new.tflite")
    after = {detail["name"]: (detail, values) for _, detail, values in models.constants(tmp_path / "new.tflite")}
    for name, values in given.items():
        detail, stored = after[name]
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)))
        assert np.array_equal(detail["quantization_parameters"]["scales"], largest / np.float32(127))
        scales = (largest / np.float32(127)).reshape([-1] + [1] * (values.ndim - 1))
        assert np.abs(models.dequantised(stored, detail["quantization_parameters"]) - values).max() <= scales.max() / 2 * 1.001
    for name, (detail, stored) in after.items():
        if stored.dtype != np.int32 or not len(detail["quantization_parameters"]["scales"]):
            continue
        old = models.dequantised(before[name][1], before[name][0]["quantization_parameters"])
        assert np.allclose(models.dequantised(stored, detail["quantization_parameters"]), old, atol=1e-2), "a bias stays what it was"
    # The same in floats, from what the two files say.
    x = models.weights(40, (1, 4, 4, 8))
    features, scores = run(path, x)[0], run(tmp_path / "new.tflite", x)[0]
    assert not np.allclose(features, scores, atol=0.5)
    reference = write(tmp_path, "float.tflite", converted("float"))
    bias = models.dequantised(before["add"][1], before["add"][0]["quantization_parameters"])
    safetensors.save_file({**given, "add": bias}, tmp_path / "f.safetensors")
    holdall("update", reference, "--from", tmp_path / "f.safetensors", "--out", tmp_path / "meant.tflite")
    span = after["MatMul"][0] and [d for d in litert.Interpreter(model_path=str(path)).get_tensor_details() if d["name"].startswith("StatefulPartitionedCall")][0]
    step = span["quantization_parameters"]["scales"][0]
    assert np.abs(run(tmp_path / "meant.tflite", x)[0] - scores).max() < 3 * step


def test_scales_that_were_measured_with_the_old_weights_are_a_warning(holdall, converted, tmp_path):
    _, _, weights = new_weights()
    safetensors.save_file({"MatMul": weights["MatMul"]}, tmp_path / "w.safetensors")
    for kind, count in (("full", 1), ("dynamic", 0), ("float", 0)):
        path = write(tmp_path, f"{kind}.tflite", converted(kind))
        done = holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite", "--json")
        assert len(done.json["warnings"]) == count and ("measured with the old weights" in done.err) == bool(count), kind


def test_integers_of_the_same_kind_are_put_in_as_they_are(holdall, converted, tmp_path):
    path = write(tmp_path, "old.tflite", converted("dynamic"))
    values = np.random.default_rng(3).integers(-127, 128, (20, 64)).astype(np.int8)
    safetensors.save_file({"MatMul": values}, tmp_path / "w.safetensors")
    holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
    found = {detail["name"]: values_ for _, detail, values_ in models.constants(tmp_path / "new.tflite")}
    assert np.array_equal(found["MatMul"], values)
    changed = sum(a != b for a, b in zip(path.read_bytes(), (tmp_path / "new.tflite").read_bytes()))
    assert changed <= values.nbytes


def test_signatures_that_share_weights_follow_together(holdall, converted, tmp_path):
    path = write(tmp_path, "old.tflite", converted("signatures"))
    seen = holdall.inspect(path)
    assert set(seen.json["metadata"]["signatures"]) == {"scores", "features"}
    x = models.weights(41, (1, 4, 4, 8))
    name = next(name for name, each in seen.tensors.items() if each["shape"] == [16, 3, 3, 8])
    safetensors.save_file({name: np.zeros((16, 3, 3, 8), np.float32)}, tmp_path / "w.safetensors")
    holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
    features = run(tmp_path / "new.tflite", x, signature="features")[0]
    assert np.allclose(features, np.maximum(models.weights(2, (16,)), 0), atol=1e-6), "the bias alone is left"


def test_sparse_tensors_are_dense_as_litert_makes_them(holdall, tmp_path):
    path = write(tmp_path, "m.tflite", models.sparse())
    holdall("verify", path)
    seen = holdall.inspect(path).tensors
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    for name, values in zip(("csr", "columns", "blocks"), run(path, resolver=plain)):
        assert seen[name]["sha256"] == sha(values), name
        assert seen[name]["shape"] == list(values.shape)


def test_scales_of_blocks_give_what_litert_computes_with(holdall, tmp_path):
    path = write(tmp_path, "m.tflite", models.blockwise())
    holdall("convert", path, tmp_path / "real.safetensors", "--dtype", "float32", "--allow-loss")
    w = safetensors.load_file(tmp_path / "real.safetensors")["w"]
    x = models.weights(9, (1, 64))
    assert np.allclose(run(path, x)[0], x @ w.T, atol=0.2 * np.abs(x @ w.T).max()), "LiteRT rounds its input to eight bits"
    raw = np.frombuffer(np.random.default_rng(8).integers(0, 256, 128, np.uint8).tobytes(), np.uint8)
    stored = np.stack([(raw & 15).astype(np.int8), (raw >> 4).astype(np.int8)], 1).reshape(4, 64)
    stored = np.where(stored > 7, stored - 16, stored)
    scales = np.repeat(np.float16(np.linspace(0.01, 0.1, 8)).astype(np.float32).reshape(4, 2), 32, axis=1)
    assert np.array_equal(w, stored.astype(np.float32) * scales)


def test_texts_are_those_of_the_interpreter(holdall, tmp_path):
    made = models.Made()
    texts = [b"one", b"", "zwölf".encode(), b"four"]
    made.tensor("words", schema.TensorType.STRING, [4], models.packed_strings(texts))
    index = made.tensor("index", schema.TensorType.INT32, [2])
    out = made.tensor("out", schema.TensorType.STRING, [2])
    op = made.operator(schema.BuiltinOperator.GATHER, [0, index], [out])
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.GatherOptions, schema.GatherOptionsT()
    made.graph.inputs, made.graph.outputs = [index], [out]
    path = write(tmp_path, "m.tflite", made.bytes())
    assert list(run(path, np.int32([2, 0]))[0]) == [texts[2], texts[0]]
    packed = b"".join(len(each).to_bytes(8, "little") + each for each in texts)
    assert holdall.inspect(path).tensors["words"]["sha256"] == hashlib.sha256(packed).hexdigest()
    holdall("verify", path)


@pytest.mark.parametrize("far", [0, 1 << 20, (5 << 30) // 2])
def test_buffers_beyond_the_flatbuffer_are_read_wherever_they_lie(holdall, tmp_path, far):
    head, offset, values = models.beyond(256, far)
    path = tmp_path / "far.tflite"
    with open(path, "wb") as file:
        file.write(head)
        file.seek(offset)
        file.write(values.tobytes())
    holdall("verify", path)
    seen = holdall.inspect(path)
    assert seen.tensors["far"]["sha256"] == sha(values) and seen.tensors["far"]["offset"] == offset
    x = models.weights(50, (256,))
    assert np.array_equal(run(path, x)[0], x + values)
    if far < 1 << 30:
        safetensors.save_file({"far": values * 2}, tmp_path / "w.safetensors")
        holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
        assert np.array_equal(run(tmp_path / "new.tflite", x)[0], x + values * 2)
    with open(path, "r+b") as file:
        file.truncate(offset + values.nbytes - 1)
    holdall("verify", path, status=(1, 2))


def test_tensors_in_a_file_beside_the_model_are_read_and_never_outside_its_folder(holdall, tmp_path):
    values = np.arange(4, dtype=np.float32)

    def made(group):
        model = models.Made()
        models.identity(model, schema.TensorType.FLOAT32, [2])
        tensor = model.tensor("beside", schema.TensorType.FLOAT32, [4])
        model.graph.tensors[tensor].externalBuffer = 7
        model.model.externalBufferGroups, model.model.externalBuffers = [schema.ExternalBufferGroupT()], [schema.ExternalBufferT()]
        model.model.externalBufferGroups[0].name = group
        buffer = model.model.externalBuffers[0]
        buffer.id, buffer.group, buffer.offset, buffer.length = 7, 0, 16, values.nbytes
        return model.bytes()

    path = write(tmp_path, "m.tflite", made("weights.bin"))
    holdall("verify", path, status=(1, 2))
    write(tmp_path, "weights.bin", bytes(16) + values.tobytes())
    holdall("verify", path)
    seen = holdall.inspect(path).tensors["beside"]
    assert (seen["sha256"], seen["file"], seen["offset"]) == (sha(values), "weights.bin", 16)
    write(tmp_path / "..", "outside.bin", bytes(16) + values.tobytes())
    outside = write(tmp_path, "o.tflite", made("../outside.bin"))
    holdall("inspect", outside, status=2)
    assert holdall("scan", outside, "--json", status=1).json["verdict"] == "malicious"


def test_associated_files_are_those_of_the_archive_behind_the_model(holdall, tmp_path):
    path = write(tmp_path, "m.tflite", models.labelled())
    document = holdall.inspect(path).json
    assert document["metadata"]["about"]["author"] == "a person" and not document["warnings"]
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["labels.txt"]
    safetensors.save_file({"weight": np.ones((2, 2), np.float32)}, tmp_path / "w.safetensors")
    holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
    with zipfile.ZipFile(tmp_path / "new.tflite") as archive:
        assert archive.read("labels.txt") == b"cat\ndog\n"
    holdall("verify", tmp_path / "new.tflite")


def test_operators_of_others_are_told(holdall, tmp_path):
    assert holdall("scan", write(tmp_path, "c.tflite", models.operators("Mine")), "--json", status=1).json["verdict"] == "code"
    flex = holdall("scan", write(tmp_path, "f.tflite", models.operators("FlexReadFile")), "--json", status=1).json
    assert flex["verdict"] == "malicious"
    post = models.operators("TFLite_Detection_PostProcess")
    assert holdall("scan", write(tmp_path, "p.tflite", post), "--json").json["verdict"] == "inert"


def test_the_model_of_basic_pitch_is_read_as_litert_reads_it_and_runs_with_new_weights(holdall, tmp_path):
    spec = importlib.util.find_spec("basic_pitch")
    if spec is None:
        pytest.skip("basic-pitch is not installed")
    path = pathlib.Path(spec.origin).parent / "saved_models" / "icassp_2022" / "nmp.tflite"
    holdall("verify", path)
    assert holdall("scan", path, "--json").json["verdict"] == "inert"
    seen = holdall.inspect(path).tensors
    found = {detail["name"]: values for _, detail, values in models.constants(path)}
    assert len(found) == len(seen)
    for name, values in found.items():
        assert seen[name]["sha256"] == sha(values), name
    holdall("convert", path, tmp_path / "copy.tflite")
    assert (tmp_path / "copy.tflite").read_bytes() == path.read_bytes()
    name = max((name for name, values in found.items() if values.ndim == 4), key=lambda name: found[name].size)
    safetensors.save_file({name: found[name] * np.float32(0.5)}, tmp_path / "w.safetensors")
    holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
    sound = np.random.default_rng(0).random((1, 43844, 1), np.float32)
    assert not np.array_equal(run(path, sound)[0], run(tmp_path / "new.tflite", sound)[0])


def mediapipes_models():
    spec = importlib.util.find_spec("mediapipe")
    folder = pathlib.Path(spec.origin).parent if spec is not None else None
    return sorted(folder.rglob("*.tflite")) if folder is not None else []


@pytest.mark.skipif(not mediapipes_models(), reason="no MediaPipe with models here (0.10.14 has some)")
def test_mediapipes_models_are_sound_and_their_metadata_understood(holdall, tmp_path):
    for path in mediapipes_models():
        holdall("verify", path)
        document = holdall.inspect(path).json
        assert not document["warnings"], path
        about = document["metadata"].get("about")
        assert about is None or about["subgraphs"][0]["inputs"][0]["content"] == "image", path
        holdall("convert", path, tmp_path / "w.safetensors", "--allow-loss")
        holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.tflite")
        assert (tmp_path / "new.tflite").read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("make", ["types", "sparse", "labelled", "blockwise", "beyond_bytes"])
def test_damaged_files_are_refused_in_order(holdall, tmp_path, make):
    data = getattr(models, make)()
    path = tmp_path / "m.tflite"
    faults = []
    for name, damaged in damage.mutations(data, int(os.environ.get("HOLDALL_DAMAGE", "40"))):
        path.write_bytes(damaged)
        for verb in ("inspect", "verify", "scan"):
            done = damage.run(holdall.path, [verb, path, *(["--digest"] if verb == "inspect" else [])], tmp_path)
            if done.status not in (0, 1, 2) or done.seconds > damage.Limits.seconds - 1 or done.resident > damage.Limits.resident_bytes:
                faults.append(f"{name} {verb}: {done.status} {done.seconds:.0f} s {done.resident >> 20} MiB {done.said[-200:]}")
            elif done.status == 2 and path.name not in done.said:
                faults.append(f"{name} {verb}: does not name the file: {done.said[-200:]!r}")
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:40])
