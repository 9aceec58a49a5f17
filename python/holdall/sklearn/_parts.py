"""Parts of estimators that are Cython's or SciPy's: their code takes indices as they come, so each is built whole, from checked data."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy

from .. import _guard
from ..errors import CorruptError, UnsafeError
from . import _names, _sparse

_LEAF = -1
# Modules of Cython's losses, which are made of numbers.
_LOSSES = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast")
_SEARCH_TREES = ("KDTree", "KDTree32", "KDTree64", "BallTree", "BallTree32", "BallTree64")
# Fields of a class that is Python's own.
_HEAP_TYPE = 1 << 9


class Waiting:
    """A part before its state is there: nothing can be done with it."""

    def __init__(self, of: Any, args: tuple[Any, ...]) -> None:
        self.of = of
        self.args = args


def named(module: str, name: str) -> Any:
    """What a name stands for as a value; functions that only KMeans itself may call wait for it (_mend.py)."""
    of = _names.found(module, name)
    return Waiting(of, ()) if name.startswith("_kmeans_single_") else of


def called(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a file calls a name of the table for: a tree before its nodes, or a loss of numbers. Nothing else is called.

    Raises UnsafeError.
    """
    if not kwargs and _is_tree(of):
        return Waiting(of, args)
    if not kwargs and _is_loss(of):
        if not all(isinstance(arg, int | float | numpy.integer | numpy.floating) for arg in args):
            raise CorruptError(f"{of.__name__} is not made of {repr(args)[:100]}, but of numbers")
        return of(*args)
    if is_retired(of):
        return of()
    raise UnsafeError(f"the file calls {getattr(of, '__module__', '')}.{getattr(of, '__name__', of)}, which may only stand as a value")


def is_retired(of: Any) -> bool:
    return isinstance(of, functools.partial) and of.func is _names.Retired


def blank(of: Any, args: tuple[Any, ...]) -> Any:
    """An object of a class of scikit-learn's or SciPy's before its state is there, made without a call. Raises UnsafeError for Cython's classes
    that no estimator is made of, CorruptError for arguments that pickle never writes."""
    if _builder(of) is not None:
        return Waiting(of, args)
    if _is_loss(of):  # with a checksum of its fields
        return of.__new__(of)
    if not of.__flags__ & _HEAP_TYPE:
        raise UnsafeError(f"{of.__module__}.{of.__name__} is no part of an estimator")
    if issubclass(of, tuple):
        if len(args) != len(getattr(of, "_fields", ())):
            raise CorruptError(f"{of.__name__} has {len(getattr(of, '_fields', ()))} fields, not {len(args)}")
        return tuple.__new__(of, args)
    if args:
        raise CorruptError(f"{of.__name__} is made of nothing, not of {len(args)} arguments")
    return of.__new__(of)


def built(part: Waiting, state: Any) -> Any:
    builder = _builder(part.of)
    if builder is None:
        raise UnsafeError(f"{part.of.__name__} is no part of an estimator")
    return builder(part.of, part.args, state)


def _builder(of: Any) -> Callable[[Any, tuple[Any, ...], Any], Any] | None:
    """For classes that are built whole: by (class, arguments, state)."""
    if _is_tree(of):
        return _tree
    if of.__name__ in _SEARCH_TREES and of.__module__.startswith("sklearn.neighbors."):
        return _search_tree
    if of.__module__.startswith("sklearn.") and of.__name__.partition("Distance")[1] and not of.__name__.startswith(("DistanceMetric", "PyFunc")):
        return _metric
    if of.__name__ == "TreePredictor" and of.__module__.startswith("sklearn.ensemble."):
        return _predictor
    if of.__module__.startswith("scipy.sparse."):
        return _sparse.built
    if of.__name__ == "BSpline" and of.__module__.startswith("scipy.interpolate."):
        return _spline
    return None


def _is_tree(of: Any) -> bool:
    return isinstance(of, type) and (of.__module__, of.__name__) == ("sklearn.tree._tree", "Tree")


def _is_loss(of: Any) -> bool:
    return isinstance(of, type) and of.__module__ in _LOSSES and not of.__flags__ & _HEAP_TYPE


def tree_of(tree: Any, values: Any) -> Any:
    """The same tree with other values."""
    of, args, state = tree.__reduce__()
    made = of(*args)
    made.__setstate__({**state, "values": numpy.ascontiguousarray(values, dtype=float)})
    return made


def _tree(of: Any, args: tuple[Any, ...], state: Any) -> Any:
    """Nodes of six, seven or eight fields, whatever the machine was that wrote them."""
    from sklearn.tree._tree import NODE_DTYPE

    require(len(args) == 3, f"a tree is made of 3 arguments, not of {len(args)}")
    features, outputs, classes = int(args[0]), int(args[2]), numpy.array(args[1], dtype=numpy.intp).reshape(-1)
    require(features > 0 and outputs > 0, f"a tree has {features} features and {outputs} outputs")
    require(len(classes) == outputs and bool((classes > 0).all()), f"a tree of {outputs} outputs has classes for {len(classes)}, or none")
    given = records(state["nodes"], "the nodes of a tree", ("left_child", "right_child", "feature", "threshold"))
    whole = numpy.zeros(len(given), dtype=NODE_DTYPE)
    for name in NODE_DTYPE.names or ():
        if name in given.dtype.names:
            whole[name] = given[name]
    if "weighted_n_node_samples" not in given.dtype.names:
        whole["weighted_n_node_samples"] = whole["n_node_samples"]
    inner = whole["left_child"] != _LEAF
    _check_children(whole["left_child"], whole["right_child"], inner, "tree")
    asked = whole["feature"][inner]
    bad = asked[(asked < 0) | (asked >= features)]
    require(not len(bad), f"a node of a tree asks for feature {bad[:1]}, the tree has {features}")
    require(int(state["node_count"]) == len(whole), f"a tree of {state['node_count']} nodes has {len(whole)}")
    values = numpy.ascontiguousarray(state["values"], dtype=numpy.float64)
    made = of(features, classes, outputs)
    made.__setstate__({"max_depth": int(state["max_depth"]), "node_count": len(whole), "nodes": whole, "values": values})
    # Paths are written into as much memory as max_depth says.
    deepest = int(made.compute_node_depths().max()) - 1
    require(deepest <= made.max_depth < len(whole), f"the max_depth of a tree of {len(whole)} nodes is {made.max_depth}, its nodes lie {deepest} deep")
    return made


def records(nodes: Any, name: str, fields: tuple[str, ...]) -> Any:
    """A row of structures that have these fields."""
    good = isinstance(nodes, numpy.ndarray) and nodes.dtype.names is not None and nodes.ndim == 1 and len(nodes) > 0
    require(good, f"{name} are {_sparse.told(nodes)}, not a row of structures")
    require(set(fields) <= set(nodes.dtype.names), f"{name} have the fields {', '.join(nodes.dtype.names)}, not all of {', '.join(fields)}")
    return nodes


def _check_children(left: Any, right: Any, inner: Any, name: str) -> None:
    """Each node lies behind its one parent, so that every way ends, and all are reached."""
    place = numpy.arange(len(left))
    children = numpy.concatenate([left[inner], right[inner]]).astype(numpy.int64)
    good = (left > place) & (left < len(left)) & (right > place) & (right < len(left))
    require(bool(good[inner].all()), f"a node of a {name} of {len(left)} nodes has no such child, or a child before it")
    times = numpy.bincount(children, minlength=len(left))[1:]
    require(bool((times == 1).all()), f"a node of a {name} of {len(left)} nodes is not the child of one other")


def _metric(of: Any, args: tuple[Any, ...], state: Any) -> Any:
    require(isinstance(state, tuple) and len(state) == 3, f"the state of a {of.__name__} is {_sparse.told(state)}, not three numbers and arrays")
    p, vector, matrix = float(state[0]), numpy.array(state[1], dtype=float), numpy.array(state[2], dtype=float)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    require(vector.ndim == 1 and square, f"a {of.__name__} has {_sparse.told(vector)} and {_sparse.told(matrix)}, not a row and a square")
    made = of.__new__(of)
    made.__setstate__((p, vector, matrix))
    return made


def _search_tree(of: Any, args: tuple[Any, ...], state: Any) -> Any:
    """Built anew from its points: the same tree, and no index of the file's in it."""
    from sklearn.metrics import DistanceMetric

    data, leaf_size, metric = state[0], int(state[4]), state[11]
    points = numpy.array(data, dtype=of(numpy.zeros((1, 1))).__getstate__()[0].dtype)
    weights = state[12] if len(state) > 12 else None
    require(points.ndim == 2 and leaf_size > 0, f"the points of a {of.__name__} are {_sparse.told(points)}, {leaf_size} in a leaf")
    require(isinstance(metric, DistanceMetric), f"the metric of a {of.__name__} is {_sparse.told(metric)}")
    if weights is not None:
        weights = numpy.array(weights, dtype=points.dtype)
        require(weights.shape == points.shape[:1], f"the weights of a {of.__name__} of {len(points)} points are {_sparse.told(weights)}")
    return of(points, leaf_size=leaf_size, metric=metric, sample_weight=weights)


def _predictor(of: Any, args: tuple[Any, ...], state: Any) -> Any:
    """A tree of HistGradientBoosting: versions before 0.24 knew no categories."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    nodes = records(state["nodes"], "the nodes of a predictor", ("feature_idx", "left", "right", "is_leaf", "value"))
    whole = numpy.zeros(len(nodes), dtype=PREDICTOR_RECORD_DTYPE)
    for name in PREDICTOR_RECORD_DTYPE.names or ():
        old = "threshold" if name == "num_threshold" and name not in nodes.dtype.names else name
        if old in nodes.dtype.names:
            whole[name] = nodes[old]
    inner = whole["is_leaf"] == 0
    _check_children(whole["left"], whole["right"], inner, "predictor")
    require(bool((whole["feature_idx"][inner] >= 0).all()), "a node of a predictor asks for a feature before the first")
    asked = whole["bitset_idx"][inner & (whole["is_categorical"] != 0)]
    empty = numpy.zeros((0, 8), dtype=numpy.uint32)
    made = of.__new__(of)
    for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
        bits = numpy.array(state.get(name, empty), dtype=numpy.uint32, order="C")
        require(bits.ndim == 2 and bits.shape[1] == 8, f"{name} of a predictor is {_sparse.told(bits)}, not rows of 8")
        require(bool((asked < len(bits)).all()), f"a node of a predictor asks for categories that the {len(bits)} of {name} are not")
        setattr(made, name, bits)
    made.nodes = whole
    return made


def _spline(of: Any, args: tuple[Any, ...], state: Any) -> Any:
    """SciPy's constructor compares knots, coefficients and degree."""
    knots, coefficients = (numpy.array(state.get(f"_{name}", state.get(name)), dtype=float) for name in "tc")
    degree, axis, extrapolate = int(state["k"]), int(state.get("axis", 0)), state.get("extrapolate", True)
    made = of(knots, coefficients, degree, extrapolate=extrapolate if extrapolate == "periodic" else bool(extrapolate))
    require(0 <= axis < coefficients.ndim, f"a spline of {coefficients.ndim} dimensions goes along axis {axis}")
    made.axis = axis
    return made


def partial_of(made: Any, state: Any) -> Any:
    """functools.partial of one of scikit-learn's functions or NumPy's, with plain values to call it with: no array that it could write to.

    Raises UnsafeError.
    """
    if not isinstance(state, tuple) or len(state) != 4 or state[0] is not made.func or state[3]:
        raise UnsafeError("a functools.partial becomes another")
    args, kwargs = tuple(state[1]), dict(state[2] or {})
    if not all(_is_plain(value) for value in (*args, *kwargs.values())) or len(args) >= getattr(made.func, "nin", len(args) + 1):
        raise UnsafeError(f"functools.partial of {made.func.__name__} is given more than plain values")
    return functools.partial(made.func, *args, **kwargs)


def _is_plain(value: Any, level: int = 0) -> bool:
    if isinstance(value, list | tuple) and level < 8:
        return all(_is_plain(item, level + 1) for item in value)
    scalar = isinstance(value, type) and issubclass(value, int | float | complex | str | bytes | numpy.generic)
    return scalar or value is None or isinstance(value, int | float | complex | str | bytes | numpy.generic | numpy.dtype)


def check_key(key: Any, name: str) -> None:
    """A key by which an object gives its attributes. Raises UnsafeError for those that Python and NumPy ask objects for."""
    if _guard.is_special(key):
        raise UnsafeError(f"the file sets {key} of a {name}")


def require(good: bool, fault: str) -> None:
    if not good:
        raise CorruptError(fault)
