"""load(): what torch.load(weights_only=True) gives, built from the library's inert tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from .. import _load as _plain
from .. import _model
from .._progress import Callback, reporting
from ..errors import UnsafeError, UnsupportedError
from . import _tensors
from ._builders import TorchBuilder

MapLocation = str | torch.device | Mapping[str, str] | Callable[[torch.UntypedStorage, str], torch.UntypedStorage | None] | None


def load_path(
    f: _model.Source,
    map_location: MapLocation = None,
    *,
    trusted: Sequence[Any] = (),
    check: bool = True,
    progress: bool | Callback | None = None,
) -> Any:
    """``torch.load``: the same objects for the same file, without running what is in it; any format that Holdall reads.

    `map_location`: a device, its name, a dict of names, or a function of (storage, location), as torch takes it. Storages are read
    into the CPU's memory: what was saved on a GPU comes back there only where `map_location` says so.
    Raises UnsafeError, naming what could only be built by running code that the file chooses, unless it is in `trusted`;
    CorruptError for damage, checksums included; MissingError, StorageError, UnsupportedError, LimitError.
    """
    return load(_model.open(f), device=map_location, check=check, trusted=trusted, progress=progress)


def load(
    model: _model.Model,
    *,
    device: MapLocation = None,
    dtype: Any = None,
    select: Iterable[str] | None = None,
    check: bool = True,
    trusted: Sequence[Any] = (),
    progress: bool | Callback | None = None,
) -> Any:
    names = list(model)
    place = _place_of(device)
    with reporting(progress, "loading") as tell:
        if select is not None:
            chosen = _plain.selected(names, select)
            entries = [model[name]._entry for name in chosen]
            tensors = _tensors.load(model._native, entries, check=check, tell=tell, place=place)
            return {name: _cast(tensor, dtype) for name, tensor in zip(chosen, tensors, strict=True)}
        return _Tree(model, trusted, dtype, check, place, tell).build()


def _cast(tensor: torch.Tensor, dtype: Any) -> torch.Tensor:
    if dtype is None or not tensor.is_floating_point():
        return tensor
    return tensor.to(_tensors.dtype_of(dtype) if isinstance(dtype, str) else dtype)


def _place_of(device: MapLocation) -> _tensors.Place | None:
    """How a storage, as a flat tensor on the CPU, comes to where it is to be."""
    if device is None:
        return None
    if callable(device):
        move = device

        def place(flat: torch.Tensor) -> torch.Tensor:
            moved = move(flat.untyped_storage(), "cpu")
            if moved is None or moved is flat.untyped_storage():
                return flat
            if isinstance(moved, torch.Tensor):
                return moved
            untyped = moved.untyped() if isinstance(moved, torch.storage.TypedStorage) else moved
            return torch.empty(0, dtype=flat.dtype, device=untyped.device).set_(untyped)

        return place
    if isinstance(device, Mapping):
        device = device.get("cpu", "cpu")
    target = torch.device(device)
    if target.type == "cpu":
        return None
    return lambda flat: flat.to(target, non_blocking=False)


class _Tree:
    def __init__(
        self, model: _model.Model, trusted: Sequence[Any], dtype: Any, check: bool, place: _tensors.Place | None,
        tell: Callback | None,
    ) -> None:
        self.model = model
        self.builder = TorchBuilder(trusted, model.path)
        self.dtype = dtype
        self.place = place
        native = model._native
        by_index = native.entries_by_index()
        entries = [entry for entry in by_index if entry is not None]
        strings = {entry for entry in entries if native.facts(entry)[0] in ("string", "record")}
        numbers = [entry for entry in entries if entry not in strings]
        loaded = dict(zip(numbers, _tensors.load(native, numbers, check=check, tell=tell, place=place), strict=True))
        names = list(model)
        self.tensors: list[Any] = [
            None if entry is None else model[names[entry]].numpy(check=check) if entry in strings else _cast(loaded[entry], dtype)
            for entry in by_index
        ]

    def build(self) -> Any:
        return self.builder.tree(self.model._native, self.tensors, self.tensor)

    def tensor(self, index: int, requires_grad: bool, is_parameter: bool, attributes: dict[str, Any] | None) -> Any:
        """A tensor that is more than its values; torch/_utils.py says how each comes to be."""
        tensor = self.tensors[index]
        more = attributes or {}
        if "class" in more:
            return _array(tensor, more)
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
            tensor = torch._utils._set_obj_state(tensor, more["state"])  # type: ignore[no-untyped-call]
        return tensor


def _array(value: Any, attributes: dict[str, Any]) -> Any:
    """An array of NumPy in a torch file."""
    array = value.numpy() if isinstance(value, torch.Tensor) else value
    return array if type(array) is attributes["class"] else array.view(attributes["class"])


# The quantized dtype of integers.
_QUANTIZED = {torch.int8: torch.qint8, torch.uint8: torch.quint8, torch.int32: torch.qint32}


def _quantized(tensor: torch.Tensor, quantizer: dict[str, Any], own: torch.dtype | None) -> torch.Tensor:
    if "shape" in quantizer or own is not None:
        raise UnsupportedError(f"quantized tensors of {own} are not built; their bytes are in model[name]")
    dtype = _QUANTIZED[tensor.dtype]
    if "scales" in quantizer:
        scales, zero_points, axis = quantizer["scales"], quantizer["zero_points"], quantizer["axis"]
        if not isinstance(scales, torch.Tensor):
            scales = torch.tensor(scales, dtype=torch.double)
            zero_points = torch.tensor(zero_points, dtype=torch.long)
        made = torch._empty_per_channel_affine_quantized(
            tensor.shape, scales=scales, zero_points=zero_points, axis=axis, dtype=dtype, device=tensor.device
        )
    else:
        made = torch._empty_affine_quantized(
            tensor.shape, scale=quantizer["scale"], zero_point=quantizer["zero_point"], dtype=dtype, device=tensor.device
        )
    untyped = tensor.untyped_storage()
    storage = torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)  # type: ignore[no-untyped-call]
    return made.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())
