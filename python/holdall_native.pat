# What the stub says where the binding's own signatures are vaguer than what it takes and gives:
#   python -m nanobind.stubgen -m holdall._native -p python/holdall_native.pat -o python/holdall/_native.pyi
# Each entry is the name of what it replaces.

_native\.__version__$:
    __version__: str

_native\.dtypes$:
    def dtypes() -> dict[str, tuple[int, int]]:
        """{name: (elements of a block, bytes of a block)}; 0 bytes: elements without a fixed size."""

_native\.builders$:
    def builders() -> list[str]:
        """The builders of the table of globals."""

_native\.judged$:
    def judged(module: str, name: str) -> tuple[str, str]:
        """(builder, verdict) of a global."""

_native\.temporary_beside$:
    def temporary_beside(path: object) -> str:
        """A path beside another, for what is prepared there: the next writer sweeps it once this process is gone (io/publish.h)."""

_native\.renamed$:
    \from collections.abc import Sequence
    def renamed(rules: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
        """What each name becomes by the rules that fit() takes."""

# Python 3.12 and later show it by themselves, with less to say.
Memory\.__(release_)?buffer__$:

Memory\.__suffix__$:
    def __buffer__(self, flags: int, /) -> memoryview: ...

Model\.facts$:
    def facts(self, entry: int) -> tuple[str, tuple[int, ...], int, str, str]:
        """(dtype, shape, bytes, logical, file)"""

Model\.location$:
    def location(self, entry: int) -> tuple[str, int] | None:
        """(path, offset in bytes) of elements that lie verbatim in a file."""

Staging\.next$:
    \from typing import Any
    def next(self, buffer: Any) -> list[tuple[int, int, int, int]]:
        """Fills a writable buffer with what comes next: (storage, offset in it, offset in the buffer, bytes); empty at the end."""

Model\.load_elements$:
    \from collections.abc import Callable, Sequence
    def load_elements(
        self, entries: Sequence[int], check: bool, mapped: bool, progress: Callable[[int, int], object] | None
    ) -> list[Memory]:
        """The elements of each entry, row-major and without gaps. `progress` is told (done, total) in bytes."""

Model\.load_storages$:
    \from collections.abc import Callable, Sequence
    def load_storages(
        self, entries: Sequence[int], check: bool, mapped: bool, progress: Callable[[int, int], object] | None
    ) -> tuple[list[Memory], list[tuple[int, tuple[int, ...] | None, int, str, tuple[int, ...]]]]:
        """Storages, each once, and for each entry (storage, strides or None, offset, dtype, shape), strides and offset in elements."""

Model\.check_cached$:
    \from collections.abc import Sequence
    def check_cached(self, entries: Sequence[int]) -> bool:
        """Whether all have checksums and the system has them in memory: then they were read, and compared. Raises CorruptError."""

Model\.load_into$:
    \from collections.abc import Sequence
    def load_into(self, entries: Sequence[int], buffers: list[Any]) -> None:
        """The elements of each entry into a writable buffer of as many bytes."""

Model\.stage$:
    \from collections.abc import Callable, Sequence
    def stage(
        self, entries: Sequence[int], check: bool, progress: Callable[[int, int], object] | None
    ) -> tuple[Staging, list[int], list[tuple[int, tuple[int, ...] | None, int, str, tuple[int, ...]]]]:
        """What reads the storages, the bytes of each, and the places of the entries as load_storages() has them."""

Model\.tree$:
    \from collections.abc import Callable, Sequence
    \from typing import Any
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

Model\.fit$:
    \from collections.abc import Callable, Sequence
    \from typing import Any
    def fit(
        self,
        entries: list[tuple[str, tuple[int, ...], str | None]],
        rename: Callable[[str], str] | Sequence[tuple[str, str]] | None,
        prefix: str,
    ) -> tuple[dict[str, list[Any]], list[tuple[int, int]]]:
        """{list of FitReport (ops/fit.h): what is in it}, and (entry of the module, entry of the model) of equal shapes."""

Model\.updated$:
    def updated(self, weights: Model) -> tuple[Model, dict[str, Any]]:
        """The model with the tensors of another where they fit, and {list of FitReport (ops/fit.h): what is in it}."""

Model\.with_metadata$:
    \from collections.abc import Callable
    \from typing import Any
    def with_metadata(self, describe: Callable[[Any], tuple[Any, ...]], metadata: dict[str, Any]) -> Model:
        """The same model with other metadata."""

Checkpointer\.save$:
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

Model\.save$:
    \from collections.abc import Callable, Sequence
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

_native\.open$:
    \from holdall._model import BinaryFile
    def open(source: str | BinaryFile, format: str = "") -> Model: ...

_native\.open_to_load$:
    def open_to_load(source: str | BinaryFile) -> Model: ...

_native\.require$:
    \from holdall._model import BinaryFile
    def require(source: str | BinaryFile | Model, policy: str) -> None:
        """Raises UnsafeError for what scan does not call inert under a policy's file."""

_native\.build$:
    \from collections.abc import Callable
    \from typing import Any
    def build(
        root: Any,
        describe: Callable[[Any], tuple[Any, ...]],
        metadata: dict[str, Any] | None,
        framework: str,
        config: dict[str, Any] | None,
        side_files: dict[str, bytes] | None,
    ) -> Model:
        """A model of Python's values; tree.h says what `describe` answers."""

_native\.inspect$:
    \from collections.abc import Callable, Sequence
    \from holdall._model import BinaryFile
    def inspect(
        source: str | BinaryFile, tensors: Sequence[str], digest: bool, stats: bool, html: str | None,
        progress: Callable[[int, int], object] | None,
    ) -> str: ...

_native\.diff$:
    \from collections.abc import Callable
    \from holdall._model import BinaryFile
    def diff(
        a: str | BinaryFile, b: str | BinaryFile, atol: float, rtol: float, html: str | None,
        progress: Callable[[int, int], object] | None,
    ) -> str: ...

_native\.match$:
    \from collections.abc import Callable
    \from holdall._model import BinaryFile
    def match(
        a: str | BinaryFile, b: str | BinaryFile, names: str | None, least_cosine: float,
        progress: Callable[[int, int], object] | None,
    ) -> str: ...

_native\.update$:
    \from collections.abc import Callable
    def update(
        graph: str, weights: str, output: str, names: str | None, durable: bool, progress: Callable[[int, int], object] | None
    ) -> tuple[str, bool]: ...

_native\.verify$:
    \from collections.abc import Callable
    \from holdall._model import BinaryFile
    def verify(source: str | BinaryFile, progress: Callable[[int, int], object] | None) -> str: ...

_native\.scan$:
    \from collections.abc import Callable, Sequence
    def scan(paths: Sequence[str], policy: str | None, progress: Callable[[int, int], object] | None) -> str: ...

_native\.scan_file$:
    \from holdall._model import BinaryFile
    def scan_file(file: BinaryFile, policy: str | None) -> str: ...

_native\.convert$:
    \from collections.abc import Callable, Sequence
    \from holdall._model import BinaryFile
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

_native\.write_hdf5$:
    def write_hdf5(path: object, objects: list[Any], members: list[tuple[str, Any]] | None, alignment: int, deflate_level: int, durable: bool, replace: bool, progress: object | None) -> None:
        """An HDF5 file of [(path, elements or None for a group, attributes)], alone or as the member without bytes of an archive."""
