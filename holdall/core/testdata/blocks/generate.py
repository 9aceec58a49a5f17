"""Writes encoded.tsv: what gguf 0.19.0 (NumPy 2.4, CPython 3.11) makes of the numbers that core/blocks_test.cc makes too.

A line: set, type, SHA-256 of the blocks. The numbers are 65,536 of a linear congruential generator, as `numbers()` says.
"""
import hashlib
import pathlib

import numpy as np
from gguf import GGMLQuantizationType, quants

HERE = pathlib.Path(__file__).parent
TYPES = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
COUNT = 65_536


def generated():
    state, words = 1, np.empty(COUNT, np.uint32)
    for i in range(COUNT):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        words[i] = state
    return words


def numbers(name, words):
    """bits: any finite float; near: in [-1, 1); ties: halves; small: denormals; far: infinities and NaN among near ones."""
    if name == "bits":
        return np.where((words & 0x7F800000) == 0x7F800000, words & ~np.uint32(0x40000000), words).view(np.float32)
    near = words.view(np.int32).astype(np.float32) / np.float32(2**31)
    if name == "ties":
        return ((words >> 23).astype(np.int32) - 256).astype(np.float32) / np.float32(2)
    if name == "small":
        return (words & np.uint32(0x807FFFFF)).view(np.float32)
    if name == "far":
        special = words >> 24
        return np.where(special == 1, np.float32(np.inf), np.where(special == 2, np.float32(-np.inf), np.where(special == 3, np.float32(np.nan), near)))
    return near


def main():
    words = generated()
    lines = []
    for name in ("bits", "near", "ties", "small", "far"):
        values = np.ascontiguousarray(numbers(name, words), dtype=np.float32).reshape(-1, 1024)
        for kind in TYPES:
            with np.errstate(all="ignore"):
                made = quants.quantize(values, GGMLQuantizationType[kind])
            lines.append(f"{name}\t{kind.lower()}\t{hashlib.sha256(made.tobytes()).hexdigest()}\n")
    (HERE / "encoded.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
