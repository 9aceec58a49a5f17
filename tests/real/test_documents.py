"""What documents beside weights have their loaders run: descriptions of models, templates, schemas, manifests, in any archive."""

import base64
import gzip
import io
import json
import marshal
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
import zlib

import pytest

import pickles


def zip_of(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tar_of(members, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sequential(*layers):
    config = {"name": "s", "trainable": True, "dtype": "float32", "layers": list(layers)}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def layer(class_name, module="keras.layers", registered=None, **config):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered}


def lambda_layer(code):
    encoded = base64.b64encode(marshal.dumps(code)).decode()
    function = {"class_name": "__lambda__", "config": {"code": encoded, "defaults": None, "closure": None}}
    return layer("Lambda", name="l", function=function, arguments={})


DENSE = layer("Dense", name="d", units=1)
LAMBDA = lambda_layer((lambda x: x).__code__)


def keras(*layers):
    return zip_of({"config.json": json.dumps(sequential(*layers))})


def skops(**node):
    root = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {"x": node}}
    return zip_of({"schema.json": json.dumps({**root, "protocol": 2})})


def made(loader, module, name):
    return {"__loader__": loader, "__module__": module, "__class__": name}


def chat(template, **more):
    return json.dumps({"chat_template": template, **more}).encode()


XXE = b'<?xml version="1.0"?>\n<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<PMML version="4.4">&x;</PMML>\n'
LINK = (tarfile.SYMTYPE, "/etc/passwd")

# name of the file: what it holds, verdict
FILES = {
    # Keras reads config.json before it misses anything else.
    "lambda.keras": (keras(DENSE, LAMBDA), "code"),
    "system.keras": (keras(layer("system", "os")), "malicious"),
    "nested.keras": (keras(sequential(sequential(LAMBDA))), "code"),
    "wrapped.keras": (keras(layer("TimeDistributed", layer=LAMBDA)), "code"),
    "custom.keras": (keras(layer("Mine", "mine", "mine>Mine")), "code"),
    "switch.keras": (keras(layer("enable_unsafe_deserialization", "keras.config")), "malicious"),
    "popen.keras": (keras(layer("Dense", units=1, activation={"module": "subprocess", "class_name": "function", "config": "Popen"})), "malicious"),
    "module.keras": (keras(layer("TorchModuleWrapper", module={"class_name": "__torch__"})), "code"),
    "served.keras": (keras(layer("TFSMLayer", filepath="http://host/model")), "code"),
    "plain.keras": (keras(DENSE), "inert"),
    "lambda.json": (json.dumps(sequential(LAMBDA)).encode(), "code"),
    "plain.json": (json.dumps(sequential(DENSE)).encode(), "inert"),
    # skops
    "plain.skops": (skops(**made("ObjectNode", "sklearn.linear_model._base", "LinearRegression")), "inert"),
    "custom.skops": (skops(**made("ObjectNode", "__main__", "Mine")), "code"),
    "function.skops": (skops(**made("FunctionNode", "os", "system")), "malicious"),
    "type.skops": (skops(**made("TypeNode", "subprocess", "Popen")), "malicious"),
    "operator.skops": (skops(**made("OperatorFuncNode", "sklearn.linear_model._base", "call")), "malicious"),
    "method.skops": (skops(**made("MethodNode", "builtins", "method")), "malicious"),
    "numpy.skops": (skops(**made("FunctionNode", "numpy", "load")), "code"),
    "partial.skops": (zip_of({"schema.json": b'{"__loader__":"FunctionNode"'}), "inert"),
    # TorchServe
    "own.mar": (zip_of({"MAR-INF/MANIFEST.json": b'{"model":{"handler":"handler.py"}}', "handler.py": b"x = 1\n"}), "code"),
    "source.mar": (zip_of({"MAR-INF/MANIFEST.json": b'{"model":{"handler":"image_classifier","modelFile":"m.py"}}'}), "code"),
    "plain.mar": (zip_of({"MAR-INF/MANIFEST.json": b'{"model":{"handler":"image_classifier"}}'}), "inert"),
    "pickle.mar": (zip_of({"MAR-INF/MANIFEST.json": b"{}", "w.bin": pickles.SYSTEM}), "malicious"),
    # Templates
    "class.json": (chat("{{ ''.__class__ }}"), "malicious"),
    "named.json": (chat([{"name": "a", "template": "{{ x }}"}, {"name": "b", "template": "{{ x.__init__ }}"}]), "malicious"),
    "other.json": (chat("{{ x }}", custom_chat_template="{{ self.__init__ }}"), "malicious"),
    "prompt.json": (json.dumps({"_type": "prompt", "template_format": "jinja2", "template": "{{ x.__class__ }}"}).encode(), "malicious"),
    "words.json": (json.dumps({"text": "{{ x.__class__ }}", "description": "os.system('id')"}).encode(), "inert"),
    "closing.jinja": (b"{{ '}}' ~ x.__class__ }}", "malicious"),
    "pieces.jinja": (b"{{ x['__cla' ~ 'ss__'] }}", "malicious"),
    "joined.j2": (b"{{ x[['__cla', 'ss__']|join] }}", "malicious"),
    "escaped.template": (rb"{{ x['\x5f\x5fclass\x5f\x5f'] }}", "malicious"),
    "named_escape.jinja": (rb"{{ x|attr('\N{LOW LINE}_class_\N{LOW LINE}') }}", "malicious"),
    "field.jinja": (b"{{ '{0.__class__}'.format(x) }}", "malicious"),
    "computed.jinja": (b"{{ x|attr(y) }}", "malicious"),
    "system.jinja": (b"{{ os.system('id') }}", "malicious"),
    "captured.jinja": (b"{% set a %}__class__{% endset %}{{ x[a] }}", "code"),
    "include.jinja": (b"{% include '/etc/passwd' %}", "code"),
    "comment.jinja": (b"{# {{ x.__class__ }} #}{% raw %}{{ x.__class__ }}{% endraw %}__class__", "inert"),
    "chat.jinja": (b"{% for m in messages %}{{ '<|' + m['role'] + '|>' + m.content|trim }}{% endfor %}", "inert"),
    # diffusers
    "index.json": (json.dumps({"_class_name": "P", "_diffusers_version": "0.30", "unet": ["os", "system"]}).encode(), "malicious"),
    "model_index.json": (json.dumps({"_class_name": "P", "_diffusers_version": "0.30", "unet": ["diffusers", "UNet2DModel"], "x": [None, None]}).encode(), "inert"),
    # Archives
    "up.zip": (zip_of({"../../evil.txt": b"x"}), "malicious"),
    "root.zip": (zip_of({"/etc/cron.d/evil": b"x"}), "malicious"),
    "windows.zip": (zip_of({"..\\evil.txt": b"x"}), "malicious"),
    "up.tar": (tar_of({"../evil.txt": b"x"}), "malicious"),
    "root.tar": (tar_of({"/etc/cron.d/evil": b"x"}), "malicious"),
    "up.tar.gz": (gzip.compress(tar_of({"a/../../evil.txt": b"x"})), "malicious"),
    "link.tar": (tar_of({"link": LINK, "link/x": b"x"}), "unreadable"),
    "layer.tar.gz": (tar_of({"app/model.pkl": pickles.SYSTEM}, "w:gz"), "malicious"),
    "plain.tar": (tar_of({"a.txt": b"x", "b/c.json": b"{}"}), "inert"),
    "deep.zip": (zip_of({"a.zip": zip_of({"b.zip": zip_of({"c.keras": keras(layer("system", "os"))})})}), "malicious"),
    "squeezed.bin": (zlib.compress(zip_of({"config.json": json.dumps(sequential(layer("system", "os")))})), "malicious"),
    # Programs and other formats
    "library.bin": (b"\x7fELF\2\1\1" + bytes(64), "code"),
    "program.pkl": (b"MZ\x90\0" + bytes(64), "code"),
    "class.bin": (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(64), "code"),
    "bytecode.dat": (b"\xa7\r\r\n" + bytes(12) + marshal.dumps((lambda: 0).__code__), "code"),
    "script.bin": (b"#!/bin/sh\nid\n", "code"),
    "vocab.txt": (b"MZ\nPE\n[UNK]\nposix\nsystem\n__reduce__\n", "inert"),
    "outside.pmml": (XXE, "malicious"),
    "hidden.xml": (b"\xef\xbb\xbf<!-- > --><?x?><!DOCTYPE a [<!ENTITY % x PUBLIC 'a' 'http://host/x'>]><a/>", "malicious"),
    "plain.pmml": (b'<?xml version="1.0"?>\n<PMML version="4.4"><!-- <!ENTITY x SYSTEM "y"> --></PMML>\n', "inert"),
    "picture.svg": (b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd">\n<svg/>\n', "inert"),
    "ascii.rds": (b"A\n3\n262657\n197888\n5\nUTF-8\n238\n", "unreadable"),
    "ascii.rda": (b"RDA3\nA\n3\n262657\n", "unreadable"),
    "ascii.t7": (b"4\n1\n3\nV 1\n13\nnn.Sequential\n", "unreadable"),
    "numbers.txt": (b"4\n1\n3\n7\n", "inert"),
    # Pickles
    "frame.pkl": (b"\x80\x04\x95\xff\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "malicious"),
    "broken.pkl": (b"cbuiltins\nexec\n(X>\nprint(1)", "malicious"),
    "words.txt": (b"cos\nsin\ntan\n", "inert"),
    "request.pkl": (b"crequests.api\nget\n(S'http://host'\ntR.", "malicious"),
    "session.pkl": (b"caiohttp.client\nClientSession\n)R.", "malicious"),
    "pager.pkl": (b"c_pyrepl.pager\npipe_pager\n(S'a'\nS'id'\ntR.", "malicious"),
    "function.pkl": (b"ccloudpickle.cloudpickle\n_make_function\n)R.", "malicious"),
    "encoded.pkl": (pickle.dumps({"payload": base64.b64encode(pickles.SYSTEM), "text": "os.system('id')"}), "inert"),
    "nested.pkl": (pickle.dumps({"raw": pickles.SYSTEM}), "malicious"),  # who keeps a pickle as bytes unpickles it
}


def scan(holdall, path):
    return holdall("scan", path, "--json", status=None, timeout=60).json


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_judged_by_what_its_loader_makes_of_it(holdall, tmp_path, name):
    content, verdict = FILES[name]
    (tmp_path / name).write_bytes(content)
    document = scan(holdall, tmp_path / name)
    assert document["verdict"] == verdict, document


# Keras runs what config.json names, though the rest of the file is missing.
FIRE = """
import sys
import keras
try:
    keras.saving.load_model(sys.argv[1], safe_mode=False)
except Exception:
    pass
"""


def test_keras_runs_a_lambda_of_a_file_that_holds_nothing_else(holdall, tmp_path):
    canary, path = tmp_path / "fired", tmp_path / "model.keras"
    code = compile(f"(lambda x: open({str(canary)!r}, 'w').close())", "x", "eval").co_consts[0]
    shape = layer("InputLayer", batch_shape=[None, 1], dtype="float32", name="i")
    path.write_bytes(keras(shape, lambda_layer(code)))
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", FIRE, path], env=environment, timeout=300, check=True, capture_output=True)
    assert canary.exists()
    assert scan(holdall, path)["verdict"] != "inert"


# joblib's unpickler is Python's own, which does not mind a frame that is longer than the file.
def test_joblib_runs_a_pickle_whose_frame_is_longer_than_the_file(holdall, tmp_path):
    import joblib

    canary, path = tmp_path / "fired", tmp_path / "model.pkl"
    command = f"touch {canary}".encode()
    path.write_bytes(b"\x80\x04\x95\xff\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + b"\x85R.")
    subprocess.run([sys.executable, "-c", "import joblib, sys; joblib.load(sys.argv[1])", path], timeout=120, capture_output=True)
    assert canary.exists(), joblib.__version__
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(path.read_bytes())
    assert scan(holdall, path)["verdict"] == "malicious"


@pytest.mark.parametrize("piece", ["[", "- ", "!a ", "&a ", "a: ", "'"])
def test_yaml_costs_no_more_than_its_text(holdall, tmp_path, piece):
    """Tokens are looked at one by one: all of them in memory would take fifty times the text."""
    (tmp_path / "a.yaml").write_text(piece * (24_000_000 // len(piece)))
    holdall("scan", tmp_path / "a.yaml", status=None, memory=512 << 20)
