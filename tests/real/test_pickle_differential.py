"""Holdall's pickle machine against CPython's own: the same value, the same end, the same opcodes, the same imports, over thousands
of pickles that are written by Python, damaged, or put together opcode by opcode.

The reference is the C Unpickler with classes that record what is done to them. Where Holdall is wider on purpose (it calls nothing,
so it cannot know what a call would give), `is_wider` says how.
"""

import collections
import datetime
import decimal
import fractions
import io
import json
import os
import pickle
import pickletools
import random
import struct
import subprocess
import tempfile

import pytest

from recording import Instance, Recorded, Reference, reference

ROUNDS = int(os.environ.get("HOLDALL_PICKLE_ROUNDS", "4000"))


def records(pickles):
    return b"".join(struct.pack("<I", len(data)) + data for data in pickles)


def run_tool(tool, pickles, *flags):
    with tempfile.NamedTemporaryFile() as file:
        file.write(records(pickles))
        file.flush()
        done = subprocess.run([tool, *flags, file.name], capture_output=True, check=True, timeout=600)
    lines = done.stdout.decode("ascii").splitlines()
    assert len(lines) == len(pickles)
    return [json.loads(line) for line in lines]


class Unknown:
    """What a set may hold beside plain values."""


class Graph:
    """Compares a value of CPython with the nodes of a trace: the same kinds, contents and sharing."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.pairs = {}   # id(python object) -> node
        self.back = {}    # node -> id(python object), of what has an identity
        self.kept = []

    def same(self, value, root):
        todo = [(value, root)]
        while todo:
            value, node = todo.pop()
            kind, *rest = self.nodes[str(node)]
            if isinstance(value, (list, dict, set, Instance)) or (isinstance(value, (tuple, frozenset)) and value):
                known = self.pairs.setdefault(id(value), node)
                assert known == node, f"shared {type(value)} is nodes {known} and {node}"
                assert self.back.setdefault(node, id(value)) == id(value), "two objects are one node"
                self.kept.append(value)
                if known == node and (id(value), "done") in self.pairs:
                    continue
                self.pairs[(id(value), "done")] = True
            self.one(value, kind, rest, todo)

    def one(self, value, kind, rest, todo):
        if value is None:
            assert kind == "null"
        elif value is True or value is False:
            assert (kind, rest) == ("bool", [value])
        elif isinstance(value, int):
            assert kind in ("int", "big int") and int(rest[0]) == value, (kind, rest, value)
        elif isinstance(value, float):
            assert kind == "float"
            assert struct.pack("<d", float.fromhex(rest[0])) == struct.pack("<d", value) or value != value
        elif isinstance(value, str):
            data = bytes.fromhex(rest[0])
            assert data == value.encode("utf-8", "surrogatepass") or data == value.encode("latin1"), (kind, data, value)
            assert kind in ("string", "bytes")
        elif isinstance(value, bytes):
            assert (kind, bytes.fromhex(rest[0])) == ("bytes", value)
        elif isinstance(value, bytearray):
            self.call(("builtins", "bytearray"), kind, rest)
        elif isinstance(value, memoryview):
            self.call(("", "readonly_buffer"), kind, rest)
        elif isinstance(value, (list, tuple)):
            assert (kind, len(rest)) == ("list" if isinstance(value, list) else "tuple", len(value))
            todo += zip(value, rest)
        elif isinstance(value, (set, frozenset)):
            assert (kind, len(rest)) == ("set" if isinstance(value, set) else "frozen set", len(value)), (value, rest)
            members = [self.plain(member) for member in rest]
            assert Unknown in members or set(members) == value, (value, members)
        elif isinstance(value, dict):
            assert (kind, len(rest)) == ("dict", 2 * len(value)), (value, kind, rest)
            for (key, item), i in zip(value.items(), range(0, len(rest), 2)):
                todo += [(key, rest[i]), (item, rest[i + 1])]
        elif isinstance(value, Recorded):
            found = tuple(bytes.fromhex(part).decode() for part in rest)
            assert kind == "global" and found in (value.named, renamed(*value.named))
        elif isinstance(value, Instance):
            self.instance(value, kind, rest, todo)
        else:
            raise AssertionError(f"unexpected {type(value)}")

    def plain(self, node):
        """The Python value of a node that can be a member of a set; Unknown for an import or a call."""
        kind, *rest = self.nodes[str(node)]
        if kind in ("tuple", "frozen set"):
            parts = [self.plain(part) for part in rest]
            return Unknown if Unknown in parts else tuple(parts) if kind == "tuple" else frozenset(parts)
        makers = {"null": lambda: None, "bool": bool, "int": int, "big int": int, "float": float.fromhex, "bytes": bytes.fromhex}
        makers["string"] = lambda data: bytes.fromhex(data).decode("utf-8", "surrogatepass")
        return makers[kind](*rest) if kind in makers else Unknown

    def call(self, named, kind, rest):
        assert kind == "object"
        callee = self.nodes[str(rest[0])]
        assert callee[0] == "global" and tuple(bytes.fromhex(part).decode() for part in callee[1:]) == named

    def instance(self, value, kind, rest, todo):
        assert kind == "object"
        callee, args, kwargs, state, _, items, pairs = rest
        todo.append((value.callee, callee))
        arguments = self.nodes[str(args)]
        assert arguments[0] == "tuple" and len(arguments) == len(value.args) + 1
        todo += zip(value.args, arguments[1:])
        if value.kwargs:
            entries = self.nodes[str(kwargs)][1:]
            assert len(entries) == 2 * len(value.kwargs)
            for (_, item), i in zip(value.kwargs.items(), range(0, len(entries), 2)):
                todo.append((item, entries[i + 1]))
        assert value.has_state == (state is not None)
        if value.has_state:
            todo.append((value.state, state))
        assert (len(value.items), len(value.pairs)) == (len(items), len(pairs))
        todo += [*zip(value.items, items), *zip(value.pairs, pairs)]


def is_wider(data, error, trace):
    """Why Holdall may read what CPython refused; None when it may not."""
    text = str(error)
    if isinstance(error, MemoryError):
        return "room"
    if isinstance(error, UnicodeDecodeError) and "utf-8" not in text:
        return "Python 2 text"
    if "unregistered extension" in text:
        return "extension codes are recorded"
    nodes = trace["nodes"]
    opcodes = set(data)
    objects = any(node[0] == "object" for node in nodes.values()) or trace["calls"]
    imports = bool(trace["imports"])
    if objects or imports:
        return "what a call or an import gives is not known"
    if b"\x97"[0] in opcodes or b"\x98"[0] in opcodes or b"\x96"[0] in opcodes:
        return "buffers are objects"
    return None


def compare(tool, pickles):
    """Checks every pickle; returns how many were read alike and refused alike."""
    counts = collections.Counter()
    for first in range(0, len(pickles), 250):
        batch = pickles[first : first + 250]
        for data, trace in zip(batch, run_tool(tool, batch)):
            counts[outcome(data, trace)] += 1
    return counts


def outcome(data, trace):
    """How one pickle went; an assertion where the two disagree without a reason."""
    value, imports = reference(data)
    context = (data, type(value), trace)  # without the value: one that shares its parts has no end when it is written out
    if isinstance(value, Exception):
        if trace["error"] is not None:
            return "refused"
        assert is_wider(data, value, trace), context
        return "wider"
    if trace["error"] is not None:
        assert is_narrower(data, trace), context
        return "narrower"
    try:
        Graph(trace["nodes"]).same(value, trace["root"])
    except (AssertionError, KeyError, TypeError, IndexError) as fault:
        raise AssertionError(f"{fault}\n{context}") from fault
    seen = [tuple(bytes.fromhex(part).decode() for part in entry[:2]) for entry in trace["imports"] if not entry[3]]
    assert seen == [renamed(*name) for name in imports] or seen == imports, context
    check_opcodes(data, trace, context)
    return "same"


def renamed(module, name):
    import _compat_pickle

    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def check_opcodes(data, trace, context):
    try:
        listed = list(pickletools.genops(data))
    except Exception:  # noqa: BLE001 - pickletools reads some operands more strictly than the unpickler
        return
    assert trace["opcodes"] == len(listed), context
    assert trace["end"] == listed[-1][2] + 1, context
    assert trace["protocol"] >= max(opcode.proto for opcode, _, _ in listed), context


def is_narrower(data, trace):
    """What Holdall refuses on purpose though CPython reads it."""
    reasons = ("frame", "nested more than", "SETITEM to a list", "integer takes", "INT is", "cannot be called", "BUILD of", "APPEND to", "ADDITEMS to",
               "SETITEM to", "arguments are", "cannot be a key")
    return any(reason in trace["error"] for reason in reasons[:4]) or (
        any(reason in trace["error"] for reason in reasons[4:]) and (b"\x96" in data or b"\x97" in data)
    )


# ---- pickles


class Plain:
    pass


class Slots:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = 1, [2]


class Arguments(tuple):
    def __getnewargs__(self):
        return (list(self),)


class Keywords:
    def __getnewargs_ex__(self):
        return (1, 2), {"three": 3}

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)


def some_values(rng, depth=0):
    """A random value of every plain type, with sharing and cycles."""
    shared = []

    def leaf():
        return rng.choice([
            None, True, False, rng.randrange(-300, 300), rng.randrange(-(2**70), 2**70), rng.randrange(2**31 - 2, 2**31 + 2),
            -(2**31), 2**31, 2**63 - 1, -(2**63), 2**63, rng.randrange(2**2000), -(2**2039), 1.5, -0.0, float("inf"), float("nan"), rng.random() * 1e300, 5e-324,
            "", "text", "é\u20ac\U0001f600", "\ud800 lone", "a\nb\\u0041\\\r\x00\x1a", "x" * rng.choice([255, 256, 5000, 70000]), b"", b"bytes\xff\x00", b"y" * rng.choice([255, 256, 4096, 70000]),
            bytearray(b"array"), bytearray(), datetime.datetime(2020, 1, 2), decimal.Decimal("1.5"), fractions.Fraction(1, 3), collections.OrderedDict(a=1),
            collections.Counter("abca"), collections.deque([1, 2]), complex(1, -2), range(5), slice(1, 2), len, dict, Plain(), Slots(), Arguments((1, 2)), Keywords(),
            Ellipsis, NotImplemented, collections.defaultdict(list, {1: [2]}),
        ])  # fmt: skip

    def hashable(level):
        if level > 2 or rng.random() < 0.7:
            return rng.choice([None, True, 0, 1, 1.0, 2.5, "k", "1", b"k", rng.randrange(1000), 2**80, "key%d" % rng.randrange(9)])
        return tuple(hashable(level + 1) for _ in range(rng.randrange(4)))

    def build(level):
        if shared and rng.random() < 0.15:
            return rng.choice(shared)
        if level > 4 or rng.random() < 0.3:
            return leaf()
        size = rng.choice([0, 1, 2, 3, 4, 7]) if rng.random() < 0.97 else 1100
        inner = level + 1 if size < 10 else 9
        kind = rng.randrange(6)
        if kind == 0:
            made = [build(inner) for _ in range(size)]
        elif kind == 1:
            made = tuple(build(inner) for _ in range(size))
        elif kind == 2:
            made = {hashable(0): build(inner) for _ in range(size)}
        elif kind == 3:
            made = {hashable(0) for _ in range(size)}
        elif kind == 4:
            made = frozenset(hashable(0) for _ in range(size))
        else:
            made = Plain()
            made.attribute = build(inner)
        if rng.random() < 0.4:
            shared.append(made)
        if isinstance(made, list) and rng.random() < 0.1:
            made.append((made, made))
        return made

    return build(depth)


def python_dumps(value, protocol):
    file = io.BytesIO()
    pickle._Pickler(file, protocol).dump(value)
    return file.getvalue()


def pickled(value, rng):
    protocol = rng.randrange(6)
    write = python_dumps if rng.random() < 0.3 else pickle.dumps
    try:
        data = write(value, protocol)
    except TypeError:  # classes with slots want protocol 2
        data = write(value, 2 + protocol // 2)
    if rng.random() < 0.2:
        data = pickletools.optimize(data)
    return data


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        place = rng.randrange(len(data))
        how = rng.randrange(5)
        if how == 0:
            data[place] = rng.randrange(256)
        elif how == 1:
            del data[place : place + rng.randrange(1, 9)]
        elif how == 2:
            data[place:place] = bytes(rng.choice(CODES) for _ in range(rng.randrange(1, 4)))
        elif how == 3:
            del data[place:]
        else:
            data[place] = rng.choice(CODES)
        if not data:
            return b"."
    return bytes(data)


CODES = [ord(opcode.code) for opcode in pickletools.opcodes]


def operand(opcode, rng):
    """A plausible operand of an opcode, as bytes."""
    name = opcode.arg.name if opcode.arg else None
    lines = {
        "decimalnl_short": [b"5", b"-7", b"00", b"01", b"0x1F", b"010", b"99999999999999999999", b" 3", b"1_0", b"0o17", b"+1", b"-0", b"x", b"2", b"3", b"1"],
        "decimalnl_long": [b"5L", b"-7L", b"1" * 30 + b"L", b"0L", b"12", b"0x10L", b"010L", b"L"],
        "floatnl": [b"1.5", b"-1e300", b"inf", b"nan", b"1e400", b"1e-400", b"+2.5", b" 1", b"0x1p3", b"1_0", b"-nan", b".5", b"5.", b"1e5", b"-0.0", b"e5", b""],
        "stringnl": [b"'text'", b'"q"', b"'\\x41\\n\\\\'", b"'\\101\\q'", b"'bad", b"'\\x4'", b"''", b"'\\''", b"text"],
        "stringnl_noescape": [b"id", b"", b"\xff"],
        "stringnl_noescape_pair": [b"os\nsystem", b"__builtin__\nset", b"builtins\nlist", b"collections\nOrderedDict", b"a\n", b"copy_reg\n_reconstructor", b"a.b\nc.d", b"\xc3\xa9\nx"],
        "unicodestringnl": [b"text", b"\\u20ac", b"\xe9", b"\\U0001f600", b"\\u12", b"\\\\u0041", b"", b"\\ud800", b"\\U00110000"],
    }  # fmt: skip
    if name is None:
        return b""
    if name in lines:
        return rng.choice(lines[name]) + b"\n"
    texts = [b"", b"abc", b"module", b"\xc3\xa9", b"\xed\xa0\x80", b"\xff", b"x" * 300]
    text = rng.choice(texts)
    sizes = {"1": "<B", "4": "<I", "8": "<Q", "4s": "<i"}
    if name in ("string1", "bytes1", "unicodestring1"):
        return struct.pack(sizes["1"], len(text[:255])) + text[:255]
    if name in ("string4", "bytes4", "unicodestring4"):
        return struct.pack(sizes["4"], len(text)) + text
    if name in ("bytes8", "unicodestring8", "bytearray8"):
        return struct.pack(sizes["8"], len(text)) + text
    if name == "long1":
        data = rng.randbytes(rng.choice([0, 1, 2, 8, 9, 40]))
        return struct.pack("<B", len(data)) + data
    if name == "long4":
        data = rng.randbytes(rng.choice([0, 1, 8, 9, 300]))
        return struct.pack("<i", rng.choice([len(data)] * 9 + [-1])) + data
    if name == "uint1":
        return bytes([rng.choice([0, 1, 2, 3, 255]) if opcode.name != "PROTO" else rng.choice([0, 1, 2, 3, 4, 5, 6])])
    if name == "uint2":
        return struct.pack("<H", rng.randrange(65536))
    if name == "int4":
        return struct.pack("<i", rng.choice([0, 1, -1, 2**31 - 1, -(2**31)]))
    if name == "uint4":
        return struct.pack("<I", rng.choice([0, 1, 2, 3, 300]))
    if name == "uint8":
        return struct.pack("<Q", rng.choice([0, 1, 2, 3, 10]))
    if name == "float8":
        return rng.choice([struct.pack(">d", 1.25), rng.randbytes(8)])
    raise AssertionError(name)


def assembled(rng):
    """Opcodes at random, biased to what keeps the stack filled."""
    makers = [o for o in pickletools.opcodes if o.stack_after and not o.stack_before and o.name != "MARK"]
    starts = [o for o in pickletools.opcodes if o.name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE", "GLOBAL", "MARK", "MEMOIZE", "BINUNICODE")]
    out = bytearray()
    if rng.random() < 0.7:
        out += b"\x80" + bytes([rng.randrange(6)])
    for _ in range(rng.randrange(1, 30)):
        draw = rng.random()
        opcode = rng.choice(makers if draw < 0.35 else starts if draw < 0.65 else pickletools.opcodes)
        if opcode.name in ("FRAME", "STOP") and rng.random() < 0.9:
            continue
        out += opcode.code.encode("latin1") + operand(opcode, rng)
    return bytes(out) + b"."


def has_far_memo_key(data):
    """CPython takes room for all memo slots up to the key."""
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > 10**6:
                return True
    except Exception:  # noqa: BLE001
        return b"p" in data or b"r" in data
    return False


class WrittenReference(Reference):
    """Takes what protocol 2 spells as calls (bytes, sets, keywords) for what it is."""

    def find_class(self, module, name):
        if (module, name) in (("_codecs", "encode"), ("__builtin__", "set"), ("__builtin__", "frozenset")):
            return pickle.Unpickler.find_class(self, module, name)
        if (module, name) == ("copy_reg", "__newobj_ex__"):
            return lambda cls, args, kwargs: cls(*args, **kwargs)
        return super().find_class(module, name)


@pytest.mark.slow
def test_pickles_that_python_writes_give_the_same_values(program):
    rng = random.Random(1)
    counts = compare(program("pickle_trace"), [pickled(some_values(rng), rng) for _ in range(ROUNDS)])
    assert counts["same"] == ROUNDS, counts


@pytest.mark.slow
def test_damaged_pickles_are_read_or_refused_alike(program):
    rng = random.Random(2)
    pickles = [damaged(pickled(some_values(rng, 3), rng), rng) for _ in range(2 * ROUNDS)]
    counts = compare(program("pickle_trace"), [data for data in pickles if not has_far_memo_key(data)])
    assert counts["same"] > ROUNDS // 10 and counts["refused"] > ROUNDS // 2, counts


@pytest.mark.slow
def test_assembled_opcodes_are_read_or_refused_alike(program):
    rng = random.Random(3)
    pickles = [assembled(rng) for _ in range(6 * ROUNDS)]
    counts = compare(program("pickle_trace"), pickles)
    assert counts["same"] > ROUNDS // 10 and counts["refused"] > ROUNDS // 2, counts


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_holdall_writes_python_loads_as_the_same_value(program, protocol):
    rng = random.Random(4)
    tool = program("pickle_trace")
    for first in range(0, ROUNDS // 2, 250):
        pickles = [pickle.dumps(some_values(rng), 4) for _ in range(min(250, ROUNDS // 2 - first))]
        written = run_tool(tool, pickles, "--write", str(protocol))
        for data, trace, answer in zip(pickles, run_tool(tool, pickles), written):
            context = f"{data!r}\n{answer}"
            assert answer["error"] is None, context
            again = bytes.fromhex(answer["pickle"])
            assert max(opcode.proto for opcode, _, _ in pickletools.genops(again)) <= protocol
            try:
                Graph(trace["nodes"]).same(WrittenReference(io.BytesIO(again)).load(), trace["root"])
            except (AssertionError, KeyError, TypeError, IndexError) as fault:
                raise AssertionError(f"{fault}\n{context}") from fault


def test_deep_values_are_refused_by_the_limit_and_not_by_the_stack(program):
    deep = b"]" * 300_000 + b"a" * 299_999 + b"."
    tuples = b")" + b"\x85" * 300_000 + b"."
    objects = b"(" * 200_000 + b"cbuiltins\nlist\n" * 1 + b"."
    for trace in run_tool(program("pickle_trace"), [deep, tuples, objects]):
        assert trace["code"] == "limit", trace["error"]


@pytest.mark.parametrize("protocol", [2, 4])
def test_cycles_are_written_closed(program, protocol):
    tool = program("pickle_trace")
    loop = []
    loop.append(loop)
    knot = ([], {})
    knot[0].append(knot)
    knot[1]["knot"] = (knot, [knot[0]])
    several = ([], [], [])
    for part in several:
        part.append(several)
    state = Plain()
    state.itself = (state, [state])
    values = [loop, knot, several, state]
    pickles = [pickle.dumps(value, 4) for value in values]
    for trace, answer in zip(run_tool(tool, pickles), run_tool(tool, pickles, "--write", str(protocol))):
        assert answer["error"] is None, answer
        again = WrittenReference(io.BytesIO(bytes.fromhex(answer["pickle"]))).load()
        Graph(trace["nodes"]).same(again, trace["root"])


def test_torch_loads_a_rewritten_state_dict_with_weights_only(program, tmp_path):
    torch = pytest.importorskip("torch")
    import zipfile

    state = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict()
    state["plain"] = {"epoch": 3, "loss": 0.25, "names": {"a", "b"}, "raw": b"\x00\xff", "z": 1 + 2j, "big": 2**200, "t": ((), (1,), (1, 2, 3, 4))}
    torch.save(state, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive, zipfile.ZipFile(tmp_path / "b.pt", "w") as copy:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("data.pkl"):
                (answer,) = run_tool(program("pickle_trace"), [data], "--write", "2")
                data = bytes.fromhex(answer["pickle"])
            copy.writestr(name.replace("a/", "b/", 1), data)
    again = torch.load(tmp_path / "b.pt", weights_only=True)
    assert list(again) == list(state) and again._metadata == state._metadata and again["plain"] == state["plain"]
    for name, tensor in state.items():
        if name != "plain":
            assert torch.equal(tensor, again[name]), name
