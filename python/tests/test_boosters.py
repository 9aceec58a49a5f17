"""Boosters of XGBoost and LightGBM in pickles and joblib's files: refused by name, built when their classes are handed in."""

import pickle

import numpy
import pytest

joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

import holdall  # noqa: E402
import holdall.sklearn  # noqa: E402
from sklearn.preprocessing import LabelEncoder  # noqa: E402

RANDOM = numpy.random.RandomState(0)
X = RANDOM.rand(80, 3)
Y = (X[:, 0] + X[:, 1] > 1).astype(int)


def xgboost_models():
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, Y), 3)
    classifier = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(X, Y)
    predict = lambda made: made.predict(xgboost.DMatrix(X)) if isinstance(made, xgboost.Booster) else made.predict_proba(X)
    return [(booster, [xgboost.Booster]), (classifier, [xgboost.Booster, xgboost.XGBClassifier])], predict


def lightgbm_models():
    lightgbm = pytest.importorskip("lightgbm")
    how = {"verbose": -1, "num_leaves": 4, "num_threads": 1}
    booster = lightgbm.train(how, lightgbm.Dataset(X, Y), 3)
    classifier = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1, n_jobs=1).fit(X, Y)
    predict = lambda made: made.predict(X) if isinstance(made, lightgbm.Booster) else made.predict_proba(X)
    return [(booster, [lightgbm.Booster]), (classifier, [lightgbm.Booster, lightgbm.LGBMClassifier])], predict


def files(made, folder):
    for protocol in range(6):
        (folder / f"{protocol}.pkl").write_bytes(pickle.dumps(made, protocol))
        yield folder / f"{protocol}.pkl"
    for compress in (0, 3, ("xz", 3)):
        joblib.dump(made, folder / "a.joblib", compress=compress)
        yield folder / "a.joblib"


@pytest.mark.parametrize("models", [xgboost_models, lightgbm_models], ids=["xgboost", "lightgbm"])
def test_boosters_are_built_of_the_classes_that_were_handed_in(models, tmp_path):
    made_all, predict = models()
    for made, trusted in made_all:
        expected = predict(made)
        for path in files(made, tmp_path):
            for load in (holdall.load, holdall.sklearn.load):
                # A classifier of LightGBM has one of scikit-learn's, which only holdall.sklearn knows by itself.
                beside = [LabelEncoder] if load is holdall.load else []
                loaded = load(path, trusted=[*trusted, *beside])
                assert type(loaded) is type(made)
                numpy.testing.assert_array_equal(predict(loaded), expected, err_msg=f"{path.name} by {load.__module__}")


@pytest.mark.parametrize("models", [xgboost_models, lightgbm_models], ids=["xgboost", "lightgbm"])
def test_boosters_are_refused_by_name_without_them(models, tmp_path):
    for made, trusted in models()[0]:
        for path in files(made, tmp_path):
            for load in (holdall.load, holdall.sklearn.load):
                with pytest.raises(holdall.UnsafeError, match=f"{trusted[0].__module__}.Booster"):
                    load(path, trusted=trusted[1:])


@pytest.mark.parametrize("models", [xgboost_models, lightgbm_models], ids=["xgboost", "lightgbm"])
def test_an_estimator_is_saved_with_the_booster_that_it_holds(models, tmp_path):
    made_all, predict = models()
    made, trusted = made_all[1]
    for name in ("a.pkl", "a.joblib"):
        holdall.sklearn.save(made, tmp_path / name, trusted=trusted)
        numpy.testing.assert_array_equal(predict(holdall.sklearn.load(tmp_path / name, trusted=trusted)), predict(made))
    assert predict(joblib.load(tmp_path / "a.joblib")).shape == predict(made).shape


def test_the_trees_of_a_booster_in_a_pickle_are_arrays(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    (booster, _), _ = xgboost_models()[0]
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(booster))
    booster.save_model(tmp_path / "b.ubj")
    held, alone = holdall.open(tmp_path / "b.pkl"), holdall.open(tmp_path / "b.ubj")
    assert {name.removeprefix("Model.") for name in held} == set(alone)
    for name in alone:
        numpy.testing.assert_array_equal(held[f"Model.{name}"].numpy(), alone[name].numpy())
    assert xgboost.__version__.split(".")[0] in ".".join(map(str, alone.tree["version"]))
