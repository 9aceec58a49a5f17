"""Which objects an estimator's state may consist of: a table. A file names classes by the table's words and never chooses what is imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

_SGD = "sklearn.linear_model._sgd_fast"
_LOSS = "sklearn._loss._loss"
_MLP = "sklearn.neural_network._stochastic_optimizers"
_BIRCH = "sklearn.cluster._birch"
_LABELS = "sklearn.preprocessing._label"

# Losses are built from the numbers that they were built from.
_LOSSES = {
    "Hinge": _SGD, "SquaredHinge": _SGD, "ModifiedHuber": _SGD, "EpsilonInsensitive": _SGD, "SquaredEpsilonInsensitive": _SGD,
    "CyHalfBinomialLoss": _LOSS, "CyHalfSquaredError": _LOSS, "CyHuberLoss": _LOSS,
}  # fmt: skip

# The class of an estimator, or one that it is derived from: the classes of objects in its attributes, and their modules.
_PARTS: dict[str, dict[str, str]] = {
    "sklearn.linear_model._stochastic_gradient.BaseSGD": _LOSSES,
    "sklearn.linear_model._stochastic_gradient.SGDOneClassSVM": _LOSSES,
    "sklearn.neural_network._multilayer_perceptron.BaseMultilayerPerceptron": {
        "SGDOptimizer": _MLP, "AdamOptimizer": _MLP, "LabelBinarizer": _LABELS,
    },
    "sklearn.cluster._birch.Birch": {"_CFNode": _BIRCH, "_CFSubcluster": _BIRCH},
    "sklearn.multiclass.OneVsRestClassifier": {"LabelBinarizer": _LABELS, "_ConstantPredictor": "sklearn.multiclass"},
}  # fmt: skip

_LEVELS = 8


def name_of(of: type) -> str:
    return f"{of.__module__}.{of.__qualname__}"


def is_loss(of: type) -> bool:
    return _LOSSES.get(of.__name__) == of.__module__


def parts_of(target: Any, level: int = 0) -> dict[str, type]:
    """By the names that files have for them: the classes that the state of this estimator may be made of, its own not among them.

    Those of the table, and the classes of estimators that it was constructed with, with theirs: what it clones. A class that the installed
    scikit-learn does not have is not there.
    """
    found: dict[str, type] = {}
    for of in type(target).__mro__:
        for name, module in _PARTS.get(name_of(of), {}).items():
            part = getattr(importlib.import_module(module), name, None)
            if isinstance(part, type):
                found[name_of(part)] = part
    if level < _LEVELS:
        for value in parameters(target).values():
            for inner in estimators(value):
                found[name_of(type(inner))] = type(inner)
                found.update(parts_of(inner, level + 1))
    return found


def parameters(target: Any) -> Mapping[str, Any]:
    """What it was constructed with."""
    return target.get_params(deep=False) if callable(getattr(target, "get_params", None)) else {}


def estimators(value: Any) -> list[Any]:
    """Estimators in a parameter: itself, or of a list, as it is or with names."""
    if isinstance(value, list | tuple):
        return [found for item in value for found in estimators(item)]
    return [value] if hasattr(value, "get_params") and not isinstance(value, type) else []
