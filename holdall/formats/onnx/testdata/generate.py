"""Writes this folder's models with onnx 1.23.2.

Usage: generate.py (in this folder). `encodings.onnx` has an initializer of each data type in each spelling, `places.onnx` tensors
everywhere that a model may have them, `external/` data in a file beside the model. The tables have name, dtype, shape and the
SHA-256 of the elements as `numpy_helper.to_array` gives them, packed as ONNX packs them.
"""

import hashlib
import pathlib

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
NAMES = {
    "float": "float32",
    "double": "float64",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1",
    "float6e2m3": "float6_e2m3",
    "float6e3m2": "float6_e3m2",
}
f32, i64 = np.float32, np.int64
# The values of places.onnx that stand in nodes, by the names of their tensors.
SPELLED = {
    "c_tensor": f32([[1, 2]]),
    "c_float": np.array(0.5, f32),
    "c_floats": f32([1.5, 2.5]),
    "c_int": np.array(-3, i64),
    "c_ints": i64([1, -1, 1 << 40]),
    "c_shape": i64([2]),
    "c_string": np.array("text", object),
    "c_strings": np.array(["a", "bc"], object),
    "fill/value": f32([9]),
    "linear/coefficients": f32([0.5, 2]),
    "Scale/c_float": np.array(3, f32),
}
BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2, "FLOAT6E2M3": 6, "FLOAT6E3M2": 6}


def name_of(number):
    name = TensorProto.DataType.Name(number).lower()
    return NAMES.get(name, name)


def row(tensor, array=None, name=None):
    """A line of a table. Elements that do not fill whole bytes have a byte each."""
    array = numpy_helper.to_array(tensor) if array is None else array
    kind, dtype = TensorProto.DataType.Name(tensor.data_type), name_of(tensor.data_type)
    bits = BITS.get(kind)
    if dtype == "string":
        data = b"".join(len(each.encode()).to_bytes(8, "little") + each.encode() for each in array.ravel().tolist())
    elif bits and array.size * bits % (24 if bits == 6 else 8):
        dtype = "int8" if kind.startswith("I") else "uint8"
        data = (array.view(np.uint8) if kind.startswith("F") else array.astype(dtype)).tobytes()
    elif bits:
        data = numpy_helper.from_array(array).raw_data
    else:
        data = array.tobytes()
    shape = ",".join(map(str, array.shape))
    return f"{name or tensor.name}\t{dtype}\t{shape}\t{hashlib.sha256(data).hexdigest()}\n"


def values(number, count):
    """Elements of a data type: small numbers of both signs, and what is odd in it."""
    if number == TensorProto.STRING:
        return np.array(["", "a", "Grüße", "x" * 300][:count], object)
    dtype = helper.tensor_dtype_to_np_dtype(number)
    if number == TensorProto.BOOL:
        return np.arange(count) % 3 == 0
    if np.issubdtype(dtype, np.complexfloating):
        return (np.arange(count) * (1 - 2j)).astype(dtype)
    bits = BITS.get(TensorProto.DataType.Name(number), 8 * dtype.itemsize)
    codes = np.random.default_rng(number).integers(0, 256, (count, dtype.itemsize), np.uint8)
    if bits < 8:
        codes &= (1 << bits) - 1
    if np.issubdtype(dtype, np.floating) and dtype.itemsize > 1:
        return np.linspace(-3, 3, count).astype(dtype)
    if dtype in (np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.int2)):
        codes = ((codes.astype(np.int16) ^ (1 << (bits - 1))) - (1 << (bits - 1))).astype(np.int8)
        return codes.ravel().astype(dtype)
    return codes.view(dtype).ravel()


def spelled(name, number, array):
    """The tensor with its values in the field of its type."""
    tensor = numpy_helper.from_array(array, name)
    if number == TensorProto.STRING:
        return tensor
    raw = tensor.raw_data
    tensor.ClearField("raw_data")
    field = helper.tensor_dtype_to_field(number)
    kind = TensorProto.DataType.Name(number)
    if field == "float_data":
        tensor.float_data.extend(np.frombuffer(raw, np.float32))
    elif field == "double_data":
        tensor.double_data.extend(np.frombuffer(raw, np.float64))
    elif BITS.get(kind) == 6:
        tensor.int32_data.extend(array.ravel().view(np.uint8).tolist())
    elif kind in BITS:
        tensor.int32_data.extend(np.frombuffer(raw, np.uint8).tolist())
    else:
        signed = kind in ("INT8", "INT16", "INT32", "INT64")
        integers = np.frombuffer(raw, f"{'i' if signed else 'u'}{array.dtype.itemsize}")
        getattr(tensor, field).extend(integers.tolist())
    return tensor


def model(graph, **options):
    options.setdefault("opset_imports", [helper.make_opsetid("", 24), helper.make_opsetid("ai.onnx.ml", 5)])
    made = helper.make_model(graph, producer_name="holdall-tests", producer_version="1", **options)
    made.ir_version = 13
    return made


def identity(initializers, **options):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])
    node = helper.make_node("Identity", ["x"], ["y"])
    return helper.make_graph([node], "encodings", [x], [y], initializers, **options)


def encodings():
    tensors, table = [], []
    for number in sorted(TensorProto.DataType.values()):
        if number == TensorProto.UNDEFINED:
            continue
        kind = TensorProto.DataType.Name(number).lower()
        for count, label in ((12, ""), (3, "_odd")) if kind.upper() in BITS else ((4, ""),):
            array = values(number, count)
            array = array.reshape(2, -1) if count % 2 == 0 else array
            if kind != "string":
                tensors.append(numpy_helper.from_array(array, f"{kind}{label}_raw"))
            tensors.append(spelled(f"{kind}{label}_values", number, array))
    for tensor in tensors:
        table.append(row(tensor))
    scalar = numpy_helper.from_array(np.float32(2.5), "scalar")
    empty = numpy_helper.from_array(np.zeros((0, 3), np.int64), "empty")
    table += [row(scalar), row(empty)]
    made = model(identity([*tensors, scalar, empty]))
    helper.set_model_props(made, {"author": "nobody", "licence": "none"})
    onnx.save(made, HERE / "encodings.onnx")
    (HERE / "encodings.tsv").write_text("".join(table))


def places():
    table, proto = [], numpy_helper.from_array
    weight = proto(np.arange(6, dtype=np.float32).reshape(3, 2), "weight")
    dense = np.zeros((3, 4), np.float32)
    dense.flat[[1, 5, 11]] = [1, 2, 3]
    sparse = helper.make_sparse_tensor(proto(np.float32([1, 2, 3]), "sparse"), proto(np.int64([1, 5, 11]), "at"), [3, 4])
    pairs = np.zeros((2, 2), np.float64)
    pairs[1, 0] = 7
    coordinates = helper.make_sparse_tensor(proto(np.float64([7]), "pairs"), proto(np.int64([[1, 0]]), "at"), [2, 2])
    constant = lambda output, **value: helper.make_node("Constant", [], [output], **value)
    branch_weight = proto(np.float32([5, 6]), "w")
    table += [row(weight), row(sparse.values, dense), row(coordinates.values, pairs)]
    table += [row(branch_weight, name="chosen/then_branch/w"), row(branch_weight, name="chosen/else_branch/w")]

    def branch(name):
        output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
        node = helper.make_node("Add", ["product", "w"], ["out"])
        return helper.make_graph([node], name, [], [output], [branch_weight])

    nodes = [
        constant("c_tensor", value=proto(np.float32([[1, 2]]), "inner")),
        constant("c_float", value_float=0.5),
        constant("c_floats", value_floats=[1.5, 2.5]),
        constant("c_int", value_int=-3),
        constant("c_ints", value_ints=[1, -1, 1 << 40]),
        constant("c_shape", value_ints=[2]),
        constant("c_string", value_string="text"),
        constant("c_strings", value_strings=["a", "bc"]),
        constant("c_sparse", sparse_value=sparse),
        helper.make_node("ConstantOfShape", ["c_shape"], ["unused"], value=proto(np.float32([9]), "v"), name="fill"),
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("LinearRegressor", ["product"], ["score"], domain="ai.onnx.ml", name="linear", coefficients=[0.5, 2.0]),
        helper.make_node("Greater", ["score", "c_float"], ["which"]),
        helper.make_node("Squeeze", ["which"], ["one"]),
        helper.make_node("If", ["one"], ["chosen_out"], name="chosen", then_branch=branch("a"), else_branch=branch("b")),
        helper.make_node("Scale", ["chosen_out"], ["y"], domain="own"),
    ]
    for name, array in SPELLED.items():
        number = TensorProto.STRING if array.dtype == object else helper.np_dtype_to_tensor_dtype(array.dtype)
        table.append(row(TensorProto(data_type=number), array, name))
    table.append(row(sparse.values, dense, "c_sparse"))
    body = [constant("c_float", value_float=3.0), helper.make_node("Mul", ["a", "c_float"], ["b"])]
    function = helper.make_function("own", "Scale", ["a"], ["b"], body, [helper.make_opsetid("", 24)])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "places", [x], [y], [weight], sparse_initializer=[sparse, coordinates])
    opsets = [helper.make_opsetid("", 24), helper.make_opsetid("ai.onnx.ml", 5), helper.make_opsetid("own", 1)]
    onnx.save(model(graph, functions=[function], opset_imports=opsets), HERE / "places.onnx")
    (HERE / "places.tsv").write_text("".join(table))


def external():
    folder = HERE / "external"
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx.data").unlink(missing_ok=True)
    arrays = {"big": np.arange(700, dtype=np.float32), "half": np.arange(600, dtype=np.float16)}
    small = numpy_helper.from_array(np.float32([1, 2]), "small")
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    made = model(identity([*tensors, small]))
    onnx.save(made, folder / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=100)
    (folder / "tensors.tsv").write_text("".join(row(tensor) for tensor in [*map(numpy_helper.from_array, arrays.values(), arrays), small]))


if __name__ == "__main__":
    encodings()
    places()
    external()
