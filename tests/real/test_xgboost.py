"""Models that XGBoost wrote: arrays against its own JSON, predictions computed from them against its own, pickles."""

import base64
import json
import pickle

import numpy
import pytest

xgboost = pytest.importorskip("xgboost")
import joblib  # noqa: E402
import safetensors.numpy  # noqa: E402

import damage  # noqa: E402
from oracle import digest  # noqa: E402

FIELDS = {
    "float32": ["base_weights", "leaf_weights", "loss_changes", "split_conditions", "sum_hessian", "weight_drop", "weights"],
    "int32": ["categories", "categories_nodes", "left_children", "right_children", "parents", "split_indices", "tree_info", "iteration_indptr",
              "feature_segments", "sorted_idx"],
    "int64": ["categories_segments", "categories_sizes"],
    "uint8": ["default_left", "split_type"],
}
DTYPES = {name: dtype for dtype, names in FIELDS.items() for name in names}


def data(categories=True):
    rng = numpy.random.default_rng(0)
    values = rng.normal(size=(500, 5)).astype("f4")
    values[rng.random(values.shape) < 0.1] = numpy.nan
    values[:, 4] = rng.integers(0, 40, 500)
    label = (numpy.nan_to_num(values[:, 0]) + values[:, 4] % 3 > 1).astype("f4")
    return values, label, ["q"] * 4 + (["c"] if categories else ["q"])


def matrix(label=None, **options):
    values, own, types = data(**options)
    return xgboost.DMatrix(values, own if label is None else label, feature_types=types, enable_categorical=True)


BRIEF = {"nthread": 1, "max_depth": 4, "seed": 0}


def trained(kind):
    if kind == "binary":
        return xgboost.train({"objective": "binary:logistic", "max_cat_to_onehot": 2, **BRIEF}, matrix(), 8)
    if kind == "classes":
        return xgboost.train({"objective": "multi:softprob", "num_class": 3, **BRIEF}, matrix(label=data()[0][:, 4] % 3), 5)
    if kind == "dart":
        return xgboost.train({"booster": "dart", "rate_drop": 0.5, **BRIEF}, matrix(categories=False), 6)
    if kind == "linear":
        return xgboost.train({"booster": "gblinear", "nthread": 1}, matrix(categories=False), 4)
    label = numpy.stack([data()[1], 1 - data()[1]], 1)
    return xgboost.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", **BRIEF}, matrix(label=label, categories=False), 3)


KINDS = ["binary", "classes", "dart", "linear", "targets"]


def number_arrays(value, path=()):
    if isinstance(value, list) and all(isinstance(item, (int, float)) for item in value):
        yield path, value
    elif isinstance(value, (list, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from number_arrays(item, (*path, str(key)))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_those_of_xgboosts_json(holdall, tmp_path, kind):
    booster = trained(kind)
    for form in ("json", "ubj"):
        booster.save_model(tmp_path / f"m.{form}")
    document = json.loads((tmp_path / "m.json").read_text())
    below = document["learner"]["gradient_booster"]
    expected = {".".join(("learner", "gradient_booster", *path)): numpy.array(value, DTYPES[path[-1]]) for path, value in number_arrays(below) if path[-1] in DTYPES}
    assert len(expected) > (1 if kind == "linear" else 30) - 1
    for form in ("json", "ubj"):
        outcome = holdall.inspect(tmp_path / f"m.{form}")
        assert outcome.json["format"] == "xgboost" and outcome.json["verdict"] == "inert" and outcome.json["warnings"] == []
        assert set(outcome.tensors) == set(expected)
        for name, array in expected.items():
            entry = outcome.tensors[name]
            assert entry["dtype"] == array.dtype.name and entry["shape"] == list(array.shape), name
            assert entry["sha256"] == digest(array), name
        tree = outcome.json["tree"]
        assert tree["version"] == document["version"]
        assert tree["learner"]["objective"] == document["learner"]["objective"]
        assert tree["learner"]["learner_model_param"] == document["learner"]["learner_model_param"]
        assert holdall("verify", tmp_path / f"m.{form}", "--json").json["sound"]
    assert holdall("diff", tmp_path / "m.json", tmp_path / "m.ubj", "--json").json["same"]


def test_biases_of_ranking_are_tensors_in_both_spellings(holdall, tmp_path):
    pairs = matrix(categories=False)
    pairs.set_group([300, 200])
    booster = xgboost.train({"objective": "rank:ndcg", "lambdarank_unbiased": True, **BRIEF}, pairs, 3)
    for form in ("json", "ubj"):
        booster.save_model(tmp_path / f"m.{form}")
    objective = json.loads((tmp_path / "m.json").read_text())["learner"]["objective"]
    for form in ("json", "ubj"):
        tensors = holdall.inspect(tmp_path / f"m.{form}").tensors
        for name in ("ti+", "tj-"):
            assert len(objective[name]) > 1
            assert tensors[f"learner.objective.{name}"]["sha256"] == digest(numpy.array(objective[name], "f4"))
    assert holdall("diff", tmp_path / "m.json", tmp_path / "m.ubj", "--json").json["same"]


class Trees:
    """Walks trees that are nothing but the command's tensors."""

    def __init__(self, holdall, path, folder, prefix="learner.gradient_booster."):
        holdall("convert", path, folder / "m.safetensors", "--allow-loss", "--quiet")
        self.tensors = safetensors.numpy.load_file(folder / "m.safetensors")
        self.prefix = prefix

    def tree(self, number, field):
        return self.tensors[f"{self.prefix}model.trees.{number}.{field}"]

    def leaf(self, number, row):
        left, right = self.tree(number, "left_children"), self.tree(number, "right_children")
        conditions, features = self.tree(number, "split_conditions"), self.tree(number, "split_indices")
        node = 0
        while left[node] != -1:
            value = row[features[node]]
            if numpy.isnan(value):
                goes_left = self.tree(number, "default_left")[node] == 1
            elif self.tree(number, "split_type")[node] == 1:
                place = list(self.tree(number, "categories_nodes")).index(node)
                begin, size = self.tree(number, "categories_segments")[place], self.tree(number, "categories_sizes")[place]
                goes_left = int(value) not in self.tree(number, "categories")[begin:begin + size]
            else:
                goes_left = value < conditions[node]
            node = left[node] if goes_left else right[node]
        return node

    def margins(self, rows, groups=1, weights=None):
        info = self.tensors[f"{self.prefix}model.tree_info"]
        sums = numpy.zeros((len(rows), groups), "f4")
        for i, row in enumerate(rows):
            for number, group in enumerate(info):
                value = self.tree(number, "split_conditions")[self.leaf(number, row)]
                sums[i, group] += value * (1 if weights is None else weights[number])
        return sums


ROWS = slice(0, 25)


def test_predictions_follow_from_the_tensors(holdall, tmp_path):
    rows = data()[0][ROWS]
    for kind, groups in (("binary", 1), ("classes", 3)):
        booster = trained(kind)
        booster.save_model(tmp_path / "m.ubj")
        given = numpy.full((len(rows), groups), 0.0, "f4")
        values, _, types = data()
        asked = xgboost.DMatrix(values[ROWS], feature_types=types, enable_categorical=True, base_margin=given.ravel() if groups == 1 else given)
        own = booster.predict(asked, output_margin=True).reshape(len(rows), groups)
        made = Trees(holdall, tmp_path / "m.ubj", tmp_path).margins(rows, groups)
        assert numpy.allclose(made, own, rtol=1e-5, atol=1e-5), kind
        assert numpy.abs(own).max() > 0.1


def test_predictions_of_dart_and_of_several_targets_follow_too(holdall, tmp_path):
    rows = data()[0][ROWS]
    values, _, types = data(categories=False)
    booster = trained("dart")
    booster.save_model(tmp_path / "m.json")
    asked = xgboost.DMatrix(values[ROWS], feature_types=types, base_margin=numpy.zeros(len(rows), "f4"))
    trees = Trees(holdall, tmp_path / "m.json", tmp_path, "learner.gradient_booster.gbtree.")
    made = trees.margins(rows, weights=trees.tensors["learner.gradient_booster.weight_drop"])
    assert numpy.allclose(made[:, 0], booster.predict(asked, output_margin=True), rtol=1e-5, atol=1e-5)

    booster = trained("targets")
    booster.save_model(tmp_path / "m.ubj")
    asked = xgboost.DMatrix(values[ROWS], feature_types=types, base_margin=numpy.zeros((len(rows), 2), "f4"))
    trees = Trees(holdall, tmp_path / "m.ubj", tmp_path)
    sums = numpy.zeros((len(rows), 2), "f4")
    for i, row in enumerate(rows):
        for number in range(3):
            leaf = trees.tree(number, "right_children")[trees.leaf(number, row)]
            sums[i] += trees.tree(number, "leaf_weights").reshape(-1, 2)[leaf]
    assert numpy.allclose(sums, booster.predict(asked, output_margin=True), rtol=1e-5, atol=1e-5)


def test_predictions_of_linear_weights_follow(holdall, tmp_path):
    booster = trained("linear")
    booster.save_model(tmp_path / "m.ubj")
    values = numpy.nan_to_num(data()[0][ROWS])
    holdall("convert", tmp_path / "m.ubj", tmp_path / "m.safetensors", "--allow-loss", "--quiet")
    weights = safetensors.numpy.load_file(tmp_path / "m.safetensors")["learner.gradient_booster.model.weights"]
    asked = xgboost.DMatrix(values, feature_types=["q"] * 5, base_margin=numpy.zeros(len(values), "f4"))
    assert numpy.allclose(values @ weights[:5] + weights[5], booster.predict(asked, output_margin=True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("protocol", range(6))
def test_boosters_in_pickles_show_their_trees_and_come_back_unchanged(holdall, tmp_path, protocol):
    booster = trained("binary")
    booster.save_model(tmp_path / "m.ubj")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(booster, protocol))
    alone = holdall.inspect(tmp_path / "m.ubj").tensors
    held = holdall.inspect(tmp_path / "b.pkl")
    assert {name.removeprefix("Model."): entry["sha256"] for name, entry in held.tensors.items()} == {name: entry["sha256"] for name, entry in alone.items()}
    assert held.json["verdict"] == "inert" and held.json["warnings"] == []
    holdall("convert", tmp_path / "b.pkl", tmp_path / "again.pkl")
    again = pickle.loads((tmp_path / "again.pkl").read_bytes())
    assert again.save_raw() == booster.save_raw()


def test_estimators_by_pickle_and_joblib_show_their_trees(holdall, tmp_path):
    values, label, _ = data(categories=False)
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(values, label)
    model.save_model(tmp_path / "m.json")
    expected = {entry["sha256"] for entry in holdall.inspect(tmp_path / "m.json").tensors.values()}
    joblib.dump({"model": model, "names": numpy.arange(3)}, tmp_path / "m.joblib", compress=3)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    for path, prefix in (("m.pkl", "_Booster.Model.learner."), ("m.joblib", "model._Booster.Model.learner.")):
        found = {entry["sha256"] for name, entry in holdall.inspect(tmp_path / path).tensors.items() if name.startswith(prefix)}
        assert found == expected
        assert holdall("verify", tmp_path / path, "--json").json["sound"]
    holdall("convert", tmp_path / "m.joblib", tmp_path / "again.joblib")
    again = joblib.load(tmp_path / "again.joblib")["model"]
    assert numpy.array_equal(again.predict_proba(values), model.predict_proba(values))


def test_bytes_of_save_raw_are_a_model(holdall, tmp_path):
    booster = trained("binary")
    for form in ("ubj", "json"):
        (tmp_path / "raw").write_bytes(booster.save_raw(form))
        assert holdall.inspect(tmp_path / "raw").json["format"] == "xgboost"


def test_the_old_binary_format_says_what_to_do(holdall, tmp_path):
    for name, content in (("old.model", b"binf" + bytes(100)), ("old.64", b"bs64\t" + base64.b64encode(bytes(90)))):
        (tmp_path / name).write_bytes(content)
        assert "save_model()" in holdall("inspect", tmp_path / name, status=2).err


def test_a_large_json_takes_its_text_and_its_numbers(holdall, tmp_path, monkeypatch):
    monkeypatch.setattr(damage.Limits, "seconds", 200)
    document = json.loads(open_json(tmp_path))
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    count = 1_000_000
    for field in ("split_conditions", "base_weights", "loss_changes"):
        tree[field] = [0.123456789] * count
    (tmp_path / "large.json").write_text(json.dumps(document))
    size = (tmp_path / "large.json").stat().st_size
    run = damage.run(holdall.path, ["inspect", tmp_path / "large.json", "--json"], tmp_path)
    assert run.status == 0, run.said
    assert run.resident < size + 3 * 4 * count * 2 + 64_000_000


def open_json(folder):
    trained("binary").save_model(folder / "small.json")
    return (folder / "small.json").read_text()


def test_damaged_files_are_answered(holdall, tmp_path):
    booster = xgboost.train({"max_depth": 1, "nthread": 1}, matrix(), 1)
    for form in ("ubj", "json"):
        data_of = bytes(booster.save_raw(form))
        path = tmp_path / f"m.{form}"
        for name, changed in damage.mutations(data_of, 20):
            path.write_bytes(changed)
            for verb in ("inspect", "verify", "scan"):
                run = damage.run(holdall.path, [verb, path, "--json"], tmp_path)
                assert run.status in (0, 1, 2), (name, verb, run.said)
                if name.startswith("cut") and verb == "verify":
                    assert run.status != 0, name
