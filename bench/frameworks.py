"""The work of Keras, h5py, TensorFlow, joblib, onnx, gguf, Flax, torch.jit, LiteRT, XGBoost and LightGBM, timed as rivals.py times
the others'; prints the seconds.

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


def matrices(count, floats):
    return {name: array.reshape(-1, 1024) for name, array in arrays(count, floats).items()}


def make_matrices(path, count, floats):
    from safetensors.numpy import save_file

    save_file(matrices(int(count), int(floats)), path)
    yield


def gguf_write(path, tensors, kind=None):
    import gguf

    writer = gguf.GGUFWriter(path, "bench")
    for name, array in tensors.items():
        writer.add_tensor(name, array if kind is None else gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_gguf(path, count, floats):
    gguf_write(path, matrices(int(count), int(floats)))
    yield


def gguf_quantize(path, out, kind):
    import gguf
    from safetensors.numpy import load_file

    yield
    gguf_write(out, load_file(path), gguf.GGMLQuantizationType[kind.upper()])


def gguf_load(path):
    import gguf
    import numpy

    yield
    return {each.name: numpy.array(each.data) for each in gguf.GGUFReader(path).tensors}


def gguf_list(path):
    import gguf

    yield
    for each in gguf.GGUFReader(path).tensors:
        print(each.name, each.tensor_type, each.shape, file=sys.stderr)


def make_flax(path, count, floats):
    from flax import serialization

    with open(path, "wb") as file:
        file.write(serialization.msgpack_serialize(arrays(int(count), int(floats))))
    yield


def flax_load(path):
    from flax import serialization

    yield
    with open(path, "rb") as file:
        return serialization.msgpack_restore(file.read())


def flax_list(path):
    from flax import serialization

    yield
    with open(path, "rb") as file:
        for name, array in serialization.msgpack_restore(file.read()).items():
            print(name, array.dtype, array.shape, file=sys.stderr)


def make_jit(path, count, floats):
    import torch

    module = torch.nn.Module()
    module.forward = lambda x: x
    for name, array in arrays(int(count), int(floats)).items():
        module.register_parameter(name, torch.nn.Parameter(torch.from_numpy(array)))
    torch.jit.trace(module, torch.zeros(1)).save(path)
    yield


def jit_load(path):
    import torch

    yield
    return {name: tensor.numpy() for name, tensor in torch.jit.load(path).state_dict().items()}


def jit_list(path):
    import torch

    yield
    for name, tensor in torch.jit.load(path).state_dict().items():
        print(name, tensor.dtype, tuple(tensor.shape), file=sys.stderr)

def make_tflite(path, count, floats):
    """Constants at multiples of 16, as the converter places them, beside a graph of one operator."""
    import flatbuffers
    import numpy
    from tensorflow.lite.python import schema_py_generated as schema

    class Data(schema.BufferT):
        def Pack(self, builder):
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            builder.Bytes[builder.head:builder.head + len(self.data)] = self.data.data
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return schema.BufferEnd(builder)

    def tensor(name, shape, buffer):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, schema.TensorType.FLOAT32, buffer
        return made

    weights = matrices(int(count), int(floats))
    code, graph, model = schema.OperatorCodeT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ABS
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0], [1]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [operator]
    graph.tensors = [tensor("x", [1], 0), tensor("y", [1], 0)]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    for name, array in weights.items():
        buffer = Data()
        buffer.data = array.view(numpy.uint8).ravel()
        model.buffers.append(buffer)
        graph.tensors.append(tensor(name, list(array.shape), len(model.buffers) - 1))
    builder = flatbuffers.Builder(sum(array.nbytes for array in weights.values()) + (1 << 20))
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(path, "wb") as file:
        file.write(memoryview(builder.Bytes)[builder.Head():])
    yield


def litert_load(path):
    from ai_edge_litert.interpreter import Interpreter

    yield
    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    return {each["name"]: interpreter.get_tensor(each["index"]) for each in interpreter.get_tensor_details() if each["name"].startswith("layer")}


def litert_list(path):
    from ai_edge_litert.interpreter import Interpreter

    yield
    for each in Interpreter(path).get_tensor_details():
        print(each["name"], each["dtype"], each["shape"], file=sys.stderr)


def rows():
    """What no few splits explain, so that trees become deep."""
    import numpy

    generator = numpy.random.default_rng(1)
    return generator.normal(size=(20_000, 8)).astype("f4"), generator.random(20_000).astype("f4")


def make_huggingface(folder):
    """What save_pretrained leaves of a small BERT and its tokenizer, with the same weights as pytorch_model.bin beside."""
    import torch
    import transformers

    os.makedirs(folder)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [a + b + c + d for a in letters for b in letters for c in letters for d in "aeiou"]
    vocabulary = os.path.join(folder, "vocab.txt")
    with open(vocabulary, "w") as file:
        file.writelines(f"{word}\n" for word in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words[:30_000]))
    transformers.BertTokenizerFast(vocabulary).save_pretrained(folder)
    torch.manual_seed(1)
    model = transformers.BertModel(transformers.BertConfig(vocab_size=30_005, hidden_size=256, num_hidden_layers=6, num_attention_heads=4, intermediate_size=1024))
    model.save_pretrained(folder)
    torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))
    with open(os.path.join(folder, "README.md"), "w") as file:
        file.write("---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n# A small BERT\n")
    yield


def make_xgboost(path, trees):
    """One model in both spellings: .ubj and .json."""
    import xgboost

    how = {"max_depth": 11, "min_child_weight": 0, "lambda": 0, "tree_method": "hist"}
    booster = xgboost.train(how, xgboost.DMatrix(*rows()), int(trees))
    booster.save_model(path)
    booster.save_model(os.path.splitext(path)[0] + ".json")
    yield


def xgboost_load(path):
    import xgboost

    yield
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster


def xgboost_list(path):
    import xgboost

    yield
    booster = xgboost.Booster()
    booster.load_model(path)
    print(booster.num_boosted_rounds(), booster.num_features(), file=sys.stderr)


def make_lightgbm(path, trees):
    import lightgbm

    how = {"verbose": -1, "num_leaves": 1023, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0}
    lightgbm.train(how, lightgbm.Dataset(*rows()), int(trees)).save_model(path)
    yield


def lightgbm_load(path):
    import lightgbm

    yield
    return lightgbm.Booster(model_file=path)


def lightgbm_list(path):
    import lightgbm

    yield
    booster = lightgbm.Booster(model_file=path)
    print(booster.num_trees(), booster.num_feature(), file=sys.stderr)


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


WORKS = (make_keras, make_h5_gzip, make_joblib, make_onnx, make_matrices, make_gguf, make_flax, make_jit, make_tflite, make_huggingface, make_xgboost, make_lightgbm, h5py_load,
         keras_load, tensorflow_load, joblib_load, onnx_load, gguf_load, flax_load, jit_load, litert_load, xgboost_load, lightgbm_load, gguf_quantize, keras_list,
         h5py_list, tensorflow_list, joblib_list, onnx_list, gguf_list, flax_list, jit_list, litert_list, xgboost_list, lightgbm_list)

if __name__ == "__main__":
    rivals.main(WORKS)
