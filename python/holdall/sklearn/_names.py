"""What the names in a file stand for in the installed scikit-learn: those of other versions too.

Only names that the library's table lists for scikit-learn (globals_sklearn.inc) come here. A class that has moved is found in the public
package above it, or by the table of those that were renamed.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any

import numpy

from ..errors import UnsupportedError

# Where parts that are not public have gone, by their own names.
_MODULES = (
    "sklearn.tree._tree", "sklearn.neighbors", "sklearn.metrics", "sklearn.metrics._dist_metrics", "sklearn.metrics._scorer",
    "sklearn.ensemble._hist_gradient_boosting.binning", "sklearn.ensemble._hist_gradient_boosting.predictor",
    "sklearn.neural_network._stochastic_optimizers", "sklearn.linear_model._sgd_fast", "sklearn._loss._loss", "sklearn._loss.loss",
    "sklearn._loss.link", "sklearn.gaussian_process.kernels", "sklearn.calibration", "sklearn.cluster._birch", "sklearn.multiclass",
    "sklearn.gaussian_process._gpc", "sklearn.utils", "sklearn.ensemble", "sklearn.dummy", "scipy.sparse", "scipy.interpolate", "numpy",
    "sklearn.preprocessing", "sklearn.feature_selection", "sklearn.impute", "sklearn.model_selection",
)  # fmt: skip
_RENAMED = {
    "Imputer": "SimpleImputer", "LogOddsEstimator": "DummyClassifier", "PriorProbabilityEstimator": "DummyClassifier",
    "MeanEstimator": "DummyRegressor", "QuantileEstimator": "DummyRegressor", "Log": "CyHalfBinomialLoss",
    "SquaredLoss": "CyHalfSquaredError", "Huber": "CyHuberLoss",
}  # fmt: skip
# Losses that no version from 1.4 on has: what takes their place is made by the estimator itself (_mend.py).
_LOSSES = (
    "sklearn.ensemble._gb_losses", "sklearn.ensemble.gradient_boosting", "sklearn.ensemble._gb", "sklearn.ensemble._hist_gradient_boosting.loss",
)  # fmt: skip


class _Plain:
    """What stands for a part that has gone without a trace."""

    @staticmethod
    def passthrough_scorer(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        return estimator.score(*args, **kwargs)


_GONE: dict[str, Any] = {"DeprecationDict": dict, "_passthrough_scorer": _Plain.passthrough_scorer}


class Retired:
    """Stands for an object of a class that the installed scikit-learn lacks, for the estimator that holds it to make another."""

    def __init__(self, name: str) -> None:
        self.name = name


@functools.lru_cache(maxsize=4096)
def found(module: str, name: str) -> Any:
    """The class or function; the class Retired where the estimator that has such a part makes another. Raises UnsupportedError."""
    value = _member(module, name)
    if value is None:
        value = _elsewhere(module, name)
    if value is None:
        value = _GONE.get(name)
    if value is None and module.startswith(_LOSSES):
        return functools.partial(Retired, name)
    if value is None:
        import sklearn

        raise UnsupportedError(f"scikit-learn {sklearn.__version__} has no {module}.{name}, and nothing is known to take its place")
    return value


def _member(module: str, name: str) -> Any:
    try:
        value = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return value if _is_part(value) else None


def _is_part(value: Any) -> bool:
    return isinstance(value, type | numpy.ufunc) or (callable(value) and getattr(value, "__module__", "").startswith(("sklearn.", "scipy.")))


def _elsewhere(module: str, name: str) -> Any:
    package = module.rpartition(".")[0]
    for wanted in (name, f"{name}64" if name.endswith("Distance") else "", _RENAMED.get(name, "")):
        while wanted and package:
            value = _member(package, wanted)
            if value is not None:
                return value
            package = package.rpartition(".")[0]
        package = module.rpartition(".")[0]
        for other in _MODULES:
            value = _member(other, wanted) if wanted else None
            if value is not None:
                return value
        value = _within(package, wanted) if wanted and package else None
        if value is not None:
            return value
    return None


def _within(package: str, name: str) -> Any:
    """In the modules of a package, private ones too."""
    try:
        path = importlib.import_module(package).__path__
    except (ImportError, AttributeError):
        return None
    for info in pkgutil.iter_modules(path):
        if info.name not in ("tests", "setup", "conftest"):
            value = _member(f"{package}.{info.name}", name)
            if value is not None and value.__module__.startswith("sklearn."):
                return value
    return None

