"""Programs of torch.export against torch: names, values and sharing as torch.export.load gives them, what a scan says, damage."""

import io
import json
import pathlib
import zipfile

import pytest
import torch
from torch.export.pt2_archive._package import package_pt2

from oracle import digest, dtype_name


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query = torch.nn.Linear(8, 8)
        self.norm = torch.nn.LayerNorm(8)
        base = torch.arange(24.0)
        self.register_buffer("whole", base)
        self.register_buffer("turned", base[4:16].view(3, 4).t())
        self.register_buffer("empty", torch.zeros(0, 2))
        self.register_buffer("brain", torch.tensor(3.0, dtype=torch.bfloat16))
        self.register_buffer("passing", torch.arange(8.0), persistent=False)
        self.offset = torch.full((8,), 2.0)

    def forward(self, x):
        return self.norm(self.query(x)) + self.passing + self.offset + self.whole.sum() + torch.tensor([1.0, 2.0]).sum()


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.Sequential(Block(), Block())
        self.blocks[1].query.weight = self.blocks[0].query.weight

    def forward(self, x):
        return self.blocks(x)


@pytest.fixture(scope="module")
def program():
    torch.manual_seed(3)
    return torch.export.export(Model(), (torch.ones(4, 8),), dynamic_shapes={"x": {0: torch.export.Dim("n", min=2, max=64)}})


@pytest.fixture
def saved(program, tmp_path):
    torch.export.save(program, tmp_path / "model.pt2", extra_files={"info.txt": "hello"})
    return tmp_path / "model.pt2"


def assert_program(outcome, program, prefix=""):
    expected = {prefix + name: tensor for name, tensor in program.state_dict.items()}
    expected |= {f"{prefix}constants.{name}": tensor for name, tensor in program.constants.items()}
    for name, tensor in expected.items():
        entry = outcome.tensors[name]
        assert (entry["dtype"], entry["shape"]) == (dtype_name(tensor), list(tensor.shape)), name
        assert entry["sha256"] == digest(tensor), name
    assert {name for name in outcome.tensors if name.startswith(prefix)} - set(expected) == {
        f"{prefix}sample_inputs.0.{i}" for i in range(len(program.example_inputs[0]))
    }


def test_a_program_has_the_names_and_values_of_its_state_dict(holdall, saved):
    seen, loaded = holdall.inspect(saved), torch.export.load(saved)
    assert seen.json["format"] == "torch-export" and seen.json["verdict"] == "inert"
    assert_program(seen, loaded)
    assert seen.tensors["sample_inputs.0.0"]["sha256"] == digest(loaded.example_inputs[0][0])
    assert seen.json["metadata"]["extra_files"] == {"info.txt": "hello"}
    assert seen.json["config"]["schema_version"]["major"] == 8
    holdall("verify", saved)


def test_what_is_shared_is_shared(holdall, saved):
    seen = holdall.inspect(saved).tensors
    assert seen["blocks.1.query.weight"]["same_storage_as"] == "blocks.0.query.weight"
    pair = seen["blocks.0.turned"].get("same_storage_as"), seen["blocks.0.whole"].get("same_storage_as")
    assert pair in (("blocks.0.whole", None), (None, "blocks.0.turned"))


def test_it_converts_with_equal_digests(holdall, saved, tmp_path):
    before = {name: entry["sha256"] for name, entry in holdall.inspect(saved).tensors.items()}
    for name in ("out.safetensors", "out.pt"):
        holdall.convert(saved, tmp_path / name)
        after = {name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / name).tensors.items()}
        assert after == before, name
    back = torch.load(tmp_path / "out.pt", weights_only=True)
    state = {name: tensor for name, tensor in back.items() if name not in ("constants", "sample_inputs")}
    Model().load_state_dict(state)


def test_several_programs_have_their_own_names(holdall, tmp_path, program):
    other = torch.export.export(torch.nn.Linear(3, 2), (torch.ones(1, 3),))
    package_pt2(str(tmp_path / "two.pt2"), exported_programs={"first": program, "second": other})
    seen = holdall.inspect(tmp_path / "two.pt2")
    assert_program(seen, program, "first.")
    assert_program(seen, other, "second.")


def test_a_file_in_memory_has_another_folder(holdall, tmp_path, program):
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    (tmp_path / "model.bin").write_bytes(buffer.getvalue())
    assert_program(holdall.inspect(tmp_path / "model.bin"), program)


def test_weights_beside_compiled_code_are_read(holdall, tmp_path, program):
    from torch.export.pt2_archive._package_weights import TensorProperties, Weights

    (tmp_path / "code.cpp").write_text("int main() {}\n")
    state = program.state_dict
    weights = Weights({name: (tensor, TensorProperties(tensor)) for name, tensor in state.items() if tensor.numel()})
    files = [str(tmp_path / "code.cpp"), weights]
    package_pt2(str(tmp_path / "alone.pt2"), aoti_files={"model": files})
    seen = holdall.inspect(tmp_path / "alone.pt2")
    assert {name: entry["sha256"] for name, entry in seen.tensors.items()} == {
        name: digest(tensor) for name, tensor in state.items() if tensor.numel()
    }
    assert seen.json["verdict"] == "code"
    assert seen.tensors["blocks.1.query.weight"]["same_storage_as"] == "blocks.0.query.weight"
    holdall("verify", tmp_path / "alone.pt2")
    told = holdall("convert", tmp_path / "alone.pt2", tmp_path / "out.safetensors", status=1)
    assert told.out.startswith("loss\talone.pt2\t")
    holdall.convert(tmp_path / "alone.pt2", tmp_path / "out.safetensors", "--allow-loss")


def test_a_program_of_fake_tensors_is_code_and_not_malicious(holdall, tmp_path):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        program = torch.export.export(torch.nn.Linear(4, 4), (torch.ones(1, 4),))
        torch.export.save(program, tmp_path / "fake.pt2")
    assert holdall("scan", tmp_path / "fake.pt2", "--json", status=1).json["verdict"] == "code"


def rewritten(source, target, change):
    """The archive with every (name, data) passed through `change`, which gives None for what is left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            data = change(member.filename, old.read(member))
            if data is not None:
                new.writestr(zipfile.ZipInfo(member.filename), data)
    return target


def with_program(source, target, change):
    def each(name, data):
        if "/models/" not in name:
            return data
        program = json.loads(data)
        change(program)
        return json.dumps(program).encode()

    return rewritten(source, target, each)


def test_a_size_that_torch_evaluates_is_malicious(holdall, saved, tmp_path):
    """torch.export.load runs what a size calls: the file is there afterwards."""
    victim = tmp_path / "victim"

    def change(program):
        meta = next(iter(program["graph_module"]["graph"]["tensor_values"].values()))
        meta["sizes"][0] = {"as_expr": {"expr_str": f"open('{victim}', 'w')", "hint": None}}

    path = with_program(saved, tmp_path / "evil.pt2", change)
    assert holdall("scan", path, "--json", status=None).json["verdict"] == "malicious"
    assert not victim.exists()
    with pytest.raises(Exception):
        torch.export.load(path)
    assert victim.exists(), "torch no longer evaluates sizes: the verdict may be milder"


def test_guards_and_sizes_of_real_programs_are_inert(holdall, tmp_path):
    class Sizes(torch.nn.Module):
        def forward(self, x, y):
            if x.shape[0] > 3:
                return x[: y.shape[0] - 2].reshape(-1) * (x.shape[0] % 4 + x.shape[0] // 3)
            return x

    n = torch.export.Dim("n", min=8, max=64)
    program = torch.export.export(Sizes(), (torch.ones(8, 2), torch.ones(8, 2)), dynamic_shapes={"x": {0: n}, "y": {0: n}})
    torch.export.save(program, tmp_path / "sizes.pt2")
    assert holdall("scan", tmp_path / "sizes.pt2", "--json").json["verdict"] == "inert"


def test_pickled_payloads_are_judged(holdall, saved, tmp_path):
    class Evil:
        def __reduce__(self):
            return __import__("os").system, ("true",)

    buffer = io.BytesIO()
    torch.save(Evil(), buffer)
    path = rewritten(saved, tmp_path / "evil.pt2", lambda name, data: buffer.getvalue() if "sample_inputs" in name else data)
    assert holdall("scan", path, "--json", status=None).json["verdict"] == "malicious"


def test_damage_and_truncation_are_told(holdall, saved, tmp_path):
    whole = saved.read_bytes()
    for keep in (0, 1, 30, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt2").write_bytes(whole[:keep])
        assert holdall("inspect", tmp_path / "cut.pt2", status=None).status != 0, keep
    digests = [entry["sha256"] for entry in holdall.inspect(saved).json["tensors"]]
    for place in range(40, len(whole), 997):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        (tmp_path / "flip.pt2").write_bytes(changed)
        if holdall("verify", tmp_path / "flip.pt2", status=None).status == 0:
            assert [entry["sha256"] for entry in holdall.inspect(tmp_path / "flip.pt2").json["tensors"]] == digests, place


def test_a_missing_weight_and_a_short_one_are_named(holdall, saved, tmp_path):
    gone = rewritten(saved, tmp_path / "gone.pt2", lambda name, data: None if name.endswith("weights/weight_0") else data)
    assert "weight_0" in holdall("inspect", gone, status=2).err
    short = rewritten(saved, tmp_path / "short.pt2", lambda name, data: data[:-4] if name.endswith("weights/weight_0") else data)
    assert "weight" in holdall("inspect", short, status=2).err


def test_a_later_schema_is_refused_by_name(holdall, saved, tmp_path):
    path = with_program(saved, tmp_path / "later.pt2", lambda program: program.update(schema_version={"major": 9, "minor": 0}))
    assert "schema version 9" in holdall("inspect", path, status=2).err


def test_fields_of_a_later_minor_version_are_passed_over(holdall, saved, tmp_path, program):
    def change(value):
        value["schema_version"]["minor"] = 99
        value["something_new"] = {"x": [1, 2]}

    assert_program(holdall.inspect(with_program(saved, tmp_path / "minor.pt2", change)), program)


def golden():
    return pathlib.Path(__file__).resolve().parents[2] / "holdall" / "formats" / "torch_export" / "testdata"


@pytest.mark.parametrize("name", ["before_2_7.pt2", "pickled_weights.pt2", "one_pickled.pt2"])
def test_older_layouts_are_read_as_torch_loads_them(holdall, name):
    assert_program(holdall.inspect(golden() / name), torch.export.load(golden() / name))
