"""inspect, diff, match, verify, scan, convert, update, formats: the documents of the command's --json, as plain dicts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import _native
from ._model import source_of
from ._progress import reporting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, overload

    from ._model import PathLike, Source
    from ._progress import Callback
    from .errors import MismatchError

    Document = dict[str, Any]
    Progress = bool | Callback | None


def inspect(
    source: Source,
    *,
    digest: bool = False,
    stats: bool = False,
    tensors: Iterable[str] = (),
    html: PathLike | None = None,
    progress: Progress = None,
) -> Document:
    """What a model is: label, tensors, tree, metadata, verdict, warnings.

    `digest` adds each tensor's SHA-256, `stats` its statistics (both read every byte); `tensors`: globs over names. `html`: a file to
    write a page to that shows it all with charts, needs no network and no other file, and implies `stats`. `progress`: None
    shows a bar on a terminal where tqdm is installed, True wants one, False none; a callable is told (done, total) in bytes.
    Raises MissingError, StorageError, UnsupportedError, CorruptError, LimitError.
    """
    with reporting(progress, "reading") as tell:
        return _document(_native.inspect(source_of(source), _list(tensors), digest, stats, _place(html), tell))


def diff(
    a: Source, b: Source, *, atol: float = 0.0, rtol: float = 0.0, html: PathLike | None = None, progress: Progress = None
) -> Document:
    """What differs between two models, across formats. `same` is the answer.

    Values x of `a` and y of `b` agree when ``|x - y| <= atol + rtol * |y|``; without a tolerance when their bytes are equal.
    `html`: a file to write a page to, with a map of the differences by layer and kind. Raises as inspect().
    """
    with reporting(progress, "comparing") as tell:
        return _document(_native.diff(source_of(a), source_of(b), atol, rtol, _place(html), tell))


def match(
    a: Source, b: Source, *, names: PathLike | None = None, least_cosine: float = 0.9, progress: Progress = None
) -> Document:
    """Which tensor of `a` is which of `b`, whatever they are called: ``{"complete", "pairs", "only_a", "only_b"}``.

    Each pair says by what: ``"digest"`` the same bytes, ``"values"`` the same numbers in another order of axes or another dtype, ``"close"``
    nearly the same (a cast, a quantisation, more training; at least `least_cosine`), ``"name"`` shapes that fit and names that say the same. `names`: a file to write the map to,
    for ``convert(names=…)`` and ``update(names=…)``. Raises as inspect().
    """
    with reporting(progress, "comparing") as tell:
        return _document(_native.match(source_of(a), source_of(b), _place(names), least_cosine, tell))


def update(
    graph: PathLike, weights: PathLike, output: PathLike, *, names: PathLike | None = None, sync: bool = True, progress: Progress = None
) -> Document:
    """Writes the model at `graph` (a graph with weights) to `output` with the tensors of `weights`; its format, graph and other files stay.

    `names`: a names file for the tensors of `weights`, as match() writes it. The document lists ``loaded``, ``missing`` (what keeps
    its value), ``cast`` and ``renamed``. Raises MismatchError, listing what the graph has no place for, before anything is written; else as convert().
    """
    with reporting(progress, "writing") as tell:
        text, written = _native.update(os.fsdecode(graph), os.fsdecode(weights), os.fsdecode(output), _place(names), sync, tell)
    document = _document(text)
    if not written:
        raise _refused(document)
    return document


def verify(source: Source, *, run: bool = False, progress: Progress = None) -> Document:
    """Whether a file is whole, to the last byte: ``{"sound", "checked", "faults"}``. Damage is an answer, not an exception.

    `run`: a sound model whose graph a runtime that is installed can run (ONNX Runtime, LiteRT, TensorFlow) is run once, on made-up inputs: ``"run"``
    is then ``{"runtime", "version", "ran", "error", "inputs", "outputs"}``. What `scan` does not call inert is not run.
    Raises MissingError, StorageError, UnsupportedError.
    """
    with reporting(progress, "verifying") as tell:
        document = _document(_native.verify(source_of(source), tell))
    if run and document["sound"]:
        from ._run import run as run_graph

        document["run"] = run_graph(source)  # type: ignore[arg-type]
    return document


# A str is an iterable of str too: the first that fits is meant.
if TYPE_CHECKING:

    @overload
    def scan(source: Source, *, policy: PathLike | None = None, progress: Progress = None) -> Document: ...  # type: ignore[overload-overlap]
    @overload
    def scan(source: Iterable[PathLike], *, policy: PathLike | None = None, progress: Progress = None) -> list[Document]: ...


def scan(
    source: Source | Iterable[PathLike], *, policy: PathLike | None = None, progress: Progress = None
) -> Document | list[Document]:
    """Whether loading could run code: ``{"path", "verdict", "findings", "files"}``; a list for several paths.

    What cannot be read has the verdict ``"unreadable"``. `policy`: a TOML file as ``holdall scan --policy`` takes it; what it allows stands in ``"allowed"``,
    a model of a format that it does not allow is ``"forbidden"``. `progress` counts files.
    """
    if isinstance(source, str | os.PathLike):
        with reporting(progress, "scanning", " files") as tell:
            return _documents(_native.scan([source_of(source)], _place(policy), tell))[0]
    if hasattr(source, "read"):
        return _documents(_native.scan_file(source_of(source), _place(policy)))[0]  # type: ignore[arg-type]
    with reporting(progress, "scanning", " files") as tell:
        return _documents(_native.scan([source_of(path) for path in source], _place(policy), tell))


def convert(
    source: Source,
    output: PathLike,
    *,
    format: str | None = None,
    dtype: str | None = None,
    select: Iterable[str] = (),
    rename: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    names: PathLike | None = None,
    allow_loss: bool = False,
    check: bool = False,
    shard_size: int | str = 0,
    alignment: int = 0,
    compress: bool = False,
    sync: bool = True,
    policy: PathLike | None = None,
    progress: Progress = None,
) -> Document:
    """The same model in another format, in one pass and bounded memory; written whole or not at all.

    `format`: an id of formats(); without it the extension chooses. `dtype`: for every floating-point tensor. `select`: globs
    over names. `rename`: old to new, with at most one ``*`` each. `names`: a names file as match() writes it, or ``"pytorch"``: the names
    and shapes of PyTorch for a model of Flax, one of Keras's own layers, a TensorFlow model of transformers, Google's BERT or OpenAI's GPT-2; or ``"flax"``: Flax's for one of PyTorch; or
    ``"tensorflow"``: those of ``tf_model.h5`` for one of transformers' in PyTorch; or ``"own"``: the model's, where a folder of transformers would else
    become a GGUF file that llama.cpp runs. `shard_size`: bytes, or a text like ``"5GB"``; `alignment`: of
    each tensor's bytes, a power of two. `compress` deflates where the format can. `sync=False` does not wait for the disk. `check`
    reads the result back and compares every digest. `policy`: as scan() has it. `progress`: as inspect() has it.

    Raises LossError, listing what the target cannot hold, unless `allow_loss`; UnsafeError for what is not inert under a policy; else as inspect().
    """
    pairs = list(rename.items() if isinstance(rename, Mapping) else rename)
    with reporting(progress, "converting") as tell:
        text = _native.convert(
            source_of(source), os.fsdecode(output), format or "", dtype, _list(select), pairs, _place(names), allow_loss, check, size_of(shard_size),
            alignment, compress, sync, _place(policy), tell,
        )
    return _document(text)


def formats() -> list[Document]:
    """Every format: ``{"id", "title", "extensions", "folder", "read", "write"}``."""
    return _documents(_native.formats())


def _document(text: str) -> Document:
    import json

    document: Document = json.loads(text)
    return document


def _documents(text: str) -> list[Document]:
    import json

    documents: list[Document] = json.loads(text)
    return documents


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def size_of(size: int | str) -> int:
    """Bytes; ``"5GB"`` is 5 * 10**9, ``"5GiB"`` 5 * 2**30. Raises ValueError, TypeError."""
    if isinstance(size, int):
        return size
    if not isinstance(size, str):
        raise TypeError(f"a size is a number of bytes or a text like '5GB', not {type(size).__name__}")
    import re

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*", size.upper())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{size!r} is no size; write 5GB or 500MiB")
    return int(float(match[1]) * _UNITS[match[2]])


def _place(path: PathLike | None) -> str | None:
    return None if path is None else os.fsdecode(path)


def _refused(document: Document) -> MismatchError:
    from ._report import Report, mismatch

    wrong = [(each["name"], tuple(each["file"]), tuple(each["graph"])) for each in document["mismatched"]]
    report = Report(document["loaded"], document["missing"], document["unexpected"], wrong)
    return mismatch("the weights do not fit the graph", report, document["graph"])


def _list(globs: Iterable[str]) -> list[str]:
    return [globs] if isinstance(globs, str) else list(globs)
