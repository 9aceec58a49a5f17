"""Golden files for compress_test.cc, each the same 3,000 bytes. Written with Python 3.11's zlib 1.2.13, bz2 1.0.8 and lzma 5.4.1, and
with liblz4 1.9.4 and libzstd 1.5.4 through ctypes.
"""

import bz2
import ctypes
import gzip
import lzma
import pathlib
import zlib

HERE = pathlib.Path(__file__).parent
TEXT = "".join(f"line {number} of the text\n" for number in range(1000)).encode()[:3000]
HALF = len(TEXT) // 2


def with_library(name, function, bound, *arguments):
    library = ctypes.CDLL(name)
    for called in (function, bound):
        getattr(library, called).restype = ctypes.c_size_t
    size = getattr(library, bound)(ctypes.c_size_t(len(TEXT)), *([None] if name.startswith("liblz4") else []))
    buffer = ctypes.create_string_buffer(size)
    used = getattr(library, function)(buffer, ctypes.c_size_t(size), TEXT, ctypes.c_size_t(len(TEXT)), *arguments)
    return buffer.raw[:used]


files = {
    "text": TEXT,
    "text.gz": gzip.compress(TEXT, mtime=0),
    "text.two.gz": gzip.compress(TEXT[:HALF], mtime=0) + gzip.compress(TEXT[HALF:], mtime=0),
    "text.zlib": zlib.compress(TEXT, 3),
    "text.bz2": bz2.compress(TEXT),
    "text.two.bz2": bz2.compress(TEXT[:HALF]) + bz2.compress(TEXT[HALF:]),
    "text.xz": lzma.compress(TEXT),
    "text.two.xz": lzma.compress(TEXT[:HALF]) + bytes(8) + lzma.compress(TEXT[HALF:]),
    "text.lzma": lzma.compress(TEXT, format=lzma.FORMAT_ALONE),
    "text.lz4": with_library("liblz4.so.1", "LZ4F_compressFrame", "LZ4F_compressFrameBound", None),
    "text.zst": with_library("libzstd.so.1", "ZSTD_compress", "ZSTD_compressBound", 3),
}
for name, data in files.items():
    (HERE / name).write_bytes(data)
