"""Loading: mapped, onto devices, cast on the way, in bounded memory, and what befalls the file meanwhile."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy
import pytest
import torch
from equal import assert_same
from objects import objects, trained

import holdall
import holdall.torch
from holdall.torch import _devices, _tensors


@pytest.fixture
def path(tmp_path):
    torch.save({"w": torch.arange(1000.0), "nested": [torch.ones(3, dtype=torch.int8)]}, tmp_path / "a.pt")
    return tmp_path / "a.pt"


def change(path, name, data=b"\xff"):
    """Overwrites the first bytes of a tensor in its file."""
    with open(path, "r+b") as file:
        file.seek(holdall.open(path)[name].location.offset)
        file.write(data)


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("extension", ["pt", "npz", "safetensors"])
def test_a_mapping_is_the_file_until_it_is_written_into(framework, extension, tmp_path):
    path = tmp_path / f"a.{extension}"
    holdall.save({"w": numpy.arange(2000.0, dtype="f4")}, path)
    before = path.read_bytes()
    loaded = holdall.load(path, framework=framework, mmap=True)["w"]
    loaded[1] = 7
    assert loaded[2] == 2 and path.read_bytes() == before
    change(path, "w", numpy.float32(9).tobytes() * 1500)
    assert loaded[1400] == 9 and loaded[1] == 7 and loaded[1600] == 1600


def test_mapped_tensors_share_as_they_did(tmp_path):
    views = objects()["views"]
    holdall.torch.save(views, tmp_path / "a.pt")
    mapped = holdall.torch.load(tmp_path / "a.pt", mmap=True)
    assert_same(views, mapped)
    assert len({tensor.untyped_storage().data_ptr() for tensor in mapped.values()}) == 1


@pytest.mark.parametrize("misplaced", [1, 2, 4])
def test_elements_that_lie_unaligned_are_copied(misplaced, tmp_path):
    header = json.dumps({"w": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}})
    header += " " * ((misplaced - len(header)) % 8)
    data = numpy.arange(3.0)
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode() + data.tobytes())
    loaded = holdall.load(tmp_path / "a.safetensors", framework="torch", mmap=True)["w"]
    assert loaded.data_ptr() % 8 == 0 and loaded.tolist() == data.tolist()


@pytest.mark.parametrize("buffer_bytes", [64, 4096, 1 << 20])
def test_storages_come_through_a_ring_of_any_size(buffer_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr(_devices, "BUFFER_BYTES", buffer_bytes)
    values = {name: torch.randn(size) for name, size in {"a": 0, "b": 1, "c": 1000, "d": 16, "e": 5000}.items()}
    values["view"] = values["c"][10:900:3]
    holdall.torch.save(values, tmp_path / "a.pt")
    native = holdall.open(tmp_path / "a.pt")._native
    told = []
    storages, places = _devices.load(native, range(len(values)), torch.device("cpu"), None, True, lambda *given: told.append(given))
    tensors = [_tensors._tensor(name, shape, storages[number], strides, offset) for number, strides, offset, name, shape in places]
    assert_same(list(values.values()), tensors)
    change(tmp_path / "a.pt", "e")
    with pytest.raises(holdall.CorruptError, match="CRC-32"):
        _devices.load(native, range(len(values)), torch.device("cpu"), None, True, None)


def test_the_meta_device_reads_nothing(path):
    model = holdall.open(path)
    os.truncate(path, 0)
    loaded = holdall.load(model, framework="torch", device="meta")
    assert loaded["w"].is_meta and loaded["w"].shape == (1000,) and loaded["nested"][0].dtype == torch.int8


@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16, "float64"])
def test_a_cast_is_that_of_torch_and_what_is_shared_stays_so(dtype, tmp_path):
    weight = torch.randn(300, 7)
    values = {"w": weight, "tied": weight, "view": weight[3:5], "t": weight.t(), "n": torch.arange(3), "half": torch.ones(3, dtype=torch.float16)}
    torch.save(values, tmp_path / "a.pt")
    loaded = holdall.load(tmp_path / "a.pt", framework="torch", dtype=dtype)
    to = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    assert_same({name: value.to(to) if value.is_floating_point() else value for name, value in values.items() if name != "t"},
                {name: value for name, value in loaded.items() if name != "t"})  # fmt: skip
    assert loaded["t"].equal(weight.t().to(to)) and loaded["tied"] is loaded["w"]
    assert loaded["t"].untyped_storage().data_ptr() == loaded["view"].untyped_storage().data_ptr()
    change(tmp_path / "a.pt", "w")
    with pytest.raises(holdall.CorruptError):
        holdall.load(tmp_path / "a.pt", framework="torch", dtype=dtype)


# What a load may need beside the tensors, in bytes.
BESIDE = 64 << 20
PEAK = """
import sys, holdall, numpy, torch, holdall.torch
def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
path, how = sys.argv[1:]
first = holdall.load(path, select="small", framework="torch"), holdall.load(path, select="small", dtype="float16")
before = peak()
if how == "meta":
    with torch.device("meta"):
        loaded = torch.nn.ParameterDict({f"w{i}": torch.empty(1 << 23) for i in range(4)})
    holdall.torch.load_into(loaded, path, strict=False)
else:
    loaded = holdall.load(path, **eval(how))
print(peak() - before)
"""


@pytest.mark.parametrize(("extension", "how", "parts"), [
    ("pt", "dict(framework='torch')", 4), ("pt", "meta", 4), ("pt", "dict(framework='torch', dtype='float16')", 2),
    ("safetensors", "dict(framework='torch')", 4), ("safetensors", "dict(dtype='float16')", 2), ("npz", "dict()", 4),
    ("joblib", "dict()", 4), ("joblib", "dict(framework='torch')", 4),
])  # fmt: skip
def test_memory_is_that_of_the_tensors_and_little_more(extension, how, parts, tmp_path):
    path = tmp_path / f"a.{extension}"
    holdall.save({"small": numpy.ones(3), **{f"w{i}": numpy.full(1 << 23, i, "f4") for i in range(4)}}, path, compress=extension == "joblib")
    done = subprocess.run([sys.executable, "-c", PEAK, path, how], capture_output=True, text=True, check=True)
    tensors = parts * (1 << 25)
    assert tensors * 0.9 < int(done.stdout) <= tensors + BESIDE


@pytest.mark.parametrize("compression", ["zlib", "gzip", "bz2", "xz", "lzma"])
def test_a_large_compressed_joblib_is_what_joblib_loads(compression, tmp_path):
    joblib = pytest.importorskip("joblib")
    rng = numpy.random.default_rng(1)
    values = {f"w{i}": rng.integers(0, 4, (1000, 1100)).astype("f4") for i in range(4)}
    values |= {"fortran": numpy.asfortranarray(values["w0"]), "big": values["w1"].astype(">f4"), "small": list(rng.random((2000, 3)))}
    values |= {"text": numpy.array(["a", "bc"]), "objects": numpy.array([{"x": numpy.arange(3)}, None], dtype=object), "empty": numpy.empty((0, 3))}
    joblib.dump(values, tmp_path / "a.joblib", compress=(compression, 1))
    expected, loaded = joblib.load(tmp_path / "a.joblib"), holdall.load(tmp_path / "a.joblib")
    for name in set(values) - {"objects", "small"}:
        numpy.testing.assert_array_equal(loaded[name], expected[name], strict=name != "big")
    assert all((a == b).all() for a, b in zip(loaded["small"], expected["small"], strict=True))
    assert loaded["objects"][0]["x"].tolist() == [0, 1, 2]
    for array in [loaded["w0"], *loaded["small"]]:
        array[...] = -1
    assert (loaded["w1"] == expected["w1"]).all() and (holdall.load(tmp_path / "a.joblib")["w0"] == expected["w0"]).all()


def test_a_file_that_is_replaced_or_deleted_is_read_as_it_was(path):
    model = holdall.open(path)
    torch.save({"w": torch.zeros(5)}, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
    assert holdall.load(model, framework="torch")["w"].equal(torch.arange(1000.0))
    os.unlink(path)
    assert model["w"].numpy()[999] == 999


def test_a_file_that_is_cut_short_is_an_error_for_what_is_gone(path):
    model = holdall.open(path)
    os.truncate(path, model["w"].location.offset + 2000)
    assert model["w"][:500].tolist() == list(range(500))
    for load in (model["w"].numpy, lambda: model["w"][400:501], lambda: holdall.load(model, framework="torch")):
        with pytest.raises(holdall.CorruptError) as raised:
            load()
        assert raised.value.path.startswith(str(path))


def test_a_file_that_changes_is_an_error_where_a_checksum_stands(path):
    model = holdall.open(path)
    change(path, "w")
    with pytest.raises(holdall.CorruptError, match="CRC-32"):
        model["w"].torch()
    assert model["w"].torch(check=False).shape == (1000,)


def test_a_model_goes_through_fork_and_loads_on_both_sides(path):
    model = holdall.open(path)
    expected = model["w"].numpy()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            os._exit(0 if (model["w"].numpy() == expected).all() and holdall.verify(path)["sound"] else 1)
        children.append(child)
    assert (model["w"].numpy() == expected).all()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4


class Rows(torch.utils.data.Dataset):
    def __init__(self, model):
        self.model = model

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return self.model["w"][i * 100 : i * 100 + 3]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_model_is_read_by_the_workers_of_a_data_loader(context, path):
    loader = torch.utils.data.DataLoader(Rows(holdall.open(path)), batch_size=2, num_workers=2, multiprocessing_context=context)
    assert [batch[0, 0].item() for batch in loader] == [0, 200, 400, 600]


def test_threads_load_one_model_at_once(tmp_path):
    values = {f"w{i}": torch.randn(50_000) for i in range(8)}
    holdall.torch.save(values, tmp_path / "a.pt")
    model = holdall.open(tmp_path / "a.pt")
    results = []
    threads = [threading.Thread(target=lambda: results.append(holdall.load(model, framework="torch"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for result in results:
        assert_same(values, result)


INTERRUPTED = """
import signal, sys, holdall
told = []
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts this may have it ignored
signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(("call", "elements"), [
    ("holdall.inspect('a.npy', digest=True)", 1 << 39), ("holdall.diff('a.npy', 'a.npy', atol=1)", 1 << 39), ("holdall.convert('a.npy', 'b.npz')", 1 << 29),
])  # fmt: skip
def test_ctrl_c_ends_the_work_and_leaves_nothing(call, elements, tmp_path):
    """On a file with a hole of gigabytes and terabytes."""
    with open(tmp_path / "a.npy", "wb") as file:
        numpy.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (elements,)})
        file.truncate(file.tell() + 8 * elements)
    done = subprocess.run([sys.executable, "-c", INTERRUPTED.format(call=call)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "interrupted\n", done.stderr
    assert os.listdir(tmp_path) == ["a.npy"]


@pytest.mark.parametrize(("progress", "terminal", "shown"), [(None, True, True), (None, False, False), (True, False, True), (False, True, False)])
def test_a_bar_is_shown_on_a_terminal_or_when_asked_for(progress, terminal, shown, tmp_path, monkeypatch):
    import tqdm.auto

    numpy.save(tmp_path / "a.npy", numpy.zeros(5_000_000))
    bars = []

    class Bar(tqdm.auto.tqdm):
        def __init__(self, **given):
            super().__init__(**given)
            bars.append(self)

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    holdall.load(tmp_path / "a.npy", progress=progress)
    assert [bar.total for bar in bars] == [40_000_000] * shown and all(0 < bar.n <= bar.total for bar in bars)


def test_resuming_from_a_mapped_checkpoint(tmp_path):
    model, optimizer = trained()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "a.pt")
    other = trained()[0]
    other.load_state_dict(holdall.torch.load(tmp_path / "a.pt", mmap=True)["model"], assign=True)
    assert_same(dict(model.state_dict()), dict(other.state_dict()))


def test_signals_of_other_kinds_do_not_disturb(tmp_path):
    numpy.save(tmp_path / "a.npy", numpy.arange(3_000_000.0))
    heard = []
    previous = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(20):
            assert holdall.load(tmp_path / "a.npy")[-1] == 2_999_999
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert heard


def test_dtypes_are_taken_by_any_of_their_names(tmp_path):
    numpy.save(tmp_path / "a.npy", numpy.ones(2, "f4"))
    for asked in ("float16", "torch.float16", "half", torch.float16, numpy.float16, numpy.dtype("f2")):
        assert holdall.load(tmp_path / "a.npy", dtype=asked).dtype == numpy.float16
        assert holdall.load(tmp_path / "a.npy", framework="torch", dtype=asked).dtype == torch.float16
    assert holdall.load(tmp_path / "a.npy", dtype=torch.bfloat16).dtype.name == "bfloat16"
    for framework in ("numpy", "torch"):
        with pytest.raises(TypeError, match="dtype is a dtype of NumPy or torch"):
            holdall.load(tmp_path / "a.npy", framework=framework, dtype=5)


@pytest.mark.parametrize("value", [numpy.longdouble(1), numpy.clongdouble(1), numpy.ones(2, numpy.longdouble)])
def test_long_doubles_are_refused_by_name(value, tmp_path):
    with pytest.raises(holdall.UnsupportedError, match="longdouble|float128"):
        holdall.torch.save({"x": value}, tmp_path / "a.pt")
