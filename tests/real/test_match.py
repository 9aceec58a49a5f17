"""match: one model in several clothes, told tensor by tensor, and new weights put into old graphs by the map."""

import importlib.util
import os
import pathlib

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
torch = pytest.importorskip("torch", reason="no torch here")
safetensors = pytest.importorskip("safetensors.torch", reason="no safetensors here")
ort = pytest.importorskip("onnxruntime", reason="no ONNX Runtime here")


def folder_of(package):
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"no {package} here")
    return pathlib.Path(found.submodule_search_locations[0])


@pytest.fixture
def pitch():
    return folder_of("basic_pitch") / "saved_models/icassp_2022"


@pytest.mark.parametrize(("a", "b"), [("nmp", "nmp.onnx"), ("nmp", "nmp.tflite")])
def test_every_kernel_of_basic_pitch_is_found_in_its_other_files(a, b, pitch, holdall):
    report = holdall("match", pitch / a, pitch / b, "--json", status=(0, 1)).json
    kernels = {name for name in holdall("inspect", pitch / a, "--json").tensors if "kernel/.ATTR" in name and "SLOT" not in name}
    paired = {pair["a"]: pair for pair in report["pairs"]}
    assert kernels and kernels <= set(paired)
    assert all(paired[name]["by"] in ("digest", "values", "close") for name in kernels)
    # Two convolutions have taken their normalisation in: other numbers, the same direction.
    assert sum(paired[name]["by"] == "close" for name in kernels) == 2


def test_onnx_and_tflite_of_basic_pitch_are_the_same_weights(pitch, holdall):
    report = holdall("match", pitch / "nmp.onnx", pitch / "nmp.tflite", "--json", status=(0, 1)).json
    sizes = {name: np.prod(each["shape"]) for name, each in holdall("inspect", pitch / "nmp.onnx", "--json").tensors.items()}
    assert not [name for name in report["only_a"] if sizes[name] > 50]
    assert all(pair["by"] in ("digest", "values") for pair in report["pairs"] if sizes[pair["a"]] > 50)


def test_the_map_makes_the_other_files_tensors(pitch, holdall, tmp_path):
    holdall("match", pitch / "nmp", pitch / "nmp.onnx", "--out", tmp_path / "map.txt", status=(0, 1))
    report = holdall("match", pitch / "nmp", pitch / "nmp.onnx", "--json", status=(0, 1)).json
    holdall("convert", pitch / "nmp", tmp_path / "w.safetensors", "--names", tmp_path / "map.txt", "--allow-loss")
    made = holdall("inspect", tmp_path / "w.safetensors", "--json", "--digest").tensors
    wanted = holdall("inspect", pitch / "nmp.onnx", "--json", "--digest").tensors
    equal = [pair["b"] for pair in report["pairs"] if pair["by"] in ("digest", "values") and pair["dtype_a"] == pair["dtype_b"]]
    assert len(equal) > 8 and set(made) == {pair["b"] for pair in report["pairs"]}
    for name in equal:
        assert (made[name]["sha256"], made[name]["shape"]) == (wanted[name]["sha256"], wanted[name]["shape"]), name


def test_silero_in_torchscript_and_onnx(holdall):
    data = folder_of("silero_vad") / "data"
    report = holdall("match", data / "silero_vad.jit", data / "silero_vad.onnx", "--json", status=(0, 1)).json
    sizes = {name: np.prod(each["shape"]) for name, each in holdall("inspect", data / "silero_vad.jit", "--json").tensors.items()}
    assert not [name for name in report["only_a"] if sizes[name] > 1000]


def test_new_weights_reach_a_graph_that_names_and_lays_them_otherwise(holdall, tmp_path):
    pytest.importorskip("onnx", reason="no onnx here")
    torch.manual_seed(0)
    # Without biases on three axes the exporter makes MatMul of transposed constants without names.
    module = torch.nn.Sequential(torch.nn.Linear(6, 24, bias=False), torch.nn.Tanh(), torch.nn.Linear(24, 5, bias=False))
    example = torch.randn(2, 3, 6)
    torch.onnx.export(module, (example,), tmp_path / "m.onnx", dynamo=False, input_names=["x"], output_names=["y"])
    safetensors.save_file(module.state_dict(), tmp_path / "old.safetensors")
    report = holdall("match", tmp_path / "old.safetensors", tmp_path / "m.onnx", "--out", tmp_path / "map.txt", "--json").json
    assert [pair["steps"] for pair in report["pairs"]] == ["axes=1,0"] * 2
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn_like(weight))
        expected = module(example).numpy()
    safetensors.save_file(module.state_dict(), tmp_path / "new.safetensors")
    update = ["update", tmp_path / "m.onnx", "--from", tmp_path / "new.safetensors", "--out", tmp_path / "new.onnx"]
    holdall(*update, status=1)  # nothing is called so there
    holdall(*update, "--names", tmp_path / "map.txt")
    (given,) = ort.InferenceSession(tmp_path / "new.onnx").run(None, {"x": example.numpy()})
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


def test_weights_that_the_map_leaves_out_are_a_warning(holdall, tmp_path):
    """A normalisation that the exporter took into the convolution: the graph keeps what it made of the old one."""
    pytest.importorskip("onnx", reason="no onnx here")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(288, 4)).eval()
    torch.onnx.export(module, (torch.randn(1, 3, 8, 8),), tmp_path / "m.onnx", dynamo=False)
    safetensors.save_file(module.state_dict(), tmp_path / "w.safetensors")
    holdall("match", tmp_path / "w.safetensors", tmp_path / "m.onnx", "--out", tmp_path / "map.txt", status=1)
    update = ["update", tmp_path / "m.onnx", "--from", tmp_path / "w.safetensors", "--out", tmp_path / "new.onnx", "--json"]
    answer = holdall(*update, "--names", tmp_path / "map.txt")
    (warning,) = answer.json["warnings"]
    assert "1.running_mean" in warning and "num_batches_tracked" not in warning and warning in answer.err
    kept = "3.weight=3.weight\n3.bias=3.bias\n0.*=\n1.num_batches_tracked=\n1.*=\n"
    (tmp_path / "map.txt").write_text(kept)
    assert "6 of the weights" in holdall(*update, "--names", tmp_path / "map.txt").json["warnings"][0]


class Only(torch.nn.Module):
    """One output of a model of transformers, whose inputs are named."""

    def __init__(self, model, inputs):
        super().__init__()
        self.model, self.inputs = model, inputs

    def forward(self, *values):
        return self.model(**dict(zip(self.inputs, values)), return_dict=False)[0]


def shake(model, seed):
    """Values of its own for every parameter: exporters write equal ones once."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn_like(value))


SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 20}
IDS = torch.arange(12).reshape(2, 6) + 5
# Classes, what their configs say, inputs, and the exporter that can: that of TorchScript lacks an operator of GPT-2's, the newer one fails on T5.
FAMILIES = {
    "bert": ("BertForQuestionAnswering", SMALL, {"input_ids": IDS}, (False, True)),
    "roberta": ("RobertaForMaskedLM", SMALL, {"input_ids": IDS}, (False, True)),
    "distilbert": ("DistilBertForMaskedLM", {"vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}, {"input_ids": IDS}, (False, True)),
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 20, "use_cache": False}, {"input_ids": IDS}, (True,)),
    "t5": (
        "T5ForConditionalGeneration", {"vocab_size": 40, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "use_cache": False},
        {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "decoder_input_ids": IDS[:, :4]}, (False,),
    ),
    "vit": (
        "ViTForImageClassification", {**{key: SMALL[key] for key in list(SMALL)[1:5]}, "image_size": 32, "patch_size": 16},
        {"pixel_values": torch.ones(2, 3, 32, 32)}, (False, True),
    ),
}


@pytest.mark.parametrize(("family", "dynamo"), [(family, dynamo) for family, case in FAMILIES.items() for dynamo in case[3]])
def test_a_graph_of_transformers_computes_what_pytorch_does_with_new_weights(family, dynamo, holdall, tmp_path):
    pytest.importorskip("onnxscript", reason="no onnxscript here")
    transformers = pytest.importorskip("transformers", reason="no transformers here")
    of, config, inputs, _ = FAMILIES[family]
    of = getattr(transformers, of)
    model = of(of.config_class(**config)).eval()
    shake(model, 1)
    module = Only(model, list(inputs)).eval()
    sizes = [{axis: f"{name}{axis}" for axis in range(2 if value.dim() == 2 else 1)} for name, value in inputs.items()]
    how = {"dynamic_axes": dict(zip(inputs, sizes))}
    if dynamo:
        how = {"dynamic_shapes": {"values": tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in sizes)}, "external_data": False, "verbose": False}
    torch.onnx.export(module, tuple(inputs.values()), tmp_path / "m.onnx", dynamo=dynamo, input_names=list(inputs), opset_version=18, **how)
    model.save_pretrained(tmp_path / "old")
    report = holdall("match", tmp_path / "old/model.safetensors", tmp_path / "m.onnx", "--out", tmp_path / "map.txt", "--json", status=(0, 1)).json
    # A tied head is in most graphs once more than in the file.
    assert report["only_a"] == [] and {pair["by"] for pair in report["pairs"]} == {"digest", "values"}
    shake(model, 2)
    model.save_pretrained(tmp_path / "new")
    holdall("update", tmp_path / "m.onnx", "--from", tmp_path / "new/model.safetensors", "--names", tmp_path / "map.txt", "--out", tmp_path / "new.onnx")
    session = ort.InferenceSession(tmp_path / "new.onnx")
    given = session.run(None, {place.name: value.numpy() for place, value in zip(session.get_inputs(), inputs.values())})[0]
    with torch.no_grad():
        np.testing.assert_allclose(given, module(*inputs.values()).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "q8_0", "q4_0"])
def test_light_copies_are_found(dtype, holdall, tmp_path):
    torch.manual_seed(0)
    state = {f"layers.{i}.{part}.weight": torch.randn(64, 64) for i in range(6) for part in ("q", "k", "v")}
    safetensors.save_file(state, tmp_path / "m.safetensors")
    target = tmp_path / ("light.gguf" if dtype.startswith("q") else "light.safetensors")
    renames = ["--rename", "layers.*=blk.*"]
    holdall("convert", tmp_path / "m.safetensors", target, "--dtype", dtype, *renames)
    report = holdall("match", tmp_path / "m.safetensors", target, "--json").json
    assert {pair["a"]: pair["b"] for pair in report["pairs"]} == {name: name.replace("layers", "blk") for name in state}
    assert {pair["by"] for pair in report["pairs"]} == {"close"}
