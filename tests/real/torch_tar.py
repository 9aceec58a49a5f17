"""Tar files as torch before 0.1.10 wrote them, which no torch writes today and every torch still reads.

The layout is what legacy_load in torch/serialization.py takes; load() goes through it and proves that it did.
"""

import collections
import inspect
import io
import pickle
import struct
import tarfile
import unittest.mock
import warnings

import torch

MEMBERS = ("sys_info", "pickle", "tensors", "storages")
SYSTEM = {"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}}
STORAGES = torch.storage._dtype_to_storage_type_map()
# Numbers that were addresses.
FIRST_KEY, STEP = 94_000_000_000_000, 64


class Writer(pickle.Pickler):
    """Pickles an object; tensors, storages and classes of modules become persistent ids."""

    def __init__(self, file, protocol, sources):
        super().__init__(file, protocol)
        self.sources = sources
        self.tensors, self.storages, self.classes, self.keys = {}, {}, set(), {}

    def key(self, kind, which):
        return self.keys.setdefault((kind, which), FIRST_KEY + STEP * len(self.keys))

    def storage_key(self, storage):
        key = self.key("storage", (storage._data_ptr() or storage._cdata, storage.dtype))
        self.storages.setdefault(key, storage)
        return key

    def persistent_id(self, value):
        if isinstance(value, type) and issubclass(value, torch.nn.Module) and value not in self.classes:
            self.classes.add(value)
            return (value, "model.py", inspect.getsource(value)) if self.sources else (value, None, None)
        if type(value) is torch.Tensor:
            key = self.key("tensor", id(value))
            self.tensors[key] = value
            return str(key)
        if isinstance(value, torch.TypedStorage):
            return str(self.storage_key(value))
        return None

    def reducer_override(self, value):
        if isinstance(value, torch.nn.Parameter):
            return torch.nn.Parameter, (value.data,), (value.requires_grad, False, collections.OrderedDict())
        return NotImplemented


def typed(tensor):
    return torch.TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True)


def tensor_class(dtype):
    return getattr(torch, STORAGES[dtype].replace("Storage", "Tensor"), torch.Tensor)


def members(value, protocol=2, views=False, sources=False):
    """{name: bytes} of the four members. With `views` every tensor has a storage that is a view of what it shares."""
    object_file, tensors, storages = io.BytesIO(), io.BytesIO(), io.BytesIO()
    writer = Writer(object_file, protocol, sources)
    writer.dump(value)

    def put(file, *parts):
        for part in parts:
            file.write(part if isinstance(part, bytes) else pickle.dumps(part, protocol))

    view_list = []
    put(tensors, len(writer.tensors))
    for key, tensor in writer.tensors.items():
        storage, offset = writer.storage_key(typed(tensor)), tensor.storage_offset()
        if views and tensor.numel() > 0:
            span = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride()))
            view_list.append((writer.key("view", key), storage, offset, span))
            storage, offset = view_list[-1][0], 0
        # The four bytes behind the number of dimensions were whatever lay there.
        put(tensors, (key, storage, tensor_class(tensor.dtype)), struct.pack("<i", tensor.dim()), b"\x0d\xf0\xad\x0b",
            struct.pack(f"<{2 * tensor.dim() + 1}q", *tensor.shape, *tensor.stride(), offset))
    put(storages, len(writer.storages))
    for key, storage in writer.storages.items():
        data = bytes(storage._untyped_storage.tolist())
        put(storages, (key, "cpu", getattr(torch, STORAGES[storage.dtype])), struct.pack("<q", storage._size()), data)
    put(storages, view_list)
    return dict(zip(MEMBERS, (pickle.dumps(SYSTEM, protocol), object_file.getvalue(), tensors.getvalue(), storages.getvalue())))


def packed(parts, form=tarfile.PAX_FORMAT, mtime=1483272000.5):
    """A tar file of {name: bytes}, as TarFile.add() made it: with a pax header for the fraction of the time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=form) as archive:
        for name, data in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), mtime, 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def cut_to_its_end(data):
    """Without the zeros that fill a tape's last record: two blocks of them are the end."""
    data = data.rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


def save(value, path, **options):
    path.write_bytes(packed(members(value, **options)))
    return path


def load(path):
    """torch.load() of a tar file."""
    seen = []
    extract = tarfile.TarFile.extractfile

    def extractfile(archive, member):
        seen.append(member)
        return extract(archive, member)

    with unittest.mock.patch.object(tarfile.TarFile, "extractfile", extractfile), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = torch.load(path, weights_only=False)
    assert "pickle" in seen, "torch did not take it for a tar"
    return value
