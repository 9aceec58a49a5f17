"""Parts of estimators that are Cython's or SciPy's: their code takes indices as they come, so they are checked, or built anew from data."""

from __future__ import annotations

from typing import Any

import numpy

from ..errors import CorruptError

_LEAF = -1


def blank(of: Any, args: tuple[Any, ...]) -> Any:
    """What `of.__new__` gives."""
    return of.__new__(of, *args)


def called(of: Any, args: tuple[Any, ...]) -> Any:
    """A part that is not made by a plain call of its class; None for all others."""
    if _is(of, "sklearn.tree._tree", "Tree") and len(args) == 3:
        return of(int(args[0]), numpy.ascontiguousarray(args[1], dtype=numpy.intp).reshape(-1), int(args[2]))
    return None


def filled(made: Any, state: Any) -> Any:
    """A part with its state, or what takes its place; None for what is filled as any object."""
    of = type(made)
    if _is(of, "sklearn.tree._tree", "Tree"):
        return _tree(made, state)
    if any(_is(base, None, "BinaryTree64") or _is(base, None, "BinaryTree32") or _is(base, None, "BinaryTree") for base in of.__mro__):
        return _search_tree(of, state)
    if any(base.__name__.startswith("DistanceMetric") and base.__module__.startswith("sklearn.") for base in of.__mro__):
        p, vector, matrix = state[:3]
        if len(state) > 3:
            raise CorruptError("a metric that is a function of the file's author")
        made.__setstate__((float(p), numpy.array(vector, dtype=float), numpy.array(matrix, dtype=float)))
        return made
    if _is(of, None, "TreePredictor"):
        made.__dict__.update(_predictor(dict(state)))
        return made
    if of.__module__.startswith("scipy.sparse"):
        return _sparse(made, dict(state))
    return None


def _is(of: type, module: str | None, name: str) -> bool:
    return of.__name__ == name and (of.__module__ == module if module else of.__module__.startswith("sklearn."))


def tree_of(tree: Any, values: Any) -> Any:
    """The same tree with other values."""
    of, args, state = tree.__reduce__()
    made = of(*args)
    made.__setstate__({**state, "values": numpy.ascontiguousarray(values, dtype=float)})
    return made


def _tree(made: Any, state: Any) -> Any:
    """Nodes of six, seven or eight fields, whatever the machine was that wrote them."""
    from sklearn.tree._tree import NODE_DTYPE

    nodes, values = state["nodes"], state["values"]
    require(isinstance(nodes, numpy.ndarray) and nodes.dtype.names is not None and nodes.ndim == 1 and len(nodes) > 0, "the nodes of a tree are none")
    given = nodes.dtype.names
    require({"left_child", "right_child", "feature", "threshold"} <= set(given), f"the nodes of a tree have the fields {', '.join(given)}")
    whole = numpy.zeros(len(nodes), dtype=NODE_DTYPE)
    for name in NODE_DTYPE.names or ():
        if name in given:
            whole[name] = nodes[name]
    if "weighted_n_node_samples" not in given:
        whole["weighted_n_node_samples"] = whole["n_node_samples"]
    left, right, place = whole["left_child"], whole["right_child"], numpy.arange(len(whole))
    inner = left != _LEAF
    require(bool(((left > place) & (left < len(whole)) & (right > place) & (right < len(whole)))[inner].all()), "a node of a tree has no such child")
    require(bool(((whole["feature"] >= 0) & (whole["feature"] < made.n_features))[inner].all()), "a node of a tree asks for no such feature")
    require(int(state["node_count"]) == len(whole), f"a tree of {state['node_count']} nodes has {len(whole)}")
    values = numpy.ascontiguousarray(values, dtype=numpy.float64)
    made.__setstate__({"max_depth": int(state["max_depth"]), "node_count": len(whole), "nodes": whole, "values": values})
    return made


def _search_tree(of: Any, state: Any) -> Any:
    """Built anew from its points: the same tree, and no index of the file's in it."""
    data, leaf_size, metric = state[0], int(state[4]), state[11]
    points = numpy.array(data, dtype=of(numpy.zeros((1, 1))).__getstate__()[0].dtype)
    weights = state[12] if len(state) > 12 else None
    require(points.ndim == 2 and leaf_size > 0, "the points of a search tree are none")
    return of(points, leaf_size=leaf_size, metric=metric, sample_weight=weights if isinstance(weights, numpy.ndarray) and len(weights) == len(points) else None)


def _predictor(state: dict[str, Any]) -> dict[str, Any]:
    """A tree of HistGradientBoosting: versions before 0.24 knew no categories."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    nodes = state["nodes"]
    require(isinstance(nodes, numpy.ndarray) and nodes.dtype.names is not None and nodes.ndim == 1 and len(nodes) > 0, "the nodes of a predictor are none")
    whole = numpy.zeros(len(nodes), dtype=PREDICTOR_RECORD_DTYPE)
    for name in PREDICTOR_RECORD_DTYPE.names or ():
        old = "threshold" if name == "num_threshold" and name not in nodes.dtype.names else name
        if old in nodes.dtype.names:
            whole[name] = nodes[old]
    inner, place = whole["is_leaf"] == 0, numpy.arange(len(whole))
    children = (whole["left"] > place) & (whole["left"] < len(whole)) & (whole["right"] > place) & (whole["right"] < len(whole))
    require(bool(children[inner].all()), "a node of a predictor has no such child")
    empty = numpy.zeros((0, 8), dtype=numpy.uint32)
    sets = {name: numpy.ascontiguousarray(state.get(name, empty), dtype=numpy.uint32) for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets")}
    for bits in sets.values():
        require(bits.ndim == 2 and bits.shape[1] == 8, "the categories of a predictor are none")
        require(bool((whole["bitset_idx"] < max(len(bits), 1))[inner & (whole["is_categorical"] != 0)].all()), "a node of a predictor has no categories")
    return {**state, "nodes": whole, **sets}


def _sparse(made: Any, state: dict[str, Any]) -> Any:
    if "row" in state and "col" in state and not hasattr(type(made), "row_is_attribute") and made.format == "coo":
        state["coords"] = (state.pop("row"), state.pop("col"))
    made.__dict__.update(state)
    if hasattr(made, "check_format"):
        made.check_format(full_check=True)
    elif made.format == "coo":
        made._check()
    return made


def require(good: bool, fault: str) -> None:
    if not good:
        raise CorruptError(fault)
