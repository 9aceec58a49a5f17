"""Writes cast.tsv: what NumPy and ml_dtypes make of every cast that cast_test.cc repeats.

A line is: source dtype, target dtype, input set, SHA-256 of the packed result. Input sets (cast_test.cc makes the same):
  codes   every code of the source type, 16 bits at most, in order
  halves  float32 whose upper 16 bits run through every code, for each of the lower halves LOWER
  normals the same with subnormal numbers made +0 (ml_dtypes 0.6 rounds those just above 2^-127 away from the nearest float8_e8m0fnu)
  steps   64-bit integers i * 0x9E3779B97F4A7C15 >> shift for i in [0, 4096) and each shift of SHIFTS, as the source type's width allows
  mild    float32 k / 8 for k in [-1016, 1016]
NaNs in float16 and wider results are made the quiet NaN of their type, sign bit clear.

Run: python generate.py  (numpy 2.4.6, ml_dtypes 0.6.0)
"""
import hashlib
import pathlib
import warnings

import ml_dtypes
import numpy as np

warnings.simplefilter("ignore")
SMALL = {
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2": ml_dtypes.float8_e5m2, "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8_e8m0fnu": ml_dtypes.float8_e8m0fnu, "float6_e2m3": ml_dtypes.float6_e2m3fn,
    "float6_e3m2": ml_dtypes.float6_e3m2fn, "float4_e2m1": ml_dtypes.float4_e2m1fn,
}
WIDE = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
INTS = {n: getattr(np, n) for n in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")}
TINY = {"int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4, "int2": ml_dtypes.int2, "uint2": ml_dtypes.uint2}
BITS = {"float6_e2m3": 6, "float6_e3m2": 6, "float4_e2m1": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
ALL = {**SMALL, **WIDE, **INTS, **TINY, "bool": np.bool_}
LOWER = [0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF]
SHIFTS = [0, 1, 9, 10, 11, 33, 40, 41, 50, 57]


def packed(name, array):
    """The bytes Holdall stores: little-endian, sub-byte codes low bits first."""
    if name in ("float16", "bfloat16", "float32", "float64"):
        quiet = {"float16": 0x7E00, "bfloat16": 0x7FC0, "float32": 0x7FC00000, "float64": 0x7FF8000000000000}[name]
        raw = array.view(f"u{array.dtype.itemsize}").copy()
        raw[np.isnan(array)] = quiet
        return raw.tobytes()
    if name not in BITS:
        return array.tobytes()
    bits = BITS[name]
    codes = array.view(np.uint8) & ((1 << bits) - 1)
    flat = np.unpackbits(codes[:, None], axis=1, bitorder="little")[:, :bits].reshape(-1)
    return np.packbits(flat, bitorder="little").tobytes()


def every_code(name):
    bits = BITS.get(name, np.dtype(ALL[name]).itemsize * 8)
    kind = np.uint16 if bits == 16 else np.uint8
    codes = np.arange(1 << bits, dtype=np.uint32).astype(kind)
    if name in ("int4", "int2"):  # held sign-extended
        codes = ((codes.astype(np.int16) ^ (1 << (bits - 1))) - (1 << (bits - 1))).astype(np.int8).view(np.uint8)
    return codes.view(ALL[name])


def steps(name):
    kind = INTS[name]
    i = np.arange(4096, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    all_shifts = np.concatenate([i >> np.uint64(s) for s in SHIFTS])
    return all_shifts.astype(kind)


HALVES = np.concatenate([(np.arange(65536, dtype=np.uint32) << 16) | low for low in LOWER]).view(np.float32)
MILD = (np.arange(-1016, 1017) / 8).astype(np.float32)[:2032]


def main():
    lines = []

    def case(source, target, inputs, values):
        if target == "float8_e4m3fn":  # what is too large becomes the largest, as in torch; ml_dtypes has no such mode
            values = np.clip(values.astype(np.float32), -448, 448)
        digest = hashlib.sha256(packed(target, values.astype(ALL[target]))).hexdigest()
        lines.append(f"{source}\t{target}\t{inputs}\t{digest}")

    reals = [*SMALL, "float16", "bfloat16"]
    for source in reals:
        for target in [*SMALL, *WIDE]:
            if source != target and (source, target) != ("bfloat16", "float8_e8m0fnu"):  # see "normals"
                # Through float32, which holds every value: ml_dtypes casts some pairs of its own types by way of float16.
                case(source, target, "codes", every_code(source).astype(np.float32))
    for target in [*reals, "float64"]:
        if target == "float8_e8m0fnu":
            bits = HALVES.view(np.uint32)
            case("float32", target, "normals", np.where(bits & 0x7F800000, bits, 0).astype(np.uint32).view(np.float32))
        else:
            case("float32", target, "halves", HALVES)
    for source in ("uint8", "int8", "uint16", "int16", *TINY):
        for target in [*SMALL, *WIDE, *INTS]:
            if source != target:
                values = every_code(source).astype(np.int32)
                case(source, target, "codes", values.astype(np.float32) if target in SMALL or target in WIDE else values)
    for source in INTS:
        for target in [*INTS, "float64", "float32", "bool"]:
            if source != target:
                case(source, target, "steps", steps(source))
    for target in ("int8", "int16", "int32", "int64"):
        case("float32", target, "mild", MILD)
        case("float64", target, "mild", MILD)
    header = f"# numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}; see generate.py\n"
    pathlib.Path(__file__).with_name("cast.tsv").write_text(header + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
