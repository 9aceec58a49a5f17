"""Damaged files, thousands of them: no crash, no hang, bounded memory, a message that names the file, nothing half-written.

inspect, convert and scan answer 0, 1 or 2; verify never calls a cut file whole; a conversion that succeeds is sound.
"""

import collections
import io
import json
import os
import pathlib
import pickle
import zipfile

import numpy
import pytest
import safetensors.torch
import torch

import damage
import pickles
import samples
import torch_tar

COUNT = int(os.environ.get("HOLDALL_DAMAGE", "40"))


def torch_bytes(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def numpy_bytes(write, *arguments, **options):
    buffer = io.BytesIO()
    write(buffer, *arguments, **options)
    return buffer.getvalue()


def small_state():
    return collections.OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.ones(3, dtype=torch.bfloat16), ids=torch.arange(4))


# name -> (file name, bytes)
VICTIMS = {
    "pt": lambda: ("m.pt", torch_bytes(small_state())),
    "pt_checkpoint": lambda: ("m.pt", torch_bytes(samples.adam_checkpoint())),
    "pt_legacy": lambda: ("m.pt", torch_bytes(small_state(), _use_new_zipfile_serialization=False)),
    "pt_tar": lambda: ("m.pt", torch_tar.cut_to_its_end(torch_tar.packed(torch_tar.members(dict(small_state()))))),
    "pt_values": lambda: ("m.pt", torch_bytes(samples.nested_values())),
    "pt_quantized": lambda: ("m.pt", torch_bytes(samples.quantized())),
    "pt_sparse": lambda: ("m.pt", torch_bytes(samples.sparse())),
    "pt_module": lambda: ("m.pt", torch_bytes(samples.whole_sequential())),
    "pt_deflated": lambda: ("m.pt", pickles.zipped(pickles.BENIGN, compression=8)),
    "safetensors": lambda: ("m.safetensors", safetensors.torch.save(dict(small_state()), metadata={"format": "pt"})),
    "npy": lambda: ("m.npy", numpy_bytes(numpy.save, numpy.arange(20, dtype=">i4").reshape(4, 5))),
    "npy_record": lambda: ("m.npy", numpy_bytes(numpy.save, numpy.zeros(3, dtype=[("a", "i4"), ("b", "S3", (2,))]))),
    "npy_object": lambda: ("m.npy", numpy_bytes(numpy.save, numpy.array([{"a": 1}, None], dtype=object), allow_pickle=True)),
    "npz": lambda: ("m.npz", numpy_bytes(numpy.savez, a=numpy.arange(5), b=numpy.ones((2, 2), order="F"))),
    "npz_compressed": lambda: ("m.npz", numpy_bytes(numpy.savez_compressed, a=numpy.arange(50), b=numpy.ones(9))),
    "pickle": lambda: ("m.pkl", pickle.dumps({"a": [1, 2.5, "x", None, (1, 2)], "n": numpy.arange(5), 3: {4, 5}}, 4)),
    "pickle0": lambda: ("m.pkl", pickle.dumps({"a": [1, 2.5, "x", 2**80], "b": (1, "y")}, 0)),
}
# Cut anywhere, the rest can be told from the whole: every format but those in which a tail means nothing.
FOLLOW_UPS = [("inspect",), ("verify",), ("scan",), ("convert",)]


def faults_of(holdall, folder, name, path, cut):
    """What went wrong with one damaged file, over all verbs."""
    for (verb,) in FOLLOW_UPS:
        target = folder / ("out.npz" if path.suffix != ".npz" else "out.pt")
        arguments = [verb, path] + ([target, "--allow-loss"] if verb == "convert" else [])
        done = damage.run(holdall.path, arguments, folder)
        where = f"{name} {verb}"
        if done.status not in (0, 1, 2):
            yield f"{where}: ended by {done.status} {done.said[-300:]}"
        if done.seconds > damage.Limits.seconds - 1:
            yield f"{where}: {done.seconds:.0f} s"
        if done.resident > damage.Limits.resident_bytes:
            yield f"{where}: {done.resident >> 20} MiB"
        if done.status == 2 and path.name not in done.said:
            yield f"{where}: does not name the file: {done.said[-300:]!r}"
        if cut and verb == "verify" and done.status == 0:
            yield f"{where}: a cut file is called whole"
        # Nothing is inert, and so is a piece of text (a cut pickle of protocol 0) that calls nothing.
        if cut and verb == "scan" and done.status == 0 and not path.read_bytes().isascii():
            yield f"{where}: a cut file is called clean"
        if verb == "convert":
            if done.status == 0:
                if damage.run(holdall.path, ["verify", target], folder).status != 0:
                    yield f"{where}: wrote a file that is not sound"
                target.unlink()
            left = sorted(os.listdir(folder))
            if left != sorted(["said", path.name]):
                yield f"{where}: left behind {left}"


@pytest.mark.slow
@pytest.mark.parametrize("victim", VICTIMS)
def test_damaged_files_are_refused_in_order(holdall, tmp_path, victim):
    file_name, data = VICTIMS[victim]()
    path = tmp_path / file_name
    path.write_bytes(data)
    assert not list(faults_of(holdall, tmp_path, "whole", path, cut=False))
    assert damage.run(holdall.path, ["verify", path], tmp_path).status == 0
    faults = []
    for name, damaged in damage.mutations(data, COUNT):
        path.write_bytes(damaged)
        faults += faults_of(holdall, tmp_path, name, path, cut=name.startswith("cut"))
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:40])


@pytest.mark.slow
def test_every_bit_of_a_stored_tensor_is_guarded(holdall, tmp_path):
    """torch never checks its CRCs; verify does, and so does every full read."""
    state = {"w": torch.arange(64.0)}
    data = torch_bytes(state)
    start = data.index(state["w"].numpy().tobytes())
    for at in range(start, start + 256, 5):
        damaged = bytearray(data)
        damaged[at] ^= 1 << (at % 8)
        (tmp_path / "m.pt").write_bytes(bytes(damaged))
        assert damage.run(holdall.path, ["verify", tmp_path / "m.pt"], tmp_path).status == 1, at
        assert damage.run(holdall.path, ["convert", tmp_path / "m.pt", tmp_path / "o.npz"], tmp_path).status == 2, at
        assert not (tmp_path / "o.npz").exists()


def test_our_own_safetensors_guard_every_byte(holdall, tmp_path):
    torch.save({"w": torch.arange(64.0)}, tmp_path / "m.pt")
    holdall.convert(tmp_path / "m.pt", tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    assert holdall("verify", tmp_path / "m.safetensors", "--json").json["checked"]["digests"] == 1
    for at in range(len(data) - 256, len(data), 17):
        damaged = bytearray(data)
        damaged[at] ^= 4
        (tmp_path / "m.safetensors").write_bytes(bytes(damaged))
        document = holdall("verify", tmp_path / "m.safetensors", "--json", status=1).json
        assert document["sound"] is False and document["faults"]


@pytest.mark.parametrize("claim", [2**63, 2**40, 100_000_001, 2**32])
def test_claimed_sizes_cost_nothing(holdall, tmp_path, claim):
    """Headers that promise far more than the file holds."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [claim], "data_offsets": [0, 4 * claim]}}).encode()
    (tmp_path / "shape.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    (tmp_path / "length.safetensors").write_bytes(claim.to_bytes(8, "little") + b"{}")
    (tmp_path / "string.pkl").write_bytes(b"\x80\x04\x8d" + claim.to_bytes(8, "little") + b"abc.")
    (tmp_path / "frame.pkl").write_bytes(b"\x80\x04\x95" + claim.to_bytes(8, "little") + b"N.")
    npy = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({claim},), }}".ljust(117).encode() + b"\n"
    (tmp_path / "shape.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(npy).to_bytes(2, "little") + npy + bytes(16))
    for path in sorted(tmp_path.glob("*.*")):
        for verb in ("inspect", "verify"):
            done = damage.run(holdall.path, [verb, path], tmp_path)
            assert done.status in (1, 2) and done.resident < damage.Limits.resident_bytes, (path.name, verb, done.status, done.said)


@pytest.mark.parametrize("depth", [2_000, 2_000_000])
def test_deep_nesting_is_a_limit_not_a_crash(holdall, tmp_path, depth):
    (tmp_path / "deep.pkl").write_bytes(b"\x80\x02" + b"(" * 0 + b"]" * depth + b"a" * (depth - 1) + b".")
    (tmp_path / "tuples.pkl").write_bytes(b"\x80\x02N" + b"\x85" * depth + b".")
    (tmp_path / "marks.pkl").write_bytes(b"\x80\x02" + b"(" * depth + b"t" * depth + b".")
    text = '{"__metadata__":' + '{"a":' * depth + "1" + "}" * depth + "}"
    (tmp_path / "deep.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode())
    for path in sorted(tmp_path.glob("*.*")):
        for verb in ("inspect", "verify", "scan"):
            done = damage.run(holdall.path, [verb, path], tmp_path)
            assert done.status in (0, 1, 2), (path.name, verb, done.status, done.said[-500:])


def test_a_missing_and_a_forbidden_file_are_named(holdall, tmp_path):
    for verb in ("inspect", "verify", "scan"):
        outcome = holdall(verb, tmp_path / "absent.pt", status=2)
        assert "absent.pt" in outcome.err + outcome.out
    assert pathlib.Path(tmp_path).is_dir()


def test_strange_files_are_answered(holdall, tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text.txt").write_text("hello\n" * 100)
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    for name in ("empty", "text.txt", "noise", "loop", "folder"):
        outcome = holdall("inspect", tmp_path / name, status=2)
        assert name in outcome.err
    holdall("inspect", tmp_path / "pipe.pt", status=2, timeout=20)


@pytest.mark.parametrize("verb", ["inspect", "inspect --json", "verify", "scan", "diff"])
def test_a_header_of_many_small_tensors_takes_four_times_its_size_at_most(holdall, tmp_path, verb):
    count = 200_000
    entries = (f'"t{i}":{{"dtype":"U8","shape":[1],"data_offsets":[{i},{i + 1}]}}' for i in range(count))
    header = ("{" + ",".join(entries) + "}").encode()
    path = tmp_path / "many.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(count))
    files = [path, path] if verb == "diff" else [path]
    run = damage.run(holdall.path, [*verb.split(), *files], tmp_path)
    assert run.status == 0, run.said
    assert run.resident < 64_000_000 + 4 * len(header) * len(files)


@pytest.fixture(scope="module")
def many_small_tensors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    state = {f"layer.{i}.scale": torch.zeros(1, dtype=torch.uint8) for i in range(100_000)}
    torch.save(state, folder / "many.pt")
    numpy.savez(folder / "many.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    return folder


def zip_headers(path):
    """Bytes of what describes the tensors of an archive: its directory, and its pickle or the headers of its arrays."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        described = sum(member.file_size for member in members if member.filename.endswith(".pkl"))
        described += sum(128 for member in members if member.filename.endswith(".npy"))
        return path.stat().st_size - archive.start_dir + described


@pytest.mark.parametrize("verb", ["inspect", "inspect --json", "verify", "scan"])
@pytest.mark.parametrize("name", ["many.pt", "many.npz"])
def test_an_archive_of_many_small_tensors_takes_four_times_its_headers_at_most(holdall, many_small_tensors, tmp_path, name, verb):
    path = many_small_tensors / name
    run = damage.run(holdall.path, [*verb.split(), path], tmp_path)
    assert run.status == 0, run.said
    assert run.resident < 64_000_000 + 4 * zip_headers(path)


# A few bytes of a pickle refer to a megabyte that it says once: nothing may be said again each time.
BOMBS = {
    "texts": lambda text, times: [text] * times,
    "bytes": lambda text, times: [text.encode()] * times,
    "keys": lambda text, times: [{text: i} for i in range(times)],
    "path": lambda text, times: {text: list(range(times))},
    "paths": lambda text, times: {text: {i: i for i in range(times)}},
}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_a_pickle_says_once_is_not_said_a_thousand_times(holdall, tmp_path, kind):
    path, other = tmp_path / f"{kind}.pkl", tmp_path / f"other_{kind}.pkl"
    path.write_bytes(pickle.dumps(BOMBS[kind]("x" * 1_000_000, 20_000), 4))
    other.write_bytes(pickle.dumps(BOMBS[kind]("y" * 1_000_000, 20_000), 4))
    commands = [["inspect", path], ["inspect", "--json", path], ["scan", path], ["diff", path, path], ["diff", "--json", path, other],
                ["convert", path, tmp_path / "out.pkl"], ["convert", path, tmp_path / "out.safetensors"]]
    for command in commands:
        run = damage.run(holdall.path, command, tmp_path)
        assert run.status in (0, 1), (command, run.said)
        assert run.resident < damage.Limits.resident_bytes, command
        assert (tmp_path / "said").stat().st_size < 32_000_000, command
    assert (tmp_path / "out.safetensors").stat().st_size < 4_000_000
    holdall("diff", path, tmp_path / "out.safetensors")
