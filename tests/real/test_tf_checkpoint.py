"""TensorFlow's checkpoints against TensorFlow: what it writes is read bit for bit, what the command writes it reads and restores."""

import hashlib
import os
import struct

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="no TensorFlow here")
v1 = tf.compat.v1
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def digest(value):
    array = numpy.asarray(value)
    if array.dtype == object:
        data = b"".join(struct.pack("<Q", len(text)) + text for text in array.reshape(-1))
    elif isinstance(value, bytes):
        data = struct.pack("<Q", len(value)) + value
    else:
        data = numpy.ascontiguousarray(array).tobytes()
    return hashlib.sha256(data).hexdigest()


def values_of(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name != GRAPH}


def assert_read(holdall, prefix):
    seen = holdall.inspect(prefix).tensors
    values = values_of(prefix)
    assert set(seen) == set(values)
    for name, value in values.items():
        assert seen[name]["sha256"] == digest(value), name
    holdall("verify", prefix)


class Dense(tf.Module):
    def __init__(self, n, value=0.0):
        super().__init__()
        self.kernel = tf.Variable(tf.fill([3, n], value), name="kernel")
        self.bias = tf.Variable(tf.fill([n], value), name="bias")


class Net(tf.Module):
    def __init__(self, value=0.0):
        super().__init__()
        self.layers = [Dense(4, value), Dense(2, value + 1)]


def training(value):
    net = Net(value)
    optimizer = tf.keras.optimizers.Adam()
    optimizer.apply_gradients([(tf.ones_like(v), v) for v in net.trainable_variables])
    momentum = v1.train.MomentumOptimizer(0.1, 0.9)
    momentum.minimize(lambda: tf.reduce_sum(net.layers[0].kernel), var_list=[net.layers[0].kernel])
    return tf.train.Checkpoint(net=net, optimizer=optimizer, momentum=momentum, step=tf.Variable(int(value), dtype=tf.int64))


def test_a_training_is_read_and_its_copy_restores_in_full(holdall, tmp_path):
    root = training(5.0)
    prefix = root.save(str(tmp_path / "ckpt"))
    assert_read(holdall, prefix)
    holdall("convert", prefix, tmp_path / "m.safetensors", "--check")
    for source, copy in ((prefix, "direct"), (tmp_path / "m.safetensors", "through")):
        holdall("convert", source, tmp_path / copy, "--to", "tf-checkpoint", "--check")
        assert {n: digest(v) for n, v in values_of(tmp_path / copy).items()} == {n: digest(v) for n, v in values_of(prefix).items()}
        other = training(1.0)
        other.restore(tf.train.latest_checkpoint(str(tmp_path / copy))).assert_consumed()
        assert other.step.numpy() == 5
        assert numpy.array_equal(other.net.layers[1].kernel, root.net.layers[1].kernel)


def test_a_state_dict_from_elsewhere_restores_in_full(holdall, tmp_path):
    save = pytest.importorskip("safetensors.numpy", reason="no safetensors here").save_file
    chance = numpy.random.default_rng(0)
    arrays = {
        f"net.layers.{i}.{name}": chance.random(shape, numpy.float32)
        for i, n in enumerate((4, 2))
        for name, shape in (("kernel", (3, n)), ("bias", (n,)))
    }
    save(arrays, tmp_path / "m.safetensors")
    holdall("convert", tmp_path / "m.safetensors", tmp_path / "out", "--to", "tf-checkpoint", "--check")
    root = tf.train.Checkpoint(net=Net())
    root.restore(tf.train.latest_checkpoint(str(tmp_path / "out"))).assert_consumed()
    assert numpy.array_equal(root.net.layers[0].kernel, arrays["net.layers.0.kernel"])
    assert numpy.array_equal(root.net.layers[1].bias, arrays["net.layers.1.bias"])


@pytest.mark.parametrize("version", [v1.train.SaverDef.V2, v1.train.SaverDef.V1])
def test_variables_of_tensorflow_1_are_read_and_restored(holdall, tmp_path, version):
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("net"):
            kernel = v1.get_variable("kernel", [4, 3], initializer=v1.random_normal_initializer(seed=1))
            v1.get_variable("steps", initializer=numpy.int64(7))
        v1.train.AdamOptimizer().minimize(v1.reduce_sum(kernel))
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(write_version=version)
        prefix = saver.save(session, str(tmp_path / "model.ckpt"))
        assert_read(holdall, prefix)
        holdall("convert", prefix, tmp_path / "out", "--to", "tf-checkpoint")
        before = session.run(kernel)
        session.run(kernel.assign(tf.zeros_like(kernel)))
        v1.train.Saver().restore(session, tf.train.latest_checkpoint(str(tmp_path / "out")))
        assert numpy.array_equal(session.run(kernel), before)


def test_partitioned_variables_are_whole(holdall, tmp_path):
    for axis, parts in ((0, 5), (1, 2)):
        with tf.Graph().as_default(), v1.Session() as session:
            with v1.variable_scope("net", partitioner=v1.fixed_size_partitioner(parts, axis=axis)):
                v1.get_variable("wide", [11, 6, 2], initializer=v1.random_normal_initializer(seed=axis))
            session.run(v1.global_variables_initializer())
            prefix = v1.train.Saver().save(session, str(tmp_path / f"sliced{axis}"), write_state=False)
        assert_read(holdall, prefix)


def test_texts_and_numbers_of_many_kinds_are_read(holdall, tmp_path):
    tensors = {
        "text": tf.constant([["", "naïve"], ["\0", "x" * 5000]]),
        "one": tf.constant("alone"),
        "bfloat16": tf.cast(tf.range(7), tf.bfloat16),
        "complex": tf.complex(tf.ones([2, 3]), tf.zeros([2, 3])),
        "bool": tf.constant([True, False]),
        "empty": tf.zeros([0, 3]),
        "large": tf.random.stateless_normal([700, 900], [1, 2]),
    }
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "x"), tensor_names=names, shape_and_slices=[""] * len(names), tensors=[tensors[n] for n in names]
    )
    assert_read(holdall, tmp_path / "x")
    assert set(holdall.inspect(tmp_path / "x.index").tensors) == set(names)
    holdall("convert", tmp_path / "x", tmp_path / "out", "--to", "tf-checkpoint", "--shard-size", "1MB", "--check")
    assert {n: digest(v) for n, v in values_of(tmp_path / "out").items()} == {n: digest(v) for n, v in values_of(tmp_path / "x").items()}


def test_the_state_of_an_iterator_has_checksums_too(holdall, tmp_path):
    numbers = iter(tf.data.Dataset.range(100).shuffle(50))
    next(numbers)
    prefix = tf.train.Checkpoint(numbers=numbers, v=tf.Variable(1.0)).save(str(tmp_path / "c"))
    holdall("verify", prefix)
    assert "DT_VARIANT" in holdall("convert", prefix, tmp_path / "out", "--to", "tf-checkpoint", status=1).out
    path = tmp_path / "c-1.data-00000-of-00001"
    sound = path.read_bytes()
    start = sound.index(b"Iterator")
    for at in (start, start + len(sound[start:]) // 2):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1:])
        assert "CRC-32C" in holdall("verify", prefix, status=1).out


def test_lists_dicts_tables_and_several_optimizers_are_read_and_restored(holdall, tmp_path):
    def made(value):
        root = tf.Module()
        root.parts = [tf.Variable(value), {"a/b": tf.Variable([value, 2.0]), "c.d": (tf.Variable(tf.cast([value], tf.bfloat16)),)}]
        root.texts, root.flag, root.empty = tf.Variable(["s", "t\0"]), tf.Variable(True), tf.Variable(tf.zeros([0, 3], tf.complex128))
        root.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, -1.0)
        root.table.insert(tf.constant(["q"]), tf.constant([value]))
        first, second, old = tf.keras.optimizers.Adam(), tf.keras.optimizers.SGD(momentum=0.9), v1.train.AdagradOptimizer(0.1)
        for optimizer in (first, second, old):
            optimizer.apply_gradients([(tf.ones([]), root.parts[0])])
        return tf.train.Checkpoint(root=root, first=first, second=second, old=old)

    manager = tf.train.CheckpointManager(made(5.0), str(tmp_path / "then"), max_to_keep=2, checkpoint_name="m")
    for _ in range(3):
        manager.save()
    os.rename(tmp_path / "then", tmp_path / "moved")  # its state file names files that are not there
    prefix = tmp_path / "moved" / "m-3"
    assert_read(holdall, prefix)
    assert set(holdall.inspect(tmp_path / "moved").tensors) == set(values_of(prefix))
    holdall("convert", tmp_path / "moved", tmp_path / "out", "--to", "tf-checkpoint", "--check")
    other = made(1.0)
    other.restore(tf.train.latest_checkpoint(str(tmp_path / "out"))).assert_consumed()
    assert other.root.parts[1]["a/b"].numpy().tolist() == [5, 2]
    assert other.root.table.lookup(tf.constant(["q"])).numpy() == 5


def test_a_flipped_bit_of_a_value_is_found(holdall, tmp_path):
    prefix = tf.train.Checkpoint(v=tf.Variable(tf.range(1000))).save(str(tmp_path / "c"))
    path = tmp_path / "c-1.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[2001] ^= 16
    path.write_bytes(data)
    assert "CRC-32C" in holdall("verify", prefix, status=1).out
    assert "CRC-32C" in holdall("convert", prefix, tmp_path / "m.npz", status=2).err
