"""Golden files for keras_h5_test.cc. Written with Keras 3.15.1 on torch 2.13.0 and h5py 3.14.0; keras2.h5 is laid out by h5py as Keras 2.4
lays files out.

digests.tsv tells of every tensor: file, path, SHA-256 of its elements.
"""

import hashlib
import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "torch"

import h5py
import keras
import numpy
from keras.src.legacy.saving import legacy_h5_format

HERE = pathlib.Path(__file__).parent


def model(head="bfloat16"):
    keras.utils.set_random_seed(0)
    given = keras.Input((4,), name="given")
    shared = keras.layers.Dense(4, name="shared", activation="relu")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="in_a"), keras.layers.BatchNormalization(name="bn")], name="inner")
    made = keras.Model(given, keras.layers.Dense(2, dtype=head, name="head")(inner(shared(shared(given)))))
    made.compile("adam", "mse", metrics=["mae"])
    made.fit(numpy.ones((4, 4), "f4"), numpy.ones((4, 2), "f4"), verbose=0)
    return made


def keras2(path):
    """Weights of many names: lists in pieces, ":0" behind names, JSON as bytes."""
    names = [f"dense_{i}" for i in range(12)]
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.4.0"
        file.attrs["backend"] = b"tensorflow"
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": {"name": name, "units": 1}} for name in names]}}
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names0"] = [name.encode() for name in names[:7]]
        group.attrs["layer_names1"] = [name.encode() for name in names[7:]]
        for i, name in enumerate(names):
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            layer[f"{name}/kernel:0"] = numpy.full((1, 1), i, "f4")
            layer[f"{name}/bias:0"] = numpy.full((1,), -i, "f4")


def hostile(path, config):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [config]}})


def main():
    made = model()
    made.save(HERE / "keras3.h5")
    with h5py.File(HERE / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, made)
    keras2(HERE / "keras2.h5")
    hostile(HERE / "lambda.h5", {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}})
    hostile(HERE / "import.h5", {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"})
    hostile(HERE / "custom.h5", {"class_name": "TimeDistributed", "config": {"layer": {"class_name": "MyLayer", "config": {}}}})
    lines = []
    for name in ("keras2.h5", "keras3.h5", "weights.h5"):
        with h5py.File(HERE / name) as file:

            def line(path, item):
                if isinstance(item, h5py.Dataset):
                    lines.append(f"{name}\t{path}\t{hashlib.sha256(item[()].tobytes()).hexdigest()}\n")

            file.visititems(line)
    (HERE / "digests.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
