"""Pickles, NumPy's and joblib's files, SciPy's objects, scikit-learn's estimators, boosters: rows of benign.BENIGN."""

import collections
import functools
import gzip
import pickle
import warnings

# --- Values of Python ---------------------------------------------------------------------------------------------------------------


def plain():
    return {"a": [1, 2.5, "x", None, True, b"\x00\xff", 2**80, -1, 1j], "t": (1, (2,), ()), "s": {1, 2}, "f": frozenset("ab"), "b": bytearray(b"ab")}


def containers():
    counted = collections.defaultdict(list)
    counted["a"].append(1)
    chain, users = collections.ChainMap({"a": 1}), collections.UserDict(a=1)
    return [collections.OrderedDict(a=1), counted, collections.Counter("abca"), collections.deque([1, 2], maxlen=3), chain, users, collections.defaultdict(int, a=1),
            collections.defaultdict(float), collections.defaultdict(dict), collections.defaultdict(collections.Counter)]  # fmt: skip


def dates():
    from datetime import date, datetime, time, timedelta, timezone

    zone = timezone(timedelta(hours=2), "CEST")
    return [datetime(2024, 1, 2, 3, 4, 5, 6), datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1, tzinfo=zone), date(2024, 1, 1), time(1, 2), timedelta(1)]


def zones():
    import datetime
    import zoneinfo

    return datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))


def paths():
    import pathlib

    return [pathlib.Path("/data/x"), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:/x"), pathlib.PosixPath(".")]


def numbers():
    import decimal
    import fractions

    return [decimal.Decimal("1.5"), fractions.Fraction(1, 3), complex(1, 2), range(1, 9, 2), slice(1, None, 2), Ellipsis, NotImplemented, 10**50]


def identifiers():
    import ipaddress
    import uuid

    return [uuid.UUID(int=5), uuid.uuid4(), ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("::1")]


def namespaces():
    import argparse
    import types

    return [argparse.Namespace(lr=0.1, sizes=[1, 2], name=None), types.SimpleNamespace(a=1, b={"c": 2})]


def patterns():
    import re
    import string

    return [re.compile(r"(?u)\b\w\w+\b"), re.compile(b"a+", re.IGNORECASE), string.Template("$a")]


def randoms():
    import random

    return [random.Random(3), random.Random(4).getstate()]


def errors():
    return [ValueError("bad", 3), KeyError("x"), RuntimeError(), OSError(2, "missing"), StopIteration(), KeyboardInterrupt()]


def enums():
    import http
    import logging
    import re

    return [http.HTTPStatus.OK, logging.INFO, re.IGNORECASE]


def arrays():
    import array

    return [array.array("d", [1.0, 2.0]), array.array("B", b"abc"), array.array("q")]


def addresses():
    import ipaddress
    import urllib.parse

    return [urllib.parse.urlparse("http://a/b"), urllib.parse.urlsplit("http://a"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/8"), ipaddress.ip_interface("10.0.0.1/8")]


def buffers():
    import io

    return [io.BytesIO(b"abc"), io.StringIO("abc")]


def functions():
    import math
    import operator

    return {"scale": math.sqrt, "fold": operator.add, "hash": hash, "key": len, "lower": str.lower, "split": str.split}


def shared():
    inner = [1, 2]
    loop = {"x": inner, "y": inner}
    loop["self"] = loop
    return loop


def words():
    return {"os": "system", "doc": "__import__('os').system('ls')", "builtins": ["eval", "exec", "getattr"], "cos\nsystem\n": b"cos\nsystem\n(S'ls'\ntR."}


PYTHON = {
    made.__name__: made
    for made in (plain, containers, dates, zones, paths, numbers, identifiers, namespaces, patterns, randoms, errors, enums, arrays, addresses, buffers, functions, shared, words)
}


def pickled(make, folder, name, protocol=pickle.HIGHEST_PROTOCOL):
    path = folder / f"{name}.pkl"
    path.write_bytes(pickle.dumps(make(name), protocol))
    return path


# --- NumPy -----------------------------------------------------------------------------------------------------------------------------


def small_types():
    import ml_dtypes
    import numpy

    names = [name for name, of in vars(ml_dtypes).items() if isinstance(of, type) and issubclass(of, numpy.generic)]
    return {name: numpy.ones(2).astype(getattr(ml_dtypes, name)) for name in names if "complex" not in name}


def jax_values():
    import jax
    import jax.numpy
    import numpy
    import optax

    weights = {"w": numpy.ones(2, "f4")}
    return {
        "arrays": {"w": jax.numpy.ones((2, 2)), "half": jax.numpy.ones(2, "bfloat16"), "int": jax.numpy.arange(3), "scalar": jax.numpy.float32(1)},
        "adamw": optax.adamw(1e-3).init(weights), "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1, momentum=0.9)).init(weights), "numpy": jax.tree.map(numpy.asarray, optax.adam(1e-3).init(weights)),
    }  # fmt: skip


JAX = "arrays adamw clipped numpy".split()


def numpy_values():
    import numpy

    random = numpy.random
    record = numpy.zeros(3, dtype=[("x", "f4"), ("y", "i8", (2,)), ("z", [("a", "u1"), ("b", "S3")])])
    return {
        "float16": numpy.ones(3, "f2"), "float32": numpy.arange(6, dtype="f4").reshape(2, 3), "float64": numpy.linspace(0, 1, 7), "int8": numpy.arange(3, dtype="i1"),
        "uint64": numpy.arange(3, dtype="u8"), "bool": numpy.array([True, False]), "complex": numpy.ones(2, "c16"), "big_endian": numpy.arange(3, dtype=">f8"),
        "fortran": numpy.asfortranarray(numpy.ones((3, 4))), "scalar": numpy.array(3.5), "empty": numpy.zeros((0, 3)), "text": numpy.array(["a", "cat"]),
        "bytes": numpy.array([b"a", b"cat"]), "dates": numpy.array(["2024-01-01", "NaT"], "M8[D]"), "deltas": numpy.array([1, 2], "m8[s]"), "record": record,
        "records": numpy.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "void": numpy.zeros(2, "V5"), "longdouble": numpy.ones(2, "g"),
        "objects": numpy.array([{"a": 1}, [1, 2], "x", None], dtype=object), "strings": numpy.array(["a", "bb", None], dtype=object),
        "ragged": numpy.array([numpy.ones(2), numpy.ones(3)], dtype=object), "masked": numpy.ma.masked_array([1.0, 2.0], [0, 1]), "matrix": numpy.matrix([[1, 2], [3, 4]]),
        "generator": random.default_rng(3), "random_state": random.RandomState(3), "philox": random.Generator(random.Philox(3)), "sfc": random.Generator(random.SFC64(3)),
        "mt": random.Generator(random.MT19937(3)), "dxsm": random.Generator(random.PCG64DXSM(3)), "seeds": random.SeedSequence(3), "state": random.get_state(),
        "scalars": [numpy.float32(1), numpy.int64(2), numpy.str_("a"), numpy.bytes_(b"a"), numpy.datetime64("2024-01-01"), numpy.void(b"ab"), numpy.bool_(True)],
        "types": [numpy.float32, numpy.dtype("f4"), numpy.dtype([("a", "f4")]), numpy.int64, numpy.ndarray], "polynomial": numpy.poly1d([1, 2, 3]),
        "chebyshev": [numpy.polynomial.Chebyshev([1, 2]), numpy.polynomial.Polynomial([1])], "ml_dtypes": small_types(), "map": numpy.ones(3).view(numpy.memmap), "functions": [numpy.log1p, numpy.exp, numpy.sqrt], "strings_of_2": numpy.array(["a"], dtype=numpy.dtypes.StringDType()),
        "many": {f"w{i}": numpy.ones(i) for i in range(20)},
    }  # fmt: skip


NUMPY = """float16 float32 float64 int8 uint64 bool complex big_endian fortran scalar empty text bytes dates deltas record records void longdouble objects
    strings ragged masked matrix generator random_state philox sfc mt dxsm seeds state scalars types polynomial chebyshev ml_dtypes map functions many""".split()
ARRAYS = [name for name in NUMPY[: NUMPY.index("generator")] if name != "masked"]  # of which numpy.save has no file


def numpy_value(name):
    return numpy_values()[name]


def npy(folder, name):
    import numpy

    path = folder / f"{name}.npy"
    numpy.save(path, numpy_value(name))
    return path


def npz(folder, name):
    import numpy

    save = numpy.savez_compressed if name == "compressed" else numpy.savez
    path = folder / f"{name}.npz"
    values = {key: value for key, value in numpy_values().items() if key in ARRAYS and (name == "objects" or value.dtype.hasobject is False)}
    save(path, **values)
    return path


# --- SciPy -----------------------------------------------------------------------------------------------------------------------------


def scipy_values():
    import numpy
    import scipy.interpolate
    import scipy.sparse

    dense = numpy.eye(4)
    found = {kind: getattr(scipy.sparse, f"{kind}_matrix")(dense) for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")}
    found |= {f"{kind}_array": getattr(scipy.sparse, f"{kind}_array")(dense) for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")}
    x = numpy.arange(6.0)
    return found | {
        "cubic": scipy.interpolate.CubicSpline(x, x**2), "bspline": scipy.interpolate.make_interp_spline(x, x**2),
        "pchip": scipy.interpolate.PchipInterpolator(x, x**2),
        "grid": scipy.interpolate.RegularGridInterpolator((x, x), numpy.ones((6, 6))),
    }  # fmt: skip


SPARSE = [kind + suffix for suffix in ("", "_array") for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")]
SCIPY = [*SPARSE, "cubic", "pchip", "bspline", "grid"]


def sparse_npz(folder, name):
    import scipy.sparse

    path = folder / f"{name}.npz"
    scipy.sparse.save_npz(path, scipy_values()[name], compressed=name == "csr")
    return path


# --- joblib ----------------------------------------------------------------------------------------------------------------------------

COMPRESSIONS = {
    "none": 0, "zlib": ("zlib", 3), "gzip": ("gzip", 3), "bz2": ("bz2", 3), "lzma": ("lzma", 3), "xz": ("xz", 3), "level9": 9, "true": True,
}


def joblib_value(name):
    import numpy

    values = numpy_values()
    return {
        "arrays": {key: values[key] for key in ARRAYS if key not in ("records", "matrix")}, "python": {make.__name__: make() for make in (plain, dates, paths, numbers)},
        "big": numpy.random.default_rng(0).normal(size=(300, 300)), "fortran": values["fortran"], "objects": values["objects"], "sparse": scipy_values()["csr"],
        "masked": values["masked"], "matrix": values["matrix"], "random": values["random_state"], "model": estimator("Pipeline"),
    }[name]  # fmt: skip


JOBLIB = "arrays python big fortran objects sparse masked matrix random model".split()


def joblib_dumped(folder, name):
    import joblib

    value, compression = name.split("-")
    path = folder / f"{name}.joblib"
    joblib.dump(joblib_value(value), path, compress=COMPRESSIONS[compression])
    return path


def joblib_protocol(folder, name):
    import joblib

    path = folder / f"{name}.pkl"
    joblib.dump(joblib_value("arrays"), path, protocol=int(name))
    return path


# --- scikit-learn ------------------------------------------------------------------------------------------------------------------------

# All of sklearn.utils.all_estimators(), which a test holds this to.
ESTIMATORS = """ARDRegression AdaBoostClassifier AdaBoostRegressor AdditiveChi2Sampler AffinityPropagation AgglomerativeClustering BaggingClassifier
    BaggingRegressor BayesianGaussianMixture BayesianRidge BernoulliNB BernoulliRBM Binarizer Birch BisectingKMeans CCA CalibratedClassifierCV CategoricalNB
    ClassicalMDS ClassifierChain ColumnTransformer ComplementNB CountVectorizer DBSCAN DecisionTreeClassifier DecisionTreeRegressor DictVectorizer
    DictionaryLearning DummyClassifier DummyRegressor ElasticNet ElasticNetCV EllipticEnvelope EmpiricalCovariance ExtraTreeClassifier ExtraTreeRegressor
    ExtraTreesClassifier ExtraTreesRegressor FactorAnalysis FastICA FeatureAgglomeration FeatureHasher FeatureUnion FixedThresholdClassifier FrozenEstimator
    FunctionTransformer GammaRegressor GaussianMixture GaussianNB GaussianProcessClassifier GaussianProcessRegressor GaussianRandomProjection GenericUnivariateSelect
    GradientBoostingClassifier GradientBoostingRegressor GraphicalLasso GraphicalLassoCV GridSearchCV HDBSCAN HalvingGridSearchCV HalvingRandomSearchCV
    HashingVectorizer HistGradientBoostingClassifier HistGradientBoostingRegressor HuberRegressor IncrementalPCA IsolationForest Isomap IsotonicRegression
    IterativeImputer KBinsDiscretizer KMeans KNNImputer KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer KernelCenterer KernelDensity KernelPCA
    KernelRidge LabelBinarizer LabelEncoder LabelPropagation LabelSpreading Lars LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LatentDirichletAllocation
    LedoitWolf LinearDiscriminantAnalysis LinearRegression LinearSVC LinearSVR LocalOutlierFactor LocallyLinearEmbedding LogisticRegression LogisticRegressionCV
    MDS MLPClassifier MLPRegressor MaxAbsScaler MeanShift MinCovDet MinMaxScaler MiniBatchDictionaryLearning MiniBatchKMeans MiniBatchNMF MiniBatchSparsePCA
    MissingIndicator MultiLabelBinarizer MultiOutputClassifier MultiOutputRegressor MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV
    MultinomialNB NMF NearestCentroid NearestNeighbors NeighborhoodComponentsAnalysis Normalizer NuSVC NuSVR Nystroem OAS OPTICS OneClassSVM OneHotEncoder
    OneVsOneClassifier OneVsRestClassifier OrdinalEncoder OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV OutputCodeClassifier PCA PLSCanonical
    PLSRegression PLSSVD PassiveAggressiveClassifier PassiveAggressiveRegressor PatchExtractor Perceptron Pipeline PoissonRegressor PolynomialCountSketch
    PolynomialFeatures PowerTransformer QuadraticDiscriminantAnalysis QuantileRegressor QuantileTransformer RANSACRegressor RBFSampler RFE RFECV
    RadiusNeighborsClassifier RadiusNeighborsRegressor RadiusNeighborsTransformer RandomForestClassifier RandomForestRegressor RandomTreesEmbedding
    RandomizedSearchCV RegressorChain Ridge RidgeCV RidgeClassifier RidgeClassifierCV RobustScaler SGDClassifier SGDOneClassSVM SGDRegressor SVC SVR
    SelectFdr SelectFpr SelectFromModel SelectFwe SelectKBest SelectPercentile SelfTrainingClassifier SequentialFeatureSelector ShrunkCovariance SimpleImputer
    SkewedChi2Sampler SparseCoder SparsePCA SparseRandomProjection SpectralBiclustering SpectralClustering SpectralCoclustering SpectralEmbedding SplineTransformer
    StackingClassifier StackingRegressor StandardScaler TSNE TargetEncoder TfidfTransformer TfidfVectorizer TheilSenRegressor TransformedTargetRegressor
    TruncatedSVD TunedThresholdClassifierCV TweedieRegressor VarianceThreshold VotingClassifier VotingRegressor""".split()
TEXTS = ["a cat sat", "the dog ran", "a cat ran", "dogs and cats"] * 10


@functools.cache
def data():
    import numpy

    numpy.random.seed(0)
    x = numpy.abs(numpy.random.default_rng(0).normal(size=(40, 4))) + 0.1
    return x, numpy.arange(40) % 2, x.sum(1) + 0.5


def classes():
    import sklearn.experimental.enable_halving_search_cv
    import sklearn.experimental.enable_iterative_imputer  # noqa: F401
    from sklearn.utils import all_estimators

    return dict(all_estimators())


def given(name, of):
    """Arguments that a constructor needs, and what makes it quick."""
    import inspect

    import numpy
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    classifies = "Classif" in name or name in ("RFE", "RFECV", "SelectFromModel", "SequentialFeatureSelector")
    model = LogisticRegression() if classifies or "SearchCV" in name else Ridge()
    if name == "FrozenEstimator":
        model = LogisticRegression().fit(*data()[:2])
    quick = {
        "n_estimators": 3, "max_iter": 4 if "HistGrad" in name else 250 if name == "TSNE" else 50, "n_init": 1, "perplexity": 5, "n_components": 2, "n_clusters": 2, "estimator": model, "cv": 2,
        "n_candidates": 3, "param_grid": {"C": [0.1, 1.0]}, "param_distributions": {"C": [0.1, 1.0]}, "dictionary": numpy.eye(4), "min_samples": 3,
        "transformer_list": [("a", StandardScaler())], "steps": [("scale", StandardScaler()), ("model", LogisticRegression())],
        "transformers": [("scale", StandardScaler(), [0, 1]), ("keep", "passthrough", [2])], "n_features_to_select": 2,
        "estimators": [("a", model), ("b", type(model)())], "max_subpopulation": 50, "n_features": 16,
    }  # fmt: skip
    names = inspect.signature(of.__init__).parameters
    unwanted = {"EllipticEnvelope": ["min_samples"], "FeatureAgglomeration": ["cv"], "RANSACRegressor": ["min_samples", "estimator"], "LinearDiscriminantAnalysis": ["n_components"],
                "OrthogonalMatchingPursuitCV": ["max_iter"], "IterativeImputer": ["estimator"], "SpectralBiclustering": ["n_components"]}
    return {key: value for key, value in quick.items() if key in names and key not in unwanted.get(name, [])}


def estimator(name):
    """Fitted with little data."""
    import numpy

    numpy.random.seed(0)
    of = classes()[name]
    made = of(**given(name, of))
    x, classes_, numbers_ = data()
    y = numbers_ if ("Regress" in name and "Logistic" not in name) else classes_
    special = {
        "CountVectorizer": lambda: made.fit(TEXTS), "TfidfVectorizer": lambda: made.fit(TEXTS), "HashingVectorizer": lambda: made.fit(TEXTS),
        "DictVectorizer": lambda: made.fit([{"a": 1, "b": "x"}, {"a": 2}]), "FeatureHasher": lambda: made.fit(None), "IsotonicRegression": lambda: made.fit(x[:, 0], numbers_),
        "LabelBinarizer": lambda: made.fit(classes_), "LabelEncoder": lambda: made.fit(["a", "b"]), "MultiLabelBinarizer": lambda: made.fit([["a"], ["b", "c"]]),
        "PatchExtractor": lambda: made.fit(numpy.ones((2, 8, 8))), "CategoricalNB": lambda: made.fit((x * 2).astype(int), classes_), "KernelCenterer": lambda: made.fit(x @ x.T),
        "ClassifierChain": lambda: made.fit(x, numpy.stack([classes_, 1 - classes_], 1)), "MultiOutputClassifier": lambda: made.fit(x, numpy.stack([classes_] * 2, 1)),
        "OneHotEncoder": lambda: made.fit([["a", 1], ["b", 2]]), "OrdinalEncoder": lambda: made.fit([["a"], ["b"]]),
    }  # fmt: skip
    if name in special:
        return special[name]()
    if name.startswith("MultiTask") or name in ("CCA", "PLSCanonical", "PLSSVD", "PLSRegression", "RegressorChain", "MultiOutputRegressor"):
        return made.fit(x, numpy.stack([numbers_, -numbers_], 1))
    return made.fit(x, y)


# --- pandas ------------------------------------------------------------------------------------------------------------------------------


def pandas_values():
    import numpy
    import pandas as pd

    table, index, array = pd.DataFrame, pd.Index, pd.array
    dates, zoned = pd.date_range("2024", periods=3), pd.date_range("2024", periods=3, tz="Europe/Berlin")
    numbers = {"i1": numpy.array([1, 2], "i1"), "f4": numpy.array([1, 2], "f4"), "b": [True, False], "c": [1j, 2], "o": numpy.array(["x", None], object)}
    nullable = {"i": array([1, None], dtype="Int64"), "u": array([1, None], dtype="UInt8"), "f": array([1.5, None], dtype="Float64"), "b": array([True, None], dtype="boolean"), "s": array(["a", None], dtype="string")}
    pairs = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])
    attributed = table({"a": [1]}).set_flags(allows_duplicate_labels=False)
    attributed.attrs = {"made": print.__name__, "scale": numpy.exp}
    return {
        "table": table({"a": [1, 2], "b": ["x", "y"]}), "numbers": table(numbers), "matrix": table(numpy.ones((3, 2))), "empty": table(), "attributed": attributed,
        "dates": table({"d": dates, "z": zoned, "u": dates.tz_localize("UTC"), "t": pd.to_timedelta([1, 2, 3], unit="s"), "p": pd.period_range("2024", periods=3, freq="M")}),
        "categories": table({"c": pd.Categorical(["a", "b", "a"]), "o": pd.Categorical([1, 2, 1], ordered=True)}), "nullable": table(nullable), "intervals": table({"i": pd.interval_range(0, 3)}),
        "sparse": [table({"s": pd.arrays.SparseArray([0, 0, 1.0])}), pd.Series(pd.arrays.SparseArray([0, 0, 1.0], kind="block"))], "pairs": table({"a": [1, 2]}, index=pairs),
        "indices": [index([1, 2]), index(["a"]), index([1.5]), pd.RangeIndex(3), pd.CategoricalIndex(["a"]), pd.IntervalIndex.from_breaks([0, 1]), dates, zoned, pd.TimedeltaIndex(["1s"]),
                    pd.PeriodIndex(["2024-01"], freq="M"), pd.date_range("2024", periods=3, freq="B"), pairs, table({"a": [1.0]}).columns],
        "scalars": [dates[0], zoned[0], pd.Timedelta("1s"), pd.Period("2024-01", "M"), pd.NaT, pd.NA, pd.Interval(0, 1)], "series": pd.Series([1, 2, 3], name="x", index=list("abc")),
        "types": [table(nullable).dtypes, pd.CategoricalDtype(["a"]), pd.StringDtype("python"), pd.PeriodDtype("M"), pd.IntervalDtype("int64"), pd.DatetimeTZDtype(tz="UTC"), pd.SparseDtype(float)],
        "offsets": [pd.offsets.Day(2), pd.offsets.MonthEnd(), pd.offsets.BDay(), pd.DateOffset(months=1), pd.offsets.Week(weekday=1), pd.offsets.BusinessHour(), pd.offsets.CustomBusinessDay(holidays=["2024-01-01"])],
        "estimators": table({"model": [estimator("Ridge")], "score": [0.5]}),
    }  # fmt: skip


PANDAS = "table numbers matrix empty attributed dates categories nullable intervals sparse pairs indices scalars series types offsets estimators".split()


def with_pandas(name):
    """Estimators that were fitted with tables, or give tables."""
    import numpy
    import pandas as pd
    from sklearn import compose, ensemble, impute, linear_model, model_selection, pipeline, preprocessing

    x, classes_, _ = data()
    table = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    table["kind"] = pd.Categorical(numpy.array(["a", "b"])[classes_])
    numbers = [column for column in table if column != "kind"]
    columns = compose.ColumnTransformer([("n", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), numbers), ("c", preprocessing.OneHotEncoder(sparse_output=False), ["kind"])])
    return {
        "columns": lambda: columns.set_output(transform="pandas").fit(table), "pipeline": lambda: pipeline.make_pipeline(columns, linear_model.LogisticRegression()).set_output(transform="pandas").fit(table, classes_),
        "search": lambda: (search := model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [1, 2]}, cv=2).fit(table[numbers], classes_)) and [search, pd.DataFrame(search.cv_results_)],
        "forest": lambda: {"model": ensemble.RandomForestClassifier(3).fit(table[numbers], classes_), "columns": table.columns, "example": table.head()},
    }[name]()  # fmt: skip


WITH_PANDAS = "columns pipeline search forest".split()


def quiet(make):
    def made(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make(name)

    return made


def composed(name):
    import numpy
    from sklearn import compose, ensemble, feature_selection, impute, linear_model, metrics, model_selection, naive_bayes, pipeline, preprocessing, svm
    from sklearn.feature_extraction import text
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels

    x, classes_, numbers_ = data()
    scale, line = preprocessing.StandardScaler, linear_model.LogisticRegression
    function = preprocessing.FunctionTransformer
    columns = compose.ColumnTransformer([("n", pipeline.make_pipeline(impute.SimpleImputer(), scale()), [0, 1]), ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), [2])], remainder="drop")
    return {
        "identity": lambda: function().fit(x), "log1p": lambda: function(numpy.log1p, numpy.expm1).fit(x), "exp": lambda: function(func=numpy.exp, validate=True).fit(x),
        "text": lambda: pipeline.make_pipeline(text.TfidfVectorizer(ngram_range=(1, 2), stop_words="english"), naive_bayes.MultinomialNB()).fit(TEXTS, classes_),
        "hashed": lambda: pipeline.make_pipeline(text.HashingVectorizer(n_features=64), linear_model.SGDClassifier()).fit(TEXTS, classes_),
        "columns": lambda: pipeline.Pipeline([("pre", columns), ("model", ensemble.RandomForestClassifier(5))]).fit(numpy.round(x), classes_),
        "grid": lambda: model_selection.GridSearchCV(pipeline.make_pipeline(scale(), svm.SVC(probability=True)), {"svc__C": [1, 2]}, cv=2, scoring="f1").fit(x, classes_),
        "random": lambda: model_selection.RandomizedSearchCV(line(), {"C": [1, 2, 3]}, n_iter=2, cv=model_selection.StratifiedKFold(2), scoring=["accuracy", "roc_auc"], refit="accuracy").fit(x, classes_),
        "scorer": lambda: model_selection.GridSearchCV(line(), {"C": [1, 2]}, cv=2, scoring=metrics.make_scorer(metrics.f1_score)).fit(x, classes_),
        "stack": lambda: ensemble.StackingClassifier([("a", line()), ("b", ensemble.ExtraTreesClassifier(3))], cv=2).fit(x, classes_),
        "vote": lambda: ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", svm.SVR())]).fit(x, numbers_),
        "boost": lambda: ensemble.AdaBoostClassifier(line(), n_estimators=3).fit(x, classes_), "hist": lambda: ensemble.HistGradientBoostingClassifier(max_iter=5, early_stopping=True).fit(x, classes_),
        "select": lambda: feature_selection.SelectKBest(feature_selection.f_regression, k=2).fit(x, numbers_), "kernel": lambda: GaussianProcessRegressor(kernels.RBF() + kernels.WhiteKernel() * 2.0).fit(x, numbers_),
        "union": lambda: pipeline.make_union(scale(), preprocessing.PolynomialFeatures()).fit(x), "target": lambda: compose.TransformedTargetRegressor(linear_model.Ridge(), func=numpy.log, inverse_func=numpy.exp).fit(x, numbers_),
        "bag": lambda: ensemble.BaggingClassifier(svm.LinearSVC(), n_estimators=3, oob_score=False).fit(x, classes_), "isolation": lambda: ensemble.IsolationForest(n_estimators=5).fit(x),
        "list": lambda: [scale().fit(x), {"model": line().fit(x, classes_), "version": "1.0", "columns": ["a", "b"]}], "strings": lambda: line().fit(x, numpy.array(["no", "yes"])[classes_]),
        "functions": lambda: [function(getattr(numpy, one)) for one in "abs argmax array asarray atleast_2d clip concatenate diff dot linspace nan_to_num percentile ravel reshape round sort sqrt squeeze stack transpose where".split()],
        "selector": lambda: compose.make_column_selector(dtype_include=numpy.number), "bunch": lambda: __import__("sklearn.datasets").datasets.load_iris(),
    }[name]()  # fmt: skip


def pandas_joblib(folder, name):
    import joblib

    path = folder / f"{name}.joblib"
    joblib.dump([quiet(with_pandas)(name), pandas_values()["table"]], path, compress=3)
    return path


COMPOSED = """functions identity log1p exp text hashed columns grid random scorer stack vote boost hist select kernel union target bag isolation list strings
    selector bunch""".split()


# --- SciPy and functools.partial ----------------------------------------------------------------------------------------------------------


def scipy_value(name):
    import numpy
    import scipy.integrate
    import scipy.interpolate
    import scipy.optimize
    import scipy.special
    import scipy.stats
    from sklearn import ensemble, feature_selection, metrics, model_selection, neighbors, preprocessing, svm
    from sklearn.metrics import pairwise

    x, classes_, numbers_ = data()
    partial, stats, special = functools.partial, scipy.stats, scipy.special
    rates = {"learning_rate": stats.loguniform(1e-3, 1), "max_depth": stats.randint(1, 4), "subsample": stats.uniform(0.5, 0.5)}
    return {
        "distributions": lambda: [stats.norm, stats.norm(1, 2), stats.beta(2, 3, loc=1), stats.poisson(3), stats.binom(5, 0.5), stats.levy_stable],
        "histogram": lambda: stats.rv_histogram(numpy.histogram(numbers_, bins=4)), "values": lambda: stats.rv_discrete(values=([1, 2], [0.5, 0.5])),
        "search": lambda: model_selection.RandomizedSearchCV(ensemble.GradientBoostingClassifier(n_estimators=2), rates, n_iter=2, cv=2, random_state=0).fit(x, classes_),
        "minimum": lambda: [scipy.optimize.minimize(lambda v: (v * v).sum(), numpy.ones(2), method=method) for method in ("BFGS", "Nelder-Mead", "SLSQP")],
        "tests": lambda: stats.describe(numbers_),
        "bounds": lambda: [scipy.optimize.Bounds(0, 1), scipy.optimize.LinearConstraint(numpy.eye(2), 0, 1)], "normal": lambda: stats.multivariate_normal([0, 0]),
        "surface": lambda: scipy.interpolate.RectBivariateSpline(range(6), range(6), numpy.ones((6, 6))),
        "radial": lambda: scipy.interpolate.RBFInterpolator(numpy.random.default_rng(0).random((20, 2)), numpy.arange(20.0)), "text": lambda: numpy.char.array(["a", "b"]),
        "steps": lambda: [scipy.interpolate.interp1d([1, 2, 3], [1, 2, 3]), scipy.interpolate.interp1d([1, 2, 3], [1, 2, 3], kind="nearest"), stats.ecdf([1, 2])],
        "root": lambda: scipy.optimize.root_scalar(lambda v: v - 1, bracket=[0, 3]), "solved": lambda: scipy.integrate.solve_ivp(lambda t, v: -v, [0, 1], [1.0]),
        "categorical": lambda: ensemble.HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(numpy.c_[classes_, x], classes_),
        "partial_function": lambda: preprocessing.FunctionTransformer(partial(numpy.round, decimals=1)).fit(x),
        "special": lambda: [preprocessing.FunctionTransformer(one).fit(x) for one in (special.expit, special.logit, special.xlogy, special.softmax, preprocessing.normalize, preprocessing.scale)],
        "partial_scores": lambda: feature_selection.SelectKBest(partial(feature_selection.mutual_info_classif, random_state=0), k=1).fit(x, classes_),
        "partial_classes": lambda: [partial(dict, a=1), partial(int, base=2), partial(preprocessing.StandardScaler, with_mean=False), collections.defaultdict(partial(float, "nan"))],
        "partial_lower": lambda: partial(str.lower), "distance": lambda: neighbors.KNeighborsClassifier(metric=scipy.spatial.distance.cosine).fit(x, classes_),
        "kernel": lambda: svm.SVC(kernel=pairwise.rbf_kernel).fit(x, classes_), "norm": lambda: preprocessing.FunctionTransformer(numpy.linalg.norm).fit(x),
        "partial_distance": lambda: neighbors.KNeighborsClassifier(metric=partial(pairwise.paired_distances, metric=pairwise.cosine_distances)),
        "results": lambda: [numpy.linalg.svd(x[:2]), numpy.linalg.eig(x[:2, :2]), numpy.linalg.eigh(numpy.eye(2)), numpy.linalg.qr(x[:2]), numpy.linalg.slogdet(numpy.eye(2)), numpy.unique_all(classes_)],
        "scorers": lambda: {name: metrics.get_scorer(name) for name in metrics.get_scorer_names()},
        "display": lambda: metrics.ConfusionMatrixDisplay(metrics.confusion_matrix(classes_, classes_)),
    }[name]()  # fmt: skip


SCIPY = """distributions histogram values search minimum tests bounds normal surface radial steps text root solved categorical partial_function partial_scores partial_classes partial_lower
    distance kernel norm partial_distance results scorers display special""".split()


# --- Boosters ----------------------------------------------------------------------------------------------------------------------------


def xgboost_model(name):
    import xgboost

    x, classes_, numbers_ = data()
    of = {
        "XGBClassifier": lambda: xgboost.XGBClassifier(n_estimators=3).fit(x, classes_), "XGBRegressor": lambda: xgboost.XGBRegressor(n_estimators=3).fit(x, numbers_),
        "XGBRanker": lambda: xgboost.XGBRanker(n_estimators=3).fit(x, classes_, qid=sorted(range(40), key=lambda i: 0)), "XGBRFRegressor": lambda: xgboost.XGBRFRegressor(3).fit(x, numbers_),
        "Booster": lambda: xgboost.train({}, xgboost.DMatrix(x, numbers_), 3), "early": lambda: xgboost.XGBClassifier(n_estimators=3, early_stopping_rounds=2).fit(x, classes_, eval_set=[(x, classes_)], verbose=False),
        "callback": lambda: xgboost.XGBClassifier(n_estimators=3, callbacks=[xgboost.callback.EarlyStopping(2)]).fit(x, classes_, eval_set=[(x, classes_)], verbose=False),
    }  # fmt: skip
    return of[name]()


def lightgbm_model(name):
    import lightgbm

    x, classes_, numbers_ = data()
    return {
        "LGBMClassifier": lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, classes_), "LGBMRegressor": lambda: lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(x, numbers_),
        "Booster": lambda: lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, numbers_), 3), "LGBMRanker": lambda: lightgbm.LGBMRanker(n_estimators=3, verbose=-1).fit(x, classes_, group=[20, 20]),
        "folds": lambda: lightgbm.cv({"verbose": -1}, lightgbm.Dataset(x, numbers_), num_boost_round=2, nfold=2, stratified=False, return_cvbooster=True)["cvbooster"],
    }[name]()  # fmt: skip


def xgboost_file(folder, name):
    path = folder / f"model.{name}"
    xgboost_model("XGBClassifier").save_model(path)
    return path


def lightgbm_file(folder, name):
    path = folder / f"model.{name}"
    lightgbm_model("Booster").save_model(path)
    return path


def gzipped(folder, name):
    path = folder / f"{name}.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(estimator(name))))
    return path


def each(family, names, make):
    return {f"{family}/{name}": functools.partial(make, name=name) for name in names}


def rows():
    def store(make, **options):
        return lambda folder, name: pickled(make, folder, name, **options)

    python = lambda name: PYTHON[name]()  # noqa: E731
    found = {}
    for protocol in range(6):
        names = [name for name in PYTHON if protocol > 1 or name != "buffers"]  # which have no older pickles
        found |= each(f"pickle-{protocol}", names, store(python, protocol=protocol))
    found |= each("npy", ARRAYS, npy) | each("npz", ["plain", "compressed", "objects"], npz) | each("numpy-2", NUMPY, store(numpy_value, protocol=2))
    found |= each("numpy-5", NUMPY, store(numpy_value)) | each("scipy", SCIPY, store(lambda name: scipy_values()[name]))
    found |= each("scipy-npz", ["csr", "csc", "coo", "bsr", "dia"], sparse_npz)
    found |= each("joblib", [f"{value}-{compression}" for value in JOBLIB for compression in COMPRESSIONS], joblib_dumped)
    found |= each("joblib-protocol", ["2", "3", "4", "5"], joblib_protocol)
    found |= each("sklearn", ESTIMATORS, store(quiet(estimator))) | each("sklearn-composed", COMPOSED, store(quiet(composed)))
    found |= each("scipy", SCIPY, store(quiet(scipy_value))) | each("scipy-2", SCIPY, store(quiet(scipy_value), protocol=2))
    found |= each("sklearn-composed-2", COMPOSED, store(quiet(composed), protocol=2)) | each("sklearn-gzip", ["Ridge", "KMeans"], gzipped)
    found |= each("jax", JAX, store(lambda name: jax_values()[name])) | each("jax-2", JAX, store(lambda name: jax_values()[name], protocol=2))
    for protocol in range(2, 6):
        found |= each(f"pandas-{protocol}", PANDAS, store(lambda name: pandas_values()[name], protocol=protocol))
        found |= each(f"pandas-sklearn-{protocol}", WITH_PANDAS, store(quiet(with_pandas), protocol=protocol))
    found |= each("pandas-joblib", WITH_PANDAS, pandas_joblib)
    found |= each("xgboost", ["XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFRegressor", "Booster", "early", "callback"], store(quiet(xgboost_model)))
    found |= each("xgboost-file", ["json", "ubj"], xgboost_file) | each("lightgbm", ["LGBMClassifier", "LGBMRegressor", "Booster", "LGBMRanker", "folds"], store(quiet(lightgbm_model)))
    return found | each("lightgbm-file", ["txt"], lightgbm_file)
