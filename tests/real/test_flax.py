"""Files that Flax wrote, against msgpack_restore; files that Flax reads."""

import json
import pathlib

import numpy
import pytest

serialization = pytest.importorskip("flax.serialization")
import jax.numpy as jnp  # noqa: E402
import ml_dtypes  # noqa: E402
import optax  # noqa: E402
import safetensors.numpy  # noqa: E402
import torch  # noqa: E402

import damage  # noqa: E402
from oracle import digest, named  # noqa: E402


def state():
    """Parameters, an optimizer's state, statistics of batches; dtypes of JAX and values beside arrays."""
    rng = numpy.random.default_rng(0)
    layer = lambda *shape: {"kernel": jnp.asarray(rng.normal(size=shape), "float32"), "bias": jnp.zeros(shape[-1], jnp.bfloat16)}
    params = {"Dense_0": layer(5, 7), "blocks": {"0": layer(7, 7), "1": layer(7, 2)}, "table": jnp.arange(12, dtype="int32").reshape(3, 4)}
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_decay_schedule(1e-3, 10)))
    small = {"e4": rng.normal(size=(2, 8)).astype(ml_dtypes.float8_e4m3fn), "e5": rng.normal(size=3).astype(ml_dtypes.float8_e5m2)}
    return {
        "params": params, "opt_state": tx.init(params), "step": 7, "small": small, "rate": numpy.float32(0.1), "empty": {},
        "rng": jnp.array([0, 42], "uint32"), "odd": [1, None, True, "text", b"bytes", 2.5, 1 - 2j], "scalar": jnp.float32(2.5),
    }


def compare(outcome, restored):
    expected = named(restored)
    assert set(outcome.tensors) == set(expected)
    for name, array in expected.items():
        entry = outcome.tensors[name]
        assert entry["dtype"] == array.dtype.name, name
        assert entry["shape"] == list(array.shape), name
        assert entry["sha256"] == digest(array), name


def arrays_of(tree):
    """The tree with scalars of NumPy taken for values, as the command takes them."""
    if isinstance(tree, dict):
        return {key: arrays_of(value) for key, value in tree.items()}
    return None if isinstance(tree, numpy.generic) else tree


def equal(one, other):
    if isinstance(one, dict):
        assert isinstance(other, dict) and list(one) == list(other)
        for key in one:
            equal(one[key], other[key])
    elif isinstance(one, (numpy.ndarray, numpy.generic)):
        assert type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    else:
        assert type(one) is type(other) and one == other


def test_arrays_and_values_are_those_that_flax_restores(holdall, tmp_path):
    path = tmp_path / "state.msgpack"
    path.write_bytes(serialization.to_bytes(state()))
    restored = serialization.msgpack_restore(path.read_bytes())
    outcome = holdall.inspect(path)
    compare(outcome, arrays_of(restored))
    assert outcome.json["format"] == "flax" and outcome.json["verdict"] == "inert" and outcome.json["warnings"] == []
    tree = outcome.json["tree"]
    assert tree["step"] == 7
    assert tree["odd"] == {"0": 1, "1": None, "2": True, "3": "text", "4": {"$bytes": "Ynl0ZXM="}, "5": 2.5, "6": {"$complex": [1.0, -2.0]}}
    assert tree["rate"] == {"$object": "numpy.float32", "args": [float(numpy.float32(0.1))]}
    assert holdall("verify", path, "--json").json["sound"]
    assert holdall("scan", path, "--json").json["verdict"] == "inert"


def test_what_flax_wrote_is_written_again_byte_for_byte(holdall, tmp_path):
    path = tmp_path / "state.msgpack"
    path.write_bytes(serialization.to_bytes(state()))
    holdall.convert(path, tmp_path / "again.msgpack")
    assert (tmp_path / "again.msgpack").read_bytes() == path.read_bytes()


def test_arrays_of_dtypes_that_nothing_here_holds_are_written_again(holdall, tmp_path):
    tree = {"a": numpy.ones((2, 3), "g"), "b": {"c": numpy.arange(3).astype(ml_dtypes.int4), "d": numpy.zeros((), ml_dtypes.float8_e3m4)}, "e": numpy.ones(2, "f4")}
    path = tmp_path / "m.msgpack"
    path.write_bytes(serialization.msgpack_serialize(tree))
    outcome = holdall.inspect(path)
    assert set(outcome.tensors) == {"e"} and len(outcome.json["warnings"]) == 3
    holdall.convert(path, tmp_path / "again.msgpack")
    assert (tmp_path / "again.msgpack").read_bytes() == path.read_bytes()
    # What is beside them has no place there; the arrays keep theirs.
    holdall.convert(path, tmp_path / "m.safetensors")
    holdall.convert(tmp_path / "m.safetensors", tmp_path / "back.msgpack")
    equal(serialization.msgpack_restore((tmp_path / "back.msgpack").read_bytes()), tree)


def test_chunked_arrays_are_joined(holdall, tmp_path, monkeypatch):
    tree = {"a": {"w": numpy.arange(1000, dtype="f4").reshape(10, 100)}, "b": numpy.arange(77, dtype="i8"), "c": numpy.ones(9, ml_dtypes.bfloat16)}
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 100)
    (tmp_path / "m.msgpack").write_bytes(serialization.msgpack_serialize(tree))
    monkeypatch.undo()
    compare(holdall.inspect(tmp_path / "m.msgpack"), tree)
    holdall.convert(tmp_path / "m.msgpack", tmp_path / "whole.msgpack")
    equal(serialization.msgpack_restore((tmp_path / "whole.msgpack").read_bytes()), tree)


def test_safetensors_become_what_flax_restores(holdall, tmp_path):
    rng = numpy.random.default_rng(1)
    names = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "complex64"]
    tensors = {f"layer.{name}": rng.integers(0, 2, (3, 4)).astype(name) for name in names}
    tensors |= {"scalar": numpy.array(2.5), "empty": numpy.zeros((0, 3), "f4")}
    safetensors.numpy.save_file(tensors, tmp_path / "m.safetensors")
    holdall.convert(tmp_path / "m.safetensors", tmp_path / "m.msgpack")
    restored = serialization.from_bytes(None, (tmp_path / "m.msgpack").read_bytes())
    assert set(restored) == set(tensors)
    for name, array in tensors.items():
        equal(restored[name], array)


def test_flaxs_own_safetensors_fill_a_nested_target(holdall, tmp_path):
    tensors = {"Dense_0.kernel": numpy.ones((2, 3), "f4"), "Dense_0.bias": numpy.arange(3, dtype="f4")}
    safetensors.numpy.save_file(tensors, tmp_path / "m.safetensors", metadata={"format": "flax"})
    holdall.convert(tmp_path / "m.safetensors", tmp_path / "m.msgpack")
    target = {"Dense_0": {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}}
    filled = serialization.from_bytes(target, (tmp_path / "m.msgpack").read_bytes())
    assert numpy.array_equal(filled["Dense_0"]["kernel"], tensors["Dense_0.kernel"])
    assert numpy.array_equal(filled["Dense_0"]["bias"], tensors["Dense_0.bias"])


def test_bfloat16_and_float8_of_torch_reach_flax(holdall, tmp_path):
    values = torch.randn(4, 6)
    tensors = {"b": values.bfloat16(), "e4": values.to(torch.float8_e4m3fn), "e5": values.to(torch.float8_e5m2)}
    torch.save(tensors, tmp_path / "m.pt")
    holdall.convert(tmp_path / "m.pt", tmp_path / "m.msgpack")
    restored = serialization.msgpack_restore((tmp_path / "m.msgpack").read_bytes())
    assert {name: array.dtype.name for name, array in restored.items()} == {"b": "bfloat16", "e4": "float8_e4m3fn", "e5": "float8_e5m2"}
    for name, array in restored.items():
        assert digest(array) == digest(tensors[name]), name


def test_a_checkpoint_of_torch_comes_back_from_flax(holdall, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "c.pt")
    holdall.convert(tmp_path / "c.pt", tmp_path / "c.msgpack")
    restored = serialization.msgpack_restore((tmp_path / "c.msgpack").read_bytes())
    assert numpy.array_equal(restored["model"]["0.weight"] if "0.weight" in restored["model"] else restored["model"]["0"]["weight"], net[0].weight.detach())
    assert restored["holdall.tree"].dtype == numpy.uint8
    holdall.convert(tmp_path / "c.msgpack", tmp_path / "again.pt")
    again = torch.load(tmp_path / "again.pt", weights_only=True)
    assert again["epoch"] == 3 and again["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    assert holdall("diff", tmp_path / "c.pt", tmp_path / "again.pt", "--json").json["same"]
    assert holdall("verify", tmp_path / "c.msgpack", "--json").json["checked"]["digests"] > 0


def test_hugging_face_folders_with_flax_weights_are_read(holdall, tmp_path):
    tree = {"bert": {"w": numpy.ones((2, 2), "f4"), "b": numpy.arange(2, dtype="f4")}, "head": {"kernel": numpy.zeros(3, "f4")}}
    for name in ("one", "sharded"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 2}))
    (tmp_path / "one/flax_model.msgpack").write_bytes(serialization.to_bytes(tree))
    first, second = "flax_model-00001-of-00002.msgpack", "flax_model-00002-of-00002.msgpack"
    (tmp_path / "sharded" / first).write_bytes(serialization.to_bytes({"bert": {"w": tree["bert"]["w"]}}))
    (tmp_path / "sharded" / second).write_bytes(serialization.to_bytes({"bert": {"b": tree["bert"]["b"]}, "head": tree["head"]}))
    index = {"metadata": {"total_size": 36}, "weight_map": {"bert/w": first, "bert/b": second, "head/kernel": second}}
    (tmp_path / "sharded/flax_model.msgpack.index.json").write_text(json.dumps(index))
    for name in ("one", "sharded"):
        outcome = holdall.inspect(tmp_path / name)
        assert outcome.json["format"] == "huggingface" and outcome.json["warnings"] == []
        compare(outcome, tree)
        assert holdall("verify", tmp_path / name, "--json").json["sound"]
        assert holdall("scan", tmp_path / name, "--json").json["verdict"] == "inert"
    (tmp_path / "sharded" / second).unlink()
    assert second in holdall("inspect", tmp_path / "sharded", status=2).err


def test_damaged_files_are_answered(holdall, tmp_path):
    data = serialization.to_bytes({"params": {"w": numpy.arange(12, dtype="f4").reshape(3, 4)}, "s": [1, "a", 2.5, 1j], "step": 3})
    path = tmp_path / "m.msgpack"
    for name, changed in damage.mutations(data, 40):
        path.write_bytes(changed)
        for verb in ("inspect", "verify", "scan"):
            run = damage.run(holdall.path, [verb, path, "--json"], tmp_path)
            assert run.status in (0, 1, 2), (name, verb, run.said)
            assert run.resident < damage.Limits.resident_bytes * 2, (name, verb)
            if name.startswith("cut") and verb == "verify":
                assert run.status != 0, (name, pathlib.Path(path).stat().st_size)
