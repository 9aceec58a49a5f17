"""What tests of several files are given."""

import os

import pytest


@pytest.fixture(scope="session")
def keras():
    """Imported where it is used: it brings TensorFlow."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Which processors TensorFlow takes oneDNN for by itself differs; only this has convolutions of images whose channels come first.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    import keras

    import holdall.keras

    return keras
