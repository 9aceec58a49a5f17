"""Vectors in descriptions that Keras builds from where they are not looked for: the object graph of a SavedModel, dicts and lists around them."""

import contextlib
import json

from attack import EXPRESSION, FIRED, Table
from attack_files import zip_of
from attack_formats import DENSE, LAMBDA, layer, sequential

ATTACKS = Table()
CODE = ("code", "malicious")


# --- SavedModels of TensorFlow 2.0 to 2.4 ----------------------------------------------------------------------------------------
def saved(name, metadata, verdicts=CODE, later=None):
    """`later`: the bytes of the file in which later versions look first."""

    @ATTACKS.made(f"nested-config/tf_object_graph_{name}", verdicts)
    def _(folder):
        from tensorflow.core.protobuf import saved_model_pb2

        model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
        graph = model.meta_graphs.add()
        graph.meta_info_def.tags.append("serve")
        graph.object_graph_def.nodes.add().user_object.identifier = "_generic_user_object"
        user_object = graph.object_graph_def.nodes.add().user_object
        user_object.identifier, user_object.metadata = "_tf_keras_layer", metadata
        path = folder / "model"
        path.mkdir()
        (path / "saved_model.pb").write_bytes(model.SerializeToString())
        if later is not None:
            (path / "keras_metadata.pb").write_bytes(later)
        return path


saved("lambda", json.dumps(LAMBDA))
saved("lambda_beside_a_later_file", json.dumps(LAMBDA), later=b"")
saved("function", json.dumps(layer("Dense", {"activation": {"module": "os", "class_name": "function", "config": "system"}})), ("malicious",))
saved("no_json", json.dumps(LAMBDA)[:-1], ("unreadable",))


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
