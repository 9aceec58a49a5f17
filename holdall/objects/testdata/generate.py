"""Writes what objects/ is tested against: the names that torch's weights-only loader allows, and pickles of NumPy's objects.

Written with torch 2.13.0, numpy 2.x, Python 3.11: python generate.py.
"""
import collections, hashlib, json, pathlib, pickle

import numpy as np
import torch
from torch._weights_only_unpickler import _get_allowed_globals

HERE = pathlib.Path(__file__).parent

ARRAYS = {
    "int16": np.arange(6, dtype=np.int16).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "big": np.arange(4, dtype=">i4"),
    "big_complex": np.array([1 + 2j, 3 - 4j], dtype=">c16"),
    "bool": np.array([True, False]),
    "half": np.array([0.5, -2], dtype=np.float16),
    "scalar": np.array(3.25),
    "empty": np.empty((0, 3), dtype=np.uint8),
    "unicode": np.array(["a", "üß", "", "漢字!"]),
    "unicode_big": np.array(["ab", "c"], dtype=">U2"),
    "unicode_fortran": np.asfortranarray(np.array([["a", "bb"], ["c", "dd"]])),
    "bytes": np.array([b"ab", b"c\x00d", b""]),
    "datetime": np.array(["2020-01-01", "1969-07-20"], dtype="datetime64[ns]"),
    "days": np.array([1, 2], dtype="timedelta64[25s]"),
    "record": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
    "padded": np.zeros(2, dtype=np.dtype([("a", "u1"), ("b", "<i4", (2,)), ("c", [("d", "S3")])], align=True)),
    "large": np.arange(3000, dtype=np.int32),
}


def stored(array):
    """The elements as the digest sees them."""
    if array.dtype.kind in "US":
        items = [item if isinstance(item, bytes) else item.encode("utf-8", "surrogatepass") for item in array.flatten().tolist()]
        return b"".join(len(item).to_bytes(8, "little") + item for item in items)
    if array.dtype.names is None:
        array = array.astype(array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array).tobytes()


def dtype_name(dtype):
    if dtype.names is not None:
        return "record", np.lib.format.dtype_to_descr(dtype)
    if dtype.kind in "US":
        return "string", f"{dtype.kind}{dtype.itemsize // (4 if dtype.kind == 'U' else 1)}"
    if dtype.kind in "mM":
        return "int64", dtype.name
    return dtype.name, ""


def main():
    (HERE / "torch_allowed.txt").write_text("\n".join(sorted(_get_allowed_globals())) + "\n")
    expected = {}
    for name, array in ARRAYS.items():
        dtype, logical = dtype_name(array.dtype)
        expected[name] = {"dtype": dtype, "logical": str(logical), "shape": list(array.shape),
                          "sha256": hashlib.sha256(stored(array)).hexdigest()}
    for protocol in (0, 2, 3, 4, 5):
        (HERE / f"arrays_{protocol}.pkl").write_bytes(pickle.dumps(ARRAYS, protocol))
    scalars = {"f4": np.float32(0.1), "f8": np.float64(-2.5), "i2": np.int16(-7), "u8": np.uint64(2**64 - 1), "b": np.bool_(True),
               "c": np.complex64(1 - 2j), "e": np.float16(65504.0)}
    (HERE / "scalars.pkl").write_bytes(pickle.dumps(scalars, 2))
    python = {"set": {1}, "frozen": frozenset({2}), "complex": 1 - 2j, "bytes": b"\x00\xe9", "ordered": collections.OrderedDict(b=1),
              "default": collections.defaultdict(list, a=[1])}
    for protocol in (0, 1, 2, 4):
        (HERE / f"python_{protocol}.pkl").write_bytes(pickle.dumps(python, protocol))
    about = {"torch": torch.__version__, "numpy": np.__version__, "arrays": expected}
    (HERE / "expected.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
