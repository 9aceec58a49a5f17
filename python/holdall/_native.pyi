from collections.abc import Callable, Sequence
from typing import Any

from holdall._model import BinaryFile


__version__: str

def dtypes() -> dict[str, tuple[int, int]]:
    """{name: (elements of a block, bytes of a block)}; 0 bytes: elements without a fixed size."""

def builders() -> list[str]:
    """The builders of the table of globals."""

def judged(module: str, name: str) -> tuple[str, str]:
    """(builder, verdict) of a global."""

def temporary_beside(path: object) -> str:
    """A path beside another, for what is prepared there: the next writer sweeps it once this process is gone (io/publish.h)."""

class Memory:
    """Bytes in memory; supports the buffer protocol, writable."""

    def __len__(self) -> int: ...

    @property
    def address(self) -> int: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...

class Model:
    """An opened model: names, tensors on disk, values."""

    def load_elements(
        self, entries: Sequence[int], check: bool, mapped: bool, progress: Callable[[int, int], object] | None
    ) -> list[Memory]:
        """The elements of each entry, row-major and without gaps. `progress` is told (done, total) in bytes."""

    def load_storages(
        self, entries: Sequence[int], check: bool, mapped: bool, progress: Callable[[int, int], object] | None
    ) -> tuple[list[Memory], list[tuple[int, tuple[int, ...] | None, int, str, tuple[int, ...]]]]:
        """Storages, each once, and for each entry (storage, strides or None, offset, dtype, shape), strides and offset in elements."""

    def check_cached(self, entries: Sequence[int]) -> bool:
        """Whether all have checksums and the system has them in memory: then they were read, and compared. Raises CorruptError."""

    def load_into(self, entries: Sequence[int], buffers: list[Any]) -> None:
        """The elements of each entry into a writable buffer of as many bytes."""

    def stage(
        self, entries: Sequence[int], check: bool, progress: Callable[[int, int], object] | None
    ) -> tuple[Staging, list[int], list[tuple[int, tuple[int, ...] | None, int, str, tuple[int, ...]]]]:
        """What reads the storages, the bytes of each, and the places of the entries as load_storages() has them."""

    def __len__(self) -> int: ...

    def names(self) -> list[str]: ...

    def facts(self, entry: int) -> tuple[str, tuple[int, ...], int, str, str]:
        """(dtype, shape, bytes, logical, file)"""

    def is_fortran(self, entry: int) -> bool: ...

    def location(self, entry: int) -> tuple[str, int] | None:
        """(path, offset in bytes) of elements that lie verbatim in a file."""

    def entries_by_index(self) -> list[int | None]: ...

    def side_file(self, name: str) -> Memory: ...

    def read_range(self, entry: int, begin: int, end: int) -> Memory: ...

    def tree(
        self,
        part: str,
        tensors: list[Any],
        tensor: Callable[[int, bool, bool, dict[str, Any] | None], Any] | None,
        global_: Callable[[str, str], Any],
        make: Callable[[str | None, str | None, Any, tuple[Any, ...] | None, dict[str, Any] | None, bool], Any],
        fill: Callable[[Any, Any, list[Any] | None, list[tuple[Any, Any]] | None], Any],
    ) -> Any:
        """A part of the model as Python's values; tree.h says what each callable is asked."""

    def save(
        self,
        path: str,
        format: str,
        allow_loss: bool,
        durable: bool,
        shard_bytes: int,
        alignment: int,
        compress: bool,
        progress: Callable[[int, int], object] | None,
        beside: dict[str, Model],
        may_go: Sequence[str],
    ) -> None: ...

    def fit(
        self,
        entries: list[tuple[str, tuple[int, ...], str | None]],
        rename: Callable[[str], str] | Sequence[tuple[str, str]] | None,
        prefix: str,
    ) -> tuple[dict[str, list[Any]], list[tuple[int, int]]]:
        """{list of FitReport (ops/fit.h): what is in it}, and (entry of the module, entry of the model) of equal shapes."""

    def updated(self, weights: Model) -> tuple[Model, dict[str, Any]]:
        """The model with the tensors of another where they fit, and {list of FitReport (ops/fit.h): what is in it}."""

    def with_metadata(self, describe: Callable[[Any], tuple[Any, ...]], metadata: dict[str, Any]) -> Model:
        """The same model with other metadata."""

    @property
    def parameters(self) -> int: ...

    @property
    def format(self) -> str: ...

    @property
    def detail(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def files(self) -> list[str]: ...

    @property
    def side_files(self) -> list[str]: ...

    @property
    def bytes(self) -> int: ...

    @property
    def warnings(self) -> list[str]: ...

    @property
    def has_config(self) -> bool: ...

class Staging:
    """Storages on their way through a buffer of the caller's."""

    def next(self, buffer: Any) -> list[tuple[int, int, int, int]]:
        """Fills a writable buffer with what comes next: (storage, offset in it, offset in the buffer, bytes); empty at the end."""

def renamed(rules: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    """What each name becomes by the rules that fit() takes."""

def open(source: str | BinaryFile, format: str = "") -> Model: ...

def open_to_load(source: str | BinaryFile) -> Model: ...

def require(source: str | BinaryFile | Model, policy: str) -> None:
    """Raises UnsafeError for what scan does not call inert under a policy's file."""

def build(
    root: Any,
    describe: Callable[[Any], tuple[Any, ...]],
    metadata: dict[str, Any] | None,
    framework: str,
    config: dict[str, Any] | None,
    side_files: dict[str, bytes] | None,
) -> Model:
    """A model of Python's values; tree.h says what `describe` answers."""

def inspect(
    source: str | BinaryFile, tensors: Sequence[str], digest: bool, stats: bool, html: str | None,
    progress: Callable[[int, int], object] | None,
) -> str: ...

def diff(
    a: str | BinaryFile, b: str | BinaryFile, atol: float, rtol: float, html: str | None,
    progress: Callable[[int, int], object] | None,
) -> str: ...

def match(
    a: str | BinaryFile, b: str | BinaryFile, names: str | None, least_cosine: float,
    progress: Callable[[int, int], object] | None,
) -> str: ...

def update(
    graph: str, weights: str, output: str, names: str | None, durable: bool, progress: Callable[[int, int], object] | None
) -> tuple[str, bool]: ...

def verify(source: str | BinaryFile, progress: Callable[[int, int], object] | None) -> str: ...

def scan(paths: Sequence[str], policy: str | None, progress: Callable[[int, int], object] | None) -> str: ...

def scan_file(file: BinaryFile, policy: str | None) -> str: ...

def convert(
    source: str | BinaryFile,
    output: str,
    to: str,
    dtype: str | None,
    select: Sequence[str],
    rename: Sequence[tuple[str, str]],
    names: str | None,
    allow_loss: bool,
    check: bool,
    shard_bytes: int,
    alignment: int,
    compress: bool,
    durable: bool,
    policy: str | None,
    progress: Callable[[int, int], object] | None,
) -> str: ...

def formats() -> str: ...

def write_hdf5(path: object, objects: list[Any], members: list[tuple[str, Any]] | None, alignment: int, deflate_level: int, durable: bool, replace: bool, progress: object | None) -> None:
    """An HDF5 file of [(path, elements or None for a group, attributes)], alone or as the member without bytes of an archive."""

class Checkpointer:
    """The writer of a folder of checkpoints, and its lease."""

    def stamp(self, step: int, epoch: int | None, metrics: Sequence[tuple[str, float]]) -> str: ...

    def save(
        self,
        model: Model,
        step: int,
        epoch: int | None,
        metrics: Sequence[tuple[str, float]],
        format: str,
        beside: dict[str, Model],
        may_go: Sequence[str],
    ) -> str:
        """The path that is being written; empty where the save was skipped."""

    def prepare(self, model: Model) -> None: ...

    def wait_for_room(self) -> None: ...

    def check(self) -> None: ...

    def wait(self) -> None: ...

    def close(self, wait: bool) -> None: ...

    def prune(self) -> list[str]: ...

    def events(self) -> list[dict[str, Any]]: ...

    @property
    def memory(self) -> int: ...

def open_checkpointer(folder: object, name: str, last: int | None, best: Sequence[tuple[str, str, int]], every: int | None, age: int | None, bytes: int | None, busy: str, in_flight: int, memory: int, durable: bool, threads: int) -> Checkpointer: ...

def read_checkpoints(folder: object, last: int | None, best: Sequence[tuple[str, str, int]], every: int | None, age: int | None, bytes: int | None, own_rules: bool) -> tuple[list[dict[str, Any]], list[int]]: ...

def default_signal(number: int) -> None: ...

def put_off_termination(seconds: int) -> None: ...

def best_checkpoints(folder: object, metric: str, mode: str) -> list[int]: ...
