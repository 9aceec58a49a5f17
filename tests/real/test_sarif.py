"""`holdall scan --sarif` by Microsoft's own validator: the schema of SARIF 2.1.0, its rules and GitHub's.

Made for @microsoft/sarif-multitool-linux 5.7, whose folder $HOLDALL_SARIF_MULTITOOL names; ./test fetches it.
"""

import json
import os
import pathlib
import subprocess

import pytest

import pickles

MULTITOOL = os.environ.get("HOLDALL_SARIF_MULTITOOL", "")
pytestmark = pytest.mark.skipif(not MULTITOOL, reason="HOLDALL_SARIF_MULTITOOL does not say where the validator is")
# A tool without a home page: there is none to name.
KNOWN = {"SARIF2005"}


def faults(path):
    """What the validator says of a document: (rule, level)."""
    tool = pathlib.Path(MULTITOOL) / "Sarif.Multitool"
    tool.chmod(0o755)
    answer = path.with_suffix(".validated")
    command = [tool, "validate", path, "--rule-kind", "Sarif;Ghas", "--output", answer, "--log", "ForceOverwrite"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"})
    assert answer.exists(), done.stdout + done.stderr
    document = json.loads(answer.read_text(encoding="utf-8-sig"))
    return [(each["ruleId"], each.get("message")) for run in document["runs"] for each in run["results"] if each["ruleId"] not in KNOWN]


@pytest.fixture
def folder(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "a ünd b.pkl").write_bytes(pickles.SYSTEM)
    (models / "c.zip").write_bytes(pickles.zipped(pickles.SYSTEM))
    (models / "conf.yaml").write_text("model:\n  _target_: mylab.Net\n")
    (models / "cut.pkl").write_bytes(pickles.SYSTEM[:-1])
    (models / "config.json").write_text("{}")
    return models


def test_a_folder_of_findings_is_valid_and_says_them_all(holdall, tmp_path, folder):
    document = holdall("scan", "--json", folder, status=1).json
    out = holdall("scan", "--sarif", folder, status=1).out
    (tmp_path / "s.sarif").write_text(out)
    assert faults(tmp_path / "s.sarif") == []
    run = json.loads(out)["runs"][0]
    told = [(each["ruleId"], each["properties"]["severity"]) for each in run["results"]]
    assert told == [(each["rule"], each["severity"]) for each in document["findings"]]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == ("warning" if result["properties"]["severity"] == "code" else "error")
    lines = [each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in run["results"] if each["ruleId"] == "hydra-target"]
    assert lines == [2]
    assert {each["properties"]["verdict"] for each in run["artifacts"]} >= {"inert", "malicious"} and len(run["artifacts"]) == 5


def test_nothing_found_is_valid_too(holdall, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "s.sarif").write_text(holdall("scan", "--sarif", tmp_path / "a.json").out)
    assert faults(tmp_path / "s.sarif") == []


def test_relative_paths_stay_relative_and_fingerprints_stay(holdall, tmp_path, folder):
    results = [json.loads(holdall("scan", "--sarif", "models", cwd=tmp_path, status=1).out)["runs"][0]["results"] for _ in range(2)]
    assert results[0] == results[1]
    uris = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results[0]}
    assert uris == {"models/a%20%C3%BCnd%20b.pkl", "models/c.zip", "models/conf.yaml", "models/cut.pkl"}
    prints = [each["partialFingerprints"]["finding/v1"] for each in results[0]]
    assert len(set(prints)) == len(prints)


def test_what_a_policy_allows_is_suppressed(holdall, tmp_path, folder):
    (tmp_path / "p.toml").write_text('[allow]\nnames = ["mylab.*"]\n')
    out = holdall("scan", "--sarif", "--policy", tmp_path / "p.toml", folder / "conf.yaml").out
    (tmp_path / "s.sarif").write_text(out)
    assert faults(tmp_path / "s.sarif") == []
    (result,) = json.loads(out)["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "external"}]


def test_the_validator_sees_faults(holdall, tmp_path, folder):
    """Else its silence would say nothing."""
    document = json.loads(holdall("scan", "--sarif", folder, status=1).out)
    del document["runs"][0]["results"][0]["message"]
    (tmp_path / "bad.sarif").write_text(json.dumps(document))
    assert [rule for rule, _ in faults(tmp_path / "bad.sarif")] == ["JSON1002"]
