"""The C interface from Python's ctypes: what torch saved is listed and read bit for bit through libholdall.so."""
import ctypes
import os
import pathlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = {"float32": np.float32, "float16": np.float16, "int64": np.int64, "bool": np.bool_}


def library():
    place = os.environ.get("HOLDALL_SHARED_LIBRARY", str(ROOT / "build" / "shared" / "libholdall.so"))
    if not os.path.exists(place):
        pytest.skip(f"no shared library at {place}: cmake --preset shared && cmake --build --preset shared --target holdall")
    lib = ctypes.CDLL(place)
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    errors = ctypes.POINTER(pointer)
    for name, result, arguments in [
        ("holdall_open", pointer, [text, errors]), ("holdall_close", None, [pointer]), ("holdall_count", size, [pointer]),
        ("holdall_name", text, [pointer, size]), ("holdall_dtype", text, [pointer, size]),
        ("holdall_shape", ctypes.POINTER(ctypes.c_uint64), [pointer, size, ctypes.POINTER(size)]),
        ("holdall_bytes", ctypes.c_uint64, [pointer, size]),
        ("holdall_read", ctypes.c_int, [pointer, size, pointer, ctypes.c_uint64, errors]),
        ("holdall_verify", ctypes.c_int, [text, errors]), ("holdall_error_code", ctypes.c_int, [pointer]),
        ("holdall_error_text", text, [pointer]), ("holdall_error_offset", ctypes.c_uint64, [pointer]),
        ("holdall_error_free", None, [pointer]), ("holdall_version", text, []),
    ]:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def test_reads_what_torch_saved_bit_for_bit(tmp_path):
    lib = library()
    state = {"w": torch.randn(3, 5), "half": torch.randn(7).half(), "ids": torch.arange(9), "flag": torch.tensor(True),
             "view": torch.arange(12.0).reshape(3, 4).T}
    path = tmp_path / "state.pt"
    torch.save(state, path)
    error = ctypes.c_void_p()
    model = lib.holdall_open(os.fsencode(path), ctypes.byref(error))
    assert model, lib.holdall_error_text(error)
    names = [lib.holdall_name(model, i).decode() for i in range(lib.holdall_count(model))]
    assert names == list(state)
    for i, name in enumerate(names):
        rank = ctypes.c_size_t()
        shape = lib.holdall_shape(model, i, ctypes.byref(rank))
        expected = state[name].contiguous().numpy()
        assert tuple(shape[k] for k in range(rank.value)) == expected.shape
        buffer = np.empty(expected.shape, NAMES[lib.holdall_dtype(model, i).decode()])
        assert lib.holdall_bytes(model, i) == buffer.nbytes
        assert lib.holdall_read(model, i, buffer.ctypes.data, buffer.nbytes, ctypes.byref(error)) == 0
        assert buffer.tobytes() == expected.tobytes(), name
    lib.holdall_close(model)
    assert lib.holdall_verify(os.fsencode(path), None) == 0


def test_errors_carry_code_and_text(tmp_path):
    lib = library()
    error = ctypes.c_void_p()
    assert not lib.holdall_open(b"/no/such/file", ctypes.byref(error))
    assert lib.holdall_error_code(error) == 2
    assert b"/no/such/file" in lib.holdall_error_text(error)
    lib.holdall_error_free(error)
    path = tmp_path / "state.pt"
    torch.save({"w": torch.zeros(1000)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(b"data/0") + 1000] ^= 1
    path.write_bytes(data)
    error = ctypes.c_void_p()
    assert lib.holdall_verify(os.fsencode(path), ctypes.byref(error)) == 4
    assert b"CRC" in lib.holdall_error_text(error)
    lib.holdall_error_free(error)
