"""Files that put inert names together so that they would act: each is refused, whatever holds it, and nothing has changed."""

import builtins
import collections
import fractions
import http
import pickle
import uuid

import numpy
import pytest
import torch

import holdall
import holdall.torch
from holdall import Global, Object


def made(name, *args, state=None, items=None, is_new=False):
    module, _, last = name.rpartition(".")
    value = Object(Global(module, last), args, None, is_new)
    value.state, value.items = state, items
    return value


def layout(name):
    return made("torch.serialization._get_layout", "torch." + name)


def changed(value, state):
    value.state = state
    return value


def new_class(methods):
    return made("copyreg.__newobj__", made("builtins.type", Global("builtins", "str")), "X", (Global("builtins", "str"),), methods)


def dtype(state):
    return made("numpy.dtype", "V8", False, True, state=state)


FIELDS = (3, "|", None, ("a",), {"a": (made("numpy.dtype", "O8", False, True), 100_000_000)}, 8, 1, 0)
HIDDEN = (3, "|", None, ("a",), {"a": (made("numpy.dtype", "O8", False, True), 0)}, 8, 1, 0)
UUID = "12345678123456781234567812345678"
ACTS = {
    "a module by a layout": layout("builtins"),
    "a module that is changed": changed(layout("os"), {"environ": {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}}),
    "a function by a layout": layout("load"),
    "a class that is made": new_class({"__setstate__": Global("pathlib", "Path")}),
    "an object of a class that is made": made("copyreg.__newobj__", new_class({}), "x", state="cpu"),
    "the class of an object": made("builtins.type", made("uuid.UUID", UUID)),
    "a class that is changed": made("builtins.type", made("collections.UserDict", {}), state=(None, {"pwned": 1})),
    "a name that is changed": changed(made("copyreg.__newobj__", Global("collections", "UserDict")), (None, {"__init__": 5})),
    "another base": made("copyreg._reconstructor", Global("uuid", "UUID"), Global("torch.nn.modules.linear", "Linear"), 5),
    "a shared constant": made("http.HTTPStatus", 200, state={"phrase": "pwned"}),
    "a dtype beyond its items": dtype(FIELDS),
    "an array of a dtype beyond its items": made("numpy.core.multiarray._reconstruct", Global("numpy", "ndarray"), (0,), dtype(FIELDS)),
    "a dtype that hides its objects": dtype(HIDDEN),
    "an array that is not there": made("numpy.core.multiarray._reconstruct", Global("numpy", "ndarray"), (10**12,), b"b"),
    "a generator beyond its buffer": made(
        "numpy.random._pickle.__randomstate_ctor", "MT19937",
        state={"bit_generator": "MT19937", "state": {"key": [0] * 624, "pos": 10**6}, "has_gauss": 0, "gauss": 0.0},
    ),
    "a set without end": made("builtins.set", made("builtins.range", 10**10)),
    "a list without end": made("collections.UserList", made("builtins.range", 10**10)),
    "a fraction without end": made("fractions.Fraction", "1e1000000000"),
    "bytes without end": made("builtins.bytearray", 10**11),
    "an optimizer's step": made(
        "torch.optim.sgd.SGD", is_new=True,
        state={"defaults": {}, "state": {}, "param_groups": [], "profile_hook_step": Global("torch.nn.modules.linear", "Identity")},
    ),
    "a date without its unit": made("numpy.dtype", "M8", False, True, state=(3, "<", None, None, None, -1, -1, 0)),
    "layers without end": made(
        "torch.nn.modules.rnn.LSTM", is_new=True,
        state={"training": True, "_parameters": {}, "_buffers": {}, "_modules": {}, "_all_weights": [[1.0]], "num_layers": 10**9, "bidirectional": False,
               "bias": True, "mode": "LSTM", "proj_size": 0},
    ),
    "a list of a range": made("builtins.set", made("collections.UserList", is_new=True, state={"data": made("builtins.range", 10**10)})),
    "a path that is called": made("numpy.random._pickle.__generator_ctor", "MT19937", Global("pathlib", "Path")),
    "a path for what is missing": made("collections.defaultdict", Global("pathlib", "Path")),
    "an attribute of a tensor": made("torch._utils._rebuild_parameter_with_state", torch.ones(2), True, collections.OrderedDict(), {"data": 1}),
}  # fmt: skip


def world():
    """What the files above are after."""
    return [dict(vars(of)) for of in (collections.UserDict, uuid.UUID, builtins, torch.nn.Linear, http.HTTPStatus(200), torch.optim.SGD)]


@pytest.mark.parametrize("extension", ["pt", "safetensors"])
@pytest.mark.parametrize("name", ACTS)
def test_inert_names_put_together_do_not_act(name, extension, tmp_path):
    path = tmp_path / f"a.{extension}"
    holdall.save({"x": ACTS[name], "w": torch.ones(2)}, path)
    before = world()
    loads = [lambda: holdall.torch.load(path), lambda: holdall.torch.load_model(path), lambda: holdall.load(path, framework="torch")]
    if "tensor" not in name:  # NumPy's arrays have no attributes
        loads.append(lambda: holdall.load(path))
    for load in loads:
        with pytest.raises(holdall.Error) as raised:
            load()
        assert not isinstance(raised.value, holdall.MissingError) and str(path) in str(raised.value)
    assert world() == before


@pytest.mark.parametrize("name", [name for name in ACTS if "tensor" not in name])
def test_metadata_of_a_module_does_not_act(name, tmp_path):
    path = tmp_path / "a.safetensors"
    holdall.torch.save_model(torch.nn.Linear(2, 2), path)
    description = holdall.open(path).metadata["holdall.module"]
    before = world()
    holdall.save(holdall.open(path), path.with_suffix(".pt"), metadata={"holdall.module": {**description, "sources": ACTS[name]}})
    with pytest.raises(holdall.Error):
        holdall.torch.load_model(path.with_suffix(".pt"))
    assert world() == before


@pytest.mark.parametrize("state", [
    {"_state_dict_hooks": {0: {"$partial": {"$name": ("torch", "relu")}, "args": [], "kwargs": {}}}},
    {"_forward_pre_hooks": {0: {"$name": ("torch", "relu")}}},
    {"forward": {"$name": ("torch", "relu")}},
    {"forward": {"$partial": {"$name": ("torch", "relu")}, "args": [], "kwargs": {}}},
    {"train": {"$name": ("pathlib", "Path")}},
    {"_forward_hooks": {0: {"$name": ("torch.nn.modules.linear", "Linear")}}},
    {"z": {"$config": ("torch.nn.functional", "relu"), "fields": {"input": 1}}},
    {"z": {"$module": {"module": "torch.nn.modules.linear", "name": "Linear", "args": [30000, 10000], "kwargs": {}}}},
])  # fmt: skip
def test_a_description_hangs_no_functions_where_modules_call_them(state, tmp_path):
    path = tmp_path / "a.pt"
    holdall.torch.save_model(torch.nn.ReLU(), path)
    description = holdall.open(path).metadata["holdall.module"]
    description["root"]["state"].update(state)
    holdall.save(holdall.open(path), tmp_path / "b.pt", metadata={"holdall.module": description})
    with pytest.raises(holdall.UnsafeError, match="hooks|replaces|sets|not known"):
        holdall.torch.load_model(tmp_path / "b.pt")


def test_a_handle_of_a_hook_counts_on_for_nobody(tmp_path):
    before = torch.utils.hooks.RemovableHandle.next_id
    holdall.save([made("torch.utils.hooks.RemovableHandle", is_new=True, state=(None, 10**30))], tmp_path / "a.pt")
    holdall.torch.load(tmp_path / "a.pt")
    assert torch.utils.hooks.RemovableHandle.next_id in (before, before + 1)


def test_a_pickled_module_with_a_function_in_place_of_a_method_is_refused(tmp_path):
    module = torch.nn.Linear(2, 2)
    module.forward = torch.relu
    torch.save(module, tmp_path / "a.pt")
    with pytest.raises(holdall.UnsafeError, match="forward"):
        holdall.torch.load_model(tmp_path / "a.pt")


def test_honest_states_of_the_same_kinds_come_back(tmp_path):
    value = {
        "structured": numpy.dtype([("a", "<f4"), ("b", "<i8", (2, 3))], align=True), "big": numpy.dtype(">f8"), "span": numpy.dtype("m8[25s]"), "time": numpy.dtype("M8[ms]"), "text": numpy.dtype(">U5"),
        "generator": numpy.random.RandomState(3), "new generator": numpy.random.default_rng(3), "fraction": fractions.Fraction(3, 7),
        "id": uuid.UUID(UUID), "error": ValueError("x", 3), "objects": numpy.array([None, 1], object),
    }  # fmt: skip
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    loaded = holdall.load(tmp_path / "a.pkl")
    for name in ("structured", "big", "span", "time", "text", "fraction", "id"):
        assert loaded[name] == value[name] and type(loaded[name]) is type(value[name]), name
    assert loaded["structured"].isalignedstruct and loaded["error"].args == ("x", 3) and loaded["objects"].tolist() == [None, 1]
    assert loaded["generator"].randint(1000) == value["generator"].randint(1000)
    assert loaded["new generator"].integers(1000) == value["new generator"].integers(1000)
