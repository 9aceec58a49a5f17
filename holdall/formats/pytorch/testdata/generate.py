"""Writes the golden files of the pytorch format and what they hold (expected.json).

Written with torch 2.13.0, numpy 2.x, Python 3.11: python generate.py. Digests are SHA-256 over a tensor's elements, row-major,
little-endian, conjugation and negation resolved. Names follow the keys of the nesting, joined with '.'.
"""
import argparse, collections, dataclasses, hashlib, io, json, os, pathlib, sys, warnings, zipfile

import numpy as np
import torch

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "tests" / "real"))
import torch_tar

EXPECTED = {}
torch.manual_seed(7)


def raw(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_quantized:
        tensor = torch.empty(0, dtype=torch.uint8).set_(tensor.contiguous().untyped_storage())
        return tensor.numpy().tobytes()
    tensor = tensor.contiguous()
    if tensor.numel() == 0:
        return b""
    return tensor.flatten().view(torch.uint8).numpy().tobytes()


def describe(tensor):
    name = str(tensor.dtype).removeprefix("torch.")
    shape = list(tensor.shape)
    if name == "float4_e2m1fn_x2":
        name, shape = "float4_e2m1", shape[:-1] + [shape[-1] * 2]
    name = {"bits8": "uint8", "bits16": "uint16", "bits1x8": "uint8", "bits2x4": "uint8", "bits4x2": "uint8"}.get(name, name)
    return {"dtype": name, "shape": shape, "sha256": hashlib.sha256(raw(tensor)).hexdigest()}


def walk(value, path, out):
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"))
        out[".".join(path) or "tensor"] = {"dtype": value.dtype.name, "shape": list(value.shape),
                                           "sha256": hashlib.sha256(data.tobytes()).hexdigest()}
    elif isinstance(value, torch.Tensor):
        out[".".join(path) or "tensor"] = describe(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            walk(item, path + [str(key)], out)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            walk(item, path + [str(i)], out)


def expect(name, tensors, **more):
    EXPECTED[name] = {"tensors": tensors, **more}


def save(name, value, tensors=None, **options):
    more = {k: options.pop(k) for k in ("shared", "verdict") if k in options}
    torch.save(value, HERE / name, **options)
    if tensors is None:
        tensors = {}
        walk(value, [], tensors)
    expect(name, tensors, **more)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.BatchNorm1d(4))
        self.head = torch.nn.Linear(4, 2, bias=False)
        self.register_buffer("scale", torch.tensor([1.5]))

    def forward(self, x):
        return self.head(self.body(x))


@dataclasses.dataclass
class Config:
    width: int = 8
    name: str = "small"


class Tagged(torch.Tensor):
    pass


def checkpoint():
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    net(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    return {"epoch": 3, "loss": 0.25, "best": float("-inf"), "seed": 2**70, "done": None, "names": ["a", "ü"],
            "model_state_dict": net.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
            "scheduler_state_dict": scheduler.state_dict(), "range": (1, (2, 3))}


def dtypes():
    out = {}
    plain = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
             torch.float32, torch.float64, torch.complex64, torch.complex128, *torch.storage._new_dtypes()]
    for dtype in sorted(plain, key=str):
        data = torch.arange(16, dtype=torch.uint8) % 2 if dtype == torch.bool else torch.arange(16, dtype=torch.uint8) + 60
        out[str(dtype).removeprefix("torch.")] = data.view(dtype) if dtype.itemsize > 1 or dtype != torch.uint8 else data
    return out


def views():
    base = torch.arange(24, dtype=torch.float32)
    return {"base": base, "matrix": base.view(4, 6), "transposed": base.view(4, 6).t(), "row": base.view(4, 6)[2],
            "column": base.view(4, 6)[:, 1], "expanded": base[:3].expand(2, 3), "tail": base[20:], "own": torch.ones(3)}


def special():
    parameter = torch.nn.Parameter(torch.randn(2, 2))
    tagged = torch.nn.Parameter(torch.randn(2), requires_grad=False)
    tagged.note = "kept"
    attributed = torch.ones(2)
    attributed.note = torch.zeros(1)
    return {"scalar": torch.tensor(2.5), "empty": torch.empty(0), "hollow": torch.empty(3, 0, 2, dtype=torch.int64),
            "conj": torch.tensor([1 + 2j, 3 - 4j]).conj(), "neg": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
            "parameter": parameter, "tagged": tagged, "attributed": attributed, "grad": torch.ones(1, requires_grad=True)}


def quantized():
    weight = torch.linspace(-1, 1, 12).view(3, 4)
    scales, points = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64), torch.tensor([0, 1, 2])
    return {"per_tensor": torch.quantize_per_tensor(weight, 0.05, 3, torch.qint8),
            "unsigned": torch.quantize_per_tensor(weight, 0.05, 128, torch.quint8),
            "wide": torch.quantize_per_tensor(weight, 0.001, 0, torch.qint32),
            "per_channel": torch.quantize_per_channel(weight, scales, points, 0, torch.qint8),
            "packed": torch.quantize_per_channel(torch.rand(3, 5), scales.float(), points.float(), 0, torch.quint4x2)}


def objects():
    return {"size": torch.Size([2, 3]), "device": torch.device("cpu"), "dtype": torch.bfloat16, "layout": torch.strided,
            "rng": torch.get_rng_state()[:16].clone(), "args": argparse.Namespace(lr=0.1, layers=[1, 2]), "config": Config(),
            "ordered": collections.OrderedDict(b=1, a=2), "default": collections.defaultdict(list, x=[1]),
            "counter": collections.Counter("abca"), "set": {1, 2}, "frozen": frozenset({3}), "bytes": b"\x00\xff",
            "bytearray": bytearray(b"ab"), "complex": 1 - 2j, "slice": slice(1, None, 2), "path": pathlib.PurePosixPath("a/b"),
            "array": np.arange(6, dtype=np.int16).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "big": np.arange(3, dtype=">f8"), "unsigned": np.array([1, 2**32 - 1], dtype=np.uint32),
            "float": np.float64(0.5), "int": np.int64(7), "half": np.float16(1.5),
            "boxed": np.array([{"a": 1}, None], dtype=object), "cycle": cycle()}


def cycle():
    ring = [1]
    ring.append(ring)
    return ring


def repacked(source, target, method=zipfile.ZIP_STORED, change=lambda name, data: data):
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / target, "w", method) as new:
        for item in old.infolist():
            entry = zipfile.ZipInfo(item.filename)
            entry.compress_type = method
            new.writestr(entry, change(item.filename, old.read(item)))
    EXPECTED[target] = EXPECTED[source]


def quantized_names(values):
    names = {}
    for key, tensor in values.items():
        names[key] = describe(tensor)
        if tensor.dtype == torch.quint4x2:
            names[key] = {**names[key], "dtype": "uint8", "shape": [3, 3]}
        if tensor.qscheme() not in (torch.per_tensor_affine,):
            names[key + ".quantizer.scales"] = describe(tensor.q_per_channel_scales())
            names[key + ".quantizer.zero_points"] = describe(tensor.q_per_channel_zero_points())
    return names


def layouts():
    """(values, expected): sparse, nested, subclassed and meta tensors, which are inert objects with component tensors."""
    dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    block = torch.eye(4).to_sparse_bsr((2, 2))
    column = torch.eye(4).to_sparse_bsc((2, 2))
    ragged = torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)])
    tagged = torch.ones(2).as_subclass(Tagged)
    tagged.note = "mine"
    coo, csr, csc = dense.to_sparse(), dense.to_sparse_csr(), dense.to_sparse_csc()
    parts = {"coo": (coo._indices(), coo._values()), "csr": (csr.crow_indices(), csr.col_indices(), csr.values()),
             "csc": (csc.ccol_indices(), csc.row_indices(), csc.values()),
             "bsr": (block.crow_indices(), block.col_indices(), block.values()),
             "bsc": (column.ccol_indices(), column.row_indices(), column.values())}
    names = {f"{k}.args.1.{i}": describe(t) for k, ts in parts.items() for i, t in enumerate(ts)}
    names |= {f"nested.args.{i}": describe(t) for i, t in enumerate(
        (ragged.values(), ragged._nested_tensor_size(), ragged._nested_tensor_strides(), ragged._nested_tensor_storage_offsets()))}
    names["tagged.args.0"] = describe(torch.ones(2))
    return {"coo": coo, "csr": csr, "csc": csc, "bsr": block, "bsc": column, "nested": ragged, "tagged": tagged,
            "meta": torch.empty(2, 3, device="meta")}, names


def expected_of(values):
    names = {}
    walk(values, [], names)
    return names


def write_values(net):
    save("state_dict.pt", net.state_dict())
    save("checkpoint.pt", checkpoint())
    save("dtypes.pt", dtypes())
    save("views.pt", views(), shared=["base", "matrix", "transposed", "row", "column", "expanded", "tail"])
    values = special()
    save("special.pt", values, {**expected_of(values), "attributed.state.note": describe(torch.zeros(1))})
    values = quantized()
    save("quantized.pt", values, quantized_names(values))
    values, names = layouts()
    save("layouts.pt", values, names, verdict="code")
    save("module.pt", net, expected_of(net.state_dict()), verdict="code")
    values = objects()
    names = expected_of({k: values[k] for k in ("rng", "array", "fortran", "big", "unsigned")})
    save("objects.pt", values, names, verdict="code")
    storage = torch.arange(3, dtype=torch.int16)
    save("storages.pt", {"typed": storage.storage(), "untyped": torch.arange(4, dtype=torch.uint8).untyped_storage()},
         {"typed.args.0": describe(storage), "untyped.args.0": describe(torch.arange(4, dtype=torch.uint8))})
    save("bare.pt", torch.arange(5.0))


def write_archives():
    from torch.utils.serialization import config

    save("protocol4.pt", checkpoint(), pickle_protocol=4)
    torch.serialization.set_crc32_options(False)
    save("no_crc.pt", views(), shared=["base", "matrix"])
    torch.serialization.set_crc32_options(True)
    config.save.storage_alignment = 4096
    save("aligned.pt", {"w": torch.arange(4.0)})
    config.save.storage_alignment = 64
    repacked("checkpoint.pt", "deflated.pt", zipfile.ZIP_DEFLATED)


def write_big_endian():
    """What a big-endian machine writes: the same values, each element's bytes reversed."""
    values = {"f": torch.arange(4.0), "d": torch.arange(3.0, dtype=torch.float64), "c": torch.tensor([1 + 2j, 3 - 4j]),
              "b": torch.tensor([1, 2], dtype=torch.uint8), "h": torch.tensor([1.5, 2.5], dtype=torch.bfloat16)}
    widths = {str(i): t.element_size() // (2 if t.is_complex() else 1) for i, t in enumerate(values.values())}

    def reverse(name, data):
        if name.endswith("/byteorder"):
            return b"big"
        if "/data/" in name:
            return np.frombuffer(data, dtype=f"u{widths[name.rsplit('/', 1)[1]]}").byteswap().tobytes()
        return data

    save("big_endian.pt", values)
    os.rename(HERE / "big_endian.pt", HERE / "little.tmp")
    EXPECTED["little.tmp"] = EXPECTED.pop("big_endian.pt")
    repacked("little.tmp", "big_endian.pt", change=reverse)
    del EXPECTED["little.tmp"]
    os.unlink(HERE / "little.tmp")


def write_legacy(net):
    # A legacy file of a module carries the source of each class and where it lay; ours says neither.
    torch.serialization.get_source_lines_and_file = lambda kind: ([f"class {kind.__name__}: ...\n"], 1, "model.py")
    legacy = {"_use_new_zipfile_serialization": False}
    save("legacy.pt", checkpoint(), **legacy)
    save("legacy_views.pt", views(), shared=["base", "matrix", "transposed"], **legacy)
    save("legacy_dtypes.pt", {k: v for k, v in dtypes().items()}, **legacy)
    save("legacy_protocol4.pt", {"a": torch.arange(3)}, pickle_protocol=4, **legacy)
    save("legacy_module.pt", net, expected_of(net.state_dict()), verdict="code", **legacy)


def tar_save(name, value, tensors=None, verdict=None, **options):
    """A file of torch before 0.1.10; what it holds is what torch.load makes of it."""
    loaded = torch_tar.load(torch_tar.save(value, HERE / name, **options))
    written, read = expected_of(value), expected_of(loaded)
    assert written == read, name
    expect(name, tensors(loaded) if tensors else read, **({"verdict": verdict} if verdict else {}))


def tar_views():
    base = torch.arange(24, dtype=torch.float32)
    return {"base": base, "matrix": base.view(4, 6), "transposed": base.view(4, 6).t(), "column": base.view(4, 6)[:, 1],
            "again": {"base": base}, "tail": base[20:], "own": torch.ones(3), "expanded": torch.ones(1).expand(2, 3)}


def tar_values():
    parameter = torch.nn.Parameter(torch.randn(2, 2))
    return {"epoch": 3, "names": ["a", ("b", None)], "scalar": torch.tensor(2.5), "empty": torch.empty(0),
            "hollow": torch.empty(3, 0, 2, dtype=torch.int64), "parameter": parameter, "storage": torch.arange(3.0).storage(),
            "dtypes": {k: v for k, v in dtypes().items() if v.dtype in torch_tar.STORAGES}}


def write_tars(net):
    tar_save("tar_values.pt", tar_values(), lambda loaded: {
        **expected_of(loaded), "storage.args.0": describe(torch.arange(3.0))})
    tar_save("tar_views.pt", tar_views())
    tar_save("tar_storage_views.pt", tar_views(), views=True, protocol=1)
    tar_save("tar_module.pt", net, lambda loaded: expected_of(loaded.state_dict()), verdict="code")


def write_shards():
    shards = {"pytorch_model-00001-of-00002.bin": {"a.weight": torch.arange(3.0)},
              "pytorch_model-00002-of-00002.bin": {"b.weight": torch.ones(2, 2), "b.bias": torch.zeros(2)}}
    index = {"metadata": {"total_size": 36}, "weight_map": {n: f for f, part in shards.items() for n in part}}
    for name, part in shards.items():
        torch.save(part, HERE / name)
    (HERE / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")
    expect("pytorch_model.bin.index.json", {n: describe(t) for part in shards.values() for n, t in part.items()})


def main():
    for old in HERE.glob("*.pt"):
        old.unlink()
    net = Net()
    write_values(net)
    write_archives()
    write_big_endian()
    write_legacy(net)
    write_tars(net)
    write_shards()
    (HERE / "expected.json").write_text(json.dumps({"torch": torch.__version__, "numpy": np.__version__, "files": EXPECTED},
                                                   indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
