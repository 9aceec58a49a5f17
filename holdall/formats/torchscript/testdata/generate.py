"""Writes the golden files of the torchscript format and what torch says they hold (expected.json).

Written with torch 2.13.0, Python 3.11: python generate.py. Digests are SHA-256 over a tensor's elements, row-major, little-endian, as
torch.jit.load(...).state_dict() gives them. Pickles of places in the source (.debug_pkl), which hold paths of the machine that made
them, are left out. `before_1_4.pt` is made record by record from import_legacy.cpp: torch's wheels are built without that reader.
"""
import hashlib, json, linecache, pathlib, sys, warnings, zipfile

import torch

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).resolve().parent
torch.manual_seed(7)
EXPECTED = {}

SOURCE = '''
import torch
from typing import Dict, List

class Dense(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight
        self.bias = torch.nn.Parameter(torch.tensor([0.5, -0.5]))

    def forward(self, x):
        return torch.matmul(x, self.weight.t()) + self.bias

class Net(torch.nn.Module):
    names: List[str]
    rates: Dict[str, float]

    def __init__(self):
        super().__init__()
        weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
        self.layers = torch.nn.ModuleList([Dense(weight), Dense(weight)])
        base = torch.arange(12, dtype=torch.int64)
        self.register_buffer("whole", base)
        self.register_buffer("column", base.view(3, 4)[:, 1])
        self.register_buffer("nothing", torch.empty(0, 2))
        self.register_buffer("scalar", torch.tensor(3, dtype=torch.bfloat16))
        self.offset = torch.full((2,), 7.0)
        self.names = ["a", "b"]
        self.rates = {"lr": 0.5}
        self.depth = 2

    def forward(self, x):
        y = torch.zeros(2)
        for layer in self.layers:
            y = y + layer(x)
        return y + self.offset * torch.tensor([1.0, 2.0]) + float(self.depth)

class Kinds(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def forward(self, x):
        return x

class Files(torch.nn.Module):
    def forward(self, x):
        torch.save(x, "/tmp/holdall-was-here")
        return x + torch.from_file("/etc/hostname", False, 4)

class Named(torch.nn.Module):
    def forward(self, x, path: str):
        torch.save(x, path)
        return x
'''


def load_source():
    linecache.cache["net.py"] = (len(SOURCE), None, SOURCE.splitlines(True), "net.py")
    names = {"__name__": "net"}
    exec(compile(SOURCE, "net.py", "exec"), names)
    sys.modules["net"] = type(sys)("net")
    sys.modules["net"].__dict__.update(names)
    sys.modules["net"].__file__ = "net.py"
    return sys.modules["net"]


def raw(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_quantized:
        tensor = torch.empty(0, dtype=torch.uint8).set_(tensor.contiguous().untyped_storage())
    tensor = tensor.contiguous()
    return tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def describe(tensor):
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape),
            "sha256": hashlib.sha256(raw(tensor)).hexdigest()}


def without_places(path):
    """The same archive without .debug_pkl, by torch's own writer."""
    reader = torch._C.PyTorchFileReader(str(path))
    records = [(name, reader.get_record(name)) for name in reader.get_all_records()]
    path.unlink()
    writer = torch._C.PyTorchFileWriter(str(path))
    for name, data in records:
        if not name.endswith(".debug_pkl") and name not in ("version", "byteorder", ".data/serialization_id"):
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()


def expect(path, **more):
    state = torch.jit.load(str(path)).state_dict()
    EXPECTED[path.name] = {"state": {name: describe(tensor) for name, tensor in state.items() if tensor.device.type != "meta"}, **more}


def save(name, module, lite=False, **more):
    path = HERE / name
    if lite:
        module._save_for_lite_interpreter(str(path))
    else:
        torch.jit.save(module, str(path), _extra_files=more.pop("extra", {}))
    without_places(path)
    expect(path, **more)


def before_1_4():
    """The layout of torch 1.0 to 1.3: model.json and attributes.pkl."""
    tensors = [torch.arange(6.0).view(2, 3), torch.tensor([0.5, -0.5]), torch.arange(4, dtype=torch.int64),
               torch.tensor([3.0, 4.0])]  # the last is the code's: CONSTANTS.c3
    kinds = {torch.float32: "FLOAT", torch.int64: "INT64"}
    listed = [{"dims": [str(n) for n in t.shape], "offset": "0", "strides": [str(n) for n in t.stride()], "requiresGrad": i < 2,
               "dataType": kinds[t.dtype], "data": {"key": f"tensors/{i}"}, "device": "cpu"} for i, t in enumerate(tensors)]
    dense = {"name": "dense", "optimize": True, "parameters": [{"isBuffer": False, "tensorId": "0", "name": "weight"},
                                                              {"isBuffer": False, "tensorId": "1", "name": "bias"}],
             "attributes": [{"type": "int", "name": "depth", "id": "0"}, {"type": "List[int]", "name": "sizes", "id": "1"},
                            {"type": "Tensor", "name": "steps", "id": "2"}]}
    root = {"name": "Net", "optimize": True, "submodules": [dense],
            "parameters": [{"isBuffer": True, "tensorId": "2", "name": "count"}]}
    model = {"protoVersion": "3", "mainModule": root, "producerName": "pytorch", "producerVersion": "1.0", "tensors": listed}
    # (5, build_intlist([1, 2]), build_tensor_from_id(2)) in protocol 2
    pickle = (b"\x80\x02(K\x05ctorch.jit._pickle\nbuild_intlist\n](K\x01K\x02e\x85R"
              b"ctorch.jit._pickle\nbuild_tensor_from_id\nK\x02\x85Rt.")
    path = HERE / "before_1_4.pt"
    with zipfile.ZipFile(path, "w") as archive:
        def add(name, data):
            archive.writestr(zipfile.ZipInfo("net/" + name), data)
        add("version", "1\n")
        for i, tensor in enumerate(tensors):
            add(f"tensors/{i}", raw(tensor))
        add("attributes.pkl", pickle)
        add("model.json", json.dumps(model))
    names = {"dense.weight": 0, "dense.bias": 1, "count": 2}
    EXPECTED[path.name] = {"state": {name: describe(tensors[i]) for name, i in names.items()}}


def main():
    net = load_source()
    save("scripted.pt", torch.jit.script(net.Net()), extra={"info.json": '{"labels":["cat","dog"]}', "raw.bin": b"\xff\xfe\x00"})
    save("traced.pt", torch.jit.trace(net.Net(), torch.ones(1, 3)))
    save("lite.ptl", torch.jit.load(str(HERE / "traced.pt")), lite=True)
    weight = torch.tensor([[1.0, -2.0], [0.5, 0.25]])
    scales, zeros = torch.tensor([0.5, 0.25], dtype=torch.float64), torch.tensor([0, 3])
    save("quantized.pt", torch.jit.script(net.Kinds({
        "per_tensor": torch.quantize_per_tensor(weight, 0.25, 2, torch.qint8),
        "per_channel": torch.quantize_per_channel(weight, scales, zeros, 0, torch.quint8)})))
    dtypes = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
              torch.float32, torch.float64, torch.complex64, torch.complex128]
    save("dtypes.pt", torch.jit.script(net.Kinds({"as_" + str(d).removeprefix("torch."): torch.tensor([1, 0, 3]).to(d) for d in dtypes})))
    # What Python's pickler has no storage classes for, views that only the pickler's metadata tell of, and a tensor without values.
    native = [torch.uint16, torch.uint32, torch.uint64, torch.complex32, torch.float8_e4m3fn, torch.float8_e4m3fnuz,
              torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu]
    save("native.pt", torch.jit.script(net.Kinds({
        **{"as_" + str(d).removeprefix("torch."): torch.tensor([1, 0, 3]).to(d) for d in native},
        "conjugate": torch.tensor([1 + 2j, 3 - 4j]).conj(), "negative": torch.tensor([5 + 6j, 7j]).conj().imag, "nowhere": torch.ones(3, device="meta")})))
    save("files.pt", torch.jit.script(net.Files()))
    save("named_file.pt", torch.jit.script(net.Named()))
    before_1_4()
    (HERE / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")


main()
