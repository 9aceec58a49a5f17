"""The GitHub Action: as its schema has it, run step by step as a runner would, its comments sent to a server that answers as GitHub."""

import json
import os
import pickle
import re
import subprocess
import sys
from html import escape

import pytest
import yaml
from markdown_it import MarkdownIt

from github import ROOT, GitHub, Runner

GUIDE = ROOT / "docs/guides/scanning.md"
NASTY = "a`|@all\n::error::no <b>##[stop-commands]x\u202e.pkl"


class Payload:
    def __reduce__(self):
        return os.system, ("touch pwned",)


# A class of nobody that is known, alone and beside os.system.
UNKNOWN = b"cmylab\nNet\n(tR."
BOTH = b"(lcmylab\nNet\n(tRacposix\nsystem\n(Vtouch pwned\ntRa."


@pytest.fixture
def work(tmp_path):
    """A work tree of git with two files that are inert and one that is not."""
    folder = tmp_path / "work"
    (folder / "models").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / "README.md").write_text("# Models\n")
    (folder / "models/good.pkl").write_bytes(pickle.dumps({"epoch": 3}))
    (folder / "models/bad.pkl").write_bytes(pickle.dumps(Payload()))
    subprocess.run(["git", "-C", folder, "add", "."], check=True)  # objects and an index, which scan would not understand
    return folder


@pytest.fixture
def run(tmp_path, work, holdall):
    def call(environment=(), **inputs):
        inputs = {"command": holdall.path, "comment": "false", **inputs}
        return Runner(tmp_path / "runner", work, environment)(**inputs)

    return call


def commented(run, github, tmp_path, **inputs):
    with github.serve(tmp_path) as environment:
        return run(environment, comment="true", **inputs)


def html(markdown):
    return MarkdownIt("commonmark").enable("table").render(markdown)


def schema_check(kind, *paths):
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}", *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def yaml_blocks():
    return re.findall(r"```yaml title=\"([^\"]+)\"\n(.*?)```", GUIDE.read_text(), re.S)


def test_the_action_and_the_workflows_of_the_guide_are_as_their_schemas_say(tmp_path):
    schema_check("github-actions", ROOT / "action.yml")
    flows = [text for title, text in yaml_blocks() if title.startswith(".github/workflows/")]
    assert flows
    for number, flow in enumerate(flows):
        path = tmp_path / f"flow-{number}.yml"
        path.write_text(flow)
        schema_check("github-workflows", path)
        for step in next(iter(yaml.safe_load(flow)["jobs"].values()))["steps"]:
            if "holdall@" in step.get("uses", ""):
                assert step.get("with", {}).keys() <= yaml.safe_load((ROOT / "action.yml").read_text())["inputs"].keys()


def test_no_input_is_text_of_a_script():
    for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_a_malicious_file_fails_the_job_after_everything_is_told(run, work):
    done = run()
    assert done.status == 1
    assert done.outputs == {"verdict": "malicious", "sarif-file": "holdall.sarif"}
    assert "::error file=models/bad.pkl,title=holdall scan%3A malicious::pickle-global: imports posix.system" in done.log
    assert "| malicious | `models/bad.pkl` | `imports posix.system, which no model needs` | `pickle-global` |" in done.summary
    assert "3 files, 1 not inert" in done.summary
    sarif = json.loads((work / "holdall.sarif").read_text())
    assert [result["ruleId"] for result in sarif["runs"][0]["results"]] == ["pickle-global"]
    assert ".git" not in (work / "holdall.sarif").read_text()
    [(action, given)] = done.used
    assert re.fullmatch(r"github/codeql-action/upload-sarif@v\d+", action)
    assert given == {"sarif_file": "holdall.sarif", "category": "holdall", "token": "a-token"}
    assert not (work / "pwned").exists()


def test_a_clean_tree_passes(run, work):
    (work / "models/bad.pkl").unlink()
    done = run(path=f"README.md\n{work}/models\n", upload_sarif="false")
    assert (done.status, done.outputs["verdict"], done.used) == (0, "inert", [])
    assert "::error" not in done.log
    uris = [artifact["location"]["uri"] for artifact in json.loads((work / "holdall.sarif").read_text())["runs"][0]["artifacts"]]
    assert uris == ["README.md", "models/good.pkl"]


@pytest.mark.parametrize("fail_on, status", [("malicious", 1), ("forbidden, code,unreadable", 0), ("none", 0), ("malicious\ncode", 1)])
def test_what_fails_is_chosen(run, fail_on, status):
    done = run(fail_on=fail_on)
    assert (done.status, done.outputs["verdict"]) == (status, "malicious")
    assert ("::error " in done.log) == bool(status) and ("::warning " in done.log) != bool(status)


def test_a_lesser_finding_of_a_file_counts_too(run, work):
    """fail-on: code, and a file that is code and malicious."""
    (work / "models/bad.pkl").write_bytes(BOTH)
    assert run(fail_on="code").status == 1


@pytest.mark.parametrize(
    "inputs, says",
    [
        ({"fail_on": "malicous"}, "fail-on"),
        ({"fail_on": ""}, "fail-on"),
        ({"fail_on": "none, code"}, "fail-on"),
        ({"path": " \n"}, "names nothing"),
        ({"path": "models\nmodel"}, "model is not there"),
        ({"policy": "missing.toml"}, "missing.toml"),
        ({"command": "/nowhere/holdall"}, "/nowhere/holdall"),
        ({"command": "/bin/true"}, "Expecting value"),
        ({"sarif_file": "a\nverdict=inert"}, "a line break"),
    ],
)
def test_no_answer_is_a_failure(run, inputs, says):
    done = run(**{"fail_on": "none", **inputs})
    assert done.status == 1 and says in done.log
    assert done.outputs["verdict"] in ("", "malicious")
    assert done.used == []


def test_a_policy_moves_the_line(run, work):
    (work / "models/bad.pkl").write_bytes(UNKNOWN)
    assert (run().outputs["verdict"]) == "code"
    (work / "models.toml").write_text('[allow]\nnames = ["mylab.Net"]\n')
    done = run(policy="models.toml")
    assert (done.status, done.outputs["verdict"]) == (0, "inert")
    (work / "models.toml").write_text('[forbid]\nformats = ["pickle"]\n')
    done = run(policy="models.toml", fail_on="forbidden")
    assert (done.status, done.outputs["verdict"]) == (1, "forbidden")


def test_inputs_are_no_shell(run, work):
    name = "$(touch one) `touch two`; touch three"
    (work / name).write_text("{}")
    assert run(path=f"{name}\nmodels", sarif_file="x; touch four", fail_on="none", category="'; touch five").status == 0
    assert run(path="models", policy="$(touch six)").status == 1
    assert not {"one", "two", "three", "four", "five", "six"} & set(os.listdir(work))


def test_a_name_of_a_stranger_is_no_flag(run, work):
    """A file '--help' would have the command end well, '--policy=…' would have it go by the stranger's own policy."""
    for name in ("--help", "--policy=models.toml"):
        (work / name).write_bytes(pickle.dumps(Payload()))
    (work / "models.toml").write_text('[allow]\nnames = ["posix.system"]\n')
    assert run(path="--help\n--policy=models.toml").status == 1


def test_hostile_names_and_messages_are_data_in_the_log_and_in_markdown(run, work, tmp_path):
    (work / NASTY).write_bytes(pickle.dumps(Payload()))
    github = GitHub([NASTY])
    done = commented(run, github, tmp_path)
    # No line that a runner takes for a command but our own, and none of the old form anywhere.
    commands = [line for line in done.log.splitlines() if line.lstrip().startswith("::")]
    assert all(re.match(r"::(error|warning) file=[^,:]+,title=holdall scan%3A \w+::", line) for line in commands)
    assert not [line for line in done.log.splitlines() if "##[" in line and not line.startswith("::")]
    shown = r"a\x60\x7c@all\x0a::error::no <b>\x23#[stop-commands]x\u202e.pkl"
    page = html(done.summary)
    assert page.count("<tr>") == 3 and page.count("<td") == 8 and f"<code>{escape(shown)}</code>" in page
    [(_, _, content)] = [call for call in github.log if call[1].startswith("/repos/lab/models/pulls")]
    assert content["path"] == NASTY
    comment = html(content["body"])
    assert re.search(rf"at <code>{re.escape(escape(shown))}@\d+</code>", comment)
    assert "\u202e" not in comment and set(re.findall(r"<(\w+)", comment)) == {"strong", "p", "ul", "li", "code", "br"}


def test_a_file_of_the_request_gets_a_comment_and_the_others_one_together(run, work, tmp_path):
    for name in ("old.pkl", "large.pkl"):
        (work / name).write_bytes(pickle.dumps(Payload()))
    github = GitHub([f"other/{number}.txt" for number in range(250)] + ["models/bad.pkl", "large.pkl"])
    github.refuse = lambda method, path, content: 422 if method == "POST" and content.get("path") == "large.pkl" else None
    done = commented(run, github, tmp_path)
    assert done.status == 1
    [first, second] = github.log
    assert first[:2] == ("POST", "/repos/lab/models/pulls/7/comments")
    assert (first[2]["path"], first[2]["subject_type"], first[2]["commit_id"]) == ("models/bad.pkl", "file", "c0ffee")
    assert "**holdall scan: malicious**" in first[2]["body"] and "`imports posix.system, which no model needs`" in first[2]["body"]
    assert second[:2] == ("POST", "/repos/lab/models/issues/7/comments")
    assert "`old.pkl`" in second[2]["body"] and "`large.pkl`" in second[2]["body"] and "bad.pkl" not in second[2]["body"]
    assert github.tokens == {"Bearer a-token"}


@pytest.mark.parametrize("login", [None, "a-person"])
def test_comments_are_changed_and_not_repeated(run, work, tmp_path, login):
    (work / "old.pkl").write_bytes(pickle.dumps(Payload()))
    github = GitHub(["models/bad.pkl"], login)
    commented(run, github, tmp_path)
    commented(run, github, tmp_path)
    assert [method for method, _, _ in github.log] == ["POST", "POST"]
    (work / "models/bad.pkl").write_bytes(UNKNOWN)
    commented(run, github, tmp_path)
    [*_, (method, path, content)] = github.log
    assert len(github.log) == 3 and (method, path) == ("PATCH", "/repos/lab/models/pulls/comments/101")
    assert "**holdall scan: code**" in content["body"] and "mylab.Net" in content["body"]
    (work / "models/bad.pkl").unlink()
    (work / "old.pkl").unlink()
    assert commented(run, github, tmp_path).status == 0
    assert len(github.log) == 5
    assert all("nothing is found here any more" in row["body"] for rows in github.comments.values() for row in rows)
    commented(run, github, tmp_path)
    assert len(github.log) == 5


def test_a_mark_in_the_comment_of_somebody_else_is_left_alone(run, tmp_path):
    """An attacker who wrote the mark first would have the warning put where he can take it away."""
    github = GitHub(["models/bad.pkl"])
    commented(run, github, tmp_path)
    [comment] = github.comments["pulls"]
    comment["user"] = {"login": "mallory", "type": "User"}
    commented(run, github, tmp_path)
    assert [method for method, _, _ in github.log] == ["POST", "POST"]


def test_another_category_has_comments_of_its_own(run, tmp_path):
    github = GitHub(["models/bad.pkl"])
    commented(run, github, tmp_path)
    commented(run, github, tmp_path, category="nightly")
    assert [method for method, _, _ in github.log] == ["POST", "POST"]


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_token_that_may_not_comment_changes_no_verdict(run, work, tmp_path, status):
    github = GitHub(["models/bad.pkl"])
    github.refuse = lambda method, path, content: status if method == "POST" else None
    done = commented(run, github, tmp_path, fail_on="none")
    assert done.status == 0 and f"::warning title=holdall scan::no comments: GitHub answers {status}" in done.log
    assert len(done.used) == 1


def test_many_files_make_few_comments(run, work, tmp_path):
    names = [f"many/{number:03}{'`' * 150}.pkl" for number in range(150)]
    (work / "many").mkdir()
    (work / "models/bad.pkl").unlink()
    for name in names:
        (work / name).write_bytes(pickle.dumps(Payload()))
    github = GitHub(names)
    commented(run, github, tmp_path)
    assert len(github.comments["pulls"]) == 30
    [common] = github.comments["issues"]
    assert "… and 20 more" in common["body"] and len(common["body"]) < 65536
    commented(run, github, tmp_path)
    assert len(github.log) == 31 + 30 + 1, "the next thirty get theirs, the common one shrinks"


def test_an_ordinary_push_has_no_comments(run, work, tmp_path):
    (tmp_path / "push.json").write_text(json.dumps({"ref": "refs/heads/main"}))
    done = run({"GITHUB_EVENT_PATH": str(tmp_path / "push.json")}, comment="true", fail_on="none")
    assert done.status == 0 and "not a pull request" in done.log


def test_sarif_stays_within_what_code_scanning_takes(run, work, monkeypatch):
    sys.path.insert(0, str(ROOT / "action"))
    import scan

    result = {"level": "warning", "ruleId": "x", "message": {"text": "\udcff"}}
    results = [result] * 30000 + [{**result, "level": "error"}] * 10
    kept = json.loads(scan.bounded({"runs": [{"results": results, "artifacts": []}]}))["runs"][0]["results"]
    assert len(kept) == 5000 and sum(entry["level"] == "error" for entry in kept) == 10
    monkeypatch.setattr(scan, "MOST_BYTES", 2000)
    noise = [{"location": {"uri": os.urandom(100).hex()}} for _ in range(100)]
    kept = json.loads(scan.bounded({"runs": [{"results": [result], "artifacts": noise}]}))["runs"][0]
    assert "artifacts" not in kept and len(kept["results"]) == 1
