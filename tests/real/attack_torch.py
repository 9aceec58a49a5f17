"""Vectors for what torch and NumPy do beyond unpickling: expressions that they evaluate, packages, numbers that they take for addresses."""

import gzip
import io
import json
import pathlib
import struct
import zipfile

from attack import FIRED, Table
from attack_pickles import SYSTEM

ATTACKS = Table()
DATA, TEXT = ATTACKS.data, ATTACKS.text
CODE = ("code", "malicious")
CALL = f"(open)('{FIRED}', 'w')"


def edited(data, edit):
    """The archive with edit(name, bytes) as the bytes of each member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as read, zipfile.ZipFile(out, "w") as written:
        for member in read.infolist():
            written.writestr(zipfile.ZipInfo(member.filename), edit(member.filename, read.read(member)))
    return out.getvalue()


def exported(name, change, verdicts=CODE, fire=""):
    """A real program of torch.export whose model.json `change` has changed."""

    @ATTACKS.made(f"nested-config/export_{name}", verdicts, fire)
    def _(folder):
        import torch

        class Net(torch.nn.Module):
            def forward(self, x):
                return x + 1

        program = torch.export.export(Net(), (torch.ones(4, 2),), dynamic_shapes={"x": {0: torch.export.Dim("b", min=2, max=64)}})
        file = io.BytesIO()
        torch.export.save(program, file)

        def edit(member, data):
            if not member.endswith("models/model.json"):
                return data
            document = json.loads(data)
            change(document)
            return json.dumps(document).encode()

        (folder / "model.pt2").write_bytes(edited(file.getvalue(), edit))
        return folder / "model.pt2"


def sizes(expression):
    def change(value):
        if isinstance(value, dict) and "expr_str" in value:
            value["expr_str"] = expression
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            change(inner)

    return change


exported("size_in_brackets", sizes(CALL), ("malicious",), "export")
exported("size_of_a_condition", sizes(f"(open if 1 else open)('{FIRED}', 'w')"), ("malicious",), "export")
for _name, _guard in {"in_brackets": CALL, "by_keyword": f"max(['{FIRED}'], key=open)", "of_an_item": f"[open][0]('{FIRED}', 'w')"}.items():
    exported(f"guard_{_name}", lambda document, guard=_guard: document.update(guards_code=[guard]))


@ATTACKS.made("code-by-reference/torch_package", CODE, "package")
def _(folder):
    """The pickle names a class that is inert, and the archive brings a module of that name."""
    import torch.package

    file = io.BytesIO()
    with torch.package.PackageExporter(file) as exporter:
        exporter.save_source_string("mylib", f"open('{FIRED}', 'w')\nclass OrderedDict(dict): pass\n")
        exporter.save_pickle("model", "model.pkl", {"a": 1})
    with zipfile.ZipFile(io.BytesIO(file.getvalue())) as read, zipfile.ZipFile(folder / "model.pt", "w") as written:
        for member in read.infolist():
            data = b"\x80\x02ccollections\nOrderedDict\n)R." if member.filename.endswith("model.pkl") else read.read(member)
            written.writestr(member.filename.replace("mylib.py", "collections.py"), data)
    return folder / "model.pt"


# --- Numbers that are taken for addresses: the loader crashes where the file says --------------------------------------------------


def _text(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _global(module, name):
    return _text(module) + _text(name) + b"\x93"


ADDRESS = b"\x8a\x08" + struct.pack("<Q", 0x4141414141414140)
DATA("unlisted-gadget/torch_tensor_at_an_address", b"\x80\x04" + _global("torch", "Tensor") + b")}" + _text("cdata") + ADDRESS + b"s\x92.")
DATA("unlisted-gadget/torch_float_tensor_at_an_address", b"\x80\x04" + _global("torch", "FloatTensor") + b")}" + _text("cdata") + ADDRESS + b"s\x92.", verdicts=CODE)
DATA("unlisted-gadget/torch_allocator_at_an_address", b"\x80\x04" + _global("torch.storage", "UntypedStorage") + b"K\x08\x85}" + _text("allocator") + ADDRESS + b"s\x92.")
DATA("unlisted-gadget/torch_device_mesh", b"\x80\x04" + _global("torch.distributed.device_mesh", "DeviceMesh") + _text("cpu") + b"]K\x00a\x86R.")
NUMBER = b"J\xff\xff\xff\xff"
STATE = b"(J\x03\x00\x00\x00" + _text("|") + b"NNN" + NUMBER + NUMBER + b"J\x00\x00\x00\x00tb"


def _hashed(dtype):
    """A set of an array of one element, eight bytes of the file, of a type whose state says that they are no object."""
    array = _global("numpy.core.multiarray", "_reconstruct") + _global("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
    return b"\x80\x04" + _global("builtins", "set") + array + b"(K\x01K\x01\x85" + dtype + STATE + b"\x89C\x08AAAAAAAAtb" + b"\x85R."


OBJECTS = _global("numpy", "dtype") + _text("O8") + b"\x89\x88\x87R"
for _name, _code in {"big_endian": _text(">O"), "native": _text("=O"), "named": _text("object_"), "class": _global("numpy", "object_"), "fields": _text("V12,O"), "list": b"]" + _text("a") + _text("O") + b"\x86a"}.items():
    DATA(f"unlisted-gadget/numpy_objects_{_name}", _hashed(_global("numpy", "dtype") + _code + b"\x89\x88\x87R"), verdicts=CODE)
DATA("unlisted-gadget/numpy_objects_of_a_type", _hashed(_global("numpy", "dtype") + OBJECTS + b"\x85R"))
DATA("unlisted-gadget/numpy_objects_given_back", _hashed(_global("torch.jit._pickle", "restore_type_tag") + OBJECTS + _text("x") + b"\x86R"))


# --- Bounds and names ---------------------------------------------------------------------------------------------------------------


@ATTACKS.made("expansion/opcodes_before_the_call", ("malicious", "unreadable"))
def _(folder):
    """More opcodes than a scanner runs, in a third of a megabyte."""
    with gzip.open(folder / "model.pkl.gz", "wb", 9) as file:
        for _ in range(330):
            file.write(b"N0" * (1 << 20))
        file.write(SYSTEM)
    return pathlib.Path(folder / "model.pkl.gz")


TEXT("content-mismatch/text_of_a_dashed_module", "cmy-module\nrun\n(S'x'\ntR.", "notes.txt", CODE)
