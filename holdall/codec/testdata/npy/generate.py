"""What NumPy says of types and writes as headers, for npy_test.cc. Written with numpy 2.4.6.

headers.tsv  descr (as Python source), shape, fortran_order, bytes of an element, header in hexadecimal
long.tsv     number of fields named field0 and so on of type f4, length and CRC-32 of the header of an array of shape ()
types.tsv    type string, numpy's name, bytes of an element
"""

import io
import pathlib
import zlib

import numpy

HERE = pathlib.Path(__file__).parent
TYPES = ["|b1", "?"]
TYPES += [order + kind for order in "<>" for kind in "i2 i4 i8 u2 u4 u8 f2 f4 f8 c8 c16".split()]
TYPES += ["|i1", "|u1", "f4", "=i8", "<U5", ">U3", "|S7", "|V3", "<U0", "<M8", "<M8[ns]", "<m8[D]", ">M8[25s]", "<m8[as]", "|O"]
STRUCTURED = [
    numpy.dtype([("a", "<f4"), ("b", ">i2", (2, 3))]),
    numpy.dtype([("a", "i1"), ("b", "f8")], align=True),
    numpy.dtype([(("a title", "a"), "<f4"), ("nested", [("x", "U3"), ("y", "M8[ns]")])]),
    numpy.dtype([("it's", "f4"), ('"quoted"', "f4"), ("both '\"", "f4"), ("tab\t", "f4")]),
    numpy.dtype([("é", "f4")]),
    numpy.dtype([("日本", "f4")]),
    numpy.dtype([("a", "O"), ("b", "f4")]),
    numpy.dtype([]),
]
SHAPES = [((), False), ((3,), False), ((0, 7), False), ((123456789, 2, 3), False), ((2, 3), True), ((5, 123), True)]


def lines(dtype):
    for shape, fortran in SHAPES:
        target = io.BytesIO()
        descr = numpy.lib.format.dtype_to_descr(dtype)
        header = {"descr": descr, "fortran_order": fortran, "shape": shape}
        numpy.lib._format_impl._write_array_header(target, header)
        sizes = ",".join(map(str, shape))
        yield f"{descr!r}\t{sizes}\t{int(fortran)}\t{dtype.itemsize}\t{target.getvalue().hex()}\n"


headers = [line for name in ["<f4", "|b1", "<U5", "<M8[ns]", "|V3"] for line in lines(numpy.dtype(name))]
headers += [line for dtype in STRUCTURED for line in list(lines(dtype))[:2]]
long = next(lines(numpy.dtype([(f"field{number}", "f4") for number in range(4000)])))
long_header = bytes.fromhex(long.rstrip("\n").split("\t")[-1])
(HERE / "long.tsv").write_text(f"4000\t{len(long_header)}\t{zlib.crc32(long_header)}\n")
(HERE / "headers.tsv").write_text("".join(headers))
types = [(name, numpy.dtype(name)) for name in TYPES]
(HERE / "types.tsv").write_text("".join(f"{name}\t{dtype.name}\t{dtype.itemsize}\n" for name, dtype in types))
