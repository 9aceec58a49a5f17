"""Holdall's work through its Python package, timed as rivals.py times the others'; prints the seconds.

Usage: package.py WORK ARGUMENT…, with the package on the path.
"""

import rivals


def save(path, count, floats):
    import holdall.torch

    state = rivals.tensors(int(count), int(floats))
    yield
    holdall.torch.save(state, path)


def load(path):
    import holdall.torch

    yield
    return holdall.torch.load(path)


def load_numpy(path):
    import numpy  # noqa: F401

    import holdall

    yield
    return holdall.load(path)


def sum_eager(path):
    import holdall.torch

    yield
    return sum(tensor.sum().item() for tensor in holdall.torch.load(path).values())


def sum_lazy(path):
    import holdall.torch

    yield
    return sum(tensor.sum().item() for tensor in holdall.torch.load(path, mmap=True).values())


def first_tensor(path):
    yield
    import holdall

    model = holdall.open(path)
    return model[next(iter(model))].numpy()


def import_package():
    yield
    import holdall  # noqa: F401


def load_unverified(path):
    import holdall.torch

    yield
    return holdall.torch.load(path, check=False)


if __name__ == "__main__":
    rivals.main((save, load, load_numpy, load_unverified, sum_eager, sum_lazy, first_tensor, import_package))
