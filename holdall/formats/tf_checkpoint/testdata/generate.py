"""Writes this folder's checkpoints with TensorFlow 2.21.0 and what is inside them, with SHA-256 over the elements, into .tsv.

Usage: generate.py (in this folder). The state file `checkpoint` of `stale/` names a folder that is not there, on purpose.
"""

import hashlib
import os
import pathlib
import shutil
import struct

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
v1 = tf.compat.v1
DTYPES = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "bool", "complex64", "complex128", "qint8", "quint8", "qint32", "qint16", "quint16", "float8_e5m2", "float8_e4m3fn",
          "int4", "uint4"]


def digest(array):
    if array.dtype == object:
        data = b"".join(struct.pack("<Q", len(s)) + s for s in array.reshape(-1))
    else:
        data = np.ascontiguousarray(array).tobytes()
        if array.dtype.name in ("int4", "uint4"):  # packed, low bits first
            data = bytes(a & 15 | (b & 15) << 4 for a, b in zip(data[::2], data[1::2]))
    return hashlib.sha256(data).hexdigest()


def listed(prefix, name):
    reader = tf.train.load_checkpoint(str(prefix))
    lines = []
    for key, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        if key == "_CHECKPOINTABLE_OBJECT_GRAPH":
            continue
        value = reader.get_tensor(key)
        value = np.array(value, dtype=object) if dtype == tf.string else np.asarray(value)
        shape = ",".join(map(str, reader.get_variable_to_shape_map()[key]))
        lines.append(f"{key}\t{dtype.name}\t{shape}\t{digest(value)}\n")
    (HERE / f"{name}.tsv").write_text("".join(lines))


def raw(path, entries):
    """A bundle of named arrays, by the op that every saver uses."""
    names, tensors = zip(*entries.items())
    tf.raw_ops.SaveV2(prefix=str(path), tensor_names=list(names), shape_and_slices=[""] * len(names), tensors=list(tensors))


def dtypes():
    entries = {}
    for name in DTYPES:
        dtype = tf.dtypes.as_dtype(name)
        if dtype.is_quantized:
            raw_type = {1: tf.int8, 2: tf.int16, 4: tf.int32}[dtype.size]
            entries[name] = tf.bitcast(tf.cast(np.arange(6).reshape(2, 3), raw_type), dtype)
        else:
            between = tf.int8 if "int4" in name else tf.float32
            entries[name] = tf.cast(tf.cast(np.arange(6).reshape(2, 3), between), dtype)
    entries["text"] = tf.constant([["", "naïve"], ["\0\xff", "x" * 300]])
    entries["empty"] = tf.zeros([0, 3])
    entries["scalar"] = tf.constant(2.5, tf.float64)
    raw(HERE / "dtypes", entries)
    listed(HERE / "dtypes", "dtypes")


class Dense(tf.Module):
    def __init__(self, n):
        super().__init__()
        self.kernel = tf.Variable(np.arange(2 * n, dtype=np.float32).reshape(2, n), name="kernel")
        self.bias = tf.Variable(np.ones(n, np.float32), name="bias")


def objects():
    """A training's checkpoint: modules, a list, a shared object, slots of a Keras optimizer, text."""
    model = tf.Module()
    model.layers = [Dense(3), Dense(4)]
    model.tied = model.layers[0]
    optimizer = tf.keras.optimizers.Adam()
    variables = [model.layers[0].kernel, model.layers[1].bias]
    optimizer.apply_gradients((tf.ones_like(v), v) for v in variables)
    momentum = v1.train.MomentumOptimizer(0.1, 0.9)
    momentum.minimize(lambda: tf.reduce_sum(variables[0]), var_list=variables[:1])
    root = tf.train.Checkpoint(model=model, momentum=momentum, optimizer=optimizer, step=tf.Variable(7, dtype=tf.int64))
    shutil.rmtree(HERE / "stale", ignore_errors=True)
    manager = tf.train.CheckpointManager(root, str(HERE / "stale"), max_to_keep=2)
    for _ in range(3):
        manager.save()
    listed(manager.latest_checkpoint, "stale")
    for left in (HERE / "stale").glob("ckpt-2*"):
        left.unlink()
    state = (HERE / "stale" / "checkpoint").read_text().replace('path: "ckpt', 'path: "/gone/training/ckpt')
    (HERE / "stale" / "checkpoint").write_text("".join(l + "\n" for l in state.splitlines() if "timestamp" not in l))


def slots_and_slices():
    """TensorFlow 1: a partitioned variable, slots of its optimizer, meta graph; the same in a V1 file."""
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("net", partitioner=v1.fixed_size_partitioner(3, axis=1)):
            numbers = np.arange(14, dtype=np.float32).reshape(2, 7)
            wide = v1.get_variable("wide", [2, 7], initializer=lambda shape, dtype, partition_info: tf.constant(
                numbers[:, partition_info.var_offset[1]:][:, :shape[1]]))
        with v1.variable_scope("net"):
            bias = v1.get_variable("bias", initializer=np.float32([1, 2, 3]), use_resource=False)
        loss = v1.reduce_sum(tf.convert_to_tensor(wide)) + v1.reduce_sum(bias)
        train = v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, global_step=v1.train.get_or_create_global_step())
        session.run(v1.global_variables_initializer())
        session.run(train)
        v1.train.Saver().save(session, str(HERE / "sliced"), write_state=False,
                             write_meta_graph=False)
        v1.train.Saver(write_version=v1.train.SaverDef.V1).save(session, str(HERE / "old.ckpt"), write_state=False,
                                                                write_meta_graph=False)
    listed(HERE / "sliced", "sliced")
    # TensorFlow's reader takes no slices of V1: old.ckpt holds what sliced does.


def shards():
    """Two data files, as a saver with several devices merges them."""
    raw(HERE / "part-a", {"a": tf.range(5), "b": tf.ones([2, 2])})
    raw(HERE / "part-b", {"c": tf.constant(["x", "yy"]), "d": tf.constant(3.0)})
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[str(HERE / "part-a"), str(HERE / "part-b")],
                                  destination_prefix=str(HERE / "sharded"), delete_old_dirs=False)
    for left in HERE.glob("part-*"):
        left.unlink()
    listed(HERE / "sharded", "sharded")


if __name__ == "__main__":
    dtypes()
    objects()
    slots_and_slices()
    shards()
