"""Texts beside models: settings, prompts, encoded data and prose, some of which speak of what would act: rows of benign.BENIGN."""

import base64
import bz2
import functools
import gzip
import json
import lzma
import pickle
import random
import zipfile

TRITON = 'name: "m"\nplatform: "onnxruntime_onnx"\nbackend: "onnxruntime"\nmax_batch_size: 8\ninput [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
LOGGING = """[loggers]
keys=root
[handlers]
keys=console,file
[formatters]
keys=plain
[logger_root]
level=INFO
handlers=console,file
[handler_console]
class=StreamHandler
args=(sys.stdout,)
[handler_file]
class=logging.handlers.RotatingFileHandler
args=('run (1).log', 'a', 2**20, 5)
formatter=plain
[formatter_plain]
format=%(asctime)s %(name)s (%(levelname)s): %(message)s
"""
YOLO = """# Parameters
nc: 80 # number of classes
activation: nn.LeakyReLU(0.1)
scales: {n: [0.50, 0.25, 1024]}
backbone:
  - [-1, 1, Conv, [64, 3, 2]] # 0-P1/2
  - [-1, 1, nn.Upsample, [None, 2, "nearest"]]
head:
  - [[15, 18, 21], 1, Detect, [nc]]
"""
METADATA = "description: Ultralytics YOLO11n model (nano) trained on coco.yaml\nstride: 32\ntask: detect\nimgsz: [640, 640]\nnames:\n  0: person\n  1: traffic light (red)\nargs:\n  batch: 1\n"
AGENT = "system_prompt: |-\n  You are an agent. {%- for tool in tools.values() %}\n  - {{ tool.name }}: {{ tool.description }}\n  {%- endfor %}\nplanning:\n  initial_plan: |-\n    {{task}} and {{ managed_agents | length }}\n"
TASK = 'task: arc\ndoc_to_text: "Question: {{question}}\\nAnswer:"\ndoc_to_target: "{{choices.label.index(answerKey)}}"\ndoc_to_choice: "{{choices.text}}"\n'
CARD = "---\nlicense: mit\n---\n# A model\nNever load such a file:\n```yaml\na: !!python/object/apply:os.system ['id']\n```\n```ini\n[handler_h]\nargs=(__import__('os').system('id'),)\n```\nSet `_target_: os.system` not.\n"
PICTURE = base64.b64encode(bytes(range(256)) * 8).decode()
TEXTS = {
    "config.pbtxt": TRITON,
    "deploy.prototxt": 'name: "net"\nlayer { name: "conv" type: "Convolution" convolution_param { num_output: 64 kernel_size: 3 } }\n',
    "logging.ini": LOGGING,
    "logging.json": json.dumps({"version": 1, "handlers": {"h": {"class": "logging.handlers.RotatingFileHandler", "filename": "x"}, "r": {"class": "rich.logging.RichHandler"}}}),
    "logging.yaml": "version: 1\nformatters: {a: {format: '%(message)s'}}\nhandlers:\n  h: {class: logging.StreamHandler, stream: ext://sys.stdout}\n",
    "labels.yaml": "class: dog\nbox: 1\n---\nclass: traffic light (red)\n",
    "yolo11.yaml": YOLO,
    "metadata.yaml": METADATA,
    "coco.yaml": "path: coco\ntrain: images\nnames: {0: person}\ndownload: https://github.com/ultralytics/assets/releases/download/v0.0.0/coco128.zip\n",
    "prompts.yaml": AGENT,
    "task.yaml": TASK,
    "chat_template.txt": "{% for message in messages %}<|{{ message.role }}|>{{ message['content'] | trim }}{% endfor %}",
    "email_template.html": "<html><body>Dear {{ user.name }}, {{#if paid}}thanks{{/if}}</body></html>\n",
    "README.md": CARD,
    "notes.txt": "Wow!! yaml.load makes objects of !!python/object/apply:os.system tags.\nSo do not.\n",
    "config.toml": '[project]\nname = "x"\n[tool.a]\ncommand = "run (fast)"\n',
    "setup.cfg": "[metadata]\nname = x\n[options]\ninstall_requires =\n    torch\n",
    "notebook.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": ["import os\n", "os.system('ls')"], "outputs": [{"data": {"image/png": PICTURE}}]}], "nbformat": 4}),
    "pages.json": json.dumps({"image": "data:image/png;base64," + PICTURE, "token": PICTURE[:120], "key": "c" * 64, "text": "{{ not closed"}),
    "vocab.txt": "".join(f"internationalization{number}\n" for number in range(500)),
    "digest.txt": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  model.bin\n",
    "page.svg": '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n<svg/>\n',
    "layers.xml": '<?xml version="1.0"?>\n<!DOCTYPE net SYSTEM "net.dtd">\n<net name="a"/>\n',
    "pipeline.json": json.dumps({"components": {"a": {"type": "haystack.components.builders.PromptBuilder", "init_parameters": {"template": "{{ query }}"}}}}),
    "genai_config.json": json.dumps({"model": {"decoder": {"session_options": {"provider_options": [{"qnn": {"backend_path": "QnnHtp.dll"}}]}}}}),
}

# Lists of words whose letters are opcodes of pickle's first protocol.
LISTS = {
    "moods.txt": "confusion calm curiosity sadness anger",
    "animals.names": "cow cat calf camel bear ",
    "mixed.labels": "carrot plant contempt cat bus",
    "configs.txt": " ".join(f"configs/{number}.yaml" for number in range(9)),
    "files.csv": " ".join(f"cat.{number}.jpg" for number in range(9)),
    "requirements.txt": "contourpy click Pillow ",
    "requires.txt": "Pillow cython numpy ",
    "packages": "PyYAML cffi scipy numpy ",
}
TEXTS |= {name: words.replace(" ", "\n") for name, words in LISTS.items()} | {
    "answers.txt": "N.N.N.N.N.N.N.N.\n",
    "essay.txt": "I " + "think that it is so " * 200 + "\n",
    "traits.json": json.dumps({"version": "1.0", "attributes": [{"trait_type": "x", "value": 1}]}),
    "tokenizer.json": json.dumps({"version": "1.0", "truncation": None, "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "attributes": 1}, "unk_token": "[UNK]"}}),
}


def text(folder, name):
    (folder / name).write_text(TEXTS[name])
    return folder / name


def coded(folder, name):
    """Markup of one byte a character, as statistics programs of Windows write PMML."""
    (folder / name).write_bytes('<?xml version="1.0" encoding="windows-1252"?>\n<PMML version="4.4"><Header description="Für"/></PMML>\n'.encode("cp1252"))
    return folder / name


def server(folder, name):
    """A repository of Triton's, whose model is ONNX's."""
    import onnx
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(one, TensorProto.FLOAT, [1]) for one in "xy")
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y]))
    helper.set_model_props(model, {"names": "{0: 'person', 1: 'traffic light (red)'}", "imgsz": "[640, 640]", "stride": "32", "author": "A. (of B.)"})
    (folder / name / "1").mkdir(parents=True)
    onnx.save(model, folder / name / "1" / "model.onnx")
    (folder / name / "config.pbtxt").write_text(TRITON)
    return folder / name


def packed(folder, name):
    """Streams within an archive, of little and of much."""
    with zipfile.ZipFile(folder / "runs.zip", "w") as archive:
        for number, data in enumerate((b"", pickle.dumps({"a": 1}), random.Random(0).randbytes(17 << 20))):
            archive.writestr(f"{number}.bin.{name}", {"gz": gzip, "bz2": bz2, "xz": lzma}[name].compress(pickle.dumps(data)))
    return folder / "runs.zip"


def looks_like_a_pickle(folder, name):
    """Weights whose first bytes are a pickle's mark, or an opcode."""
    import struct

    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper

    for number, start in enumerate((b"\x80\x02\x80?", b"\x82\x19\x84?", b"\x80\x04\x95?", b"cab?", b"N.\x80?")):
        layer = torch.nn.Linear(2, 2)
        with torch.no_grad():
            layer.bias[:] = torch.tensor([struct.unpack("<f", start)[0], 1.0])
        torch.export.save(torch.export.export(layer, (torch.randn(1, 2),)), folder / f"{number}.pt2")
        weights = numpy_helper.from_array(layer.bias.detach().numpy(), "w")
        x, y = (helper.make_tensor_value_info(one, TensorProto.FLOAT, [2]) for one in "xy")
        model = helper.make_model(helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weights]))
        onnx.save(model, folder / f"{number}.onnx", save_as_external_data=True, location=f"{number}.weights", size_threshold=0)
    return folder


def encoded(folder, name):
    """A pickle whose texts are base64 and hexadecimal digits, of pictures and digests as of other pickles that do nothing."""
    harmless = pickle.dumps({"w": [1.0] * 20, "b": pickle.dumps([2.0] * 9)})
    texts = [PICTURE, "80" + "04" * 31, "8002" * 16, base64.b64encode(harmless).decode(), harmless.hex(), base64.b64encode(pickle.dumps(PICTURE)).decode(), "internationalization"]
    (folder / name).write_bytes(pickle.dumps({text: [text, text.upper(), text.encode()] for text in texts}))
    return folder / name


def rows():
    found = {f"text/{name}": functools.partial(text, name=name) for name in TEXTS}
    found |= {"text/latin.pmml": functools.partial(coded, name="model.pmml")}
    found |= {f"packed-stream/{name}": functools.partial(packed, name=name) for name in ("gz", "bz2", "xz")}
    found |= {"pickle/encoded_texts": functools.partial(encoded, name="model.pkl")}
    return found | {"onnx-server/triton": functools.partial(server, name="triton"), "torch-weights/like_pickles": functools.partial(looks_like_a_pickle, name="")}
