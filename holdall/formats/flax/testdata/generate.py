"""Golden files for flax_test.cc. Written with flax 0.12.8, jax 0.10.2, optax 0.2.8, ml_dtypes 0.6.0 and msgpack 1.2.4.

digests.tsv tells of every array: file, name, dtype, shape, SHA-256 of its elements as NumPy has them (small elements a byte each).
"""

import hashlib
import json
import pathlib

import flax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
from flax import serialization

HERE = pathlib.Path(__file__).parent
lines = []


def note(file, tree, path=()):
    if isinstance(tree, dict):
        for key, value in tree.items():
            note(file, value, (*path, str(key)))
    elif isinstance(tree, np.ndarray):
        digest = hashlib.sha256(tree.tobytes()).hexdigest()
        lines.append(f"{file}\t{'.'.join(path) or 'tensor'}\t{tree.dtype.name}\t{','.join(map(str, tree.shape))}\t{digest}\n")


def write(file, tree):
    (HERE / file).write_bytes(serialization.to_bytes(tree))
    note(file, serialization.msgpack_restore((HERE / file).read_bytes()))


def main():
    rng = np.random.default_rng(0)
    names = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "complex64", "complex128"]
    arrays = {name: rng.integers(0, 2, (2, 3)).astype(name) for name in names}
    small = ["bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]
    small += ["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "int4", "uint4", "int2", "uint2"]
    for name in small:
        arrays[name] = np.arange(8).reshape(2, 4).astype(getattr(ml_dtypes, name))
    arrays["datetime64"] = np.array(["2026-01-02T03:04:05"], "datetime64[s]")
    write("dtypes.msgpack", arrays)
    write("alone.msgpack", np.arange(6, dtype="f4").reshape(2, 3))

    values = {
        "scalars": {"f4": np.float32(0.1), "f8": np.float64(-2.5), "i2": np.int16(-7), "u8": np.uint64(2**64 - 1), "b": np.bool_(True), "c8": np.complex64(1 + 2j)},
        "complex": 1 - 2j,
        "list": [1, -2.5, None, True, "text", b"bytes"],
        "empty": {"dict": {}, "array": np.zeros((0, 3), "f4"), "shape": np.array(2.5)},
        "float128": np.ones(2, np.longdouble),
    }
    write("values.msgpack", values)

    params = {"Dense_0": {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros(2, jnp.bfloat16)}, "layers": [jnp.ones(1), (jnp.zeros(1), 2)]}
    tx = optax.chain(optax.clip(1.0), optax.adam(optax.linear_schedule(1e-3, 0.0, 10)))
    write("state.msgpack", {"params": params, "opt_state": tx.init(params["Dense_0"]), "step": 3})

    serialization.MAX_CHUNK_SIZE = 24
    write("chunked.msgpack", {"a": {"w": np.arange(21, dtype="f4").reshape(3, 7)}, "b": np.arange(4, dtype="i1")})
    serialization.MAX_CHUNK_SIZE = 2**30

    # As transformers' FlaxPreTrainedModel.save_pretrained shards: nested dicts a file, paths joined with '/' in the index.
    shards = {"flax_model-00001-of-00002.msgpack": {"bert": {"w": np.ones((2, 2), "f4")}}, "flax_model-00002-of-00002.msgpack": {"bert": {"b": np.arange(2, dtype="f4")}, "head": {"kernel": np.zeros(3, "f4")}}}
    weight_map = {"bert/w": "flax_model-00001-of-00002.msgpack", "bert/b": "flax_model-00002-of-00002.msgpack", "head/kernel": "flax_model-00002-of-00002.msgpack"}
    (HERE / "shards").mkdir(exist_ok=True)
    for file, tree in shards.items():
        write(f"shards/{file}", tree)
    index = {"metadata": {"total_size": 36}, "weight_map": weight_map}
    (HERE / "shards/flax_model.msgpack.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    (HERE / "digests.tsv").write_text("".join(lines))


assert flax.__version__ == "0.12.8"
main()
