"""Where results come from: versions of packages, the commit of the code."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SECONDS = 10


def version_of(package: str) -> str | None:
    """What is installed here; None for what says no version."""
    if package == "python":
        import platform

        return platform.python_version()
    version = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(version, str):
        return str(version)
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def commit_of(path: str) -> dict[str, Any] | None:
    """{"commit", "dirty"} of the repository that tracks a file; None where there is none.

    Asks git, which is kept from running what the repository configures: hooks, filters, file monitors. "dirty" is None where git
    could not tell.
    """
    folder = os.path.dirname(path)
    if not os.path.isfile(path) or _git(folder, "ls-files", "--error-unmatch", "--", path) is None:
        return None
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is None:
        return None
    status = _git(folder, *_tamed(folder), "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return {"commit": head.strip(), "dirty": None if status is None else bool(status.strip())}


def _tamed(folder: str) -> list[str]:
    """Options that empty every filter that the configuration names."""
    keys = (_git(folder, "config", "--null", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process|required)$") or "").split("\0")
    emptied = {key: "false" if key.endswith(".required") else "" for key in keys if key}
    return [word for key, value in emptied.items() for word in ("-c", f"{key}={value}")]


def _git(folder: str, *words: str) -> str | None:
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
    }  # fmt: skip
    import subprocess

    command = ["git", "-C", folder, "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", *words]
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
