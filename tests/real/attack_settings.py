"""Vectors that are settings: texts that programs evaluate, and texts whose names say little of what is made of them."""

import base64
import json
import pickle

from attack import COMMAND, EXPRESSION, PYTHON, Table

ATTACKS = Table()
TEXT, repository = ATTACKS.text, ATTACKS.repository
CODE = ("code", "malicious")
ESCAPE = "{{ cycler.__init__.__globals__.os.system('" + COMMAND + "') }}"
TAGGED = f"a: !!python/object/apply:os.system ['{COMMAND}']\n"


class Evil:
    def __reduce__(self):
        import os

        return os.system, (COMMAND,)


# --- texts that are evaluated ---------------------------------------------------------------------------------------------------------
INI = "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\n"
TEXT("code-by-reference/logging_ini_args", f"{INI}class=StreamHandler\nargs=({EXPRESSION},)\n", "logging.ini", fire="logging_ini")
TEXT("code-by-reference/logging_ini_class", f"{INI}class={EXPRESSION}\nargs=()\n", "logging.conf", fire="logging_ini")
TEXT("code-by-reference/logging_ini_later", f"# of the run\n{INI}class: StreamHandler\nArgs: (\n  os.system('{COMMAND}'),)\n", "log.txt", fire="logging_ini")
TEXT("code-by-reference/logging_ini_space", f"{INI}class=StreamHandler\nkwargs={{'stream': os.system ('{COMMAND}')}}\n", "logging.ini", fire="logging_ini")
TEXT("code-by-reference/logging_ini_builtin", f'{INI}class=exec\nargs=({json.dumps(PYTHON)},)\n', "logging.ini", fire="logging_ini")
TEXT("code-by-reference/logging_ini_within", f"{INI}class=logging.os.system\nargs=('{COMMAND}',)\n", "logging.ini", fire="logging_ini")
TEXT("code-by-reference/logging_ini_handlers", f"{INI}class=handlers.os.system\nargs=('{COMMAND}',)\n", "logging.ini", CODE, fire="logging_ini")
CONFIG = {"version": 1, "handlers": {"h": {"class": "subprocess.Popen", "args": COMMAND, "shell": True}}, "root": {"handlers": ["h"]}}
TEXT("code-by-reference/logging_class", json.dumps(CONFIG), "logging.json", fire="logging")
TEXT("code-by-reference/logging_class_yaml", f"version: 1\nroot: {{handlers: [h]}}\nhandlers:\n  h:\n    class: subprocess.Popen\n    args: {COMMAND}\n    shell: true\n", "logging.yaml", fire="logging_yaml")
TEXT("code-by-reference/logging_class_alias", f"version: 1\nroot: {{handlers: [h]}}\nabout: &x subprocess.Popen\nhandlers:\n  h:\n    class: *x\n    args: {COMMAND}\n    shell: true\n", "logging.yaml", fire="logging_yaml")
TEXT("code-by-reference/kaldi_pipe", f"utt1 x.ark:5\nutt2 {COMMAND} |\n", "feats.scp", CODE, fire="kaldi")
TEXT("code-by-reference/site_path", f"../lib\nimport os; os.system('{COMMAND}')\n", "model.pth", CODE, fire="site")
TEXT("code-by-reference/site_path_tab", f"import\tos; os.system('{COMMAND}')\n", "weights.pth", CODE, fire="site")


def yolo(word="[-1, 1, Conv, [64, 3, 2]]", activation="nn.SiLU()"):
    return f"nc: 80\nactivation: {activation}\nbackbone:\n  - [-1, 1, nn.Upsample, [None, 2, 'nearest']]\n  - {word}\nhead:\n  - [[0, 1], 1, Detect, [nc]]\n"


TEXT("code-by-reference/yolo_activation", yolo(activation=json.dumps(EXPRESSION)), "yolov8.yaml", fire="yolo")
TEXT("code-by-reference/yolo_module", yolo(f"[-1, 1, {json.dumps(EXPRESSION)}, [64]]"), "yolov5s.yaml", fire="yolo")
TEXT("code-by-reference/yolo_argument", yolo(f"[-1, 1, Conv, [{json.dumps(EXPRESSION)}]]"), "model.yml", fire="yolo")
TEXT("code-by-reference/ultralytics_metadata", f"stride: 32\nnames: {json.dumps('{0: ' + EXPRESSION + '}')}\n", "metadata.yaml", fire="ultralytics_metadata")
TEXT("code-by-reference/ultralytics_text", f"stride: 32\nimgsz: '[open(\"fired\", \"w\") for x in [1]]'\n", "metadata.yaml", fire="ultralytics_metadata")


def exported(**properties):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]))
    helper.set_model_props(model, properties)
    return model.SerializeToString()


ATTACKS.data("nested-config/onnx_names", lambda: exported(stride="32", names="{0: " + EXPRESSION + "}"), "model.onnx", fire="ultralytics_onnx")
ATTACKS.data("nested-config/onnx_imgsz", lambda: exported(imgsz=f"[640, {EXPRESSION}]"), "model.onnx", fire="ultralytics_onnx")
ATTACKS.data("nested-config/onnx_kpt_shape", lambda: exported(kpt_shape="(lambda: " + EXPRESSION + ")()"), "model.onnx", CODE, fire="ultralytics_onnx")


@ATTACKS.made("nested-config/torchscript_names", CODE)
def _(folder):
    import torch

    path = folder / "model.torchscript"
    scripted = torch.jit.script(torch.nn.Linear(1, 1))
    torch.jit.save(scripted, str(path), _extra_files={"config.txt": json.dumps({"stride": 32, "names": "{0: " + EXPRESSION + "}"})})
    return path


# --- YAML under other names -----------------------------------------------------------------------------------------------------------
for number, file in enumerate(("hyperparams.txt", "settings", "model.ckpt", "train.cfg", "weights.conf", "notes.md", "a.yaml.bak")):
    TEXT(f"content-mismatch/yaml_{number}", TAGGED, file, fire="yaml")
TEXT("content-mismatch/yaml_in_comments", f"# A model\n# of today\n--- # that is\n{TAGGED}...\n", "about.txt", fire="yaml")
TEXT("content-mismatch/yaml_long_texts", f'about: "it is\nprose at\nthe margin"\n{TAGGED}', "about.txt", fire="yaml")
TEXT("content-mismatch/yaml_own_tag", "%TAG !e! tag:yaml.org,2002:py\n--- !e!thon/object/apply:os.system\n" + f"['{COMMAND}']\n", "about.txt", fire="yaml")
TEXT("content-mismatch/yaml_whole_tag", f"!<tag:yaml.org,2002:python/object/apply:os.system> ['{COMMAND}']\n", "about", fire="yaml")

# --- templates under other keys and names ---------------------------------------------------------------------------------------------
for number, (file, text) in enumerate({
    "prompts.yaml": f"system_prompt: |-\n  You are an agent.\n  {ESCAPE}\nplanning:\n  initial_plan: plan\n",
    "agent.json": json.dumps({"prompt_templates": {"planning": {"initial_plan": ESCAPE}}}),
    "task.yaml": f"task: x\ndoc_to_text: \"{ESCAPE}\"\n",
    "templates.yaml": f"templates:\n  a:\n    jinja: \"{ESCAPE}\"\n    name: x\n",
    "few_shot.json": json.dumps({"_type": "few_shot", "template_format": "jinja2", "prefix": ESCAPE, "suffix": "{{ x }}"}),
    "agents.json": json.dumps([{"role": "system", "content": [ESCAPE]}]),
}.items()):
    TEXT(f"code-by-reference/template_key_{number}", text, file)
for number, file in enumerate(("chat_template.txt", "chat_template.html", "system_prompt.md", "prompt.tpl", "template.mustache")):
    TEXT(f"code-by-reference/template_name_{number}", f"<s>You are a model.\n{ESCAPE}\n", file, fire="jinja")

# --- pickles in texts -----------------------------------------------------------------------------------------------------------------
for protocol in range(6):
    encoded = base64.b64encode(pickle.dumps(Evil(), protocol)).decode()
    TEXT(f"nested-loader/encoded_{protocol}", json.dumps({"a": [encoded]}), "model.json", fire="encoded")
    TEXT(f"nested-loader/encoded_yaml_{protocol}", f"a:\n- {encoded}\n", "model.yaml", fire="encoded")
    TEXT(f"nested-loader/encoded_file_{protocol}", encoded + "\n", "model.txt", fire="encoded_file")
ENCODED = base64.b64encode(pickle.dumps(Evil(), 4)).decode()
TEXT("nested-loader/encoded_blanks", json.dumps({"a": [" \n\t" + ENCODED]}), "model.json", fire="encoded")
TEXT("nested-loader/encoded_address", json.dumps({"a": ["data:application/octet-stream;base64," + ENCODED]}), "model.json", fire="encoded")
TEXT("nested-loader/encoded_for_addresses", json.dumps({"a": [base64.urlsafe_b64encode(pickle.dumps((Evil(), "??>>~~"), 4)).decode()]}), "model.json", fire="encoded")
TEXT("nested-loader/encoded_lines", base64.encodebytes(pickle.dumps((Evil(), "x" * 200), 4)).decode(), "model.b64", fire="encoded_file")

# --- servers and libraries --------------------------------------------------------------------------------------------------------------
TRITON = 'name: "m"\ninput [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
repository("folder_triton_python", {"config.pbtxt": TRITON + 'backend: "python"\n', "model.py": PYTHON})
repository("folder_triton_version", {"1/model.py": PYTHON})
TEXT("code-by-reference/triton_spelled", TRITON + "backend : # of it\n 'p\\x79thon'\n", "config.pbtxt", CODE)
TEXT("code-by-reference/triton_library", TRITON + 'model_operations { op_library_filename: [ "/tmp/evil.so" ] }\n', "config.pbtxt", CODE)
TEXT("code-by-reference/caffe_layer", 'layer { name: "a" type: "Python" python_param { module: "os" layer: "system" param_str: "x" } }\n', "deploy.prototxt")
TEXT("code-by-reference/caffe_layer_of_others", 'layer <\n type: "Python"\n python_param <\n module: "my_layers"\n layer: "Loss" > >\n', "train.prototxt", CODE)
repository("folder_speechbrain_interface", {"hyperparams.yaml": "a: 1\n", "custom_interface.py": PYTHON})
repository("folder_speechbrain_custom", {"hyperparams.yaml": "a: 1\n", "custom.py": PYTHON})
repository("folder_dataset_script", {"repository.py": PYTHON, "README.md": "A data set.\n"})
repository("folder_diffusers_pipeline", {"model_index.json": json.dumps({"_class_name": "DDPMPipeline", "_diffusers_version": "0.38"}), "pipeline.py": PYTHON})
repository("folder_shadowed_torch", {"torch.py": PYTHON, "model.pkl": b"\x80\x02]."})
repository("folder_shadowed_loss", {"_loss/__init__.py": PYTHON, "model.pkl": b"\x80\x02c_loss\nCyAbsoluteError\n)R."})
TEXT("code-by-reference/diffusers_modular", json.dumps({"_class_name": "A", "unet": [None, None, {"repo": "a/b", "type_hint": ["os", "system"]}]}), "modular_model_index.json")
TEXT("code-by-reference/haystack", json.dumps({"components": {"a": {"type": "os.system", "init_parameters": {"command": COMMAND}}}}), "pipeline.json")
TEXT("code-by-reference/allennlp", json.dumps({"dataset_reader": {"type": "a"}, "model": {"b": {"type": "os.system", "command": COMMAND}}}), "config.json")
TEXT("code-by-reference/rag_legacy", json.dumps({"model_type": "rag", "index_name": "legacy", "index_path": "https://example.org/x"}), "config.json", CODE)
TEXT("code-by-reference/qnn_backend", json.dumps({"model": {"provider_options": [{"qnn": {"backend_path": "../evil/libx.so"}}]}}), "genai_config.json", CODE)
TEXT("code-by-reference/hydra_toml", f'[a]\n_target_ = "os.system"\ncommand = "{COMMAND}"\n', "conf.toml")
TEXT("code-by-reference/hydra_toml_inline", f'a = {{ "_target_" = "os.system", command = "{COMMAND}" }}\n', "conf.toml")
TEXT("code-by-reference/hydra_ini", "[a]\n_target_=os.system\n", "conf.ini")
TEXT("code-by-reference/hydra_json5", f"{{a: {{_target_: 'os.system', command: '{COMMAND}'}}}}\n", "conf.json5")
TEXT("nested-config/keras_yaml", "backend: tensorflow\nclass_name: Sequential\nconfig:\n  layers:\n  - class_name: Lambda\n    config: {name: l, function: [4wEAAA==, null, null]}\n", "model.yaml", CODE)
TEXT("code-by-reference/doctype_file", '<?xml version="1.0"?>\n<!DOCTYPE PMML SYSTEM "file:///etc/passwd">\n<PMML version="4.4"/>\n', "model.pmml")
ATTACKS.data("code-by-reference/entity_in_latin", '<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<a b="Für">&x;</a>\n'.encode("latin1"), "model.pmml")
TEXT("code-by-reference/entity_in_utf7", '<?xml version="1.0" encoding="utf-7"?>\n+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY x SYSTEM "file:///etc/passwd"+AD4AXQA+-\n', "model.pmml", ("unreadable", "malicious"))
TEXT("code-by-reference/doctype_web", '<!DOCTYPE PMML SYSTEM "http://example.org/x.dtd" [ ]>\n<PMML version="4.4"/>\n', "model.pmml", CODE)


# --- columns and msgpack ----------------------------------------------------------------------------------------------------------------
def msgpacked(**array):
    import msgpack

    return msgpack.packb({b"w": {b"nd": True, b"type": b"|O", b"kind": b"O", b"shape": (1,), b"data": pickle.dumps(Evil()), **array}})


ATTACKS.data("nested-loader/msgpack_numpy", msgpacked, "model.msgpack", fire="msgpack_numpy")
