"""Vectors that are containers: archives that two programs read differently, streams, files under another's name, and bombs."""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib

import pickles
from attack import COMMAND, Table
from attack_pickles import BENIGN, SYSTEM
from pickles import bytes_, global_, proto, reduce, short, stack_global, unicode

ATTACKS = Table()
DATA = ATTACKS.data
NEVER_CLEAN = ("malicious", "unreadable")
PROTOCOL0 = f"cos\nsystem\n(S'{COMMAND}'\ntR.".encode()
STRANGER0 = b"cmodel_helpers\nrun\n(S'x'\ntR."
ORDER = ("byteorder", b"little")


def torch_zip(pickled=SYSTEM, **options):
    return pickles.zipped(pickled, [ORDER], **options)


def zip_of(files, **options):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", **options) as archive:
        warnings.simplefilter("ignore")
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def tar_of(files, form=tarfile.PAX_FORMAT, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def safetensors(entries=None, data=b"", metadata=None, pad=0):
    header = {} if metadata is None else {"__metadata__": metadata}
    header |= entries or {}
    text = json.dumps(header).encode() + b" " * pad
    return struct.pack("<Q", len(text)) + text + data


def of_bytes(data):
    """One tensor of raw bytes in a safetensors file, which ends with them."""
    return safetensors({"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}, data)


# --- Content under another's name --------------------------------------------------------------------------------------------------
for _name in ("model.safetensors", "weights.json", "README.md", "image.png", "data.npy", "model.h5", "model.onnx", "model.gguf", "vocab.txt", "config.yaml", "LICENSE", "x.py"):
    DATA(f"content-mismatch/pickle_as_{_name.replace('.', '_').lower()}", SYSTEM, _name, fire="pickle")
DATA("content-mismatch/protocol0_as_text", PROTOCOL0, "notes.txt", fire="pickle")
DATA("content-mismatch/protocol0_and_a_newline", PROTOCOL0 + b"\n", "notes.txt", fire="pickle")
DATA("content-mismatch/protocol0_and_prose", PROTOCOL0 + b"\nThese are the weights.\n", "notes.txt", fire="pickle")
DATA("content-mismatch/stranger_as_text", STRANGER0, "notes.txt", verdicts=("code",))
DATA("content-mismatch/stranger_and_a_newline", STRANGER0 + b"\n", "notes.txt", verdicts=("code", "unreadable"))
DATA("content-mismatch/stranger_and_prose", STRANGER0 + b"\nThese are the weights.\n", "README.md", verdicts=("code", "unreadable"))
DATA("content-mismatch/stranger_as_yaml", STRANGER0 + b"\n", "config.yaml", verdicts=("code", "unreadable"))
DATA("content-mismatch/stranger_as_python", STRANGER0 + b"\n", "setup.py", verdicts=("code", "unreadable"))
DATA("content-mismatch/instance_as_text", f"(S'{COMMAND}'\nios\nsystem\n.\n".encode(), "notes.txt", fire="pickle")
DATA("content-mismatch/torch_archive_as_onnx", torch_zip, "model.onnx", fire="torch")
DATA("content-mismatch/torch_archive_as_safetensors", torch_zip, "model.safetensors")
DATA("content-mismatch/numpy_as_pt", lambda: _npz(SYSTEM), "model.pt", fire="numpy_members")
DATA("content-mismatch/joblib_as_txt", lambda: zlib.compress(SYSTEM), "notes.txt", fire="joblib")
DATA("content-mismatch/zlib_as_text", lambda: _zlib_as_text(), "notes.txt", fire="joblib")
DATA("content-mismatch/zlib_as_json", lambda: _zlib_as_text(), "data.json", fire="joblib")
DATA("content-mismatch/seven_zip", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(100), "pytorch_model.bin", verdicts=("unreadable",))
DATA("content-mismatch/rar", b"Rar!\x1a\x07\x01\x00" + bytes(100), "pytorch_model.bin", verdicts=("unreadable",))
DATA("content-mismatch/gif_and_pickle", b"GIF89a\x01\x00\x01" + b"0" + SYSTEM[2:] + b";", "image.gif", fire="pickle")
DATA("content-mismatch/gif_and_stranger", b"GIF89a\x01\x00\x01" + b"0" + STRANGER0 + b";", "image.gif", verdicts=("code", "unreadable"))
DATA("content-mismatch/elf", b"\x7fELF\x02\x01\x01" + bytes(57), "model.bin", verdicts=("code", "malicious"))
DATA("content-mismatch/windows_program", b"MZ" + bytes(62), "weights.pt", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/mach_o", b"\xcf\xfa\xed\xfe" + bytes(28), "model.dat", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/mach_o_32", b"\xce\xfa\xed\xfe" + bytes(28), "model.dat", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/fat_mach_o", b"\xca\xfe\xba\xbe\x00\x00\x00\x02" + bytes(40), "model.dat", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/java_class", b"\xca\xfe\xba\xbe\x00\x00\x00\x41" + bytes(40), "A.class", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/dex", b"dex\n035\x00" + bytes(104), "classes.bin", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/wasm", b"\0asm\x01\0\0\0", "model.bin", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/compiled_python", b"\xa7\x0d\x0d\x0a" + bytes(12) + b"\xe3", "x.pyc", verdicts=("code", "malicious", "unreadable"))


def _npz(pickled):
    from attack_pickles import _object_array

    return zip_of([("a.npy", _object_array(pickled))])


def _zlib_as_text():
    """One stored block whose sizes are characters of UTF-8; the checksum behind it, which joblib never comes to, is missing."""
    size = 0xC240
    return b"x^!" + struct.pack("<HH", size, size ^ 0xFFFF) + PROTOCOL0 + b" " * (size - len(PROTOCOL0))


# --- Files of two formats ----------------------------------------------------------------------------------------------------------
LAMBDA_ZIP = lambda: zip_of([("state.pkl", SYSTEM)], compression=zipfile.ZIP_DEFLATED)  # noqa: E731


def jpeg(data, comment=b"\xff\xd9"):
    """A JPEG's first and last bytes around an archive, whose comment the last ones are."""
    data = bytearray(b"\xff\xd8\xff\xe0" + data)
    at = data.rindex(b"PK\x05\x06")
    data[at + 20:at + 22] = struct.pack("<H", len(comment))
    return bytes(data) + comment


DATA("content-mismatch/jpeg_and_zip", lambda: jpeg(LAMBDA_ZIP()), "image.jpg", fire="zip_pickle")
DATA("content-mismatch/jpeg_and_zip_with_a_long_comment", lambda: jpeg(LAMBDA_ZIP(), b"x" * 9000 + b"\xff\xd9"), "image.jpg", fire="zip_pickle")
DATA("content-mismatch/gif_and_tar", lambda: _gif_tar(), "image.gif", fire="tar_pickle")
DATA("content-mismatch/pixels_and_pickle", b"P5 1 %d 255\n" % len(SYSTEM) + SYSTEM, "image.pgm")
DATA("content-mismatch/pdf_and_zip", lambda: b"%PDF-1.4\n" + _commented(LAMBDA_ZIP(), b"%%EOF"), "paper.pdf", fire="zip_pickle")
DATA("content-mismatch/pdf_and_tar", lambda: tar_of([("%PDF-1.4", b""), ("state.pkl", SYSTEM)], tarfile.USTAR_FORMAT) + b"%%EOF", "paper.pdf", fire="tar_pickle")
DATA("content-mismatch/parquet_and_zip", lambda: b"PAR1" + _commented(LAMBDA_ZIP(), struct.pack("<I", 8) + b"PAR1"), "data.parquet", fire="zip_pickle")
DATA("content-mismatch/numbers_and_zip", lambda: (lambda z: struct.pack(">BBBBI", 0, 0, 8, 1, len(z)) + z)(LAMBDA_ZIP()), "train-labels-idx1-ubyte", fire="zip_pickle")
DATA("content-mismatch/woff_and_pickle_within", lambda: b"wOFF" + struct.pack(">II", 0x10000, 12 + len(SYSTEM)) + SYSTEM, "a.woff")
DATA("content-mismatch/latin1_and_pickle", PROTOCOL0 + "Voilà les poids.\n".encode("latin-1"), "notes.txt", fire="pickle")
DATA("content-mismatch/latin1_and_stranger", STRANGER0 + "\nVoilà les poids.\n".encode("latin-1"), "notes.txt", verdicts=("code", "unreadable"))
DATA("content-mismatch/latin1_yaml", "a: !!python/object/apply:os.system [é]\n".encode("latin-1"), "config.yaml", verdicts=("code", "malicious", "unreadable"))
DATA("content-mismatch/latin1_xml", '<?xml version="1.0" encoding="latin-1"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><é/>'.encode("latin-1"), "notes.txt", verdicts=("malicious", "unreadable"))
DATA("content-mismatch/safetensors_and_zip", lambda: of_bytes(LAMBDA_ZIP()), "model.safetensors", fire="zip_pickle")
DATA("content-mismatch/safetensors_and_long_zip", lambda: of_bytes(_commented(LAMBDA_ZIP(), b"x" * 60_000)), "model.safetensors", fire="zip_pickle")
DATA("content-mismatch/numpy_and_zip", lambda: _numpy_bytes(LAMBDA_ZIP()), "data.npy", fire="zip_pickle")
DATA("content-mismatch/gguf_and_zip", lambda: _gguf(LAMBDA_ZIP()), "model.gguf", fire="zip_pickle")
DATA("content-mismatch/onnx_and_zip", lambda: _onnx_and_zip(), "model.onnx", fire="zip_pickle")
DATA("content-mismatch/pickle_and_zip", lambda: pickle.dumps(LAMBDA_ZIP(), 4) [:-1] + b".", "data.pkl", verdicts=("malicious", "unreadable", "inert"))
DATA("content-mismatch/onnx_and_pickle", lambda: _onnx_and_pickle(), "pytorch_model.bin")
DATA("content-mismatch/msgpack_and_pickle", lambda: _msgpack_and_pickle(), "flax_model.msgpack", fire="pickle")
DATA("content-mismatch/tflite_and_pickle", lambda: _tflite_and_pickle(), "model.tflite", fire="pickle")
DATA("content-mismatch/hdf5_and_pickle", lambda: _hdf5_behind(SYSTEM), "model.h5", fire="pickle")
DATA("content-mismatch/tar_and_pickle", lambda: tar_of([(f"(S'{COMMAND}'\nios\nsystem\n.", b"")], tarfile.USTAR_FORMAT), "model.tar", fire="pickle")
DATA("content-mismatch/sentencepiece_and_zip", lambda: b"\x0a\x08\x0a\x01a\x15\0\0\0\0" + _field(2, LAMBDA_ZIP()), "tokenizer.model", fire="zip_pickle")
DATA("content-mismatch/riff_and_zip", lambda: (lambda z: b"RIFF" + struct.pack("<I", len(z) + 4) + b"WAVE" + z)(LAMBDA_ZIP()), "sound.wav", fire="zip_pickle")


def _field(number, data):
    size, length = len(data), b""
    while True:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if size == 0:
            return bytes([number << 3 | 2]) + length + data


def _commented(data, comment):
    at = data.rindex(b"PK\x05\x06")
    return data[:at + 20] + struct.pack("<H", len(comment)) + comment


def _gif_tar():
    """A tar whose first member's name begins like a GIF; the last byte of a GIF stands in the padding."""
    data = bytearray(tar_of([("GIF89a", b""), ("state.pkl", SYSTEM)], tarfile.USTAR_FORMAT))
    return bytes(data) + b";"


def _numpy_bytes(data):
    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, numpy.frombuffer(data, numpy.uint8))
    return buffer.getvalue()


def _gguf(data):
    name = b"w"
    tensor = struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, len(data), 24, 0)  # 24: int8
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor
    return head + bytes(-len(head) % 32) + data


def _onnx_model():
    import onnx

    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g",
                                   [onnx.helper.make_tensor_value_info("x", 1, [1])], [onnx.helper.make_tensor_value_info("y", 1, [1])])
    return onnx.helper.make_model(graph).SerializeToString()


def _onnx_and_zip():
    """The archive is the documentation of the model, behind all else."""
    return _onnx_model() + _field(6, LAMBDA_ZIP())


def _onnx_and_pickle():
    """A mark that is the tag of model_version, a text that is its number's end and the tag of a documentation that holds the rest."""
    rest = b"x" * 60 + b"1" + SYSTEM[2:]
    assert len(rest) < 128
    return b"(\x8c\x20" + b"\x32" + bytes([len(rest)]) + rest + _onnx_model()


def _msgpack_and_pickle():
    """A map of twelve is SHORT_BINUNICODE, and its first key's head the length of what is passed over, which is UTF-8."""
    program = b"0" + PROTOCOL0
    data = b"v" * (0xA1 - 3) + program
    entry = b"\xa1k\xc4\xbf" + data + b"v" * (0xBF - len(data))
    return b"\x8c" + entry + b"".join(b"\xa1" + bytes([65 + i]) + b"\x01" for i in range(11))


def _tflite_and_pickle():
    """The offset of the root is a short text; what it passes over is a gap before the tables."""
    folder = pathlib.Path(__file__).resolve().parents[2] / "holdall/formats/tflite/testdata"
    for path in sorted(folder.glob("*.tflite")):
        data = path.read_bytes()
        root = struct.unpack_from("<I", data)[0]
        gap = 0x408C - root
        if data[4:8] == b"TFL3" and gap > 256 and gap % 16 == 0:
            program = b"v" * 58 + b"0" + SYSTEM[2:]
            return b"\x8c\x40\0\0TFL3" + program + bytes(gap - len(program)) + data[8:]
    raise AssertionError("no file that can be moved")


def _hdf5_behind(data):
    """An HDF5 file may begin at 512, behind a block of the user's."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file["w"] = [1.0, 2.0]
    whole = bytearray(buffer.getvalue())
    whole[:len(data)] = data
    return bytes(whole)


# --- Archives that two programs read differently -----------------------------------------------------------------------------------
def changed(name, change, file="model.pt", verdicts=NEVER_CLEAN, fire="", data=torch_zip, **options):
    def made():
        made = bytearray(data(**options) if callable(data) else data)
        return bytes(change(made) or made)

    DATA(f"zip-differential/{name}", made, file, verdicts, fire)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def _put(data, mark, offset, value):
    at = data.index(mark) + offset
    data[at:at + len(value)] = value


def _both(local, central, value):
    def change(data):
        _put(data, LOCAL, local, value)
        _put(data, CENTRAL, central, value)

    return change


changed("local_name", lambda d: _put(d, LOCAL, 30, b"archive/dota.pkl"), fire="torch")
changed("central_name", lambda d: _put(d, CENTRAL, 46, b"archive/dota.pkl"))
changed("encrypted_flag", _both(6, 8, b"\x01\x00"))
changed("encrypted_flag_of_the_directory", lambda d: _put(d, CENTRAL, 8, b"\x01\x00"))
changed("strange_flags", _both(6, 8, b"\x00\x80"), verdicts=("malicious", "unreadable"))
changed("bad_checksum", _both(14, 16, b"\xff\xff\xff\xff"))
changed("bad_checksum_of_the_directory", lambda d: _put(d, CENTRAL, 16, b"\xff\xff\xff\xff"))
changed("other_method", lambda d: _put(d, LOCAL, 8, b"\x08\x00"))
changed("unknown_method", _both(8, 10, b"\x63\x00"))
changed("other_size", lambda d: _put(d, LOCAL, 22, struct.pack("<I", 3)))
changed("data_descriptor_flag", lambda d: _put(d, LOCAL, 6, b"\x08\x00"))
changed("version_needed", _both(4, 6, b"\xff\x00"), verdicts=("malicious", "unreadable"))
changed("prefix", lambda d: b"junk" * 8 + bytes(d))
changed("benign_zip_before", lambda d: pickles.zipped(BENIGN, [ORDER]) + bytes(d))
changed("benign_zip_behind", lambda d: bytes(d) + pickles.zipped(BENIGN, [ORDER]))
changed("pickle_before", lambda d: SYSTEM + bytes(d), fire="pickle", data=lambda: pickles.zipped(BENIGN, [ORDER]))
changed("pickle_behind", lambda d: bytes(d) + SYSTEM, data=lambda: pickles.zipped(BENIGN, [ORDER]))
changed("directory_in_the_comment", lambda d: _second_directory(d))
changed("hidden_member", lambda d: _hidden(d), data=lambda: zip_of([("archive/data.pkl", BENIGN), ("archive/data0.pkl", SYSTEM), ("archive/version", b"3\n")]))
changed("no_directory", lambda d: bytes(d[:d.index(CENTRAL)]))
changed("no_end", lambda d: bytes(d[:d.index(END)]))
changed("fewer_entries_told", lambda d: _put(d, END, 8, struct.pack("<HH", 1, 1)))
changed("multiple_disks", lambda d: _put(d, END, 4, b"\x01\x00"))
changed("name_with_a_zero", lambda d: d.replace(b"archive/data.pkl", b"archive/d.pkl\0xy"), verdicts=NEVER_CLEAN)
changed("name_twice", lambda d: None, data=lambda: zip_of([("archive/data.pkl", BENIGN), ("archive/data.pkl", SYSTEM), ("archive/version", b"3\n")]))
changed("name_in_capitals", lambda d: None, data=lambda: zip_of([("archive/data.pkl", BENIGN), ("archive/DATA.PKL", SYSTEM), ("archive/version", b"3\n")]))
changed("name_by_backslash", lambda d: None, data=lambda: zip_of([("archive/data.pkl", BENIGN), ("archive/version", b"3\n"), ("archive\\code.pkl", SYSTEM)]))
changed("escaping_name", lambda d: None, data=lambda: zip_of([("archive/data.pkl", BENIGN), ("../../x", SYSTEM), ("archive/version", b"3\n")]))
changed("content_of_a_folder", lambda d: None, data=lambda: zip_of([("archive/data.pkl", BENIGN), ("archive/version", b"3\n"), ("archive/x/", SYSTEM)]))
changed("zip_in_a_zip", lambda d: None, data=lambda: zip_of([("a/b.zip", zip_of([("c.pt", torch_zip())]))]), verdicts=("malicious",))
changed("unlisted_member", lambda d: None, data=lambda: pickles.zipped(BENIGN, [ORDER, ("extra.bin", SYSTEM)]), verdicts=("malicious",))
changed("member_as_a_storage", lambda d: None, data=lambda: pickles.zipped(BENIGN, [ORDER, ("data/0", SYSTEM)]), verdicts=("malicious",))
changed("unicode_path", lambda d: _unicode_path(), fire="", verdicts=NEVER_CLEAN)
changed("symbolic_link", lambda d: _link(), verdicts=NEVER_CLEAN)
changed("deflated_in_two_ways", lambda d: None, data=lambda: torch_zip(compression=zipfile.ZIP_DEFLATED), fire="torch", verdicts=("malicious",))
changed("bzip2_member", lambda d: None, data=lambda: zip_of([("state.pkl", SYSTEM)], compression=zipfile.ZIP_BZIP2), fire="zip_pickle")
changed("lzma_member", lambda d: None, data=lambda: zip_of([("state.pkl", SYSTEM)], compression=zipfile.ZIP_LZMA), fire="zip_pickle")
changed("zip64_end_alone", lambda d: _zip64_end(d))


def _second_directory(data):
    """The comment of one archive is the end of another."""
    other = pickles.zipped(BENIGN, [ORDER])
    return _commented(bytes(data), other)


def _hidden(data):
    """The second member stays where it is and leaves the directory."""
    first = data.index(CENTRAL)
    second = data.index(CENTRAL, first + 4)
    third = data.index(CENTRAL, second + 4)
    gone = third - second
    del data[second:third]
    at = data.index(END)
    size = struct.unpack_from("<I", data, at + 12)[0]
    data[at + 8:at + 16] = struct.pack("<HHI", 2, 2, size - gone)


def _unicode_path():
    """Info-ZIP's extra field gives the member another name."""
    info = zipfile.ZipInfo("archive/data.txt")
    name = b"archive/data.pkl"
    body = b"\x01" + struct.pack("<I", zlib.crc32(b"archive/data.txt")) + name
    info.extra = struct.pack("<HH", 0x7075, len(body)) + body
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, SYSTEM)
    return buffer.getvalue()


def _link():
    info = zipfile.ZipInfo("archive/data.pkl")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def _zip64_end(data):
    at = data.index(END)
    size, offset = struct.unpack_from("<II", data, at + 12)
    count = struct.unpack_from("<H", data, at + 10)[0]
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1)
    return bytes(data[:at]) + record + locator + END + struct.pack("<HHHHIIH", 0, 0, 0, 0, 0, 0, 0)


# --- Compressed ----------------------------------------------------------------------------------------------------------------------
def compressed(name, data, file="model.pkl", fire="", verdicts=("malicious",)):
    DATA(f"compression/{name}", data, file, verdicts, fire)


compressed("gzip", gzip.compress(SYSTEM), fire="gzip")
compressed("gzip_by_joblib", gzip.compress(SYSTEM), "model.joblib", fire="joblib")
compressed("zlib", zlib.compress(SYSTEM), "model.joblib", fire="joblib")
compressed("zlib_level_0", zlib.compress(SYSTEM, 0), "model.joblib", fire="joblib")
compressed("bz2", bz2.compress(SYSTEM), "model.joblib", fire="joblib")
compressed("xz", lzma.compress(SYSTEM), "model.joblib", fire="joblib")
compressed("lzma", lzma.compress(SYSTEM, lzma.FORMAT_ALONE), "model.joblib", fire="joblib")
compressed("gzip_in_members", gzip.compress(SYSTEM[:9]) + gzip.compress(SYSTEM[9:]), fire="gzip")
compressed("gzip_second_member", gzip.compress(BENIGN) + gzip.compress(SYSTEM), verdicts=NEVER_CLEAN)
compressed("bz2_in_streams", bz2.compress(SYSTEM[:9]) + bz2.compress(SYSTEM[9:]), fire="bz2")
compressed("xz_in_streams", lzma.compress(SYSTEM[:9]) + lzma.compress(SYSTEM[9:]), fire="xz")
compressed("xz_padded", lzma.compress(SYSTEM[:9]) + bytes(8) + lzma.compress(SYSTEM[9:]), verdicts=NEVER_CLEAN)
compressed("gzip_and_rubbish", gzip.compress(SYSTEM) + b"rubbish", verdicts=NEVER_CLEAN, fire="gzip")
compressed("gzip_and_a_pickle", gzip.compress(BENIGN) + SYSTEM, verdicts=NEVER_CLEAN)
compressed("gzip_broken_off", gzip.compress(SYSTEM)[:-6], fire="gzip")
compressed("gzip_bad_checksum", gzip.compress(SYSTEM)[:-8] + bytes(8), fire="gzip", verdicts=NEVER_CLEAN)
compressed("zlib_bad_checksum", zlib.compress(SYSTEM)[:-4] + bytes(4), "model.joblib", verdicts=NEVER_CLEAN)
compressed("gzip_in_gzip", gzip.compress(gzip.compress(SYSTEM)))
compressed("bz2_in_xz", lzma.compress(bz2.compress(SYSTEM)))
compressed("gzip_ten_deep", lambda: _deep(10), verdicts=NEVER_CLEAN)
compressed("gzip_three_hundred_deep", lambda: _deep(300), verdicts=NEVER_CLEAN)
compressed("tar", lambda: tar_of([("a/state.pkl", SYSTEM)]), "model.tar", fire="tar_pickle")
compressed("tar_gzip", lambda: tar_of([("a/state.pkl", SYSTEM)], mode="w:gz"), "model.tar.gz", fire="tar_pickle")
compressed("tar_bz2", lambda: tar_of([("a/state.pkl", SYSTEM)], mode="w:bz2"), "model.tar", fire="tar_pickle")
compressed("tar_xz", lambda: tar_of([("a/state.pkl", SYSTEM)], mode="w:xz"), "model.tar", fire="tar_pickle")
compressed("tar_of_gzip", lambda: tar_of([("a/state.pkl.gz", gzip.compress(SYSTEM))]), "model.tar")
compressed("tar_ustar", lambda: tar_of([("state", SYSTEM)], tarfile.USTAR_FORMAT), "model.nemo", fire="tar_pickle")
compressed("tar_gnu_long_name", lambda: tar_of([("a" * 200, SYSTEM)], tarfile.GNU_FORMAT), "model.nemo", fire="tar_pickle")
compressed("tar_behind_its_end", lambda: tar_of([("a", BENIGN)]) + tar_of([("b", SYSTEM)]), "model.tar", verdicts=NEVER_CLEAN)
compressed("zstd", lambda: _zstd(SYSTEM), verdicts=NEVER_CLEAN)
compressed("lz4", lambda: _lz4(SYSTEM), verdicts=NEVER_CLEAN)
compressed("seven_zip", b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(range(200)), verdicts=("unreadable",))
compressed("compress_z", b"\x1f\x9d\x90" + bytes(range(100)), verdicts=("unreadable",))
compressed("brotli", bytes.fromhex("8b05800102030405060708090a0b0c03"), verdicts=("unreadable",))
compressed("old_joblib_zfile", lambda: b"ZF" + b"0x%-17x" % len(SYSTEM) + zlib.compress(SYSTEM), verdicts=NEVER_CLEAN)


def _deep(levels):
    data = SYSTEM
    for _ in range(levels):
        data = gzip.compress(data, 1, mtime=0)
    return data


def _lz4(data):
    """One frame with one stored block."""
    head = b"\x60\x40"
    return b"\x04\x22\x4d\x18" + head + b"\x82" + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)


def _zstd(data):
    """One frame with one raw block."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def _gzips(count):
    zeros = gzip.compress(bytes(1 << 29), 1)
    return zip_of([(f"{i}.pkl.gz", zeros) for i in range(count)], compression=zipfile.ZIP_DEFLATED)


# --- What grows ------------------------------------------------------------------------------------------------------------------------
def bomb(name, data, file="model.pkl", verdicts=("malicious", "unreadable", "inert"), fire=""):
    DATA(f"expansion/{name}", data, file, verdicts, fire)


CALL = SYSTEM[2:-1]
bomb("laughing_lists", proto(2, b"]" + b"".join(b"q\x00](" + b"h\x00" * 10 + b"e" for _ in range(60))))
bomb("laughs_and_a_call", proto(2, b"]" + b"".join(b"q\x00](" + b"h\x00" * 10 + b"e" for _ in range(60)) + b"0" + CALL), verdicts=("malicious",), fire="pickle")
bomb("duplicates", proto(2, b"]" + b"2" * 100_000 + b"0" * 100_000 + CALL), verdicts=("malicious",), fire="pickle")
bomb("deep_tuples", proto(2, b"N" + b"\x85" * 100_000 + b"0" + CALL), verdicts=("malicious",), fire="pickle")
bomb("deep_lists", proto(2, b"](" * 100_000 + b"N" + b"e" * 100_000 + b"0" + CALL), verdicts=("malicious",))
bomb("many_marks", proto(2, b"(" * 200_000 + CALL), verdicts=("malicious",), fire="pickle")
bomb("many_memos", proto(4, b"N" + b"\x94" * 300_000 + b"0" + CALL), verdicts=("malicious",), fire="pickle")
bomb("huge_memo_index", proto(2, b"Nr\xff\xff\xff\x7f0" + CALL), verdicts=("malicious", "unreadable"))
bomb("huge_text", proto(4, b"\x8d" + struct.pack("<Q", 1 << 62)), verdicts=("unreadable", "malicious"))
bomb("huge_bytes", proto(5, b"\x96" + struct.pack("<Q", 1 << 40)), verdicts=("unreadable", "malicious"))
bomb("long_number", proto(2, b"\x8b" + struct.pack("<i", 5_000_000) + b"\x01" * 5_000_000 + b"0" + CALL), verdicts=("malicious",))
bomb("long_decimal", lambda: b"L" + b"9" * 2_000_000 + b"L\n0" + CALL + b".", verdicts=("malicious", "unreadable"))
bomb("bytearray", proto(2, reduce(global_("builtins", "bytearray"), b"\x8a\x06" + (1 << 45).to_bytes(6, "little"))))
bomb("gzip", lambda: gzip.compress(gzip.compress(bytes(1 << 28), 9), 9), "model.pkl.gz", verdicts=("unreadable", "inert", "malicious"))
bomb("gzip_and_a_call", lambda: gzip.compress(b"N0" * (30 << 20) + CALL + b".", 9), "model.pkl.gz", verdicts=("malicious", "unreadable"))
bomb("zip", lambda: zip_of([("a.pkl", b"\x80\x02" + bytes(1 << 27))], compression=zipfile.ZIP_DEFLATED), "model.zip", verdicts=("unreadable", "malicious"))
bomb("gzips_in_a_zip", lambda: _gzips(60), "model.zip", verdicts=("unreadable",))
bomb("zip_of_zips", lambda: _zips(6), "model.zip", verdicts=("malicious", "unreadable", "inert"))
bomb("many_members", lambda: zip_of([(f"{i}.pkl", b"N.") for i in range(20_000)] + [("x.pkl", SYSTEM)]), "model.zip", verdicts=("malicious", "unreadable"))
bomb("many_members_of_a_tar", lambda: tar_of([(f"{i}.pkl", b"N.") for i in range(3_000)] + [("x.pkl", SYSTEM)], tarfile.USTAR_FORMAT), "model.tar", verdicts=("malicious", "unreadable"))
bomb("deep_json", lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "config.json", verdicts=("unreadable",))
bomb("deep_yaml", lambda: b"[" * 100_000 + b"]" * 100_000, "config.yaml")
bomb("yaml_laughs", lambda: b"a: &a [x]\n" + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c]\n" % (98 + i, 98 + i, *[97 + i] * 6) for i in range(20)), "config.yaml")
bomb("numpy_shape", lambda: _shape("(1099511627776,)"), "data.npy", verdicts=("unreadable", "malicious"))
bomb("safetensors_header", struct.pack("<Q", 1 << 60) + b'{"a"', "model.safetensors", verdicts=("unreadable", "malicious"))
bomb("safetensors_size", lambda: safetensors({"w": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}}, bytes(4)), "model.safetensors", verdicts=("unreadable", "malicious"))
bomb("gguf_count", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), "model.gguf", verdicts=("unreadable", "malicious"))
bomb("gguf_text", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 50), "model.gguf", verdicts=("unreadable", "malicious"))
bomb("msgpack_count", b"\xdd\xff\xff\xff\xff", "flax_model.msgpack", verdicts=("unreadable", "malicious"))


def _zips(levels):
    data = zip_of([("x", b"0" * 100_000)], compression=zipfile.ZIP_DEFLATED)
    for _ in range(levels):
        data = zip_of([(f"{i}.zip", data) for i in range(8)], compression=zipfile.ZIP_DEFLATED)
    return data


def _shape(shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
