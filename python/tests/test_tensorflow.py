"""holdall.tensorflow: modules, checkpoints and SavedModels go to files and come back, with a report of what fits."""

import os

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="no TensorFlow here")

import holdall  # noqa: E402
import holdall.tensorflow as of_tf  # noqa: E402


class Dense(tf.Module):
    def __init__(self, n, value=0.0):
        super().__init__()
        self.kernel = tf.Variable(tf.fill([3, n], value), name="kernel")
        self.bias = tf.Variable(tf.fill([n], value), name="bias")


class Net(tf.Module):
    def __init__(self, value=0.0):
        super().__init__()
        self.layers = [Dense(4, value), Dense(2, value + 1)]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": tf.matmul(x, self.layers[1].kernel) + self.layers[1].bias}


def same(a, b):
    mine, theirs = of_tf.variables(a), of_tf.variables(b)
    return list(mine) == list(theirs) and all(numpy.array_equal(mine[n], theirs[n]) for n in mine)


def test_variables_are_named_by_their_attributes():
    assert sorted(of_tf.variables(Net())) == ["layers.0.bias", "layers.0.kernel", "layers.1.bias", "layers.1.kernel"]


@pytest.mark.parametrize("name", ["folder", "m.safetensors", "m.npz"])
def test_a_module_goes_to_a_file_and_back(tmp_path, name):
    of_tf.save(Net(5.0), tmp_path / name)
    net = Net()
    report = of_tf.load_into(net, tmp_path / name)
    assert report.complete and len(report.loaded) == 4 and not report.renamed
    assert same(net, Net(5.0))
    assert numpy.array_equal(of_tf.load(tmp_path / name)["layers"]["1"]["bias"], [6, 6])


def test_what_is_saved_restores_in_full_with_tensorflow(tmp_path):
    root = tf.train.Checkpoint(net=Net(5.0), step=tf.Variable(7, dtype=tf.int64))
    of_tf.save(root, tmp_path / "out")
    other = tf.train.Checkpoint(net=Net(), step=tf.Variable(0, dtype=tf.int64))
    other.restore(tf.train.latest_checkpoint(str(tmp_path / "out"))).assert_consumed()
    assert same(root.net, other.net) and other.step.numpy() == 7


def test_a_part_of_a_checkpoint_goes_into_its_object(tmp_path):
    optimizer = tf.keras.optimizers.Adam()
    net = Net(3.0)
    optimizer.apply_gradients([(tf.ones_like(v), v) for v in net.trainable_variables])
    prefix = tf.train.Checkpoint(net=net, optimizer=optimizer).save(str(tmp_path / "c"))
    other = Net()
    assert of_tf.load_into(other, prefix).complete
    assert same(other, net)
    third = Net()
    assert of_tf.load_into(third, prefix, prefix="net.").complete
    assert same(third, net)
    assert numpy.array_equal(of_tf.load(prefix)["net"]["layers"]["0"]["bias"], net.layers[0].bias)


def test_names_of_tensorflow_1_find_their_variables(tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("net/kernel", initializer=numpy.ones((2, 2), numpy.float32))
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver().save(session, str(tmp_path / "old.ckpt"))
    module = tf.Module()
    module.weights = tf.Variable(tf.zeros([2, 2]), name="net/kernel")
    assert of_tf.load_into(module, prefix).complete
    assert numpy.array_equal(module.weights, numpy.ones((2, 2)))


def test_what_does_not_fit_is_told_and_changes_nothing(tmp_path):
    holdall.save({"layers": {"0": {"kernel": numpy.ones((3, 4)), "bias": numpy.ones(9)}}, "more": numpy.ones(1)}, tmp_path / "m.npz")
    net = Net()
    with pytest.raises(holdall.MismatchError) as raised:
        of_tf.load_into(net, tmp_path / "m.npz")
    report = raised.value.report
    assert sorted(report.missing) == ["layers.1.bias", "layers.1.kernel"]
    assert report.mismatched == [("layers.0.bias", (9,), (4,))] and report.unexpected == ["more"]
    assert same(net, Net())
    report = of_tf.load_into(net, tmp_path / "m.npz", strict=False)
    assert report.loaded == ["layers.0.kernel"] and report.cast == ["layers.0.kernel"]
    assert numpy.array_equal(net.layers[0].kernel, numpy.ones((3, 4)))


def test_a_saved_model_takes_new_weights_and_its_outputs_follow(tmp_path):
    net = Net()
    tf.saved_model.save(net, str(tmp_path / "saved"), signatures=net.__call__)
    report = of_tf.update(tmp_path / "saved", Net(5.0), tmp_path / "new")
    assert len(report.loaded) == 4 and not report.missing
    x = numpy.float32([[1, 2, 3]])
    outputs = tf.saved_model.load(str(tmp_path / "new")).signatures["serving_default"](x=x)["y"]
    assert numpy.array_equal(outputs, Net(5.0)(x)["y"])
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert of_tf.load_into(loaded, tmp_path / "new").complete
    assert numpy.array_equal(loaded.layers[1].bias, [6, 6])
    with pytest.raises(holdall.MismatchError):
        of_tf.update(tmp_path / "saved", {"other": numpy.ones(1)}, tmp_path / "not")
    assert not (tmp_path / "not").exists()


def test_a_keras_model_goes_to_a_checkpoint_and_back(tmp_path):
    def made():
        return tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(4), tf.keras.layers.Dense(2)])

    model, other = made(), made()
    of_tf.save(model, tmp_path / "out")
    assert of_tf.load_into(other, tmp_path / "out").complete
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        assert numpy.array_equal(mine, theirs)
