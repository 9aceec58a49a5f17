"""Golden files for keras_test.cc. Written with Keras 3.15.1 on torch 2.13.0 and h5py 3.14.0.

digests.tsv tells of every tensor of model.weights.h5: path, SHA-256 of its elements.
"""

import hashlib
import json
import os
import pathlib
import zipfile

os.environ["KERAS_BACKEND"] = "torch"

import h5py
import keras
import numpy

HERE = pathlib.Path(__file__).parent


def model():
    keras.utils.set_random_seed(0)
    given = keras.Input((4,), name="given")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="in_a"), keras.layers.BatchNormalization(name="bn")], name="inner")
    made = keras.Model(given, keras.layers.Dense(2, dtype="bfloat16", name="head")(inner(given)))
    made.compile("adam", "mse")
    made.fit(numpy.ones((4, 4), "f4"), numpy.ones((4, 2), "f4"), verbose=0)
    return made


def with_config(source, target, change):
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as made:
        for name in archive.namelist():
            data = archive.read(name)
            if name == "config.json":
                config = json.loads(data)
                change(config)
                data = json.dumps(config).encode()
            made.writestr(name, data)
        made.writestr("assets/layers/lookup/vocabulary.txt", "a\nb\n")


def main():
    made = model()
    made.save(HERE / "model.keras")
    made.save_weights(HERE / "model.weights.h5")
    made.save_weights(HERE / "sharded.weights.json", max_shard_size=3e-7)
    lambda_layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}}}
    with_config(HERE / "model.keras", HERE / "lambda.keras", lambda config: config["config"]["layers"].append(lambda_layer))
    get_file = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    with_config(HERE / "model.keras", HERE / "fetch.keras", lambda config: config["config"]["layers"].append(get_file))
    lines = []
    with h5py.File(HERE / "model.weights.h5") as file:

        def line(path, item):
            if isinstance(item, h5py.Dataset):
                lines.append(f"{path}\t{hashlib.sha256(item[()].tobytes()).hexdigest()}\n")

        file.visititems(line)
    (HERE / "digests.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
