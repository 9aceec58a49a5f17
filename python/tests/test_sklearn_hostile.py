"""holdall.sklearn.load and files of bad will: each is refused by an error of Holdall's before a prediction follows an index out of its array."""

import functools
import math
import pickle
import types
import warnings

import numpy
import pytest

sklearn = pytest.importorskip("sklearn")
import scipy.sparse  # noqa: E402
from scipy.interpolate import BSpline  # noqa: E402
from sklearn import cluster, dummy, ensemble, linear_model, model_selection, neighbors, preprocessing, svm, tree  # noqa: E402
from sklearn.cluster._kmeans import _kmeans_single_lloyd  # noqa: E402
from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower  # noqa: E402
from sklearn.ensemble._hist_gradient_boosting.histogram import HistogramBuilder  # noqa: E402
from sklearn.feature_extraction import DictVectorizer, FeatureHasher  # noqa: E402
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer  # noqa: E402
from sklearn.gaussian_process.kernels import RBF, WhiteKernel  # noqa: E402
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin  # noqa: E402
from sklearn.metrics._dist_metrics import EuclideanDistance64, MahalanobisDistance64, SEuclideanDistance64  # noqa: E402
from sklearn.metrics.pairwise import pairwise_kernels  # noqa: E402
from sklearn.neighbors._quad_tree import _QuadTree  # noqa: E402
from sklearn.utils import Bunch  # noqa: E402

import holdall  # noqa: E402
import holdall.sklearn  # noqa: E402

random = numpy.random.RandomState(0)
X = random.rand(40, 4)
Y = numpy.digitize(X[:, 0], [0.3, 0.6])
R = X @ [1.0, -2, 0.5, 3]
SPARSE = scipy.sparse.csr_matrix(numpy.where(X < 0.4, 0, X))
WORDS = numpy.array([["red"], ["green"], ["blue"]] * 5, dtype=object)
INDEX = 10**7


class As:
    """Pickled by this: what is called, with what, and the state."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def made(of, state):
    """An object of a class with any state."""
    return As(_new, (of,), state)


def _new(of):
    raise AssertionError("stands for copyreg.__newobj__")


class Pickler(pickle._Pickler):
    """Writes what `made` makes as pickle writes new objects."""

    def save_reduce(self, func, args, state=None, *rest, **named):
        if func is _new:
            of = args[0]
            self.save(of)
            self.save(())
            self.write(pickle.NEWOBJ)
            if state is not None:
                self.save(state)
                self.write(pickle.BUILD)
            return
        super().save_reduce(func, args, state, *rest, **named)


def written(value, path):
    with open(path, "wb") as file:
        Pickler(file, 4).dump(value)
    return path


def fitted(estimator, data=X, target=Y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(data) if target is None else estimator.fit(data, target)


def load(value, tmp_path):
    return holdall.sklearn.load(written(value, tmp_path / "a.pkl"))


def with_state(value, **changed):
    """The object with other attributes, whatever its class says of them."""
    state = dict(vars(value))
    for name, new in changed.items():
        state[name] = new
    return made(type(value), state)


OUT = numpy.zeros(3)
CALLS = {
    "csr_matrix": (scipy.sparse.csr_matrix, ((numpy.ones(1), numpy.array([INDEX]), numpy.array([0, 1])), (1, 3))),
    "csr_array": (scipy.sparse.csr_array, ((numpy.ones(1), numpy.array([INDEX]), numpy.array([0, 1])), (1, 3))),
    "bsr_matrix": (scipy.sparse.bsr_matrix, ((numpy.ones((1, 1, 1)), numpy.array([INDEX]), numpy.array([0, 1])), (1, 3))),
    "dia_matrix": (scipy.sparse.dia_matrix, ((numpy.ones((1, 3)), numpy.array([0])), (3, 3))),
    "add": (numpy.add, (OUT, numpy.ones(3), OUT)),
    "negative": (numpy.negative, (numpy.ones(3), OUT)),
    "pairwise_distances": (pairwise_distances, (X,)),
    "KDTree": (neighbors.KDTree, (X,)),
    "HistogramBuilder": (HistogramBuilder, (numpy.zeros((2, 2), numpy.uint8), 2, numpy.zeros(1, numpy.float32), numpy.zeros(1, numpy.float32), True, 1)),
    "_QuadTree": (_QuadTree, (2, 0)),
    "BSpline": (BSpline, (numpy.arange(8.0), numpy.ones(4), 3)),
    "SVC": (svm.SVC, ()),
}


@pytest.mark.parametrize("name", CALLS)
def test_names_of_the_table_are_not_called_with_arguments_of_the_file(name, tmp_path):
    with pytest.raises(holdall.UnsafeError, match=name):
        load({"value": As(*CALLS[name]), "out": OUT}, tmp_path)


@pytest.mark.parametrize("of", [_QuadTree, HistogramBuilder, neighbors._kd_tree.NodeHeap], ids=lambda of: of.__name__)
def test_parts_of_no_estimator_are_not_made(of, tmp_path):
    with pytest.raises(holdall.UnsafeError, match=of.__name__):
        load(made(of, {"capacity": 1}), tmp_path)


def sparse(kind, **changed):
    for of in (f"{kind}_matrix", f"{kind}_array"):
        value = getattr(scipy.sparse, of)(numpy.diag([1.0, 2.0, 3.0]))
        state = dict(vars(value))
        state.update({name: new(state[name]) for name, new in changed.items()})
        yield made(type(value), state)


def at(place, value):
    def changed(array):
        array = array.copy()
        array[place] = value
        return array

    return changed


def rows(*values):
    def changed(array):
        array = array.copy()
        array[0] = list(values)
        return array

    return changed


MATRICES = {
    "csr: index": ("csr", {"indices": at(0, INDEX)}), "csr: negative": ("csr", {"indices": at(0, -5)}), "csr: rows": ("csr", {"indptr": at(1, INDEX)}),
    "csr: fewer rows": ("csr", {"indptr": lambda array: array[:2]}), "csr: shape": ("csr", {"_shape": lambda shape: (3, 1)}),
    "csr: huge": ("csr", {"_shape": lambda shape: (2**62, 3)}), "csr: floats": ("csr", {"indices": lambda array: array + 0.5}),
    "csr: data": ("csr", {"data": lambda array: array[:1]}), "csr: objects": ("csr", {"data": lambda array: array.astype(object)}),
    "csc: index": ("csc", {"indices": at(0, INDEX)}), "bsr: index": ("bsr", {"indices": at(0, INDEX)}),
    "bsr: blocks": ("bsr", {"data": lambda array: numpy.ones((3, 7, 7))}),
    "coo: index": ("coo", {"coords": lambda coords: (coords[0] + INDEX, coords[1])}), "coo: negative": ("coo", {"coords": lambda coords: (coords[0], coords[1] - 2)}),
    "coo: one": ("coo", {"coords": lambda coords: coords[:1]}), "coo: shorter": ("coo", {"coords": lambda coords: (coords[0], coords[1][:1])}),
    "dia: offset": ("dia", {"offsets": at(0, INDEX)}), "dia: two": ("dia", {"offsets": lambda array: numpy.array([0, 1])}),
    "dia: data": ("dia", {"data": lambda array: array[0]}), "dia: before": ("dia", {"offsets": at(0, -3)}),
    "lil: column": ("lil", {"rows": rows(INDEX)}), "lil: more": ("lil", {"rows": rows(0, 1)}), "lil: twice": ("lil", {"rows": rows(0, 0), "data": rows(1.0, 1.0)}),
    "lil: fewer": ("lil", {"rows": lambda array: array[:1]}), "lil: text": ("lil", {"data": rows("x")}), "lil: negative": ("lil", {"rows": rows(-1)}),
    "dok: key": ("dok", {"_dict": lambda items: {(INDEX, 0): 1.0}}), "dok: negative": ("dok", {"_dict": lambda items: {(0, -1): 1.0}}),
    "dok: text": ("dok", {"_dict": lambda items: {(0, 0): "x"}}), "dok: no dict": ("dok", {"_dict": lambda items: [1]}),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_sparse_matrices_that_lead_out_of_themselves_are_corrupt(name, tmp_path):
    kind, changed = MATRICES[name]
    for value in sparse(kind, **changed):
        with pytest.raises(holdall.CorruptError, match=kind):
            load(value, tmp_path)


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia", "lil", "dok"])
def test_sparse_matrices_come_back_and_hide_no_method(kind, tmp_path):
    for of in (f"{kind}_matrix", f"{kind}_array"):
        value = getattr(scipy.sparse, of)(numpy.diag([1.0, 2.0, 3.0]))
        for protocol in (2, 4):
            (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
            loaded = holdall.sklearn.load(tmp_path / "a.pkl")
            assert type(loaded) is type(value) and loaded.dtype == value.dtype
            numpy.testing.assert_array_equal(loaded.toarray(), value.toarray())
        shadowed = load(made(type(value), {**vars(value), "check_format": numpy.add, "_check": numpy.add, "toarray": numpy.add}), tmp_path)
        assert not {"check_format", "_check", "toarray"} & set(vars(shadowed))
        bad = {**vars(value), "check_format": numpy.add, "_check": numpy.add, "_shape": (0, 0)}
        with pytest.raises(holdall.CorruptError):
            load(made(type(value), bad), tmp_path)


def test_what_was_checked_is_reached_by_nothing_else_of_the_file(tmp_path):
    indices = SPARSE.indices.copy()
    matrix = made(scipy.sparse.csr_matrix, {**vars(SPARSE), "indices": indices})
    loaded = load({"matrix": matrix, "indices": indices}, tmp_path)
    assert not numpy.shares_memory(loaded["matrix"].indices, loaded["indices"])
    model = fitted(neighbors.KNeighborsClassifier(3, algorithm="brute"))
    loaded = load({"model": model, "labels": model._y}, tmp_path)
    assert not numpy.shares_memory(loaded["model"]._y, loaded["labels"])
    model = fitted(svm.SVC())
    loaded = load({"model": model, "support": model.support_, "counts": model._n_support}, tmp_path)
    assert not numpy.shares_memory(loaded["model"].support_, loaded["support"])
    assert not numpy.shares_memory(loaded["model"]._n_support, loaded["counts"])


@pytest.mark.parametrize("args, kwargs", [((), {"out": OUT}), ((OUT,), {}), ((), {"where": numpy.ones(3, bool)}), ((1, 2), {}), ((), {"out": (OUT,)})])
def test_functions_with_arrays_to_write_to_are_refused(args, kwargs, tmp_path):
    with pytest.raises(holdall.UnsafeError, match="add"):
        load(preprocessing.FunctionTransformer(functools.partial(numpy.add, *args, **kwargs)), tmp_path)


def test_functions_of_compiled_code_are_called_by_their_estimators_alone(tmp_path):
    norms = {"Y_norm_squared": numpy.ones(1)}
    for value in (
        fitted(neighbors.KNeighborsClassifier(algorithm="brute")),
        preprocessing.FunctionTransformer(pairwise_distances_argmin, kw_args={"Y": X, "metric_kwargs": norms}),
    ):
        with pytest.raises(holdall.CorruptError, match="Y_norm_squared"):
            load(with_state(value, effective_metric_params_=norms), tmp_path)
    for of in (HistogramBuilder, TreeGrower, _QuadTree, neighbors.KDTree):
        for value in (of, functools.partial(of)):
            with pytest.raises(holdall.UnsafeError):
                load(preprocessing.FunctionTransformer(value), tmp_path)
    loaded = load(preprocessing.FunctionTransformer(_kmeans_single_lloyd, kw_args={"sample_weight": numpy.ones(1)}), tmp_path)
    assert not callable(loaded.func)
    with pytest.raises(holdall.UnsafeError, match="partial"):
        load(preprocessing.FunctionTransformer(functools.partial(_kmeans_single_lloyd)), tmp_path)
    model = fitted(cluster.BisectingKMeans(3), X, None)
    assert load(model, tmp_path)._kmeans_single is model._kmeans_single
    loaded = load(fitted(model_selection.GridSearchCV(svm.SVC(), {"C": [1]}, cv=model_selection.RepeatedKFold(n_splits=2, n_repeats=1))), tmp_path)
    assert loaded.cv.cv is model_selection.KFold


SHADOWS = {
    "a list of pairs": (linear_model.Ridge, [("predict", numpy.add)]),
    "two parts": (linear_model.Ridge, ([("predict", numpy.add)], None)),
    "a list of pairs of a kernel": (RBF, [("__call__", numpy.add), ("is_stationary", numpy.add)]),
    "a method": (linear_model.Ridge, {"predict": numpy.add}),
    "a class": (linear_model.Ridge, {"__class__": 1}),
    "an address": (linear_model.Ridge, {"__array_interface__": {"data": (8, False), "shape": (9,), "typestr": "<f8", "version": 3}}),
    "numbers": (linear_model.Ridge, {1: 2}),
}


@pytest.mark.parametrize("name", SHADOWS)
def test_states_hide_no_methods_and_give_no_addresses(name, tmp_path):
    of, state = SHADOWS[name]
    with pytest.raises((holdall.UnsafeError, holdall.CorruptError)):
        load(made(of, state), tmp_path)


def test_what_gives_its_keys_as_attributes_gives_no_addresses(tmp_path):
    address = {"data": (8, False), "shape": (9,), "typestr": "<f8", "version": 3}
    with pytest.raises(holdall.UnsafeError, match="__array_interface__"):
        load(Bunch(__array_interface__=address), tmp_path)
    for protocol in (0, 2, 4):
        for value in (Bunch(__array_interface__=address), types.SimpleNamespace(__array_interface__=address)):
            (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
            with pytest.raises(holdall.UnsafeError, match="__array_interface__"):
                holdall.sklearn.load(tmp_path / "a.pkl")
    assert load(Bunch(a=1), tmp_path) == {"a": 1}


def tree_with(**changed):
    model = fitted(tree.DecisionTreeClassifier(random_state=0))
    of, args, state = model.tree_.__reduce__()
    args = changed.pop("args", lambda given: given)(args)
    state = {name: changed.pop(name, lambda given: given)(value) for name, value in state.items()}
    model = with_state(model, tree_=As(of, args, state), **changed)
    return model


def nodes(field, *values):
    def changed(array):
        array = array.copy()
        array[field][: len(values)] = values
        return array

    return changed


TREES = {
    "other features": tree_with(args=lambda given: (9, *given[1:])),
    "features of the estimator": tree_with(n_features_in_=2),
    "features are text": tree_with(n_features_in_="4"),
    "features are an array": tree_with(n_features_in_=numpy.array([4])),
    "feature": tree_with(nodes=nodes("feature", 4)),
    "child": tree_with(nodes=nodes("left_child", INDEX)),
    "two parents": tree_with(nodes=nodes("left_child", 2)),
    "depth": tree_with(max_depth=lambda depth: 0),
    "far too deep": tree_with(max_depth=lambda depth: 2**60),
    "node_count": tree_with(node_count=lambda count: count + 5),
    "more outputs": tree_with(args=lambda given: (given[0], given[1], 7)),
    "no outputs": tree_with(args=lambda given: (given[0], numpy.array([], dtype=numpy.int64), 0)),
    "classes below none": tree_with(args=lambda given: (given[0], numpy.array([-3]), 1)),
    "fewer values": tree_with(values=lambda values: values[:1]),
    "values of more classes": tree_with(args=lambda given: (given[0], numpy.array([50]), 1)),
    "no fields": tree_with(nodes=lambda array: numpy.zeros(3)),
    "no nodes": tree_with(nodes=lambda array: array[:0]),
    "no state": with_state(fitted(tree.DecisionTreeClassifier()), tree_=As(tree._tree.Tree, (4, numpy.array([3]), 1))),
    "no tree": with_state(fitted(tree.DecisionTreeClassifier()), tree_=7),
}


@pytest.mark.parametrize("name", TREES)
def test_trees_are_compared_with_their_estimators(name, tmp_path):
    with pytest.raises(holdall.CorruptError, match=r"(?i)tree"):
        load(TREES[name], tmp_path)


def test_a_tree_that_leads_back_to_its_estimator_is_compared_too(tmp_path):
    """The estimator has all attributes before its tree has any."""
    model = fitted(tree.DecisionTreeClassifier())
    of, args, state = model.tree_.__reduce__()
    bad = tree.DecisionTreeClassifier()
    vars(bad).update(vars(model))
    bad.tree_ = As(of, (9, *args[1:]), {**state, "leads_back": bad})
    with pytest.raises(holdall.CorruptError):
        load(bad, tmp_path)


BAD = {}


def bad(attribute, estimator, data=X, target=Y, **changed):
    model = fitted(estimator, data, target)
    name = f"{type(model).__name__} {', '.join(changed)} {len(BAD)}"
    BAD[name] = (attribute, with_state(model, **{key: new(vars(model).get(key)) for key, new in changed.items()}))


def always(value):
    return lambda given: value


bad("_max_degree", preprocessing.PolynomialFeatures(2), _max_degree=always(10**7))
bad("_max_degree", preprocessing.PolynomialFeatures(2), _max_degree=always(-1))
for kind in (svm.SVC(), svm.NuSVC(nu=0.2)):
    bad("_dual_coef_", kind, _dual_coef_=lambda array: array[:1])
    bad("_dual_coef_", kind, _dual_coef_=lambda array: array[:, :3].copy())
    bad("support_vectors_", kind, support_vectors_=lambda array: array[:, :2].copy())
    bad("support_vectors_", kind, support_vectors_=lambda array: array[:5])
    bad("_n_support", kind, _n_support=lambda array: array + 1)
    bad("_n_support", kind, _n_support=lambda array: numpy.array([-1, 1, array.sum()], dtype=numpy.int32))
    bad("_n_support", kind, _n_support=lambda array: array[:1])
    bad("_intercept_", kind, _intercept_=lambda array: array[:1])
    bad("_prob", kind, _probA=always(numpy.ones(1)), _probB=always(numpy.ones(3)))
    bad("_impl", kind, _impl=always("epsilon_svr"))
    bad("_sparse", kind, _sparse=always(True), kernel=always("precomputed"))
    bad("support_", kind, support_=lambda array: array[:2])
    bad("shape_fit_", kind, kernel=always("precomputed"), shape_fit_=always((0, 0)))
    bad("kernel", kind, kernel=always(numpy.add))
    bad("kernel", kind, kernel=always(functools.partial(numpy.multiply, 2)))
    bad("support_vectors_", kind, _sparse=always(True))
    bad("n_features_in_", kind, n_features_in_=always(-4))
bad("support_", svm.SVC(kernel="precomputed"), X @ X.T, support_=lambda array: array + 40)
bad("support_", svm.SVR(kernel="precomputed"), X @ X.T, R, support_=lambda array: array - 50)
bad("_dual_coef_", svm.SVR(), X, R, _dual_coef_=lambda array: array[:, :1].copy())
bad("_intercept_", svm.SVR(), X, R, _intercept_=lambda array: array[:0])
bad("support_vectors_", svm.OneClassSVM(), X, None, support_vectors_=lambda array: array[:1])
bad("_dual_coef_", svm.SVC(), SPARSE, _dual_coef_=lambda matrix: scipy.sparse.csr_matrix(matrix.shape))
bad("support_vectors_", svm.SVC(), SPARSE, support_vectors_=lambda matrix: matrix[:2])
bad("_n_support", svm.SVC(), SPARSE, _n_support=lambda array: array * 1000)
bad("_effective_probability", svm.SVC(), SPARSE, _effective_probability=always(True))
for kind in (neighbors.KNeighborsClassifier(3, algorithm="brute"), neighbors.RadiusNeighborsClassifier(1.0, algorithm="brute")):
    bad("_y", kind, _y=lambda array: array + INDEX)
    bad("_y", kind, _y=lambda array: array - 9)
    bad("_y", kind, _y=lambda array: array[:2])
    bad("_y", kind, classes_=lambda array: array[:1])
    bad("_fit_X", kind, _fit_X=lambda array: array[:, :1].copy())
    bad("n_samples_fit_", kind, n_samples_fit_=always(3))
    bad("outputs_2d_", kind, outputs_2d_=always("x"))
bad("_tree", neighbors.KNeighborsTransformer(n_neighbors=2, algorithm="kd_tree"), X, None, _tree=always(neighbors.KDTree(numpy.ones((400, 4)))))
bad("_tree", neighbors.KNeighborsRegressor(algorithm="ball_tree"), X, R, _tree=always(neighbors.BallTree(numpy.ones((40, 2)))))
bad("cluster_centers_", cluster.KMeans(3, n_init=1), X, None, cluster_centers_=lambda array: array[:, :1].copy())
bad("cluster_centers_", cluster.KMeans(3, n_init=1), X, None, cluster_centers_=lambda array: array[:0])
bad("_counts", cluster.MiniBatchKMeans(3, n_init=1), X, None, _counts=lambda array: array[:1])
bad("_bisecting_tree", cluster.BisectingKMeans(3), X, None, n_features_in_=always(4), _bisecting_tree=lambda node: with_state(node, left=with_state(node.left, center=numpy.ones(1))))
bad("vocabulary_", CountVectorizer(), ["a few words", "and others"], None, vocabulary_=lambda terms: {term: INDEX for term in terms})
bad("vocabulary_", CountVectorizer(), ["a few words", "and others"], None, vocabulary_=lambda terms: {term: -1 for term in terms})
bad("vocabulary_", CountVectorizer(), ["a few words", "and others"], None, vocabulary_=lambda terms: {term: numpy.array(0) for term in terms})
bad("vocabulary_", DictVectorizer(), [{"a": 1.0}], None, vocabulary_=always({"a": 7}))
bad("_n_features_outs", preprocessing.OneHotEncoder(sparse_output=False), WORDS, None, _n_features_outs=always([1]))
bad("_n_features_outs", preprocessing.OneHotEncoder(sparse_output=False), WORDS, None, categories_=lambda rows: [numpy.array([*rows[0], "pink"], dtype=object)])
bad("categories_", preprocessing.OneHotEncoder(sparse_output=False), Y.reshape(-1, 1), None, categories_=lambda rows: [rows[0][::-1].copy()])
bad("categories_", preprocessing.OneHotEncoder(sparse_output=False), Y.reshape(-1, 1), None, categories_=lambda rows: [rows[0][::-1].astype(object)])
bad("_default_to_infrequent_mappings", preprocessing.OneHotEncoder(min_frequency=10), WORDS, None, _default_to_infrequent_mappings=always([numpy.array([9, 9, 9])]))
bad("_drop_idx_after_grouping", preprocessing.OneHotEncoder(drop="first"), WORDS, None, _drop_idx_after_grouping=always(numpy.array([-7], dtype=object)))
bad("classes_", preprocessing.MultiLabelBinarizer(), [[1, 2], [3]], None, classes_=always(numpy.array([1, 1, 1])))
bad("_single_linkage_tree_", cluster.HDBSCAN(copy=True), X, None, _single_linkage_tree_=nodes("left_node", INDEX))
bad("_average_coef", linear_model.SGDClassifier(average=3), X, Y, _average_coef=lambda array: array[:, :1].copy())
bad("_standard_coef", linear_model.SGDRegressor(average=3), X, R, _standard_coef=lambda array: array[:1])
bad("n_features", FeatureHasher(4), [{"a": 1.0}], None, n_features=always(0))
bad("n_features", HashingVectorizer(n_features=4), ["a"], None, n_features=always(0))

bad("_subcluster_norms", cluster.Birch(threshold=0.1), X, None, _subcluster_norms=lambda array: array[:1])
bad("constant_", dummy.DummyRegressor(), X, R, n_outputs_=always(INDEX))
bad("n_classes_", dummy.DummyClassifier(strategy="uniform"), X, Y, n_classes_=always(INDEX))


def boosted(**changed):
    return bad("estimators_", ensemble.GradientBoostingClassifier(n_estimators=2, **changed.pop("given", {})), **changed)


stump = fitted(tree.DecisionTreeRegressor(max_depth=1), X[:, :1], R)
wide = fitted(tree.DecisionTreeRegressor(max_depth=1), numpy.column_stack([X, X]), R)
boosted(estimators_=lambda array: numpy.concatenate([array] * 40, axis=1))
boosted(estimators_=lambda array: array[:, :2].copy(), n_trees_per_iteration_=always(3))
boosted(estimators_=lambda array: array[:0])
boosted(estimators_=lambda array: at((1, 1), wide)(array))
boosted(estimators_=lambda array: at((0, 0), fitted(ensemble.RandomForestRegressor(2), X, R))(array))
boosted(given={"init": "zero"}, n_trees_per_iteration_=always(1))
boosted(given={"init": linear_model.LogisticRegression()}, init_=lambda model: fitted(linear_model.LogisticRegression(), X, Y > 1))
boosted(estimators_=lambda array: array.ravel())
bad("init_", ensemble.GradientBoostingClassifier(n_estimators=2), init_=lambda model: with_state(model, _strategy="none"))


@pytest.mark.parametrize("name", BAD)
def test_parts_are_compared_with_their_estimators(name, tmp_path):
    attribute, value = BAD[name]
    with pytest.raises(holdall.CorruptError, match=attribute) as told:
        load(value, tmp_path)
    assert "allowed is" in str(told.value) and str(tmp_path) in str(told.value)


def histogram():
    model = ensemble.HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=2, categorical_features=[3])
    return fitted(model, numpy.column_stack([X[:, :3], Y]), R + 10 * (Y == 1))


def test_predictors_are_compared_with_their_estimators(tmp_path):
    def category(model):
        mapper = model._bin_mapper
        mapper.is_categorical_ = numpy.zeros_like(mapper.is_categorical_)

    def columns(model):
        model._preprocessor.transformers_ = model._preprocessor.transformers_[:1]

    def mask(model):
        name, step, chosen = model._preprocessor.transformers_[1]
        model._preprocessor.transformers_[1] = (name, step, numpy.zeros_like(chosen))

    def other(model):
        model._preprocessor = fitted(preprocessing.FunctionTransformer(), X, None)

    def feature(model):
        for row in model._predictors:
            row[0].nodes["feature_idx"] = 4

    def bitset(model):
        for row in model._predictors:
            row[0].nodes["is_categorical"], row[0].nodes["bitset_idx"] = 1, 0
            row[0].raw_left_cat_bitsets = numpy.zeros((0, 8), dtype=numpy.uint32)

    def child(model):
        model._predictors[0][0].nodes["left"][0] = 0

    def shorter(model):
        model._bin_mapper.is_categorical_ = model._bin_mapper.is_categorical_[:1]

    for change in (category, columns, mask, other, feature, bitset, child, shorter):
        model = histogram()
        change(model)
        with pytest.raises(holdall.CorruptError, match="predictor|_bin_mapper|_preprocessor|is_categorical_"):
            load(model, tmp_path)
    data = numpy.column_stack([X[:, :3], Y])
    numpy.testing.assert_array_equal(load(histogram(), tmp_path).predict(data), histogram().predict(data))


@pytest.mark.parametrize("metric, vector, matrix", [
    (SEuclideanDistance64, numpy.ones(2), numpy.ones((1, 1))), (MahalanobisDistance64, numpy.ones(1), numpy.ones((4, 1))),
    (MahalanobisDistance64, numpy.ones(1), numpy.ones((2, 2))), (EuclideanDistance64, numpy.ones((2, 2)), numpy.ones((1, 1))),
])  # fmt: skip
def test_metrics_are_compared_with_the_points_of_their_trees(metric, vector, matrix, tmp_path):
    points = neighbors.KDTree(X) if metric is EuclideanDistance64 else neighbors.BallTree(X)
    of, args, state = points.__reduce__()
    bad = As(of, args, (*state[:11], As(of, (metric,), (2.0, vector, matrix)), None))
    with pytest.raises(holdall.CorruptError):
        load(bad, tmp_path)


@pytest.mark.parametrize("changed", [{"k": 1000}, {"_t": numpy.arange(2.0)}, {"_c": numpy.ones((1, 2))}, {"k": -1}, {"_t": numpy.arange(10.0)[::-1]}, {"axis": 5}], ids=str)
def test_splines_are_built_of_what_fits(changed, tmp_path):
    spline = BSpline(numpy.arange(10.0), numpy.ones((6, 2)), 3)
    numpy.testing.assert_array_equal(load(spline, tmp_path)(X), spline(X))
    with pytest.raises(holdall.CorruptError, match="BSpline|spline"):
        load(with_state(spline, **changed), tmp_path)


def test_kernels_of_samples_are_taken(tmp_path):
    model = fitted(svm.SVC(kernel="precomputed"), X @ X.T)
    numpy.testing.assert_array_equal(load(model, tmp_path).predict(X @ X.T), model.predict(X @ X.T))
    for kernel in (pairwise_kernels, functools.partial(pairwise_kernels, metric="rbf"), 2.0 * RBF() + WhiteKernel()):
        model = fitted(svm.SVC(kernel=kernel))
        numpy.testing.assert_array_equal(load(model, tmp_path).decision_function(X), model.decision_function(X))


def test_a_key_without_a_hash_is_told(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04}]K\x01s.")
    with pytest.raises(holdall.Error):
        holdall.sklearn.load(tmp_path / "a.pkl")


SAFETENSORS = {
    "no estimator": ({"other": numpy.ones(2)}, {"sklearn": {"version": "1", "fortran": []}}),
    "no names": ({"estimator": numpy.ones(2)}, {"sklearn": {"version": "1", "fortran": 3}}),
    "names of names": ({"estimator": numpy.ones(2)}, {"sklearn": {"fortran": [["a"]]}}),
    "a text": ({"estimator": numpy.ones(2)}, {"sklearn": {"fortran": "ab"}}),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors_of_bad_will_are_corrupt(name, tmp_path):
    tensors, metadata = SAFETENSORS[name]
    holdall.save(tensors, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(holdall.CorruptError, match="estimator|fortran"):
        holdall.sklearn.load(tmp_path / "a.safetensors")


def test_what_a_file_holds_is_judged_once(tmp_path, monkeypatch):
    from holdall import _build

    judged = []
    whole = _build.Builder.needed
    monkeypatch.setattr(_build.Builder, "needed", lambda builder, native: judged.append(1) or whole(builder, native))
    load(linear_model.Ridge(), tmp_path)
    assert judged == [1]
    holdall.sklearn.load(tmp_path / "a.pkl", trusted=[math.floor])
    assert judged == [1, 1]
