"""Vectors that are documents and folders: what loaders of whole repositories import, read or run by what stands in one of their files."""

import collections
import gzip
import json
import zipfile
import zlib

from attack import COMMAND, Table
from attack_files import of_bytes, zip_of
from attack_pickles import SYSTEM

ATTACKS = Table()
DATA, TEXT = ATTACKS.data, ATTACKS.text
CODE = ("code", "malicious")
NEVER_CLEAN = ("code", "malicious", "unreadable")
PYTHON = "open('fired', 'w')\nclass Evil: pass\n"


repository = ATTACKS.repository


def mlflow(**python):
    lines = "".join(f"    {key}: {value}\n" for key, value in {"loader_module": "mlflow.sklearn", "python_version": "3.11.2", **python}.items())
    return f"flavors:\n  python_function:\n{lines}mlflow_version: 3.17.2\nmodel_uuid: a\n"


repository("folder_mlflow_models_from_code", {"MLmodel": mlflow(loader_module="mlflow.pyfunc.model", model_code_path="m.py"), "m.py": PYTHON})
repository("folder_mlflow_code", {"MLmodel": mlflow(code="code", model_path="model.pkl"), "code/lightgbm/sklearn.py": PYTHON, "model.pkl": b"\x80\x02clightgbm.sklearn\nLGBMClassifier\n)\x81}b."})
repository("folder_mlflow_in_git", {"MLmodel": mlflow(model_path=".git/model.pkl"), ".git/model.pkl": SYSTEM}, ("malicious",))
repository("folder_mlflow_in_an_object_of_git", {"MLmodel": mlflow(model_path=".git/objects/ab/cd"), ".git/objects/ab/cd": gzip.compress(SYSTEM)}, ("malicious",))


@ATTACKS.made("code-by-reference/folder_mlflow_behind_a_link", NEVER_CLEAN)
def _(folder):
    (folder / "repository").mkdir()
    (folder / "repository" / "MLmodel").write_text(mlflow(model_path="data/model.pkl"))
    (folder / "hidden").mkdir()
    (folder / "hidden" / "model.pkl").write_bytes(SYSTEM)
    (folder / "repository" / "data").symlink_to("../hidden")
    return folder / "repository"


MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}]
ROUTER = {"types": {"query_0_X": "evilmod.Evil"}, "structure": {"query": ["query_0_X"]}, "parameters": {}}
repository("folder_router", {"modules.json": json.dumps(MODULES), "router_config.json": json.dumps(ROUTER), "evilmod.py": PYTHON})
repository("folder_modules_twice", {"modules.json": '[{"idx": 0, "name": "0", "path": "", "type": "evilmod.Evil", "name": "0"}]', "evilmod.py": PYTHON})
repository("folder_modules_half_a_surrogate", {"modules.json": '[{"idx": 0, "name": "\\ud800", "path": "", "type": "evilmod.Evil"}]', "evilmod.py": PYTHON})
repository("folder_modules_byte_order_mark", {"modules.json": '\ufeff[{"idx": 0, "name": "0", "path": "", "type": "evilmod.Evil"}]', "evilmod.py": PYTHON})
PIPELINE = {"_class_name": "DDPMPipeline", "_diffusers_version": "0.30.0", "unet": ["my_unet", "Evil"], "scheduler": ["diffusers", "DDPMScheduler"]}
repository("folder_diffusers_component", {"model_index.json": json.dumps(PIPELINE), "unet/my_unet.py": PYTHON, "unet/config.json": "{}", "model.safetensors": of_bytes(b"a")})
TEXT("code-by-reference/cross_encoder", json.dumps({"model_type": "bert", "sentence_transformers": {"activation_fn": "evilmod.run"}}), "config.json", CODE)
TEXT("code-by-reference/kernel_by_part", json.dumps({"model_type": "llava", "attn_implementation": {"text_config": "who/kernel", "vision_config": "eager"}}), "config.json", CODE)
TEXT("code-by-reference/kernel_of_experts", json.dumps({"model_type": "llama", "experts_implementation": "who/kernel"}), "config.json", CODE)
TEXT("code-by-reference/latent_diffusion", f"model:\n  target: os.system\n  params:\n    command: {COMMAND}\n", "v1-inference.yaml", fire="latent_diffusion")
TEXT("code-by-reference/latent_diffusion_json", json.dumps({"model": {"target": "os.system", "params": {"command": COMMAND}}}), "inference.json")
TEXT("code-by-reference/logging", json.dumps({"version": 1, "formatters": {"a": {"()": "subprocess.Popen", "args": ["touch", "fired"]}}}), "logging.json", fire="logging")
TEXT("code-by-reference/genai_library", json.dumps({"model": {"type": "phi", "decoder": {"session_options": {"custom_ops_library": "evil.so"}}}}), "genai_config.json", CODE)
TEXT("code-by-reference/dataset_python", "train: a\nval: b\nnames: [a]\ndownload: |\n  import os\n  os.system('echo > fired')\n", "data.yaml", CODE, "ultralytics")
TEXT("code-by-reference/dataset_python_like_an_address", "names: [a]\ndownload: http = open('fired', 'w')\n", "data.yaml", CODE, "ultralytics")
TEXT("code-by-reference/dataset_shell", "names: [a]\ndownload: bash -c 'echo > fired'\n", "data.yaml", CODE, "ultralytics")
repository("folder_sagemaker", {"model.safetensors": of_bytes(b"a"), "code/inference.py": PYTHON})


@ATTACKS.made("code-by-reference/latent_diffusion_loader", CODE, "latent_diffusion")
def _(folder):
    (folder / "model.pkl").write_bytes(SYSTEM)
    (folder / "config.yaml").write_text(f"model:\n  target: joblib.load\n  params:\n    filename: {folder / 'model.pkl'}\n")
    return folder / "config.yaml"


TEXT("code-by-reference/lightning_cli", "model:\n  class_path: subprocess.Popen\n  init_args:\n    args: [touch, fired]\n", "config.yaml")
TEXT("code-by-reference/target_of_two", '{"_target_": "torch.nn.Linear", "_target_": "os.system", "command": "' + COMMAND + '"}', "conf.json", fire="hydra")
TEXT("code-by-reference/target_of_two_backwards", '{"_target_": "os.system", "command": "' + COMMAND + '", "_target_": "torch.nn.Linear"}', "conf.json")
DATA("code-by-reference/target_in_a_large_file", lambda: b'{"_target_":"os.system",' + b" " * 100_000_001 + b'"command":"' + COMMAND.encode() + b'"}', "conf.json", NEVER_CLEAN, fire="hydra")
TEXT("code-by-reference/lightning_instantiator", "_instantiator: evilmod.make\nlr: 0.1\n", "hparams.yaml", CODE)


class Pairs(dict):
    """A dict that is pickled as an OrderedDict called with a list of its pairs."""

    def __reduce__(self):
        return collections.OrderedDict, ([list(pair) for pair in self.items()],)


def instantiated(by, kind=dict, legacy=False):
    """A checkpoint of Lightning that has its model made by a function of this name."""

    def make(folder):
        import torch

        state = {"pytorch-lightning_version": "2.5.0", "state_dict": {"w": torch.ones(2)}, "hyper_parameters": kind({"lr": 0.1, "_instantiator": by})}
        torch.save(state, folder / "last.ckpt", _use_new_zipfile_serialization=not legacy)
        return folder / "last.ckpt"

    return make


ATTACKS.made("code-by-reference/instantiator_of_a_checkpoint", CODE)(instantiated("evilmod.make"))
ATTACKS.made("code-by-reference/instantiator_of_an_old_checkpoint", CODE)(instantiated("evilmod.make", legacy=True))
ATTACKS.made("code-by-reference/instantiator_of_os")(instantiated("os.system"))
ATTACKS.made("code-by-reference/instantiator_of_an_ordered_dict")(instantiated("os.system", Pairs))
SCHEMA = '{"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": {"module_path": "os", "function": "system"}, "protocol": 2, "protocol": 2}'
DATA("code-by-reference/skops_twice", lambda: zip_of([("schema.json", SCHEMA)]), "model.skops")
DATA("code-by-reference/torchserve_twice", lambda: zip_of([("MAR-INF/MANIFEST.json", '{"model": {"handler": "evil.py:handle"}, "x": 1, "x": 2}'), ("evil.py", PYTHON)]), "m.mar", CODE)
ENTITY = '<!DOCTYPE a [<!ENTITY b "<c/>"><!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'
TEXT("code-by-reference/xml_entity_behind_a_bracket", f'<?xml version="1.0"?>{ENTITY}', "model.pmml")
TEXT("code-by-reference/xml_entity_behind_a_line", f"\n{ENTITY}", "model.pmml")
TEXT("code-by-reference/xml_entity_of_parameters", '<!DOCTYPE a [<!ENTITY % x PUBLIC "-" "http://example.org/x">%x;]><a/>', "model.pmml")
SPECIFICATION = {"class_name": "__typespec__", "spec_name": "Spec", "module": "evilmod", "registered_name": None, "config": []}
DATA("nested-config/keras_type_specification", lambda: zip_of([("metadata.json", '{"keras_version": "2.15.0"}'), ("config.json", json.dumps(SPECIFICATION))]), "model.keras", NEVER_CLEAN)


def claimed(name, make):
    """Beside an ONNX model that says that its tensor lies in the file."""

    @ATTACKS.made(f"code-by-reference/folder_claimed_by_onnx_{name}", NEVER_CLEAN)
    def _(folder):
        import onnx
        from onnx import helper

        data = make()
        tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.UINT8, dims=[len(data)], data_location=onnx.TensorProto.EXTERNAL)
        for key, value in {"location": "pytorch_model.bin", "offset": "0", "length": str(len(data))}.items():
            tensor.external_data.add(key=key, value=value)
        end = helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, [len(data)])
        (folder / "repository").mkdir()
        (folder / "repository" / "pytorch_model.bin").write_bytes(data)
        onnx.save(helper.make_model(helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [end], [tensor])), folder / "repository" / "model.onnx")
        return folder / "repository"


claimed("seven_zip", lambda: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(range(200, 256)))
claimed("zip_of_bzip2", lambda: zip_of([("archive/data.pkl", SYSTEM)], compression=zipfile.ZIP_BZIP2))
claimed("zip_of_lzma", lambda: zip_of([("archive/data.pkl", SYSTEM)], compression=zipfile.ZIP_LZMA))
claimed("zlib_cut", lambda: zlib.compress(SYSTEM)[:-4] + b"\xff\xfe\xfd\xfc")
claimed("compress", lambda: b"\x1f\x9d\x90" + bytes(range(128, 200)))
claimed("yaml_of_latin_1", lambda: "a: !!python/object/apply:os.system [\"echo é > fired\"]\n".encode("latin-1"))


@ATTACKS.made("nested-config/keras_json_twice", CODE)
def _(folder):
    import keras

    layer = keras.layers.Lambda(eval("lambda x: x"), output_shape=(2,))
    (folder / "model.json").write_text(keras.Sequential([keras.Input((2,)), layer]).to_json()[:-1] + ', "x": 1, "x": 2}')
    return folder / "model.json"


for _name, _cut in {"slice": "'__init__x'[:8]", "strip": "'__init__x'.strip('x')", "trim": "'__init__x'|trim('x')", "lower": "'__INIT__x'.lower()[:8]"}.items():
    _made = f"{{% set k={_cut} %}}{{% set g='__globals__x'[:11] %}}{{{{ cycler[k][g]['os'].system('{COMMAND}') }}}}"
    TEXT(f"nested-config/jinja_{_name}", _made, "chat_template.jinja", CODE, "" if _name == "trim" else "jinja")
TEXT("nested-config/jinja_walked", f"{{% for k in ['__init__x'] %}}{{{{ cycler[k[:8]]['__globals__'] }}}}{{% endfor %}}", "chat_template.jinja", CODE)
TEXT("nested-config/jinja_by_variable", f"{{% set a = '__init__x' %}}{{% set b = '__globals__x' %}}{{% set k = a[:8] %}}{{% set g = b[:11] %}}{{{{ cycler[k][g]['os'].system('{COMMAND}') }}}}", "chat_template.jinja", CODE, "jinja")

# Names that are put together, on their ways to where they are used.
_UNDER, _REST = "'a_b'[1]", f"['os'].popen('{COMMAND}').read() }}}}"
_INIT, _GLOBALS = (f"'%c%c{_name}%c%c'|format(95,95,95,95)" for _name in ("init", "globals"))
_JOINED = f"({_UNDER} ~ {_UNDER} ~ 'init' ~ {_UNDER} ~ {_UNDER})"
JINJA = {
    "with": f"{{% with a = {_INIT}, b = {_GLOBALS} %}}{{{{ cycler[a][b]{_REST}{{% endwith %}}",
    "with_of_two": f"{{% with a, b = ({_INIT}, {_GLOBALS}) %}}{{{{ cycler[a][b]{_REST}{{% endwith %}}",
    "loops": f"{{% for a in [({_INIT})] %}}{{% for b in [({_GLOBALS})] %}}{{{{ cycler[a][b]{_REST}{{% endfor %}}{{% endfor %}}",
    "keys_and_values": f"{{% for a, b in {{{_INIT}: {_GLOBALS}}}.items() %}}{{{{ cycler[a][b]{_REST}{{% endfor %}}",
    "arguments": f"{{% macro f(a, b) %}}{{{{ cycler[a][b]{_REST}{{% endmacro %}}{{{{ f({_INIT}, {_GLOBALS}) }}}}",
    "arguments_of_another_name": f"{{% macro f(a, b) %}}{{{{ cycler[a][b]{_REST}{{% endmacro %}}{{% set g = f %}}{{{{ g({_INIT}, {_GLOBALS}) }}}}",
    "defaults": f"{{% macro f(a={_INIT}, b={_GLOBALS}) %}}{{{{ cycler[a][b]{_REST}{{% endmacro %}}{{{{ f() }}}}",
    "results_of_macros": f"{{% macro u(n) %}}{{{{ '%c%c'|format(95,95) }}}}{{{{ n }}}}{{{{ '%c%c'|format(95,95) }}}}{{% endmacro %}}{{{{ cycler[u('init')][u('globals')]{_REST}",
    "caller": f"{{% macro f() %}}{{{{ cycler[caller()]['__globals__'] }}}}{{% endmacro %}}{{% call f() %}}__init__{{% endcall %}}",
    "namespace": f"{{% set n = namespace(a={_INIT}, b={_GLOBALS}) %}}{{{{ cycler[n.a][n.b]{_REST}",
    "block_of_a_namespace": "{% set n = namespace() %}{% set n.a %}__init__{% endset %}{{ cycler[n.a] }}",
    "block_through_a_filter": "{% set a|trim %}__init__{% endset %}{{ cycler[a] }}",
    "appended": f"{{% set l = [] %}}{{% set _ = l.append({_JOINED}) %}}{{% for a in l %}}{{{{ cycler[a] }}}}{{% endfor %}}",
    "handed_on": f"{{% set a = {_JOINED} %}}{{% set b = a %}}{{% set c = b %}}{{{{ cycler[c] }}}}",
    "entry": f"{{% set d = {{'a': {{'b': {_JOINED}}}}} %}}{{{{ cycler[d.a.b] }}}}",
    "entry_by_another_way": f"{{% set d = {{'a': {_JOINED}}} %}}{{{{ cycler[d.values()|first] }}}}",
    "item_before": f"{{% for a in [{_JOINED}, 1] %}}{{{{ cycler[loop.previtem] }}}}{{% endfor %}}",
    "recursive": f"{{% for a in ['x'] recursive %}}{{{{ cycler[a] }}}}{{{{ loop([{_JOINED}]) }}}}{{% endfor %}}",
    "cut_from_its_middle": f"{{% set a = 'x__init__x'[1:-1] %}}{{% set b = 'x__globals__x'[1:-1] %}}{{{{ cycler[a][b]{_REST}",
    "fields_of_characters": f"{{% for a in ['{{:c}}{{:c}}init__'.format(95, 95)] %}}{{{{ cycler[a] }}}}{{% endfor %}}",
}
_JINJA_FIRES = {"with", "with_of_two", "loops", "keys_and_values", "arguments", "arguments_of_another_name", "defaults", "results_of_macros", "namespace", "cut_from_its_middle"}
for _name, _made in JINJA.items():
    TEXT(f"nested-config/jinja_by_{_name}", _made, "chat_template.jinja", CODE, "jinja" if _name in _JINJA_FIRES else "")


# Names of which nothing stands in the template: out of bytes, codes, entities, tables, other cases, keywords, characters of a loop.
def hexed(name):
    return f"'x'.encode().fromhex('{name.encode().hex()}').decode()"


def entities(name):
    return "('" + "".join(f"&#{ord(c)};" for c in name) + "'|striptags)"


def translated(name):
    table = ",".join(f"{ord(c) + 1}:{ord(c)}" for c in sorted(set(name)))
    return f"'{''.join(chr(ord(c) + 1) for c in name)}'.translate({{{table}}})"


def escaped(name):
    return "'" + "".join(f"\\\\x{ord(c):02x}" for c in name) + "'.encode().decode('unicode_escape')"


def numbered(name):
    return f"({int.from_bytes(name.encode(), 'big')}).to_bytes({len(name)},'big').decode()"


def recased(name):
    return f"'X{name.upper()}X'.lower().strip('x')"


for _spell in (hexed, entities, translated, escaped, numbered, recased):
    _item = "cycler" + "".join(f"[{_spell(name)}]" for name in ("__init__", "__globals__", "os", "popen"))
    _call = f"f('{COMMAND}').read()"
    for _name, _made in {
        "set": f"{{% set f = {_item} %}}{{{{ {_call} }}}}",
        "walked": f"{{% for f in [{_item}] %}}{{{{ {_call} }}}}{{% endfor %}}",
        "dict": f"{{% set d = {{'f': {_item}}} %}}{{{{ d.{_call} }}}}",
        "macro": f"{{% macro m(f) %}}{{{{ {_call} }}}}{{% endmacro %}}{{{{ m({_item}) }}}}",
        "namespace": f"{{% set n = namespace(f={_item}) %}}{{{{ n.{_call} }}}}",
    }.items():
        TEXT(f"nested-config/jinja_{_spell.__name__}_{_name}", _made, "chat_template.jinja", CODE, "jinja")
_HEXED = hexed("__init__")
for _name, _made in {
    "sum_of_variables": "{% set u = (lipsum|string|list)[18] %}{% set c = dict(init=1)|first %}{{ cycler[u+u+c+u+u] }}",
    "formatted_by_a_variable": "{% set l = ['%s%sinit%s%s', 'a_b'] %}{% set u = l[1][1] %}{% set n = l[0] % (u, u, u, u) %}{{ cycler[n] }}",
    "method_by_a_variable": "{% set j = 'join' %}{% set e = '' %}{% set n = e[j] %}{% set u = ('a_b'|list)[1] %}{% set m = n([u, u, 'init', u, u]) %}{{ cycler[m] }}",
    "method_by_attr": "{% set e = 'x'.encode()|attr('fromhex') %}{% set n = e('5f5f696e69745f5f')|attr('decode') %}{% set m = n() %}{{ cycler[m] }}",
    "keyword": "{% set k = dict(x__init__x=1)|first|trim('x') %}{{ cycler[k] }}",
    "chosen": "{% for a in ['x__init__x'] %}{{ cycler[(a.strip('x'), 1)|first] }}{% endfor %}",
    "indented": "{% set n = 'init'|indent('__', true) %}{{ cycler[n] }}",
    "deep": "{{ cycler[" + "(" * 70 + "'a' ~ 'b'" + ")" * 70 + "] }}",
    "reached_by_data": "{{ lipsum[messages[0].content][messages[1].content].popen(messages[2].content).read() }}",
    "listed_and_reached_by_data": "{% set f = [lipsum] %}{{ f[0][messages[0].content] }}",
    "grouped": f"{{% set n = {_HEXED} %}}{{{{ [cycler]|groupby(n)|list }}}}",
    "mapped_by_a_variable": f"{{% set f = 'attr' %}}{{{{ [cycler]|map(f, {_HEXED})|list }}}}",
    "mapped_to_groups": f"{{{{ [[cycler]]|map('groupby', {_HEXED})|list }}}}",
    "spread": f"{{{{ [cycler]|map(*['attr', {_HEXED}])|list }}}}",
}.items():
    TEXT(f"nested-config/jinja_of_a_{_name}", _made, "chat_template.jinja", CODE)

# pyannote.audio calls what a mapping names beside its parameters.
for _name, _yaml in {
    "pyannote": "pipeline:\n  name: collections.OrderedDict\npreprocessors:\n  audio:\n    name: subprocess.Popen\n    params:\n      args: id\n      shell: true\n",
    "pyannote_in_brackets": "preprocessors: {audio: {params: {args: id}, name: subprocess.Popen}}\n",
    "pyannote_by_anchors": "x: &n os.system\npreprocessors:\n  audio:\n    &a name: *n\n    params:\n      command: id\n",
    "pyannote_by_questions": "preprocessors:\n  audio:\n    ? name\n    : os.system\n    ? params\n    : {command: id}\n",
    "pyannote_merged": "base: &b\n  name: os.system\npreprocessors:\n  audio:\n    <<: *b\n    params:\n      command: id\n",
}.items():
    TEXT(f"code-by-reference/{_name}", _yaml, "config.yaml")

# Arguments of tokenizers that transformers 5 opens as files.
for _name, _argument in {"vocab": {"vocab": "/etc/passwd"}, "merges": {"vocab": {"a": 0}, "merges": "../../../etc/passwd"}}.items():
    TEXT(f"code-by-reference/tokenizer_{_name}_elsewhere", json.dumps({"tokenizer_class": "GPT2Tokenizer", **_argument}), "tokenizer_config.json")
_UNVERSIONED = {"_class_name": "DDPMPipeline", "scheduler": ["diffusers", "DDPMScheduler"]}
TEXT("code-by-reference/diffusers_without_a_version", json.dumps({**_UNVERSIONED, "unet": ["antigravity", "fly"]}), "model_index.json")
repository("folder_diffusers_module", {"model_index.json": json.dumps({**_UNVERSIONED, "unet": ["evilmod", "Model"]}), "evilmod.py": PYTHON, "unet/config.json": "{}"})

# Filters by names that are put together, and names that are cut out of texts in brackets.
for _name, _made in {
    "map_by_a_sum": "{{ ([lipsum]|map('at'+'tr','__glo'+'bals__')|first)['os'].popen('COMMAND').read() }}",
    "map_twice": "{{ (([cycler]|map('at'+'tr','__in'+'it__')|list|map('at'+'tr','__glo'+'bals__'))|first)['os'].popen('COMMAND').read() }}",
    "cut_in_brackets": "{{ cycler[('x__init__')[1:]][('x__globals__')[1:]].os.popen('COMMAND').read() }}",
}.items():
    TEXT(f"nested-config/jinja_{_name}", _made.replace("COMMAND", COMMAND), "chat_template.jinja", CODE, "jinja")
