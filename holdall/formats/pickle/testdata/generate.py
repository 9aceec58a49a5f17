"""Makes the golden pickles beside it and expected.json, which says what is in them, with CPython 3.11 and NumPy 2 (and CPython 2.7 for
python2_*.pkl, if its path is given; torch 2.13 for torch_*.pkl). Usage: generate.py [PYTHON2]
"""

import collections
import datetime
import hashlib
import json
import os
import pathlib
import pickle
import subprocess
import sys

import numpy
import torch

HERE = pathlib.Path(__file__).parent

PLAIN = {
    "none": None, "yes": True, "no": False, "int": 7, "negative": -70000, "big": 2**100, "less": -(2**63) - 1, "float": 0.1,
    "infinite": float("inf"), "text": "h\u00e9llo \u20ac\n", "list": [1, [2, []]], "empty": {}, "nested": {"a": {"b": [None]}},
}  # fmt: skip
RICH = {
    "tuple": (1, ("x",), ()), "set": {3}, "frozen": frozenset(["k"]), "bytes": b"\x00\xffab", "array": bytearray(b"xy"),
    "complex": 1.5 - 2j, "ordered": collections.OrderedDict([("a", 1), ("b", 2)]), "counter": collections.Counter("aab"),
    "keys": {1: "one", (2, 3): "two"}, "date": datetime.date(2024, 2, 29),
}  # fmt: skip


def arrays():
    return {
        "float": numpy.arange(6, dtype="<f4").reshape(2, 3),
        "fortran": numpy.asfortranarray(numpy.arange(12, dtype="<i8").reshape(3, 4)),
        "big": numpy.arange(4, dtype=">f8"),
        "bool": numpy.array([True, False, True]),
        "scalar": numpy.array(2.5),
        "empty": numpy.zeros((0, 3), dtype="<u2"),
        "half": numpy.array([0.5, -1.0], dtype="<f2"),
        "complex": numpy.array([1 + 2j], dtype="<c8"),
        "large": numpy.arange(5000, dtype="<i4"),
        "sliced": numpy.arange(20, dtype="<i2")[::3],
    }


def entry(array):
    little = numpy.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    return {
        "dtype": str(array.dtype.newbyteorder("=")),
        "shape": list(array.shape),
        "sha256": hashlib.sha256(little.tobytes()).hexdigest(),
    }


def main():
    document = {**PLAIN, "infinite": {"$float": "inf"}}
    expected = {"plain": json.dumps(document, ensure_ascii=False, separators=(",", ":")), "arrays": {}}
    for protocol in range(6):
        (HERE / f"plain_{protocol}.pkl").write_bytes(pickle.dumps(PLAIN, protocol))
        (HERE / f"rich_{protocol}.pkl").write_bytes(pickle.dumps(RICH, protocol))
    for protocol in (0, 2, 4, 5):
        (HERE / f"arrays_{protocol}.pkl").write_bytes(pickle.dumps({"w": arrays(), "step": 3}, protocol))
    expected["arrays"] = {f"w.{name}": entry(array) for name, array in arrays().items()}

    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    tensors = {"w": weight, "t": weight.t(), "half": torch.tensor([0.5, -1.0], dtype=torch.bfloat16), "p": torch.nn.Parameter(weight)}
    tensors["big"] = torch.arange(2000, dtype=torch.int32)  # on disk: its torch file is larger than what is kept in memory
    for protocol in (2, 4):
        (HERE / f"torch_{protocol}.pkl").write_bytes(pickle.dumps(tensors, protocol))

    class Hostile:
        def __reduce__(self):
            return os.system, ("true",)

    (HERE / "hostile.pkl").write_bytes(pickle.dumps([1, Hostile()], 2))
    (HERE / "two.pkl").write_bytes(pickle.dumps({"a": 1}, 4) + pickle.dumps({"b": 2}, 2))
    for python in sys.argv[1:]:
        program = (
            "import pickle\n"
            "class Old: pass\n"
            "old = Old(); old.x = 1\n"
            "v = {'s': 'bytes\\xff\\x00', 't': 'text', 'u': u'\\u20ac', 'l': 12345678901234567890L, 'i': 5, 'old': old, 'set': set([1])}\n"
            "for p in range(3): open('python2_%d.pkl' % p, 'wb').write(pickle.dumps(v, p))\n"
        )
        subprocess.run([python, "-c", program], check=True, cwd=HERE)
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
