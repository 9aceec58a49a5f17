"""`holdall checkpoint` over folders that the library's own Checkpointer wrote, with whatever else may lie in them; torch reads what is found."""

import json
import os
import shutil
import subprocess
import time

import pytest
import torch

from test_pages import drawn, sound
from browser import Browser

SAVES = [(100, 1, {"loss": 0.9, "acc": 0.1}), (200, 1, {"loss": 0.5, "acc": 0.3}), (300, 2, {"loss": 0.7, "acc": 0.35}),
         (400, 2, {"loss": 0.6, "acc": 0.4}), (500, 3, {"loss": 0.55, "acc": 0.6})]  # fmt: skip


@pytest.fixture
def save(program):
    """Saves checkpoints: (step, epoch, metrics) each."""

    def make(folder, saves, *rules):
        lines = "".join(f"{step} {epoch} {' '.join(f'{name}={value}' for name, value in metrics.items())}\n" for step, epoch, metrics in saves)
        subprocess.run([program("make_checkpoints"), folder, *rules], input=lines, text=True, check=True)
        return folder

    return make


@pytest.fixture
def run(save, tmp_path):
    return save(tmp_path / "run", SAVES)


@pytest.fixture
def messy(run, save, tmp_path):
    """What else a folder may hold: files cut short, empty, foreign, of a later version, folders, a link."""
    whole = (run / "checkpoint_epoch3_step500.pt").read_bytes()
    (run / "checkpoint_epoch9_step900.pt").write_bytes(whole[:1000])
    (run / "empty.pt").write_bytes(b"")
    (run / "notes\t.txt").write_text("hello")
    (run / "logs").mkdir()
    torch.save({"w": torch.ones(2)}, run / "other.pt")
    save(tmp_path / "later", [(700, 1, {})], "name=later{step}.safetensors")
    later = (tmp_path / "later" / "later700.safetensors").read_bytes()
    stamp = later.index(b'"holdall.checkpoint"')
    (run / "later.safetensors").write_bytes(later[:stamp] + later[stamp:].replace(b'version\\":1,', b'version\\":9,', 1))
    return run


def rows(outcome):
    return [line.split("\t") for line in outcome.out.splitlines()]


def steps(listed):
    return [row["step"] for row in listed.json]


def test_what_is_found_is_read_by_torch(holdall, run):
    path = holdall("checkpoint", "latest", run).out.removesuffix("\n")
    assert torch.load(path, weights_only=True)["step"] == 500
    path = holdall("checkpoint", "best", run, "--metric", "loss:min").out.removesuffix("\n")
    assert torch.equal(torch.load(path, weights_only=True)["model_state_dict"]["weight"], torch.full((4,), 200.0))
    assert holdall("checkpoint", "best", run, "--metric", "acc:max", "--json").json["step"] == 500
    assert holdall("checkpoint", "latest", run, "--json").json["path"] == str(run / "checkpoint_epoch3_step500.pt")


def test_a_shell_can_use_the_path(holdall, run):
    done = subprocess.run(["bash", "-c", f'cat "$({holdall.path} checkpoint latest {run})" | wc -c'], capture_output=True, text=True)
    assert int(done.stdout) == (run / "checkpoint_epoch3_step500.pt").stat().st_size


def test_ls_gives_what_was_saved(holdall, run):
    listed = holdall("checkpoint", "ls", "--json", run).json
    assert [(row["step"], row["epoch"], row["metrics"]) for row in listed] == SAVES
    for row in listed:
        assert row["bytes"] == os.stat(row["path"]).st_size and row["state"] == "complete" and row["kept"] and abs(row["time"] - time.time()) < 3600
    for fields, row in zip(rows(holdall("checkpoint", "ls", run)), listed, strict=True):
        step, epoch, metrics, size, age, state, kept, fate, path = fields
        assert (int(step), int(epoch), int(size), state, kept, fate, path) == (row["step"], row["epoch"], row["bytes"], "complete", "kept", row["fate"], row["path"])
        assert dict(metric.split("=") for metric in metrics.split()) == {name: repr(value) for name, value in row["metrics"].items()} and int(age) >= 0


def test_every_entry_is_told_as_what_it_is(holdall, messy):
    listed = {row["path"].rsplit("/", 1)[1]: row for row in holdall("checkpoint", "ls", "--json", messy, "--keep-last", "1").json}
    assert listed.keys() == {name for name in os.listdir(messy) if not name.startswith(".")}
    states = {name: row["state"] for name, row in listed.items() if row["state"] != "complete"}
    assert states == {"checkpoint_epoch9_step900.pt": "damaged", "empty.pt": "damaged", "notes\t.txt": "foreign", "logs": "foreign",
                      "other.pt": "foreign", "later.safetensors": "future"}  # fmt: skip
    assert all(listed[name]["why"] and listed[name]["kept"] for name in states)
    lines = rows(holdall("checkpoint", "ls", messy, "--keep-last", "1"))
    assert len(lines) == len(listed) and all(len(line) == 9 for line in lines)
    assert holdall("checkpoint", "latest", messy).out.endswith("step500.pt\n")


def test_files_copied_in_deleted_and_a_lost_journal_change_nothing_else(holdall, run):
    (run / "checkpoint_epoch3_step500.pt").unlink()
    shutil.copy(run / "checkpoint_epoch1_step200.pt", run / "copy.pt")
    (run / ".holdall.journal").unlink()
    listed = holdall("checkpoint", "ls", "--json", run).json
    assert [row["step"] for row in listed] == [100, 200, 200, 300, 400] and {row["state"] for row in listed} == {"complete"}
    assert holdall("checkpoint", "latest", run).out.endswith("step400.pt\n")


def test_verify_finds_a_flipped_bit_and_leaves_foreign_files_alone(holdall, run):
    (run / "notes.txt").write_text("hello")
    assert holdall("checkpoint", "verify", run, "--json").json["sound"] is True
    path = run / "checkpoint_epoch2_step300.pt"
    whole = bytearray(path.read_bytes())
    whole[whole.index(torch.full((1,), 300.0).numpy().tobytes())] ^= 1
    path.write_bytes(whole)
    outcome = holdall("checkpoint", "verify", run, status=1)
    verdicts = {fields[0]: fields[1] for fields in rows(outcome) if fields[1] != "fault"}
    assert verdicts.pop(str(path)) == "damaged" and verdicts.pop(str(run / "notes.txt")) == "foreign"
    assert set(verdicts.values()) == {"sound"} and len(verdicts) == 4
    assert [fields[0] for fields in rows(outcome) if fields[1] == "fault"] == [str(path)]
    assert holdall("checkpoint", "verify", "--quiet", run, status=1).out == ""
    document = holdall("checkpoint", "verify", "--json", run, status=1).json
    assert document["sound"] is False
    assert [row["step"] for row in document["checkpoints"] if row["verdict"] == "damaged"] == [300]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_damaged(holdall, run):
    (run / "checkpoint_epoch2_step300.pt").chmod(0)
    assert [fields[1] for fields in rows(holdall("checkpoint", "verify", run, status=1)) if "step300" in fields[0]] == ["damaged", "fault"]


def test_a_file_exchanged_for_another_checkpoint_is_damaged(holdall, run):
    shutil.copy(run / "checkpoint_epoch2_step400.pt", run / "checkpoint_epoch2_step300.pt")
    found = [fields for fields in rows(holdall("checkpoint", "verify", run, status=1)) if fields[1] == "fault"]
    assert len(found) == 1 and "step300" in found[0][0] and "400" in found[0][4]


def test_prune_removes_what_the_rules_let_go_and_nothing_else(holdall, messy):
    before = set(os.listdir(messy))
    flags = ["--keep-last", "1", "--keep-best", "1", "--metric", "loss:min"]
    tried = holdall("checkpoint", "prune", messy, *flags, "--dry-run")
    assert set(os.listdir(messy)) == before
    done = holdall("checkpoint", "prune", messy, *flags)
    assert done.out == tried.out and [fields[0] for fields in rows(done)] == ["removed"] * 3
    gone = before - set(os.listdir(messy))
    assert gone == {f"checkpoint_epoch{epoch}_step{step}.pt" for epoch, step in ((1, 100), (2, 300), (2, 400))}
    assert {fields[1] for fields in rows(done)} == {str(messy / name) for name in gone}
    assert holdall("checkpoint", "prune", messy, *flags, "--json").json["removed"] == []


def test_rules_compose_and_the_newest_stays_whatever_they_say(holdall, run):
    kept = lambda *flags: [row["step"] for row in holdall("checkpoint", "ls", "--json", run, *flags).json if row["kept"]]
    assert kept("--keep-last", "2") == [400, 500]
    assert kept("--keep-every", "200") == [200, 400, 500]
    assert kept("--keep-every", "200", "--keep-best", "1", "--metric", "loss:max") == [100, 200, 400, 500]
    assert kept("--keep-best", "2", "--metric", "loss", "--metric", "acc:max") == [200, 400, 500]
    assert kept("--max-bytes", "1") == [500]
    assert kept("--max-age", "1w") == [100, 200, 300, 400, 500]
    assert kept("--keep-last", "3", "--max-bytes", "1", "--keep-every", "300") == [300, 500]
    assert kept("--metric", "loss:min") == [200, 500]


def test_the_trainings_own_rules_are_the_rule_and_its_best_is_never_removed(holdall, save, tmp_path):
    run = save(tmp_path / "run", SAVES, "last=3", "best=loss:min:2")
    assert steps(holdall("checkpoint", "ls", "--json", run)) == [200, 300, 400, 500]
    assert holdall("checkpoint", "best", run, "--json").json["step"] == 200
    assert holdall("checkpoint", "prune", run).out == ""
    holdall("checkpoint", "prune", run, "--keep-last", "1")
    assert steps(holdall("checkpoint", "ls", "--json", run)) == [200, 500]
    holdall("checkpoint", "prune", run, "--max-bytes", "1")
    assert steps(holdall("checkpoint", "ls", "--json", run)) == [200, 500]


def test_what_somebody_has_open_is_held(holdall, run):
    with (run / "checkpoint_epoch1_step100.pt").open("rb"):
        outcome = holdall("checkpoint", "prune", run, "--keep-last", "4")
        assert rows(outcome) == [["held", str(run / "checkpoint_epoch1_step100.pt"), "no rule keeps it"]]
    assert (run / "checkpoint_epoch1_step100.pt").exists()
    assert rows(holdall("checkpoint", "prune", run, "--keep-last", "4"))[0][0] == "removed"


def test_diff_is_that_of_the_verb(holdall, run):
    files = [run / "checkpoint_epoch1_step200.pt", run / "checkpoint_epoch3_step500.pt"]
    by_step = holdall("checkpoint", "diff", run, "200", "500", "--json", status=1)
    assert by_step.json == holdall("diff", *files, "--json", status=1).json
    assert holdall("checkpoint", "diff", run, "best", "latest", "--metric", "loss:min", "--json", status=1).json == by_step.json
    assert holdall("checkpoint", "diff", run, "500", "latest").out == ""
    assert "values" not in holdall("checkpoint", "diff", run, "200", "500", "--atol", "1000", status=1).out
    holdall("checkpoint", "diff", run, "200", "500", "--html", run.parent / "page.html", status=1)
    assert "difference" in (run.parent / "page.html").read_text()


def test_none_is_an_answer(holdall, tmp_path):
    (tmp_path / "empty").mkdir()
    for action in (["latest"], ["best", "--metric", "loss"]):
        outcome = holdall("checkpoint", *action, tmp_path / "empty", status=1)
        assert outcome.out == "" and "there is no complete checkpoint" in outcome.err
        assert holdall("checkpoint", *action, "--quiet", tmp_path / "empty", status=1).err == ""
        assert holdall("checkpoint", *action, "--json", tmp_path / "empty", status=1).json is None
    assert holdall("checkpoint", "ls", "--json", tmp_path / "empty").json == []
    assert holdall("checkpoint", "verify", tmp_path / "empty").out == ""


def test_a_metric_that_is_no_number_everywhere_is_nobodys_best(holdall, save, tmp_path):
    run = save(tmp_path / "run", [(1, 0, {"loss": "nan"}), (2, 0, {"loss": "inf"})])
    assert holdall("checkpoint", "best", run, "--metric", "loss:min", "--json").json["step"] == 2
    assert holdall("checkpoint", "ls", "--json", run).json[0]["metrics"] == {"loss": {"$float": "nan"}}


@pytest.mark.parametrize(
    "words, said",
    [
        (["ls", "nowhere"], "nowhere"),
        (["ls", "run/checkpoint_epoch1_step100.pt"], "Not a directory"),
        (["best", "run"], "--metric"),
        (["best", "run", "--metric", "los"], "did you mean 'loss'"),
        (["best", "run", "--metric", "loss", "--metric", "acc"], "once"),
        (["best", "run", "--metric", ":max"], "needs a metric's name"),
        (["prune", "run"], "by which rules?"),
        (["prune", "run", "--keep-best", "2"], "by which metric"),
        (["prune", "run", "--keep-best", "2", "--metric", "x"], "no checkpoint has a metric 'x'"),
        (["prune", "run", "--keep-last", "0"], "'0' is no count"),
        (["prune", "run", "--max-age", "7"], "'7' is no age"),
        (["prune", "run", "--max-bytes", "much"], "'much' is no size"),
        (["prune", "run", "--metric", "loss:min", "--metric", "loss:max"], "two rules for the best by loss"),
        (["ls", "run", "--json", "--html", "-"], "--json and --html -"),
        (["diff", "run", "1", "200"], "no complete checkpoint of step 1"),
        (["diff", "run", "first", "200"], "'first' is no STEP"),
        (["lates", "run"], "did you mean 'latest'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason_and_removes_nothing(holdall, run, words, said):
    before = sorted(os.listdir(run))
    outcome = holdall("checkpoint", *words, cwd=run.parent, status=2)
    assert said in outcome.err and outcome.out == "" and sorted(os.listdir(run)) == before


def test_shells_complete_actions_and_their_flags(holdall, tmp_path):
    (tmp_path / "completion").write_text(holdall("--generate", "bash").out)
    probe = """
        source "$1"
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _holdall 2>/dev/null; echo "${COMPREPLY[@]}"; }
        complete_words holdall checkpoint pr; complete_words holdall checkpoint prune --dr; complete_words holdall checkpoint latest --dr
    """
    done = subprocess.run(["bash", "-c", probe, "bash", str(tmp_path / "completion")], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["prune", "--dry-run", ""], done


def test_fish_completes_actions_and_their_flags(holdall, tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (tmp_path / "completion").write_text(holdall("--generate", "fish").out)
    offered = lambda line: subprocess.run(
        ["fish", "-c", f"source {tmp_path}/completion; complete -C '{line}'"], capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)}
    ).stdout  # fmt: skip
    assert [line.split("\t")[0] for line in offered("holdall checkpoint ").splitlines()] == ["best", "diff", "latest", "ls", "prune", "verify"]
    assert "--dry-run" in offered("holdall checkpoint prune --") and "--dry-run" not in offered("holdall checkpoint ls --")
    assert "--stats" in offered("holdall inspect --") and "--keep-last" not in offered("holdall inspect --")


@pytest.fixture(scope="module")
def browser():
    driven = Browser()
    yield driven
    driven.close()


@pytest.mark.parametrize("scheme, width", [("light", 1400), ("dark", 1400), ("dark", 520)])
def test_the_page_draws_the_timeline(holdall, messy, browser, scheme, width):
    page = messy.parent / "timeline.html"
    holdall("checkpoint", "ls", messy, "--html", page, "--keep-last", "2", "--keep-best", "1", "--metric", "loss:min")
    browser.open(page, scheme, width)
    sound(browser, page)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth") and drawn(browser, ".timeline") > 10
    shown = browser.run(
        """const option = echarts.getInstanceByDom(document.querySelector('.timeline')).getOption();
        return {titles: option.title.map(title => title.text), series: option.series.map(one => [one.name, one.data.map(point => point.value ?? point)])}"""
    )
    series = {name: data for name, data in shown["series"]}
    assert shown["titles"] == ["loss", "acc"]
    assert series["1 line"] == [[step, metrics["loss"]] for step, _, metrics in SAVES]
    assert series["1 best"] == [[200, 0.5]] and series["2 best"] == [[200, 0.3]]
    assert series["2 kept"] == [[400, 0.4], [500, 0.6]] and series["0 goes"] == [[100, 0], [300, 0]]
    assert "2 damaged" in browser.run("return document.querySelector('.title').textContent")


def test_the_pages_table_has_every_entry_and_opens_it(holdall, messy, browser):
    (messy / "<img src=x onerror=alert(1)>").write_text("x")
    page = messy.parent / "timeline.html"
    holdall("checkpoint", "ls", messy, "--html", page)
    browser.open(page)
    sound(browser, page)
    names = browser.run("return [...document.querySelectorAll('tbody tr[data-row]')].map(row => [...row.cells].at(-1).textContent)")
    assert len(names) == 12 and {"checkpoint_epoch1_step100.pt", "notes\\t.txt", "<img src=x onerror=alert(1)>"} <= set(names)
    assert browser.run("return document.querySelectorAll('main img').length") == 0
    browser.run("const search = document.querySelector('input'); search.value = 'future'; search.dispatchEvent(new Event('input'))")
    browser.run("document.querySelector('tbody .link').click()")
    assert "version 9" in browser.run("return document.querySelector('dialog').textContent")


def test_the_pages_data_is_the_document_of_json_and_it_needs_no_script(holdall, messy):
    text = holdall("checkpoint", "ls", messy, "--html", "-").out
    data = text.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    assert json.loads(data)["timeline"]["checkpoints"] == holdall("checkpoint", "ls", "--json", messy).json
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert plain.count("<tr>") == len(os.listdir(messy)) - 2 + 1 and "notes\\t.txt" in plain


def test_a_folder_without_anything_is_a_page_too(holdall, tmp_path, browser):
    (tmp_path / "empty").mkdir()
    holdall("checkpoint", "ls", tmp_path / "empty", "--html", tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    sound(browser, tmp_path / "page.html")
    assert "the folder is empty" in browser.run("return document.querySelector('main').textContent")
