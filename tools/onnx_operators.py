"""Writes holdall/formats/onnx/onnx_operators.inc, from the onnx and the onnxruntime of its Python.

    PYTHON tools/onnx_operators.py holdall/formats/onnx/onnx_operators.inc

All operators of ONNX's own domains, of every version, and those that ONNX Runtime takes under the same domains.
"""

import sys

import onnx.defs
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

HEAD = """// Operators of ONNX's own domains, of every version of its operator sets, and what ONNX Runtime takes under the same domains.
// Made by tools/onnx_operators.py.
"""


def main(path):
    known = {(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas_with_history()}
    domains = {domain for domain, _ in known}
    known |= {(schema.domain, schema.name) for schema in get_all_operator_schema() if schema.domain in domains}
    with open(path, "w") as file:
        file.write(HEAD + "".join(f'HOLDALL_ONNX_OPERATOR("{domain}", "{name}")\n' for domain, name in sorted(known)))


if __name__ == "__main__":
    main(sys.argv[1])
