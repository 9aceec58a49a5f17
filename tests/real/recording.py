"""CPython's unpicklers with classes that record what is done to them: nothing that a pickle names is imported or called."""

import contextlib
import io
import pickle
import resource

ROOM = 4 << 30  # bytes that one load may take


class Recorded(type):
    """The class that stands for an imported name."""

    known = {}
    called = []  # names, in the order in which something was made of them

    @classmethod
    def of(cls, module, name):
        key = (module, name)
        if key not in cls.known:
            cls.known[key] = cls("Fake", (Instance,), {"named": key})
        return cls.known[key]


class Instance:
    """What a call of an imported name gives: everything that is done to it is kept."""

    named = None

    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        Recorded.called.append(cls.named)
        self.callee, self.args, self.kwargs = cls, args, kwargs
        self.state, self.has_state, self.items, self.pairs = None, False, [], []
        return self

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        made = object.__new__(Instance)
        made.callee, made.args, made.kwargs = self, args, kwargs
        made.state, made.has_state, made.items, made.pairs = None, False, [], []
        return made

    def __setstate__(self, state):
        self.state, self.has_state = state, True

    def append(self, item):
        self.items.append(item)

    def extend(self, items):
        self.items.extend(items)

    def add(self, item):
        self.items.append(item)

    def __setitem__(self, key, value):
        self.pairs += [key, value]


class Recording:
    """What stands in for both unpicklers' ways out: imports are kept, in the order in which they are asked for."""

    def __init__(self, file):
        buffers = iter(Recorded.of("", "next_buffer")(i) for i in range(10**9))
        super().__init__(file, encoding="latin1", buffers=buffers)
        self.imports = []

    def find_class(self, module, name):
        self.imports.append((module, name))
        return Recorded.of(module, name)

    def persistent_load(self, pid):
        return Recorded.of("", "persistent_id")(pid)


class Reference(Recording, pickle.Unpickler):
    """The one written in C, which is what everybody's pickle.load is."""


class PythonReference(Recording, pickle._Unpickler):
    """The one written in Python, which torch's and joblib's are made of."""


@contextlib.contextmanager
def room():
    """A memo that is counted in billions is a MemoryError, whatever the machine has: else a process is killed for it."""
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as pages:
        used = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def reference(data, kind=Reference):
    """(value, imports) of CPython, or the exception."""
    unpickler = kind(io.BytesIO(data))
    try:
        with room():
            return unpickler.load(), unpickler.imports
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return error, unpickler.imports


def doings(data, kind):
    """What loading one pickle after the other from a file does until one fails: the imports of those that do not, the imports of
    all, and what is called."""
    file, imports = io.BytesIO(data), set()
    Recorded.called.clear()
    while file.tell() < len(data):
        unpickler = kind(file)
        before = file.tell()
        try:
            with room():
                unpickler.load()
        except Exception:  # noqa: BLE001
            return imports, imports | set(unpickler.imports), set(Recorded.called)
        imports |= set(unpickler.imports)
        if file.tell() == before:
            break
    return imports, imports, set(Recorded.called)
