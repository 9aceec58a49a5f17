"""Writes the golden files with the reference library: safetensors 0.8.0, torch 2.13.0 (CPython 3.11).

Beside each NAME.safetensors stands NAME.tsv: tensor, dtype and shape as Holdall says them, SHA-256 of the bytes.
"""
import hashlib
import json
import pathlib
import struct

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
NAMES = {
    "BOOL": "bool", "F4": "float4_e2m1", "F6_E2M3": "float6_e2m3", "F6_E3M2": "float6_e3m2", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "I16": "int16",
    "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64",
    "I64": "int64", "U64": "uint64",
}


def listing(path):
    """What is in the file by its own header, read without the library's dtypes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    lines = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        digest = hashlib.sha256(data[8 + length + begin:8 + length + end]).hexdigest()
        shape = "[" + ", ".join(map(str, entry["shape"])) + "]"
        lines.append(f"{name}\t{NAMES[entry['dtype']]}\t{shape}\t{digest}\n")
    path.with_suffix(".tsv").write_text("".join(lines))


def raw(header, data, path):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    with safe_open(path, framework="pt") as file:  # the reference reader accepts it
        list(file.keys())


def main():
    rng = np.random.default_rng(1)
    dtypes = ["bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64", "complex64",
              "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]
    tensors = {}
    for dtype in dtypes:
        t = getattr(torch, dtype)
        size = torch.empty((), dtype=t).element_size()
        data = rng.integers(0, 2 if dtype == "bool" else 256, 6 * size, dtype=np.uint8)
        tensors[f"t.{dtype}"] = torch.frombuffer(bytearray(data.tobytes()), dtype=t).reshape(2, 3)
    save_file(tensors, HERE / "dtypes.safetensors", metadata={"format": "pt", "note": "é\"\\\n"})

    save_file({"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "one": torch.ones(1, dtype=torch.int64), "z": torch.empty(2, 0, dtype=torch.bool)},
              HERE / "shapes.safetensors")
    save_file({}, HERE / "nothing.safetensors")

    # What the format has and torch does not: elements smaller than a byte. Any order in the header, white space, other keys.
    data = bytes(rng.integers(0, 256, 4 + 3 + 3 + 8, dtype=np.uint8))
    raw({"f6a": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [4, 7]}, "w": {"shape": [2], "data_offsets": [10, 18], "dtype": "F32"},
         "f4": {"dtype": "F4", "shape": [2, 4], "data_offsets": [0, 4]}, "f6b": {"dtype": "F6_E3M2", "shape": [2, 2], "data_offsets": [7, 10]}},
        data, HERE / "small.safetensors")

    shards = {"model-00001-of-00002.safetensors": {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(3)},
              "model-00002-of-00002.safetensors": {"b.weight": torch.arange(4, dtype=torch.int64)}}
    folder = HERE / "sharded"
    folder.mkdir(exist_ok=True)
    weight_map = {}
    for file, content in shards.items():
        save_file(content, folder / file, metadata={"format": "pt"})
        weight_map.update({name: file for name in content})
    index = {"metadata": {"total_size": 68}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")

    for path in sorted(HERE.glob("**/*.safetensors")):
        listing(path)


if __name__ == "__main__":
    main()
