"""Models that LightGBM wrote: numbers against dump_model(), predictions computed from the tensors against its own, pickles."""

import pickle

import numpy
import pytest

lightgbm = pytest.importorskip("lightgbm")
import joblib  # noqa: E402
import safetensors.numpy  # noqa: E402

import damage  # noqa: E402

BRIEF = {"verbose": -1, "num_threads": 1, "seed": 0, "deterministic": True, "num_leaves": 12, "min_data_in_leaf": 5}


def data():
    rng = numpy.random.default_rng(0)
    values = rng.normal(size=(600, 4))
    values[rng.random(values.shape) < 0.1] = numpy.nan
    values[:, 1] = numpy.where(rng.random(600) < 0.3, 0.0, values[:, 1])
    values[:, 3] = rng.integers(0, 50, 600)
    return values, (numpy.nan_to_num(values[:, 0]) + values[:, 3] % 3 > 1).astype("f4")


def trained(kind):
    values, label = data()
    many = {"max_cat_to_onehot": 2, "min_data_per_group": 5, "cat_smooth": 1, **BRIEF}
    if kind == "linear":
        return lightgbm.train({"linear_tree": True, **BRIEF}, lightgbm.Dataset(numpy.nan_to_num(values[:, :3]), label), 4)
    if kind == "zeros":
        return lightgbm.train({"zero_as_missing": True, **BRIEF}, lightgbm.Dataset(values[:, :3], label), 6)
    if kind == "classes":
        return lightgbm.train({"objective": "multiclass", "num_class": 3, **many}, lightgbm.Dataset(values, values[:, 3] % 3, categorical_feature=[3]), 4)
    if kind == "dart":
        return lightgbm.train({"boosting": "dart", **many}, lightgbm.Dataset(values, label, categorical_feature=[3]), 6)
    return lightgbm.train({"objective": "binary", **many}, lightgbm.Dataset(values, label, categorical_feature=[3]), 8)


KINDS = ["binary", "classes", "dart", "zeros", "linear"]


def tensors_of(holdall, path, folder):
    holdall("convert", path, folder / "m.safetensors", "--allow-loss", "--quiet")
    return safetensors.numpy.load_file(folder / "m.safetensors")


def splits(node):
    if "split_index" in node:
        yield node
        yield from splits(node["left_child"])
        yield from splits(node["right_child"])


def leaves(node):
    if "split_index" in node:
        yield from leaves(node["left_child"])
        yield from leaves(node["right_child"])
    else:
        yield node


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_that_lightgbm_reads(holdall, tmp_path, kind):
    path = tmp_path / "m.txt"
    trained(kind).save_model(path)
    again = lightgbm.Booster(model_file=str(path))
    dump = again.dump_model()
    outcome = holdall.inspect(path)
    assert outcome.json["format"] == "lightgbm" and outcome.json["verdict"] == "inert" and outcome.json["warnings"] == []
    tensors = tensors_of(holdall, path, tmp_path)
    assert len(outcome.json["tree"]["trees"]) == len(dump["tree_info"]) == again.num_trees()
    for i, info in enumerate(dump["tree_info"]):
        of = lambda field: tensors[f"trees.{i}.{field}"]
        for node in splits(info["tree_structure"]):
            at = node["split_index"]
            assert of("split_feature")[at] == node["split_feature"]
            assert of("split_gain")[at] == numpy.float32(node["split_gain"])
            assert of("internal_value")[at] == node["internal_value"]
            assert of("internal_weight")[at] == node["internal_weight"]
            assert of("internal_count")[at] == node["internal_count"]
            if node["decision_type"] == "<=":
                assert of("threshold")[at] == node["threshold"]
        for leaf in leaves(info["tree_structure"]):
            at = leaf.get("leaf_index", 0)
            assert of("leaf_value")[at] == leaf["leaf_value"]
            if "leaf_weight" in leaf and f"trees.{i}.leaf_weight" in tensors:
                assert of("leaf_weight")[at] == leaf["leaf_weight"]
            if "leaf_const" in leaf:
                assert of("leaf_const")[at] == leaf["leaf_const"]
    tree = outcome.json["tree"]
    assert tree["feature_names"] == dump["feature_names"] and tree["num_class"] == dump["num_class"]
    assert holdall("verify", path, "--json").json["sound"]


class Trees:
    """Walks trees that are nothing but the command's tensors (Tree::Predict in include/LightGBM/tree.h)."""

    def __init__(self, tensors):
        self.tensors = tensors
        self.count = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("trees."))

    def tree(self, number, field):
        return self.tensors[f"trees.{number}.{field}"]

    def goes_left(self, number, node, value):
        kind = int(self.tree(number, "decision_type")[node])
        if kind & 1:
            category = -1 if numpy.isnan(value) else int(value)
            which = int(self.tree(number, "threshold")[node])
            begin, end = self.tree(number, "cat_boundaries")[which:which + 2]
            words = self.tree(number, "cat_threshold")[begin:end]
            return 0 <= category < 32 * len(words) and bool((int(words[category // 32]) >> (category % 32)) & 1)
        missing = (kind >> 2) & 3
        if numpy.isnan(value) and missing != 2:
            value = 0.0
        if (missing == 1 and abs(value) <= 1e-35) or (missing == 2 and numpy.isnan(value)):
            return bool(kind & 2)
        return value <= self.tree(number, "threshold")[node]

    def leaf(self, number, row):
        if len(self.tree(number, "left_child")) == 0:
            return 0
        node = 0
        while node >= 0:
            feature = self.tree(number, "split_feature")[node]
            side = "left_child" if self.goes_left(number, node, row[feature]) else "right_child"
            node = int(self.tree(number, side)[node])
        return ~node

    def value(self, number, row):
        leaf = self.leaf(number, row)
        if f"trees.{number}.leaf_const" not in self.tensors:
            return self.tree(number, "leaf_value")[leaf]
        counts = self.tree(number, "num_features")
        begin = int(counts[:leaf].sum())
        features = self.tree(number, "leaf_features")[begin:begin + counts[leaf]]
        return self.tree(number, "leaf_const")[leaf] + (self.tree(number, "leaf_coeff")[begin:begin + counts[leaf]] * row[features]).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_follow_from_the_tensors(holdall, tmp_path, kind):
    booster = trained(kind)
    booster.save_model(tmp_path / "m.txt")
    trees = Trees(tensors_of(holdall, tmp_path / "m.txt", tmp_path))
    rows = data()[0][:30]
    if kind in ("zeros", "linear"):
        rows = rows[:, :3]
    if kind == "linear":
        rows = numpy.nan_to_num(rows)
    a_round = booster.num_model_per_iteration()
    made = numpy.zeros((len(rows), a_round))
    for i, row in enumerate(rows):
        for number in range(trees.count):
            made[i, number % a_round] += trees.value(number, row)
    own = booster.predict(rows, raw_score=True).reshape(len(rows), a_round)
    assert numpy.allclose(made, own, rtol=1e-12, atol=1e-12)
    assert numpy.abs(own).max() > 0.1


@pytest.mark.parametrize("protocol", range(6))
def test_boosters_in_pickles_show_their_trees_and_come_back_unchanged(holdall, tmp_path, protocol):
    booster = trained("binary")
    booster.save_model(tmp_path / "m.txt")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(booster, protocol))
    alone = holdall.inspect(tmp_path / "m.txt").tensors
    held = holdall.inspect(tmp_path / "b.pkl")
    assert {name: entry["sha256"] for name, entry in held.tensors.items()} == {name: entry["sha256"] for name, entry in alone.items()}
    assert held.json["verdict"] == "inert" and held.json["warnings"] == []
    holdall("convert", tmp_path / "b.pkl", tmp_path / "again.pkl")
    again = pickle.loads((tmp_path / "again.pkl").read_bytes())
    assert again.model_to_string() == pickle.loads((tmp_path / "b.pkl").read_bytes()).model_to_string()


def test_estimators_by_pickle_and_joblib_show_their_trees(holdall, tmp_path):
    values, label = data()
    model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=5, verbose=-1, n_jobs=1).fit(values, label)
    model.booster_.save_model(tmp_path / "m.txt")
    expected = {name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / "m.txt").tensors.items()}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    joblib.dump([model, numpy.arange(3)], tmp_path / "m.joblib")
    for path, prefix in (("m.pkl", "_Booster."), ("m.joblib", "0._Booster.")):
        tensors = holdall.inspect(tmp_path / path).tensors
        found = {name.removeprefix(prefix): entry["sha256"] for name, entry in tensors.items() if name.startswith(prefix + "trees.")}
        assert found == expected
    holdall("convert", tmp_path / "m.joblib", tmp_path / "again.joblib")
    assert numpy.array_equal(joblib.load(tmp_path / "again.joblib")[0].predict_proba(values), model.predict_proba(values))


def test_sizes_of_trees_that_lead_elsewhere_are_found(holdall, tmp_path):
    trained("binary").save_model(tmp_path / "m.txt")
    text = (tmp_path / "m.txt").read_text()
    (tmp_path / "m.txt").write_text(text.replace("tree_sizes=", "tree_sizes=1", 1))
    document = holdall("verify", tmp_path / "m.txt", "--json", status=1).json
    assert not document["sound"] and "tree_sizes" in document["faults"][0]["what"]


def test_damaged_files_are_answered(holdall, tmp_path):
    values, label = data()
    lightgbm.train({**BRIEF, "num_leaves": 3}, lightgbm.Dataset(values, label), 1).save_model(tmp_path / "m.txt")
    content = (tmp_path / "m.txt").read_bytes()
    trees_end = content.index(b"end of trees")
    path = tmp_path / "d.txt"
    for name, changed in damage.mutations(content, 25):
        path.write_bytes(changed)
        for verb in ("inspect", "verify", "scan"):
            run = damage.run(holdall.path, [verb, path, "--json"], tmp_path)
            assert run.status in (0, 1, 2), (name, verb, run.said)
            if name.startswith("cut") and verb == "verify" and len(changed) < trees_end:
                assert run.status != 0, name
