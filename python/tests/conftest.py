"""What tests of several files are given."""

import os

import pytest


@pytest.fixture(scope="session")
def keras():
    """Imported where it is used: it brings TensorFlow."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    import holdall.keras

    return keras
