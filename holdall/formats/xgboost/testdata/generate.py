"""Golden files for xgboost_test.cc and held_models_test.cc. Written with xgboost 3.2.0.

values.tsv tells of every array of trees.json, as XGBoost's own JSON has it: path, dtype of the field, numbers.
"""

import json
import pathlib
import pickle

import numpy as np
import xgboost as xgb

HERE = pathlib.Path(__file__).parent


def data():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 4)).astype("f4")
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 3] = rng.integers(0, 30, 200)
    label = (np.nan_to_num(values[:, 0]) + values[:, 3] % 3 > 1).astype("f4")
    return values, label


def arrays(value, path=()):
    if isinstance(value, list) and value and all(isinstance(item, (int, float)) for item in value):
        yield ".".join(path), value
    elif isinstance(value, (list, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from arrays(item, (*path, str(key)))


def main():
    values, label = data()
    kinds = {"feature_names": ["a", "b", "c", "d"], "feature_types": ["q", "q", "q", "c"]}
    matrix = xgb.DMatrix(values, label, enable_categorical=True, **kinds)
    few = {"max_depth": 2, "objective": "binary:logistic", "max_cat_to_onehot": 1, "nthread": 1, "seed": 0}
    trees = xgb.train(few, matrix, 2)
    for form in ("json", "ubj"):
        trees.save_model(HERE / f"trees.{form}")
    for protocol in (0, 2, 5):
        (HERE / f"booster_{protocol}.pkl").write_bytes(pickle.dumps(trees, protocol))
    plain = xgb.DMatrix(values[:, :3], label)
    xgb.train({"booster": "dart", "rate_drop": 0.5, "max_depth": 1, "nthread": 1}, plain, 2).save_model(HERE / "dart.json")
    xgb.train({"booster": "gblinear", "nthread": 1}, plain, 2).save_model(HERE / "linear.ubj")
    targets = xgb.DMatrix(values[:, :3], np.stack([label, 1 - label], 1))
    several = {"multi_strategy": "multi_output_tree", "tree_method": "hist", "max_depth": 2, "nthread": 1}
    xgb.train(several, targets, 1).save_model(HERE / "targets.ubj")
    pairs = xgb.DMatrix(values[:, :3], label)
    pairs.set_group([120, 80])
    ranking = {"objective": "rank:ndcg", "lambdarank_unbiased": True, "lambdarank_num_pair_per_sample": 4, "max_depth": 1, "nthread": 1, "seed": 0}
    ranked = xgb.train(ranking, pairs, 2)
    for form in ("json", "ubj"):
        ranked.save_model(HERE / f"rank.{form}")
    document = json.loads((HERE / "trees.json").read_text())
    lines = [f"{path}\t{' '.join(map(str, numbers))}\n" for path, numbers in arrays(document["learner"]["gradient_booster"], ("learner", "gradient_booster"))]
    (HERE / "values.tsv").write_text("".join(lines))


main()
