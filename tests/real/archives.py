"""ZIP archives laid out record by record, with one or two lies in them; and a reader that goes by local headers alone."""

import dataclasses
import struct
import zlib

import pickles

NAMES = ["archive/data.pkl", "archive/version", "data.pkl", "a.npy", "x", "ARCHIVE/DATA.PKL", "archive//data.pkl", "../x", "x/"]
SIGNATURES = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08"]


@dataclasses.dataclass
class Header:
    name: bytes
    crc: int = 0
    stored: int = 0
    size: int = 0
    flags: int = 0
    method: int = 0
    version: int = 20
    extra: bytes = b""

    def packed(self):
        return struct.pack("<HHHHHIII", self.version, self.flags, self.method, 0, 33, self.crc, self.stored, self.size) + struct.pack(
            "<HH", len(self.name), len(self.extra)
        )


class Member:
    def __init__(self, name, data, deflated, descriptor):
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.payload = compressor.compress(data) + compressor.flush() if deflated else data
        facts = dict(crc=zlib.crc32(data), stored=len(self.payload), size=len(data), method=8 if deflated else 0)
        self.central = Header(name.encode(), **facts, flags=8 if descriptor else 0)
        self.local = dataclasses.replace(self.central)
        self.behind = b""
        if descriptor:
            self.behind = b"PK\x07\x08" + struct.pack("<III", facts["crc"], facts["stored"], facts["size"])
            self.local.crc = self.local.stored = self.local.size = 0
        self.shift = 0
        self.in_file = self.in_directory = True
        self.comment = b""
        self.attributes = 0


class Archive:
    def __init__(self, members):
        self.members = members
        self.before = self.gap = self.comment = self.behind = b""
        self.count = self.size = self.offset = 0  # what is added to the truth

    def packed(self):
        out, directory, count = bytearray(self.before), b"", 0
        for member in self.members:
            offset = len(out)
            if member.in_file:
                head = member.local.packed()
                out += b"PK\x03\x04" + head + member.local.name + member.local.extra + member.payload + member.behind
            if member.in_directory:
                count += 1
                directory += b"PK\x01\x02\x14\x00" + member.central.packed() + struct.pack(
                    "<HHHII", len(member.comment), 0, 0, member.attributes, (offset + member.shift) % 2**32
                ) + member.central.name + member.central.extra + member.comment
        out += self.gap
        end = struct.pack(
            "<HHHHIIH", 0, 0, (count + self.count) % 65536, (count + self.count) % 65536, (len(directory) + self.size) % 2**32,
            (len(out) + self.offset) % 2**32, len(self.comment),
        )  # fmt: skip
        return bytes(out + directory + b"PK\x05\x06" + end + self.comment + self.behind)


def lie(archive, rng):
    member = rng.choice(archive.members)
    header = rng.choice([member.local, member.central])
    small = lambda: rng.choice([-2, -1, 1, 2, 22, 46])

    def both(field, value):
        setattr(member.local, field, value)
        setattr(member.central, field, value)

    def hide():
        member.in_directory = False

    def absent():
        member.in_file = False

    def replaced():
        other = rng.choice(archive.members)
        member.payload, member.behind = other.payload, other.behind
        for field in ("crc", "stored", "size", "method", "flags"):
            setattr(member.local, field, getattr(other.local, field))

    def doubled():
        archive.members.insert(rng.randrange(len(archive.members) + 1), member)

    def nested():
        member.payload = Archive([Member("x", pickles.SYSTEM, False, False)]).packed()
        both("crc", zlib.crc32(member.payload))
        both("stored", len(member.payload))
        both("size", len(member.payload))
        both("method", 0)

    ways = [
        lambda: setattr(header, "crc", rng.choice([0, header.crc ^ 1, 0xFFFFFFFF])),
        lambda: setattr(header, "stored", max(0, header.stored + small())),
        lambda: setattr(header, "size", max(0, header.size + small())),
        lambda: setattr(header, "method", rng.choice([0, 8, 1, 12, 14, 99])),
        lambda: setattr(header, "flags", header.flags ^ (1 << rng.randrange(16))),
        lambda: both("flags", header.flags ^ (1 << rng.randrange(16))),
        lambda: setattr(header, "name", rng.choice(NAMES).encode()),
        lambda: both("name", rng.choice(NAMES).encode()),
        lambda: setattr(header, "extra", header.extra + struct.pack("<HH", rng.choice([1, 0x7075, 0xCAFE]), 8) + bytes(8)),
        lambda: setattr(header, "extra", header.extra + rng.randbytes(rng.randrange(1, 6))),
        lambda: setattr(header, "version", rng.choice([10, 45, 63, 255, 65535])),
        lambda: setattr(member, "shift", small()),
        lambda: setattr(member, "behind", rng.choice([b"", b"PK\x07\x08" + bytes(12), rng.randbytes(5), member.behind * 2])),
        lambda: setattr(member, "comment", rng.choice(SIGNATURES)),
        lambda: setattr(member, "attributes", rng.randrange(2**32)),
        hide, absent, replaced, doubled, nested,
        lambda: setattr(archive, "before", rng.choice([b"MZ", b"\x80\x02N.", b"\n", SIGNATURES[0]])),
        lambda: setattr(archive, "before", pickles.SYSTEM),
        lambda: setattr(archive, "gap", rng.choice([b"\0", pickles.SYSTEM, SIGNATURES[2] + bytes(18)])),
        lambda: setattr(archive, "behind", rng.choice([b"\0", pickles.SYSTEM, SIGNATURES[2] + bytes(18)])),
        lambda: setattr(archive, "comment", rng.choice([b"note", SIGNATURES[2] + bytes(18), Archive(archive.members[:1]).packed()])),
        lambda: setattr(archive, "count", small()),
        lambda: setattr(archive, "size", small()),
        lambda: setattr(archive, "offset", small()),
        lambda: rng.shuffle(archive.members),
    ]  # fmt: skip
    rng.choice(ways)()


def some_archive(rng):
    contents = [pickles.BENIGN, pickles.SYSTEM, b"3\n", b"text " * 50, b""]
    names = rng.sample(NAMES[:6], rng.randrange(1, 4))
    weights = [6, 1, 3, 2, 1]
    members = [Member(name, rng.choices(contents, weights)[0], rng.random() < 0.4, rng.random() < 0.3) for name in names]
    archive = Archive(members)
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        lie(archive, rng)
    return archive.packed()


def seen_by_streaming(data):
    """Members as (name, bytes) by local headers from the front, as readers of pipes have it; an error is text."""
    members, at = [], 0
    while data[at : at + 4] == b"PK\x03\x04":
        if at + 30 > len(data):
            return "a header is cut short"
        _, flags, method, _, _, crc, stored, size, name, extra = struct.unpack_from("<HHHHHIIIHH", data, at + 4)
        begin = at + 30 + name + extra
        label = data[at + 30 : at + 30 + name].decode("utf-8" if flags & 0x800 else "cp437", "replace")
        if method == 8:
            inflater = zlib.decompressobj(-15)
            try:
                decoded = inflater.decompress(data[begin:])
            except zlib.error as error:
                return str(error)
            if not inflater.eof:
                return "a stream is cut short"
            end = len(data) - len(inflater.unused_data)
        elif method == 0:
            end = begin + stored
            if flags & 8 and stored == 0:
                end = data.find(b"PK\x07\x08", begin)
                if end < 0:
                    return "a descriptor is missing"
            decoded = data[begin:end]
        else:
            return f"method {method}"
        if flags & 8 and data[end : end + 4] == b"PK\x07\x08":
            end += 16
        members.append((label, decoded))
        at = end
    return members
