"""The package without a framework: opening, reading, saving, the documents, the errors."""

import io
import json
import os
import pickle
import subprocess
import sys

import numpy
import pytest

import holdall


@pytest.fixture
def state():
    return {
        "epoch": 3,
        "layer": {"w": numpy.arange(12, dtype="f4").reshape(3, 4), "b": numpy.ones(6, "i8")[::2], "s": numpy.float64(0.5)},
        "values": (1, "x", b"yz", None, True, 1 << 80, 1 + 2j, {1, 2}),
    }


@pytest.fixture
def path(state, tmp_path):
    holdall.save(state, tmp_path / "a.npz", metadata={"note": "mine"})
    return tmp_path / "a.npz"


def same(a, b):
    if isinstance(a, numpy.ndarray):
        return isinstance(b, numpy.ndarray) and a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


def test_importing_imports_no_framework_and_little_of_the_standard_library():
    code = "import sys; before = set(sys.modules); import holdall; print(sorted(m for m in set(sys.modules) - before if m[0] != '_' and '.' not in m))"
    imported = set(eval(subprocess.run([sys.executable, "-S", "-c", "import os; " + code], capture_output=True, text=True, check=True).stdout))
    assert imported <= {"holdall", "atexit", "collections", "contextlib", "functools", "gc", "itertools", "keyword", "math", "operator", "reprlib", "types"}


@pytest.mark.parametrize("extension", ["npz", "safetensors", "pt", "pkl"])
def test_what_is_saved_comes_back(extension, state, tmp_path):
    if extension in ("pt", "pkl"):
        state["layer"]["s"] = 0.5  # a number there, unless it came from torch
    holdall.save(state, tmp_path / f"a.{extension}")
    assert same(state, holdall.load(tmp_path / f"a.{extension}"))


def test_a_model_is_a_mapping_of_tensors_on_disk(path):
    model = holdall.open(path)
    assert list(model) == ["layer.w", "layer.b"] and len(model) == 2 and "layer.w" in model
    assert (model.format, model.verdict, model.metadata, model.config) == ("numpy", "inert", {"note": "mine"}, None)
    weight = model["layer.w"]
    assert (weight.dtype, weight.shape, weight.nbytes, weight.ndim, weight.size, len(weight)) == ("float32", (3, 4), 48, 2, 12, 3)
    assert numpy.asarray(weight).tolist() == numpy.from_dlpack(weight).tolist() == weight.numpy().tolist()
    assert model.tree["layer"]["w"].name == "layer.w" and model.tree["epoch"] == 3
    with pytest.raises(KeyError, match="did you mean 'layer.w'"):
        model["layer.v"]


def test_a_location_is_where_the_bytes_are(path):
    place = holdall.open(path)["layer.w"].location
    with open(place.path, "rb") as file:
        file.seek(place.offset)
        assert numpy.frombuffer(file.read(place.bytes), "f4").tolist() == list(range(12))


@pytest.mark.parametrize("index", [0, -1, slice(1, 3), slice(None), slice(None, None, 2), slice(2, 0, -1), slice(5, 9), (1, 2), (slice(0, 2), 1), ...])
def test_a_part_is_what_numpy_would_give(index, path, state):
    assert numpy.array_equal(holdall.open(path)["layer.w"][index], state["layer"]["w"][index])


def test_a_part_reads_only_its_bytes(tmp_path):
    holdall.save(numpy.zeros((1000, 1000), "f4"), tmp_path / "a.npy")
    tensor = holdall.open(tmp_path / "a.npy")["tensor"]
    os.truncate(tmp_path / "a.npy", tensor.location.offset + 4000 * 20)
    assert tensor[10:20].shape == (10, 1000)
    with pytest.raises(holdall.CorruptError):
        tensor[10:21]


def test_file_objects_open_like_paths(path, state):
    with open(path, "rb") as file:
        assert same(state, holdall.load(file))
    data = io.BytesIO(path.read_bytes())
    assert holdall.inspect(data)["format"] == "numpy" and holdall.scan(data)["verdict"] == "inert"
    model = holdall.open(data)
    with pytest.raises(holdall.UnsupportedError):
        pickle.dumps(model)


def test_a_model_pickles_as_its_path_and_knows_another_file(path, tmp_path):
    pickled = pickle.dumps(holdall.open(path))
    assert list(pickle.loads(pickled)) == ["layer.w", "layer.b"]
    holdall.save({"v": numpy.ones(2)}, path)
    with pytest.raises(holdall.Error, match="another"):
        pickle.loads(pickled)


@pytest.mark.parametrize("verb", ["inspect", "verify", "scan"])
def test_documents_are_those_of_the_command(verb, path):
    command = os.environ.get("HOLDALL_COMMAND", "holdall")
    printed = subprocess.run([command, verb, "--json", str(path)], capture_output=True, text=True, check=True).stdout
    assert getattr(holdall, verb)(path) == json.loads(printed)


def test_convert_and_diff(path, tmp_path):
    report = holdall.convert(path, tmp_path / "b.safetensors", check=True, rename={"layer.*": "l.*"}, dtype="float16")
    assert report["checked"] == 2 and report["cast"] and not report["differing"]
    difference = holdall.diff(path, tmp_path / "b.safetensors")
    assert not difference["same"] and difference["only_a"] == ["layer.w", "layer.b"]
    assert holdall.diff(path, path)["same"]


def test_a_loss_is_refused_and_named(tmp_path):
    with pytest.raises(holdall.LossError, match="dtype string has no place"):
        holdall.save({"names": numpy.array(["a", "b"])}, tmp_path / "a.safetensors")
    assert os.listdir(tmp_path) == []
    holdall.save({"names": numpy.array(["a", "b"])}, tmp_path / "a.safetensors", allow_loss=True)


def test_errors_are_python_s_too(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        holdall.open(tmp_path / "nothing.pt")
    assert isinstance(missing.value, holdall.MissingError) and missing.value.path == str(tmp_path / "nothing.pt")
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError):
        holdall.open(tmp_path / "a.safetensors")
    with pytest.raises(OSError) as refused:
        holdall.save({"a": numpy.ones(1)}, "/proc/nothing/a.npz")
    assert isinstance(refused.value, holdall.Error)


def test_dtypes_that_numpy_lacks(tmp_path):
    import ml_dtypes

    for dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        array = numpy.arange(6).astype(getattr(ml_dtypes, dtype))
        holdall.save({"w": array}, tmp_path / "a.safetensors")
        loaded = holdall.load(tmp_path / "a.safetensors")["w"]
        assert loaded.dtype == array.dtype and loaded.tobytes() == array.tobytes()


def test_a_part_is_selected_and_cast(path):
    assert list(holdall.load(path, select="*.w")) == ["layer.w"]
    assert holdall.load(path, dtype="float16")["layer"]["w"].dtype == "float16"


def test_progress_is_told_and_what_it_raises_comes_out(tmp_path):
    holdall.save({"w": numpy.ones(30_000_000)}, tmp_path / "a.npz")
    told = []
    holdall.load(tmp_path / "a.npz", progress=lambda done, total: told.append((done, total)))
    assert told and told[-1][0] <= told[-1][1] == 240_000_000

    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        holdall.convert(tmp_path / "a.npz", tmp_path / "b.npz", progress=stop)
    assert sorted(os.listdir(tmp_path)) == ["a.npz"]


def test_every_builder_is_built_or_known_not_to_be():
    from holdall import _build, _native

    plain = set(_build.MAKES) | set(_build.NAMES)
    from holdall.torch import _builders as of_torch

    names = set(_native.builders())
    # scikit-learn's are built by holdall.sklearn alone.
    names -= {"sklearn", "named_tuple"}
    assert plain <= names
    assert set(of_torch.MAKES) | set(of_torch.NAMES) | of_torch.NOT_BUILT == names
    assert not of_torch.NOT_BUILT & (set(of_torch.MAKES) | set(of_torch.NAMES))


def test_cycles_and_sharing_come_back(tmp_path):
    shared = [1]
    value = {"a": shared, "b": shared}
    value["self"] = value
    with open(tmp_path / "a.pkl", "wb") as file:
        pickle.dump(value, file)
    loaded = holdall.load(tmp_path / "a.pkl")
    assert loaded["a"] is loaded["b"] and loaded["self"] is loaded


def test_structured_arrays_are_read(tmp_path):
    array = numpy.array([(1, 2.5, "ab"), (3, 4.5, "c")], [("a", "<i4"), ("b", "<f8"), ("c", "U2")])
    numpy.savez(tmp_path / "a.npz", r=array)
    loaded = holdall.open(tmp_path / "a.npz")["r"].numpy()
    assert loaded.dtype == array.dtype and loaded.tolist() == array.tolist()


def test_a_notebook_shows_a_folding_table(tmp_path):
    holdall.save({"a": {"b<i>": numpy.ones(2), "c": {"d": numpy.ones(3)}}}, tmp_path / "a.npz")
    shown = holdall.open(tmp_path / "a.npz")._repr_html_()
    assert shown.count("<details") == shown.count("</details>") == 2
    assert "b&lt;i&gt;" in shown and "<i>" not in shown and "float64 [3]" in shown


def test_arrays_are_apart_from_the_model_and_from_each_other(tmp_path):
    with open(tmp_path / "a.pkl", "wb") as file:
        pickle.dump({"w": numpy.zeros(5), "v": numpy.zeros((2, 3), order="F")}, file, protocol=2)
    model = holdall.open(tmp_path / "a.pkl")
    for _ in range(2):
        loaded = holdall.load(model)
        assert not loaded["w"].any() and not loaded["v"].any()
        loaded["w"][:] = 9
        loaded["v"][:] = 9
    assert not model["w"].numpy().any()


@pytest.mark.parametrize("extension", ["npz", "safetensors", "pkl"])
def test_metadata_is_plain_or_refused_by_its_key(extension, tmp_path):
    for bad in (numpy.ones(2), numpy.float32(1), object()):
        with pytest.raises(TypeError, match=r"metadata\['x'\]\[0\]"):
            holdall.save({"w": numpy.ones(1)}, tmp_path / f"a.{extension}", metadata={"x": [bad]})
    assert os.listdir(tmp_path) == []


def test_a_pickled_model_knows_other_values_of_the_same_size(tmp_path):
    holdall.save({"w": numpy.ones(1000)}, tmp_path / "a.npz")
    pickled = pickle.dumps(holdall.open(tmp_path / "a.npz"))
    holdall.save({"w": numpy.zeros(1000)}, tmp_path / "a.npz")
    with pytest.raises(holdall.Error, match="another"):
        pickle.loads(pickled)
    with pytest.raises(TypeError, match="pickle its Model"):
        pickle.dumps(holdall.open(tmp_path / "a.npz")["w"])


def test_a_tensor_of_one_element_is_a_number(tmp_path):
    holdall.save({"z": numpy.array(3.5), "w": numpy.ones(2)}, tmp_path / "a.npz")
    opened = holdall.open(tmp_path / "a.npz")
    assert (float(opened["z"]), int(opened["z"]), [float(x) for x in opened["w"]]) == (3.5, 3, [1, 1])
    for wrong in (lambda: float(opened["w"]), lambda: iter(opened["z"])):
        with pytest.raises(TypeError):
            wrong()


class Broken:
    """A file object that answers as it is told."""

    def __init__(self, end, read):
        self.end, self.read = end, read

    def seek(self, offset, whence):
        return self.end


def broken(size):
    raise OSError(5, "broken cable")


def test_file_objects_that_do_not_do_are_refused_in_words(path):
    with open(path, encoding="latin-1") as file, pytest.raises(TypeError, match="text mode"):
        holdall.open(file)
    for end in (-1, None, 1 << 70):
        with pytest.raises(holdall.StorageError, match=r"seek\(\)"):
            holdall.open(Broken(end, broken))
    with pytest.raises(holdall.StorageError, match="something else than bytes"):
        holdall.open(Broken(10, lambda size: "text"))
    with pytest.raises(holdall.StorageError, match=r"cannot be read: OSError: \[Errno 5\] broken cable$"):
        holdall.open(Broken(10, broken))


def test_a_path_with_nul_is_refused(path):
    wrong = f"{path}\0.png"
    for call in (
        holdall.open, holdall.inspect, holdall.verify, holdall.scan, lambda wrong: holdall.scan([wrong]), lambda wrong: holdall.save({}, wrong, format="npz"),
        lambda wrong: holdall.convert(path, wrong, format="safetensors"), lambda wrong: holdall.inspect(path, html=wrong), lambda wrong: holdall.diff(path, wrong),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="null byte"):
            call(wrong)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere paths are texts")
def test_a_path_that_is_no_text_is_a_path(path, state):
    odd = path.parent / "\udcff.npz"
    holdall.save(state, odd)
    model = holdall.open(odd)
    assert model.path == str(odd) and model.files == [odd.name] and model["layer.w"].location.path == str(odd)
    assert same(state, holdall.load(odd)) and holdall.verify(odd)["sound"] and holdall.scan(odd)["verdict"] == "inert"
    with pytest.raises(holdall.MissingError) as missing:
        holdall.open(f"{odd}x")
    assert missing.value.path == f"{odd}x"
