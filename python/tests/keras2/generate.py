"""Makes the files of Keras 2 beside it, and expected.json: what they predict and what their optimizers have.

With tf_keras 2.21.0 (Keras 2's code), tensorflow 2.21.0, h5py 3.14.0, numpy 2.4: generate.py FOLDER
"""

import json
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy
import tensorflow
import tf_keras as keras

FOLDER = pathlib.Path(sys.argv[1])
layers = keras.layers
expected = {}


def note(model, x, *files):
    outputs = model.predict(x, verbose=0)
    outputs = numpy.concatenate([numpy.asarray(part).astype("float32") for part in (outputs if isinstance(outputs, list) else [outputs])], -1)
    slots = [numpy.abs(variable.numpy()).sum() for variable in model.optimizer.variables() if variable.shape.rank] if callable(
        model.optimizer.variables
    ) else [numpy.abs(variable.numpy()).sum() for variable in model.optimizer.variables if variable.shape.rank]  # fmt: skip
    for file in files:
        model.save(FOLDER / file)
        # The optimizers of Keras before 2.11 are not kept by .keras files of Keras 2.
        is_kept = not (file.endswith(".keras") and isinstance(model.optimizer, keras.optimizers.legacy.Optimizer))
        expected[file] = {
            "outputs": outputs.tolist(), "optimizer": type(model.optimizer).__name__, "slots": float(sum(slots)),
            "iterations": int(model.optimizer.iterations) if is_kept else 0,
        }  # fmt: skip


keras.utils.set_random_seed(1)
x = numpy.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")
y = numpy.random.default_rng(2).normal(size=(8, 2)).astype("float32")

model = keras.Sequential([
    layers.InputLayer(input_shape=(8, 8, 3)), layers.DepthwiseConv2D(3, activation="relu"), layers.BatchNormalization(), layers.SeparableConv2D(4, 3, padding="same"),
    layers.Conv2DTranspose(3, 3), layers.Flatten(), layers.Dropout(0.1), layers.Dense(2, kernel_regularizer="l2"),
])  # fmt: skip
model.compile(keras.optimizers.Adam(1e-2), keras.losses.MeanSquaredError(), metrics=["mae"])
model.fit(x, y, epochs=2, verbose=0)
note(model, x, "conv.h5", "conv.keras")

given = keras.Input((5,), dtype="int32")
found = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Embedding(11, 4, input_length=5)(given))
inner = keras.Sequential([layers.Dense(4, input_shape=(4,)), layers.BatchNormalization()])
found = inner(layers.GRU(4)(found))
model = keras.Model(given, [layers.Dense(2, name="a")(found), layers.Dense(1, name="b", activation="sigmoid")(found)])
model.compile(
    keras.optimizers.legacy.SGD(1e-2, momentum=0.9, decay=1e-3), loss={"a": "mse", "b": "binary_crossentropy"}, loss_weights={"a": 1.0, "b": 0.5},
    metrics={"a": ["mae"], "b": ["accuracy"]},
)  # fmt: skip
words = numpy.random.default_rng(1).integers(0, 11, size=(8, 5)).astype("int32")
model.fit(words, {"a": y, "b": (y[:, :1] > 0).astype("float32")}, epochs=2, verbose=0)
note(model, words, "text.h5", "text.keras")

model = keras.Sequential([layers.Dense(3, input_shape=(4,), dtype="mixed_bfloat16"), layers.Dense(1, dtype="mixed_bfloat16")])
model.compile(keras.optimizers.legacy.Adam(1e-2), "mse")
few = x[:, 0, 0, :1].repeat(4, 1)
model.fit(few, y[:, :1], verbose=0)
note(model, few, "mixed.h5")

given = keras.Input((6, 4))
sequence, h, c = layers.LSTM(3, return_sequences=True, return_state=True)(layers.Dense(4, name="block/dense")(given))
found = layers.LSTM(3, return_sequences=True)(sequence, initial_state=[h, c])
found = layers.MultiHeadAttention(2, 3)(query=found, value=sequence) + found * 2.0
found = 1.0 - tensorflow.concat([layers.SpatialDropout1D(0.1)(found), given], axis=-1)[:, 1:, ::2]
found = tensorflow.nn.relu(tensorflow.reshape(found, [-1, 20]) / 3.0)
model = keras.Model(given, layers.Dense(2)(layers.Normalization(mean=0.5, variance=2.0)(found)))
model.compile(keras.optimizers.Nadam(1e-2), "mse")
few = x[:, :6, 0, :1].repeat(4, 2)
model.fit(few, y, verbose=0)
note(model, few, "graph.h5", "graph.keras")

normalized = layers.Normalization()
normalized.adapt(few)
model = keras.Sequential([layers.InputLayer(input_shape=(6, 4)), normalized, layers.Flatten(), layers.Dense(2)])
model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 20)), "mse", metrics=["mae"])
model.fit(few, y, verbose=0)
note(model, few, "scaled.h5", "scaled.keras")

model = keras.Sequential([layers.Dense(3, input_shape=(4,), dtype="bfloat16"), layers.Dense(1, dtype="bfloat16")])
model.compile(keras.optimizers.SGD(1e-2), "mse")
few = x[:, 0, 0, :1].repeat(4, 1)
model.fit(few, y[:, :1], verbose=0)
note(model, few, "half.keras")

(FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
