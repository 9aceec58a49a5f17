"""Files of torch.save, where test_states.py does not look: what is shared, how members lie, what torch checks on loading."""

import collections
import hashlib
import io
import struct
import tarfile
import zipfile

import numpy
import pytest
import torch

import samples
import torch_tar
from oracle import assert_equal, assert_holds, digest, named


def save(value, path, **options):
    torch.save(value, path, **options)
    return path


def storage_of(tensor):
    return tensor.untyped_storage().data_ptr()


def test_views_share_one_storage_with_their_strides(holdall, tmp_path):
    base = torch.arange(60.0).view(5, 12)
    state = {"a": base[1:3], "b": base.t()[2:4], "c": base[2], "alone": torch.ones(2)}
    path = save(state, tmp_path / "model.pt")
    holdall.convert(path, tmp_path / "ours.pt")
    back = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert storage_of(back["a"]) == storage_of(back["b"]) == storage_of(back["c"]) != storage_of(back["alone"])
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor) and back[name].stride() == tensor.stride(), name
    back["a"][0, 0] = -1.0
    assert back["c"][0] == 24.0 and back["a"][1, 0] == 24.0
    back["c"][0] = -2.0
    assert back["a"][1, 0] == -2.0, "they are the same memory"


def test_members_lie_as_torch_lays_them(holdall, tmp_path):
    state = {"w": torch.arange(100.0), "empty": torch.empty(0), "b": torch.ones(3, dtype=torch.int8)}
    path = save(state, tmp_path / "model.pt")
    (tmp_path / "out").mkdir()
    holdall.convert(path, tmp_path / "out" / "model.pt")
    with zipfile.ZipFile(path) as theirs, zipfile.ZipFile(tmp_path / "out" / "model.pt") as ours:
        assert ours.testzip() is None
        assert ours.namelist() == theirs.namelist()
        for a, b in zip(theirs.infolist(), ours.infolist()):
            assert (a.compress_type, a.flag_bits, a.date_time, a.external_attr) == (
                b.compress_type, b.flag_bits, b.date_time, b.external_attr), a.filename
            if not a.filename.endswith(("data.pkl", "serialization_id")):
                assert theirs.read(a) == ours.read(b), a.filename
            header = (tmp_path / "out" / "model.pt").read_bytes()[b.header_offset:b.header_offset + 30]
            name, extra = struct.unpack("<HH", header[26:30])
            assert (b.header_offset + 30 + name + extra) % 64 == 0, b.filename
        identity = ours.read("model/.data/serialization_id")
        assert len(identity) == 40 and identity.isdigit()


def test_torch_maps_our_file(holdall, tmp_path):
    state = {"w": torch.arange(1000.0), "v": torch.arange(7, dtype=torch.int16)}
    holdall.convert(save(state, tmp_path / "model.pt"), tmp_path / "ours.pt")
    back = torch.load(tmp_path / "ours.pt", weights_only=True, mmap=True)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_offsets_that_torch_computes_are_where_the_storages_are(holdall, tmp_path):
    from torch.utils.serialization import config

    state = {f"w{i}": torch.full((i * 7 % 15,), float(i)) for i in range(20)}
    holdall.convert(save(state, tmp_path / "model.pt"), tmp_path / "ours.pt")
    before = config.load.calculate_storage_offsets
    config.load.calculate_storage_offsets = True
    try:
        back = torch.load(tmp_path / "ours.pt", weights_only=True, mmap=True)
    finally:
        config.load.calculate_storage_offsets = before
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_quantized_tensors_come_back_with_their_quantizers(holdall, tmp_path):
    weight = torch.linspace(-1, 1, 24).view(4, 6)
    scales, points = torch.rand(4, dtype=torch.float64) + 0.1, torch.arange(4)
    state = {"tensor": torch.quantize_per_tensor(weight, 0.03, 5, torch.quint8),
             "channel": torch.quantize_per_channel(weight, scales, points, 0, torch.qint8),
             "packed": torch.quantize_per_channel(weight[:, :5], scales.float(), points.float(), 0, torch.quint4x2)}
    holdall.convert(save(state, tmp_path / "model.pt"), tmp_path / "ours.pt")
    back = torch.load(tmp_path / "ours.pt", weights_only=True)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype and back[name].qscheme() == tensor.qscheme()
        assert torch.equal(back[name].dequantize(), tensor.dequantize()), name


def test_parameters_and_attributes_come_back(holdall, tmp_path):
    parameter = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    parameter.note = {"rank": 3}
    plain = torch.zeros(1)
    plain.mark = torch.arange(2)
    state = collections.OrderedDict(p=parameter, q=torch.nn.Parameter(torch.ones(1)), t=plain)
    state._metadata = {"": {"version": 1}}
    holdall.convert(save(state, tmp_path / "model.pt"), tmp_path / "ours.pt")
    back = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert type(back) is collections.OrderedDict and back._metadata == {"": {"version": 1}}
    assert isinstance(back["p"], torch.nn.Parameter) and not back["p"].requires_grad and back["p"].note == {"rank": 3}
    assert isinstance(back["q"], torch.nn.Parameter) and back["q"].requires_grad
    assert type(back["t"]) is torch.Tensor and torch.equal(back["t"].mark, torch.arange(2))
    assert back["p"]._backward_hooks is not back["q"]._backward_hooks


def test_a_whole_module_goes_out_and_back(holdall, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.LSTM(4, 2))
    holdall.convert(save(net, tmp_path / "model.pt"), tmp_path / "ours.pt")
    back = torch.load(tmp_path / "ours.pt", weights_only=False)
    assert str(back) == str(net)
    x = torch.randn(5, 3)
    assert torch.equal(back(x)[0], net(x)[0])


def test_shards_are_those_of_transformers(holdall, tmp_path):
    state = {f"layer.{i}.weight": torch.randn(50, 20) for i in range(10)}
    state["tied"] = state["layer.0.weight"]
    path = save(state, tmp_path / "model.pt")
    holdall.convert(path, tmp_path / "out", "--to", "pytorch", "--shard-size", "10KB")
    index = tmp_path / "out" / "pytorch_model.bin.index.json"
    tensors = holdall.inspect(index).tensors
    assert {name: entry["sha256"] for name, entry in tensors.items()} == {name: digest(t) for name, t in state.items()}
    parts = {}
    for file in sorted((tmp_path / "out").glob("pytorch_model-*.bin")):
        parts |= torch.load(file, weights_only=True)
    assert parts.keys() == state.keys() and all(torch.equal(parts[name], state[name]) for name in state)
    next((tmp_path / "out").glob("pytorch_model-00002-*.bin")).unlink()
    gone = holdall("inspect", index, "--json", status=2)
    assert "pytorch_model-00002-of-" in gone.err


def test_a_checkpoint_in_shards_comes_back_whole(holdall, tmp_path):
    net = torch.nn.Linear(20, 30)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(2, 20)).sum().backward()
    optimizer.step()
    state = {"epoch": 3, "model": net.state_dict(), "optimizer": optimizer.state_dict(), "betas": (0.9, 0.99)}
    path = save(state, tmp_path / "model.pt")
    holdall.convert(path, tmp_path / "out", "--to", "pytorch", "--shard-size", "2KB")
    for file in sorted((tmp_path / "out").glob("pytorch_model-*.bin")):
        part = torch.load(file, weights_only=True)
        assert type(part) is dict and all(isinstance(value, torch.Tensor) for value in part.values())
    index = tmp_path / "out" / "pytorch_model.bin.index.json"
    holdall("diff", path, index)
    holdall("verify", index)
    holdall.convert(index, tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert back["epoch"] == 3 and back["betas"] == (0.9, 0.99)
    net.load_state_dict(back["model"])
    optimizer.load_state_dict(back["optimizer"])


@pytest.mark.parametrize("alignment", [1, 16, 4096])
def test_any_alignment_is_read(holdall, tmp_path, alignment):
    state = {"a": torch.arange(5.0), "b": torch.ones(3, dtype=torch.int8)}
    path = save(state, tmp_path / "model.pt")
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w") as new:
        for item in old.infolist():
            at = packed.tell() + 30 + len(item.filename) + 4
            entry = zipfile.ZipInfo(item.filename)
            pad = -at % alignment
            entry.extra = struct.pack("<HH", 0x4246, pad) + b"Z" * pad
            new.writestr(entry, old.read(item))
    path.write_bytes(packed.getvalue())
    assert {n: e["sha256"] for n, e in holdall.inspect(path).tensors.items()} == {n: digest(t) for n, t in state.items()}
    assert torch.equal(torch.load(path)["a"], state["a"])


TAR_DTYPES = [dtype for dtype in torch_tar.STORAGES if not str(dtype).startswith("torch.q")]


def tar_state():
    base = torch.arange(24.0)
    state = {str(dtype).removeprefix("torch."): samples.values(dtype, 3, 5) for dtype in TAR_DTYPES}
    return {"dtypes": state, "base": base, "nested": [{"rows": base.view(4, 6)[1:3], "turned": base.view(4, 6).t()}, (base, 1, "x")],
            "scalar": torch.tensor(7, dtype=torch.int16), "empty": torch.empty(0), "hollow": torch.empty(2, 0, 3), "epoch": 2,
            "one": torch.ones(1).expand(3, 2), "parameter": torch.nn.Parameter(torch.randn(3), requires_grad=False),
            "late": base[20:]}


@pytest.mark.parametrize("options", [{}, {"views": True}, {"protocol": 0}, {"protocol": 4, "views": True}], ids=str)
def test_tar_files_of_torch_before_0_1_10_hold_what_torch_makes_of_them(holdall, tmp_path, options):
    path = torch_tar.save(tar_state(), tmp_path / "old.pt", **options)
    loaded = torch_tar.load(path)
    outcome = holdall.inspect(path)
    assert_holds(outcome, named(loaded))
    assert outcome.json["detail"] == f"tar, pickle protocol {options.get('protocol', 2)}, torch < 0.1.10"
    assert outcome.json["verdict"] == "inert"
    data = path.read_bytes()
    for name in ("base", "dtypes.int64", "late"):
        entry = outcome.tensors[name]
        assert hashlib.sha256(data[entry["offset"]:entry["offset"] + entry["bytes"]]).hexdigest() == entry["sha256"], name
    assert outcome.tensors["nested.0.turned"]["same_storage_as"] == "base"
    assert holdall("verify", path, "--json").json["sound"]
    holdall.convert(path, tmp_path / "new.pt")
    back = torch.load(tmp_path / "new.pt", weights_only=True)
    assert_equal(back, loaded)
    assert back["base"] is not back["late"] and storage_of(back["base"]) == storage_of(back["late"]) == storage_of(back["nested"][0]["rows"])
    assert back["nested"][1][0] is back["base"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("order", [torch_tar.MEMBERS, torch_tar.MEMBERS[::-1], torch_tar.MEMBERS[1:]], ids=str)
def test_tar_files_in_any_dialect_and_order_are_known(holdall, tmp_path, form, order):
    parts = torch_tar.members({"w": torch.arange(4.0)})
    (tmp_path / "old.pt").write_bytes(torch_tar.packed({name: parts[name] for name in order}, form))
    assert_holds(holdall.inspect(tmp_path / "old.pt"), named(torch_tar.load(tmp_path / "old.pt")))


def test_a_whole_module_in_a_tar_has_the_names_of_its_state(holdall, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
    path = torch_tar.save(net, tmp_path / "old.pt", sources=True)
    outcome = holdall.inspect(path)
    assert_holds(outcome, torch_tar.load(path).state_dict())
    assert outcome.json["tree"]["$object"] == "torch.nn.modules.container.Sequential"


def test_a_storage_by_itself_in_a_tar_is_an_object_around_a_tensor(holdall, tmp_path):
    path = torch_tar.save({"s": torch_tar.typed(torch.arange(3, dtype=torch.int16))}, tmp_path / "old.pt")
    outcome = holdall.inspect(path)
    assert outcome.json["tree"]["s"]["$object"] == "torch.ShortStorage"
    assert_holds(outcome, {"s.args.0": torch.arange(3, dtype=torch.int16)})
    assert torch_tar.load(path)["s"].tolist() == [0, 1, 2]
