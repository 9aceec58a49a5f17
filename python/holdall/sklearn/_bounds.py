"""Whether the parts of an estimator fit it and each other. Compiled code that predicts takes shapes and indices as they come, and a file says what
it likes: each that is followed without a look is compared here, when all parts are there, and indices are made copies that nothing else of the
file can reach."""

from __future__ import annotations

import functools
import itertools
import numbers
from collections.abc import Callable
from typing import Any

import numpy

from ..errors import CorruptError, UnsafeError
from ._sparse import is_integer, told


class _Own:
    """The attributes of one estimator. What does not fit raises CorruptError with the attribute, what it is and what is allowed."""

    def __init__(self, made: Any) -> None:
        self.made = made
        self.all = vars(made)

    def has(self, *names: str) -> bool:
        return all(name in self.all for name in names)

    def require(self, good: Any, name: str, found: Any, allowed: str) -> None:
        if not good:
            raise CorruptError(f"{type(self.made).__name__}.{name} is {found if isinstance(found, str) else told(found)}, allowed is {allowed}")

    def count(self, name: str, least: int = 1) -> int:
        value = self.all.get(name)
        good = is_integer(value) and value >= least
        self.require(good, name, value, f"an integer of at least {least}")
        return int(value)

    def features(self) -> int:
        return self.count("n_features_in_")

    def array(self, name: str, kinds: str, *shape: int | None) -> Any:
        """An array of these kinds of elements; None in `shape`: any number."""
        value = self.all.get(name)
        good = isinstance(value, numpy.ndarray) and value.dtype.kind in kinds and len(value.shape) == len(shape)
        good = good and all(wanted in (None, count) for wanted, count in zip(shape, value.shape, strict=True))
        wanted = ", ".join("any" if count is None else str(count) for count in shape)
        self.require(good, name, value, f"an array [{wanted}] of the kinds {kinds}")
        return value

    def indices(self, name: str, below: int, *shape: int | None) -> Any:
        """An array of integers from 0 on: a copy, in the place of the file's."""
        value = numpy.array(self.array(name, "iub", *shape))
        bad = value[(value < 0) | (value >= below)]
        self.require(not len(bad), name, f"an array that holds {bad.ravel()[0] if len(bad) else ''}", f"0 to {below - 1}")
        self.all[name] = value
        return value


# Lengths that scikit-learn's distances take for those of the points.
_NORMS = {"X_norm_squared", "Y_norm_squared"}

# Of polynomials, degrees that nobody is asked to explain.
_FEW_DEGREES = 64


def check(made: Any) -> None:
    _check_values(made)
    for base in type(made).__mro__:
        judge = _CHECKS.get(base.__name__)
        if judge is not None and base.__module__.startswith("sklearn."):
            judge(_Own(made))


def _check_values(made: Any) -> None:
    """Parameters are handed on to functions, by their names, and called with data: none is a class of compiled code, or an argument of it that
    nobody compares."""
    todo, met = list(getattr(made, "__dict__", {}).values()), set()
    while todo:
        value = todo.pop()
        if isinstance(value, type) and value.__module__.startswith(("sklearn.", "scipy.")) and not value.__module__.startswith("sklearn.model_selection."):
            raise UnsafeError(f"an attribute of {type(made).__name__} is the class {value.__name__}, which could be called")
        if not isinstance(value, dict | list | tuple) or id(value) in met:
            continue
        met.add(id(value))
        if isinstance(value, dict) and _NORMS & value.keys():
            raise CorruptError(f"an attribute of {type(made).__name__} has {', '.join(_NORMS & value.keys())}, which is no parameter of a metric")
        todo += value.values() if isinstance(value, dict) else value


def _decision_tree(own: _Own) -> None:
    from sklearn.tree._tree import Tree

    if own.has("tree_"):
        tree = own.all["tree_"]
        own.require(type(tree) is Tree, "tree_", tree, "a Tree")
        own.require(tree.n_features == own.features(), "tree_", f"a tree of {tree.n_features} features", f"one of {own.features()}")


def _gradient_boosting(own: _Own) -> None:
    from sklearn.tree import DecisionTreeRegressor

    if not own.has("estimators_"):
        return
    trees = own.all["estimators_"] = numpy.array(own.array("estimators_", "O", None, None))
    own.require(trees.size > 0, "estimators_", trees, "at least one tree")
    for tree in trees.ravel():
        own.require(isinstance(tree, DecisionTreeRegressor) and "tree_" in vars(tree), "estimators_", tree, "fitted trees")
        own.require(tree.tree_.n_features == own.features(), "estimators_", f"one with a tree of {tree.tree_.n_features} features", f"{own.features()}")
    start = own.all.get("init_")
    if isinstance(start, str) and start == "zero":
        columns = own.count("n_trees_per_iteration_")
    else:
        columns = _columns_of_start(own)
    own.require(trees.shape[1] == columns, "estimators_", trees, f"an array [any, {columns}]")


def _columns_of_start(own: _Own) -> int:
    """Of what is predicted before the first tree, which all trees are added to in place."""
    import copy
    import warnings

    from sklearn.base import is_classifier
    from sklearn.ensemble._gb import _init_raw_predictions

    own.require(own.features() <= _MOST_FEATURES, "n_features_in_", own.features(), f"at most {_MOST_FEATURES}")
    asked = numpy.zeros((_ASKED, own.features()), dtype=numpy.float32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = _init_raw_predictions(asked, copy.deepcopy(own.all.get("init_")), own.all.get("_loss"), is_classifier(own.made))
    except Exception as error:
        own.require(False, "init_", f"what predicts nothing ({type(error).__name__}: {error})", "a fitted estimator")
    own.require(said.ndim == 2 and len(said) == _ASKED, "init_", f"what predicts {told(said)} for {_ASKED} rows", f"an array [{_ASKED}, any]")
    return int(said.shape[1])


_ASKED = 3
_MOST_FEATURES = 10_000_000


def _dummy(own: _Own) -> None:
    """As many numbers are told a row as there are outputs and classes: no more than the file has."""
    if own.has("constant_"):
        own.array("constant_", "fiub", 1, own.count("n_outputs_"))
    if own.has("classes_", "n_classes_"):
        many = own.count("n_outputs_") > 1
        classes, counts = (own.all[name] if many else [own.all[name]] for name in ("classes_", "n_classes_"))
        good = isinstance(classes, list) and len(classes) == own.count("n_outputs_") and isinstance(counts, list | numpy.ndarray)
        own.require(good, "n_outputs_", own.all["n_outputs_"], "the number of rows of classes_")
        wanted = [len(row) for row in classes]
        own.require([int(count) for count in counts] == wanted, "n_classes_", repr(counts)[:100], repr(wanted)[:100])


def _histogram_boosting(own: _Own) -> None:
    from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    if not own.has("_predictors"):
        return
    features, mapper = own.features(), own.all.get("_bin_mapper")
    own.require(isinstance(mapper, _BinMapper) and {"is_categorical_", "bin_thresholds_"} <= set(vars(mapper)), "_bin_mapper", mapper, "a fitted _BinMapper")
    categorical = numpy.asarray(vars(mapper)["is_categorical_"])
    own.require(categorical.shape == (features,), "_bin_mapper", f"one of {len(categorical)} features", f"one of {features}")
    own.require(isinstance(own.all["_predictors"], list), "_predictors", own.all["_predictors"], "a list of lists of trees")
    for row in own.all["_predictors"]:
        own.require(isinstance(row, list) and all(type(tree) is TreePredictor for tree in row), "_predictors", row, "a list of lists of trees")
        for tree in row:
            nodes = tree.nodes[tree.nodes["is_leaf"] == 0]
            asked = nodes["feature_idx"]
            own.require(not len(asked) or asked.max() < features, "_predictors", f"one that asks for feature {asked.max(initial=0)}", f"0 to {features - 1}")
            by_category = asked[nodes["is_categorical"] != 0]
            own.require(bool(categorical[by_category].all()), "_predictors", "one that asks for categories of a number", "features that have categories")
    if own.all.get("_preprocessor") is not None:
        _check_columns(own, own.all["_preprocessor"], features)


def _check_columns(own: _Own, made: Any, features: int) -> None:
    """What goes before HistGradientBoosting gives it as many columns as it has features, and nothing else does so."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
    from sklearn.utils.validation import check_array

    own.require(type(made) is ColumnTransformer, "_preprocessor", made, "a ColumnTransformer")
    steps, total = vars(made).get("transformers_"), 0
    own.require(isinstance(steps, list) and all(isinstance(step, tuple) and len(step) == 3 for step in steps), "_preprocessor", steps, "a list of steps")
    kept = []
    for name, step, columns in steps:
        if isinstance(step, str) and step == "drop":
            kept.append((name, step, columns))
            continue
        function = vars(step).get("func") if type(step) is FunctionTransformer else None
        good = type(step) is OrdinalEncoder or (isinstance(function, functools.partial) and function.func is check_array)
        own.require(good, "_preprocessor", f"one with {type(step).__name__}", "OrdinalEncoder and check_array")
        good = isinstance(columns, numpy.ndarray) and columns.dtype == bool and columns.shape == (features,)
        own.require(good, "_preprocessor", f"one of the columns {told(columns)}", f"an array [{features}] of bool")
        kept.append((name, step, numpy.array(columns)))
        total += int(columns.sum())
    own.require(total == features, "_preprocessor", f"one that gives {total} columns", str(features))
    vars(made)["transformers_"] = kept


def _bin_mapper(own: _Own) -> None:
    if own.has("bin_thresholds_"):
        rows = own.all["bin_thresholds_"]
        own.require(isinstance(rows, list) and all(isinstance(row, numpy.ndarray) and row.ndim == 1 for row in rows), "bin_thresholds_", rows, "a list of rows")
        own.indices("is_categorical_", 2, len(rows))
        own.all["is_categorical_"] = own.all["is_categorical_"].astype(numpy.uint8)


def _support_vectors(own: _Own) -> None:
    """libsvm is given addresses; its own sizes are those of support_ and _n_support."""
    if not own.has("support_", "_n_support"):
        own.require(not own.has("support_vectors_"), "support_vectors_", "without support_ and _n_support", "both of them")
        return
    kind = type(own.made)._impl
    own.require(own.all.pop("_impl", kind) == kind, "_impl", "another than that of its class", kind)
    own.require(not own.has("_sparse_kernels"), "_sparse_kernels", "set", "that of its class")
    kernel = own.all.get("kernel")
    by_samples = callable(kernel) or (isinstance(kernel, str) and kernel == "precomputed")
    vectors, sparse, samples = own.all.get("support_vectors_"), own.all.get("_sparse"), own.all.get("shape_fit_")
    own.require(isinstance(sparse, bool) and not (sparse and by_samples), "_sparse", sparse, "a bool, False for kernels of samples")
    if by_samples:
        _check_kernel(own, kernel, samples)
    below = samples[0] if by_samples else numpy.iinfo(numpy.int32).max
    rows = len(own.indices("support_", below, None))
    counts = own.indices("_n_support", numpy.iinfo(numpy.int32).max, None)
    classes = len(counts)
    own.require(classes >= 2, "_n_support", counts, "an array of two or more")
    if kind in ("c_svc", "nu_svc"):
        own.require(int(counts.sum(dtype=numpy.int64)) == rows, "_n_support", f"an array whose sum is {counts.sum(dtype=numpy.int64)}", f"{rows}, as in support_")
    pairs = classes * (classes - 1) // 2
    own.array("_intercept_", "f", pairs)
    for name in ("_probA", "_probB"):
        sizes = {0, pairs if kind in ("c_svc", "nu_svc") else 1}
        own.require(own.array(name, "f", None).size in sizes, name, own.all[name], f"an array of {' or '.join(map(str, sorted(sizes)))}")
    likely = own.all.get("_effective_probability", False)
    own.require(isinstance(likely, bool) and (not likely or len(own.all["_probA"])), "_effective_probability", likely, "False without _probA")
    own.require(kind not in ("c_svc", "nu_svc") or len(own.all["_probA"]) == len(own.all["_probB"]), "_probB", own.all["_probB"], "an array as _probA")
    if sparse:
        _check_sparse_vectors(own, vectors, rows, classes)
        return
    own.array("_dual_coef_", "f", classes - 1, rows)
    if not by_samples:
        own.array("support_vectors_", "f", rows, own.features())


def _check_sparse_vectors(own: _Own, vectors: Any, rows: int, classes: int) -> None:
    import scipy.sparse

    for name, shape in (("support_vectors_", (rows, own.features())), ("_dual_coef_", (classes - 1, rows))):
        value = own.all.get(name)
        good = scipy.sparse.issparse(value) and value.format == "csr" and value.shape == shape
        own.require(good, name, f"of shape {list(getattr(value, 'shape', ()))}", f"a CSR matrix {list(shape)}")
    own.require(own.all["_dual_coef_"].nnz == (classes - 1) * rows, "_dual_coef_", "one with elements left out", "one with all elements")


def _check_kernel(own: _Own, kernel: Any, samples: Any) -> None:
    """libsvm finds support vectors by the columns of what the kernel gives, one a sample of the training."""
    good = isinstance(samples, tuple) and len(samples) > 0 and isinstance(samples[0], int) and samples[0] > 0
    own.require(good, "shape_fit_", samples, "numbers of samples and features")
    if isinstance(kernel, str):
        return
    own.require(_gives_all_samples(kernel), "kernel", getattr(kernel, "__name__", type(kernel).__name__), "a kernel of scikit-learn, or what is trusted")
    trained = own.all.get("_BaseLibSVM__Xfit")
    own.require(getattr(trained, "shape", (0,))[0] == samples[0], "_BaseLibSVM__Xfit", trained, f"{samples[0]} samples, as in shape_fit_")


def _gives_all_samples(kernel: Any) -> bool:
    from sklearn.gaussian_process.kernels import Kernel

    if isinstance(kernel, Kernel):
        parts = [part for part in vars(kernel).values() if hasattr(part, "__dict__") and not isinstance(part, numpy.ndarray)]
        return all(isinstance(part, Kernel) and _gives_all_samples(part) for part in parts)
    function = kernel.func if isinstance(kernel, functools.partial) else kernel
    home = str(getattr(function, "__module__", "") or "")
    if isinstance(function, numpy.ufunc) or home.partition(".")[0] in ("numpy", "scipy"):
        return False
    return home == "sklearn.metrics.pairwise" or not home.startswith("sklearn.")


def _neighbors(own: _Own) -> None:
    if not own.has("_fit_X"):
        return
    points, features = own.all["_fit_X"], own.features()
    shape: Any = getattr(points, "shape", ())
    own.require(len(shape) == 2 and shape[1] == features, "_fit_X", points, f"points of {features} features")
    own.require(own.count("n_samples_fit_", 0) == shape[0], "n_samples_fit_", own.all["n_samples_fit_"], f"{shape[0]}, as in _fit_X")
    tree = own.all.get("_tree")
    if tree is not None:
        own.require(getattr(getattr(tree, "data", None), "shape", None) == shape, "_tree", tree, f"a search tree of {shape[0]} points of {features} features")
    if own.has("_y", "classes_"):
        _check_labels(own, shape[0])


def _check_labels(own: _Own, rows: int) -> None:
    """Classifiers count neighbours by the number of their class."""
    many = own.all.get("outputs_2d_")
    own.require(isinstance(many, bool), "outputs_2d_", many, "a bool")
    classes = own.all["classes_"] if many else [own.all["classes_"]]
    own.require(isinstance(classes, list) and all(isinstance(row, numpy.ndarray) for row in classes), "classes_", classes, "arrays")
    wanted = (rows, len(classes)) if many else (rows,)
    if not many and getattr(own.all["_y"], "shape", ()) == (rows, 1):
        own.all["_y"] = own.all["_y"].ravel()
    labels = own.indices("_y", max(len(row) for row in classes), *wanted)
    for row, column in zip(classes, labels.reshape(rows, -1).T, strict=True):
        own.require(not rows or column.max() < len(row), "_y", f"an array that holds {column.max(initial=0)}", f"0 to {len(row) - 1}")


def _means(own: _Own) -> None:
    if not own.has("cluster_centers_"):
        return
    centers = own.array("cluster_centers_", "f", None, own.features())
    own.require(len(centers) > 0, "cluster_centers_", centers, "one center or more")
    if own.has("_counts"):
        own.array("_counts", "f", len(centers))


def _subclusters(own: _Own) -> None:
    if own.has("subcluster_centers_", "_subcluster_norms"):
        centers = own.array("subcluster_centers_", "f", None, own.features())
        own.array("_subcluster_norms", "f", len(centers))


def _bisecting(own: _Own) -> None:
    todo, met, features = [own.all.get("_bisecting_tree")], set(), own.features() if own.has("_bisecting_tree") else 0
    while todo:
        node = todo.pop()
        if node is None:
            continue
        own.require(type(node).__name__ == "_BisectingTree" and id(node) not in met, "_bisecting_tree", type(node).__name__, "a tree of clusters")
        met.add(id(node))
        center = vars(node).get("center")
        good = isinstance(center, numpy.ndarray) and center.dtype.kind == "f" and center.shape == (features,)
        own.require(good, "_bisecting_tree", f"one with the center {told(center)}", f"arrays [{features}]")
        todo += [vars(node).get("left"), vars(node).get("right")]
    if own.has("_X_mean"):
        own.array("_X_mean", "f", features)


def _vocabulary(own: _Own) -> None:
    """Numbers of terms are columns of a sparse matrix."""
    if not own.has("vocabulary_"):
        return
    terms = own.all["vocabulary_"]
    own.require(isinstance(terms, dict), "vocabulary_", terms, "a dict")
    for place in terms.values():
        good = is_integer(place) and 0 <= place < len(terms)
        own.require(good, "vocabulary_", f"a dict with a term at {told(place)}", f"0 to {len(terms) - 1}")


def _one_hot(own: _Own) -> None:
    """Numbers of categories are columns of a sparse matrix."""
    if not own.has("categories_", "_n_features_outs"):
        own.require(not own.has("_n_features_outs"), "_n_features_outs", "there", "with categories_")
        return
    _encoder(own)
    dropped = own.all.get("_drop_idx_after_grouping")
    if dropped is not None:
        good = isinstance(dropped, numpy.ndarray) and dropped.shape == (len(own.all["categories_"]),)
        own.require(good, "_drop_idx_after_grouping", dropped, f"an array [{len(own.all['categories_'])}]")
        own.all["_drop_idx_after_grouping"] = numpy.array(dropped)
    counts, wanted = own.all["_n_features_outs"], own.made._compute_n_features_outs()
    own.require(isinstance(counts, list) and [int(count) for count in counts] == wanted, "_n_features_outs", repr(counts)[:100], repr(wanted)[:100])
    for count, place in zip(wanted, dropped if dropped is not None else [], strict=False):
        own.require(place is None or 0 <= place <= count, "_drop_idx_after_grouping", repr(place)[:50], f"0 to {count}")


def _sorted(own: _Own, row: Any) -> Any:
    """A copy of a row of categories in which a search finds none behind the last: numbers rise, texts that spell numbers do so or are objects."""
    row = numpy.array(row)
    values = row.tolist() if row.dtype.kind in "OUS" else row
    if row.dtype.kind in "US":
        return row.astype(object) if any(map(_is_numeral, values)) and not _rises(values) else row
    if row.dtype.kind == "O":
        own.require(not any(isinstance(value, numpy.ndarray) for value in values), "categories_", "a list with arrays of arrays", "arrays of values")
        values = [value for value in values if isinstance(value, numbers.Number | numpy.bool_) and value == value]
    elif len(row) and row[-1] != row[-1]:
        values = row[:-1]
    own.require(_rises(values), "categories_", "a list with numbers that do not rise", "numbers that do")
    return row


def _rises(values: Any) -> bool:
    return all(one < other for one, other in itertools.pairwise(values))


def _is_numeral(value: str | bytes) -> bool:
    try:
        float(value)
    except ValueError:
        return value in ("True", "False", b"True", b"False")
    return True


def _encoder(own: _Own) -> None:
    """Of the categories that are rare and put together."""
    rows = own.all["categories_"]
    own.require(isinstance(rows, list) and all(isinstance(row, numpy.ndarray) and row.ndim == 1 for row in rows), "categories_", rows, "a list of rows")
    rows[:] = [_sorted(own, row) for row in rows]
    if not own.all.get("_infrequent_enabled"):
        return
    rare, mappings = own.all.get("_infrequent_indices"), own.all.get("_default_to_infrequent_mappings")
    good = all(isinstance(lists, list) and len(lists) == len(rows) for lists in (rare, mappings))
    own.require(good, "_default_to_infrequent_mappings", mappings, f"a list of {len(rows)}, as is _infrequent_indices")
    for place, (row, few, mapping) in enumerate(zip(rows, rare, mappings, strict=True)):
        both = few is None and mapping is None
        if both:
            continue
        good = all(isinstance(array, numpy.ndarray) and array.dtype.kind in "iu" and array.ndim == 1 for array in (few, mapping))
        own.require(good, "_infrequent_indices", few, "arrays of integers where there is a mapping")
        kept = len(row) - len(few) + 1
        good = len(few) > 0 and len(mapping) == len(row) and bool(((mapping >= 0) & (mapping < kept)).all()) and bool(((few >= 0) & (few < len(row))).all())
        own.require(good, "_default_to_infrequent_mappings", f"a list with {told(mapping)}", f"numbers from 0 to {kept - 1} for {len(row)} categories")
        rare[place], mappings[place] = numpy.array(few), numpy.array(mapping)


def _linkage(own: _Own) -> None:
    if own.has("_single_linkage_tree_"):
        from sklearn.cluster._hdbscan._tree import HIERARCHY_dtype

        tree = own.all["_single_linkage_tree_"]
        good = isinstance(tree, numpy.ndarray) and tree.dtype == HIERARCHY_dtype and tree.ndim == 1
        own.require(good, "_single_linkage_tree_", tree, "a row of links")
        own.all["_single_linkage_tree_"] = tree = numpy.array(tree)
        most = len(tree) + 1 + numpy.arange(len(tree))
        for name in ("left_node", "right_node"):
            good = bool(((tree[name] >= 0) & (tree[name] < most)).all())
            own.require(good, "_single_linkage_tree_", f"one with {name}s that are not there", "points, and links before")


def _averages(own: _Own) -> None:
    """What partial_fit goes on from."""
    coefficients = own.all.get("coef_")
    for name in ("_standard_coef", "_average_coef"):
        value = own.all.get(name)
        if isinstance(coefficients, numpy.ndarray) and value is not None:
            own.array(name, "f", *coefficients.shape)


def _many_labels(own: _Own) -> None:
    """Numbers of classes are columns of a sparse matrix."""
    if own.has("classes_"):
        classes = own.all["classes_"]
        own.require(isinstance(classes, numpy.ndarray) and classes.ndim == 1, "classes_", classes, "a row of classes")
        own.require(len(set(classes.tolist())) == len(classes), "classes_", "one with a class twice", "each class once")
        own.all["classes_"] = numpy.array(classes)


def _hashes(own: _Own) -> None:
    own.count("n_features")


# By class of scikit-learn's: what is followed without a look.
def _polynomial(own: _Own) -> None:
    """Each degree is a round, and gives a column at least but where only products of different features do."""
    if not own.has("_max_degree"):
        return
    most = max(own.count("_n_out_full", 0), own.features())
    degree = own.count("_max_degree", 0)
    own.require(degree <= max(most, _FEW_DEGREES), "_max_degree", degree, f"a degree of at most {most}, for {most} columns")


_CHECKS: dict[str, Callable[[_Own], None]] = {
    "BaseDecisionTree": _decision_tree,
    "BaseGradientBoosting": _gradient_boosting,
    "DummyClassifier": _dummy,
    "DummyRegressor": _dummy,
    "BaseHistGradientBoosting": _histogram_boosting,
    "_BinMapper": _bin_mapper,
    "PolynomialFeatures": _polynomial,
    "BaseLibSVM": _support_vectors,
    "NeighborsBase": _neighbors,
    "_BaseKMeans": _means,
    "Birch": _subclusters,
    "BisectingKMeans": _bisecting,
    "CountVectorizer": _vocabulary,
    "DictVectorizer": _vocabulary,
    "OneHotEncoder": _one_hot,
    "HDBSCAN": _linkage,
    "BaseSGD": _averages,
    "MultiLabelBinarizer": _many_labels,
    "FeatureHasher": _hashes,
    "HashingVectorizer": _hashes,
}
