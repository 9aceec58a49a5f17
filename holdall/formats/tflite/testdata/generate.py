"""Golden files for tflite_test.cc, and what tests/real makes its models with.

Usage: generate.py (in this folder). Converted by TensorFlow 2.21.0; made by hand with flatbuffers 25.12.19 and the schema module of
ai-edge-litert 2.3.0 where no converter makes such a file. digests.tsv tells of every constant: file, name, dtype, shape, SHA-256 of
what ai-edge-litert's interpreter has, and of NumPy's scale * (q - zero_point) in float32 where it is quantised.
"""

import hashlib
import io
import os
import pathlib
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

HERE = pathlib.Path(__file__).parent
WEIGHTS = np.random.default_rng(7).normal(size=(48, 24)).astype(np.float32)


def weights(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def converted(kind, dense=None, conv=None):
    """A network of a convolution and a dense layer; kind: float, dynamic, float16, full."""
    import tensorflow as tf

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.conv = tf.Variable(weights(1, (3, 3, 8, 16)) if conv is None else conv, name="conv")
            self.conv_bias = tf.Variable(weights(2, (16,)), name="conv_bias")
            self.dense = tf.Variable(weights(3, (64, 20)) if dense is None else dense, name="dense")
            self.dense_bias = tf.Variable(weights(4, (20,)), name="dense_bias")

        @tf.function(input_signature=[tf.TensorSpec([1, 4, 4, 8], tf.float32, name="x")])
        def features(self, x):
            return {"f": tf.nn.relu(tf.nn.conv2d(x, self.conv, 2, "SAME") + self.conv_bias)}

        @tf.function(input_signature=[tf.TensorSpec([1, 4, 4, 8], tf.float32, name="x")])
        def scores(self, x):
            return {"y": tf.matmul(tf.reshape(self.features(x)["f"], [1, 64]), self.dense) + self.dense_bias}

    net = Net()
    functions = [net.scores.get_concrete_function()]
    if kind == "signatures":
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(net, folder, signatures={"scores": net.scores, "features": net.features})
            return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["scores", "features"]).convert()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(functions, net)
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "full":
        converter.representative_dataset = lambda: ([weights(100 + i, (1, 4, 4, 8))] for i in range(8))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter.convert()


class Made:
    """A model put together by hand: one subgraph, and whatever the test wants of it."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "made by hand"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.model.metadata = []
        self.graph = schema.SubGraphT()
        self.graph.name = "main"
        self.graph.tensors, self.graph.inputs, self.graph.outputs, self.graph.operators = [], [], [], []
        self.model.subgraphs = [self.graph]

    def buffer(self, data):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(bytes(data), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def tensor(self, name, type_, shape, data=None, scale=None, zero_point=None, axis=0, buffer=None):
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape = name, type_, list(shape)
        tensor.buffer = buffer if buffer is not None else 0 if data is None else self.buffer(data)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.float32(scale)
            tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64) if zero_point is None else np.int64(zero_point)
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, code, inputs, outputs, custom=None):
        known = schema.OperatorCodeT()
        known.builtinCode = code
        known.deprecatedBuiltinCode = min(code, 127)
        known.customCode = custom
        self.model.operatorCodes.append(known)
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = len(self.model.operatorCodes) - 1, list(inputs), list(outputs)
        self.graph.operators.append(op)
        return op

    def metadata(self, name, data):
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self.buffer(data)
        self.model.metadata.append(entry)

    def bytes(self):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def identity(made, type_, shape):
    """An operator, without which the interpreter takes no graph: a sum of two inputs."""
    a, b, c = (made.tensor(name, type_, shape) for name in ("a", "b", "sum"))
    op = made.operator(schema.BuiltinOperator.ADD, [a, b], [c])
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    made.graph.inputs, made.graph.outputs = [a, b], [c]


def packed_strings(texts):
    table = np.cumsum([4 * (len(texts) + 2)] + [len(each) for each in texts]).astype("<i4")
    return np.int32(len(texts)).tobytes() + table.tobytes() + b"".join(texts)


def types():
    made = Made()
    identity(made, schema.TensorType.FLOAT32, [2])
    random = np.random.default_rng(5)
    for name, number in sorted(vars(schema.TensorType).items(), key=lambda each: str(each[1])):
        if not isinstance(number, int) or name in ("RESOURCE", "VARIANT"):
            continue
        if name == "STRING":
            made.tensor("STRING", number, [2, 2], packed_strings([b"one", b"", "zwölf".encode(), b"\x00\xff"]))
            continue
        bits = {"INT4": 4, "UINT4": 4, "INT2": 2, "COMPLEX128": 128, "BOOL": 8}.get(name)
        if bits is None:
            bits = int("".join(c for c in name.split("_")[0] if c.isdigit()))
        data = random.integers(0, 2 if name == "BOOL" else 120, 12 * bits // 8, np.uint8).tobytes()
        made.tensor(name, number, [3, 4], data)
    made.tensor("odd", schema.TensorType.INT4, [5], bytes([0x21, 0xF3, 0x08]), [0.5])
    made.tensor("scalar", schema.TensorType.FLOAT32, [], np.float32(3).tobytes())
    made.tensor("none", schema.TensorType.INT32, [1, 3])
    variable = made.tensor("variable", schema.TensorType.FLOAT32, [4])
    made.graph.tensors[variable].isVariable = True
    made.tensor("scalar", schema.TensorType.INT32, [1], np.int32(4).tobytes())
    made.tensor("", schema.TensorType.INT32, [1], np.int32(5).tobytes())
    shared = made.tensor("first", schema.TensorType.INT32, [2, 2], np.arange(4, dtype=np.int32).tobytes())
    made.tensor("second", schema.TensorType.INT32, [4], buffer=made.graph.tensors[shared].buffer)
    return made.bytes()


def sparse():
    """DENSIFY of CSR and of blocks; the outputs are what LiteRT makes of them."""
    made = Made()

    def dimension(size=None, segments=None, indices=None, kind="Int32"):
        entry = schema.DimensionMetadataT()
        if size is not None:
            entry.denseSize = size
            return entry
        entry.format = schema.DimensionType.SPARSE_CSR
        number = getattr(schema.SparseIndexVector, kind + "Vector")
        for field, values in (("arraySegments", segments), ("arrayIndices", indices)):
            vector = getattr(schema, kind + "VectorT")()
            vector.values = np.array(values, {"Int32": np.int32, "Uint16": np.uint16, "Uint8": np.uint8}[kind])
            setattr(entry, field, vector)
            setattr(entry, field + "Type", number)
        return entry

    def densified(name, type_, shape, data, order, block_map, dimensions):
        weights_ = made.tensor(name, type_, shape, data)
        sparsity = schema.SparsityParametersT()
        sparsity.traversalOrder, sparsity.blockMap, sparsity.dimMetadata = order, block_map, dimensions
        made.graph.tensors[weights_].sparsity = sparsity
        out = made.tensor(name + "_dense", type_, shape)
        op = made.operator(schema.BuiltinOperator.DENSIFY, [weights_], [out])
        op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.DensifyOptions, schema.DensifyOptionsT()
        made.graph.outputs.append(out)

    csr = [dimension(3), dimension(None, [0, 2, 2, 3], [0, 3, 1])]
    densified("csr", schema.TensorType.FLOAT32, [3, 4], np.float32([1.5, -2, 3]).tobytes(), [0, 1], [], csr)
    columns = [dimension(4), dimension(None, [0, 1, 1, 3, 3], [2, 0, 1], "Uint8")]
    densified("columns", schema.TensorType.INT8, [3, 4], np.int8([7, -8, 9]).tobytes(), [1, 0], [], columns)
    blocks = [dimension(2), dimension(None, [0, 1, 2], [1, 0], "Uint16"), dimension(2), dimension(2)]
    values = np.arange(1, 9, dtype=np.float32).tobytes()
    densified("blocks", schema.TensorType.FLOAT32, [4, 4], values, [0, 1, 2, 3], [0, 1], blocks)
    return made.bytes()


def blockwise():
    """A dense layer with int4 weights, whose scales are a float16 tensor: one for every 32 along a row."""
    made = Made()
    x = made.tensor("x", schema.TensorType.FLOAT32, [1, 64])
    data = np.random.default_rng(8).integers(0, 256, 4 * 64 // 2, np.uint8).tobytes()
    w = made.tensor("w", schema.TensorType.INT4, [4, 64], data)
    scales = made.tensor("scales", schema.TensorType.FLOAT16, [4, 2], np.float16(np.linspace(0.01, 0.1, 8)).tobytes())
    y = made.tensor("y", schema.TensorType.FLOAT32, [1, 4])
    details = schema.BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = scales, -1, 32
    quantization = schema.QuantizationParametersT()
    quantization.detailsType, quantization.details = schema.QuantizationDetails.BlockwiseQuantization, details
    made.graph.tensors[w].quantization = quantization
    op = made.operator(schema.BuiltinOperator.FULLY_CONNECTED, [x, w, -1], [y])
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, schema.FullyConnectedOptionsT()
    made.graph.inputs, made.graph.outputs = [x], [y]
    return made.bytes()


def beyond(size=64, padding=0):
    """Schema 3c: the data of a buffer behind the flatbuffer. What it says has fixed sizes, so that it is made twice."""
    values = np.arange(size, dtype=np.float32)

    def made_with(offset):
        made = Made()
        a, c = (made.tensor(name, schema.TensorType.FLOAT32, [size]) for name in ("a", "sum"))
        b = made.tensor("far", schema.TensorType.FLOAT32, [size], buffer=1)
        buffer = schema.BufferT()
        buffer.offset, buffer.size = offset, values.nbytes
        made.model.buffers.append(buffer)
        op = made.operator(schema.BuiltinOperator.ADD, [a, b], [c])
        op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
        made.graph.inputs, made.graph.outputs = [a], [c]
        return made.bytes()

    offset = (len(made_with(2)) + 15) // 16 * 16 + padding
    return made_with(offset), offset, values


def beyond_bytes():
    head, offset, values = beyond()
    return head.ljust(offset, b"\0") + values.tobytes()


def model_metadata():
    """TFLite Metadata by field numbers (metadata_schema.fbs): what tflite-support 0.4.4 reads the same of."""
    builder = flatbuffers.Builder(256)

    def table(fields):
        made = [(slot, value if callable(value) else value) for slot, value in fields]
        builder.StartObject(9)
        for slot, value in made:
            if isinstance(value, tuple):
                builder.PrependInt8Slot(slot, value[0], 0)
            else:
                builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        return builder.EndObject()

    def vector(items):
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        return builder.EndVector()

    text = builder.CreateString
    labels = table([(0, text("labels.txt")), (1, text("what the scores mean")), (2, (2,)), (3, text("en"))])
    def reals(values):
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return builder.EndVector()

    picture = table([(0, (2,)), (1, table([(0, (1,))]))])  # Content, a union: ImageProperties, RGB
    scaled = table([(0, (1,)), (1, table([(0, reals([127.5])), (1, reals([127.5]))]))])
    image = table([(0, text("image")), (2, vector([text("row"), text("column")])), (3, picture), (4, vector([scaled])),
                   (5, table([(0, reals([1.0])), (1, reals([-1.0]))]))])
    score = table([(0, text("score")), (1, text("one for each label")), (3, table([(0, (1,)), (1, table([]))])),
                   (6, vector([labels]))])
    graph = table([(0, text("main")), (2, vector([image])), (3, vector([score]))])
    model = table([(0, text("adder")), (1, text("adds")), (2, text("v1")), (3, vector([graph])), (4, text("a person")),
                   (5, text("Apache-2.0")), (7, text("1.0.0"))])
    builder.Finish(model, b"M001")
    return bytes(builder.Output())


def labelled():
    made = Made()
    identity(made, schema.TensorType.FLOAT32, [2])
    made.tensor("weight", schema.TensorType.FLOAT32, [2, 2], np.float32([[1, 2], [3, 4]]).tobytes())
    made.metadata("min_runtime_version", b"1.14.0".ljust(16, b"\0"))
    made.metadata("TFLITE_METADATA", model_metadata())
    file = io.BytesIO(made.bytes())
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo("labels.txt", (2020, 1, 1, 0, 0, 0))
        archive.writestr(info, "cat\ndog\n")
    return file.getvalue()


def operators(custom):
    """Custom operators: one by name, and TensorFlow's WriteFile on a path of the model's own."""
    made = Made()
    path = made.tensor("path", schema.TensorType.STRING, [1], packed_strings([b"/tmp/holdall-was-here"]))
    text = made.tensor("text", schema.TensorType.STRING, [1])
    made.operator(schema.BuiltinOperator.CUSTOM, [path, text], [], custom)
    made.graph.inputs = [text]
    return made.bytes()


def files():
    yield "float.tflite", converted("float")
    yield "dynamic.tflite", converted("dynamic")
    yield "float16.tflite", converted("float16")
    yield "full.tflite", converted("full")
    yield "signatures.tflite", converted("signatures")
    yield "types.tflite", types()
    yield "sparse.tflite", sparse()
    yield "blockwise.tflite", blockwise()
    yield "beyond.tflite", beyond_bytes()
    yield "labelled.tflite", labelled()
    yield "custom.tflite", operators("MyOperator")
    yield "flex.tflite", operators("FlexWriteFile")


def little(array):
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def packed(array, bits):
    """Elements of less than a byte, low bits first, as the file has them."""
    flat = array.reshape(-1).astype(np.int64) & ((1 << bits) - 1)
    flat = np.concatenate([flat, np.zeros(-len(flat) % (8 // bits), np.int64)]).reshape(-1, 8 // bits)
    return sum(flat[:, i] << (bits * i) for i in range(8 // bits)).astype(np.uint8).tobytes()


def dequantised(values, quantization):
    """scale * (q - zero_point) in float32."""
    scales, points = (np.asarray(quantization[key]) for key in ("scales", "zero_points"))
    if len(scales) > 1:
        shape = [1] * values.ndim
        shape[quantization["quantized_dimension"]] = -1
        scales, points = scales.reshape(shape), points.reshape(shape)
    return scales.astype(np.float32) * (values.astype(np.float32) - points.astype(np.float32))


def constants(path, subgraphs=1):
    """(name, array, quantisation) of what has data, by LiteRT's interpreter; before anything is allocated those alone have."""
    interpreter = Interpreter(model_path=str(path))
    for i in range(subgraphs):
        for detail in interpreter.get_tensor_details(i):
            try:
                yield i, detail, interpreter.get_tensor(detail["index"], i)
            except ValueError:
                continue


def main():
    rows = []
    for name, data in files():
        (HERE / name).write_bytes(data)
    for name in ("float.tflite", "dynamic.tflite", "float16.tflite", "full.tflite", "beyond.tflite", "labelled.tflite"):
        for _, detail, values in constants(HERE / name):
            quantization = detail["quantization_parameters"]
            real = "-"
            if len(quantization["scales"]) and values.dtype.kind in "iu":
                real = hashlib.sha256(little(dequantised(values, quantization))).hexdigest()
            shape = ",".join(map(str, values.shape))
            rows.append((name, detail["name"], values.dtype.name, shape, hashlib.sha256(little(values)).hexdigest(), real))
    (HERE / "digests.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
