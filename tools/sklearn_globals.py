"""Renews holdall/objects/globals_sklearn.inc: run with the Python of each scikit-learn that is to be known, one behind another.

    PYTHON tools/sklearn_globals.py holdall/objects/globals_sklearn.inc

Adds to the table what the pickles of this version of scikit-learn may name: its estimators, the classes of what their states hold, the
metrics and scores that are parameters; and once, what does not depend on the version (SciPy's sparse matrices, universal functions of SciPy and NumPy, reductions).
Runs with Python 3.6 and later.
"""

import importlib
import inspect
import pkgutil
import re
import sys
import warnings

HEAD = """// What scikit-learn's estimators are made of, by every name under which a version has pickled it: estimators, the classes of what
// their states hold, metrics, scores and scalings; SciPy's sparse matrices, splines and special functions, NumPy's universal
// functions. Their constructors and __setstate__ store data or compute with it. Made by tools/sklearn_globals.py.
"""
# Packages whose classes are no part of an estimator.
SKIPPED = {"tests", "conftest", "datasets", "externals", "experimental", "inspection", "_build_utils", "_testing", "setup"}
# Where the parts of estimators' states are found.
PARTS = """
    _loss calibration cluster compose covariance cross_decomposition decomposition discriminant_analysis dummy ensemble
    feature_extraction feature_selection gaussian_process impute isotonic kernel_approximation linear_model manifold
    metrics._dist_metrics metrics._scorer metrics.scorer mixture model_selection multiclass multioutput naive_bayes neighbors
    neural_network pipeline preprocessing random_projection semi_supervised svm tree utils._bunch utils._metadata_requests
""".split()
SCORES = "chi2 f_classif f_regression f_oneway mutual_info_classif mutual_info_regression r_regression".split()
# Functions of Cython that make an object of the class that they are given.
NEW_OBJECT = ["neighbors._kd_tree", "neighbors._ball_tree", "neighbors._dist_metrics", "neighbors.kd_tree", "neighbors.ball_tree",
              "neighbors.dist_metrics", "metrics._dist_metrics"]
# Losses of Cython's, which some versions pickle by a module name without its package, and by Cython's own function.
LOSSES = """
    CyHalfSquaredError CyAbsoluteError CyPinballLoss CyHuberLoss CyHalfPoissonLoss CyHalfGammaLoss CyHalfTweedieLoss
    CyHalfTweedieLossIdentity CyHalfBinomialLoss CyExponentialLoss CyHalfMultinomialLoss
""".split()
CUBIC = "Akima1DInterpolator CubicHermiteSpline CubicSpline PchipInterpolator".split()
# What FeatureAgglomeration and FunctionTransformer are given beside universal functions.
POOLING = "amax amin average cumsum max mean median min nan_to_num nanmax nanmean nanmedian nanmin nanstd nansum nanvar prod ptp ravel std sum var".split()
SCALING = "binarize maxabs_scale minmax_scale normalize power_transform quantile_transform robust_scale scale".split()
# What calls what it keeps, and stays in no estimator.
CALLING = {("sklearn.linear_model._logistic", "_LbfgsCallbackBridge"), ("sklearn.linear_model._stochastic_gradient", "_ValidationScoreCallback")}
# Tuples with names that hold estimators.
TUPLES = {("sklearn.impute._iterative", "_ImputerTriplet")}
SPARSE = "bsr coo csc csr dia dok lil".split()


def of_sklearn():
    """(module, name) of every class and function."""
    import sklearn
    import sklearn.feature_selection
    import sklearn.metrics
    from sklearn.base import BaseEstimator

    found = set()
    for info in pkgutil.walk_packages(sklearn.__path__, "sklearn.", onerror=lambda name: None):
        if SKIPPED & set(info.name.split(".")):
            continue
        try:
            members = vars(importlib.import_module(info.name))
        except Exception:  # modules of optional or deprecated things
            continue
        for value in list(members.values()):
            if not inspect.isclass(value) or issubclass(value, (BaseException, type)):
                continue
            home = value.__module__
            if not home.startswith("sklearn.") or SKIPPED & set(home.split(".")):
                continue
            part = home.split(".", 1)[1]
            is_part = any(part == name or part.startswith(name + ".") for name in PARTS) or (home, value.__name__) == ("sklearn.utils", "Bunch")
            is_there = getattr(sys.modules.get(home), value.__name__, None) is value
            if is_there and (is_part or issubclass(value, BaseEstimator)):
                found.add((home, value.__name__))
    for name in sklearn.metrics.__all__:
        value = getattr(sklearn.metrics, name, None)
        if inspect.isfunction(value) and not name.startswith(("plot_", "get_", "make_", "check_")):
            found.add((value.__module__, value.__name__))
    for name in SCORES:
        value = getattr(sklearn.feature_selection, name, None)
        if value is not None:
            found.add((value.__module__, value.__name__))
    return found


def of_others():
    import numpy
    import scipy.special

    found = set()
    for kind in SPARSE:
        for module in ("scipy.sparse." + kind, "scipy.sparse._" + kind):
            found.add((module, kind + "_matrix"))
        found.add(("scipy.sparse._" + kind, kind + "_array"))
    found |= {("scipy.interpolate._bsplines", "BSpline"), ("scipy.interpolate.interpolate", "BSpline"), ("scipy.interpolate._interpolate", "BSpline")}
    found |= {("_loss", name) for name in LOSSES} | {("sklearn.utils.deprecation", "DeprecationDict")}
    # Functions that estimators keep as attributes.
    found |= {("sklearn.utils.validation", "check_array"), ("scipy._lib.array_api_compat.numpy._aliases", "asarray")}
    found |= {("sklearn.cluster._kmeans", "_kmeans_single_" + kind) for kind in ("lloyd", "elkan")}
    found |= {("sklearn.metrics.scorer", "_passthrough_scorer"), ("sklearn.metrics._scorer", "_passthrough_scorer")}
    found |= {("scipy.interpolate._cubic", name) for name in CUBIC} | {("scipy.interpolate._interpolate", name) for name in ("PPoly", "BPoly")}
    found |= {("scipy.interpolate._rgi", "RegularGridInterpolator"), ("numpy.core.fromnumeric", "mean")} | {("numpy", name) for name in POOLING}
    found |= {("sklearn.preprocessing." + module, name) for module in ("data", "_data") for name in SCALING}
    found |= {("scipy.special._logsumexp", name) for name in ("log_softmax", "logsumexp", "softmax")}
    for name, value in vars(scipy.special).items():
        if isinstance(value, numpy.ufunc) and not name.startswith("_"):
            found |= {("scipy.special." + module, value.__name__) for module in ("_ufuncs", "_special_ufuncs")}
    for name, value in vars(numpy).items():
        if isinstance(value, numpy.ufunc) and not name.startswith("_"):
            found |= {(module, value.__name__) for module in ("numpy", "numpy.core._multiarray_umath", "numpy._core._multiarray_umath")}
    return found


def main(path):
    warnings.simplefilter("ignore")
    try:
        with open(path) as file:
            table = file.read()
    except OSError:
        table = ""
    rows = set(re.findall(r'HOLDALL_GLOBAL\("([^"]+)", "([^"]+)", kInert, kSklearn\)', table))
    rows |= of_sklearn() | of_others()
    rows -= TUPLES | CALLING
    lines = ['HOLDALL_GLOBAL("%s", "%s", kInert, kSklearn)\n' % row for row in sorted(rows)]
    lines += ['HOLDALL_GLOBAL("%s", "%s", kInert, kNamedTuple)\n' % row for row in sorted(TUPLES)]
    made = [("sklearn." + module, "newObj") for module in NEW_OBJECT]
    made += [(module, "__pyx_unpickle_" + loss) for module in ("_loss", "sklearn._loss._loss") for loss in LOSSES]
    lines += ['HOLDALL_GLOBAL("%s", "%s", kInert, kNewObject)\n' % row for row in sorted(made)]
    lines += re.findall(r'HOLDALL_GLOBAL\(.*, kReference\)\n', table)
    with open(path, "w") as file:
        file.write(HEAD + "".join(lines))


if __name__ == "__main__":
    main(sys.argv[1])
