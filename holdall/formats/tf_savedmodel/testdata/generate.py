"""Writes this folder's SavedModels with TensorFlow 2.21.0.

Usage: generate.py (in this folder). `module/` is a tf.Module with a signature, an asset and a constant; `writes/` has a function
that writes to a path of its own.
"""

import os
import pathlib
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent


class Model(tf.Module):
    def __init__(self, words):
        super().__init__()
        self.kernel = tf.Variable(np.arange(6, dtype=np.float32).reshape(3, 2), name="kernel")
        self.layers = [tf.Variable([1.0, 2.0], name="bias")]
        self.scale = tf.constant([[0.5, 0.25]])
        self.words = tf.saved_model.Asset(words)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": (tf.matmul(x, self.kernel) + self.layers[0]) * self.scale}


class Writer(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def given(self, path):
        return tf.io.read_file(path)

    @tf.function(input_signature=[])
    def own(self):
        tf.io.write_file("/tmp/holdall-was-here", "x")
        return tf.constant(0)


def saved(model, name, **options):
    shutil.rmtree(HERE / name, ignore_errors=True)
    tf.saved_model.save(model, str(HERE / name), **options)


if __name__ == "__main__":
    words = HERE / "words.txt"
    words.write_text("a\nb\n")
    model = Model(str(words))
    saved(model, "module", signatures={"serving_default": model.__call__})
    words.unlink()
    writer = Writer()
    saved(writer, "writes", signatures={"own": writer.own, "given": writer.given})
