"""load(): what torch.load(weights_only=True) gives, built from the library's inert tree."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import torch

from .. import _collector
from .. import _load as _plain
from .. import _model, _native
from .._build import Trusted
from .._progress import Callback, reporting
from .._values import Global, fill, inert
from ..errors import UnsafeError, UnsupportedError
from . import _tensors
from ._builders import TorchBuilder, with_attributes

MapLocation = str | torch.device | Mapping[str, str] | Callable[[torch.UntypedStorage, str], torch.UntypedStorage | None] | None


def load_path(
    f: _model.Source,
    map_location: MapLocation = None,
    *,
    trusted: Trusted = (),
    weights_only: bool = True,
    check: bool = True,
    mmap: bool = False,
    policy: _model.PathLike | None = None,
    progress: bool | Callback | None = None,
) -> Any:
    """``torch.load``: the same objects for the same file, without running what is in it; any format that Holdall reads.

    `weights_only` may be given as torch takes it and changes nothing: whole modules come back where their classes are in `trusted`,
    or are torch's own. `map_location`: a device, its name, a dict of names, or a function of (storage, location), as torch takes it.
    Storages are read into the CPU's memory: what was saved on a GPU comes back there only where `map_location` says so. `mmap=True`
    maps the file instead of copying it (holdall.load() says what that means); what goes to another device is read, not mapped. `policy`: as holdall.load() has it.
    Raises UnsafeError, naming what could only be built by running code that the file chooses, unless it is in `trusted`;
    CorruptError for damage, checksums included; MissingError, StorageError, UnsupportedError, LimitError.
    """
    model = _model.open(f, policy=policy)
    return load(model, device=map_location, check=check, mmap=mmap, builder=TorchBuilder(trusted, model.path), progress=progress)


def load(
    model: _model.Model,
    *,
    device: MapLocation = None,
    dtype: Any = None,
    select: Iterable[str] | None = None,
    check: bool = True,
    mmap: bool = False,
    trusted: Trusted = (),
    builder: TorchBuilder | None = None,
    progress: bool | Callback | None = None,
    live: Mapping[int, torch.Tensor] | None = None,
) -> Any:
    """`live`: tensors that stand for entries, which are not read, and are not changed: what is more than values is made of others that share their memory."""
    names = list(model)
    target, place = place_of(device)
    with reporting(progress, "loading") as tell:
        if select is not None:
            chosen = _plain.selected(names, select)
            entries = [model[name]._entry for name in chosen]
            tensors = flat(model._native, entries, device=target, dtype=dtype, check=check, mapped=mmap, tell=tell, place=place)
            return dict(zip(chosen, tensors, strict=True))
        native = model._native
        by_index = native.entries_by_index()
        entries = [entry for entry in by_index if entry is not None]
        strings = {entry for entry in entries if native.facts(entry)[0] in ("string", "record")}
        stand_in = live or {}
        numbers = [entry for entry in entries if entry not in strings and entry not in stand_in]
        with _collector.put_off():
            tensors = _tensors.load(native, numbers, device=target, dtype=dtype, check=check, mapped=mmap, tell=tell, place=place)
    loaded: dict[int, Any] = {**stand_in, **dict(zip(numbers, tensors, strict=True))}
    loaded.update((entry, model[names[entry]].numpy(check=check)) for entry in strings)
    builder = builder or TorchBuilder(trusted, model.path)
    with _collector.put_off():
        return _Tree(model, builder, by_index, [None if entry is None else loaded[entry] for entry in by_index], stand_in).build()


def flat(native: _native.Model, entries: Sequence[int], **how: Any) -> list[torch.Tensor]:
    """As _tensors.load(), which `how` is for; quantized tensors with the quantizers that stand beside them in the tree."""
    tensors = _tensors.load(native, entries, **how)
    if not any(native.facts(entry)[0] in _MAYBE_QUANTIZED for entry in entries):
        return tensors
    by_index = native.entries_by_index()
    found: dict[int, tuple[dict[str, Any], torch.dtype | None]] = {}

    def tensor(index: int, requires_grad: bool, is_parameter: bool, attributes: dict[str, Any] | None) -> Any:
        more, entry = attributes or {}, by_index[index]
        if "quantizer" in more and entry is not None:
            packed = more.get("dtype")
            found[entry] = more["quantizer"], None if packed is None else getattr(torch, packed.name, packed)
        return index

    native.tree("tree", list(range(len(by_index))), tensor, Global, inert, fill)
    for number, entry in enumerate(entries):
        if entry in found:
            quantizer, packed = found[entry]
            tensors[number] = _quantized(tensors[number], _with_values(native, quantizer, by_index), packed)
    return tensors


def _with_values(native: _native.Model, quantizer: dict[str, Any], by_index: Sequence[int | None]) -> dict[str, Any]:
    """`quantizer` with the tensors that it has by their indices; a list of numbers stays."""
    parts = {key: by_index[value] for key, value in quantizer.items() if key in ("scales", "zero_points") and isinstance(value, int)}
    entries = [entry for entry in parts.values() if entry is not None]
    return {**quantizer, **dict(zip(parts, _tensors.load(native, entries), strict=True))}


def place_of(device: MapLocation) -> tuple[torch.device | None, _tensors.Place | None]:
    """The device of all storages, or what brings a storage, as a flat tensor on the CPU, to where it is to be."""
    if callable(device):
        move = device

        def place(flat: torch.Tensor) -> torch.Tensor:
            moved = move(flat.untyped_storage(), "cpu")
            if moved is None or moved is flat.untyped_storage():
                return flat
            if isinstance(moved, torch.Tensor):
                return moved
            if not isinstance(moved, torch.UntypedStorage | torch.storage.TypedStorage):
                raise TypeError(f"map_location gives a storage or None for a storage, not {type(moved).__name__}")
            untyped = moved.untyped() if isinstance(moved, torch.storage.TypedStorage) else moved
            return torch.empty(0, dtype=flat.dtype, device=untyped.device).set_(untyped)

        return None, place
    if isinstance(device, Mapping):
        device = device.get("cpu", "cpu")
    return None if device is None else torch.device(device), None


class _Tree:
    """`tensors`: by their index in the tree, as they were loaded; `by_index`: their entries; `live`: those that are somebody else's."""

    def __init__(
        self, model: _model.Model, builder: TorchBuilder, by_index: Sequence[int | None], tensors: list[Any], live: Container[int | None]
    ) -> None:
        self.model = model
        self.by_index = by_index
        self.builder = builder
        self.tensors = tensors
        self.live = live

    def build(self) -> Any:
        return self.builder.tree(self.model._native, self.tensors, self.tensor)

    def logical(self, index: int) -> str:
        entry = self.by_index[index]
        return "" if entry is None else self.model._native.facts(entry)[3]

    def tensor(self, index: int, requires_grad: bool, is_parameter: bool, attributes: dict[str, Any] | None) -> Any:
        """A tensor that is more than its values; torch/_utils.py says how each comes to be."""
        tensor = self.tensors[index]
        if self.by_index[index] in self.live:
            tensor = tensor.detach()
        more = attributes or {}
        if "class" in more:
            return _array(tensor, more, self.logical(index))
        if "dtype" in more and "quantizer" not in more:
            tensor = tensor.view(more["dtype"])
        if "shape" in more:
            tensor = tensor.view(more["shape"])
        if "quantizer" in more:
            tensor = _quantized(tensor, more["quantizer"], more.get("dtype"))
        if is_parameter:
            tensor = torch.nn.Parameter(tensor, requires_grad)
        elif requires_grad:
            tensor = tensor.requires_grad_(True)
        if "hooks" in more:
            raise UnsafeError("a tensor has hooks, which are code", path=self.model.path)
        if "state" in more:
            with self.builder.blaming("a tensor"):
                tensor = with_attributes(tensor, more["state"])
        return tensor


def _array(value: Any, attributes: dict[str, Any], logical: str) -> Any:
    """An array of NumPy in a torch file."""
    array = value.numpy() if isinstance(value, torch.Tensor) else value
    if logical.startswith(("datetime64", "timedelta64")):
        array = array.view(logical)
    return array if type(array) is attributes["class"] else array.view(attributes["class"])


# What the elements of quantized tensors are called in a file; packed ones are bytes.
_MAYBE_QUANTIZED = (*_tensors.INTEGERS, "uint8")
# The quantized dtype of integers.
_QUANTIZED = {torch.int8: torch.qint8, torch.uint8: torch.quint8, torch.int32: torch.qint32}


def _quantized(tensor: torch.Tensor, quantizer: dict[str, Any], packed: torch.dtype | None) -> torch.Tensor:
    """`packed`: the dtype where elements are smaller than a byte; the tensor then is their bytes."""
    if packed is None:
        dtype, shape, strides = _QUANTIZED[tensor.dtype], tensor.shape, tensor.stride()
    else:
        dtype, shape = packed, torch.Size(quantizer["shape"])
        strides = torch.empty(shape, device="meta").stride()
        if packed not in _tensors.PACKED or not tensor.is_contiguous() or tensor.storage_offset():
            raise UnsupportedError(f"quantized tensors of {packed} are not built; their bytes are in model[name]")
    try:
        made = _empty_quantized(shape, quantizer, dtype, tensor.device)
    except NotImplementedError as error:
        raise UnsupportedError(f"torch has no quantized tensors on {tensor.device.type}") from error
    untyped = tensor.untyped_storage()
    storage = torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)  # type: ignore[no-untyped-call]
    return made.set_(storage, tensor.storage_offset(), shape, strides)


def _empty_quantized(shape: torch.Size, quantizer: dict[str, Any], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    if "scales" not in quantizer:
        scale, zero_point = quantizer["scale"], quantizer["zero_point"]
        return torch._empty_affine_quantized(shape, scale=scale, zero_point=zero_point, dtype=dtype, device=device)
    scales, zero_points, axis = quantizer["scales"], quantizer["zero_points"], quantizer["axis"]
    if not isinstance(scales, torch.Tensor):
        scales = torch.tensor(scales, dtype=torch.double)
        zero_points = torch.tensor(zero_points, dtype=torch.long)
    return torch._empty_per_channel_affine_quantized(shape, scales=scales, zero_points=zero_points, axis=axis, dtype=dtype, device=device)
