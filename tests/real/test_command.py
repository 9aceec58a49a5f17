"""The command as a person and a script meet it: help, typing errors, colour, tabs, completion, the manual page."""

import os
import pathlib
import pty
import re
import resource
import shutil
import subprocess

import pytest
import torch

import samples

VERBS = ["inspect", "convert", "diff", "verify", "scan", "formats", "checkpoint"]
ESCAPE = "\x1b["


@pytest.fixture
def model(tmp_path):
    torch.save(samples.state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def on_a_terminal(command, env=None, columns=100):
    """What the command prints when standard output and error are a terminal."""
    parent, child = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm", **(env or {})})
    os.close(child)
    out = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    os.close(parent)
    process.wait(30)
    return out.decode("utf-8", "replace")


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_usage_and_an_example(holdall, verb):
    out = holdall(verb, "--help").out
    assert f"holdall {verb}" in out and "--json" in out and "--quiet" in out
    assert re.search(r"(?i)examples?", out), out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_help_lists_every_verb(holdall):
    out = holdall("--help").out
    assert all(verb in out for verb in VERBS)
    assert holdall("--version").out.strip()


def test_no_arguments_is_a_usage_error(holdall):
    assert "--help" in holdall(status=2).err


@pytest.mark.parametrize("arguments, meant", [
    (["inspct", "x"], "inspect"), (["convrt", "a", "b"], "convert"), (["scna", "x"], "scan"), (["inspect", "--jsn", "x"], "--json"),
    (["inspect", "--digset", "x"], "--digest"), (["convert", "--chekc", "a", "b"], "--check"),
])
def test_a_typing_error_gets_a_suggestion(holdall, arguments, meant):
    outcome = holdall(*arguments, status=2)
    assert "did you mean" in outcome.err.lower() and meant in outcome.err


def test_a_mistyped_format_dtype_and_tensor_get_suggestions(holdall, model, tmp_path):
    for arguments, meant in (
        (["convert", model, tmp_path / "o", "--to", "safetensor"], "safetensors"),
        (["convert", model, tmp_path / "o.npz", "--dtype", "flaot16"], "float16"),
        (["inspect", model, "--tensors", "head.wieght"], "head.weight"),
        (["convert", model, tmp_path / "o.npz", "--select", "head.wieght"], "head.weight"),
    ):
        outcome = holdall(*arguments, status=2)
        assert "did you mean" in outcome.err.lower() and meant in outcome.err, outcome


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["inspect"], ["convert", "a"], ["diff", "a"], ["inspect", "a", "--unknown"], ["scan"],
                                       ["convert", "a", "b", "--dtype"], ["diff", "a", "b", "--atol", "x"]])
def test_usage_errors_are_two(holdall, arguments):
    outcome = holdall(*arguments, status=2)
    assert outcome.err.strip() and not outcome.out.strip()


def test_lists_are_tab_separated_and_whole_in_a_pipe(holdall, tmp_path):
    name = "a" * 300
    torch.save({name: torch.ones(3, 4), "b": torch.ones(2, dtype=torch.int64)}, tmp_path / "m.pt")
    out = holdall("inspect", tmp_path / "m.pt").out
    assert ESCAPE not in out
    rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
    by_name = {cell: row for row in rows for cell in row}
    assert name in by_name and "float32" in by_name[name] and "int64" in by_name["b"]


def test_every_tensor_has_a_line_in_a_pipe(holdall, model):
    out = holdall("inspect", model).out
    cells = {cell for line in out.splitlines() for cell in line.split("\t")}
    assert set(samples.state_dict()) <= cells


def test_formats_is_tab_separated_in_a_pipe(holdall):
    lines = holdall("formats").out.splitlines()
    assert all("\t" in line for line in lines) and any(line.startswith("safetensors\t") for line in lines)


def test_colour_only_on_a_terminal_and_not_against_the_users_wish(holdall, model):
    assert ESCAPE in on_a_terminal([holdall.path, "inspect", str(model)])
    assert ESCAPE not in on_a_terminal([holdall.path, "inspect", str(model)], {"NO_COLOR": "1"}).replace("\x1b[K", "").replace("\x1b[2K", "")
    assert ESCAPE not in holdall("inspect", model).out + holdall("inspect", model).err


def test_repeating_blocks_are_folded_on_a_terminal(holdall, tmp_path):
    torch.save({f"encoder.layer.{i}.attention.weight": torch.ones(2, 2) for i in range(12)}, tmp_path / "m.pt")
    out = on_a_terminal([holdall.path, "inspect", str(tmp_path / "m.pt")])
    assert "encoder.layer.{0..11}.attention.weight" in re.sub(r"\x1b\[[0-9;]*m", "", out)


def test_quiet_says_nothing_and_answers(holdall, model, tmp_path):
    for arguments in (["verify", model], ["scan", model], ["convert", model, tmp_path / "o.npz"], ["diff", model, model]):
        outcome = holdall(*arguments, "--quiet")
        assert not outcome.err


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_document(holdall, model, tmp_path, verb):
    folder = pathlib.Path(model).parent
    others = {"convert": [model, tmp_path / "o.npz"], "diff": [model, model], "formats": [], "checkpoint": ["ls", folder]}
    arguments = others.get(verb, [model])
    outcome = holdall(verb, *arguments, "--json")
    assert isinstance(outcome.json, (dict, list)) and outcome.out.count("\n") >= 1


def test_errors_name_file_offset_found_and_allowed(holdall, tmp_path):
    (tmp_path / "m.safetensors").write_bytes((200_000_000).to_bytes(8, "little") + b"{}")
    err = holdall("inspect", tmp_path / "m.safetensors", status=2).err
    assert "m.safetensors" in err and re.search(r"@ \d+", err) and len(re.findall(r"\d[\d,]*", err)) >= 2


def test_a_missing_output_folder_is_named_and_nothing_else(holdall, model, tmp_path):
    for out in ("missing/dir/b.safetensors", "missing/dir/b.npz"):
        outcome = holdall("convert", model, tmp_path / out, status=2)
        assert str(tmp_path / out) in outcome.err and f"there is no folder '{tmp_path}/missing/dir'" in outcome.err
        assert ".tmp" not in outcome.err
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_read_by_its_shell(holdall, tmp_path, shell):
    script = holdall("--generate", shell).out
    assert all(verb in script for verb in VERBS)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "completion").write_text(script)
    done = subprocess.run([shell, "-n", str(tmp_path / "completion")], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_bash_completes_verbs_and_flags(holdall, tmp_path):
    (tmp_path / "completion").write_text(holdall("--generate", "bash").out)
    probe = """
        source "$1"; function_name="$(complete -p holdall | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=(); $function_name; echo "${COMPREPLY[@]}"; }
        complete_words holdall ins; complete_words holdall inspect --dig
    """
    done = subprocess.run(["bash", "-c", probe, "bash", str(tmp_path / "completion")], capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [["inspect"], ["--digest"]], done


def test_the_manual_page_is_sound(holdall, tmp_path):
    page = holdall("--generate", "man").out
    assert all(verb in page for verb in VERBS)
    (tmp_path / "holdall.1").write_text(page)
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(tmp_path / "holdall.1")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_starting_costs_milliseconds(holdall):
    def processor_seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = os.posix_spawn(holdall.path, [holdall.path, "formats"], os.environ,
                               file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        os.waitpid(child, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(processor_seconds() for _ in range(20)) < 0.01


def test_a_closed_pipe_is_no_error_message(holdall, tmp_path):
    torch.save({f"w{i}": torch.ones(1) for i in range(5000)}, tmp_path / "m.pt")
    done = subprocess.run(f"{holdall.path} inspect {tmp_path / 'm.pt'} | head -1", shell=True, capture_output=True, text=True)
    assert done.stdout and "terminate" not in done.stderr


def test_control_characters_in_names_do_not_reach_the_terminal(holdall, tmp_path):
    torch.save({"evil\x1b[2Jname\n\ttab": torch.ones(1)}, tmp_path / "m.pt")
    assert "\x1b[2J" not in holdall("inspect", tmp_path / "m.pt").out
    assert "\x1b[2J" not in on_a_terminal([holdall.path, "inspect", str(tmp_path / "m.pt")])
    assert "evil\x1b[2Jname\n\ttab" in holdall("inspect", tmp_path / "m.pt", "--json").tensors
