"""Golden files for msgpack_test.cc. Written with msgpack 1.2.4: values.msgpack, and the same values as JSON."""

import json
import pathlib

import msgpack

HERE = pathlib.Path(__file__).parent

INTEGERS = [0, 1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
NEGATIVE = [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63)]

values = {
    "integers": INTEGERS + NEGATIVE,
    "reals": [0.0, -0.5, 1e300, 5e-324],
    "words": [None, True, False],
    "texts": ["", "a", "x" * 31, "x" * 32, "é" * 200, "y" * 300],
    "lists": [[], [[]], list(range(15)), list(range(16)), list(range(300))],
    "dicts": [{}, {str(i): i for i in range(15)}, {str(i): i for i in range(16)}],
}
(HERE / "values.msgpack").write_bytes(msgpack.packb(values))
(HERE / "values.json").write_text(json.dumps(values, ensure_ascii=False))
