"""Our ZIP reader against Python's zipfile: whatever we accept, zipfile sees the same members with the same bytes.

zipfile is the more lenient of the two; the reverse is asked only of archives that well-behaved writers made.
"""

import io
import random
import struct
import subprocess
import zipfile
import zlib

import numpy
import pytest


class Lister:
    """Runs tests/tools/zip_list.cc over many archives at once."""

    def __init__(self, path):
        self.path = path

    def __call__(self, archives):
        stream = b"".join(struct.pack("<Q", len(archive)) + archive for archive in archives)
        done = subprocess.run([self.path], input=stream, capture_output=True, timeout=600)
        assert done.returncode == 0, done.stderr.decode()
        lines = iter(done.stdout.decode().splitlines())
        results = []
        for line in lines:
            word, rest = line.split(" ", 1)
            if word == "error":
                results.append(rest)
                continue
            members = []
            for _ in range(int(rest)):
                size, crc, name = next(lines).split(" ")
                members.append((bytes.fromhex(name).decode(), int(size), int(crc, 16)))
            results.append(members)
        assert len(results) == len(archives)
        return results


@pytest.fixture(scope="module")
def zip_list(program):
    return Lister(program("zip_list"))


def seen_by_zipfile(archive):
    """What zipfile makes of an archive: members as (name, size, CRC-32 of the bytes read), or the error."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = []
            for member in opened.infolist():
                data = opened.read(member)
                members.append((member.filename, len(data), zlib.crc32(data)))
            return members
    except Exception as error:  # zipfile raises many kinds for damaged input
        return f"{type(error).__name__}: {error}"


class Unseekable(io.RawIOBase):
    """A target without seek: zipfile then writes data descriptors."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)


def made_by_zipfile():
    """Archives of every kind that zipfile and numpy write, by name."""
    payloads = [b"", b"x", bytes(range(256)) * 40, b"a" * 100_000, random.Random(1).randbytes(70_000)]
    archives = {}
    for method, word in ((zipfile.ZIP_STORED, "stored"), (zipfile.ZIP_DEFLATED, "deflated")):
        for seekable in (True, False):
            for big in (False, True):
                target = io.BytesIO() if seekable else Unseekable()
                with zipfile.ZipFile(target, "w", method) as opened:
                    for index, payload in enumerate(payloads):
                        with opened.open(f"folder/member {index}", "w", force_zip64=big) as member:
                            member.write(payload)
                    opened.writestr("größe/名前.npy", b"named")
                    if seekable:
                        opened.mkdir("empty folder")
                data = target.getvalue() if seekable else bytes(target.data)
                archives[f"{word} seekable={seekable} zip64={big}"] = data
    for comment in (b"", b"note", b"n" * 65_535):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as opened:
            opened.writestr("a", b"1")
            opened.comment = comment
        archives[f"comment of {len(comment)}"] = target.getvalue()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w"):
        pass
    archives["no member"] = target.getvalue()
    for save in (numpy.savez, numpy.savez_compressed):
        target = io.BytesIO()
        save(target, first=numpy.arange(1000), second=numpy.zeros((3, 0)))
        archives[save.__name__] = target.getvalue()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
        for index in range(3000):
            opened.writestr(f"data/{index}", str(index) * (index % 7))
    archives["three thousand members"] = target.getvalue()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        opened.writestr("first", b"1")
    with zipfile.ZipFile(target, "a") as opened:
        opened.writestr("second", b"2")
    archives["appended to"] = target.getvalue()
    return archives


def made_by_torch():
    torch = pytest.importorskip("torch")
    archives = {}
    for size in (0, 5, 5000):
        target = io.BytesIO()
        torch.save({"a": torch.arange(size), "b": [torch.ones(3)]}, target)
        archives[f"torch.save of {size}"] = target.getvalue()
    return archives


def mutations(archive, seed, count):
    """Damaged copies: flipped bits and replaced numbers in the records, pieces cut out, doubled, or put in."""
    chance = random.Random(seed)
    signatures = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"]
    places = []
    for signature in signatures:
        at = archive.find(signature)
        while at >= 0:
            places.append(at)
            at = archive.find(signature, at + 1)
    for _ in range(count):
        data = bytearray(archive)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            near = min(chance.choice(places) + chance.randrange(60), len(data) - 1) if places else 0
            kind = chance.randrange(8)
            if kind < 3:
                data[near] ^= 1 << chance.randrange(8)
            elif kind == 3:
                value = chance.choice((0, 1, 2, 0xFFFF, 0xFFFFFFFF, len(archive), chance.randrange(1 << 32)))
                data[near : near + 4] = struct.pack("<I", value)[: chance.choice((2, 4))]
            elif kind == 4:
                del data[near : near + chance.randrange(1, 50)]
            elif kind == 5:
                data[near:near] = data[near : near + chance.randrange(1, 100)]
            elif kind == 6:
                data = bytearray(chance.choice(signatures)) + data if chance.randrange(2) else data + data[-22:]
            else:
                first, second = chance.choice(places), chance.choice(places)
                data[first : first + 46] = data[second : second + 46]
            if not data:
                break
        yield bytes(data)


def test_archives_of_real_writers_are_read_as_zipfile_reads_them(zip_list):
    archives = made_by_zipfile() | made_by_torch()
    for name, archive, ours in zip(archives, archives.values(), zip_list(list(archives.values()))):
        assert ours == seen_by_zipfile(archive), name


def test_whatever_we_accept_zipfile_sees_alike(zip_list):
    archives = made_by_zipfile() | made_by_torch()
    accepted = 0
    for seed, (name, archive) in enumerate(archives.items()):
        if len(archive) > 100_000:
            continue
        damaged = list(mutations(archive, seed, 400))
        for data, ours in zip(damaged, zip_list(damaged)):
            if isinstance(ours, str):
                continue
            accepted += 1
            assert ours == seen_by_zipfile(data), name
    assert accepted > 100, "the mutations hit nothing that may vary: this test proves little"


def test_truncated_archives_are_refused(zip_list):
    archive = made_by_zipfile()["deflated seekable=False zip64=False"]
    for ours in zip_list([archive[:size] for size in range(0, len(archive), 7)]):
        assert isinstance(ours, str)


def refused(zip_list, archive, *words):
    (ours,) = zip_list([archive])
    assert isinstance(ours, str), "accepted"
    for word in words:
        assert word in ours
    return ours


def archive_of(*members, comment=b""):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        for name, data in members:
            information = zipfile.ZipInfo("x")
            information.filename = name
            opened.writestr(information, data)
        opened.comment = comment
    return target.getvalue()


@pytest.mark.parametrize("name", ["../up", "a/../../b", "/absolute", "a\\b", "C:/windows", ".."])
def test_names_that_lead_out_are_refused(zip_list, name):
    refused(zip_list, archive_of((name, b"1")), "name")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names_are_refused(zip_list):
    refused(zip_list, archive_of(("a", b"1"), ("a", b"2")), "'a'")


def test_prepended_and_appended_bytes_are_refused(zip_list):
    archive = archive_of(("a", b"1"), ("b", b"2"))
    refused(zip_list, b"#!/bin/sh\n" + archive)
    refused(zip_list, archive + b"\n")
    target = io.BytesIO(b"#!/bin/sh\n")
    target.seek(0, io.SEEK_END)
    with zipfile.ZipFile(target, "a") as opened:
        opened.writestr("a", b"1")
    refused(zip_list, target.getvalue(), "before the first member")


def test_a_second_directory_is_refused(zip_list):
    one, two = archive_of(("a", b"1")), archive_of(("b", b"2"))
    refused(zip_list, one + two)
    hidden = archive_of(("a", b"1"), comment=two)
    refused(zip_list, hidden)


def test_a_wrong_crc_is_refused_on_reading(zip_list):
    archive = archive_of(("a", b"payload"))
    refused(zip_list, archive.replace(b"payload", b"pAyload"), "CRC-32")
