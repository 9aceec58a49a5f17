"""holdall.torch's files against torch's own: each reads the other's, and what comes back is the same."""

import collections
import copyreg
import os
import warnings

import pytest
import torch
from equal import assert_same
from objects import NOT_IN_SAFETENSORS, objects, trained

import holdall
import holdall.torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    OBJECTS = objects()
pytestmark = pytest.mark.filterwarnings("ignore")


def torch_load(path):
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize("name", OBJECTS)
def test_theirs_loads_as_they_load_it(name, tmp_path):
    torch.save(OBJECTS[name], tmp_path / "a.pt")
    assert_same(torch_load(tmp_path / "a.pt"), holdall.torch.load(tmp_path / "a.pt"))


@pytest.mark.parametrize("name", OBJECTS)
def test_legacy_files_load_even_where_torch_cannot_read_its_own(name, tmp_path):
    torch.save(OBJECTS[name], tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert_same(OBJECTS[name], holdall.torch.load(tmp_path / "a.pt"))


@pytest.mark.parametrize("name", OBJECTS)
def test_ours_loads_in_torch(name, tmp_path):
    holdall.torch.save(OBJECTS[name], tmp_path / "a.pt")
    assert_same(OBJECTS[name], torch_load(tmp_path / "a.pt"))


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("extension", ["pt", "safetensors"])
def test_ours_comes_back(name, extension, tmp_path):
    path = tmp_path / f"a.{extension}"
    if extension == "safetensors" and name in NOT_IN_SAFETENSORS:
        with pytest.raises(holdall.LossError, match="dtype"):
            holdall.torch.save(OBJECTS[name], path)
        assert not path.exists()
        return
    holdall.torch.save(OBJECTS[name], path)
    assert_same(OBJECTS[name], holdall.torch.load(path))


def test_shared_storages_stay_shared(tmp_path):
    holdall.torch.save(OBJECTS["views"], tmp_path / "a.pt")
    loaded = holdall.torch.load(tmp_path / "a.pt")
    assert len({tensor.untyped_storage().data_ptr() for tensor in loaded.values()}) == 1
    loaded["a"][1, 0] = 100
    assert loaded["b"][0, 0] == 100
    holdall.torch.save(OBJECTS["tied"], tmp_path / "tied.pt")
    first, second = holdall.load(tmp_path / "tied.pt", framework="torch")
    assert first is second


def test_loaded_tensors_are_apart_from_the_file(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(1000.0)}, path)
    loaded = holdall.torch.load(path)
    os.truncate(path, 10)
    assert loaded["w"].add_(1)[999] == 1000


@pytest.mark.parametrize(
    "where", ["cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage, lambda storage, location: None]
)
def test_map_location_takes_every_form(where, tmp_path):
    torch.save(OBJECTS["checkpoint"], tmp_path / "a.pt")
    assert_same(torch.load(tmp_path / "a.pt", map_location=where), holdall.torch.load(tmp_path / "a.pt", where))


def test_map_location_moves_every_storage(tmp_path):
    torch.save(OBJECTS["views"], tmp_path / "a.pt")
    assert {tensor.device.type for tensor in holdall.torch.load(tmp_path / "a.pt", "meta").values()} == {"meta"}


class Runs:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def test_code_is_named_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Runs(), "w": torch.ones(2)}, "a.pt")
    with pytest.raises(holdall.UnsafeError, match=r"posix\.system") as raised:
        holdall.torch.load("a.pt")
    assert raised.value.path == "a.pt" and isinstance(raised.value, ValueError)
    assert not os.path.exists("ran")
    with pytest.raises(holdall.UnsafeError, match=r"posix\.system"):
        holdall.torch.save({"x": Runs()}, "b.pt")
    assert os.listdir() == ["a.pt"]


class Mine:
    def __init__(self):
        self.value = 3


def test_classes_are_built_where_they_are_trusted(tmp_path):
    torch.save({"x": Mine()}, tmp_path / "a.pt")
    with pytest.raises(holdall.UnsafeError, match="Mine"):
        holdall.torch.load(tmp_path / "a.pt")
    assert holdall.torch.load(tmp_path / "a.pt", trusted=[Mine])["x"].value == 3
    holdall.torch.save({"x": Mine()}, tmp_path / "b.pt", trusted=[Mine])
    assert torch.load(tmp_path / "b.pt", weights_only=False)["x"].value == 3


class Tagged(torch.Tensor):
    pass


def test_generators_of_numpy_and_subclasses_of_tensors_come_back(tmp_path):
    import numpy

    generator = numpy.random.default_rng(3)
    generator.random(5)
    torch.save({"new": generator, "old": numpy.random.RandomState(4)}, tmp_path / "a.pt")
    holdall.torch.save(holdall.torch.load(tmp_path / "a.pt"), tmp_path / "b.pt")
    loaded = holdall.torch.load(tmp_path / "b.pt")
    assert loaded["new"].random() == generator.random() and loaded["old"].rand() == numpy.random.RandomState(4).rand()
    tensor = torch.arange(3.0).as_subclass(Tagged)
    tensor.tag = "x"
    torch.save(tensor, tmp_path / "a.pt")
    holdall.torch.save(tensor, tmp_path / "b.pt", trusted=[Tagged])
    for path in (tmp_path / "a.pt", tmp_path / "b.pt"):
        with pytest.raises(holdall.UnsafeError, match=r"test_torch_files\.Tagged"):
            holdall.torch.load(path)
        loaded = holdall.torch.load(path, trusted=[Tagged])
        assert type(loaded) is Tagged and loaded.tag == "x" and loaded.tolist() == [0, 1, 2]


def test_untyped_storages_come_back_as_torch_gives_them(tmp_path):
    torch.save(torch.arange(3).untyped_storage(), tmp_path / "a.pt")
    assert_same(torch_load(tmp_path / "a.pt"), holdall.torch.load(tmp_path / "a.pt"))


class Callable:
    def __call__(self):
        return 1


def test_objects_that_can_be_called_are_no_functions(tmp_path):
    module = torch.nn.TransformerEncoderLayer(8, 2)
    module.activation, module.also = torch.relu, torch.nn.functional.gelu
    optimizer = torch.optim.Adam(module.parameters())
    value = {"module": module, "optimizer": optimizer, "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 2)}
    holdall.torch.save(value, tmp_path / "a.pt")
    for loaded in (holdall.torch.load(tmp_path / "a.pt"), torch_load(tmp_path / "a.pt")):
        assert_same(dict(module.state_dict()), dict(loaded["module"].state_dict()))
        assert loaded["module"].activation is torch.relu and loaded["module"].also is torch.nn.functional.gelu
        assert loaded["scheduler"].optimizer is loaded["optimizer"]
        assert loaded["optimizer"].param_groups[0]["params"][0] is next(loaded["module"].parameters())
    with pytest.raises(holdall.UnsafeError, match=r"test_torch_files\.Callable"):
        holdall.torch.save({"x": Callable()}, tmp_path / "b.pt")
    with pytest.raises(holdall.UnsafeError, match="getattr"):
        holdall.torch.save({"x": Callable().__call__}, tmp_path / "b.pt")
    holdall.torch.save({"x": Callable()}, tmp_path / "b.pt", trusted=[Callable])
    assert holdall.torch.load(tmp_path / "b.pt", trusted=[Callable])["x"]() == 1


class Says:
    """Pickles as whatever call is asked for."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize("parts", [
    (torch.Size, (5, 6)), (collections.OrderedDict, (7,)), (torch.nn.ReLU, (), None, iter([1])), (torch.device, ("nowhere",)),
    (copyreg._reconstructor, (torch.nn.Linear, object, None), {"_parameters": 3, "_modules": 4}, None, iter([(1, 2)])),
    (copyreg._reconstructor, (torch.nn.Linear, int, 3)), (copyreg._reconstructor, (torch.relu, object, None)),
])  # fmt: skip
def test_what_no_class_takes_is_the_file_s_fault(parts, tmp_path):
    torch.save({"x": Says(*parts)}, tmp_path / "a.pt")
    with pytest.raises((holdall.CorruptError, holdall.UnsafeError)) as raised:
        holdall.torch.load(tmp_path / "a.pt")
    assert raised.value.path.endswith("a.pt")


def test_classes_of_torch_are_not_called(tmp_path):
    for parts in ((torch.nn.Linear, (3, 4)), (torch.relu, (torch.ones(2),)), (torch.nn.functional.dropout, (torch.ones(2),))):
        torch.save({"x": Says(*parts)}, tmp_path / "a.pt")
        with pytest.raises(holdall.UnsafeError):
            holdall.torch.load(tmp_path / "a.pt")
    for of, name in ((torch._C._VariableFunctionsClass, "from_file"), (torch.nn.Linear, "forward"), (torch._C._VariableFunctionsClass, "__init__")):
        torch.save({"x": Says(getattr, (of, name))}, tmp_path / "a.pt")
        with pytest.raises(holdall.UnsafeError, match="getattr"):
            holdall.torch.load(tmp_path / "a.pt")


def test_damage_is_an_error_that_names_the_place(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(1000.0)}, path)
    place = holdall.open(path)["w"].location
    with open(path, "r+b") as file:
        file.seek(place.offset + 100)
        file.write(b"\xff")
    with pytest.raises(holdall.CorruptError, match="CRC-32") as raised:
        holdall.torch.load(path)
    assert raised.value.path.endswith("a.pt!a/data/0")
    assert holdall.torch.load(path, check=False)["w"].shape == (1000,)


def test_training_resumes_exactly(tmp_path):
    def step(model, optimizer, seed):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        loss = model(torch.randn(5, 4)).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    model, optimizer = trained()
    holdall.torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "a.pt")
    straight = [step(model, optimizer, seed) for seed in range(5)]
    other, other_optimizer = trained()
    step(other, other_optimizer, 77)
    checkpoint = holdall.torch.load(tmp_path / "a.pt")
    other.load_state_dict(checkpoint["model"])
    other_optimizer.load_state_dict(checkpoint["optimizer"])
    assert [step(other, other_optimizer, seed) for seed in range(5)] == straight


def test_an_opened_model_is_saved_with_its_tree_and_other_metadata(tmp_path):
    model, optimizer = trained()
    checkpoint = {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "shared": [model[0].weight.data, model[0].weight.data]}
    holdall.torch.save(checkpoint, tmp_path / "a.pt", metadata={"torch": torch.__version__})
    opened = holdall.open(tmp_path / "a.pt")
    assert opened.metadata == {"torch": str(torch.__version__)} and type(opened.metadata["torch"]) is str
    for source, name in ((opened, "b.pt"), (opened, "b.safetensors"), (opened.tree, "c.pt")):
        holdall.save(source, tmp_path / name, metadata={"note": "mine"})
        assert holdall.open(tmp_path / name).metadata == {"note": "mine"}
        assert_same(checkpoint, holdall.torch.load(tmp_path / name))
    assert opened.metadata == {"torch": str(torch.__version__)}


def test_what_is_mapped_goes_where_it_is_wanted(tmp_path):
    torch.save(OBJECTS["views"], tmp_path / "a.pt")
    for loaded in (holdall.torch.load(tmp_path / "a.pt", "meta", mmap=True), holdall.load(tmp_path / "a.pt", framework="torch", device="meta", mmap=True)):
        assert {tensor.device.type for tensor in loaded.values()} == {"meta"}
    with pytest.raises(TypeError, match="map_location"):
        holdall.torch.load(tmp_path / "a.pt", lambda storage, location: 5)


@pytest.mark.parametrize("name", ["sparse coo", "sparse csr", "sparse csc", "sparse bsr", "sparse bsc"])
def test_layouts_load_in_torch_without_code(name, tmp_path):
    value = {"tensor": OBJECTS[name], "layouts": [torch.strided, OBJECTS[name].layout]}
    holdall.torch.save(value, tmp_path / "a.pt")
    assert_same(value, torch.load(tmp_path / "a.pt", weights_only=True))
    assert_same(value, holdall.torch.load(tmp_path / "a.pt"))


@pytest.mark.parametrize("name", ["int1", "int3", "int4", "int7", "uint1", "uint2", "uint4", "uint6"])
def test_dtypes_that_torch_does_not_save_are_refused(name, tmp_path):
    tensor = torch.empty(4, dtype=torch.uint8).view(getattr(torch, name))
    for extension in ("pt", "safetensors"):
        with pytest.raises(holdall.UnsupportedError, match=rf"torch\.{name} "):
            holdall.torch.save({"w": tensor}, tmp_path / f"a.{extension}")
    assert os.listdir(tmp_path) == []


def test_views_of_pairs_of_float4_load(tmp_path):
    pairs = torch.arange(16, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    torch.save([pairs.view(4, 4)[1:], pairs[3:], pairs.view(4, 4)[:, 1:3], pairs.view(4, 4)[::2]], tmp_path / "a.pt")
    for theirs, ours in zip(torch_load(tmp_path / "a.pt"), holdall.torch.load(tmp_path / "a.pt"), strict=True):
        assert ours.dtype == theirs.dtype and torch.equal(theirs.view(torch.uint8), ours.view(torch.uint8))


def test_quantized_tensors_are_quantized_however_they_are_asked_for(tmp_path):
    names = ["per tensor", "per channel", "quint4x2", "qint32", "torch.quint2x4 (2, 8)", "torch.uint8"]
    expected = {**{name: OBJECTS[name] for name in names}, "view": torch.quantize_per_tensor(torch.randn(4, 5), 0.1, 2, torch.qint8)[1:]}
    torch.save(expected, tmp_path / "a.pt")
    opened = holdall.open(tmp_path / "a.pt")
    chosen = holdall.load(opened, framework="torch", select=list(expected))
    assert_same(expected, chosen)
    assert_same(expected, {name: opened[name].torch() for name in expected})
    assert opened["view"].numpy().tolist() == expected["view"].int_repr().tolist()
    with pytest.raises(holdall.UnsupportedError, match="meta"):
        holdall.load(opened, framework="torch", select="view", device="meta")


def test_arrays_keep_their_types(tmp_path):
    import numpy

    days = numpy.array(["2020-01-01", "2021-02-03"], "datetime64[D]")
    arrays = {"days": days, "spans": days - days[0], "bytes": numpy.array([b"ab", b"c"]), "wide": numpy.array([b"c"], "S5"), "texts": numpy.array(["ab"])}
    torch.save(arrays, tmp_path / "theirs.pt")
    holdall.torch.save(arrays, tmp_path / "ours.pt")
    holdall.save(arrays, tmp_path / "a.npz")
    loaded = [holdall.torch.load(tmp_path / "theirs.pt"), holdall.torch.load(tmp_path / "ours.pt"), torch_load(tmp_path / "ours.pt"), holdall.load(tmp_path / "a.npz")]
    for found in loaded:
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype and found[name].tolist() == array.tolist()
    with pytest.raises(holdall.UnsupportedError, match="matrix"):
        holdall.torch.save({"m": numpy.matrix([[1]])}, tmp_path / "b.pt")


def test_none_is_saved_as_torch_does(tmp_path):
    holdall.torch.save(None, tmp_path / "a.pt")
    assert torch.load(tmp_path / "a.pt", weights_only=True) is None and holdall.torch.load(tmp_path / "a.pt") is None
