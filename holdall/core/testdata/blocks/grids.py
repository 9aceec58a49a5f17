"""Writes holdall/core/block_grids.inc: the codebooks of GGML's IQ types, as the package gguf (0.19.0) holds them, packed anew.

Usage: grids.py. HOLDALL_GRID(name, bits of an element, codes) a grid; a code holds an
entry's elements, the first in its lowest bits.
"""

import pathlib

import numpy as np
from gguf import quants

INTO = pathlib.Path(__file__).resolve().parents[2] / "block_grids.inc"
GRIDS = {"iq2_xxs": quants.IQ2_XXS, "iq2_xs": quants.IQ2_XS, "iq2_s": quants.IQ2_S, "iq3_xxs": quants.IQ3_XXS, "iq3_s": quants.IQ3_S, "iq1": quants.IQ1_S}
WIDTH = 128


def codes(kind):
    kind.init_grid()
    values = np.array(kind.grid_map, dtype=np.float32)
    entries = kind.grid.reshape(kind.grid_shape)
    indices = np.argmax(entries[..., None] == values, axis=-1).astype(np.uint64)
    bits = 2 if len(values) <= 4 else 3
    shifts = np.arange(entries.shape[1], dtype=np.uint64) * np.uint64(bits)
    return bits, (indices << shifts).sum(axis=1)


def wrapped(items):
    line = ""
    for item in items:
        if len(line) + len(item) + 1 > WIDTH:
            yield line
            line = ""
        line += item
    yield line


def main():
    lines = [
        "// The codebooks of GGML's IQ types (ggml-common.h: iq2xxs_grid and so on), made by testdata/blocks/grids.py: an entry's elements",
        "// as codes, the first in the lowest bits. HOLDALL_GRID(name, bits of an element, codes).",
        "// clang-format off",
    ]
    for name, kind in GRIDS.items():
        bits, packed = codes(kind)
        lines.append(f"HOLDALL_GRID({name}, {bits},")
        lines += wrapped(f"{code:#x}," if i + 1 < len(packed) else f"{code:#x})" for i, code in enumerate(packed.tolist()))
    lines.append("// clang-format on")
    INTO.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
