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


def test_names_are_changed_by_rules_each_once(tmp_path):
    holdall.save({"encoder/0/kernel": numpy.ones((3, 4)), "encoder/0/bias": numpy.ones(4)}, tmp_path / "m.safetensors")
    for rename in ({"encoder/0/*": "*"}, [("encoder/0/*", "*")], lambda name: name.rpartition("/")[2]):
        dense = Dense(4)
        assert of_tf.load_into(dense, tmp_path / "m.safetensors", rename=rename).found_as["kernel"] == "encoder/0/kernel"
        assert numpy.array_equal(dense.kernel, numpy.ones((3, 4)))
    asked = []
    of_tf.load_into(Dense(4), tmp_path / "m.safetensors", rename=lambda name: (asked.append(name), name.rpartition("/")[2])[1])
    assert sorted(asked) == ["encoder/0/bias", "encoder/0/kernel"]
    for rename in ("kernel", ["kernel"], {"kernel": 1}, lambda name: None):
        with pytest.raises(TypeError, match="rename"):
            of_tf.load_into(Dense(4), tmp_path / "m.safetensors", rename=rename)
    with pytest.raises(holdall.Error, match="rename"):
        of_tf.load_into(Dense(4), tmp_path / "m.safetensors", rename={"*": "kernel"})


def test_several_places_are_told_with_a_report(tmp_path):
    prefix = tf.train.Checkpoint(generator=Dense(4, 1.0), discriminator=Dense(4, 2.0)).save(str(tmp_path / "c"))
    dense = Dense(4)
    with pytest.raises(holdall.MismatchError, match="several places fit: discriminator., generator.") as raised:
        of_tf.load_into(dense, prefix)
    assert sorted(raised.value.report.missing) == ["bias", "kernel"]
    assert of_tf.load_into(dense, prefix, prefix="generator.").complete and dense.bias.numpy()[0] == 1
    tf.saved_model.save(dense, str(tmp_path / "one"))
    kernel = {"kernel/.ATTRIBUTES/VARIABLE_VALUE": numpy.ones((3, 4))}
    with pytest.raises(holdall.MismatchError, match="several places"):
        of_tf.update(tmp_path / "one", {"a": kernel, "b": kernel}, tmp_path / "new")


def test_what_is_left_over_in_the_place_is_unexpected(tmp_path):
    more = Dense(4, 1.0)
    more.scale = tf.Variable(1.0)
    prefix = tf.train.Checkpoint(net=more, step=tf.Variable(1)).save(str(tmp_path / "c"))
    with pytest.raises(holdall.MismatchError) as raised:
        of_tf.load_into(Dense(4), prefix)
    assert raised.value.report.unexpected == ["net/scale/.ATTRIBUTES/VARIABLE_VALUE"]
    assert of_tf.load_into(Dense(4), prefix, prefix="net.", strict=False).unexpected == ["net/scale/.ATTRIBUTES/VARIABLE_VALUE"]


def test_full_names_find_variables_that_stand_elsewhere(tmp_path):
    flat = tf.Module()
    flat.all = [tf.Variable(tf.ones([2]), name="net/bias"), tf.Variable(tf.ones([2, 2]), name="net/kernel")]
    tf.saved_model.save(flat, str(tmp_path / "flat"))
    module = tf.Module()
    module.w, module.b = tf.Variable(tf.zeros([2, 2]), name="net/kernel"), tf.Variable(tf.zeros([2]), name="net/bias")
    assert of_tf.load_into(module, tmp_path / "flat").complete
    assert numpy.array_equal(module.w, numpy.ones((2, 2)))


def test_a_variable_of_an_open_shape_has_that_of_its_value(tmp_path):
    def made(value):
        module = tf.Module()
        module.rows, module.any = tf.Variable([[value]], shape=[None, 1]), tf.Variable([value], shape=tf.TensorShape(None))
        return module

    of_tf.save(made(2.0), tmp_path / "m.npz")
    other = made(0.0)
    assert of_tf.load_into(other, tmp_path / "m.npz").complete and other.rows.numpy() == 2 and other.any.numpy() == 2
