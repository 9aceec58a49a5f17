"""ONNX, GGUF, safetensors, Flax, and folders of transformers' and others' repositories: rows of benign.BENIGN."""

import functools
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = ["a cat sat on the mat", "the dog ran", "Ünïcode ☃ words"] * 20

# --- ONNX ---------------------------------------------------------------------------------------------------------------------------------


def onnx_tests(folder, name):
    """The models that the package has its backends tested with: a folder each, with inputs and outputs."""
    import onnx

    return pathlib.Path(onnx.__file__).parent / "backend/test/data" / name


def onnx_nodes(folder, name):
    """A model of each operator, in memory in the package."""
    import warnings

    import onnx
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            if len(case.model.graph.node) and case.name.split("_")[1][0] in name:
                onnx.save(case.model, folder / f"{case.name}.onnx")
    return folder


def onnx_model(folder, name):
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tensor = helper.make_tensor_value_info
    x, y = tensor("x", TensorProto.FLOAT, [None, 4]), tensor("y", TensorProto.FLOAT, [None, None])
    weights, nodes, domains = [numpy_helper.from_array(numpy.ones((4, 3), "f4"), "w")], [helper.make_node("MatMul", ["x", "w"], ["y"])], [helper.make_opsetid("", 17)]
    functions = []
    if name == "ml":
        domains.append(helper.make_opsetid("ai.onnx.ml", 3))
        nodes = [helper.make_node("LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[1.0] * 4, intercepts=[0.5])]
    elif name == "trees":
        domains.append(helper.make_opsetid("ai.onnx.ml", 3))
        nodes = [
            helper.make_node(
                "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.5, 0.0, 0.0],
                nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], nodes_missing_value_tracks_true=[0, 0, 0], nodes_hitrates=[1.0] * 3,
                target_ids=[0, 0], target_treeids=[0, 0], target_nodeids=[1, 2], target_weights=[1.0, 2.0], n_targets=1,
            )
        ]  # fmt: skip
    elif name == "microsoft":
        domains.append(helper.make_opsetid("com.microsoft", 1))
        nodes = [helper.make_node("FusedMatMul", ["x", "w"], ["h"], domain="com.microsoft", alpha=2.0), helper.make_node("BiasGelu", ["h", "b"], ["y"], domain="com.microsoft")]
        weights.append(numpy_helper.from_array(numpy.ones(3, "f4"), "b"))
    elif name == "function":
        domains.append(helper.make_opsetid("local", 1))
        functions = [helper.make_function("local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], domains[:1])]
        nodes = [helper.make_node("Twice", ["x"], ["y"], domain="local")]
    elif name == "branches":
        then = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["t"])], "then", [], [tensor("t", TensorProto.FLOAT, None)])
        other = helper.make_graph([helper.make_node("Relu", ["x"], ["e"])], "else", [], [tensor("e", TensorProto.FLOAT, None)])
        weights.append(numpy_helper.from_array(numpy.array(True), "c"))
        nodes = [helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    model = helper.make_model(helper.make_graph(nodes, name, [x], [y], weights), opset_imports=domains, functions=functions, ir_version=9)
    helper.set_model_props(model, {"author": "nobody", "names": json.dumps({"0": "cat"}), "stride": "32"})
    external = {"save_as_external_data": True, "location": "model.onnx_data", "size_threshold": 0} if name == "external" else {}
    onnx.save(model, folder / "model.onnx", **external)
    return folder if external else folder / "model.onnx"


def onnx_exported(folder, name):
    import torch

    path = folder / "model.onnx"
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2)).eval()
    torch.onnx.export(net, (torch.ones(1, 3, 8, 8),), path, dynamo=name == "dynamo", verbose=False)
    return folder


# --- Tensors alone ---------------------------------------------------------------------------------------------------------------------------


def safetensors(folder, name):
    import numpy
    from safetensors.numpy import save_file

    path = folder / f"{name}.safetensors"
    tensors = {"w": numpy.ones((3, 4), "f2"), "b": numpy.arange(4), "mask": numpy.array([True]), "empty": numpy.zeros((0, 2), "f4")}
    save_file({} if name == "empty" else tensors, path, metadata={"format": "pt", "note": "__import__('os')"} if name == "metadata" else None)
    return path


def gguf(folder, name):
    import numpy
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    path = folder / f"{name}.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_name("A model"), writer.add_tags(["text"]), writer.add_tokenizer_model("llama"), writer.add_token_list(["<s>", "os.system", "a"]), writer.add_token_scores([0.0, 1.0, 2.0])
    kind = getattr(GGMLQuantizationType, name)
    data = numpy.ones((4, 256), "f4")
    data = data.astype("f2" if name == "F16" else "f4") if name.startswith("F") else quants.quantize(data, kind)
    writer.add_tensor("w", data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def flax(folder, name):
    import numpy
    from flax import serialization

    path = folder / f"{name}.msgpack"
    params = {"params": {"Dense_0": {"kernel": numpy.ones((3, 4), "f4"), "bias": numpy.zeros(4, "f2")}}, "step": 3, "rng": numpy.arange(2, dtype="u4")}
    path.write_bytes(serialization.msgpack_serialize(params))
    return path


# Files in the tree that their authors' own libraries wrote.
GOLDEN = [
    *(f"holdall/formats/flax/testdata/{name}.msgpack" for name in ("alone", "chunked", "dtypes", "state", "values")), "holdall/formats/flax/testdata/shards",
    *(f"holdall/formats/gguf/testdata/{name}.gguf" for name in ("big", "big_blocks", "blocks", "types", "v1", "v2", "splits-00001-of-00002")),
    *(f"holdall/formats/huggingface/testdata/{name}" for name in ("bert", "bert_sharded", "gpt2_tied")),
    *(f"holdall/formats/joblib/testdata/{name}" for name in ("bz2.joblib", "gzip.joblib", "lz4.joblib", "lzma.joblib", "plain.joblib", "protocol2.joblib", "xz.joblib", "zlib.joblib")),
    *(f"holdall/formats/joblib/testdata/old_{name}.pkl" for name in ("0.11", "0.11_zf", "0.8.4_beside", "0.8.4_zf", "0.9.4", "0.9.4_zf")),
    *(f"holdall/formats/numpy/testdata/{name}" for name in "arrays.npz compressed.npz float32.npy fortran.npy objects.npy record.npy scalar.npy several.npy text.npy".split()),
    *(f"holdall/formats/onnx/testdata/{name}" for name in ("encodings.onnx", "places.onnx", "external")),
    *(f"holdall/formats/pickle/testdata/{kind}_{number}.pkl" for kind, numbers in {"arrays": "0245", "plain": "012345", "rich": "012345", "torch": "24"}.items() for number in numbers),
    *(f"holdall/formats/pytorch/testdata/{name}.pt" for name in """aligned bare big_endian checkpoint deflated dtypes legacy legacy_dtypes
        legacy_protocol4 legacy_views no_crc protocol4 quantized special state_dict storages tar_storage_views tar_values tar_views views""".split()),
    *(f"holdall/formats/safetensors/testdata/{name}" for name in ("dtypes.safetensors", "nothing.safetensors", "shapes.safetensors", "sharded", "small.safetensors")),
    *(f"holdall/formats/torch_export/testdata/{name}.pt2" for name in ("program", "small", "two", "before_2_7")),
    *(f"holdall/formats/torchscript/testdata/{name}" for name in ("before_1_4.pt", "dtypes.pt", "scripted.pt", "traced.pt", "quantized.pt", "lite.ptl")),
    *(f"holdall/formats/xgboost/testdata/{name}" for name in "dart.json linear.ubj rank.json rank.ubj targets.ubj trees.json trees.ubj booster_0.pkl booster_2.pkl booster_5.pkl".split()),
    *(f"holdall/formats/lightgbm/testdata/{name}" for name in ("linear.txt", "stump.txt", "trees.txt", "dump.json", "booster.pkl")),
]  # fmt: skip


def golden(folder, name):
    return ROOT / name


# --- Folders of repositories --------------------------------------------------------------------------------------------------------------------

CONFIGS = """albert bart bert blip clip codegen cohere convnext deberta-v2 deepseek_v3 detr distilbert electra falcon gemma gemma2 gemma3 gpt2 gpt_neo gpt_neox
    gptj granite hubert idefics3 layoutlm llama llama4 llava longformer mamba marian mbart mistral mixtral mobilebert modernbert mpt olmo2 opt paligemma pegasus phi phi3 qwen2
    qwen2_vl qwen3 qwen3_moe resnet roberta sam segformer siglip stablelm starcoder2 swin t5 vit wav2vec2 whisper xlm-roberta xlnet""".split()
PROCESSORS = "WhisperFeatureExtractor Wav2Vec2FeatureExtractor".split()
CARD = """---
license: apache-2.0
language: [en]
tags: [text-generation]
---
# A model
Load it with `pickle.load(open("model.pkl", "rb"))`, never `os.system("rm -rf /")`; `__import__('os')` is only a word. `eval(input())`
![plot](plot.png)
"""


def config(folder, name):
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    CONFIG_MAPPING[name]().save_pretrained(folder)
    return folder


def processor(folder, name):
    import transformers

    getattr(transformers, name)().save_pretrained(folder)
    return folder


def tokenizer_of(kind):
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    special = ["<s>", "</s>", "<unk>", "<|im_start|>"]
    if kind == "bpe":
        made, trainer = Tokenizer(models.BPE()), trainers.BpeTrainer(special_tokens=special, vocab_size=300, show_progress=False)
        made.pre_tokenizer = pre_tokenizers.ByteLevel()
    elif kind == "wordpiece":
        made, trainer = Tokenizer(models.WordPiece(unk_token="<unk>")), trainers.WordPieceTrainer(special_tokens=special, vocab_size=100, show_progress=False)
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    else:
        made, trainer = Tokenizer(models.Unigram()), trainers.UnigramTrainer(special_tokens=special, vocab_size=60, unk_token="<unk>", show_progress=False)
        made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.train_from_iterator(TEXT, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def tokenizer(folder, name):
    import benign_templates

    made = tokenizer_of(name)
    made.chat_template = benign_templates.LLAMA3
    made.save_pretrained(folder)
    return folder


def image(path):
    """A small PNG."""
    import struct
    import zlib

    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    head, body = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0), zlib.compress(b"".join(b"\0" + bytes(12) for _ in range(4)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def repository(folder, name):
    """All that stands in one: weights, in shards or old, tokenizer, card, pictures, scripts that nothing refers to."""
    import torch
    import transformers

    torch.manual_seed(0)
    if name == "gpt2":
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=300, n_embd=16, n_layer=2, n_head=2, n_positions=32))
    elif name == "t5":
        model = transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=100, d_model=16, num_layers=1, num_heads=2, d_ff=16, d_kv=8))
    else:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2))
    model.save_pretrained(folder, max_shard_size="20KB" if name == "sharded" else "5GB")
    if name == "old":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    tokenizer(folder, "unigram" if name == "t5" else "bpe")
    (folder / "README.md").write_text(CARD)
    (folder / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    (folder / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004\n")
    (folder / "merges.txt").write_text("#version: 0.2\nĠ t\nh e\n")
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "Ġos.system": 1}))
    (folder / "requirements.txt").write_text("torch>=2\ntransformers\n")
    (folder / "train.py").write_text("import os\nimport subprocess\n\nsubprocess.run(['nvidia-smi'])\nos.system('ls')\n")
    (folder / "demo.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["!pip install torch\n", "import os"]}], "nbformat": 4}))
    (folder / "all_results.json").write_text('{"eval_loss": 0.25, "epoch": 3.0}')
    (folder / "config.yaml").write_text("model:\n  name: x\n  lr: 1e-3\n")
    image(folder / "plot.png")
    return folder


def adapter(folder, name):
    import peft
    import transformers

    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=16))
    config = {"lora": peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True), "ia3": peft.IA3Config(target_modules=["c_attn"], feedforward_modules=[])}[name]
    peft.get_peft_model(model, config).save_pretrained(folder)
    return folder


# --- What stands beside models -------------------------------------------------------------------------------------------------------------------


def beside(folder, name):
    import gzip
    import wave

    path = folder / name
    if ".json" in name:
        text = {"weights": '{"weight": {"a": [1]}}', "data": '{"data":{"dataset":[{"did":61}]}}', "list": "[[1, 2], [3]]", "number": "3"}[name.split(".")[0]].encode()
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    elif name.endswith("wav"):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", "")), file.writeframes(bytes(1000))
    elif name.endswith("mp4"):
        box = lambda kind, data: (len(data) + 8).to_bytes(4, "big") + kind + data  # noqa: E731
        path.write_bytes(box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"moov", box(b"mvhd", bytes(100))) + (1).to_bytes(4, "big") + b"mdat" + (1016).to_bytes(8, "big") + bytes(range(250)) * 4)
    elif name.endswith("ogg"):
        page = lambda number, data: b"OggS\0\0" + bytes(8) + b"abcd" + number.to_bytes(4, "little") + b"crc!" + bytes([len(data) // 200]) + bytes([200]) * (len(data) // 200) + data  # noqa: E731
        path.write_bytes(page(0, bytes(200)) + page(1, bytes(range(100)) * 4))
    elif name.endswith("flac"):
        path.write_bytes(b"fLaC" + b"\0\0\0\x22" + bytes(34) + b"\x84\0\0\4abcd" + b"\xff\xf8" + bytes(range(100)))
    else:
        text = {"merges.txt": "#version: 0.2\na b\n", "labels.csv": "0,cat\n1,os.system\n", "config.yaml": "model:\n  target: ldm.models.Diffusion\n", "spm.vocab": "a\t-1.5\n", "notes.rst": "eval(input())\n"}[name]
        path.write_text(text)
    return path


def settings(folder, name):
    """The arguments of a run, as PyYAML writes them: RL Baselines3 Zoo and Lightning keep such files beside the model."""
    import argparse
    import collections
    import datetime

    import torch
    import yaml

    values = {
        "ordered": collections.OrderedDict([("batch_size", 64), ("policy", "MlpPolicy"), ("clip_range", (0.1, 0.2))]),
        "namespace": argparse.Namespace(lr=1e-3, layers=[4, 8], inner=argparse.Namespace(x=None)),
        "paths": {"data": pathlib.Path("data"), "out": pathlib.PurePosixPath("runs/1"), "windows": pathlib.PureWindowsPath("c:/x")},
        "torch": {"device": torch.device("cuda:0"), "shape": torch.ones(2, 3).shape},
        "times": {"limit": datetime.timedelta(hours=2), "from": datetime.datetime(2024, 1, 2), "on": datetime.date(2024, 1, 2)},
    }[name]
    path = folder / "args.yml"
    path.write_text(yaml.dump(values))
    return path


def records(folder, name):
    """What TensorBoard reads, and data of examples."""
    import tensorflow as tf

    if name == "events":
        from tensorflow.core.util.event_pb2 import Event

        path = folder / "events.out.tfevents.1700000000.host.1.0"
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
            writer.write(Event(wall_time=2.0, step=1).SerializeToString())
        return path
    with tf.io.TFRecordWriter(str(folder / "data.tfrecord")) as writer:
        for number in range(3):
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={"x": feature})).SerializeToString())
    return folder / "data.tfrecord"


def left(folder, name):
    """What cameras, offices, data sets and systems leave beside models."""
    import sqlite3
    import struct

    path = folder / name
    if name == "a.sqlite":
        with sqlite3.connect(path) as base:
            base.execute("create table t (a, b)"), base.executemany("insert into t values (?, ?)", [(i, "x" * 100) for i in range(1000)])
        base.close()
        return path
    tags = [(256, 4, 1, 2), (257, 4, 1, 2), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 98), (278, 4, 1, 2), (279, 4, 1, 4)]
    table = lambda tag, data, at: struct.pack(">4sIII", tag, 0, at, len(data)) + data  # noqa: E731
    apple = struct.pack(">II16sH", 0x51607, 0x20000, b"Mac OS X", 2) + struct.pack(">6I", 9, 50, 113, 2, 163, 0) + bytes(34) + b"ATTR" + bytes(75)
    store = b"\0\0\0\1Bud1" + struct.pack(">III", 4096, 2048, 4096) + bytes(16) + bytes(6112)
    made = {
        "a.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 70, 0, 54, 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0) + bytes(range(16)),
        "favicon.ico": struct.pack("<HHHBBBBHHII", 0, 1, 1, 1, 1, 0, 0, 1, 32, 40, 22) + bytes(40),
        "a.tif": struct.pack("<2sHIH", b"II", 42, 8, 7) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4) + b"abcd",
        "a.pgm": b"P5\n# GIMP\n3 2\n255\n" + bytes(range(6)), "a.ppm": b"P6 2 2 255\n" + bytes(range(12)), "a.pbm": b"P4\n9 2\n" + bytes(4),
        "train-labels-idx1-ubyte": struct.pack(">BBBBI", 0, 0, 8, 1, 60) + bytes(range(60)), "t10k-images-idx3-ubyte": struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 28, 28) + bytes(1568),
        "data.parquet": b"PAR1" + bytes(range(40)) + struct.pack("<I", 20) + b"PAR1", "data.arrow": b"ARROW1\0\0" + bytes(40) + struct.pack("<I", 20) + b"ARROW1",
        "paper.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n0\n%%EOF\r\n",
        "a.mp3": b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + (b"\xff\xfb\x90\x64" + bytes(413)) * 3 + b"TAG" + bytes(125),
        "a.ttf": b"\0\1\0\0" + struct.pack(">HHHH", 1, 16, 0, 0) + table(b"head", bytes(54), 28) + bytes(2), "a.woff2": b"wOF2" + struct.pack(">II", 0x10000, 40) + bytes(28),
        "messages.mo": struct.pack("<7I", 0x950412DE, 0, 1, 28, 36, 0, 44) + struct.pack("<4I", 1, 44, 2, 46) + b"a\0\xc3\xa9\0",
        "._model.pt": apple, ".DS_Store": store, "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHH", 62, 3, 0xFFFE, 9) + bytes(1504),
        "labels.txt": "café\nnaïve\n".encode("latin-1"), "classes.csv": "0;été\n1;Übung\n".encode("cp1252"), "README.md": "# 日本語の文書\n".encode("shift-jis"), "words.txt": "中文\n文本\n".encode("gbk"),
        "notes.txt": "a note\n".encode("utf-16"), "desktop.ini": "\ufeff[.ShellClassInfo]\r\n".encode("utf-16-le"), ".gitkeep": b"",
    }
    path.write_bytes(made[name])
    return path


def left_in_zip(folder, name):
    """What macOS's Finder packs beside what it was asked for."""
    import zipfile

    import torch

    torch.save({"w": torch.ones(2)}, folder / "m.pt")
    with zipfile.ZipFile(folder / "models.zip", "w") as file:
        file.write(folder / "m.pt", "run/m.pt")
        for member, of in {"__MACOSX/run/._m.pt": "._model.pt", "run/.DS_Store": ".DS_Store", "run/a.pgm": "a.pgm"}.items():
            file.write(left(folder, of), member)
    return folder / "models.zip"


LEFT = """a.sqlite a.bmp favicon.ico a.tif a.pgm a.ppm a.pbm train-labels-idx1-ubyte t10k-images-idx3-ubyte data.parquet data.arrow paper.pdf a.mp3 a.ttf a.woff2 messages.mo
    ._model.pt .DS_Store Thumbs.db labels.txt classes.csv README.md words.txt notes.txt desktop.ini .gitkeep""".split()
BESIDE = """weights.json data.json list.json number.json data.json.gz list.json.gz a.wav a.mp4 a.ogg a.flac merges.txt labels.csv config.yaml spm.vocab notes.rst""".split()


def each(family, names, make):
    return {f"{family}/{name}": functools.partial(make, name=name) for name in names}


def rows():
    found = each("onnx-test", ["light", "pytorch-converted", "pytorch-operator", "simple", "real"], onnx_tests)
    found |= each("onnx-node", ["abcd", "efghijkl", "mnop", "qrs", "tuvwxyz"], onnx_nodes)
    found |= each("onnx", ["plain", "ml", "trees", "microsoft", "function", "branches", "external"], onnx_model) | each("onnx-torch", ["dynamo"], onnx_exported)
    found |= each("safetensors", ["plain", "metadata", "empty"], safetensors) | each("gguf", ["F32", "F16", "Q8_0", "Q4_0", "Q5_1"], gguf) | each("flax", ["params"], flax)
    found |= each("golden", GOLDEN, golden) | each("hf-config", CONFIGS, config) | each("hf-processor", PROCESSORS, processor)
    found |= each("hf-tokenizer", ["bpe", "wordpiece", "unigram"], tokenizer) | each("hf-repository", ["gpt2", "t5", "sharded", "old"], repository)
    found |= each("beside", BESIDE, beside) | each("left", LEFT, left) | each("left-zip", ["mac"], left_in_zip) | each("tf-records", ["events", "examples"], records)
    found |= each("yaml-settings", ["ordered", "namespace", "paths", "torch", "times"], settings)
    return found | each("hf-adapter", ["lora", "ia3"], adapter)
