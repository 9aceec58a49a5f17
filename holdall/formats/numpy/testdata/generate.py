"""Golden files for numpy_test.cc. Written with numpy 2.4.6 and ml_dtypes 0.6.0.

digests.tsv tells of every plain array: file, name, NumPy's dtype, shape, SHA-256 of its elements as Holdall's digests define them
(row-major, little-endian; a text is its length in 8 bytes and its UTF-8; structured types as they are).
"""

import hashlib
import os
import pathlib
import struct

import ml_dtypes
import numpy

HERE = pathlib.Path(__file__).parent
chance = numpy.random.default_rng(0)
arrays = {}
for kind in "? i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split():
    arrays[numpy.dtype(kind).name] = (chance.random((2, 3)) * 100).astype(kind)
arrays |= {
    "big endian": numpy.arange(6, dtype=">f8").reshape(2, 3),
    "big complex": numpy.array([1 + 2j, 3 - 4j], dtype=">c8"),
    "fortran": numpy.asfortranarray(numpy.arange(24, dtype="f4").reshape(2, 3, 4)),
    "fortran big": numpy.asfortranarray(numpy.arange(24, dtype=">i4").reshape(2, 3, 4)),
    "scalar": numpy.array(3.5, dtype="f4"),
    "empty": numpy.zeros((0, 3)),
    "text": numpy.array([["a", "bc"], ["日本", "x\U0001f600"]]),
    "text big": numpy.array(["a", "bc"], dtype=">U5"),
    "text fortran": numpy.asfortranarray(numpy.array([["a", "bc"], ["d", "e"]])),
    "bytes": numpy.array([b"a", b"bcd"]),
    "datetime": numpy.array(["2020-01-01", "NaT"], dtype="M8[ns]"),
    "timedelta": numpy.array([1, 2], dtype="m8[25s]"),
    "record": numpy.array([(1, 2.5, "x")], dtype=[("a", "<i4"), ("b", ">f8"), ("c", "U3")]),
    "record aligned": numpy.ones(2, dtype=numpy.dtype([("a", "i1"), ("b", "f8", (2,))], align=True)),
    "record fortran": numpy.asfortranarray(numpy.arange(4).reshape(2, 2).astype([("a", "<i4"), ("b", ">f8")])),
    "long double": numpy.arange(3, dtype=numpy.longdouble),
    "bfloat16": numpy.arange(4, dtype=ml_dtypes.bfloat16),
}


def elements(array):
    if array.dtype.kind == "U":
        texts = [text.encode() for text in array.ravel().tolist()]
        return b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    if array.dtype.kind == "S":
        return b"".join(struct.pack("<Q", len(text)) + text for text in array.ravel().tolist())
    if array.dtype.kind == "V":
        return numpy.ascontiguousarray(array).tobytes()
    return numpy.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


def line(file, name, array):
    shape = ",".join(map(str, array.shape))
    return f"{file}\t{name}\t{array.dtype.name}\t{shape}\t{hashlib.sha256(elements(array)).hexdigest()}\n"


class RunsSomething:
    def __reduce__(self):
        return os.system, ("true",)


lines = []
for file, save in (("arrays.npz", numpy.savez), ("compressed.npz", numpy.savez_compressed)):
    save(HERE / file, **arrays)
    lines += [line(file, name, array) for name, array in arrays.items()]
for name in ("float32", "fortran", "text", "scalar", "record"):
    file = name + ".npy"
    numpy.save(HERE / file, arrays[name])
    lines.append(line(file, "tensor", arrays[name]))
with open(HERE / "several.npy", "wb") as target:
    for index, name in enumerate(("int8", "float64")):
        numpy.save(target, arrays[name])
        lines.append(line("several.npy", str(index), arrays[name]))
objects = numpy.array([{"inner": arrays["int64"]}, None, "text"], dtype=object)
numpy.save(HERE / "objects.npy", objects, allow_pickle=True)
numpy.savez(HERE / "mixed.npz", plain=arrays["int64"], objects=numpy.array([1, "x"], dtype=object))
lines.append(line("mixed.npz", "plain", arrays["int64"]))
numpy.save(HERE / "malicious.npy", numpy.array([RunsSomething()], dtype=object), allow_pickle=True)
(HERE / "digests.tsv").write_text("".join(lines))
