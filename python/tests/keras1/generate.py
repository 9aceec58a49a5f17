"""Makes the files of Keras 1 beside it, and expected.npz: what they predict.

With Keras 1.2.2 itself, unpacked from PyPI's source distribution and on the path, once on each backend:
    PYTHONPATH=Keras-1.2.2 python generate.py tensorflow FOLDER     with tensorflow 2.21.0 (its tensorflow.compat.v1), h5py 3.14.0, numpy 2.4
    PYTHONPATH=Keras-1.2.2 python generate.py theano FOLDER         with Theano-PyMC 1.1.2, h5py 3.9.0, numpy 1.23.5, g++
Both on Python 3.11: what has gone from Python and the backends since is put back below.
"""

import collections
import collections.abc
import inspect
import os
import pathlib
import sys
import types

BACKEND, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["THEANO_FLAGS"] = "device=cpu,floatX=float32,blas__ldflags=,optimizer=fast_compile"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
Arguments = collections.namedtuple("Arguments", "args varargs keywords defaults")
inspect.getargspec = lambda function: Arguments(*inspect.getfullargspec(function)[:4])
for name in ("Callable", "Iterable", "Mapping", "Sequence"):
    setattr(collections, name, getattr(collections.abc, name))
versions = types.ModuleType("pkg_resources")
versions.parse_version = lambda text: tuple(int(part) for part in text.split(".")[:2])
sys.modules["pkg_resources"] = versions
if BACKEND == "theano":
    import theano.ifelse
    import theano.sandbox.rng_mrg

    theano.sandbox.rng_mrg.MRG_RandomStreams = theano.sandbox.rng_mrg.MRG_RandomStream
else:
    import tensorflow.compat.v1 as tensorflow

    tensorflow.disable_v2_behavior()
    tensorflow.disable_control_flow_v2()
    from tensorflow.python.ops import control_flow_ops

    control_flow_ops.while_loop = tensorflow.while_loop

import keras
import numpy
from keras.layers import *  # noqa: F403
from keras.models import Model, Sequential

if BACKEND == "tensorflow":
    for module in list(sys.modules.values()):
        if module.__name__.startswith("keras.") and hasattr(module, "tf"):
            module.tf = tensorflow
    tensorflow.random.set_random_seed(1)
assert keras.__version__ == "1.2.2"
numpy.random.seed(1)
keras.backend.set_image_dim_ordering("th" if BACKEND == "theano" else "tf")
expected = {}


def note(name, model, *inputs):
    rng = numpy.random.RandomState(3)
    model.set_weights([rng.uniform(0.05, 0.6, weight.shape) * rng.choice([-1, 1], weight.shape) ** (weight.ndim > 1) for weight in model.get_weights()])
    if getattr(model, "optimizer", None) is not None:
        targets = [numpy.zeros(part.shape) for part in (lambda outputs: outputs if isinstance(outputs, list) else [outputs])(model.predict(list(inputs)))]
        model.fit(list(inputs), targets, nb_epoch=1, verbose=0)
    model.save(FOLDER / f"{name}.h5")
    outputs = model.predict(list(inputs))
    for number, array in enumerate(inputs):
        expected[f"{name}/input{number}"] = array
    for number, array in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        expected[f"{name}/output{number}"] = array


def values(*shape):
    return numpy.random.RandomState(2).normal(size=shape).astype("float32")


def images(ordering):
    """2-D layers; `ordering`: of dimensions. What Theano pads for "same" is not what others do, but for odd kernels."""
    shape = (9, 8, 3) if ordering == "tf" else (3, 9, 8)
    channels = -1 if ordering == "tf" else 1
    layers = [
        Convolution2D(4, 3, 2 if ordering == "tf" else 3, input_shape=shape, border_mode="same", activation="relu", W_regularizer="l2", W_constraint=keras.constraints.maxnorm(2.0)),
        BatchNormalization(axis=channels), LeakyReLU(0.2), ZeroPadding2D((1, 2)), MaxPooling2D((2, 2), border_mode="same" if ordering == "tf" else "valid"), SpatialDropout2D(0.1),
        AtrousConvolution2D(3, 2, 2, atrous_rate=(2, 2), bias=False), UpSampling2D((2, 2)), AveragePooling2D((2, 2), strides=(1, 1)), Cropping2D(((1, 0), (0, 1))),
        GaussianNoise(0.1), Dropout(0.3), Flatten(), Dense(5, init="he_normal", b_regularizer="l1"), ELU(), Dense(2, activation="hard_sigmoid"),
    ]  # fmt: skip
    if ordering == "tf":
        layers.insert(7, SeparableConvolution2D(4, 2, 2, depth_multiplier=2, border_mode="same", subsample=(1, 1)))
    model = Sequential(layers)
    model.compile("adam", "mse", metrics=["accuracy"])
    return model, values(4, *shape)


def texts():
    given = Input((6,), dtype="int32")
    found = Embedding(11, 4, dropout=0.1)(given)
    found = Bidirectional(LSTM(3, return_sequences=True, forget_bias_init="one"))(found)
    found = GRU(4, return_sequences=True, consume_less="gpu")(found)
    found = TimeDistributed(Dense(3, activation="tanh"))(found)
    found = Convolution1D(5, 3, border_mode="same", subsample_length=1)(found)
    found = MaxPooling1D(2)(found)
    found = LSTM(3, return_sequences=True, dropout_W=0.1, dropout_U=0.1)(found)
    found = LSTM(4, return_sequences=True, consume_less="gpu")(found)
    found = SimpleRNN(4, return_sequences=True)(found)
    model = Model(given, [GRU(3)(found), GlobalMaxPooling1D()(found)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, decay=1e-3), "mse")
    return model, numpy.random.RandomState(2).randint(0, 11, (4, 6)).astype("int32")


def merges():
    one, other = Input((5,)), Input((5,))
    inner = Sequential([Dense(5, input_dim=5, activation="relu"), Dropout(0.5), Dense(5)])
    shared = Dense(5, name="shared")
    a, b = shared(inner(one)), shared(other)
    parts = [merge([a, b], mode=mode) for mode in ("sum", "mul", "ave", "max")]
    parts.append(merge([a, b], mode="dot", dot_axes=1))
    joined = merge(parts, mode="concat", concat_axis=-1)
    return Model([one, other], PReLU()(Dense(3)(joined))), values(4, 5), values(4, 5)[::-1].copy()


def nested():
    """Models in a model list their weights together, without a name of their own."""
    inner = Sequential([Convolution1D(4, 2, input_shape=(7, 3)), BatchNormalization(), MaxPooling1D()])
    return Sequential([inner, LSTM(3, return_sequences=True), Sequential([GRU(2, input_shape=(3, 3)), Dense(3)]), Dense(2)]), values(4, 7, 3)


def volumes():
    return Sequential([Convolution3D(2, 2, 3, 2, input_shape=(5, 5, 4, 2), dim_ordering="tf"), MaxPooling3D((2, 2, 2), dim_ordering="tf"), Flatten()]), values(4, 5, 5, 4, 2)


def transposed(ordering):
    shape, out = ((4, 4, 3), (None, 9, 9, 2)) if ordering == "tf" else ((3, 4, 4), (None, 2, 9, 9))
    return Sequential([Deconvolution2D(2, 3, 3, out, subsample=(2, 2), input_shape=shape)]), values(4, *shape)


if BACKEND == "tensorflow":
    for name, made in (("images", lambda: images("tf")), ("texts", texts), ("merges", merges), ("nested", nested), ("volumes", volumes),
                       ("transposed", lambda: transposed("tf"))):  # fmt: skip
        note(name, *made())
else:
    note("images_theano", *images("th"))
    note("transposed_theano", *transposed("th"))
    note("padded_theano", Sequential([MaxPooling2D((2, 2), border_mode="same", input_shape=(3, 4, 4)), Flatten(), Dense(1)]), values(4, 3, 4, 4))
if (FOLDER / "expected.npz").exists():
    expected = {**numpy.load(FOLDER / "expected.npz"), **expected}
numpy.savez_compressed(FOLDER / "expected.npz", **expected)
