"""What is scanned against what CPython and zipfile do with it: whatever they would import or read, the verdict knows."""

import collections
import io
import json
import os
import random
import struct
import warnings
import zipfile
import zlib

import pytest

import archives
import pickles
import programs
from recording import PythonReference, Reference, doings, reference
from test_pickle_differential import renamed, run_tool
from test_zip_differential import Lister

ROUNDS = int(os.environ.get("HOLDALL_SCAN_ROUNDS", "3000"))


@pytest.fixture(scope="module")
def verdicts(holdall, tmp_path_factory):
    """The verdicts of many files, in one run of the command."""

    def scan(contents, extension="bin"):
        folder = tmp_path_factory.mktemp("scanned")
        names = [f"{i}.{extension}" for i in range(len(contents))]
        for name, data in zip(names, contents):
            (folder / name).write_bytes(data)
        reports = json.loads(holdall("scan", "--json", *names, status=None, cwd=folder).out)
        assert [report["path"] for report in reports] == names
        return [report["verdict"] for report in reports]

    return scan


def is_in_order(wanted, imports):
    """Whether what CPython asked for is among what the machine recorded, in that order. Below protocol 3 it renames."""
    rest = iter(imports)
    return all(any(one in (name, renamed(*name)) for one in rest) for name in wanted)


@pytest.mark.parametrize("kind", [Reference, PythonReference])
def test_what_cpython_imports_is_recorded_in_order(program, kind):
    rng = random.Random(10)
    made = [programs.some_program(rng) for _ in range(ROUNDS)]
    counts = collections.Counter()
    for data, trace in zip(made, run_tool(program("pickle_trace"), made)):
        value, wanted = reference(data, kind)
        imports = [tuple(bytes.fromhex(part).decode() for part in entry[:2]) for entry in trace["imports"]]
        if trace["error"] is None:
            assert is_in_order(wanted, imports), (data, wanted, imports)
            counts["read"] += 1
            counts["imports"] += len(wanted)
        else:
            shared = min(len(wanted), len(imports))
            # An argument beyond its frame is read in two ways, and malicious whatever either of them names.
            is_known = isinstance(value, Exception) or "straddles" in trace["error"]
            assert is_in_order(wanted[:shared], imports) or is_known, (data, wanted, imports, trace["error"])
            counts["refused"] += 1
    assert counts["read"] > ROUNDS // 2 and counts["imports"] > ROUNDS, counts


@pytest.mark.parametrize("kind", [Reference, PythonReference])
def test_what_cpython_does_decides_the_verdict(verdicts, kind):
    """One pickle after another is loaded from each file; what that imports and calls is never missed."""
    rng = random.Random(11)
    made = [programs.some_program(rng) for _ in range(ROUNDS)]
    hostile, strange = set(programs.HOSTILE), set(programs.STRANGE)
    counts = collections.Counter()
    for data, verdict in zip(made, verdicts(made)):
        loaded, asked, called = doings(data, kind)
        if hostile & (loaded | called):
            assert verdict == "malicious", (data, asked)
        elif hostile & asked:  # and then the pickle fails
            assert verdict in ("malicious", "unreadable"), (data, asked)
        elif strange & asked:
            assert verdict != "inert", (data, asked)
        counts[verdict] += 1
    assert min(counts["inert"], counts["code"], counts["malicious"], counts["unreadable"]) > ROUNDS // 50, counts


def seen_by_zipfile(data):
    """Members as (name, bytes) by the directory, as far as they can be read, checksums or not."""
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(data)) as opened:
            warnings.simplefilter("ignore")
            members = []
            for member in opened.infolist():
                try:
                    with opened.open(member) as file:
                        file._expected_crc = None
                        members.append((member.filename, file.read(1 << 20)))
                except Exception:  # noqa: BLE001 - the next may be readable
                    members.append((member.filename, None))
            return members
    except Exception as error:  # noqa: BLE001
        return str(error)


def test_archives_that_two_readers_see_differently_are_never_inert(verdicts):
    rng = random.Random(12)
    made = [archives.some_archive(rng) for _ in range(ROUNDS)]
    counts = collections.Counter()
    for data, verdict in zip(made, verdicts(made, "pt")):
        by_directory, by_headers = seen_by_zipfile(data), archives.seen_by_streaming(data)
        seen = [by for by in (by_directory, by_headers) if not isinstance(by, str)]
        if any(member == pickles.SYSTEM for by in seen for _, member in by):
            assert verdict in ("malicious", "unreadable"), (data, by_directory, by_headers)
            counts["attacks"] += 1
        if verdict == "inert":
            assert not isinstance(by_directory, str), (data, by_directory)
            assert sorted(by_directory) == sorted(by_headers), (data, by_directory, by_headers)
        counts[verdict] += 1
    assert min(counts["inert"], counts["malicious"], counts["unreadable"], counts["attacks"]) > ROUNDS // 10, counts


def test_whatever_we_read_of_an_archive_others_read_alike(program):
    rng = random.Random(13)
    made = [archives.some_archive(rng) for _ in range(ROUNDS)]
    accepted = 0
    for data, ours in zip(made, Lister(program("zip_list"))(made)):
        if isinstance(ours, str):
            continue
        accepted += 1
        for by in (seen_by_zipfile(data), archives.seen_by_streaming(data)):
            assert not isinstance(by, str), (data, by)
            assert sorted((name, len(member), zlib.crc32(member)) for name, member in by) == sorted(ours), data
    assert accepted > ROUNDS // 4, accepted


def behind_tensors(archive):
    """A safetensors file whose only tensor is the archive, with its places counted from the file's beginning."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [len(archive)], "data_offsets": [0, len(archive)]}}).encode()
    file = bytearray(struct.pack("<Q", len(header)) + header + archive)
    shift = len(file) - len(archive)

    def move(form, at):
        struct.pack_into(form, file, at, struct.unpack_from(form, file, at)[0] + shift)

    entry = file.find(b"PK\x01\x02")
    while entry >= 0:
        move("<I", entry + 42)
        entry = file.find(b"PK\x01\x02", entry + 46)
    move("<I", file.rfind(b"PK\x05\x06") + 16)
    if b"PK\x06\x07" in file:
        move("<Q", file.rfind(b"PK\x06\x07") + 8)
        move("<Q", file.rfind(b"PK\x06\x06") + 48)
    return bytes(file)


def test_a_file_of_tensors_that_torch_opens_as_a_program_is_not_inert(verdicts, tmp_path):
    torch = pytest.importorskip("torch")
    target = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Identity()), target)
    (tmp_path / "weights.safetensors").write_bytes(behind_tensors(target.getvalue()))
    assert torch.jit.load(tmp_path / "weights.safetensors")(torch.ones(2)).sum() == 2
    hidden, plain = behind_tensors(target.getvalue()), behind_tensors(archives.Archive([archives.Member("a.txt", b"text", False, False)]).packed())
    assert verdicts([hidden, plain], "safetensors") == ["unreadable", "inert"]
