"""The hooks for pre-commit, run by pre-commit in a repository of git. They are those of language system: of language python they are
the same lines (asserted here), for which pre-commit would compile the whole of Holdall once more."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile

import pytest
import yaml

from conftest import ROOT

HOOKS = ROOT / ".pre-commit-hooks.yaml"
UNKNOWN = b"cmylab\nNet\n(tR."
# Plain text to whoever goes by bytes, in the oldest protocol.
MALICIOUS = b"cposix\nsystem\n(Vtouch pwned\ntR."


class Repository:
    """A work tree that commits through pre-commit."""

    def __init__(self, folder, holdall):
        self.folder = folder / "tree"
        self.hooks = folder / "hooks"
        programs = folder / "bin"
        for path in (self.folder, self.hooks, programs):
            path.mkdir()
        os.symlink(holdall.path, programs / "holdall")
        os.symlink(sys.executable, programs / "python")
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PRE_COMMIT_HOME": str(folder / "kept"),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **{f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        shutil.copy(HOOKS, self.hooks)
        for path in (self.hooks, self.folder):
            self.git("init", "-q", "-b", "main", cwd=path)
        self.git("add", ".", cwd=self.hooks)
        self.git("commit", "-q", "-m", "hooks", cwd=self.hooks)

    def run(self, *arguments, cwd=None, status=0):
        done = subprocess.run(
            arguments, cwd=cwd or self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def git(self, *arguments, **options):
        return self.run("git", *arguments, **options)

    def configure(self, **hook):
        revision = self.git("rev-parse", "HEAD", cwd=self.hooks).strip()
        given = {"repos": [{"repo": str(self.hooks), "rev": revision, "hooks": [{"id": "holdall-scan-system", **hook}]}]}
        (self.folder / ".pre-commit-config.yaml").write_text(json.dumps(given))
        self.git("add", ".")
        self.run(sys.executable, "-m", "pre_commit", "install")
        return self

    def commit(self, status=0, **files):
        """Adds files to what is committed; gives what was said."""
        for name, data in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.git("add", ".")
        return self.git("commit", "-m", "a change", status=status)


@pytest.fixture
def repository(tmp_path, holdall):
    return Repository(tmp_path, holdall)


def test_the_manifest_is_one_and_both_hooks_do_the_same():
    done = subprocess.run([sys.executable, "-m", "pre_commit", "validate-manifest", HOOKS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    compiled, system = yaml.safe_load(HOOKS.read_text())
    assert (compiled.pop("language"), system.pop("language")) == ("python", "system")
    for hook in (compiled, system):
        del hook["id"], hook["description"]
    assert compiled == system


def test_a_clean_commit_passes(repository):
    said = repository.configure().commit(**{"models/epoch.pkl": pickle.dumps({"epoch": 3}), "config.json": b'{"hidden_size": 8}', "notes.md": b"# Notes\n"})
    assert "holdall scan" in said and "Passed" in said
    assert "a change" in repository.git("log", "--oneline")


@pytest.mark.parametrize("name", ["weights.pt", "weights.bin", "weights.txt", "weights", "deep/er/w.pkl"])
def test_a_malicious_pickle_is_refused_and_named_whatever_it_is_called(repository, name):
    said = repository.configure().commit(1, **{name: MALICIOUS})
    assert "Failed" in said and "malicious" in said
    assert f"{name}@" in said and "imports posix.system, which no model needs" in said
    assert "a change" not in repository.git("log", "--all", "--oneline")


def test_a_configuration_that_names_code_is_refused(repository):
    said = repository.configure().commit(1, **{"config.json": b'{"auto_map": {"AutoModel": "other/repo--modeling.Net"}}'})
    assert "auto-map" in said


def test_an_archive_that_begins_as_a_script_is_looked_at(repository):
    """By pre-commit's own types an executable is what its first line says it is."""
    path = repository.folder / "model.keras"
    path.write_bytes(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    path.chmod(0o755)
    assert "model.keras" in repository.configure().commit(1)


def test_a_policy_is_an_argument(repository):
    (repository.folder / "models.toml").write_text('[allow]\nnames = ["mylab.Net"]\n')
    repository.configure(args=["--policy", "models.toml", "--"])
    assert "Passed" in repository.commit(**{"net.pkl": UNKNOWN})
    assert "other.pkl" in repository.commit(1, **{"other.pkl": UNKNOWN.replace(b"Net", b"Other")})


def test_without_the_policy_the_same_is_refused(repository):
    assert "mylab.Net" in repository.configure().commit(1, **{"net.pkl": UNKNOWN})


@pytest.mark.parametrize("name", ["--help", "--version", "--policy=models.toml", "-q"])
def test_a_name_is_no_flag(repository, name):
    (repository.folder / "models.toml").write_text('[allow]\nnames = ["posix.system"]\n')
    said = repository.configure().commit(1, **{name: MALICIOUS})
    assert "malicious" in said


def test_a_whole_folder_is_judged_where_that_is_asked(repository):
    repository.configure(pass_filenames=False, always_run=True, args=["--", "models"])
    assert "Passed" in repository.commit(**{"models/epoch.pkl": pickle.dumps({"epoch": 3}), "elsewhere.pkl": MALICIOUS})
    assert "models/bad.pkl@" in repository.commit(1, **{"models/bad.pkl": MALICIOUS})


def test_sources_and_prose_are_left_to_those_who_read_the_diff(repository):
    said = repository.configure(files=r"\.(py|md|pdf)$").commit(**{"hubconf.py": b"import torch\n", "a.md": b"# A\n", "a.pdf": b"%PDF-1.4\n"})
    assert "no files to check" in said
