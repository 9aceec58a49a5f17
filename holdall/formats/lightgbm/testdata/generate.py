"""Golden files for lightgbm_test.cc and held_models_test.cc. Written with lightgbm 4.7.0.

dump.json is what dump_model() says of trees.txt once LightGBM has read it again: the numbers as it parsed them.
"""

import json
import pathlib
import pickle

import lightgbm as lgb
import numpy as np

HERE = pathlib.Path(__file__).parent
BRIEF = {"verbose": -1, "num_threads": 1, "seed": 0, "deterministic": True}


def data():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 3))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 2] = rng.integers(0, 40, 300)
    return values, (np.nan_to_num(values[:, 0]) + values[:, 2] % 3 > 1).astype("f4")


def main():
    values, label = data()
    many = {"objective": "binary", "num_leaves": 5, "max_cat_to_onehot": 2, "min_data_per_group": 5, "cat_smooth": 1, **BRIEF}
    trees = lgb.train(many, lgb.Dataset(values, label, categorical_feature=[2]), 3)
    trees.save_model(HERE / "trees.txt")
    again = lgb.Booster(model_file=str(HERE / "trees.txt"))
    (HERE / "dump.json").write_text(json.dumps(again.dump_model()["tree_info"]) + "\n")
    (HERE / "booster.pkl").write_bytes(pickle.dumps(again, 4))
    linear = {"linear_tree": True, "num_leaves": 4, "min_data_in_leaf": 40, **BRIEF}
    lgb.train(linear, lgb.Dataset(np.nan_to_num(values[:, :2]), label), 2).save_model(HERE / "linear.txt")
    lgb.train({**many, "num_leaves": 2}, lgb.Dataset(np.zeros((100, 3)), np.ones(100)), 1).save_model(HERE / "stump.txt")


main()
