"""Makes the files beside it. Made with joblib 1.6.0 and NumPy 2.4 (CPython 3.11), and old_*: joblib 0.8.4, 0.9.4 and 0.11 with NumPy 1.19
(CPython 3.6), whose sources lie in the folder named.

    python generate.py            # today's joblib
    python generate.py joblib-0.8.4 old_0.8
"""

import sys

import numpy

OLD = len(sys.argv) > 1
if OLD:
    sys.path.insert(0, sys.argv[1])

import joblib  # noqa: E402

arrays = {
    "c": numpy.arange(6, dtype="<f4").reshape(2, 3),
    "f": numpy.asfortranarray(numpy.arange(6, dtype="<i8").reshape(2, 3)),
    "big": numpy.array([1, 2, 3], dtype=">i2"),
    "scalar": numpy.array(2.5),
    "empty": numpy.zeros((0, 4), dtype="u1"),
    "text": numpy.array(["ab", "c"]),
    "record": numpy.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
    "matrix": numpy.matrix([[1, 2]]),
    "objects": numpy.array(["x", None, {"y": numpy.arange(3)}], dtype=object),
    "step": 7,
}
if not OLD:
    shared = numpy.ones(2)
    joblib.dump(arrays, "plain.joblib")
    joblib.dump(arrays, "protocol2.joblib", protocol=2)
    for name in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4"):
        joblib.dump(arrays, name + ".joblib", compress=(name, 3))
    # More than 64 KiB, so that lz4 has blocks that refer to those before them.
    joblib.dump(numpy.tile(numpy.arange(97, dtype="u1"), 2000), "linked.joblib", compress=("lz4", 3))
else:
    joblib.dump(arrays, sys.argv[2] + ".pkl")
    joblib.dump(arrays, sys.argv[2] + "_zf.pkl", compress=3)
    if "0.8" in sys.argv[1]:
        joblib.dump({"a": numpy.arange(5.0), "f": arrays["f"]}, sys.argv[2] + "_beside.pkl", compress=3, cache_size=0)
