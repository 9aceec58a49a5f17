"""Policies as a team uses them: scan, convert and the Python package under one file."""

import torch

import pickles


class Settings:
    """What no table of inert names has."""

    def __init__(self):
        self.rate = 0.1


MINE = pickles.call("mylab.nets", "make", pickles.unicode("x"))


def policy(tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


def test_scan_under_a_policy(holdall, tmp_path):
    (tmp_path / "mine.pkl").write_bytes(MINE)
    assert holdall("scan", tmp_path / "mine.pkl", "--json", status=1).json["verdict"] == "code"
    document = holdall("scan", tmp_path / "mine.pkl", "--json", "--policy", policy(tmp_path, '[allow]\nnames = ["mylab.*"]')).json
    assert (document["verdict"], document["findings"]) == ("inert", [])
    assert [(each["rule"], each["subject"]) for each in document["allowed"]] == [("pickle-global", "mylab.nets.make")]


def test_a_policy_allows_no_attack_beside_what_it_names(holdall, tmp_path):
    (tmp_path / "both.pkl").write_bytes(MINE + pickles.SYSTEM)
    rules = policy(tmp_path, '[allow]\nnames = ["mylab.*", "os.*"]\nrules = ["pickle-global"]')
    document = holdall("scan", tmp_path / "both.pkl", "--json", "--policy", rules, status=1).json
    assert document["verdict"] == "malicious" and [each["subject"] for each in document["findings"]] == ["os.system"]


def test_convert_holds_to_a_policy_and_writes_nothing_else(holdall, tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt")
    none = policy(tmp_path, '[forbid]\nformats = ["pytorch"]')
    refused = holdall("convert", tmp_path / "a.pt", tmp_path / "a.safetensors", "--policy", none, status=1)
    assert "forbidden" in refused.err and "pytorch" in refused.err
    assert not (tmp_path / "a.safetensors").exists()
    only = policy(tmp_path, '[allow]\nformats = ["pytorch"]')
    # The result is of a format of its own choice: the policy is about what comes in.
    holdall("convert", tmp_path / "a.pt", tmp_path / "a.safetensors", "--policy", only, "--check")
    (tmp_path / "bad.pt").write_bytes(pickles.zipped(pickles.SYSTEM))
    refused = holdall("convert", tmp_path / "bad.pt", tmp_path / "b.safetensors", "--allow-loss", "--policy", only, status=1)
    assert "malicious" in refused.err and not (tmp_path / "b.safetensors").exists()


def test_a_mistake_in_a_policy_is_no_answer(holdall, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    failed = holdall("scan", tmp_path / "a.json", "--policy", policy(tmp_path, '[allow]\nnams = ["x"]'), status=2)
    assert "line 2" in failed.err and "nams" in failed.err and failed.out == ""
    holdall("scan", tmp_path / "a.json", "--policy", tmp_path / "absent.toml", status=2)


def test_code_leaves_as_safetensors_with_what_was_dropped_listed(holdall, tmp_path):
    """The remedy that findings name."""
    torch.save({"weights": {"w": torch.arange(4.0)}, "settings": Settings()}, tmp_path / "code.pt")
    document = holdall("scan", "--json", tmp_path / "code.pt", status=None).json
    assert document["verdict"] == "code" and "holdall convert" in document["findings"][0]["remedy"]
    done = holdall("convert", tmp_path / "code.pt", tmp_path / "clean.safetensors", "--json").json
    assert done["disarmed"] == ["test_policy.Settings"]
    # Into another pickle it goes as it was.
    assert holdall("convert", tmp_path / "code.pt", tmp_path / "again.pt", "--json").json["disarmed"] == []
    assert holdall("scan", "--json", tmp_path / "clean.safetensors").json["verdict"] == "inert"
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / "clean.safetensors")["weights.w"], torch.arange(4.0))
