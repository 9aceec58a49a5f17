"""Models of Keras and TensorFlow in every file that they are kept in, and TFLite's: rows of benign.BENIGN."""

import functools
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Layers by their arguments and the shape of an input.
LAYERS = {
    "Dense": ((3,), (4,)), "EinsumDense": (("ab,bc->ac", 3), (4,)), "Embedding": ((8, 3), (4,)), "Conv1D": ((2, 3), (8, 3)), "Conv2D": ((2, 3), (8, 8, 3)),
    "Conv3D": ((2, 2), (4, 4, 4, 1)), "SeparableConv1D": ((2, 3), (8, 3)), "SeparableConv2D": ((2, 3), (8, 8, 3)), "DepthwiseConv1D": ((3,), (8, 3)),
    "DepthwiseConv2D": ((3,), (8, 8, 3)), "Conv1DTranspose": ((2, 3), (8, 3)), "Conv2DTranspose": ((2, 3), (8, 8, 3)), "Conv3DTranspose": ((2, 2), (4, 4, 4, 1)),
    "MaxPooling1D": ((), (8, 3)), "MaxPooling2D": ((), (8, 8, 3)), "MaxPooling3D": ((), (4, 4, 4, 1)), "AveragePooling1D": ((2,), (8, 3)), "AveragePooling2D": ((2,), (8, 8, 3)),
    "GlobalMaxPooling1D": ((), (8, 3)), "GlobalMaxPooling2D": ((), (8, 8, 3)), "GlobalAveragePooling1D": ((), (8, 3)), "GlobalAveragePooling2D": ((), (8, 8, 3)),
    "AdaptiveAveragePooling2D": ((2,), (8, 8, 3)), "LSTM": ((3,), (5, 4)), "GRU": ((3,), (5, 4)), "SimpleRNN": ((3,), (5, 4)), "ConvLSTM1D": ((2, 3), (4, 8, 3)),
    "ConvLSTM2D": ((2, 3), (4, 8, 8, 3)), "BatchNormalization": ((), (4,)), "LayerNormalization": ((), (4,)), "UnitNormalization": ((), (4,)), "RMSNormalization": ((), (4,)),
    "GroupNormalization": ((2,), (8, 8, 4)), "Dropout": ((0.1,), (4,)), "AlphaDropout": ((0.1,), (4,)), "SpatialDropout1D": ((0.1,), (8, 3)), "SpatialDropout2D": ((0.1,), (8, 8, 3)),
    "GaussianDropout": ((0.1,), (4,)), "GaussianNoise": ((0.1,), (4,)), "ActivityRegularization": ((0.1,), (4,)), "Flatten": ((), (4, 2)), "Reshape": (((8,),), (4, 2)),
    "Permute": (((2, 1),), (4, 2)), "RepeatVector": ((3,), (4,)), "Cropping1D": ((), (8, 3)), "Cropping2D": ((), (8, 8, 3)), "ZeroPadding1D": ((), (8, 3)),
    "ZeroPadding2D": ((), (8, 8, 3)), "ZeroPadding3D": ((), (4, 4, 4, 1)), "UpSampling1D": ((), (8, 3)), "UpSampling2D": ((), (8, 8, 3)), "Masking": ((), (8, 3)),
    "ReLU": ((), (4,)), "LeakyReLU": ((), (4,)), "PReLU": ((), (4,)), "ELU": ((), (4,)), "Softmax": ((), (4,)), "Activation": (("gelu",), (4,)), "Identity": ((), (4,)),
    "Rescaling": ((0.5,), (4,)), "Normalization": ((), (4,)), "Discretization": (([0.0, 1.0],), (4,)), "CategoryEncoding": ((4,), (4,)), "Hashing": ((4,), (4,)),
    "CenterCrop": ((4, 4), (8, 8, 3)), "Resizing": ((4, 4), (8, 8, 3)), "RandomCrop": ((4, 4), (8, 8, 3)), "RandomFlip": ((), (8, 8, 3)), "RandomRotation": ((0.1,), (8, 8, 3)),
    "RandomZoom": ((0.1,), (8, 8, 3)), "RandomContrast": ((0.1,), (8, 8, 3)), "RandomBrightness": ((0.1,), (8, 8, 3)), "RandomTranslation": ((0.1, 0.1), (8, 8, 3)),
    "SpectralNormalization": ("Dense", (4,)), "TimeDistributed": ("Dense", (5, 4)), "Bidirectional": ("LSTM", (5, 4)), "Add": ("merge", (4,)), "Subtract": ("merge", (4,)),
    "Multiply": ("merge", (4,)), "Average": ("merge", (4,)), "Maximum": ("merge", (4,)), "Minimum": ("merge", (4,)), "Concatenate": ("merge", (4,)), "Dot": ("dot", (4,)),
    "MultiHeadAttention": ("attend", (5, 4)), "GroupQueryAttention": ("query", (5, 4)), "Attention": ("merge", (5, 4)), "AdditiveAttention": ("merge", (5, 4)),
    "StringLookup": ("words", (1,)), "IntegerLookup": ("numbers", (1,)), "TextVectorization": ("text", (1,)),
}  # fmt: skip
OPTIMIZERS = "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lion Nadam RMSprop SGD LossScaleOptimizer".split()
OWN = "LayerScale StochasticDepth CustomScaleLayer".split()
KINDS = "keras h5 weights.h5 weights.json".split()
# Of these Keras cannot make an .h5 (two variables of one name, a module in the config), or it has no weights to keep.
NO_H5 = {"StringLookup", "IntegerLookup", "TextVectorization", "RandomBrightness", "Adafactor"}


@functools.cache
def frameworks():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow

    return keras, tensorflow


def layer_model(name):
    keras, _ = frameworks()
    layers = keras.layers
    arguments, shape = LAYERS[name]
    of = getattr(layers, name)
    kind = {"StringLookup": "string", "TextVectorization": "string", "IntegerLookup": "int64", "Embedding": "int32", "Hashing": "string", "CategoryEncoding": "int32"}.get(name, "float32")
    given = keras.Input(shape, dtype=kind)
    match arguments:
        case "Dense" | "LSTM":
            found = of(getattr(layers, arguments)(3))(given)
        case "merge":
            found = of()([given, layers.Dense(shape[-1])(given)])
        case "dot":
            found = of(axes=1)([given, layers.Dense(4)(given)])
        case "attend":
            found = of(2, 3)(given, given)
        case "query":
            found = of(4, 2, 1)(given, given)
        case "words":
            found = of(vocabulary=["a", "b"])(given)
        case "numbers":
            found = of(vocabulary=[3, 5])(given)
        case "text":
            found = of(vocabulary=["a", "b"], ngrams=2, output_mode="multi_hot", max_tokens=3)(given)
        case _:
            found = of(*arguments)(given)
    return keras.Model(given, found)


def compiled(optimizer="Adam"):
    """Regularizers, initializers, constraints, losses and metrics by name and by object."""
    keras, _ = frameworks()
    layers = keras.layers
    wheel = getattr(keras.optimizers, optimizer)
    wheel = wheel(keras.optimizers.SGD(0.1)) if optimizer == "LossScaleOptimizer" else wheel(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, "relu", kernel_regularizer=keras.regularizers.L1L2(0.1, 0.1), kernel_initializer=keras.initializers.HeNormal(seed=1)),
            layers.Dense(5, activation=keras.activations.swish, kernel_constraint=keras.constraints.MaxNorm(2), bias_initializer="zeros"),
            layers.Dense(2, "softmax", kernel_initializer="orthogonal", kernel_regularizer="l2"),
        ]
    )
    model.compile(wheel, keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics=["accuracy", keras.metrics.AUC(), keras.metrics.TopKCategoricalAccuracy(2)])
    model.optimizer.build(model.trainable_variables)
    return model


def nested():
    keras, _ = frameworks()
    layers = keras.layers
    image, words = keras.Input((8, 8, 3), name="image"), keras.Input((6,), dtype="int32", name="words")
    seen = keras.Sequential([layers.Conv2D(2, 3), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D()], name="see")(image / 255.0)
    read = layers.Bidirectional(layers.GRU(2, return_sequences=True))(layers.Embedding(10, 3, mask_zero=True)(words))
    joined = layers.Concatenate()([seen, layers.GlobalMaxPooling1D()(read)])
    stack = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])(read)
    return keras.Model({"image": image, "words": words}, {"a": layers.Dense(1)(joined), "b": keras.ops.mean(stack, axis=-1) * 2 + 1})


def saved(model, folder, name, kind):
    path = folder / f"{name}.{kind}"
    if kind == "weights.json":
        model.save_weights(path, max_shard_size=1e-6)
    else:
        model.save_weights(path) if kind == "weights.h5" else model.save(path)
    return folder if kind == "weights.json" else path


def layer_file(kind, folder, name):
    return saved(layer_model(name), folder, name.lower(), kind)


def optimizer_file(kind, folder, name):
    return saved(compiled(name), folder, name.lower(), kind)


def nested_file(folder, name):
    return saved(nested(), folder, "nested", name)


def own_layer(kind, folder, name):
    """Layers that models of keras.applications have (ConvNeXt, InceptionResNetV2) and that Keras has nowhere else."""
    keras, _ = frameworks()
    from keras.src.applications import convnext, inception_resnet_v2

    given = keras.Input((4, 4, 3))
    if name == "CustomScaleLayer":
        found = inception_resnet_v2.CustomScaleLayer(0.2)([given, keras.layers.Conv2D(3, 1)(given)])
    else:
        found = convnext.LayerScale(1e-6, 3)(given) if name == "LayerScale" else convnext.StochasticDepth(0.1)(given)
    return saved(keras.Model(given, found), folder, name.lower(), kind)


def features(folder, name):
    keras, tf = frameworks()
    of = keras.utils.FeatureSpace
    kinds = {"a": "float_normalized", "b": "string_categorical", "c": of.integer_hashed(num_bins=4), "d": of.float_discretized(num_bins=3), "e": of.float_rescaled(scale=0.5), "f": "float", "g": "integer_categorical"}
    made = of(kinds, output_mode="concat", crosses=[of.cross(("b", "g"), 4)])
    made.adapt(tf.data.Dataset.from_tensor_slices({"a": [1.0, 2], "b": ["x", "y"], "c": [1, 2], "d": [0.1, 0.2], "e": [0.1, 0.2], "f": [0.1, 0.2], "g": [1, 2]}))
    made.save(folder / "features.keras")
    return folder / "features.keras"


def config_json(folder, name):
    path = folder / "model.json"
    path.write_text(nested().to_json())
    return path


# --- TensorFlow ---------------------------------------------------------------------------------------------------------------------------


def module():
    _, tf = frameworks()

    class Module(tf.Module):
        """Control flow, lookup tables, strings, random numbers, TensorArrays and a data set within functions."""

        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((4, 3)))
            self.steps = tf.Variable(0, dtype=tf.int64)
            keys = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
            self.table = tf.lookup.StaticHashTable(keys, -1)

        @tf.function(input_signature=[tf.TensorSpec([None, 4])])
        def linear(self, x):
            self.steps.assign_add(1)
            return {"y": tf.nn.softmax(x @ self.w)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def look(self, words):
            return {"id": self.table.lookup(tf.strings.lower(tf.strings.regex_replace(words, "[^a-z]", ""))), "parts": tf.strings.split(words).to_tensor("")}

        @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
        def loop(self, n):
            total, kept = tf.constant(0), tf.TensorArray(tf.int32, 0, dynamic_size=True)
            for i in tf.range(n):
                if i % 2 == 0:
                    total += i
                kept = kept.write(i, total)
            return {"total": total, "all": kept.stack(), "noise": tf.random.stateless_normal([2], [1, 2])}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def sum_of(self, x):
            data = tf.data.Dataset.from_tensor_slices(x).map(lambda v: v * 2).batch(2)
            return {"sum": data.reduce(0.0, lambda total, part: total + tf.reduce_sum(part))}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def decode(self, serialized):
            parsed = tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([2], tf.float32, [0.0, 0.0]), "s": tf.io.VarLenFeature(tf.string)})
            return {"x": parsed["x"]}

        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def image(self, data):
            seen = tf.image.resize(tf.io.decode_image(data, channels=3, expand_animations=False), (4, 4))
            return {"image": tf.cast(seen, tf.float32) / 255.0}

    return Module()


def saved_model(folder, name):
    keras, tf = frameworks()
    path = folder / name
    if name == "module":
        of = module()
        tf.saved_model.save(of, path, signatures={each: getattr(of, each) for each in ("linear", "look", "loop", "sum_of", "decode", "image")})
    elif name == "plain":
        of = tf.Module()
        of.v = tf.Variable([1.0])
        tf.saved_model.save(of, path)
    elif name == "exported":
        nested().export(str(path), verbose=False)
    elif name == "vectorized":
        layer_model("TextVectorization").export(str(path), verbose=False)
    else:
        tf.saved_model.save(compiled(), path)
    return path


def first_version(folder, name):
    """As TensorFlow 1 saved: a saver's placeholder has a default, a table is filled from an asset as the model is loaded."""
    _, tf = frameworks()
    v1 = tf.compat.v1
    (folder / "vocab.txt").write_text("a\nb\n")
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.string, [None], name="x")
        rate = v1.placeholder_with_default(tf.constant(0.5), [], name="rate")
        whole, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        table = v1.lookup.StaticHashTable(tf.lookup.TextFileInitializer(str(folder / "vocab.txt"), tf.string, whole, tf.int64, number), -1)
        y = tf.identity(tf.cast(table.lookup(x), tf.float32) * v1.get_variable("w", [], use_resource=name == "resource") * rate, "y")
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(folder / name))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        assets, saver = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS), v1.train.Saver(sharded=name == "sharded")
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, assets, main_op=v1.tables_initializer(), saver=saver)
        builder.save()
    return folder / name


def asset(folder, name):
    """A SavedModel whose table is read from a file of its own assets."""
    _, tf = frameworks()
    (folder / "vocab.txt").write_text("a\nb\n")

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            file = tf.saved_model.Asset(str(folder / "vocab.txt"))
            keys = tf.lookup.TextFileInitializer(file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
            self.table = tf.lookup.StaticVocabularyTable(keys, 1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def look(self, words):
            return {"id": self.table.lookup(words)}

    of = Module()
    tf.saved_model.save(of, folder / name, signatures=of.look)
    return folder / name


def checkpoint(folder, name):
    keras, tf = frameworks()
    if name == "objects":
        model = compiled()
        manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=model, optimizer=model.optimizer, step=tf.Variable(1)), folder, 2)
        manager.save(), manager.save()
    else:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.get_variable("w", [2, 3], initializer=tf.compat.v1.ones_initializer())
            session.run(tf.compat.v1.global_variables_initializer())
            version = tf.compat.v1.train.SaverDef.V1 if name == "v1" else tf.compat.v1.train.SaverDef.V2
            tf.compat.v1.train.Saver(write_version=version).save(session, str(folder / "model.ckpt"), global_step=10)
    return folder


def frozen(folder, name):
    _, tf = frameworks()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        given = tf.compat.v1.placeholder(tf.float32, [None, 4], "x")
        tf.nn.relu(given @ tf.constant([[1.0], [2.0], [3.0], [4.0]]), name="y")
        definition = session.graph.as_graph_def()
    path = folder / f"{name}.pb"
    path.write_bytes(definition.SerializeToString())
    return path


def tflite(folder, name):
    _, tf = frameworks()
    if name.startswith("Flex"):  # operators of TensorFlow that LiteRT does not have
        compute = tf.function(lambda given: tf.linalg.det(tf.math.tan(tf.math.erf(given))), input_signature=[tf.TensorSpec([2, 3, 3])])
        converter = tf.lite.TFLiteConverter.from_concrete_functions([compute.get_concrete_function()])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    else:
        converter = tf.lite.TFLiteConverter.from_keras_model(layer_model(name.split("-")[0]))
    if name.endswith("dynamic"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path = folder / f"{name}.tflite"
    path.write_bytes(converter.convert())
    return path


TFLITE = ["Dense", "FlexErf", "Conv2D-dynamic", "MultiHeadAttention", "Softmax", "UpSampling2D"]
# Files in the tree whose authors are Keras and TensorFlow.
GOLDEN = [
    *(f"python/tests/keras1/{name}.h5" for name in "images images_theano merges nested padded_theano texts transposed transposed_theano volumes".split()),
    *(f"python/tests/keras2/{name}" for name in ("conv.h5", "conv.keras", "graph.h5", "graph.keras")),
    *(f"holdall/formats/keras/testdata/{name}" for name in ("model.keras", "model.weights.h5", "sharded_00000.weights.h5")),
    *(f"holdall/formats/keras_h5/testdata/{name}.h5" for name in ("keras2", "keras3", "weights")),
    *(f"holdall/formats/tflite/testdata/{name}.tflite" for name in "blockwise dynamic float float16 full labelled signatures sparse types".split()),
    *(f"holdall/formats/tf_checkpoint/testdata/{name}" for name in ("dtypes.index", "old.ckpt", "sharded.index", "sliced.index")),
    "holdall/formats/tf_savedmodel/testdata/module",
]


def golden(folder, name):
    return ROOT / name


def each(family, names, make):
    return {f"{family}/{name}": functools.partial(make, name=name) for name in names}


def pickled(folder, name):
    """A model as pickle and joblib keep it: the bytes of a .keras file in a stream."""
    import pickle

    import joblib
    import numpy

    keras, _ = frameworks()
    model = layer_model("Dense")
    model.compile(optimizer="adam", loss="mse")
    shown = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="relu")])
    if name == "joblib":
        joblib.dump({"model": model, "again": model, "mean": numpy.zeros(9)}, folder / "model.joblib")
        return folder / "model.joblib"
    (folder / "model.pkl").write_bytes(pickle.dumps([model, shown, {"epochs": 3}], int(name)))
    return folder / "model.pkl"


def pickled_parts(folder, name):
    """What else of Keras and TensorFlow people pickle: a tokenizer of texts, what a training gave back, layers, tensors."""
    import pickle

    keras, tf = frameworks()
    from keras.src.legacy.preprocessing.text import Tokenizer

    words = Tokenizer(100, oov_token="<unknown>")
    words.fit_on_texts(["a first text", "a second"])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    run = model.fit(tf.zeros((2, 4)), tf.zeros((2, 1)), verbose=0)
    layers, losses = keras.layers, [keras.losses.MeanSquaredError(), keras.metrics.AUC(), keras.optimizers.Adam()]
    kept = [tf.constant([[1.0, 2.0]]), tf.constant(["a", "b"]), tf.float32, tf.TensorSpec([None, 2], tf.int64, "x"), tf.TensorShape([1, None])]
    found = {"tokenizer": words, "run": run, "parts": [layers.Dense(2), layers.LSTM(2), *losses], "tensors": {"kept": kept}}[name]
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(found))
    return folder / f"{name}.pickle"


def rows():
    found = each("keras-layer", LAYERS, functools.partial(layer_file, "keras"))
    found |= each("keras-layer-h5", [name for name in LAYERS if name not in NO_H5], functools.partial(layer_file, "h5"))
    found |= each("keras-optimizer", OPTIMIZERS, functools.partial(optimizer_file, "keras")) | each("keras-optimizer-h5", [name for name in OPTIMIZERS if name not in NO_H5], functools.partial(optimizer_file, "h5"))
    found |= each("keras-weights", ["Dense", "LSTM", "Conv2D", "MultiHeadAttention"], functools.partial(layer_file, "weights.h5"))
    found |= each("keras-nested", KINDS, nested_file) | each("keras-config", ["json"], config_json) | each("keras-golden", GOLDEN, golden)
    found |= each("keras-own", OWN, functools.partial(own_layer, "keras")) | each("keras-own-h5", OWN, functools.partial(own_layer, "h5")) | each("keras-pickled", ["2", "4", "5", "joblib"], pickled)
    found |= each("keras-pickled-parts", ["tokenizer", "run", "parts", "tensors"], pickled_parts)
    found |= each("keras-features", ["keras"], features)
    found |= each("savedmodel", ["module", "plain", "exported", "vectorized", "compiled"], saved_model) | each("savedmodel-asset", ["table"], asset)
    found |= each("savedmodel-v1", ["resource", "reference", "sharded"], first_version)
    return found | each("tf-checkpoint", ["objects", "v1", "v2"], checkpoint) | each("tf-frozen", ["graph"], frozen) | each("tflite", TFLITE, tflite)
