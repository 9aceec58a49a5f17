"""Models of several files as people pack and keep them: rows of benign.BENIGN."""

import functools
import os
import shutil
import tarfile
import zipfile

import numpy as np


def saved_model(folder):
    import tensorflow as tf

    class Net(tf.Module):
        def __init__(self):
            self.w = tf.Variable(tf.ones((2, 2)))

        @tf.function(input_signature=[tf.TensorSpec((None, 2))])
        def __call__(self, x):
            return x @ self.w

    tf.saved_model.save(Net(), str(folder))


def shards(folder):
    import torch
    import transformers

    config = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=30)
    torch.manual_seed(1)
    transformers.BertModel(config).save_pretrained(folder, max_shard_size="2KB")


def onnx_with_data(folder, location="weights.pb", each=False):
    import onnx
    from onnx import helper, numpy_helper

    weights = [numpy_helper.from_array(np.arange(1024, dtype=np.float32).reshape(32, 32) + i, f"w{i}") for i in range(2)]
    nodes = [helper.make_node("MatMul", ["x", "w0"], ["h"]), helper.make_node("MatMul", ["h", "w1"], ["y"])]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 32]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], weights))
    folder.mkdir(exist_ok=True)
    onnx.save_model(model, folder / "model.onnx", save_as_external_data=True, all_tensors_to_one_file=not each, location=None if each else location, size_threshold=0)


MAKERS = {
    "saved_model": saved_model, "shards": shards, "onnx": onnx_with_data, "onnx_data": functools.partial(onnx_with_data, location="model.onnx_data"),
    "onnx_each": functools.partial(onnx_with_data, each=True),
}


def plain(folder, name):
    (folder / name).mkdir()
    MAKERS[name](folder / name)
    return folder / name


def packed(folder, name):
    made, form = name.split("-")
    root = plain(folder, made)
    path = folder / f"packed.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(entry for entry in root.rglob("*") if entry.is_file()):
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(root, ".")
    shutil.rmtree(root)
    return path


def cached(folder, name):
    """As the hub's library keeps what it fetched: files under the names of their hashes, links under their own."""
    root = plain(folder, name)
    snapshot = folder / "hub" / "models--who--what" / "snapshots" / "0123abcd"
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(root.iterdir())):
        shutil.move(file, blobs / f"{number:040x}")
        (snapshot / file.name).symlink_to(os.path.relpath(blobs / f"{number:040x}", snapshot))
    root.rmdir()
    return folder / "hub"


def linked(folder, name):
    """A folder of which a part has a second name: `wandb` has one for its last run, trainers for their last checkpoint."""
    root = plain(folder, name)
    shutil.move(root, folder / "checkpoint-10")
    root.mkdir()
    shutil.move(folder / "checkpoint-10", root)
    (root / "latest").symlink_to("checkpoint-10")
    (root / "notes.txt").write_text("cat\ndog\nbird\n")
    (root / "NOTES.txt").symlink_to("notes.txt")
    return root


def empty(folder, name):
    (folder / name).touch()
    return folder / name


def rows():
    def each(family, names, make):
        return {f"{family}/{name}": functools.partial(make, name=name) for name in names}

    found = each("folder", MAKERS, plain) | each("hub-cache", ["shards", "onnx_data"], cached) | each("linked", ["shards", "onnx_data"], linked)
    found |= each("packed", [f"{name}-{form}" for name in ("saved_model", "shards", "onnx_data") for form in ("zip", "tar.gz")], packed)
    return found | each("empty", [".gitkeep", "__init__.py", "py.typed"], empty)
