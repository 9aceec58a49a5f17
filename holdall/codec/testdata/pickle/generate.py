"""Makes opcodes.json: for every opcode one small pickle, by CPython's pickletools table, with what CPython's Unpickler and pickletools
say about it. Written with CPython 3.13; fields: name, pickle (hex), opcodes, end, value (see spelled()) or error.
"""

import io
import json
import pathlib
import pickle
import pickletools

HERE = pathlib.Path(__file__).parent

# One pickle an opcode; what stands before an opcode is what it needs.
PICKLES = {
    "INT": b"I-12\n.", "BININT": b"J\xfe\xff\xff\xff.", "BININT1": b"K\xff.", "BININT2": b"M\x01\x02.", "LONG": b"L123456789012345678901L\n.",
    "LONG1": b"\x80\x02\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x80.", "LONG4": b"\x80\x02\x8b\x02\x00\x00\x00\x00\x80.", "STRING": b"S'a\\x41\\n\\'\\101'\n.",
    "BINSTRING": b"T\x03\x00\x00\x00abc.", "SHORT_BINSTRING": b"U\x03abc.", "BINBYTES": b"\x80\x03B\x02\x00\x00\x00\x00\xff.", "SHORT_BINBYTES": b"\x80\x03C\x02\x00\xff.",
    "BINBYTES8": b"\x80\x04\x8e\x02\x00\x00\x00\x00\x00\x00\x00\x00\xff.", "NONE": b"N.", "NEWTRUE": b"\x80\x02\x88.", "NEWFALSE": b"\x80\x02\x89.",
    "UNICODE": b"Va\\u20ac\xe9\\\\u0041\n.", "SHORT_BINUNICODE": b"\x80\x04\x8c\x03\xe2\x82\xac.", "BINUNICODE": b"X\x02\x00\x00\x00\xc3\xa9.",
    "BINUNICODE8": b"\x80\x04\x8d\x01\x00\x00\x00\x00\x00\x00\x00x.", "FLOAT": b"F-1.25e2\n.", "BINFLOAT": b"G?\xf8\x00\x00\x00\x00\x00\x00.", "EMPTY_LIST": b"].",
    "APPEND": b"]K\x01a.", "APPENDS": b"](K\x01K\x02e.", "LIST": b"(K\x01K\x02l.", "EMPTY_TUPLE": b").", "TUPLE": b"(K\x01K\x02t.", "TUPLE1": b"\x80\x02K\x01\x85.",
    "TUPLE2": b"\x80\x02K\x01K\x02\x86.", "TUPLE3": b"\x80\x02K\x01K\x02K\x03\x87.", "EMPTY_DICT": b"}.", "DICT": b"(K\x01K\x02d.", "SETITEM": b"}K\x01K\x02s.",
    "SETITEMS": b"}(K\x01K\x02K\x01K\x03u.", "EMPTY_SET": b"\x80\x04\x8f.", "ADDITEMS": b"\x80\x04\x8f(K\x01\x88\x90.", "FROZENSET": b"\x80\x04(K\x01K\x01\x91.",
    "POP": b"K\x01K\x020.", "POP of a mark": b"K\x01(0.", "DUP": b"]2\x86.", "MARK": b"((K\x01tt.", "POP_MARK": b"K\x05(K\x01K\x021.", "GET": b"]p0\n0g0\n.", "BINGET": b"]q\x000h\x00.",
    "LONG_BINGET": b"]r\x00\x01\x00\x000j\x00\x01\x00\x00.", "PUT": b"]p7\n0g7\n.", "BINPUT": b"]q\x070h\x07.", "LONG_BINPUT": b"]r\x07\x00\x00\x000h\x07.",
    "MEMOIZE": b"\x80\x04]\x94]\x94h\x00\x86.", "PROTO": b"\x80\x05N.", "FRAME": b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N..", "STOP": b"K\x01.K\x02.",
    "a boolean as INT": b"I01\n.", "an octal INT": b"I010\n.", "a hexadecimal INT": b"I0x1F\n.", "a large INT": b"I99999999999999999999\n.",
    "stack underflow": b"a.", "no mark": b"t.", "a missing memo entry": b"h\x05.", "an unknown opcode": b"\xff.", "truncated": b"X\x05\x00\x00\x00ab", "no STOP": b"N",
    "an odd number of items": b"}(K\x01u.", "a negative size": b"\x80\x02\x8b\xff\xff\xff\xff.", "a key that is a list": b"}]Ns.", "bad UTF-8": b"X\x01\x00\x00\x00\xff.",
    "protocol 6": b"\x80\x06N.", "a mark where a value is needed": b"K\x01(.", "a negative PUT": b"Np-1\n.", "a string without quotes": b"Sabc\n.", "an empty line": b"I\n.",
    "a number that is none": b"Fx\n.", "a call of a number": b"K\x01)R.", "arguments that are no tuple": b"cbuiltins\nlist\nK\x01R.", "APPEND to a dict": b"}K\x01a.",
    "EXT of 0": b"\x80\x02\x82\x00.", "a frame past the end": b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", "STACK_GLOBAL of a number": b"\x80\x04K\x01K\x02\x93.", "an overflowing FLOAT": b"F1e999\n.",
}  # fmt: skip


def spelled(value):
    """A value with its types: list(int 1, str 61), texts and bytes in hexadecimal."""
    if isinstance(value, (bool, type(None))):
        return str(value)
    if isinstance(value, str):
        return "str " + value.encode().hex()
    if isinstance(value, bytes):
        return "bytes " + value.hex()
    if isinstance(value, dict):
        return "dict(" + ", ".join(f"{spelled(key)}: {spelled(item)}" for key, item in value.items()) + ")"
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value).__name__ + "(" + ", ".join(map(spelled, value)) + ")"
    return f"{type(value).__name__} {value}"


def main():
    rows = []
    for name, data in PICKLES.items():
        row = {"name": name, "pickle": data.hex()}
        try:
            row["value"] = spelled(pickle.Unpickler(io.BytesIO(data)).load())
            listed = list(pickletools.genops(data)) if name not in ("an octal INT", "a hexadecimal INT") else None
            if listed:
                row["opcodes"], row["end"] = len(listed), listed[-1][2] + 1
        except Exception as error:  # noqa: BLE001
            row["error"] = f"{type(error).__name__}: {error}"
        rows.append(row)
    (HERE / "opcodes.json").write_text(json.dumps(rows, indent=0) + "\n")


main()
