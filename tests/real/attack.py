"""What an attack vector is, how it is made and how it is set off; the vectors themselves stand in the tables of attacks.py.

A vector that fires makes a file named FIRED in the folder where it is loaded, and does nothing else.
"""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Callable

FIRED = "fired"
COMMAND = f"echo > {FIRED}"
PYTHON = f"open('{FIRED}', 'w')"
# The same as an expression that needs no quotes of its own kind.
EXPRESSION = f'__import__("os").system("{COMMAND}")'

# The programs that open a file as those do whom it is sent to; the path is PATH, FILE is open.
LOADERS = {
    "pickle": "import pickle; pickle.load(FILE)",
    "pickle_python": "import pickle; pickle._Unpickler(FILE).load()",
    "pickles": "import pickle\nwhile True: pickle.load(FILE)",
    "joblib": "import joblib; joblib.load(PATH)",
    "numpy": "import numpy; numpy.load(PATH, allow_pickle=True)",
    "numpy_members": "import numpy\nfor value in numpy.load(PATH, allow_pickle=True).values(): pass",
    "numpy_twice": "import numpy; numpy.load(FILE); numpy.load(FILE, allow_pickle=True)",
    "torch": "import torch; torch.load(PATH, weights_only=False)",
    "yaml": "import yaml; yaml.load(FILE, yaml.UnsafeLoader)",
    "hydra": "import importlib, json, yaml\n"
    "def make(value):\n"
    "    if isinstance(value, list): return [make(one) for one in value]\n"
    "    if not isinstance(value, dict): return value\n"
    "    value = {key: make(one) for key, one in value.items()}\n"
    "    if '_target_' not in value: return value\n"
    "    module, _, name = value.pop('_target_').rpartition('.')\n"
    "    return getattr(importlib.import_module(module), name)(*value.pop('_args_', ()), **value)\n"
    "make(yaml.safe_load(FILE))",
    "gzip": "import gzip, pickle; pickle.load(gzip.open(PATH))",
    "bz2": "import bz2, pickle; pickle.load(bz2.open(PATH))",
    "xz": "import lzma, pickle; pickle.load(lzma.open(PATH))",
    "zip_pickle": "import pickle, zipfile\nwith zipfile.ZipFile(PATH) as a:\n"
    "    for name in a.namelist():\n        try: pickle.load(a.open(name))\n        except Exception: pass",
    "tar_pickle": "import pickle, tarfile\nwith tarfile.open(PATH) as a:\n"
    "    for member in a:\n        try: pickle.load(a.extractfile(member))\n        except Exception: pass",
    "keras_unsafe": "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'; import keras; keras.models.load_model(PATH, safe_mode=False)",
    "savedmodel": "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'; import tensorflow as tf; m = tf.saved_model.load(PATH); m.f(tf.constant(1.0))",
    "jinja": "import jinja2; jinja2.Environment().from_string(FILE.read().decode()).render(messages=[])",
    "remote_code": "import transformers; transformers.AutoConfig.from_pretrained(PATH, trust_remote_code=True)",
    "hub": "import torch; torch.hub.load(PATH, 'net', source='local')",
    "torchscript": "import torch; torch.jit.load(PATH)",
    "export": "import torch; torch.export.load(PATH)",
    "package": "import torch.package; torch.package.PackageImporter(PATH).load_pickle('model', 'model.pkl')",
    "dcp": "import torch.distributed.checkpoint as dcp; dcp.load({'a': 0}, checkpoint_id=PATH)",
    "onnx": "import onnx; onnx.load(PATH)",
    # As ultralytics.data.utils.check_det_dataset() does.
    "ultralytics": "import os, yaml\ndata = yaml.safe_load(FILE); script = data['download'].strip()\n"
    "os.system(script) if script.startswith('bash ') else exec(script, {'yaml': data})",
    "logging": "import json, logging.config; logging.config.dictConfig(json.load(FILE))",
    "logging_ini": "import logging.config; logging.config.fileConfig(PATH)",
    "site": "import io, os, site; os.mkdir('packages'); os.rename(PATH, 'packages/' + os.path.basename(PATH)); site.addsitedir('packages')",
    # As parse_model() of YOLOv5's models/yolo.py does.
    "yolo": "import yaml\nclass nn: SiLU = Upsample = lambda *a: None\n"
    "def evaluated(word):\n"
    "    try: return eval(word)\n"
    "    except NameError: return word\n"
    "data = yaml.safe_load(FILE); eval(data['activation'])\n"
    "for _, _, module, arguments in data['backbone'] + data['head']:\n"
    "    evaluated(module)\n"
    "    for one in arguments: evaluated(one) if isinstance(one, str) else one",
    # As AutoBackend of Ultralytics before 8.3 did, and DetectMultiBackend of YOLOv5 does.
    "ultralytics_metadata": "import yaml\nfor key, value in yaml.safe_load(FILE).items():\n"
    "    if key in ('imgsz', 'names', 'kpt_shape') and isinstance(value, str): eval(value)",
    "ultralytics_onnx": "import onnxruntime\n"
    "for key, value in onnxruntime.InferenceSession(PATH).get_modelmeta().custom_metadata_map.items():\n"
    "    if key in ('imgsz', 'names', 'kpt_shape'): eval(value)",
    "encoded": "import base64, pickle, yaml\nfor text in yaml.safe_load(FILE)['a']:\n"
    "    text = text.strip().split(';base64,')[-1]\n"
    "    (pickle.loads(base64.urlsafe_b64decode(text)) if '-' in text or '_' in text else pickle.loads(base64.b64decode(text)))",
    "encoded_file": "import base64, pickle; pickle.loads(base64.b64decode(FILE.read()))",
    # As msgpack_numpy.decode() does.
    "msgpack_numpy": "import msgpack, pickle\n"
    "msgpack.unpack(FILE, object_hook=lambda o: pickle.loads(o[b'data']) if o.get(b'kind') == b'O' else o, raw=True, strict_map_key=False)",
    "logging_yaml": "import logging.config, yaml; logging.config.dictConfig(yaml.safe_load(FILE))",
    # As kaldiio.load_scp() does.
    "kaldi": "import os\nfor line in FILE.read().decode().splitlines():\n"
    "    path = line.split(None, 1)[1].strip()\n"
    "    if path.endswith('|'): os.popen(path[:-1]).read()",
    # As ldm.util.instantiate_from_config() does.
    "latent_diffusion": "import importlib, yaml\nmodel = yaml.safe_load(FILE)['model']; module, name = model['target'].rsplit('.', 1)\n"
    "getattr(importlib.import_module(module), name)(**model.get('params', {}))",
    # As transformer_engine.pytorch's set_extra_state() does with what a state dict holds under "_extra_state".
    "extra_state": "import io, pickle, torch\n"
    "from safetensors.torch import load_file\n"
    "for value in (load_file(PATH) if PATH.endswith('safetensors') else torch.load(PATH, weights_only=False)).values():\n"
    "    pickle.loads(value.numpy().tobytes()) if torch.is_tensor(value) else torch.load(value, weights_only=False)",
    # As stable_baselines3.common.save_util.json_to_data() does.
    "stable_baselines": "import base64, json, pickle, zipfile\n"
    "for value in json.loads(zipfile.ZipFile(PATH).read('data')).values():\n"
    "    if isinstance(value, dict) and ':serialized:' in value: pickle.loads(base64.b64decode(value[':serialized:'].encode()))",
}


@dataclasses.dataclass(frozen=True)
class Attack:
    """`make(folder)` writes the vector there and gives the path to scan. `verdicts`: those that are right. `fire`: the loader of LOADERS that
    runs it, empty where none here does."""

    make: Callable[[pathlib.Path], pathlib.Path]
    verdicts: frozenset = frozenset({"malicious"})
    fire: str = ""


class Table(dict):
    """Vectors by "class/name"."""

    def data(self, name, data, file="model.pkl", verdicts=("malicious",), fire=""):
        """A file of these bytes (or of what a function gives)."""

        def make(folder):
            path = folder / file
            path.write_bytes(data() if callable(data) else data)
            return path

        self._put(name, Attack(make, frozenset(verdicts), fire))

    def text(self, name, text, file, verdicts=("malicious",), fire=""):
        self.data(name, text.encode(), file, verdicts, fire)

    def made(self, name, verdicts=("malicious",), fire=""):
        """A builder: def make(folder), which gives the path."""

        def put(make):
            self._put(name, Attack(make, frozenset(verdicts), fire))
            return make

        return put

    def repository(self, name, files, verdicts=("code", "malicious"), fire="", links=()):
        """A folder of files (text or bytes by path) and links (path, target)."""

        @self.made(f"code-by-reference/{name}", verdicts, fire)
        def _(folder):
            root = folder / "repository"
            for path, data in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(data if isinstance(data, bytes) else data.encode())
            for link, target in links:
                (root / link).symlink_to(target)
            return root

    def _put(self, name, attack):
        assert name not in self and name.count("/") == 1, name
        self[name] = attack


def fire(attack, path, folder):
    """Loads a vector as its victim would, in a process of its own; whether it acted."""
    opened = "open(PATH, 'rb')" if path.is_file() else "None"
    program = f"import sys; sys.path.insert(0, ''); PATH = sys.argv[1]; FILE = {opened}\n{LOADERS[attack.fire]}"
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=folder, capture_output=True, timeout=300)
    return (folder / FIRED).exists(), done.stderr.decode("utf-8", "replace")[-2000:]
