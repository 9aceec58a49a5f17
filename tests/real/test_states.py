"""What people save with torch: Holdall lists the tensors that torch loads, and writes files that torch loads as the same."""

import pytest
import torch

import samples
from oracle import assert_equal, assert_holds, digest, named

KINDS = ["zip", "legacy", "protocol4"]
# Their tensors have parts of their own (indices, scales); see the tests below.
COMPOSED = ("sparse", "quantized")


def load(path, kind="zip"):
    """What torch itself makes of its file; its safe loader reads protocol 2 only."""
    try:
        return torch.load(path, weights_only=kind != "protocol4")
    except Exception as error:
        pytest.skip(f"torch cannot load what it saved: {str(error)[-60:]}")


def save(value, path, kind="zip"):
    torch.save(value, path, _use_new_zipfile_serialization=kind != "legacy", pickle_protocol=4 if kind == "protocol4" else 2)
    return path


def skip_what_torch_cannot_load(name, kind):
    if name == "every_dtype" and kind == "legacy":
        pytest.skip("torch 2.13 writes legacy files with its newer dtypes, but loads none of them")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in samples.STATES if name not in COMPOSED])
def test_names_dtypes_shapes_and_digests_are_those_of_torch(holdall, tmp_path, name, kind):
    skip_what_torch_cannot_load(name, kind)
    path = save(samples.STATES[name](), tmp_path / "model.pt", kind)
    loaded = load(path, kind)
    outcome = holdall.inspect(path)
    assert outcome.json["format"] == "pytorch"
    assert outcome.json["bytes"] == path.stat().st_size
    assert_holds(outcome, named(loaded))
    assert list(outcome.tensors) == list(named(loaded))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*samples.STATES])
def test_what_torch_saves_is_sound_and_inert(holdall, tmp_path, name, kind):
    path = save(samples.STATES[name](), tmp_path / "model.pt", kind)
    assert holdall("verify", path, "--json").json["sound"] is True
    scanned = holdall("scan", path, "--json").json
    assert scanned["verdict"] == "inert", scanned
    assert holdall("inspect", path, "--json").json["verdict"] == "inert"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*samples.STATES])
def test_torch_loads_our_file_as_the_same(holdall, tmp_path, name, kind):
    skip_what_torch_cannot_load(name, kind)
    path = save(samples.STATES[name](), tmp_path / "model.pt", kind)
    holdall.convert(path, tmp_path / "ours.pt")
    assert_equal(load(path, kind), torch.load(tmp_path / "ours.pt", weights_only=True))
    assert holdall("diff", path, tmp_path / "ours.pt", "--json").json["same"] is True
    assert holdall("verify", tmp_path / "ours.pt", "--json").json["checked"]["crc32"] > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["bare_tensor", "state_dict", "odd_shapes", "views", "tied", "parameters", "nested_values", "same_names", "cycles",
             "adam_checkpoint", "momentum_checkpoint", "adagrad_checkpoint", "many_small"]
)
def test_a_checkpoint_goes_round_and_comes_back_equal(holdall, tmp_path, name, kind):
    path = save(samples.STATES[name](), tmp_path / "model.pt", kind)
    holdall.convert(path, tmp_path / "a.safetensors")
    holdall.convert(tmp_path / "a.safetensors", tmp_path / "b.npz")
    holdall.convert(tmp_path / "b.npz", tmp_path / "c.pt")
    assert_equal(load(path, kind), torch.load(tmp_path / "c.pt", weights_only=True))
    for other in ("a.safetensors", "b.npz", "c.pt"):
        difference = holdall("diff", path, tmp_path / other, "--json").json
        assert difference["same"] is True, difference


@pytest.mark.parametrize("name", [*samples.STATES])
@pytest.mark.parametrize("target", ["out.safetensors", "out.npz"])
def test_other_containers_hold_everything_or_refuse_by_name(holdall, tmp_path, name, target):
    path = save(samples.STATES[name](), tmp_path / "model.pt")
    outcome = holdall("convert", path, tmp_path / target, "--check", status=(0, 1))
    if outcome.status == 1:
        assert not (tmp_path / target).exists()
        assert outcome.err.strip(), "a refusal says what would be lost"
        return
    holdall.convert(tmp_path / target, tmp_path / "back.pt")
    assert_equal(torch.load(path, weights_only=True), torch.load(tmp_path / "back.pt", weights_only=True))


@pytest.mark.parametrize("dtype", samples.DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
def test_each_dtype_round_trips_alone(holdall, tmp_path, dtype):
    path = save({"w": samples.values(dtype, 5, 3), "scalar": samples.values(dtype)}, tmp_path / "model.pt")
    assert holdall.inspect(path).tensors["w"]["dtype"] == str(dtype).removeprefix("torch.")
    holdall.convert(path, tmp_path / "ours.pt")
    assert_equal(torch.load(path), torch.load(tmp_path / "ours.pt", weights_only=True))


def test_tied_tensors_stay_tied(holdall, tmp_path):
    path = save(samples.tied(), tmp_path / "model.pt")
    tensors = holdall.inspect(path).tensors
    assert tensors["decoder.weight"]["same_storage_as"] == "encoder.weight"
    holdall.convert(path, tmp_path / "a.safetensors")
    holdall.convert(tmp_path / "a.safetensors", tmp_path / "b.pt")
    holdall.convert(path, tmp_path / "c.pt")
    for file in ("b.pt", "c.pt"):
        back = torch.load(tmp_path / file, weights_only=True)
        assert back["encoder.weight"].data_ptr() == back["decoder.weight"].data_ptr(), file
        assert list(back) == ["encoder.weight", "decoder.weight", "half"]


def test_a_view_is_written_with_the_bytes_it_touches_only(holdall, tmp_path):
    base = torch.arange(1_000_000.0)
    path = save({"tail": base[-10:]}, tmp_path / "model.pt")
    assert path.stat().st_size > 4_000_000
    holdall.convert(path, tmp_path / "ours.pt")
    assert (tmp_path / "ours.pt").stat().st_size < 10_000
    assert_equal(torch.load(tmp_path / "ours.pt"), {"tail": base[-10:]})


def test_quantized_tensors_show_their_integers(holdall, tmp_path):
    path = save(samples.quantized(), tmp_path / "model.pt")
    tensors = holdall.inspect(path).tensors
    for name, tensor in samples.quantized().items():
        assert tensors[name]["dtype"] == str(tensor.dtype).removeprefix("torch.")
        assert tensors[name]["sha256"] == digest(tensor)


def test_sparse_tensors_show_their_parts(holdall, tmp_path):
    path = save(samples.sparse(), tmp_path / "model.pt")
    found = {(entry["name"].split(".")[0], entry["sha256"]) for entry in holdall.inspect(path).json["tensors"]}
    for name, tensor in samples.sparse().items():
        indices = tensor._indices() if name == "coo" else (
            tensor.crow_indices() if name in ("csr", "bsr") else tensor.ccol_indices())
        values = tensor._values() if name == "coo" else tensor.values()
        assert (name, digest(indices)) in found and (name, digest(values)) in found, name


@pytest.mark.parametrize("name", [*samples.OBJECTS])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_objects_open_without_their_classes(holdall, tmp_path, name, kind):
    made = samples.OBJECTS[name]()
    path = save(made, tmp_path / "model.pt", kind)
    outcome = holdall.inspect(path)
    if isinstance(made, torch.nn.Module):
        found = outcome.tensors
        for key, tensor in made.state_dict().items():
            assert found[key]["sha256"] == digest(tensor), key
            assert found[key]["shape"] == list(tensor.shape)
        assert "$object" in outcome.json["tree"]
    assert outcome.json["verdict"] in ("inert", "code")


def test_a_module_of_an_unknown_class_can_run_code(holdall, tmp_path):
    path = save(samples.whole_module(), tmp_path / "model.pt")
    scanned = holdall("scan", path, "--json", status=1).json
    assert scanned["verdict"] == "code"
    assert any("samples.Net" in finding["what"] or "samples Net" in finding["what"] for finding in scanned["findings"]), scanned


def test_the_tree_holds_plain_values_exactly(holdall, tmp_path):
    path = save(samples.nested_values(), tmp_path / "model.pt")
    tree = holdall("inspect", path, "--json").json["tree"]
    pairs = dict((key, value) for key, value in tree["$dict"]) if "$dict" in tree else tree
    assert pairs["epoch"] == 3 and pairs["loss"] == 0.1 + 0.2 and pairs["none"] is None and pairs["yes"] is True
    assert pairs["big"] == 2**70 and pairs["negative"] == -(2**63)
    assert pairs["nan"] == {"$float": "nan"} and pairs["text"] == samples.nested_values()["text"]
    assert pairs["list"] == [1, [2, [3, {}]], {"$tuple": []}]
    assert pairs["tuple"] == {"$tuple": [1, "a", None]}
    assert pairs["weight"] == {"$tensor": "weight"}
    assert pairs["a.b"] == {"c": {"$tensor": "a.b.c"}}
    assert pairs["$dollar"] == {"$dict": [["$tensor", "not one"]]} or pairs["$dollar"] == {"$tensor": "not one"}


@pytest.mark.parametrize("middle", ["b.pt", "b.safetensors", "b.npz"])
def test_a_pair_of_small_floats_without_a_dimension_has_none_again(holdall, tmp_path, middle):
    state = {name: torch.full(shape, 7, dtype=torch.uint8).view(torch.float4_e2m1fn_x2) for name, shape in {"none": (), "one": (1,), "two": (2, 3)}.items()}
    path = save(state, tmp_path / "model.pt")
    assert holdall.inspect(path).tensors["none"]["shape"] == [2]
    holdall.convert(path, tmp_path / middle)
    holdall.convert(tmp_path / middle, tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype and back[name].shape == tensor.shape, name
        assert torch.equal(back[name].view(torch.uint8), tensor.view(torch.uint8)), name


def test_select_and_rename(holdall, tmp_path):
    path = save(samples.state_dict(), tmp_path / "model.pt")
    outcome = holdall("convert", path, tmp_path / "part.safetensors", "--select", "head.*", "--select", "embedding.weight",
                      "--rename", "head.weight=output.weight", status=(0, 1))
    if outcome.status == 1:  # leaving tensors out is a loss that must be allowed
        holdall("convert", path, tmp_path / "part.safetensors", "--select", "head.*", "--select", "embedding.weight",
                "--rename", "head.weight=output.weight", "--allow-loss")
    assert set(holdall.inspect(tmp_path / "part.safetensors").tensors) == {"output.weight", "embedding.weight"}


def test_a_cast_is_torchs_own(holdall, tmp_path):
    large = torch.tensor([448.0, 464, 465, 500, -1000, 57344, 61440, 65520, 1e9, -1e30, float("inf"), float("nan"), 1e-30, -0.0])
    state = {"w": torch.cat([samples.values(torch.float32, 40, 30).flatten() * 100, large]), "ids": torch.arange(4)}
    path = save(state, tmp_path / "model.pt")
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz):
        name = str(dtype).removeprefix("torch.")
        holdall("convert", path, tmp_path / f"{name}.pt", "--dtype", name, "--allow-loss")
        back = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert back["ids"].dtype == torch.int64, "integers stay"
        expected = state["w"].to(dtype)
        assert torch.equal(torch.nan_to_num(back["w"].float(), nan=12345.0), torch.nan_to_num(expected.float(), nan=12345.0)), name


def test_statistics_are_those_of_torch(holdall, tmp_path):
    w = samples.values(torch.float32, 50, 7)
    w[0, 0], w[0, 1], w[0, 2], w[0, 3] = float("nan"), float("inf"), 0.0, 0.0
    path = save({"w": w}, tmp_path / "model.pt")
    entry = holdall("inspect", path, "--json", "--stats").tensors["w"]
    found = entry["statistics"]
    finite = w[torch.isfinite(w)].double()
    assert found["nan"] == 1 and found["inf"] == 1 and found["zeros"] == 2, entry
    assert found["min"] == pytest.approx(finite.min().item()) and found["mean"] == pytest.approx(finite.mean().item())
