"""Vectors whose numbers lead the native code that loads them, or predicts with them, out of its memory, or round for ever."""

import copy
import json
import pathlib
import re
import struct

from attack import Table

ATTACKS = Table()
FORMATS = pathlib.Path(__file__).resolve().parents[2] / "holdall/formats"
# What is not understood by the numbers' own rules, and would crash its reader.
CRASHES = ("unreadable",)
FAR = 1_000_000_000


def xgboost(name, change, source="trees.json", binary=False):
    """A sound model of JSON with something changed: change(document, booster's model, its first tree)."""

    def document():
        whole = json.loads((FORMATS / "xgboost/testdata" / source).read_text())
        booster = whole["learner"]["gradient_booster"]
        model = booster.get("gbtree", booster)["model"]
        change(whole, model, model.get("trees", [None])[0])
        return whole

    @ATTACKS.made(f"broken-off/xgboost_{name}", CRASHES)
    def _(folder):
        path = folder / ("model.ubj" if binary else "model.json")
        path.write_bytes(ubjson(document()) if binary else json.dumps(document()).encode())
        return path


def ubjson(value):
    """As XGBoost writes it, without its arrays of one type."""
    if isinstance(value, dict):
        return b"{" + b"".join(b"L" + len(key).to_bytes(8, "big") + key.encode() + ubjson(each) for key, each in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(map(ubjson, value)) + b"]"
    if isinstance(value, str):
        return b"SL" + len(value.encode()).to_bytes(8, "big") + value.encode()
    if isinstance(value, int):
        return b"L" + value.to_bytes(8, "big", signed=True)
    return b"d" + struct.pack(">f", value)


def setting(key, place, value):
    def change(whole, model, tree):
        tree[key][place] = value

    return change


def loop(whole, model, tree):
    tree["left_children"][1] = tree["right_children"][1] = 1


def of_group(whole, model, tree):
    model["tree_info"] = [FAR] * len(model["trees"])


def behind_a_decoy(whole, model, tree):
    """What a pickle's bytes hold lies within Model; a file is loaded by the other."""
    whole["Model"] = copy.deepcopy(whole)
    tree["left_children"][0] = FAR


def behind_another_booster(whole, model, tree):
    whole["learner"]["gradient_booster"]["gbtree"] = {"model": copy.deepcopy(model)}
    tree["left_children"][0] = FAR


def features_spelled_otherwise(whole, model, tree):
    whole["learner"]["learner_model_param"]["num_feature"] = "4 "
    tree["split_indices"][0] = FAR


def too_few_weights(whole, model, tree):
    whole["learner"]["gradient_booster"] = {"name": "gblinear", "model": {"weights": [1.0], "boosted_rounds": 1}}


xgboost("a_child_that_is_none", setting("left_children", 0, FAR))
xgboost("a_child_that_is_none_in_ubjson", setting("left_children", 0, FAR), binary=True)
xgboost("a_child_below_zero", setting("right_children", 0, -FAR))
xgboost("a_child_of_itself", loop)
xgboost("a_child_of_itself_in_ubjson", loop, binary=True)
xgboost("a_feature_that_is_none", setting("split_indices", 1, FAR))
xgboost("a_parent_that_is_none", setting("parents", 3, FAR))
xgboost("a_category_below_zero", setting("categories", 0, -FAR))
xgboost("a_segment_that_is_none", setting("categories_segments", 0, FAR))
xgboost("an_output_that_is_none", of_group)
xgboost("a_child_beside_a_decoy", behind_a_decoy)
xgboost("a_child_beside_another_booster", behind_another_booster)
xgboost("features_spelled_otherwise", features_spelled_otherwise)
xgboost("too_few_weights", too_few_weights)
xgboost("dart_without_weights", lambda whole, model, tree: whole["learner"]["gradient_booster"].update(weight_drop=[]), "dart.json")
xgboost("a_dart_tree_of_an_output_that_is_none", of_group, "dart.json")


def lightgbm(name, *changes, source="trees.txt"):
    """A sound model with lines changed: (pattern, what stands in its place), the first of each; the sizes of the trees follow."""

    @ATTACKS.made(f"broken-off/lightgbm_{name}", CRASHES)
    def _(folder):
        text = (FORMATS / "lightgbm/testdata" / source).read_text()
        for pattern, put in changes:
            text, count = re.subn(pattern, put, text, count=1, flags=re.M)
            assert count == 1, pattern
        path = folder / "model.txt"
        path.write_bytes(sized(text).encode())
        return path


def sized(text):
    trees = re.split(r"(?=^Tree=\d+$)", text, flags=re.M)[1:]
    trees[-1:] = [trees[-1].partition("end of trees")[0]] if trees else []
    return re.sub(r"^tree_sizes=.*$", lambda _: "tree_sizes=" + " ".join(str(len(each)) for each in trees), text, flags=re.M)


lightgbm("a_child_that_is_none", (r"^left_child=-?\d+", f"left_child={FAR}"))
lightgbm("a_leaf_that_is_none", (r"^right_child=-?\d+", f"right_child=-{FAR}"))
lightgbm("a_child_of_itself", (r"^left_child=-?\d+", "left_child=0"))
lightgbm("a_feature_that_is_none", (r"^split_feature=\d+", f"split_feature={FAR}"))
lightgbm("a_linear_feature_that_is_none", (r"^(leaf_features=\s*)\d+", rf"\g<1>{FAR}"), source="linear.txt")
lightgbm("linear_leaves_without_factors", (r"^leaf_coeff=.*\d.*\n", ""), source="linear.txt")
lightgbm("categories_that_are_none", (r"^cat_boundaries=0 \d+", f"cat_boundaries=0 {FAR}"))
lightgbm("more_trees_a_round_than_classes", (r"^num_tree_per_iteration=1", "num_tree_per_iteration=3"))
lightgbm("an_objective_of_more_classes", (r"^objective=.*", "objective=multiclass num_class:100000"))
lightgbm("an_objective_of_more_classes_spelled_otherwise", (r"^objective=.*", "objective=multiclass num_class::100000"))
lightgbm("classes_behind_a_mark", (r"^num_class=1", "num_class=1\n=num_class=0"))
lightgbm("a_line_within_a_line", (r"^shrinkage=", f"note=1\\rleft_child={FAR} {FAR}\\rshrinkage="))


def tflite(name, change, source="full.tflite"):
    """A sound model with something changed: change(model, first subgraph)."""

    @ATTACKS.made(f"broken-off/tflite_{name}", CRASHES)
    def _(folder):
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs((FORMATS / "tflite/testdata" / source).read_bytes()))
        change(model, model.subgraphs[0])
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = folder / "model.tflite"
        path.write_bytes(bytes(builder.Output()))
        return path


def without_subgraphs():
    """The two entries of the vtable say that the field is absent."""
    data = bytearray((FORMATS / "tflite/testdata/full.tflite").read_bytes())
    data[16] = data[18] = 0
    return bytes(data)


def put(thing, field, place, value):
    """What was read is an array that cannot be written."""
    values = list(getattr(thing, field))
    values[place] = value
    setattr(thing, field, values)


def without_input(place):
    return lambda model, graph: put(graph.operators[-1], "inputs", place, -1)


def constant_input(model, graph):
    constant = next(i for i, tensor in enumerate(graph.tensors) if tensor.buffer and model.buffers[tensor.buffer].data is not None)
    put(graph, "inputs", 0, constant)


def constant_output(model, graph):
    constant = graph.operators[1].inputs[2]
    graph.tensors[graph.operators[1].outputs[0]].buffer = graph.tensors[constant].buffer


def scale(value):
    def change(model, graph):
        put(graph.tensors[graph.operators[-1].inputs[0]].quantization, "scale", 0, value)

    return change


def other_shape(model, graph):
    codes = [code.builtinCode for code in model.operatorCodes]
    op = next(op for op in graph.operators if codes[op.opcodeIndex] == 6 and len(graph.tensors[op.inputs[0]].shape) > 1)
    put(graph.tensors[op.outputs[0]], "shape", 1, 4355)


ATTACKS.data("broken-off/tflite_without_subgraphs", without_subgraphs, "model.tflite", CRASHES)
tflite("an_operator_without_its_input", without_input(0))
tflite("an_operator_without_its_weights", without_input(1), "dynamic.tflite")
tflite("an_input_that_is_constant", constant_input)
tflite("an_output_that_is_constant", constant_output)
tflite("a_scale_of_nothing", scale(0.0))
tflite("a_scale_too_small", scale(1e-44))
tflite("weights_of_another_shape", other_shape, "float16.tflite")
tflite("a_signature_of_no_subgraph", lambda model, graph: setattr(model.signatureDefs[0], "subgraphIndex", 1000), "signatures.tflite")
