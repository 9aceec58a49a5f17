"""Golden files for the HDF5 reader. Written with h5py 3.14.0 (HDF5 1.14.6), numpy 2.4.6.

One file for each version of the format that h5py can be told to write. digests.tsv tells of every data set: file, path, dtype,
shape, SHA-256 of its elements as Holdall's digests define them (row-major, little-endian, without gaps; a text is its length in
8 bytes and its bytes).
"""

import hashlib
import pathlib
import struct
import sys

import h5py
import numpy

HERE = pathlib.Path(__file__).parent
VERSIONS = ["earliest", "v108", "latest"]


def elements(array):
    array = numpy.asarray(array)
    if array.dtype.kind in "SO":
        texts = [text if isinstance(text, bytes) else text.encode() for text in array.ravel().tolist()]
        return b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    if array.dtype.kind == "V":
        return numpy.ascontiguousarray(array).tobytes()
    return numpy.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()


def dtype_name(array):
    kind = numpy.asarray(array).dtype
    return "string" if kind.kind in "SO" else "record" if kind.kind == "V" else kind.name


def put_types(file):
    """Every class of type that becomes a tensor, contiguous."""
    group = file.create_group("types")
    chance = numpy.random.default_rng(1)
    for kind in "i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split():
        for order in "<>":
            group[f"{kind}{'be' if order == '>' else ''}"] = (chance.random((2, 3)) * 100).astype(order + kind)
    group["bool"] = numpy.array([[True, False], [False, True]])
    group["fixed text"] = numpy.array([b"a", b"bcd", b""])
    group.create_dataset("text", data=["naïve", "", "日本" * 20], dtype=h5py.string_dtype())
    group["record"] = numpy.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i4"), ("b", ">f8")])
    group["opaque"] = numpy.array([b"ab", b"cd"], dtype="V2")
    group.create_dataset("enum", data=numpy.array([0, 2], "i2"), dtype=h5py.enum_dtype({"A": 0, "B": 2}, "i2"))
    group.create_dataset("array type", (2,), numpy.dtype(("<i4", (3,))))[...] = numpy.arange(6, dtype="i4").reshape(2, 3)
    group["scalar"] = numpy.float32(1.5)
    group["empty"] = numpy.zeros((0, 4), "f4")


def put_layouts(file):
    """Compact, never written, and chunked data with every index and filter."""
    group = file.create_group("layouts")
    chance = numpy.random.default_rng(2)
    data = (chance.random((37, 23)) * 50).astype("f4").round()
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(group.id, b"compact", h5py.h5t.NATIVE_INT16, space, compact).write(space, space, numpy.arange(3, dtype="i2"))
    group.create_dataset("unwritten", (4, 2), "f4", fillvalue=2.5)
    group.create_dataset("chunked", data=data, chunks=(10, 7))
    group.create_dataset("gzip", data=data, chunks=(10, 7), compression="gzip")
    group.create_dataset("shuffled", data=data, chunks=(10, 23), compression="gzip", shuffle=True, fletcher32=True)
    group.create_dataset("summed", data=data, chunks=(37, 23), fletcher32=True)
    group.create_dataset("single", data=data, chunks=(37, 23), compression="gzip")
    group.create_dataset("growing", data=data, chunks=(3, 5), maxshape=(None, 23))
    group.create_dataset("growing second", data=data, chunks=(3, 5), maxshape=(40, None), compression="gzip")
    group.create_dataset("growing both", data=data, chunks=(3, 5), maxshape=(None, None), shuffle=True)
    group.create_dataset("bounded", data=data, chunks=(5, 5), maxshape=(60, 30))
    group.create_dataset("rows", data=numpy.arange(600, dtype="<u4").reshape(300, 2), chunks=(1, 2), maxshape=(None, 2))
    group.create_dataset("fixed rows", data=numpy.arange(1100, dtype="<u2"), chunks=(1,))
    sparse = group.create_dataset("sparse", (50, 10), "i4", chunks=(7, 3), fillvalue=-1)
    sparse[20:30, 4:6] = numpy.arange(20).reshape(10, 2)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_chunk((4, 4))
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space = h5py.h5s.create_simple((10, 9))
    made = h5py.h5d.create(group.id, b"early", h5py.h5t.NATIVE_INT32, space, early)
    made.write(space, space, numpy.arange(90, dtype="i4").reshape(10, 9))


def put_links(file):
    """Groups of many links, hard and soft ones, attributes in and outside of headers."""
    many = file.create_group("many")
    for i in range(60):
        many[f"d{i}"] = numpy.int16(i)
    ordered = file.create_group("ordered", track_order=True)
    for name in "zyx":
        ordered[name] = numpy.int8(1)
    file["hard"] = file["types/f4"]
    file["soft"] = h5py.SoftLink("/types/i4")
    file["types/beside"] = h5py.SoftLink("scalar")
    file["nowhere"] = h5py.SoftLink("/not/there")
    file.attrs["text"] = "naïve"
    file.attrs["number"] = 7
    file.attrs["float"] = numpy.float32(0.5)
    file.attrs["flag"] = numpy.bool_(True)
    file.attrs["list"] = [1, 2, 3]
    file.attrs["texts"] = ["a", "bc"]
    file.attrs["fixed"] = numpy.array([b"x", b"yz"])
    file.attrs["nothing"] = h5py.Empty("f4")
    for i in range(30):
        many.attrs[f"a{i}"] = i
    if file.libver[0] != "earliest":
        many.attrs["large"] = numpy.arange(8200, dtype="f8")


def digests(path):
    lines = []
    with h5py.File(path) as file:

        def line(name, item):
            if isinstance(item, h5py.Dataset):
                array = item[()]
                shape = ",".join(map(str, numpy.shape(array)))
                digest = hashlib.sha256(elements(array)).hexdigest()
                lines.append(f"{path.name}\t{name}\t{dtype_name(array)}\t{shape}\t{digest}\n")

        file.visititems(line)
    return "".join(lines)


def main(folder):
    table = ""
    for version in VERSIONS:
        path = folder / f"{version}.h5"
        with h5py.File(path, "w", libver=version, userblock_size=512 if version == "v108" else 0) as file:
            put_types(file)
            put_layouts(file)
            put_links(file)
        table += digests(path)
    (folder / "digests.tsv").write_text(table)
    with h5py.File(folder / "external.h5", "w") as file:
        file["away"] = h5py.ExternalLink("other.h5", "/data")
    with h5py.File(folder / "outside.h5", "w") as file:
        file.create_dataset("outside", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    with h5py.File(folder / "virtual.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
        layout[:] = h5py.VirtualSource("other.h5", "data", shape=(4,))
        file.create_virtual_dataset("virtual", layout)
    with h5py.File(folder / "lzf.h5", "w") as file:
        file.create_dataset("lzf", data=numpy.zeros(100), compression="lzf")
    with h5py.File(folder / "bomb.h5", "w") as file:
        file.create_dataset("bomb", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    with h5py.File(folder / "circle.h5", "w") as file:
        file["a/b/data"] = numpy.arange(3)
        file["a/b/c"] = file["a"]
        file["one"] = h5py.SoftLink("/two")
        file["two"] = h5py.SoftLink("/one")


main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
