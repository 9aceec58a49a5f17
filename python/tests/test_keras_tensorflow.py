"""holdall.keras.load_into from checkpoints and SavedModels of TensorFlow: by the attributes that lead to variables, or by their full names."""

import numpy
import pytest

import holdall

X = numpy.random.default_rng(0).normal(size=(4, 6, 4)).astype("float32")


@pytest.fixture(scope="module")
def tensorflow(keras):
    import tensorflow

    return tensorflow


def made(keras, names="abcd", seed=1):
    """`names`: of the layers, in the order in which they stand."""
    layers = keras.layers
    keras.utils.set_random_seed(seed)
    given = keras.Input((6, 4))
    found = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name=names[0])(given)
    found = layers.MultiHeadAttention(2, 2, name=names[1])(found, found)
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(5, name=names[2]), layers.BatchNormalization(name=names[3])], name=f"inner_{names[0]}")
    model = keras.Model(given, layers.Dense(2)(inner(layers.GlobalAveragePooling1D()(found))))
    model.compile("adam", "mse", run_eagerly=True)
    for weight in model.weights:
        weight.assign(numpy.random.default_rng(weight.shape[0] + seed).random(weight.shape))
    return model


def same(one, other):
    return len(one) == len(other) and all(numpy.array_equal(a, b) for a, b in zip(one, other, strict=True))


def state(model):
    return [numpy.asarray(variable.value) for variable in model.optimizer.variables]


@pytest.fixture(scope="module")
def model(keras):
    model = made(keras)
    model.train_on_batch(X, numpy.ones((4, 2), "float32"))
    return model


@pytest.fixture(scope="module")
def folder(keras, tensorflow, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    tensorflow.train.Checkpoint(model=model).write(str(folder / "named"))
    tensorflow.train.Checkpoint(model).write(str(folder / "itself"))
    tensorflow.saved_model.save(model, str(folder / "saved"))
    model.export(folder / "exported", verbose=False)
    return folder


@pytest.mark.parametrize("file", ["named", "itself", "saved", "exported"])
@pytest.mark.parametrize("by", ["path", "name"])
def test_weights_are_found(keras, model, folder, file, by):
    other = made(keras, seed=2)
    assert not same(other.get_weights(), model.get_weights())
    report = holdall.keras.load_into(other, folder / file, by=by)
    assert report.complete and same(other.get_weights(), model.get_weights())
    assert len(report.loaded) >= len(model.weights)


@pytest.mark.parametrize("file", ["named", "itself", "saved"])
def test_layers_that_are_called_otherwise_are_found_by_attributes(keras, model, folder, file):
    other = made(keras, "wxyz", seed=2)
    other.optimizer.build(other.trainable_variables)
    assert holdall.keras.load_into(other, folder / file).complete and same(other.get_weights(), model.get_weights())
    with pytest.raises(holdall.MismatchError):
        holdall.keras.load_into(other, folder / file, by="name")


@pytest.mark.parametrize("file", ["named", "itself"])
def test_the_optimizers_state_comes_along(keras, model, folder, file):
    other = made(keras, seed=2)
    report = holdall.keras.load_into(other, folder / file, optimizer=True)
    assert report.complete and same(state(other), state(model)) and same(other.get_weights(), model.get_weights())
    with pytest.raises(holdall.MismatchError, match="optimizer|adam|momentum"):
        holdall.keras.load_into(made(keras, seed=2), folder / "exported", optimizer=True)


def test_numbers_of_layers_may_be_others(keras, tensorflow, tmp_path):
    """Keras counts the layers of a process: dense, dense_1; twelve of them, as 10 comes before 2 in a list of names."""

    def deep():
        return keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(3) for _ in range(12))])

    model, other = deep(), deep()
    variables = {variable.path: tensorflow.Variable(variable.value, name=variable.path) for variable in model.variables}
    tensorflow.train.Checkpoint(all=[variables[name] for name in sorted(variables)]).write(str(tmp_path / "flat"))
    assert not same(other.get_weights(), model.get_weights())
    assert holdall.keras.load_into(other, tmp_path / "flat").complete and same(other.get_weights(), model.get_weights())


def test_checkpoints_of_keras_2_name_layers_by_their_places(keras, tensorflow, tmp_path):
    """Made by hand: what Keras 2's save_weights() kept of a model, with the slots of its optimizer, twelve layers deep."""
    rng = numpy.random.default_rng(0)
    sizes = [(4, 4)] * 11 + [(4, 2)]
    root, optimizer = tensorflow.train.Checkpoint(), tensorflow.Module()
    arrays = [(rng.normal(size=size).astype("float32"), rng.normal(size=size[1:]).astype("float32")) for size in sizes]
    for number, (kernel, bias) in enumerate(arrays):
        layer = tensorflow.Module()
        layer.kernel = tensorflow.Variable(kernel, name=f"there_{number}/kernel")
        layer.bias = tensorflow.Variable(bias, name=f"there_{number}/bias")
        setattr(root, f"layer_with_weights-{number}", layer)
        setattr(root, f"layer-{number}", layer)
    optimizer.iter = tensorflow.Variable(numpy.int64(7), name="Adam/iter")
    root.optimizer = optimizer
    root.write(str(tmp_path / "weights"))
    model = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(size[1]) for size in sizes)])
    report = holdall.keras.load_into(model, tmp_path / "weights")
    assert report.complete and same(model.get_weights(), [array for pair in arrays for array in pair])


def test_what_a_file_says_of_attributes_is_looked_up_and_not_computed(keras, tensorflow, tmp_path):
    class Watched(keras.layers.Dense):
        @property
        def trap(self):
            raise AssertionError("an attribute was computed because a file names it")

    root = tensorflow.train.Checkpoint()
    layer = tensorflow.Module()
    layer.trap = tensorflow.Variable(1.0, name="elsewhere")
    setattr(root, "layer_with_weights-0", layer)
    root.write(str(tmp_path / "trap"))
    model = keras.Sequential([keras.Input((4,)), Watched(2)])
    with pytest.raises(holdall.MismatchError) as error:
        holdall.keras.load_into(model, tmp_path / "trap")
    assert error.value.report.unexpected == ["elsewhere"] and len(error.value.report.missing) == 2


def test_names_of_the_file_are_renamed_and_prefixes_taken(keras, tensorflow, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
    kernel, bias = (numpy.full(weight.shape, number + 1, "float32") for number, weight in enumerate(model.weights))
    own = {"kernel": tensorflow.Variable(kernel, name="run/old/kernel"), "bias": tensorflow.Variable(bias, name="run/old/bias")}
    tensorflow.train.Checkpoint(**own).write(str(tmp_path / "file"))
    report = holdall.keras.load_into(model, tmp_path / "file", by="name", prefix="run/", rename={"old": "head"})
    assert report.complete and same(model.get_weights(), [kernel, bias])
