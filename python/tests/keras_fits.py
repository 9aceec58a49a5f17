"""Trainings with Keras that are interrupted and taken up again: keras_fits.py PHASE FOLDER SEED, with KERAS_BACKEND in the environment.

Phase "begin" runs each of CASES whole and writes what it ends with, then begins it again and breaks off at a random batch. Phase "end", a new
process, takes it up, breaks off once more, takes it up to the end and compares, bit by bit. Prints a line of JSON for each case.
"""

import json
import os
import random
import shutil
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

import holdall.keras

BACKEND = keras.backend.backend()
EPOCHS, BATCHES = 3, 7
X = np.random.default_rng(1).normal(size=(BATCHES * 4 - 2, 6)).astype("float32")
Y = np.random.default_rng(2).integers(0, 3, len(X))


class Interrupted(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Breaks off behind a batch, counted through the run."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.batch = epoch, 0

    def on_train_batch_end(self, batch, logs=None):
        self.batch += 1
        if (self.epoch, self.batch) == self.at:
            raise Interrupted


class Decay(keras.callbacks.Callback):
    """Sets the learning rate with each batch, by what it was."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.optimizer.learning_rate.assign(self.model.optimizer.learning_rate * 0.99)


class Order(keras.utils.PyDataset):
    """Shuffles anew with each epoch, by NumPy's generator, and adds noise by a generator of its own."""

    def __init__(self):
        super().__init__()
        self.indices = np.arange(len(X))
        self.noise = np.random.default_rng(5)

    def __len__(self):
        return BATCHES

    def __getitem__(self, number):
        own = self.indices[number * 4 : number * 4 + 4]
        return X[own] + self.noise.normal(size=(len(own), 6)).astype("float32"), Y[own]

    def on_epoch_end(self):
        np.random.shuffle(self.indices)


def generated():
    while True:
        own = np.random.permutation(len(X))
        for number in range(BATCHES):
            yield X[own[number * 4 : number * 4 + 4]], Y[own[number * 4 : number * 4 + 4]]


def tf_data(repeats=0):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(9).map(lambda x, y: (x + 1, y)).batch(4)
    return (data.repeat(repeats) if repeats else data).prefetch(2)


def torch_data():
    import torch

    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(3))


def model_of(optimizer, **compiled):
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.GaussianNoise(0.1),
            keras.layers.Dense(3),
        ]
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **compiled)
    return model


def cosine():
    return keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1e-2, 40))


# Each: what fit() is given, the optimizer, how it is compiled, the callbacks before and behind BackupAndRestore.
CASES = {
    "arrays": lambda: ({"x": X, "y": Y, "batch_size": 4, "validation_split": 0.2}, cosine(), {}, [], []),
    "array batches": lambda: ({"x": X, "y": Y, "batch_size": 4, "shuffle": "batch"}, keras.optimizers.SGD(0.01, momentum=0.9), {}, [Decay()], []),
    "weights of classes": lambda: (
        {"x": X, "y": Y, "batch_size": 4, "class_weight": {0: 1.0, 1: 2.0, 2: 0.5}, "validation_data": (X, Y)},
        keras.optimizers.Adam(0.05),
        {},
        [],
        [Decay(), keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5, min_delta=1.0)],
    ),
    "stopping": lambda: (
        {"x": X, "y": Y, "batch_size": 4, "validation_data": (X, Y)},
        keras.optimizers.Adam(0.01),
        {},
        [keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=1.0, restore_best_weights=True)],
        [],
    ),
    "data set": lambda: ({"x": tf_data()}, cosine(), {}, [], []),
    "endless data set": lambda: ({"x": tf_data(-1), "steps_per_epoch": 5}, cosine(), {}, [], []),
    "sequence": lambda: ({"x": Order(), "shuffle": True}, cosine(), {}, [], []),
    "generator": lambda: ({"x": generated(), "steps_per_epoch": 5}, cosine(), {}, [], []),
    "loader": lambda: ({"x": torch_data()}, cosine(), {}, [], []),
    "steps at once": lambda: ({"x": X, "y": Y, "batch_size": 4}, cosine(), {"steps_per_execution": 3}, [], []),
    "eager": lambda: ({"x": X, "y": Y, "batch_size": 4}, keras.optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=5), {"run_eagerly": True}, [], []),
    "compiled": lambda: ({"x": X, "y": Y, "batch_size": 4}, cosine(), {"jit_compile": True}, [], []),
    "accumulated": lambda: ({"x": X, "y": Y, "batch_size": 4}, keras.optimizers.Adam(0.05, gradient_accumulation_steps=3), {}, [], []),
}  # fmt: skip
# With torch Keras does one step at once, and compiles by torch.compile, which takes minutes; with JAX it compiles anyway.
LEFT_OUT = {"torch": {"steps at once", "compiled"}, "jax": {"compiled", "eager", "weights of classes", "data set"}}


def fit(name, folder, stop, save_freq):
    """What it ends with: arrays by name, and the numbers of History; None where it was broken off."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    given, optimizer, compiled, before, behind = CASES[name]()
    model = model_of(optimizer, **compiled)
    own = [] if folder is None else [holdall.keras.BackupAndRestore(folder, save_freq, signals=())]
    stops = [] if stop is None else [Interrupt(*stop)]
    try:
        history = model.fit(**given, epochs=EPOCHS, verbose=0, callbacks=[*before, *own, *behind, *stops])
    except Interrupted:
        return None
    values = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    arrays = {f"{number} {value.path}": keras.ops.convert_to_numpy(value.value) for number, value in enumerate(values)}
    return arrays, history.epoch, history.history, np.random.random(3).tolist(), random.random()


def batches_of(name):
    return {"steps at once": 3, "endless data set": 5, "generator": 5, "arrays": 5}.get(name, BATCHES)


def begin(name, folder, chance):
    arrays, _, history, numpy_next, python_next = fit(name, None, None, None)
    np.savez(f"{folder}.npz", **arrays)
    stop = chance.randrange(EPOCHS), 1 + chance.randrange(batches_of(name))
    save_freq = chance.choice([1, 2, 3, "epoch"]) if name != "steps at once" else 3
    assert fit(name, folder, stop, save_freq) is None
    with open(f"{folder}.json", "w") as file:
        json.dump({"history": history, "numpy": numpy_next, "python": python_next, "stop": stop, "save_freq": save_freq}, file)
    return {"stop": stop, "save_freq": save_freq}


def end(name, folder, chance):
    with open(f"{folder}.json") as file:
        whole = json.load(file)
    stop = chance.randrange(whole["stop"][0], EPOCHS), 1 + chance.randrange(batches_of(name))
    if stop > tuple(whole["stop"]):
        assert fit(name, folder, stop, whole["save_freq"]) is None
    else:
        stop = None
    arrays, epochs, history, numpy_next, python_next = fit(name, folder, None, whole["save_freq"])
    expected = np.load(f"{folder}.npz")
    differing = [key for key in expected if key not in arrays or arrays[key].tobytes() != expected[key].tobytes() or arrays[key].dtype != expected[key].dtype]
    differing += [key for key in arrays if key not in expected]
    differing += [key for key, values in history.items() if values != whole["history"][key][epochs[0] :]]
    differing += ["files"] if os.path.exists(folder) else []
    if name not in ("sequence", "generator"):
        differing += [what for what, ours, theirs in (("numpy", numpy_next, whole["numpy"]), ("python", python_next, whole["python"])) if ours != theirs]
    return {"again": stop, "epochs": epochs, "differing": differing}


def main(phase, root, seed, *names):
    warnings.simplefilter("ignore")
    for name in names or [case for case in CASES if case not in LEFT_OUT.get(BACKEND, ())]:
        chance = random.Random(f"{phase} {name} {seed}")
        folder = os.path.join(root, name.replace(" ", "_"))
        if phase == "begin":
            shutil.rmtree(folder, ignore_errors=True)
        print(json.dumps({"case": name, **{"begin": begin, "end": end}[phase](name, folder, chance)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
