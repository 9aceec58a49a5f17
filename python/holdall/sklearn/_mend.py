"""What changed between the versions of scikit-learn: attributes and parameters of an older estimator as the installed one has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy

from ..errors import CorruptError
from . import _names, _parts

State = dict[str, Any]
Notes = dict[str, None]

# By class: attributes whose names have changed, in the order in which they did.
_RENAMED: dict[str, dict[str, str]] = {
    "BaseEnsemble": {"base_estimator": "estimator", "base_estimator_": "estimator_"},
    "BaseLibSVM": {"n_support_": "_n_support", "probA_": "_probA", "probB_": "_probB", "_impl_": "_impl"},
    "GaussianNB": {"sigma_": "var_"},
    "CalibratedClassifierCV": {"base_estimator": "estimator"},
    "_CalibratedClassifier": {"base_estimator": "estimator", "calibrators_": "calibrators", "classes_": "classes"},
    "OneHotEncoder": {"sparse": "sparse_output"},
    "AgglomerativeClustering": {"affinity": "metric"},
    "FeatureAgglomeration": {"affinity": "metric"},
    "RANSACRegressor": {"base_estimator": "estimator"},
    "SelfTrainingClassifier": {"base_estimator": "estimator", "base_estimator_": "estimator_"},
    "_BaseChain": {"base_estimator": "estimator"},
    "BaseHistGradientBoosting": {"bin_mapper_": "_bin_mapper"},
    "_BinMapper": {"actual_n_bins_": "n_bins_non_missing_"},
    "IsotonicRegression": {"_necessary_X_": "X_thresholds_", "_necessary_y_": "y_thresholds_"},
}
# By parameter: values whose names have changed.
_VALUES: dict[str, dict[str, str]] = {
    "criterion": {"mse": "squared_error", "mae": "absolute_error"},
    "loss": {"deviance": "log_loss", "ls": "squared_error", "lad": "absolute_error", "log": "log_loss", "squared_loss": "squared_error",
             "least_squares": "squared_error", "least_absolute_deviation": "absolute_error", "binary_crossentropy": "log_loss",
             "categorical_crossentropy": "log_loss", "auto": "log_loss"},
    "algorithm": {"full": "lloyd"},
}  # fmt: skip


def is_estimator(made: Any) -> bool:
    from sklearn.base import BaseEstimator

    return isinstance(made, BaseEstimator)


def check_state(made: Any, given: Any) -> None:
    """Raises CorruptError for what is no dict of attributes where an estimator takes one."""
    from sklearn.base import BaseEstimator

    if isinstance(made, BaseEstimator) and type(made).__setstate__ is BaseEstimator.__setstate__ and not isinstance(given, dict):
        raise CorruptError(f"the state of a {type(made).__name__} is {type(given).__name__}, not a dict")


def parameters_of(of: type) -> dict[str, inspect.Parameter]:
    if of.__init__ is object.__init__:  # type: ignore[misc]
        return {}
    found = inspect.signature(of.__init__).parameters.values()  # type: ignore[misc]
    return {given.name: given for given in found if given.name != "self" and given.kind not in (given.VAR_KEYWORD, given.VAR_POSITIONAL)}


def state(made: Any, given: State, notes: Notes) -> State:
    """The attributes of `made` under today's names."""
    if not type(made).__module__.startswith("sklearn."):
        return given
    bases = [base.__name__ for base in type(made).__mro__]
    wanted = parameters_of(type(made))
    for base in bases:
        for old, new in _RENAMED.get(base, {}).items():
            if old in given and new not in given and (old != new) and old not in wanted:
                given[new] = given.pop(old)
                notes[f"{type(made).__name__}.{old} is {new} now"] = None
    for name, values in _VALUES.items():
        value = given.get(name)
        if name in wanted and isinstance(value, str) and value in values and _takes(made, name, values[value]):
            given[name] = values[value]
            notes[f"{type(made).__name__}.{name} {value!r} is {values[value]!r} now"] = None
    return given


def _takes(made: Any, name: str, value: str) -> bool:
    """Whether a parameter may have this value, as far as the class says."""
    rule = getattr(type(made), "_parameter_constraints", {}).get(name, [])
    options = [option for one in (rule if isinstance(rule, list) else []) for option in getattr(one, "options", ())]
    return value in options


def whole(made: Any, version: str, notes: Notes) -> Any:
    """The estimator with what its class has today and had not then; or another that predicts what it did."""
    if not is_estimator(made):
        return made
    of = type(made)
    if not of.__module__.startswith("sklearn."):
        return made
    attributes = vars(made)
    for name, parameter in parameters_of(of).items():
        if name not in attributes and parameter.default is not parameter.empty:
            attributes[name] = parameter.default
            notes[f"{of.__name__}.{name} is new"] = None
    if "n_features_in_" not in attributes and is_fitted(attributes):
        count = _features_of(attributes)
        if count is not None and not isinstance(getattr(of, "n_features_in_", None), property):
            attributes["n_features_in_"] = count
    # A class's own before those of its bases.
    for base in of.__mro__:
        mend = _MENDS.get(base.__name__)
        if mend is not None and base.__module__.startswith("sklearn."):
            another = mend(made, vars(made), notes) if mend is not _isolation else _isolation(made, vars(made), version)
            if another is not None:
                return another
    return made


def is_fitted(attributes: State) -> bool:
    return any(name.endswith("_") and not name.startswith("__") for name in attributes)


def _features_of(attributes: State) -> int | None:
    for name in ("n_features_", "_n_features", "n_features"):
        if isinstance(attributes.get(name), int | numpy.integer):
            return int(attributes[name])
    for name in ("tree_",):
        if name in attributes:
            return int(attributes[name].n_features)
    coefficients = attributes.get("coef_")
    if isinstance(coefficients, numpy.ndarray) and coefficients.ndim:
        return int(coefficients.shape[-1])
    for name in ("mean_", "scale_", "theta_", "cluster_centers_", "components_", "_fit_X", "X_fit_", "statistics_", "feature_log_prob_"):
        value: Any = attributes.get(name)
        if name == "_fit_X" and len(getattr(value, "shape", ())) == 2:  # sparse perhaps
            return int(value.shape[1])
        if isinstance(value, numpy.ndarray) and value.ndim and name != "mean_":
            return int(value.shape[-1])
        if isinstance(value, numpy.ndarray) and value.ndim == 1:
            return len(value)
    return None


def _decision_tree(made: Any, own: State, notes: Notes) -> Any:
    """Values are fractions of a node's samples, since 1.3; they were their numbers."""
    from sklearn.base import is_classifier

    tree = own.get("tree_")
    if tree is None or not is_classifier(made):
        return None
    values = tree.value
    sums = values.sum(axis=2, keepdims=True)
    if not numpy.allclose(sums, 1, rtol=1e-6, atol=0):
        own["tree_"] = _parts.tree_of(tree, values / numpy.where(sums == 0, 1, sums))
        notes["counts in the nodes of trees are fractions now"] = None
    return None


def _logistic(made: Any, own: State, notes: Notes) -> Any:
    """Probabilities of one against the rest, class by class, which 1.8 was the last to make."""
    kind = own.get("multi_class")
    if "multi_class" in parameters_of(type(made)) or kind is None or "classes_" not in own or len(own["classes_"]) < 3:
        return None
    if not (kind == "ovr" or (kind in ("auto", "warn", "deprecated") and own.get("solver") == "liblinear") or kind == "warn"):
        return None
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import LabelBinarizer

    rest = OneVsRestClassifier(estimator=type(made)(**{name: own[name] for name in parameters_of(type(made)) if name in own}))
    rest.estimators_ = []
    for row in range(len(own["classes_"])):
        one = type(made)(**made.get_params())
        vars(one).update({"coef_": own["coef_"][row : row + 1], "intercept_": numpy.atleast_1d(own["intercept_"])[row : row + 1]})
        vars(one).update({"classes_": numpy.array([0, 1]), "n_features_in_": own["coef_"].shape[1], "n_iter_": own.get("n_iter_")})
        rest.estimators_.append(one)
    rest.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(own["classes_"])
    if not isinstance(getattr(OneVsRestClassifier, "classes_", None), property):
        rest.classes_ = own["classes_"]
    rest.n_features_in_ = own["coef_"].shape[1]
    notes[f"{type(made).__name__} of one class against the rest is a OneVsRestClassifier of it"] = None
    return rest


def _boosting(made: Any, own: State, notes: Notes) -> Any:
    """Losses have been one family for all estimators since 1.4."""
    if "estimators_" not in own and "_predictors" not in own:
        return None
    loss = own.get("_loss", own.get("loss_"))
    if not isinstance(loss, _names.Retired) and "_loss" in own:
        return None
    own.pop("loss_", None)
    if "classes_" in own and "n_classes_" not in own:
        own["n_classes_"] = len(own["classes_"])
    if "n_trees_per_iteration_" not in own and "classes_" in own:
        own["n_trees_per_iteration_"] = 1 if own["n_classes_"] == 2 else own["n_classes_"]
    own["_loss"] = made._get_loss(sample_weight=None)
    notes[f"the loss of {type(made).__name__} is another object of the same kind"] = None
    init = own.get("init_")
    if isinstance(init, _names.Retired):
        own["init_"] = "zero"
    return None


def _isolation(made: Any, own: State, version: Any) -> Any:
    """Lengths of paths are kept since 1.3; before 0.21 those of nodes with one or two samples were others."""
    if "estimators_" not in own or "_decision_path_lengths" in own:
        return None
    try:
        from sklearn.ensemble._iforest import _average_path_length
    except ImportError:
        return None
    length = _old_length if _before(version, 0, 21) else _average_path_length
    own["_average_path_length_per_tree"] = [length(tree.tree_.n_node_samples) for tree in own["estimators_"]]
    own["_decision_path_lengths"] = [tree.tree_.compute_node_depths() for tree in own["estimators_"]]
    own.setdefault("_max_samples", own.get("max_samples_"))
    return None


def _old_length(samples: Any) -> Any:
    many = numpy.maximum(samples, 2).astype(float)
    return numpy.where(samples <= 1, 1.0, 2.0 * (numpy.log(many - 1.0) + numpy.euler_gamma) - 2.0 * (many - 1.0) / many)


def _before(version: str, *wanted: int) -> bool:
    parts = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    return len(parts) == 2 and tuple(parts) < wanted


def _adaptive(made: Any, own: State, notes: Notes) -> Any:
    """SAMME.R, which 1.5 was the last to know."""
    if own.get("algorithm") != "SAMME.R" or "estimators_" not in own:
        return None
    import sklearn.ensemble._weight_boosting

    if hasattr(sklearn.ensemble._weight_boosting, "_samme_proba"):
        return None
    from ._retired import RealAdaBoostClassifier

    made.__class__ = RealAdaBoostClassifier
    notes["an AdaBoostClassifier of SAMME.R predicts by it, and can only be fitted by SAMME"] = None
    return None


def _tfidf(made: Any, own: State, notes: Notes) -> Any:
    """The weights were a diagonal matrix until 1.4."""
    diagonal = own.get("_idf_diag")
    if diagonal is not None and "idf_" not in own and not isinstance(getattr(type(made), "idf_", None), property):
        own["idf_"] = diagonal.diagonal()
        del own["_idf_diag"]
    return None


def _naive_bayes(made: Any, own: State, notes: Notes) -> Any:
    """Parameters of a model that are views of others since."""
    for name in ("coef_", "intercept_"):
        if isinstance(getattr(type(made), name, None), property):
            own.pop(name, None)
    return None


def _column_transformer(made: Any, own: State, notes: Notes) -> Any:
    if "transformers_" not in own:
        return None
    own.setdefault("_n_features", own.get("n_features_in_"))
    if "_columns" in own and "_transformer_to_input_indices" not in own and "n_features_in_" in own:
        rows = [(name, columns) for name, _, columns in own["transformers_"]]
        count = own["n_features_in_"]
        names = own.get("feature_names_in_")
        own["_transformer_to_input_indices"] = {name: _indices(columns, count, names) for name, columns in rows}
    return None


def _indices(columns: Any, count: int, names: Any) -> list[int]:
    if isinstance(columns, slice):
        return list(range(count))[columns]
    listed = [columns] if isinstance(columns, str | int | numpy.integer) else list(columns)
    if listed and all(isinstance(column, bool | numpy.bool_) for column in listed):
        return [place for place, chosen in enumerate(listed) if chosen]
    if names is not None and any(isinstance(column, str) for column in listed):
        places = {name: place for place, name in enumerate(names)}
        return [places[column] for column in listed if column in places]
    return [int(column) for column in listed if not isinstance(column, str)]


def _one_hot(made: Any, own: State, notes: Notes) -> Any:
    if "categories_" not in own:
        return None
    own.setdefault("_infrequent_enabled", False)
    if "drop_idx_" in own:
        own.setdefault("_drop_idx_after_grouping", own["drop_idx_"])
    else:
        own["drop_idx_"] = own["_drop_idx_after_grouping"] = None
    if "_n_features_outs" not in own:
        dropped = own["drop_idx_"]
        own["_n_features_outs"] = [
            len(found) - (dropped is not None and dropped[place] is not None) for place, found in enumerate(own["categories_"])
        ]
    own.setdefault("n_features_in_", len(own["categories_"]))
    return None


def _ordinal(made: Any, own: State, notes: Notes) -> Any:
    if "categories_" in own:
        own.setdefault("_infrequent_enabled", False)
        own.setdefault("_missing_indices", {})
        own.setdefault("n_features_in_", len(own["categories_"]))
    return None


def _imputer(made: Any, own: State, notes: Notes) -> Any:
    statistics = own.get("statistics_")
    if isinstance(statistics, numpy.ndarray):
        own.setdefault("_fit_dtype", statistics.dtype)
        own.setdefault("_fill_dtype", statistics.dtype)
        own.setdefault("indicator_", None)
    return None


def _neighbors(made: Any, own: State, notes: Notes) -> Any:
    fitted = own.get("_fit_X")
    if fitted is not None:
        own.setdefault("n_samples_fit_", fitted.shape[0])
    return None


def _support(made: Any, own: State, notes: Notes) -> Any:
    """libsvm takes sizes as they come."""
    vectors = own.get("support_vectors_")
    if vectors is None:
        return None
    own.setdefault("_sparse", False)
    if "shape_fit_" in own and not callable(own.get("kernel")):
        own.setdefault("n_features_in_", int(own["shape_fit_"][1]))
    own.setdefault("_num_iter", numpy.array([], dtype=numpy.int32))
    for name in ("_probA", "_probB"):
        own.setdefault(name, numpy.empty(0))
    own.setdefault("_effective_probability", len(own["_probA"]) > 0)
    if "_n_support" in own:
        own["_n_support"] = numpy.ascontiguousarray(own["_n_support"], dtype=numpy.int32)
    return None


def _regression_support(made: Any, own: State, notes: Notes) -> Any:
    """Regressors had numbers of support vectors that meant nothing until 0.22."""
    if "support_" in own and "_n_support" in own:
        own["_n_support"] = numpy.array([len(own["support_"])] * 2, dtype=numpy.int32)
    return None


def _histogram(made: Any, own: State, notes: Notes) -> Any:
    """Its predictors ask for features by number."""
    _boosting(made, own, notes)
    predictors = own.get("_predictors")
    if predictors is None:
        return None
    own.setdefault("is_categorical_", None)
    own.setdefault("_is_categorical_remapped", own["is_categorical_"])
    own.setdefault("_preprocessor", None)
    baseline = own.get("_baseline_prediction")
    if isinstance(baseline, float) or (isinstance(baseline, numpy.ndarray) and baseline.ndim == 2):
        own["_baseline_prediction"] = numpy.reshape(baseline, (1, -1))
    mapper = own.get("_bin_mapper")
    if mapper is not None and "n_features_in_" not in own and "n_bins_non_missing_" in vars(mapper):
        own["n_features_in_"] = len(mapper.n_bins_non_missing_)
    return None


def _mapper(made: Any, own: State, notes: Notes) -> Any:
    if "bin_thresholds_" not in own:
        return None
    own.setdefault("is_categorical_", numpy.zeros(len(own["bin_thresholds_"]), dtype=numpy.uint8))
    own.setdefault("missing_values_bin_idx_", own.get("n_bins", 256) - 1)
    return None


def _means(made: Any, own: State, notes: Notes) -> Any:
    """The threads are those of this machine."""
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

    if "cluster_centers_" in own:
        own["_n_threads"] = _openmp_effective_n_threads()
    if isinstance(own.get("_kmeans_single"), _parts.Waiting):
        own["_kmeans_single"] = own["_kmeans_single"].of
    return None


def _label_cache(made: Any, own: State, notes: Notes) -> Any:
    """Made again of the classes."""
    if "_cached_dict" in own:
        own["_cached_dict"] = None
    return None


def _process(made: Any, own: State, notes: Notes) -> Any:
    if "_y_train_mean" in own:
        own.setdefault("_y_train_std", numpy.ones_like(own["_y_train_mean"]))
    return None


def _search(made: Any, own: State, notes: Notes) -> Any:
    if getattr(own.get("scorer_"), "__name__", "") == "passthrough_scorer":
        try:
            from sklearn.metrics._scorer import _PassthroughScorer
        except ImportError:
            return None
        own["scorer_"] = _PassthroughScorer(own["estimator"])
    return None


def _dummy(made: Any, own: State, notes: Notes) -> Any:
    """What gradient boosting before 0.21 began with: numbers to add to, which a probability or a constant gives again."""
    if "prior" in own or "priors" in own:
        start = numpy.atleast_1d(numpy.asarray(own.pop("prior", own.pop("priors", None)), dtype=float))
        chances = numpy.exp(start) / numpy.exp(start).sum() if len(start) > 1 else numpy.array([1 / (1 + numpy.exp(start[0])), 1 / (1 + numpy.exp(-start[0]))])
        own.update(class_prior_=chances, classes_=numpy.arange(len(chances)), n_classes_=len(chances), n_outputs_=1, strategy="prior", _strategy="prior")
        own.update(sparse_output_=False)
    if "classes_" in own and "strategy" in own:
        own.setdefault("_strategy", own["strategy"])
    for name in ("mean", "quantile"):
        if name in own and "constant_" not in own:
            own.update(constant_=numpy.full((1, 1), float(own.pop(name))), n_outputs_=1, strategy="mean")
            own.pop("alpha", None)
            own["quantile"] = None
    return None


_MENDS: dict[str, Callable[[Any, State, Notes], Any]] = {
    "BaseDecisionTree": _decision_tree,
    "AdaBoostClassifier": _adaptive,
    "BaseSearchCV": _search,
    "MultiLabelBinarizer": _label_cache,
    "_BaseKMeans": _means,
    "GaussianProcessRegressor": _process,
    "DummyClassifier": _dummy,
    "DummyRegressor": _dummy,
    "SVR": _regression_support,
    "NuSVR": _regression_support,
    "OneClassSVM": _regression_support,
    "LogisticRegression": _logistic,
    "BaseGradientBoosting": _boosting,
    "BaseHistGradientBoosting": _histogram,
    "_BinMapper": _mapper,
    "IsolationForest": _isolation,
    "TfidfTransformer": _tfidf,
    "_BaseDiscreteNB": _naive_bayes,
    "ColumnTransformer": _column_transformer,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "SimpleImputer": _imputer,
    "NeighborsBase": _neighbors,
    "BaseLibSVM": _support,
}
