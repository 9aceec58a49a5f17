"""What tests of several files are given."""

import os

import pytest

# TensorFlow reads these once, when the first test of a process imports it. Which processors it takes oneDNN for by itself differs, and
# only that has convolutions of images whose channels come first.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


@pytest.fixture(scope="session")
def keras():
    """Imported where it is used: it brings TensorFlow."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    import holdall.keras

    return keras
