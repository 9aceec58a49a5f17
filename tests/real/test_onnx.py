"""ONNX models against onnx and ONNX Runtime: tensors as they see them, and outputs that follow new weights."""

import glob
import hashlib
import os
import pathlib

import numpy
import pytest

onnx = pytest.importorskip("onnx", reason="no onnx here")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402



def sha(array):
    if array.dtype == object:
        parts = [each.encode() if isinstance(each, str) else each for each in array.ravel().tolist()]
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).hexdigest()
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


def tensors_of(path):
    """What onnx has: initializers and values of Constant nodes, by name, in the main graph."""
    model = onnx.load(path)
    found = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def floats_of(model):
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer if each.data_type == TensorProto.FLOAT}


def run(path, **inputs):
    ort = pytest.importorskip("onnxruntime", reason="no ONNX Runtime here")
    ort.set_default_logger_severity(3)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def save_weights(path, tensors):
    pytest.importorskip("safetensors.numpy", reason="no safetensors here").save_file(tensors, path)


def linear(size=4, name="linear", **save):
    """y = x @ w + b, b in a Constant node."""
    generator = numpy.random.default_rng(0)
    w = numpy_helper.from_array(generator.standard_normal((size, size)).astype(numpy.float32), "w")
    b = numpy_helper.from_array(numpy.arange(size, dtype=numpy.float32), "value")
    nodes = [
        helper.make_node("Constant", [], ["b"], value=b),
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    x, y = info("x", TensorProto.FLOAT, ["n", size]), info("y", TensorProto.FLOAT, ["n", size])
    model = helper.make_model(helper.make_graph(nodes, name, [x], [y], [w]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, {"author": "nobody"})
    return model


@pytest.fixture
def model(tmp_path):
    onnx.save(linear(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def real_models():
    silero = pytest.importorskip("silero_vad", reason="no silero-vad here")
    return sorted(glob.glob(os.path.join(os.path.dirname(silero.__file__), "data", "*.onnx")))


def pitch_model():
    import importlib.util

    spec = importlib.util.find_spec("basic_pitch")
    if spec is None:
        pytest.skip("no basic-pitch here")
    return pathlib.Path(spec.origin).parent / "saved_models" / "icassp_2022" / "nmp.onnx"


def test_real_models_have_onnx_digests(holdall):
    for path in [*real_models(), pitch_model()]:
        seen = holdall.inspect(path).tensors
        for name, array in tensors_of(path).items():
            assert seen[name]["sha256"] == sha(array), (path, name)
            assert seen[name]["shape"] == list(array.shape)
        holdall("verify", path)
        assert holdall("scan", path, "--json").json["verdict"] == "inert"


def test_constants_in_branches_are_found(holdall):
    path = next(each for each in real_models() if each.endswith("silero_vad.onnx"))
    seen = holdall.inspect(path).tensors
    branches = [node for node in onnx.load(path).graph.node if node.op_type == "If"]
    count = 0
    for node in branches:
        for attribute in node.attribute:
            for inner in attribute.g.node:
                if inner.op_type != "Constant" or inner.attribute[0].name != "value":
                    continue
                label = node.name or node.output[0]
                entry = seen[f"{label}/{attribute.name}/{inner.output[0]}"]
                assert entry["sha256"] == sha(numpy_helper.to_array(inner.attribute[0].t))
                count += 1
    assert count > 50


def test_a_copy_is_the_same_file(holdall, tmp_path):
    for path in [*real_models(), pitch_model()]:
        holdall("convert", path, tmp_path / "copy.onnx")
        assert (tmp_path / "copy.onnx").read_bytes() == pathlib.Path(path).read_bytes()


def test_outputs_follow_new_weights(holdall, model, tmp_path):
    w, b = numpy.full((4, 4), 2, numpy.float32), numpy.float32([9, 8, 7, 6])
    save_weights(tmp_path / "w.safetensors", {"w": w, "b": b})
    answer = holdall("update", model, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx", "--json").json
    assert answer["written"] and sorted(answer["loaded"]) == ["b", "w"]
    x = numpy.float32([[1, 2, 3, 4]])
    assert numpy.allclose(run(tmp_path / "new.onnx", x=x)[0], x @ w + b)
    assert os.path.getsize(tmp_path / "new.onnx") == os.path.getsize(model)
    again = onnx.load(tmp_path / "new.onnx")
    onnx.checker.check_model(again)
    before = onnx.load(model)
    before.graph.initializer[0].raw_data = w.tobytes()
    before.graph.node[0].attribute[0].t.raw_data = b.tobytes()
    assert again == before
    assert again.SerializeToString() == (tmp_path / "new.onnx").read_bytes()


def test_a_real_model_follows_new_weights(holdall, tmp_path):
    path = pitch_model()
    model = onnx.load(path)
    weights = {name: array * numpy.float32(0.5) for name, array in floats_of(model).items() if array.size > 8}
    assert weights
    save_weights(tmp_path / "w.safetensors", {name: numpy.ascontiguousarray(array) for name, array in weights.items()})
    holdall("update", path, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx")
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    onnx.save(model, tmp_path / "theirs.onnx")
    x = numpy.random.default_rng(0).standard_normal((1, 43844, 1)).astype(numpy.float32)
    name = model.graph.input[0].name
    for ours, theirs in zip(run(tmp_path / "new.onnx", **{name: x}), run(tmp_path / "theirs.onnx", **{name: x})):
        assert numpy.array_equal(ours, theirs)


def test_values_that_were_spelled_out_are_replaced(holdall, tmp_path):
    """float16 in int32_data, an int64 list, value_floats: each another way of writing."""
    codes = numpy.float16([1, 2, 3]).view(numpy.uint16).tolist()
    half = TensorProto(name="half", data_type=TensorProto.FLOAT16, dims=[3], int32_data=codes)
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[3]),
        helper.make_node("Constant", [], ["add"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Cast", ["half"], ["h"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Mul", ["r", "h"], ["m"]),
        helper.make_node("Add", ["m", "add"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [info("x", 1, [1, 3])], [info("y", 1, [3])], [half])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, tmp_path / "m.onnx")
    x = numpy.float32([[1, 10, 100]])
    assert numpy.array_equal(run(tmp_path / "m.onnx", x=x)[0], [2, 22, 303])
    save_weights(tmp_path / "w.safetensors", {"half": numpy.float16([4, 5, 6]), "add": numpy.float32([7, 8, 9])})
    holdall("update", tmp_path / "m.onnx", "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx")
    onnx.checker.check_model(str(tmp_path / "new.onnx"))
    assert numpy.array_equal(run(tmp_path / "new.onnx", x=x)[0], [11, 58, 609])


def test_branches_and_functions_are_replaced(holdall, root, tmp_path):
    golden = root / "holdall/formats/onnx/testdata/places.onnx"
    names = ["chosen/then_branch/w", "chosen/else_branch/w", "c_floats", "c_tensor", "Scale/c_float", "linear/coefficients"]
    seen = holdall.inspect(golden).tensors
    new = {name: numpy.full(seen[name]["shape"], 0.125 * (i + 1), numpy.float32) for i, name in enumerate(names)}
    save_weights(tmp_path / "w.safetensors", new)
    holdall("update", golden, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx")
    model = onnx.load(tmp_path / "new.onnx")
    onnx.checker.check_model(model)
    again = holdall.inspect(tmp_path / "new.onnx").tensors
    for name, entry in again.items():
        assert entry["sha256"] == (sha(new[name]) if name in new else seen[name]["sha256"]), name
    for branch in next(node for node in model.graph.node if node.op_type == "If").attribute:
        assert numpy.array_equal(numpy_helper.to_array(branch.g.initializer[0]), new[f"chosen/{branch.name}/w"])
    assert run(tmp_path / "new.onnx", x=numpy.float32([[1, 2, 3]]))[0].shape == (1, 2)


def test_weights_that_do_not_fit_write_nothing(holdall, model, tmp_path):
    save_weights(tmp_path / "w.safetensors", {"w": numpy.zeros((3, 3), numpy.float32)})
    holdall("update", model, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx", status=1)
    assert not (tmp_path / "new.onnx").exists()


def test_fractions_are_not_cut_to_the_integers_of_a_quantised_graph(holdall, model, tmp_path):
    quantization = pytest.importorskip("onnxruntime.quantization", reason="no ONNX Runtime here")
    quantization.quantize_dynamic(model, tmp_path / "q.onnx")
    name = next(each.name for each in onnx.load(tmp_path / "q.onnx").graph.initializer if each.dims == [4, 4])
    save_weights(tmp_path / "w.safetensors", {name: numpy.full((4, 4), 0.5, numpy.float32)})
    refused = holdall("update", tmp_path / "q.onnx", "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx", status=1)
    assert name in refused.err and "without scales" in refused.err and not (tmp_path / "new.onnx").exists()
    save_weights(tmp_path / "w.safetensors", {name: numpy.full((4, 4), 3, numpy.float32)})
    holdall("update", tmp_path / "q.onnx", "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx")
    written = {each.name: numpy_helper.to_array(each) for each in onnx.load(tmp_path / "new.onnx").graph.initializer}
    assert (written[name] == 3).all()


def test_weights_without_a_graph_are_refused_by_name(holdall, tmp_path):
    save_weights(tmp_path / "w.safetensors", {"w": numpy.zeros((3, 3), numpy.float32)})
    refused = holdall("convert", tmp_path / "w.safetensors", tmp_path / "new.onnx", status=2)
    assert "graph" in refused.err and "holdall update" in refused.err


def test_a_graph_goes_to_safetensors_and_back(holdall, model, tmp_path):
    told = holdall("convert", model, tmp_path / "w.safetensors", status=1)
    assert "m.onnx" in told.out + told.err
    holdall("convert", model, tmp_path / "w.safetensors", "--allow-loss")
    holdall("update", model, "--from", tmp_path / "w.safetensors", "--out", tmp_path / "back.onnx")
    assert (tmp_path / "back.onnx").read_bytes() == model.read_bytes()


# --- Data beside the model -------------------------------------------------------------------------------------------------


@pytest.fixture
def apart(tmp_path):
    (tmp_path / "apart").mkdir()
    path = tmp_path / "apart" / "m.onnx"
    onnx.save(linear(32), path, save_as_external_data=True, location="m.data", size_threshold=0)
    return path


def test_external_data_is_read_and_brought_in_and_put_out(holdall, apart, tmp_path):
    expected = tensors_of(apart)
    seen = holdall.inspect(apart).tensors
    assert {name: entry["sha256"] for name, entry in seen.items()} == {name: sha(a) for name, a in expected.items()}
    assert seen["w"]["file"] == "m.data"
    holdall("verify", apart)
    x = numpy.ones((1, 32), numpy.float32)
    y = run(apart, x=x)[0]
    holdall.convert(apart, tmp_path / "one.onnx")
    (tmp_path / "alone").mkdir()
    (tmp_path / "one.onnx").rename(tmp_path / "alone" / "one.onnx")
    onnx.checker.check_model(str(tmp_path / "alone" / "one.onnx"))
    assert numpy.array_equal(run(tmp_path / "alone" / "one.onnx", x=x)[0], y)
    holdall.convert(tmp_path / "alone" / "one.onnx", tmp_path / "folder", "--to", "onnx", "--shard-size", "1GB")
    assert sorted(os.listdir(tmp_path / "folder")) == ["model.onnx", "model.onnx.data"]
    onnx.checker.check_model(str(tmp_path / "folder" / "model.onnx"))
    assert numpy.array_equal(run(tmp_path / "folder" / "model.onnx", x=x)[0], y)
    holdall("verify", tmp_path / "folder")
    assert holdall("scan", tmp_path / "folder", "--json").json["verdict"] == "inert"
    save_weights(tmp_path / "w.safetensors", {"w": numpy.eye(32, dtype=numpy.float32)})
    holdall("update", tmp_path / "folder", "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new")
    assert numpy.array_equal(run(tmp_path / "new" / "model.onnx", x=x)[0], 1 + numpy.arange(32, dtype=numpy.float32)[None])
    assert (tmp_path / "new" / "model.onnx.data").exists()


def change_location(path, **entries):
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entries.get(entry.key, entry.value)
        for key in entries.keys() - {entry.key for entry in tensor.external_data}:
            tensor.external_data.add(key=key, value=entries[key])
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "a/../../secret", "", "*/_ORT_MEM_ADDR_/", "..", "a\\..\\b"])
def test_data_outside_the_folder_is_never_opened(holdall, apart, location):
    (apart.parent.parent / "secret").write_bytes(b"x" * 8192)
    change_location(apart, location=location)
    refused = holdall("inspect", apart, status=2)
    assert "xxxx" not in refused.out + refused.err
    holdall("verify", apart, status=1)
    verdict = holdall("scan", apart, "--json", status=None).json["verdict"]
    assert verdict == ("unreadable" if location == "" else "malicious")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_that_lead_out_are_refused(holdall, apart, link):
    secret = apart.parent.parent / "secret"
    secret.write_bytes((apart.parent / "m.data").read_bytes())
    (apart.parent / "m.data").unlink()
    link(secret, apart.parent / "m.data")
    holdall("inspect", apart, status=1)
    assert holdall("scan", apart, "--json", status=1).json["verdict"] == "malicious"


def test_a_folder_link_that_leads_out_is_refused(holdall, apart):
    (apart.parent.parent / "elsewhere").mkdir()
    (apart.parent / "m.data").rename(apart.parent.parent / "elsewhere" / "m.data")
    os.symlink(apart.parent.parent / "elsewhere", apart.parent / "sub")
    change_location(apart, location="sub/m.data")
    holdall("inspect", apart, status=1)


def test_a_cache_of_links_is_read(holdall, apart):
    """As Hugging Face's cache has it: every file a link to ../../blobs."""
    snapshot = apart.parent.parent / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    blobs = apart.parent.rename(apart.parent.parent / "blobs")
    for name in ("m.onnx", "m.data"):
        os.symlink(blobs / name, snapshot / name)
    assert holdall.inspect(snapshot / "m.onnx").tensors["w"]["shape"] == [32, 32]


@pytest.mark.parametrize("entries", [{"offset": "1000000"}, {"length": "99999999"}, {"offset": "-1"}, {"length": "1e3"}])
def test_ranges_beyond_the_file_are_refused(holdall, apart, entries):
    change_location(apart, **entries)
    holdall("inspect", apart, status=2)
    holdall("verify", apart, status=1)


def test_missing_data_is_said(holdall, apart):
    (apart.parent / "m.data").unlink()
    refused = holdall("inspect", apart, status=2)
    assert "m.data" in refused.err and "missing" in refused.err


def test_a_checksum_is_compared(holdall, apart):
    data = apart.parent / "m.data"
    change_location(apart, checksum=hashlib.sha1(data.read_bytes()).hexdigest())
    assert holdall("verify", apart, "--json").json["checked"]["digests"] == 1
    raw = bytearray(data.read_bytes())
    raw[17] ^= 1
    data.write_bytes(raw)
    assert "SHA-1" in holdall("verify", apart, status=1).out


def test_more_than_two_gigabytes_open_in_little_memory(holdall, tmp_path):
    rows = 3 << 16
    tensor = TensorProto(name="big", data_type=1, dims=[rows, 4096], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "m.data", "offset": "4096", "length": str(rows * 4096 * 4)}.items():
        tensor.external_data.add(key=key, value=value)
    model = linear()
    model.graph.initializer.append(tensor)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with open(tmp_path / "m.data", "wb") as file:
        file.truncate(4096 + rows * 4096 * 4)
    seen = holdall("inspect", tmp_path / "m.onnx", "--json", memory=256 << 20, timeout=20)
    assert seen.tensors["big"]["bytes"] == rows * 4096 * 4
    refused = holdall("convert", tmp_path / "m.onnx", tmp_path / "one.onnx", status=2)
    assert "--shard-size" in refused.err and not (tmp_path / "one.onnx").exists()


# --- Operators, damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "operator", "verdict"),
    [("my.company", "Secret", "code"), ("", "PythonOp", "code"), ("ai.onnx.ml", "Secret", "code"), ("ai.onnx.contrib", "PyOp", "code"), ("com.microsoft", "PythonOp", "code"),
     ("com.microsoft", "FusedMatMul", "inert"), ("ai.onnx.ml", "Scaler", "inert")],
)
def test_operators_have_their_verdicts(holdall, tmp_path, domain, operator, verdict):
    model = linear()
    model.graph.node.append(helper.make_node(operator, ["y"], ["z"], domain=domain))
    onnx.save(model, tmp_path / "m.onnx")
    assert holdall("scan", tmp_path / "m.onnx", "--json", status=None).json["verdict"] == verdict


def test_a_function_is_found_by_its_overload(holdall, tmp_path):
    model = linear()
    for overload in ("", "one", "two"):
        model.functions.append(helper.make_function("mine", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 17)], overload=overload))
        model.graph.node.append(helper.make_node("F", ["y"], ["z" + overload], domain="mine", overload=overload))
    onnx.save(model, tmp_path / "m.onnx")
    assert holdall("scan", tmp_path / "m.onnx", "--json").json["verdict"] == "inert"


def test_every_operator_of_onnx_is_inert(holdall, tmp_path):
    model = linear()
    model.graph.node.extend(helper.make_node(name, ["y"], [f"z{i}"], domain=domain)
                            for i, (domain, name) in enumerate(sorted({(each.domain, each.name) for each in onnx.defs.get_all_schemas_with_history()})))
    onnx.save(model, tmp_path / "m.onnx")
    assert "onnx-custom-operator" not in holdall("scan", tmp_path / "m.onnx", "--json", status=None).out


def test_a_cut_file_is_never_another_model(holdall, model, tmp_path):
    whole = model.read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "cut.onnx").write_bytes(whole[:size])
        cut = holdall("verify", tmp_path / "cut.onnx", status=(1, 2))
        assert cut.status


@pytest.mark.parametrize("dynamo", [False, True])
def test_what_torch_exports_is_read(holdall, tmp_path, dynamo):
    torch = pytest.importorskip("torch", reason="no torch here")
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)).eval()
    x = torch.ones(1, 3)
    torch.onnx.export(module, (x,), str(tmp_path / "m.onnx"), dynamo=dynamo)
    seen = holdall.inspect(tmp_path / "m.onnx").tensors
    for name, value in module.state_dict().items():
        assert seen[name]["sha256"] == sha(value.numpy())
    torch.nn.init.ones_(module[0].weight)
    torch.save(module.state_dict(), tmp_path / "new.pt")
    holdall("update", tmp_path / "m.onnx", "--from", tmp_path / "new.pt", "--out", tmp_path / "new.onnx")
    inputs = {onnx.load(tmp_path / "new.onnx").graph.input[0].name: x.numpy()}
    assert numpy.allclose(run(tmp_path / "new.onnx", **inputs)[0], module(x).detach().numpy(), atol=1e-6)
