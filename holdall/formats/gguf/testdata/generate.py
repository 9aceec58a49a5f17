"""Writes the golden files with the reference library: gguf 0.19.0, NumPy 2.4 (CPython 3.11); what it does not write, by `packed()`.

Beside each NAME.gguf stands NAME.tsv: tensor, dtype and shape as Holdall says them, SHA-256 of the elements as little-endian bytes, and of
what `gguf.quants.dequantize` makes of them ("-" where it makes nothing).
"""
import hashlib
import pathlib
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFEndian, GGUFValueType, GGUFWriter, quants

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(7)
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64"}
# Geometry of ggml's types that the package has no, or another, size of: elements and bytes of a block.
OTHERS = {"Q8_1": (9, 32, 36), "Q2_0": (42, 64, 18)}


def digest(data):
    return hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()


def line(name, kind, shape, data):
    dequantized = "-"
    if kind in GGMLQuantizationType.__members__ and kind not in DTYPES:
        try:
            dequantized = digest(quants.dequantize(data, GGMLQuantizationType[kind]))
        except NotImplementedError:
            pass
    return f"{name}\t{DTYPES.get(kind, kind.lower())}\t[{', '.join(map(str, shape))}]\t{digest(data)}\t{dequantized}\n"


def blocks(bytes_of_block, rows=2, count=1):
    """Random blocks; every 16-bit number that may be a scale is kept from being NaN or infinite."""
    data = RNG.integers(0, 256, (rows, count * bytes_of_block), dtype=np.uint8)
    data[(data & 0x7C) == 0x7C] &= 0xBB
    return data


def plain_tensors():
    yield "f32", RNG.standard_normal((3, 5)).astype(np.float32)
    yield "f16", RNG.standard_normal((2, 3, 4)).astype(np.float16)
    yield "f64", RNG.standard_normal(3)
    yield "i8", np.arange(-4, 4, dtype=np.int8).reshape(2, 2, 2, 1)
    yield "i16", np.arange(-300, 300, 100, dtype=np.int16)
    yield "i32", np.arange(-3, 3, dtype=np.int32) * 70000
    yield "i64", np.arange(-3, 3, dtype=np.int64) * 5_000_000_000


def add_values(writer):
    writer.add_name("golden")
    for kind, value in [("UINT8", 200), ("INT8", -7), ("UINT16", 60000), ("INT16", -30000), ("UINT32", 4_000_000_000), ("INT32", -2_000_000_000),
                        ("UINT64", 2**64 - 1), ("INT64", -(2**63)), ("FLOAT32", 0.25), ("FLOAT64", 0.1), ("BOOL", True), ("STRING", "naïve ▁token")]:
        writer.add_key_value(f"golden.{kind.lower()}", value, GGUFValueType[kind])
    writer.add_array("golden.words", ["a", "", "▁b"])
    writer.add_array("golden.numbers", [1, -2, 3])
    writer.add_array("golden.scores", [0.5, -1.5])
    writer.add_array("golden.flags", [True, False])
    writer.add_array("golden.nested", [[1, 2], [3]])
    writer.add_array("golden.bytes", b"\x01\xff")


def write(name, tensors, values=add_values, **options):
    path = HERE / f"{name}.gguf"
    writer = GGUFWriter(path, "golden", **options)
    values(writer)
    lines = []
    for key, data, *kind in tensors:
        raw = kind[0] if kind else None
        writer.add_tensor(key, data, raw_dtype=raw)
        kind_name = raw.name if raw is not None else f"{data.dtype.kind.upper()}{8 * data.dtype.itemsize}"
        shape = quants.quant_shape_from_byte_shape(data.shape, raw) if raw is not None else data.shape
        lines.append(line(key, kind_name, shape, data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (HERE / f"{name}.tsv").write_text("".join(lines))


def packed(version, tensors, order="<", values=()):
    """A file of any version and byte order. `tensors`: name, number of the type, shape, bytes. `values`: key and its type and bytes."""
    count = "I" if version == 1 else "Q"

    def text(of):
        return struct.pack(order + count, len(of.encode())) + of.encode()

    head = b"GGUF" + struct.pack(f"{order}I{count}{count}", version, len(tensors), len(values))
    for key, kind, value in values:
        head += text(key) + struct.pack(order + "I", kind) + (text(value) if isinstance(value, str) else value)
    offset, data = 0, b""
    for name, kind, shape, content in tensors:
        head += text(name) + struct.pack(order + "I", len(shape)) + struct.pack(order + count * len(shape), *reversed(shape))
        head += struct.pack(order + "IQ", kind, offset)
        data += content + b"\0" * (-len(content) % 32)
        offset = len(data)
    return head + b"\0" * (-len(head) % 32) + data


def write_blocks():
    tensors = []
    for kind, (elements, size) in GGML_QUANT_SIZES.items():
        if elements == 1 or kind.name in OTHERS:
            continue
        tensors.append((kind.name.lower(), blocks(size), kind))
    write("blocks", tensors, values=lambda writer: None)


def write_old():
    values = [("general.name", 8, "old"), ("old.count", 4, struct.pack("<I", 3))]
    lines = []
    for version in (1, 2):
        floats = RNG.standard_normal((2, 3)).astype(np.float32)
        q8_0 = quants.quantize(RNG.standard_normal((2, 64)).astype(np.float32), GGMLQuantizationType.Q8_0)
        others = [(name.lower(), number, (2, elements), blocks(size)) for name, (number, elements, size) in OTHERS.items()] if version == 2 else []
        tensors = [("weight", 0, (2, 3), floats), ("q8_0", 8, (2, 64), q8_0), *others]
        (HERE / f"v{version}.gguf").write_bytes(packed(version, [(n, k, s, d.tobytes()) for n, k, s, d in tensors], values=values))
        lines = [line("weight", "F32", (2, 3), floats), line("q8_0", "Q8_0", (2, 64), q8_0)]
        lines += [line(name, name.upper(), shape, data) for name, _, shape, data in others]
        (HERE / f"v{version}.tsv").write_text("".join(lines))


def write_big_blocks():
    """Blocks whose scales are big-endian, as ggml has them on such a machine: q8_0, q4_k, q6_k (gguf_convert_endian.py) and q5_1."""
    lines, tensors = [], []
    for kind, fields in {"Q8_0": [(0, 2)], "Q4_K": [(0, 2), (2, 2)], "Q6_K": [(208, 2)], "Q5_1": [(0, 2), (2, 2), (4, 4)]}.items():
        of = GGMLQuantizationType[kind]
        elements, size = GGML_QUANT_SIZES[of]
        data = blocks(size)
        big = data.copy()
        for at, width in fields:
            big[:, at:at + width] = big[:, at:at + width][:, ::-1]
        tensors.append((kind.lower(), of.value, (2, elements), big.tobytes()))
        lines.append(line(kind.lower(), kind, (2, elements), data))
    (HERE / "big_blocks.gguf").write_bytes(packed(3, tensors, order=">"))
    (HERE / "big_blocks.tsv").write_text("".join(lines))


def main():
    bfloat16 = ("bf16", RNG.integers(0, 0x7F, (2, 8), dtype=np.uint8), GGMLQuantizationType.BF16)
    write("types", [*plain_tensors(), bfloat16])
    write("big", plain_tensors(), endianess=GGUFEndian.BIG)
    write("splits", [(f"layer.{i}", RNG.standard_normal((2, 4)).astype(np.float32)) for i in range(3)], split_max_tensors=2)
    write_blocks()
    write_old()
    write_big_blocks()


if __name__ == "__main__":
    main()
