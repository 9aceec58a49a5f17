"""Writes cases.tsv: JSON texts, whole and damaged, with what Python's json module makes of them.

Made with CPython 3.11's json (which is the oracle, with duplicate keys and unpaired surrogates refused on top of it).
A line: the text in hexadecimal, TAB, "ok" or "no", TAB, the value rendered on one line with numbers as spelled, in hexadecimal.
"""
import json
import pathlib
import random
import sys

HAND = [
    b"", b" ", b"null", b"true", b"false", b"tru", b"nul", b"True", b"0", b"-0", b"-", b"+1", b"01", b"-01", b"1.", b".5", b"1.0", b"1e5", b"1E+5",
    b"1e", b"1e+", b"1.5e-300", b"1e999", b"-1e999", b"1e-999", b"0.1e1", b"1.e1", b"0x10", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775808", b"-9223372036854775809", b"123456789012345678901234567890", b"NaN", b"Infinity", b"-Infinity", b"-NaN", b"Inf", b"nan",
    b'""', b'"a', b'"a\\"', b'"\\', b'"\\"', b'"\\u0041"', b'"\\u00e9\\u4e2d"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\\ude00"', b'"\\ud83dx"', b'"\\ud83d\\u0041"',
    b'"\\ud83d\\ud83d\\ude00"', b'"\\u12"', b'"\\u12g4"', b'"\\x41"', b'"\\/"', b'"\\b\\f\\n\\r\\t"', b'"\\0"', b'"\\u0000"', b'"a\x00b"', b'"a\tb"', b'"a\nb"', b'"\x7f"',
    b'"\\U0041"', b'"\\u+123"', b'"\\u 123"', b'"\\u0x12"', b'"\xc3\xa9"', b'"\xc3"', b'"\xc3(' + b'"', b'"\x80"', b'"\xff"', b'"\xc0\xaf"', b'"\xe0\x80\xaf"', b'"\xed\xa0\x80"',
    b'"\xed\xbf\xbf"', b'"\xf0\x9f\x98\x80"', b'"\xf0\x80\x80\x80"', b'"\xf4\x8f\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xef\xbf\xbe"', b'"\xe4\xb8"',
    b"[]", b"{}", b"[", b"]", b"{", b"}", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"[1,,2]", b"[1]]", b"[1}", b"{]", b'{"a":1}', b'{"a":1,}', b'{"a"}', b'{"a":}', b'{"a" 1}',
    b'{"a":1 "b":2}', b"{a:1}", b"{'a':1}", b'{1:1}', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"":0}', b'{"a":{"a":1},"b":{"a":2}}', b'{,"a":1}', b'{"a":1}{', b'{"a":1} x',
    b' \t\r\n[ \t\r\n1 \t\r\n, \t\r\n{ "a" : \t2 } ] \n', b"\x0b1", b"\x0c1", b"\xa01", b"\xc2\xa01", b"\xef\xbb\xbf1", b"1\x00", b"1 2", b"// c\n1", b"/* c */1", b"[1]//", b"#1",
    b"[" * 500 + b"]" * 500, b'{"a":' * 400 + b"1" + b"}" * 400, b"[" * 30, b'["a",["b",{"c":[]}],{}]', b"[0.10,1.00e0,-0.0,5e-324]",
]


class Raw(str):
    pass


def pairs(entries):
    keys = [key for key, _ in entries]
    if len(set(keys)) != len(keys):
        raise ValueError("duplicate key")
    return dict(entries)


def text(value):
    value.encode("utf-8")  # raises for an unpaired surrogate
    return json.dumps(value, ensure_ascii=False)


def render(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, float):  # NaN and the infinities; the reader has no JSON for them
        raise OverflowError
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(text(k) + ":" + render(v) for k, v in value.items()) + "}"
    return {None: "null", True: "true", False: "false"}[value]


def integer(spelling):
    return Raw(str(int(spelling)))


def judge(data):
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_float=Raw, parse_int=integer)
        return "ok", render(value)
    except OverflowError:
        return "ok", "nonfinite"
    except (ValueError, RecursionError):
        return "no", ""


def rule(rng, depth=0):
    kind = rng.randrange(10 if depth < 4 else 7)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind in (1, 2):
        return rng.choice([0, -1, 7, 2**31, 2**63 - 1, -2**63, 2**63, 10**25, rng.randrange(-1000, 1000)])
    if kind in (3, 4):
        return rng.choice([0.5, -0.0, 1e300, 5e-324, rng.random(), rng.uniform(-1e6, 1e6)])
    if kind in (5, 6):
        alphabet = 'ab"\\/\b\n\t\u0001é中😀\u2028\x7f {}[],:'
        return "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))
    if kind in (7, 8):
        return [rule(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {"".join(rng.choice("xyz\"é") for _ in range(rng.randrange(4))): rule(rng, depth + 1) for _ in range(rng.randrange(5))}


def damaged(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at:at] = rng.choice([b'"', b"\\", b",", b":", b"[", b"{", b"}", b"]", b"1", b"-", b"e", b".", b"\x00", b"\xff", b"\xc3", b" "])
            case 1:
                del data[at:at + rng.randrange(1, 4)]
            case 2:
                if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
            case 3:
                del data[at:]
    return bytes(data)


def main():
    sys.setrecursionlimit(10_000)
    rng = random.Random(20260101)
    cases = list(HAND)
    for _ in range(500):
        value = rule(rng)
        whole = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 1])).encode("utf-8")
        cases.append(whole)
        cases.extend(damaged(rng, whole) for _ in range(2))
    lines = []
    for case in dict.fromkeys(cases):
        verdict, rendered = judge(case)
        lines.append(f"{case.hex()}\t{verdict}\t{rendered.encode('utf-8').hex()}\n")
    pathlib.Path(__file__).with_name("cases.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
