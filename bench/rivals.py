"""The rivals' work, one piece a run, timed from inside after the imports; prints the seconds.

Usage: rivals.py WORK ARGUMENT…. Needs the environment of the tests against the real libraries (tests/real/requirements.txt).
"""

import os
import sys
import time


class Taken(float):
    """Seconds that a work has taken itself, to be told instead of its own."""


def durable(path):
    """File and folder on disk, as Holdall leaves them."""
    for name, flags in ((path, os.O_RDONLY), (os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)):
        handle = os.open(name, flags)
        os.fsync(handle)
        os.close(handle)


def tensors(count, floats):
    import torch

    generator = torch.Generator().manual_seed(1)
    return {f"layer.{i}.weight": torch.rand(floats, generator=generator) for i in range(count)}


def torch_save(path, count, floats):
    import torch

    state = tensors(int(count), int(floats))
    yield
    torch.save(state, path)
    durable(path)


def safetensors_save(path, count, floats):
    from safetensors.torch import save_file

    state = tensors(int(count), int(floats))
    yield
    save_file(state, path)
    durable(path)


def torch_load(path):
    import torch

    yield
    return torch.load(path, map_location="cpu", weights_only=True)


def safetensors_load(path):
    """Copied out of the mapping, so that the tensors are in memory as with the others."""
    from safetensors.torch import load_file

    yield
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def ztensor_load(path):
    import ztensor

    yield
    with ztensor.open(path) as tensors_:
        return {name: tensor.tobytes() for name, tensor in tensors_.items()}


def numpy_load(path):
    import numpy

    yield
    with numpy.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def numpy_save(path, count, floats):
    import numpy

    numpy.savez(path, **{name: tensor.numpy() for name, tensor in tensors(int(count), int(floats)).items()})
    yield


def torch_list(path):
    """Names, dtypes and shapes by the framework, without reading the bytes."""
    import torch

    yield
    for name, tensor in torch.load(path, map_location="cpu", mmap=True, weights_only=True).items():
        print(name, tensor.dtype, tuple(tensor.shape), file=sys.stderr)


def torch_to_safetensors(source, target):
    import torch
    from safetensors.torch import save_file

    yield
    save_file(torch.load(source, map_location="cpu", weights_only=True), target)
    durable(target)


def copy(source, target):
    import shutil
    import subprocess

    yield
    subprocess.run([shutil.which("cp"), source, target], check=True)
    durable(target)


def small_pickles(folder, count):
    """A folder of small harmless pickles."""
    import collections
    import pickle

    for i in range(int(count)):
        value = collections.OrderedDict(epoch=i, loss=1 / (i + 1), names=[f"layer.{k}" for k in range(20)])
        with open(os.path.join(folder, f"{i:05}.pkl"), "wb") as file:
            pickle.dump(value, file)
    yield


def safetensors_sum_eager(path):
    from safetensors.torch import load_file

    yield
    tensors_ = {name: tensor.clone() for name, tensor in load_file(path).items()}
    return sum(tensor.sum().item() for tensor in tensors_.values())


def safetensors_sum_lazy(path):
    from safetensors.torch import load_file

    yield
    return sum(tensor.sum().item() for tensor in load_file(path).values())


def torch_first_tensor(path):
    yield
    import torch

    return next(iter(torch.load(path, map_location="cpu", mmap=True, weights_only=True).values())).clone()


def safetensors_first_tensor(path):
    yield
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.get_tensor(next(iter(file.keys())))


def torch_import():
    yield
    import torch  # noqa: F401


def safetensors_import():
    yield
    import safetensors.numpy  # noqa: F401


WORKS = (torch_save, safetensors_save, torch_load, safetensors_load, ztensor_load, numpy_load, numpy_save, torch_list, torch_to_safetensors, copy,
         small_pickles, safetensors_sum_eager, safetensors_sum_lazy, torch_first_tensor, safetensors_first_tensor, torch_import,
         safetensors_import)


def main(works):
    work = {function.__name__.replace("_", "-"): function for function in works}[sys.argv[1]](*sys.argv[2:])
    next(work)
    start = time.perf_counter()
    result = None
    try:
        next(work)
    except StopIteration as stop:
        result = stop.value
    seconds = result if isinstance(result, Taken) else time.perf_counter() - start
    del result
    print(f"{seconds:.6f}")


if __name__ == "__main__":
    main(WORKS)
