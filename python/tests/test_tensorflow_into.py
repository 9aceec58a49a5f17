"""holdall.tensorflow.load_into: Keras models out of whatever TensorFlow and Keras wrote of them, whatever the layers are called, and never by a guess."""

import os

import numpy
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="no TensorFlow here")
keras = pytest.importorskip("keras", reason="no Keras here")

import holdall  # noqa: E402
import holdall.tensorflow as of_tf  # noqa: E402

layers = keras.layers


def made(classes=5):
    """A model within a model, depthwise and separable kernels, two layers of the same shapes; layers have the next free names, never the same."""
    image = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((4, 4, 4)), layers.Conv2D(2, 3), layers.BatchNormalization()])
    x = layers.Flatten()(inner(layers.SeparableConv2D(4, 3)(layers.DepthwiseConv2D(3)(image))))
    return keras.Model(image, layers.Dense(classes)(layers.Dense(5)(x)))


def same(a, b):
    return all(numpy.array_equal(mine, theirs) for mine, theirs in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.fixture(scope="module")
def trained():
    model = made()
    model.compile("adam", "mse")
    model.fit(numpy.ones((2, 8, 8, 3)), numpy.zeros((2, 5)), verbose=0)
    return model


def exported(model, folder):
    model.export(folder, verbose=False)
    return folder


WRITERS = {
    "export": exported,
    "saved_model": lambda model, folder: (tf.saved_model.save(model, folder), folder)[1],
    "Checkpoint(model=)": lambda model, folder: tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(f"{folder}/c"),
    "deep in a checkpoint": lambda model, folder: tf.train.Checkpoint(a=tf.train.Checkpoint(net=model)).save(f"{folder}/c"),
    "save": lambda model, folder: (of_tf.save(model, folder, format="tf-savedmodel"), folder)[1],
}


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_model_comes_back_into_one_whose_layers_have_other_names(tmp_path, trained, writer, is_compiled):
    path = WRITERS[writer](trained, str(tmp_path / "m"))
    other = made()
    if is_compiled:
        other.compile("adam", "mse")
    assert of_tf.load_into(other, path).complete
    assert same(other, trained)
    if is_compiled and writer not in ("export", "save"):  # which have no optimizer
        assert all(numpy.array_equal(mine, theirs) for mine, theirs in zip(other.optimizer.variables, trained.optimizer.variables, strict=True))


def dense(*names):
    return keras.Sequential([keras.Input((3,)), *(layers.Dense(3, name=name) for name in names)])


def test_names_that_people_gave_say_where_weights_go_and_not_their_order(tmp_path):
    model, turned = dense("first", "second"), dense("second", "first")
    model.set_weights([numpy.full(weight.shape, number) for number, weight in enumerate(model.get_weights())])
    model.export(tmp_path / "m", verbose=False)
    assert of_tf.load_into(turned, tmp_path / "m").complete
    assert numpy.array_equal(turned.get_layer("first").kernel, model.get_layer("first").kernel)
    for names in (("second", "third"), ("other", "first")):  # one name stands elsewhere: neither order nor names are sure
        shifted = dense(*names)
        before = shifted.get_weights()
        with pytest.raises(holdall.MismatchError):
            of_tf.load_into(shifted, tmp_path / "m")
        assert all(numpy.array_equal(a, b) for a, b in zip(before, shifted.get_weights(), strict=True))
    renamed = dense("one", "two")
    assert of_tf.load_into(renamed, tmp_path / "m").complete and same(renamed, model)


def test_layers_of_another_kind_in_the_same_order_are_not_taken(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.LayerNormalization(), layers.Dense(4), layers.LayerNormalization()])
    other = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.LayerNormalization(), layers.LayerNormalization()])
    model.export(tmp_path / "m", verbose=False)
    with pytest.raises(holdall.MismatchError):
        of_tf.load_into(other, tmp_path / "m")


def test_of_two_models_of_one_kind_none_is_chosen_by_names_that_keras_gave(tmp_path):
    generator, discriminator = made(), made()
    prefix = tf.train.Checkpoint(generator=generator, discriminator=discriminator).save(str(tmp_path / "c"))
    for into in (made(), generator):
        with pytest.raises(holdall.MismatchError, match="several places fit: .*give prefix="):
            of_tf.load_into(into, prefix)
    other = made()
    assert of_tf.load_into(other, prefix, prefix="discriminator.").complete and same(other, discriminator)


def test_a_weight_that_the_model_lacks_is_told(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.Dense(2)])
    prefix = tf.train.Checkpoint(net=model, step=tf.Variable(1)).save(str(tmp_path / "c"))
    with pytest.raises(holdall.MismatchError) as raised:
        of_tf.load_into(keras.Sequential([keras.Input((3,)), layers.Dense(3)]), prefix)
    assert len(raised.value.report.unexpected) == 2


def test_variables_that_stand_twice_with_different_values_are_not_chosen_from(tmp_path):
    module = tf.Module()
    module.a, module.b = tf.Variable([1.0, 1.0], name="w"), tf.Variable([2.0, 2.0], name="w")
    tf.saved_model.save(module, str(tmp_path / "m"))
    other = tf.Module()
    other.x = tf.Variable([0.0, 0.0], name="w")
    with pytest.raises(holdall.MismatchError) as raised:
        of_tf.load_into(other, tmp_path / "m")
    assert raised.value.report.missing == ["x"] and other.x.numpy().tolist() == [0, 0]
    module.b.assign(module.a)
    tf.saved_model.save(module, str(tmp_path / "same"))
    assert of_tf.load_into(other, tmp_path / "same").complete and other.x.numpy().tolist() == [1, 1]


class Several(keras.Model):
    """Layers in lists and dicts, which TensorFlow's own checkpoints pass over, a weight of its own, seeds."""

    def __init__(self):
        super().__init__()
        self.words, self.blocks, self.dropout = layers.Embedding(11, 8), [layers.Dense(8), layers.Dense(8)], layers.Dropout(0.3)
        self.ends = {"a": layers.Dense(2), "b": layers.Dense(2)}
        self.attention = layers.MultiHeadAttention(2, 4)
        self.free = self.add_weight(shape=(3,), name="free", initializer="random_normal")

    def call(self, words):
        x = self.words(words)
        for block in self.blocks:
            x = block(x)
        x = self.dropout(self.attention(x, x))
        return self.ends["a"](x) + self.ends["b"](x) + self.free[0]


def several():
    model = Several()
    model(numpy.zeros((1, 4), "int32"))
    model.set_weights([numpy.random.default_rng(number).random(weight.shape) for number, weight in enumerate(model.get_weights())])
    return model


def recurrent():
    words = keras.Input((6,))
    x = layers.SpatialDropout1D(0.2)(layers.Embedding(10, 4)(words))
    x = layers.GRU(3)(layers.Bidirectional(layers.LSTM(3, return_sequences=True, recurrent_dropout=0.1))(x))
    return keras.Model(words, layers.Dense(2)(layers.LayerNormalization()(x)))


@pytest.mark.parametrize("made, writer", [(several, "save"), (several, "folder"), (recurrent, "save"), (recurrent, "folder"), (recurrent, "export")])
def test_all_of_a_model_is_written_and_comes_back(tmp_path, made, writer):
    model, other = made(), made()
    path = str(tmp_path / "m")
    if writer == "folder":
        of_tf.save(model, path)
    else:
        WRITERS[writer](model, path)
    other.set_weights([numpy.zeros_like(weight) for weight in other.get_weights()])
    assert of_tf.load_into(other, path).complete
    assert same(other, model)


def test_a_list_of_names_that_stand_often_says_nothing_of_its_order(tmp_path):
    several().export(tmp_path / "m", verbose=False)  # TensorFlow calls all its kernels several/kernel
    with pytest.raises(holdall.MismatchError):
        of_tf.load_into(several(), tmp_path / "m")


def test_what_a_checkpoint_of_tensorflow_passed_over_is_missing(tmp_path):
    prefix = tf.train.Checkpoint(model=several()).save(str(tmp_path / "c"))
    with pytest.raises(holdall.MismatchError) as raised:
        of_tf.load_into(several(), prefix)
    assert any("blocks" in name for name in raised.value.report.missing) and not raised.value.report.mismatched
