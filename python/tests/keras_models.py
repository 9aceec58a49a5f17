"""Models of Keras for tests: each layer that keeps weights in a way of its own."""

import numpy

SHAPE = (6, 4)
X = numpy.random.default_rng(0).normal(size=(16, *SHAPE)).astype("float32")
Y = numpy.random.default_rng(1).normal(size=(16, 2)).astype("float32")


def sequential(keras):
    layers = keras.layers
    return keras.Sequential([
        keras.Input(SHAPE), layers.Conv1D(5, 3, padding="same", activation="relu"), layers.BatchNormalization(), layers.Dropout(0.0),
        layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip


def recurrent(keras):
    layers = keras.layers
    return keras.Sequential([
        keras.Input(SHAPE), layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.Bidirectional(layers.GRU(3, return_sequences=True)),
        layers.SimpleRNN(4), layers.Dense(2),
    ])  # fmt: skip


def attention(keras):
    layers = keras.layers
    given = keras.Input(SHAPE)
    found = layers.MultiHeadAttention(2, 3)(given, given)
    found = layers.LayerNormalization()(layers.Add()([given, found]))
    return keras.Model(given, layers.Dense(2)(layers.GlobalAveragePooling1D()(found)))


def nested(keras):
    layers = keras.layers
    inner = keras.Sequential([keras.Input(SHAPE), layers.Dense(4, activation="relu"), layers.BatchNormalization()], name="inner")
    given = keras.Input(SHAPE)
    shared = layers.Dense(4, name="shared")
    found = layers.Concatenate()([shared(inner(given)), shared(layers.ReLU()(given))])
    return keras.Model(given, layers.Dense(2)(layers.Flatten()(found)))


def bfloat(keras):
    layers = keras.layers
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(4, dtype="bfloat16"), layers.Dense(2, dtype="mixed_bfloat16")])


MODELS = {made.__name__: made for made in (sequential, recurrent, attention, nested, bfloat)}


def optimizers(keras):
    return {
        "adam": lambda: keras.optimizers.Adam(1e-2),
        "sgd": lambda: keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
        "adamw": lambda: keras.optimizers.AdamW(keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 0.9), weight_decay=1e-3),
        "rmsprop": lambda: keras.optimizers.RMSprop(1e-2, momentum=0.5, centered=True),
    }


def trained(keras, made, optimizer="adam", seed=3):
    keras.utils.set_random_seed(seed)
    model = MODELS[made](keras) if isinstance(made, str) else made(keras)
    model.compile(optimizers(keras)[optimizer](), "mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    return model


def predicted(model):
    return numpy.asarray(model.predict(X, verbose=0)).astype("float32")


def further(keras, model):
    """The weights after another two epochs of the same data."""
    keras.utils.set_random_seed(7)
    model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    return [numpy.asarray(variable.value).astype("float32") for variable in model.variables if "seed" not in variable.path]


def state(model):
    return [numpy.asarray(keras_variable.value) for keras_variable in model.optimizer.variables]
