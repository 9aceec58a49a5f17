"""The command between other programs: standard input, fields for `cut`, interruption, full disks and closed pipes."""

import os
import resource
import signal
import subprocess
import time

import numpy
import pytest
import torch
from safetensors.numpy import save_file

import samples


@pytest.fixture
def model(tmp_path):
    torch.save(samples.state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_standard_input_is_a_path_for_every_verb_that_reads(holdall, model, tmp_path):
    data = model.read_bytes()
    piped = holdall("inspect", "-", "--json", "--digest", stdin=data).tensors
    assert {name: entry["sha256"] for name, entry in piped.items()} == {
        name: entry["sha256"] for name, entry in holdall.inspect(model).tensors.items()
    }
    holdall("verify", "-", stdin=data)
    holdall("scan", "-", stdin=data)
    holdall("convert", "-", tmp_path / "o.safetensors", "--check", stdin=data)
    holdall("diff", "-", tmp_path / "o.safetensors", stdin=data)


def test_offsets_in_standard_input_are_those_in_the_stream(holdall, model, tmp_path):
    save_file({"x": numpy.arange(10_000_000, dtype=numpy.float32)}, tmp_path / "long.safetensors")  # more than is kept in memory
    for path in (model, tmp_path / "long.safetensors"):
        places = {name: entry["offset"] for name, entry in holdall.inspect(path).tensors.items()}
        piped = holdall("inspect", "-", "--json", stdin=path.read_bytes()).tensors
        assert {name: entry["offset"] for name, entry in piped.items()} == places
        assert any(place is not None for place in places.values())


def test_a_long_standard_input_is_kept_in_a_file_that_has_no_name(holdall, tmp_path):
    values = numpy.arange(10_000_000, dtype=numpy.float32)  # 40 MB, more than is kept in memory
    save_file({"x": values}, tmp_path / "x.safetensors")
    spool = tmp_path / "spool"
    spool.mkdir()
    data = (tmp_path / "x.safetensors").read_bytes()
    holdall("diff", "-", tmp_path / "x.safetensors", stdin=data, env={"TMPDIR": str(spool)})
    assert not list(spool.iterdir())


def test_standard_input_that_is_a_file_is_read_in_place(holdall, model):
    with open(model, "rb") as file:
        done = subprocess.run([holdall.path, "inspect", "-q", "-"], stdin=file, capture_output=True, text=True)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(samples.state_dict())


def test_quiet_inspect_is_a_line_of_six_fields_a_tensor(holdall, model):
    document = holdall("inspect", model, "--json").tensors
    lines = holdall("inspect", "--quiet", model).out.splitlines()
    assert len(lines) == len(document)
    for line in lines:
        name, dtype, shape, count, file, offset = line.split("\t")
        entry = document[name]
        assert (dtype, shape, int(count), file) == (entry["dtype"], str(entry["shape"]), entry["bytes"], entry["file"])
        assert offset == ("-" if entry["offset"] is None else str(entry["offset"]))


def test_facts_in_a_pipe_are_remarks_with_a_key(holdall, model):
    remarks = [line for line in holdall("inspect", model).out.splitlines() if line.startswith("# ")]
    facts = dict(line[2:].split("\t", 1) for line in remarks)
    assert facts["format"] == "pytorch" and facts["verdict"] == "inert" and int(facts["bytes"]) == model.stat().st_size


def test_digest_and_statistics_are_further_fields(holdall, tmp_path):
    torch.save({"w": torch.tensor([0.0, 1.0, float("nan"), float("inf")])}, tmp_path / "m.pt")
    fields = holdall("inspect", "-q", "--digest", "--stats", tmp_path / "m.pt").out.rstrip("\n").split("\t")
    assert len(fields[6]) == 64 and fields[7:] == ["0", "1", "0.5", "1", "1", "1"]


def test_differences_in_a_pipe_are_lines_that_begin_with_their_kind(holdall, tmp_path):
    torch.save({"a": torch.ones(2), "x": torch.zeros(3), "epoch": 1}, tmp_path / "a.pt")
    torch.save({"b": torch.ones(2), "x": torch.full((3,), 2.0), "epoch": 2}, tmp_path / "b.pt")
    lines = holdall("diff", tmp_path / "a.pt", tmp_path / "b.pt", status=1).out.splitlines()
    assert "only_a\ta" in lines and "only_b\tb" in lines and "tree\t/epoch\t1\t2" in lines
    changed = next(line.split("\t") for line in lines if line.startswith("values\t"))
    assert changed[1:5] == ["x", "float32 [3]", "float32 [3]", "2"]
    assert holdall("diff", tmp_path / "a.pt", tmp_path / "a.pt").out == ""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGQUIT])
def test_an_interrupted_conversion_leaves_nothing_and_dies_by_the_signal(holdall, tmp_path, signum):
    with open(tmp_path / "big.safetensors", "wb") as file:
        header = b'{"x":{"dtype":"U8","shape":[4000000000],"data_offsets":[0,4000000000]}}'
        header += b" " * (-len(header) % 8)
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 4_000_000_000)
    target = tmp_path / "out"
    target.mkdir()
    # Whoever runs the tests in the background may have them ignore these signals.
    process = subprocess.Popen([holdall.path, "convert", tmp_path / "big.safetensors", target / "o.pt", "--no-sync"],
                               preexec_fn=lambda: signal.signal(signum, signal.SIG_DFL))
    deadline = time.monotonic() + 20
    while not list(target.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(target.iterdir()), "the conversion did not begin"
    process.send_signal(signum)
    assert process.wait(30) == -signum
    assert not list(target.iterdir())


def test_a_limit_on_the_size_of_files_is_an_error(holdall, model, tmp_path):
    (tmp_path / "out").mkdir()
    done = subprocess.run([holdall.path, "convert", model, tmp_path / "out" / "o.npz"], stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)))
    assert done.returncode == 2 and "File too large" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_full_standard_output_is_an_error(holdall, model):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([holdall.path, "inspect", model], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "No space left" in done.stderr


def test_a_refusal_lists_its_losses_and_writes_nothing(holdall, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "folder" / "vocab.txt").write_text("[PAD]\n")
    save_file({"x": numpy.ones(3, numpy.float32)}, tmp_path / "folder" / "model.safetensors")
    outcome = holdall("convert", tmp_path / "folder", tmp_path / "o.pt", status=1)
    # The config travels in the file; a vocabulary has no place there.
    assert [line.split("\t")[:2] for line in outcome.out.splitlines()] == [["loss", "vocab.txt"]]
    assert "--allow-loss" in outcome.err and not os.path.exists(tmp_path / "o.pt")
    holdall("convert", tmp_path / "folder", tmp_path / "o.pt", "--allow-loss")
    assert holdall("inspect", tmp_path / "o.pt", "--json").json["config"] == {"model_type": "bert"}
