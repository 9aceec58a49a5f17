"""Pickle programs made by chance that mostly run: a stack of kinds is kept, so that every opcode finds what it wants."""

import struct

import pickles

INERT = [
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage"), ("numpy", "dtype"), ("numpy", "ndarray"),
    ("builtins", "set"), ("__builtin__", "frozenset"), ("builtins", "bytearray"), ("copy_reg", "_reconstructor"), ("_codecs", "encode"),
    ("torch.nn.modules.linear", "Linear"), ("argparse", "Namespace"), ("collections", "defaultdict"), ("builtins", "complex"),
]  # fmt: skip
HOSTILE = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("builtins", "eval"), ("__builtin__", "exec"), ("subprocess", "Popen"),
    ("pathlib", "os.system"), ("operator", "attrgetter"), ("runpy", "run_path"), ("pickle", "loads"), ("sys", "path"),
    ("importlib", "import_module"), ("numpy.testing._private.utils", "runstring"), ("torch.hub", "load"), ("collections", "OrderedDict.__init__.__globals__"),
    ("commands", "getoutput"), ("urllib2", "urlopen"),
]  # fmt: skip
STRANGE = [("my_project.models", "Net"), ("__main__", "Model"), ("picklescan.scanner", "scan")]

PLAIN = [b"N", b"\x88", b"\x89", b"K\x07", b"M\x01\x02", b"J\xff\xff\xff\xff", b"I5\n", b"I01\n", b"L12L\n", b"\x8a\x01\x05", b"F1.5\n", b"G" + struct.pack(">d", 2.5)]


class Program:
    """One program. `self.stack` holds a kind for each value: "text", "import", "object", "list", "dict", "set", "tuple", "plain",
    and "(" for a mark."""

    def __init__(self, rng, names):
        self.rng, self.names = rng, names
        self.out = bytearray()
        self.stack, self.memo = [], {}
        self.protocol = rng.randrange(6)
        if self.protocol or rng.random() < 0.3:
            self.out += b"\x80" + bytes([self.protocol])

    def above_mark(self):
        return len(self.stack) if "(" not in self.stack else self.stack[::-1].index("(")

    def text(self, text):
        data = text.encode()
        spellings = [
            b"V" + data + b"\n", b"X" + struct.pack("<I", len(data)) + data, b"S'" + data + b"'\n", b"\x8c" + bytes([len(data)]) + data,
            b"U" + bytes([len(data)]) + data, b"T" + struct.pack("<i", len(data)) + data, b"\x8d" + struct.pack("<Q", len(data)) + data,
        ]  # fmt: skip
        self.out += self.rng.choice(spellings)
        self.stack.append("text")

    def push(self):
        if self.rng.random() < 0.4:
            return self.text(self.rng.choice(["x", "os", "system", "storage", "a" * 40, ""]))
        made = self.rng.choice([(b"]", "list"), (b"}", "dict"), (b"\x8f", "set"), (b")", "tuple"), (self.rng.choice(PLAIN), "plain")])
        self.out += made[0]
        self.stack.append(made[1])

    def imported(self):
        module, name = self.rng.choice(self.names)
        how = self.rng.randrange(5)
        if how < 2:
            self.out += f"c{module}\n{name}\n".encode()
            self.stack.append("import")
            return
        if how == 2 and "(" in self.stack and "import" not in self.stack[-self.above_mark() :]:
            del self.stack[len(self.stack) - 1 - self.above_mark() :]
            self.out += f"i{module}\n{name}\n".encode()
            self.stack.append("object")
            return
        if how == 3:  # names that lay in the memo, put there in the other order
            for key, part in ((201, name), (200, module)):
                self.text(part)
                self.out += b"q" + bytes([key]) + b"0"
                self.stack.pop()
            self.out += b"h\xc8h\xc9"
        else:
            for part in (module, name):
                self.text(part)
                if self.rng.random() < 0.3:
                    self.out += b"2" + b"0" * 1
            del self.stack[-2:]
        self.out += b"\x93"
        self.stack.append("import")

    def call(self):
        """An import with arguments, called in one of the ways there are."""
        rng = self.rng
        if rng.random() < 0.25:
            self.out += b"("
            self.stack.append("(")
            self.imported_flat()
            for _ in range(rng.randrange(3)):
                self.push()
            del self.stack[len(self.stack) - 1 - self.above_mark() :]
            self.out += b"o"
        else:
            self.imported_flat()
            self.out += b"("
            depth = len(self.stack)
            for _ in range(rng.randrange(3)):
                self.push()
            del self.stack[depth - 1 :]
            self.out += b"t" + rng.choice([b"R", b"R", b"\x81", b"}\x92"])
        self.stack.append("object")

    def imported_flat(self):
        module, name = self.rng.choice(self.names)
        self.out += f"c{module}\n{name}\n".encode()
        self.stack.append("import")

    def forget(self):
        if not self.stack:
            return
        if "(" in self.stack and self.rng.random() < 0.5:
            del self.stack[len(self.stack) - 1 - self.above_mark() :]
            self.out += b"1"
        else:
            self.stack.pop()
            self.out += b"0"

    def collect(self):
        """Ends the topmost mark in a value."""
        if "(" not in self.stack:
            self.out += b"("
            self.stack.append("(")
            return
        above = self.above_mark()
        del self.stack[len(self.stack) - 1 - above :]
        ways = [(b"t", "tuple"), (b"l", "list")]
        if above == 0:
            ways += [(b"d", "dict"), (b"\x91", "set")]
        code, kind = self.rng.choice(ways)
        self.out += code
        self.stack.append(kind)

    def fill(self):
        """Items, states and pairs for what takes them."""
        if not self.stack:
            return self.push()
        top = self.stack[-1]
        rng = self.rng
        if top == "list":
            self.out += rng.choice([b"Na", b"(K\x01K\x02e", b"h\x00a" if 0 in self.memo else b"]a"])
        elif top == "dict":
            self.out += rng.choice([b"U\x01kNs", b"(U\x01aNK\x05Nu"])
        elif top == "set":
            self.out += b"(K\x01K\x02\x90"
        elif top in ("object", "import") and top == "object":
            self.out += rng.choice([b"}b", b"N}\x86b", b"}U\x01aNsb", b"Nb", b"K\x01a", b"U\x01kNs", b"(K\x01e"])
        else:
            self.push()

    def remember(self):
        rng = self.rng
        if self.memo and rng.random() < 0.5:
            key = rng.choice(list(self.memo))
            self.out += rng.choice([b"h" + bytes([key]), b"j" + struct.pack("<I", key), f"g{key}\n".encode()])
            self.stack.append(self.memo[key])
        elif self.stack and self.stack[-1] != "(":
            key = rng.randrange(8)
            self.out += rng.choice([b"q" + bytes([key]), b"r" + struct.pack("<I", key), f"p{key}\n".encode()])
            self.memo[key] = self.stack[-1]

    def odd(self):
        """What picklers never write."""
        rng = self.rng
        kind = rng.randrange(7)
        if kind == 0:
            self.out += b"\x95" + struct.pack("<Q", rng.choice([0, 1, 5, 100, 1 << 40]))
        elif kind == 1:
            self.out += rng.choice([b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"])
        elif kind == 2:
            self.out += b"\x80" + bytes([rng.randrange(7)])
        elif kind == 3:
            self.out += b"Pid\n"
            self.stack.append("object")
        elif kind == 4 and self.stack and self.stack[-1] != "(":
            self.out += b"2"
            self.stack.append(self.stack[-1])
        elif kind == 5:
            self.out += bytes([rng.randrange(256)])
        elif self.out:
            del self.out[rng.randrange(len(self.out))]

    def run(self, steps):
        ways = [self.push] * 4 + [self.imported] * 3 + [self.call] * 3 + [self.forget] * 3 + [self.collect] * 4 + [self.fill] * 4 + [self.remember] * 4
        for _ in range(steps):
            if self.rng.random() < 0.03:
                self.odd()
            else:
                self.rng.choice(ways)()
        while "(" in self.stack:
            self.out += b"t"
            del self.stack[len(self.stack) - 1 - self.above_mark() :]
            self.stack.append("tuple")
        return bytes(self.out) + (b"" if self.stack else b"N") + b"."


def some_program(rng):
    """A program whose names are all inert, or among which some are not."""
    draw = rng.random()
    names = INERT if draw < 0.4 else INERT * 2 + HOSTILE if draw < 0.8 else INERT * 2 + STRANGE
    program = Program(rng, names).run(rng.randrange(1, 25))
    if rng.random() < 0.1:
        program += Program(rng, names).run(rng.randrange(1, 9))
    if rng.random() < 0.1:
        program = pickles.BENIGN + program
    if rng.random() < 0.05:
        program = program[: rng.randrange(1, len(program) + 1)]
    return program
