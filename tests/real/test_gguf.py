"""GGUF files against the package gguf, both ways. Made for gguf 0.19 and NumPy 2.4."""

import hashlib
import struct

import gguf
import numpy
import pytest
import safetensors.numpy
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFEndian, GGUFReader, GGUFValueType, GGUFWriter, quants

KINDS = [kind for kind in GGMLQuantizationType if GGML_QUANT_SIZES[kind][0] > 1 and kind.name != "Q8_1"]
DEQUANTIZED = [kind for kind in KINDS if kind in quants._type_traits]
MADE = [GGMLQuantizationType[name] for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")]


def sha256(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


def written(path, tensors, values=lambda writer: None, **options):
    """A file of the package: name, array, and of raw bytes the type."""
    writer = GGUFWriter(path, "test", **options)
    values(writer)
    for name, data, *kind in tensors:
        writer.add_tensor(name, data, raw_dtype=kind[0] if kind else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_blocks(kind, rows, seed):
    return numpy.random.default_rng(seed).integers(0, 256, (rows, GGML_QUANT_SIZES[kind][1]), dtype=numpy.uint8)


def without_payloads(floats):
    """The bits, every NaN as one: which of two NaNs a sum keeps is the processor's business."""
    return numpy.where(numpy.isnan(floats), numpy.float32(numpy.nan), floats).astype(numpy.float32)


def read_floats(path):
    return safetensors.numpy.load_file(path)


@pytest.mark.parametrize("kind", DEQUANTIZED, ids=lambda kind: kind.name)
def test_blocks_of_any_bits_mean_what_the_package_says(holdall, tmp_path, kind):
    data = random_blocks(kind, 3000, kind.value)
    path = written(tmp_path / "a.gguf", [("w", data, kind)])
    tensor = holdall.inspect(path).tensors["w"]
    assert tensor["dtype"] == kind.name.lower() and tensor["sha256"] == sha256(data)
    holdall.convert(path, tmp_path / "a.safetensors", "--dtype", "float32")
    with numpy.errstate(all="ignore"):
        expected = quants.dequantize(data, kind)
    found = read_floats(tmp_path / "a.safetensors")["w"]
    assert found.shape == expected.shape
    assert without_payloads(found).tobytes() == without_payloads(expected).tobytes()


def numbers(rng):
    """Matrices of 32 columns by what is in them."""
    normal = rng.standard_normal((2000, 32)).astype(numpy.float32)
    special = normal.copy()
    special[numpy.arange(2000), rng.integers(0, 32, 2000)] = rng.choice([numpy.nan, numpy.inf, -numpy.inf], 2000)
    return {
        "normal": normal,
        "scaled": (normal * 10.0 ** rng.integers(-44, 38, (2000, 1))).astype(numpy.float32),
        "denormal": (normal * numpy.float32(1e-40)).astype(numpy.float32),
        "ties": (rng.integers(-254, 255, (2000, 32)) / 2).astype(numpy.float32),
        "zeros": numpy.zeros((4, 32), numpy.float32),
        "negative.zeros": numpy.full((4, 32), -0.0, numpy.float32),
        "special": special,
        "huge": (rng.integers(-1, 2, (2000, 32)) * 3.4e38).astype(numpy.float32),
    }


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.name)
def test_blocks_are_made_as_the_package_makes_them(holdall, tmp_path, kind):
    tensors = numbers(numpy.random.default_rng(5))
    safetensors.numpy.save_file(tensors, tmp_path / "a.safetensors")
    holdall.convert(tmp_path / "a.safetensors", tmp_path / "a.gguf", "--dtype", kind.name.lower())
    found = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "a.gguf").tensors}
    for name, values in tensors.items():
        assert found[name].tensor_type == kind
        with numpy.errstate(all="ignore"):
            expected = quants.quantize(values, kind)
        assert numpy.asarray(found[name].data).tobytes() == expected.tobytes(), name


def test_rows_that_do_not_divide_are_kept_and_told(holdall, tmp_path):
    tensors = {"w": numpy.ones((4, 64), numpy.float32), "odd": numpy.ones((4, 33), numpy.float32), "bias": numpy.ones(64, numpy.float32),
               "ids": numpy.arange(64).reshape(2, 32)}
    safetensors.numpy.save_file(tensors, tmp_path / "a.safetensors")
    report = holdall.convert(tmp_path / "a.safetensors", tmp_path / "a.gguf", "--dtype", "q8_0", "--json").json
    assert [copy["name"] for copy in report["copies"]] == ["w"] and report["cast"] == ["w"]
    (copy,) = report["copies"]
    assert (copy["from"], copy["to"], copy["bytes_in"], copy["bytes_out"]) == ("float32", "q8_0", 1024, 272)
    expected = quants.dequantize(quants.quantize(tensors["w"], GGMLQuantizationType.Q8_0), GGMLQuantizationType.Q8_0)
    error = numpy.abs(expected.astype(numpy.float64) - 1)
    assert copy["max_abs"] == error.max() and copy["mean_abs"] == pytest.approx(error.mean()) and copy["cosine"] == pytest.approx(1)
    assert {kept["name"]: kept["why"] for kept in report["kept"]} == {
        "odd": "its rows of 33 elements are not whole blocks of 32", "bias": "it is no matrix"}
    assert not report["differing"]


def every_value(writer):
    for kind, value in [("UINT8", 1), ("INT8", -1), ("UINT16", 2), ("INT16", -2), ("UINT32", 3), ("INT32", 4), ("FLOAT32", 0.5), ("BOOL", False),
                        ("STRING", "é"), ("UINT64", 5), ("INT64", 6), ("FLOAT64", 0.1)]:
        writer.add_key_value(f"a.{kind.lower()}", value, GGUFValueType[kind])
    writer.add_array("a.tokens", ["<s>", "▁a", ""])


def an_array_of_arrays(writer):
    every_value(writer)
    writer.add_array("a.nested", [[1, 2], [3, 4]])


@pytest.mark.parametrize("endian", [GGUFEndian.LITTLE, GGUFEndian.BIG], ids=lambda endian: endian.name)
def test_what_the_package_writes_is_read_and_written_again(holdall, tmp_path, endian):
    rng = numpy.random.default_rng(1)
    tensors = {"f": rng.standard_normal((3, 4)).astype(numpy.float32), "h": rng.standard_normal((2, 3, 5)).astype(numpy.float16),
               "d": rng.standard_normal(7), "i": rng.integers(-9, 9, (2, 2), dtype=numpy.int32), "l": rng.integers(-9, 9, 3)}
    path = written(tmp_path / "a.gguf", tensors.items(), an_array_of_arrays, endianess=endian)
    outcome = holdall.inspect(path)
    for name, array in tensors.items():
        assert outcome.tensors[name]["shape"] == list(array.shape)
        assert outcome.tensors[name]["sha256"] == sha256(array)
    metadata = outcome.json["metadata"]
    assert metadata["a.tokens"] == ["<s>", "▁a", ""] and metadata["a.nested"] == [[1, 2], [3, 4]] and metadata["a.float64"] == 0.1
    assert outcome.json["verdict"] == "inert"
    holdall.convert(path, tmp_path / "b.gguf")
    mine, theirs = GGUFReader(tmp_path / "b.gguf"), GGUFReader(path)
    for name, field in theirs.fields.items():
        if name.startswith("GGUF."):
            continue
        assert mine.fields[name].types == field.types, name
        if endian is GGUFEndian.LITTLE:
            assert mine.fields[name].contents() == field.contents(), name
    for tensor in mine.tensors:
        assert numpy.asarray(tensor.data).tobytes() == tensors[tensor.name].tobytes()
    (fault,) = holdall("verify", tmp_path / "b.gguf", "--json", status=1).json["faults"]
    assert fault["what"] == "key 'a.nested' is an array of arrays, which ggml does not take"


def test_splits_open_as_one_model(holdall, tmp_path):
    tensors = {f"w{i}": numpy.full((2, 32), i, numpy.float32) for i in range(5)}
    written(tmp_path / "m.gguf", tensors.items(), split_max_tensors=2)
    for number in (1, 3):
        outcome = holdall.inspect(tmp_path / f"m-0000{number}-of-00003.gguf")
        assert {name: tensor["sha256"] for name, tensor in outcome.tensors.items()} == {name: sha256(array) for name, array in tensors.items()}


def old_file(version):
    """A file of version 1 or 2, which the package no longer writes."""
    count = "<I" if version == 1 else "<Q"
    text = lambda of: struct.pack(count, len(of)) + of
    data = numpy.arange(6, dtype=numpy.float32)
    head = b"GGUF" + struct.pack("<I", version) + struct.pack(count, 1) * 2
    head += text(b"a.words") + struct.pack("<II", 9, 8) + struct.pack(count, 2) + text(b"x") + text(b"y")
    head += text(b"w") + struct.pack("<I", 2) + struct.pack(count, 3) + struct.pack(count, 2) + struct.pack("<IQ", 0, 0)
    return head + bytes(-len(head) % 32) + data.tobytes(), data.reshape(2, 3)


@pytest.mark.parametrize("version", [1, 2])
def test_old_versions_are_read(holdall, tmp_path, version):
    content, data = old_file(version)
    (tmp_path / "a.gguf").write_bytes(content)
    outcome = holdall.inspect(tmp_path / "a.gguf")
    assert outcome.tensors["w"]["sha256"] == sha256(data) and outcome.tensors["w"]["shape"] == [2, 3]
    assert outcome.json["metadata"]["a.words"] == ["x", "y"]


def test_diff_and_statistics_see_numbers(holdall, tmp_path):
    values = numpy.random.default_rng(3).standard_normal((64, 64)).astype(numpy.float32)
    safetensors.numpy.save_file({"w": values}, tmp_path / "a.safetensors")
    holdall.convert(tmp_path / "a.safetensors", tmp_path / "a.gguf", "--dtype", "q4_0")
    back = quants.dequantize(quants.quantize(values, GGMLQuantizationType.Q4_0), GGMLQuantizationType.Q4_0)
    (change,) = holdall("diff", tmp_path / "a.safetensors", tmp_path / "a.gguf", "--json", status=1).json["changed"]
    assert change["max_abs"] == numpy.abs(values.astype(numpy.float64) - back).max()
    statistics = holdall.inspect(tmp_path / "a.gguf", "--stats").tensors["w"]["statistics"]
    assert statistics["min"] == back.min() and statistics["max"] == back.max()


def test_a_template_that_reaches_for_internals_is_malicious(holdall, tmp_path):
    hostile = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    path = written(tmp_path / "a.gguf", [("w", numpy.ones(2, numpy.float32))], lambda writer: writer.add_chat_template(hostile))
    document = holdall("scan", path, "--json", status=1).json
    assert document["verdict"] == "malicious" and document["findings"][0]["rule"] == "chat-template"


def test_the_package_has_the_types_that_are_tried():
    assert len(DEQUANTIZED) >= 23 and gguf.GGML_QUANT_SIZES[GGMLQuantizationType.NVFP4] == (64, 36)
