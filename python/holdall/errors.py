"""What can go wrong, as exceptions.

Every error of the library derives from `Error` and carries ``path`` (the file or member), ``offset`` (the byte, or
None) and ``context`` (on whose behalf, innermost first).
"""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .torch import Report

__all__ = [
    "CorruptError",
    "Error",
    "HoldallWarning",
    "LimitError",
    "LossError",
    "MismatchError",
    "MissingError",
    "StorageError",
    "UnsafeError",
    "UnsupportedError",
]


class Error(Exception):
    """Anything that Holdall reports: usage, cancelled, out of memory, and the base of all below."""

    def __init__(self, text: str, *, message: str = "", path: str = "", offset: int | None = None, context: list[str] | None = None) -> None:
        super().__init__(text if not path or path in text else f"{path}: {text}")
        self.message = message or text
        self.path = path
        self.offset = offset
        self.context: list[str] = context or []

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class CorruptError(Error, ValueError):
    """The file breaks a rule of its format or does not match a checksum."""


class UnsupportedError(Error, ValueError):
    """Well formed perhaps, but nothing that Holdall can do."""


class LimitError(Error, ValueError):
    """More than the limits allow: nesting, members, expansion."""


class LossError(Error, ValueError):
    """The target cannot hold something of the model; the message lists what."""


class UnsafeError(Error, ValueError):
    """It could only be built by running code that the file chooses; the message names it."""


class MismatchError(Error, ValueError):
    """A model's entries do not fit the module they were to be loaded into; ``report`` says which and how."""

    report: Report | None = None


class MissingError(Error, FileNotFoundError):
    """No such file, folder, member, tensor."""


class StorageError(Error, OSError):
    """The operating system refused: permission, space, input, output; ``errno`` where it said why."""


class HoldallWarning(UserWarning):
    """Worth a word but not a stop."""


def _make(name: str, text: str, message: str, path: str, offset: int | None, context: list[str], errno: int) -> builtins.Exception:
    error: Error = globals()[name](text, message=message, path=path, offset=offset, context=context)
    if errno and isinstance(error, OSError):
        error.errno = errno
        error.filename = path
    return error
