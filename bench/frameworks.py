"""The work of Keras, h5py, TensorFlow, joblib and onnx, timed as rivals.py times the others'; prints the seconds.

Usage: frameworks.py WORK ARGUMENT…. Needs the environment of the tests against the real libraries (tests/real/requirements.txt).
"""

import os
import sys

import rivals

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"


def arrays(count, floats):
    """As weights are: the exponent says little, half of the mantissa nothing, so that they can be compressed."""
    import numpy

    generator = numpy.random.default_rng(1)
    return {f"layer_{i}": generator.normal(0, 0.02, floats).astype(numpy.float16).astype(numpy.float32) for i in range(count)}


def make_keras(folder, count, units):
    """One model of Dense layers as .h5, as .keras and as a checkpoint of TensorFlow."""
    import keras
    import tensorflow

    units = int(units)
    model = keras.Sequential([keras.Input((units,)), *(keras.layers.Dense(units, use_bias=False) for _ in range(int(count)))])
    model.save(os.path.join(folder, "big.h5"))
    model.save(os.path.join(folder, "big.keras"))
    tensorflow.train.Checkpoint(model=model).write(os.path.join(folder, "big-tf"))
    yield


def make_h5_gzip(path, count, floats):
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays(int(count), int(floats)).items():
            file.create_dataset(name, data=array, compression="gzip", shuffle=True, chunks=(1 << 16,))
    yield


def make_joblib(path, count, floats, compress):
    import joblib

    joblib.dump(arrays(int(count), int(floats)), path, compress=int(compress))
    yield


def make_onnx(path, count, floats):
    """Initializers as raw data."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = [numpy_helper.from_array(array, name) for name, array in arrays(int(count), int(floats)).items()]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "big", info[:1], info[1:], weights)
    onnx.save(helper.make_model(graph), path)
    yield


def onnx_load(path):
    import onnx
    from onnx import numpy_helper

    yield
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


def onnx_list(path):
    import onnx

    yield
    for each in onnx.load(path, load_external_data=False).graph.initializer:
        print(each.name, each.data_type, each.dims, file=sys.stderr)


def h5py_load(path):
    import h5py

    yield
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def keras_load(path):
    import keras

    yield
    return keras.models.load_model(path, compile=False)


def tensorflow_load(path):
    import tensorflow

    yield
    reader = tensorflow.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def joblib_load(path):
    import joblib

    yield
    return joblib.load(path)


def keras_list(path):
    """Names, dtypes and shapes with the framework at hand, without reading the bytes."""
    import keras  # noqa: F401

    return h5py_list(path)


def h5py_list(path):
    import h5py

    yield
    with h5py.File(path) as file:
        file.visititems(lambda name, item: print(name, getattr(item, "dtype", ""), getattr(item, "shape", ""), file=sys.stderr))


def tensorflow_list(path):
    import tensorflow

    yield
    print(tensorflow.train.list_variables(path), file=sys.stderr)


def joblib_list(path):
    import joblib

    yield
    for name, array in joblib.load(path, mmap_mode="r").items():
        print(name, array.dtype, array.shape, file=sys.stderr)


WORKS = (make_keras, make_h5_gzip, make_joblib, make_onnx, h5py_load, keras_load, tensorflow_load, joblib_load, onnx_load, keras_list, h5py_list,
         tensorflow_list, joblib_list, onnx_list)

if __name__ == "__main__":
    rivals.main(WORKS)
