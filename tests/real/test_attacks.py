"""Each vector of attacks.py: it acts where it is loaded, the scan says so, and no command lets it act."""

import collections
import os
import tarfile
import zipfile
import zlib

import pytest

import attack
from attacks import ATTACKS, CLASSES

RANK = {"inert": 0, "code": 1, "unreadable": 2, "malicious": 3}
# A vector of each class in each of the frames that a repository or a download puts around it.
FRAMES = ("zip", "tar", "folder")
# Its verdict may be better there: the name of the file or its place is what makes a loader run it.
# An archive of arrays is opened by numpy.load alone, which takes its members for arrays.
BY_PLACE = ("content-mismatch/numpy_and_zip", "content-mismatch/text_that_imports", "code-by-reference/folder_", "nested-config/tf_", "nested-config/onnx_external_", "expansion/")


def verdict(holdall, path, cwd):
    outcome = holdall("scan", path, "--json", status=None, timeout=60, memory=3 << 30, cwd=cwd)
    document = outcome.json
    assert document["verdict"] == "inert" or document["findings"], "a verdict says why"
    return document["verdict"], outcome


@pytest.fixture
def places(tmp_path):
    """Where a vector lies, and an empty folder where it would leave its trace."""
    for name in ("vector", "cwd"):
        (tmp_path / name).mkdir()
    return tmp_path / "vector", tmp_path / "cwd"


def test_every_class_is_tried_in_five_ways_at_least():
    counted = collections.Counter(name.split("/")[0] for name in ATTACKS)
    assert set(counted) == set(CLASSES)
    assert min(counted.values()) >= 5, counted


@pytest.mark.parametrize("name", ATTACKS)
def test_a_vector_has_the_verdict_that_is_right_and_no_command_lets_it_act(holdall, places, name):
    vector, cwd = places
    path = ATTACKS[name].make(vector)
    found, outcome = verdict(holdall, path, cwd)
    assert found in ATTACKS[name].verdicts, outcome
    if not name.startswith("expansion/"):
        holdall("inspect", path, status=None, timeout=60, cwd=cwd)
        holdall("verify", path, status=None, timeout=60, cwd=cwd)
        holdall("convert", path, cwd / "out.safetensors", "--allow-loss", status=None, timeout=60, cwd=cwd)
    assert {entry.name for entry in os.scandir(cwd)} <= {"out.safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name].fire])
def test_a_vector_acts_where_its_victim_loads_it(places, name):
    vector, cwd = places
    fired, errors = attack.fire(ATTACKS[name], ATTACKS[name].make(vector), cwd)
    assert fired, errors


def packed(frame, path, folder):
    out = folder.parent / f"packed.{frame}"
    if frame == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
                archive.write(file, f"{path.name}/{file.relative_to(path)}")
    else:
        with tarfile.open(out, "w") as archive:
            archive.add(path, path.name)
    return out


@pytest.mark.parametrize("frame", ["zip", "tar"])
# What lies behind a link is not in the archive.
@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("code-by-reference/folder_") and "link" not in name])
def test_a_repository_is_as_bad_in_an_archive(holdall, places, name, frame):
    vector, cwd = places
    path = ATTACKS[name].make(vector)
    found, outcome = verdict(holdall, packed(frame, path, vector), cwd)
    assert found in ATTACKS[name].verdicts, outcome


def framed(frame, path, folder):
    if frame == "folder":
        (folder / "about.md").write_text("A model.\n")
        return folder
    packed = folder.parent / f"packed.{frame}"
    if frame == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, f"files/{path.name}")
    else:
        with tarfile.open(packed, "w") as archive:
            archive.add(path, f"files/{path.name}")
    return packed


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith(BY_PLACE)])
def test_a_vector_is_as_bad_in_a_frame(holdall, places, name, frame):
    vector, cwd = places
    path = ATTACKS[name].make(vector)
    found, outcome = verdict(holdall, framed(frame, path, vector), cwd)
    # What the frame makes of it may be no file that its format reads; clean it is never.
    assert RANK[found] >= min(RANK["unreadable"], *(RANK[right] for right in ATTACKS[name].verdicts)), outcome


@pytest.mark.parametrize("opcodes", [b"]", b"}", b"N0", b"\x88q\x00"], ids=["lists", "dicts", "popped", "kept"])
def test_what_a_compressed_pickle_costs_grows_with_what_is_stored(holdall, tmp_path, opcodes):
    path = tmp_path / "model.joblib"
    path.write_bytes(zlib.compress(b"\x80\x02(" + opcodes * (150_000_000 // len(opcodes)) + b"l.", 9))
    assert path.stat().st_size < 2_000_000
    assert "pickle-unreadable" in holdall("scan", path, status=2, timeout=60, memory=1 << 30).out
