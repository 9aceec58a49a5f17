"""Writes the golden files of the torch-export format and what torch says they hold (expected.json).

Written with torch 2.13.0, Python 3.11: python generate.py. Digests are SHA-256 over a tensor's elements, row-major, little-endian, as
torch.export.load(...).state_dict and .constants give them. Stack traces, which hold paths of the machine that made them, are taken out
of the programs. The layouts of older torch are put together from the parts that torch 2.13 serializes; it reads all of them.
"""
import hashlib, io, json, pathlib, warnings, zipfile

import torch
from torch._export.serde.serialize import serialize
from torch.export.pt2_archive import PT2ArchiveWriter
from torch.export.pt2_archive._package import package_pt2, load_pt2
from torch.export.pt2_archive._package_weights import TensorProperties, Weights

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).resolve().parent
torch.manual_seed(7)
EXPECTED = {}


class Dense(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight
        self.bias = torch.nn.Parameter(torch.tensor([0.5, -0.5]))

    def forward(self, x):
        return torch.nn.functional.linear(x, self.weight, self.bias)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
        self.layers = torch.nn.ModuleList([Dense(weight), Dense(weight)])
        base = torch.arange(12.0)
        self.register_buffer("turned", base[2:8].view(2, 3).t())
        self.register_buffer("whole", base)
        self.register_buffer("nothing", torch.empty(0, 2))
        self.register_buffer("scalar", torch.tensor(3, dtype=torch.bfloat16))
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.offset = torch.full((2,), 7.0)

    def forward(self, x):
        y = sum(layer(x) for layer in self.layers)
        return y + self.turned.sum() + self.whole.sum() + self.scalar + self.passing + self.offset


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.arange(3))

    def forward(self, x):
        return x + self.steps


def raw(tensor):
    tensor = tensor.detach().contiguous()
    return tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def describe(tensor):
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape),
            "sha256": hashlib.sha256(raw(tensor)).hexdigest()}


def described(program):
    return {"state": {name: describe(tensor) for name, tensor in program.state_dict.items()},
            "constants": {name: describe(tensor) for name, tensor in program.constants.items()}}


def exported(module, *inputs, **options):
    program = torch.export.export(module, inputs, **options)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def expect(name):
    EXPECTED[name] = described(torch.export.load(HERE / name))


def saved(tensors):
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


def old_layout(program):
    """torch 2.2 to 2.6: a plain ZIP of four files."""
    parts = serialize(program)
    with zipfile.ZipFile(HERE / "before_2_7.pt2", "w") as archive:
        def add(name, data):
            archive.writestr(zipfile.ZipInfo(name), data)
        add("version", "8.20")
        add("serialized_exported_program.json", parts.exported_program)
        add("serialized_state_dict.pt", parts.state_dict)
        add("serialized_constants.pt", parts.constants)
        add("serialized_example_inputs.pt", parts.example_inputs)
        add("extra_files/info.txt", "hello")
    expect("before_2_7.pt2")


def pickled_weights(program):
    """torch 2.7: weights and constants each as one file of torch.save."""
    parts = serialize(program)
    with PT2ArchiveWriter(str(HERE / "pickled_weights.pt2")) as writer:
        writer.write_bytes("models/model.json", parts.exported_program)
        writer.write_bytes("data/weights/model.pt", parts.state_dict)
        writer.write_bytes("data/constants/model.pt", parts.constants)
        writer.write_bytes("data/sample_inputs/model.pt", parts.example_inputs)
    expect("pickled_weights.pt2")


def one_pickled(program):
    """A weight that is pickled by itself, as tensor subclasses are."""
    parts = serialize(program, serialize_state_dict=False, serialize_constants=False)
    row = {"path_name": "weight_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    with PT2ArchiveWriter(str(HERE / "one_pickled.pt2")) as writer:
        writer.write_bytes("models/model.json", parts.exported_program)
        writer.write_bytes("data/weights/weight_0", saved(program.state_dict["steps"]))
        writer.write_string("data/weights/model_weights_config.json", json.dumps({"config": {"steps": row}}))
        writer.write_string("data/constants/model_constants_config.json", json.dumps({"config": {}}))
        writer.write_bytes("data/sample_inputs/model.pt", parts.example_inputs)
    expect("one_pickled.pt2")


def compiled():
    """An archive of AOTInductor's, as torch lays it out where weights are kept beside the code (which is a text here)."""
    code = HERE / "model.wrapper.cpp"
    code.write_text("int main() {}\n")
    base = torch.arange(12.0)
    tensors = {"whole": base, "turned": base[2:8].view(2, 3).t(), "bias": torch.tensor([0.5, -0.5], dtype=torch.bfloat16)}
    weights = Weights({name: (tensor, TensorProperties(tensor)) for name, tensor in tensors.items()})
    package_pt2(str(HERE / "compiled.pt2"), aoti_files={"model": [str(code), weights]})
    code.unlink()


def changed(name, change):
    """small.pt2 with another program."""
    reader = torch._C.PyTorchFileReader(str(HERE / "small.pt2"))
    with PT2ArchiveWriter(str(HERE / name)) as writer:
        for record in reader.get_all_records():
            data = reader.get_record(record)
            if record == "models/model.json":
                program = json.loads(data)
                change(program)
                data = json.dumps(program).encode()
            if record not in ("byteorder", ".data/version", ".data/serialization_id"):
                writer.write_bytes(record, data)


def main():
    program = exported(Net(), torch.ones(4, 3), dynamic_shapes={"x": {0: torch.export.Dim("n", min=2, max=64)}})
    torch.export.save(program, HERE / "program.pt2", extra_files={"info.txt": "hello"})
    expect("program.pt2")
    small = exported(Small(), torch.ones(3))
    torch.export.save(small, HERE / "small.pt2")
    expect("small.pt2")
    package_pt2(str(HERE / "two.pt2"), exported_programs={"first": small, "second": exported(Dense(torch.nn.Parameter(torch.ones(2, 3))), torch.ones(1, 3))})
    EXPECTED["two.pt2"] = {name: described(each) for name, each in load_pt2(str(HERE / "two.pt2")).exported_programs.items()}
    old_layout(program)
    pickled_weights(program)
    one_pickled(small)
    compiled()

    def size(program):
        meta = next(iter(program["graph_module"]["graph"]["tensor_values"].values()))
        meta["sizes"][0] = {"as_expr": {"expr_str": "__import__('os').system('true')", "hint": None}}
    changed("evil_size.pt2", size)
    changed("evil_target.pt2", lambda program: program["graph_module"]["graph"]["nodes"][0].update(target="torch.os.system"))
    changed("guard.pt2", lambda program: program.update(guards_code=["print(L['x'])"]))
    changed("schema_9.pt2", lambda program: program.update(schema_version={"major": 9, "minor": 0}))
    (HERE / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")


main()
