"""Where a checkpoint was made, and what differs where it is taken up again."""

from __future__ import annotations

import os
import sys
from typing import Any

from .. import _native
from .._origin import commit_of, version_of

Environment = dict[str, Any]

# Packages whose versions matter to a training, where they are in use.
_PACKAGES = (
    "torch", "numpy", "tensorflow", "keras", "jax", "sklearn", "transformers", "accelerate", "peft", "lightning", "torchdata", "torchvision",
    "datasets", "tokenizers", "safetensors",
)  # fmt: skip


def environment() -> Environment:
    """{"commit": {"commit", "dirty"} or None, "packages": {name: version}, "command", "host", "python"}."""
    import platform
    import shlex

    packages = {"holdall": _native.__version__}
    for name in _PACKAGES:
        if name in sys.modules and (version := version_of(name)) is not None:
            packages[name] = version
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return {
        "commit": commit_of(os.path.abspath(main)) if main else None,
        "packages": packages,
        "command": shlex.join([sys.executable or "python", *sys.argv]),
        "host": platform.node(),
        "python": platform.python_version(),
    }


def differences(then: Any, now: Environment) -> list[str]:
    """A line for each version and for the commit, where they are not the same."""
    if not isinstance(then, dict):
        return []
    lines = []
    before = {**_dict(then.get("packages")), "python": then.get("python")}
    after = {**now["packages"], "python": now["python"]}
    for name, version in before.items():
        if name in after and version != after[name]:
            lines.append(f"{name} was {version}, and is {after[name]}")
    was, is_now = _dict(then.get("commit")), _dict(now["commit"])
    if was.get("commit") != is_now.get("commit") and was and is_now:
        lines.append(f"the code was at commit {str(was.get('commit'))[:12]}, and is at {str(is_now.get('commit'))[:12]}")
    elif is_now.get("dirty") and not was.get("dirty"):
        lines.append("the code has changes that are not committed; it had none")
    return lines


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
