"""The pickle format against CPython and NumPy: what they write opens, what Holdall writes they load."""

import collections
import pickle

import numpy
import oracle
import pytest


def checkpoint():
    return {
        "arrays": {
            "float": numpy.arange(6, dtype="<f4").reshape(2, 3),
            "fortran": numpy.asfortranarray(numpy.arange(12, dtype="<i8").reshape(3, 4)),
            "big": numpy.arange(4, dtype=">f8"),
            "bool": numpy.array([True, False]),
            "scalar": numpy.array(2.5),
            "empty": numpy.zeros((0, 3), "<u2"),
            "half": numpy.array([0.5], "<f2"),
            "complex": numpy.array([1 + 2j], "<c16"),
            "large": numpy.random.default_rng(1).random((300, 200)),
            "text": numpy.array(["a", "\u20acuro", ""]),
            "raw": numpy.array([b"ab", b"c"]),
            "when": numpy.array(["2020-01-01", "NaT"], "<M8[D]"),
        },
        "epoch": 3,
        "loss": 0.25,
        "values": (1, [None, True, 2**80], {"k": {1, 2}}, frozenset(["x"]), b"\x00\xff", bytearray(b"y"), 1 - 2j, "\u20ac"),
        "ordered": collections.OrderedDict(b=1, a=2),
        "counts": collections.Counter("hello"),
        "numbers": {1: "one", (2, 3): "two"},
    }


def assert_equal(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            assert_equal(found[key], value)
    elif isinstance(wanted, numpy.ndarray):
        assert found.dtype.newbyteorder("=") == wanted.dtype.newbyteorder("=") and found.shape == wanted.shape
        assert numpy.array_equal(found, wanted, equal_nan=wanted.dtype.kind in "fcM")
    else:
        assert found == wanted


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_opens_with_the_arrays_that_numpy_holds(holdall, tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(checkpoint(), protocol))
    outcome = holdall.inspect(path)
    plain = {name: array for name, array in oracle.flatten(checkpoint()) if array.dtype.kind not in "USM"}
    for name, array in plain.items():
        found = outcome.tensors[name]
        assert (found["sha256"], found["shape"]) == (oracle.digest(array), list(array.shape)), name
    assert outcome.json["format"] == "pickle" and outcome.json["verdict"] == "inert"
    assert outcome.json["tree"]["epoch"] == 3


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_what_holdall_writes_python_and_numpy_load_equal(holdall, tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(checkpoint(), protocol))
    holdall.convert(tmp_path / "a.pkl", tmp_path / "b.pkl")
    with open(tmp_path / "b.pkl", "rb") as file:
        assert_equal(pickle.load(file), checkpoint())


def test_a_shared_array_stays_one(holdall, tmp_path):
    array = numpy.arange(5.0)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": array, "b": [array]}))
    holdall.convert(tmp_path / "a.pkl", tmp_path / "b.pkl")
    with open(tmp_path / "b.pkl", "rb") as file:
        again = pickle.load(file)
    assert again["a"] is again["b"][0]


class Node:
    pass


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("target", ["b.pkl", "b.npz", "b.pt"])
def test_cycles_close_through_tuples_and_frozen_sets(holdall, tmp_path, target, protocol):
    through_list, node = ([],), Node()
    through_list[0].append(through_list)
    node.self, node.pair, node.frozen = node, (node, [through_list]), frozenset([node])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"t": through_list, "n": node, "s": {node}}, protocol))
    holdall.convert(tmp_path / "a.pkl", tmp_path / target)
    holdall.convert(tmp_path / target, tmp_path / "c.pkl")
    back = pickle.loads((tmp_path / "c.pkl").read_bytes())
    assert back["t"][0][0] is back["t"]
    again = back["n"]
    assert again.self is again and again.pair[0] is again and again.pair[1][0] is back["t"]
    assert next(iter(again.frozen)) is again and next(iter(back["s"])) is again


def test_nothing_in_a_pickle_runs(holdall, tmp_path):
    class Hostile:
        def __reduce__(self):
            return __import__("os").system, (f"touch {tmp_path}/owned",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"w": Hostile()}))
    holdall("inspect", tmp_path / "a.pkl", "--json")
    holdall("scan", tmp_path / "a.pkl", status=1)
    assert not (tmp_path / "owned").exists()
