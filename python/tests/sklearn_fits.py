"""Loops of partial_fit that are interrupted and taken up again: sklearn_fits.py PHASE FOLDER EXTENSION. No torch is imported.

Phase "begin" trains every estimator of scikit-learn that has partial_fit whole, pickles what became of it, then trains it again up to the
middle under a Checkpointer. Phase "end", a new process, goes on from there and compares. Prints a line of JSON for each.
"""

import importlib
import inspect
import json
import os
import pickle
import sys
import warnings

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor

import holdall

STEPS, SIZE = 12, 30
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(STEPS * SIZE, 6)
COUNTS = RANDOM.randint(0, 3, X.shape)
CLASSES = RANDOM.randint(0, 3, len(X))
NAMES = np.array(["cat", "dog", "eel"])[CLASSES]
NUMBERS = RANDOM.randn(len(X))
POSITIVE = {"MultinomialNB", "ComplementNB", "LatentDirichletAllocation", "MiniBatchNMF"}
# By class, settings that put other things into the state.
SETTINGS = {
    "SGDClassifier": [{"loss": loss} for loss in sorted(SGDClassifier.loss_functions)] + [{"average": 40}, {"random_state": 5}, {"learning_rate": "adaptive", "eta0": 0.1}],
    "SGDRegressor": [{"loss": "huber", "average": True}],
    "SGDOneClassSVM": [{"average": 40}],
    "MLPClassifier": [{"solver": "sgd"}],
    "MLPRegressor": [{"solver": "sgd", "nesterovs_momentum": False}],
    "MiniBatchKMeans": [{"random_state": 4, "reassignment_ratio": 0.5}],
    "Birch": [{"threshold": 0.8, "branching_factor": 5, "n_clusters": None}],
}  # fmt: skip


def classes():
    """The public ones; all_estimators() would import torch, where it is installed."""
    found = {}
    for name in [*sklearn.__all__, "feature_extraction.text"]:
        try:
            module = importlib.import_module(f"sklearn.{name}")
        except ImportError:
            continue
        for name, of in vars(module).items():
            if inspect.isclass(of) and issubclass(of, BaseEstimator) and hasattr(of, "partial_fit") and not inspect.isabstract(of) and name[0] != "_":
                found[name] = of
    return dict(sorted(found.items()))


def cases():
    for name, of in classes().items():
        for number, settings in enumerate([{}, *SETTINGS.get(name, [])]):
            yield f"{name}-{number}", name, of, settings


def made(name, of, settings):
    given = dict(settings)
    names = inspect.signature(of.__init__).parameters
    if "estimator" in names:
        given["estimator"] = SGDRegressor(random_state=3) if "Regressor" in name else SGDClassifier(random_state=np.random.RandomState(3))
    if "n_components" in names:
        given["n_components"] = 3
    if "random_state" in names and "random_state" not in given and name.startswith("P"):
        given["random_state"] = np.random.RandomState(7)
    return of(**given)


def fit(name, estimator, step):
    part = slice(step * SIZE, (step + 1) * SIZE)
    names = inspect.signature(estimator.partial_fit).parameters
    x = COUNTS if name == "CategoricalNB" else np.abs(X) if name in POSITIVE else X
    y = NUMBERS if "Regressor" in name else NAMES if name in ("GaussianNB", "SGDClassifier") else CLASSES
    more = {}
    if "classes" in names or name == "SelectFromModel":
        more["classes"] = np.unique(y)
    if name.startswith("MultiOutput"):
        y = np.stack([y, y], 1)
        more = {"classes": [more["classes"]] * 2} if more else {}
    estimator.partial_fit(x[part], *([y[part]] if "y" in names else []), **more)


def flat(value, seen, path=""):
    """(where, plain value) of everything in an estimator, shared objects once."""
    if isinstance(value, np.ndarray):
        yield path, (str(value.dtype), value.shape, value.tolist() if value.dtype.kind in "OU" else value.tobytes())
    elif isinstance(value, dict | list | tuple):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        if all(type(key) is str for key, _ in items):
            items.sort(key=lambda item: item[0])
        yield path, (type(value).__name__, len(value))
        for key, item in items:
            yield from flat(item, seen, f"{path}.{key}")
    elif isinstance(value, np.random.RandomState):
        yield from flat(value.get_state(legacy=False), seen, path)
    elif isinstance(value, np.generic) or value is None or isinstance(value, bool | int | float | str):
        yield path, (type(value).__name__, repr(value))
    elif isinstance(value, type):
        yield path, value.__name__
    elif id(value) in seen:
        yield path, ("again", seen[id(value)])
    else:
        seen[id(value)] = len(seen)
        inside = getattr(value, "__dict__", None)
        yield path, (type(value).__name__, None if inside is not None else str(value.__reduce__()[1]))
        yield from flat(inside or {}, seen, path)


def begin(folder, extension):
    for case, name, of, settings in cases():
        np.random.seed(1)
        whole = made(name, of, settings)
        for step in range(STEPS):
            fit(name, whole, step)
        with open(f"{folder}/{case}.pkl", "wb") as file:
            pickle.dump((list(flat(whole, {})), np.random.rand()), file)
        np.random.seed(1)
        with holdall.Checkpointer(f"{folder}/{case}", "step{step}." + extension, every_steps=3, keep_last=1, sync=False) as ckpt:
            estimator = made(name, of, settings)
            start = ckpt.resume(model=estimator)
            for step in range(start.step, 7):
                fit(name, estimator, step)
                ckpt.step()


def end(folder, extension):
    for case, name, of, settings in cases():
        with holdall.Checkpointer(f"{folder}/{case}", "step{step}." + extension, sync=False) as ckpt:
            estimator = made(name, of, settings)
            start = ckpt.resume(model=estimator)
            for step in range(start.step, STEPS):
                fit(name, estimator, step)
        with open(f"{folder}/{case}.pkl", "rb") as file:
            expected, number = pickle.load(file)
        found = list(flat(estimator, {}))
        differing = [one[0] for one, other in zip(found, expected, strict=False) if one != other][:5]
        differing += [f"{len(found)} parts, not {len(expected)}"] if len(found) != len(expected) else []
        differing += ["numbers drawn from NumPy"] if np.random.rand() != number else []
        print(json.dumps({"case": case, "step": start.step, "differing": differing, "torch": "torch" in sys.modules}), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    {"begin": begin, "end": end}[sys.argv[1]](*sys.argv[2:])
