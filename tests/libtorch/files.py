"""Files that Python writes for libtorch_test to read, and the check of those that it wrote for Python.

    files.py write FOLDER     before libtorch_test FOLDER
    files.py check FOLDER     after it; the last line is "N passed, N failed"
"""

import pathlib
import sys

import torch

DTYPES = [
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16", "float32", "float64",
    "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
    "float4_e2m1fn_x2",
]  # fmt: skip


def every_dtype():
    """Eight bytes of each element's size, the same bits wherever they are read."""
    tensors = {}
    for name in DTYPES:
        dtype = getattr(torch, name)
        raw = torch.arange(4 * dtype.itemsize, dtype=torch.uint8)
        tensors[name] = (raw % 2 if name == "bool" else raw * 7 + 1).view(dtype).reshape(2, 2)
    return tensors


def views():
    base = torch.arange(24, dtype=torch.float32)
    return {
        "base": base, "transposed": base.view(4, 6).t(), "stepped": base[1::5], "expanded": base[:1].expand(3),
        "scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "conjugated": torch.tensor([1 + 2j, 3 - 4j]).conj(),
        "wanting": torch.ones(2, requires_grad=True),
    }  # fmt: skip


def quantized():
    values = torch.tensor([[-1.0, 0.0], [0.5, 2.0]])
    return {
        "tensor": torch.quantize_per_tensor(values, 0.5, 3, torch.qint8),
        "channel": torch.quantize_per_channel(values, torch.tensor([0.1, 0.2]), torch.tensor([1, 2]), 1, torch.quint8),
    }


class Net(torch.nn.Module):
    """Twin of libtorch_test's Net."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.norm = torch.nn.BatchNorm2d(2)
        self.stack = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3, bias=False))
        self.embedding = torch.nn.Embedding(3, 8)
        self.stack[2].weight = self.embedding.weight
        self.lstm = torch.nn.LSTM(4, 4, 2, bidirectional=True)
        self.attention = torch.nn.MultiheadAttention(8, 2)
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 16)

    def forward(self, x):
        return self.stack(torch.relu(self.norm(self.conv(x))).flatten(1))


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.01),
    "lbfgs": lambda p: torch.optim.LBFGS(p, lr=0.5, max_iter=4, history_size=3),
}


def training(kind):
    torch.manual_seed(3)
    net = torch.nn.Linear(3, 2)
    return net, OPTIMIZERS[kind](net.parameters())


def train(net, optimizer, steps):
    """The same in C++: libtorch_test's train()."""
    inputs = torch.arange(12, dtype=torch.float32).reshape(4, 3) / 10
    targets = torch.arange(8, dtype=torch.float32).reshape(4, 2) / 5

    def closure():
        optimizer.zero_grad()
        loss = (net(inputs) - targets).square().mean()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)


def write(folder):
    torch.save(every_dtype(), folder / "dtypes.pt")
    torch.save(views(), folder / "views.pt")
    torch.save(quantized(), folder / "quantized.pt")
    torch.manual_seed(0)
    net = Net()
    x = torch.randn(2, 1, 4, 4)
    net(x)
    state = net.state_dict()
    torch.save(state, folder / "net.pt")
    torch.save({"x": x, "y": net.eval()(x).detach()}, folder / "net_output.pt")
    torch.save({"epoch": 2, "model_state_dict": {"module." + k: v for k, v in state.items()}}, folder / "net_wrapped.pt")
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, folder / "net_half.pt")
    changed = dict(state, extra=torch.ones(1))
    changed["conv.weight"] = changed["conv.weight"][:1].clone()
    del changed["norm.bias"]
    torch.save(changed, folder / "net_unfit.pt")
    for kind in OPTIMIZERS:
        net, optimizer = training(kind)
        train(net, optimizer, 3)
        torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, folder / f"{kind}.pt")
        train(net, optimizer, 3)
        torch.save(net.state_dict(), folder / f"{kind}_after.pt")
    net, optimizer = training("sgd")
    optimizer.param_groups[0]["maximize"] = True
    torch.save({"a": optimizer.state_dict(), "b": optimizer.state_dict()}, folder / "maximizing.pt")
    optimizer.param_groups[0].update(maximize=False, initial_lr=0.1, fused=True)
    optimizer.state[net.weight]["momentum_buffer"] = None  # as torch before 2.0 says it
    torch.save(optimizer.state_dict(), folder / "scheduled.pt")
    lbfgs = load(folder / "lbfgs.pt")["optimizer"]
    lbfgs["state"][0]["ro"].pop()
    torch.save(lbfgs, folder / "lbfgs_uneven.pt")
    lbfgs["param_groups"][0]["history_size"] = 0
    torch.save(lbfgs, folder / "lbfgs_without_history.pt")
    torch.manual_seed(11)
    torch.rand(5)
    state = torch.get_rng_state()
    torch.save({"state": state, "uniform": torch.rand(4), "normal": torch.randn(20)}, folder / "random.pt")


def same_bits(a, b):
    if a.is_quantized:
        same = a.qscheme() == b.qscheme() and torch.equal(a.int_repr(), b.int_repr()) and torch.equal(a.dequantize(), b.dequantize())
        return same and a.dtype == b.dtype
    flat = [t.resolve_conj().contiguous().reshape(-1).view(torch.uint8) if t.numel() else t for t in (a, b)]
    return a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride() and torch.equal(*flat)


def require_same(a, b, place="it"):
    """Bit-equal tensors, equal values of equal types, the same keys in the same order."""
    if isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor) and same_bits(a, b), (place, a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b), (place, list(a), list(b))
        for key in a:
            require_same(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, list | tuple):
        assert type(a) is type(b) and len(a) == len(b), (place, a, b)
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            require_same(x, y, f"{place}.{i}")
    else:
        assert a == b and (a is None) == (b is None), (place, a, b)


def load(path):
    return torch.load(path, weights_only=True)


def check_dtypes(folder):
    require_same(every_dtype(), load(folder / "dtypes_cpp.pt"))


def check_views(folder):
    found = load(folder / "views_cpp.pt")
    wanted = views()
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert torch.equal(tensor, found[name]) and tensor.stride() == found[name].stride(), name
    assert found["wanting"].requires_grad and not found["base"].requires_grad
    shared = [found[name].untyped_storage().data_ptr() for name in ("base", "transposed", "stepped", "expanded")]
    assert len(set(shared)) == 1, shared


def check_quantized(folder):
    require_same(quantized(), load(folder / "quantized_cpp.pt"))


def check_net(folder):
    output = load(folder / "net_output.pt")
    for name in ("net_cpp.pt", "net_cpp.safetensors"):
        if name.endswith(".pt"):
            state = load(folder / name)
            assert list(state) == list(load(folder / "net.pt"))
            assert state["stack.2.weight"].untyped_storage().data_ptr() == state["embedding.weight"].untyped_storage().data_ptr()
        else:
            from safetensors import safe_open

            with safe_open(folder / name, "pt") as file:
                assert file.metadata()["format"] == "pt"
                state = {key: file.get_tensor(key) for key in file.keys()}
        net = Net()
        lacking = net.load_state_dict(state, strict=name.endswith(".pt"))
        assert set(lacking.missing_keys) <= {"stack.2.weight", "embedding.weight"} and not lacking.unexpected_keys
        require_same(output["y"], net.eval()(output["x"]).detach())


def check_optimizers(folder):
    for kind in OPTIMIZERS:
        written = load(folder / f"{kind}_cpp.pt")
        net, optimizer = training(kind)
        net.load_state_dict(written["model"])
        optimizer.load_state_dict(written["optimizer"])
        original = load(folder / f"{kind}.pt")
        require_same(original["optimizer"], optimizer.state_dict(), kind)
        train(net, optimizer, 3)
        require_same(load(folder / f"{kind}_after.pt"), net.state_dict(), kind)


def check_groups(folder):
    written = load(folder / "groups_cpp.pt")
    assert sorted(written["state"]) == [0, 1, 2], list(written["state"])
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([{"params": first.parameters()}, {"params": second.parameters()}], lr=9)
    optimizer.load_state_dict(written)
    assert [(group["lr"], group["momentum"]) for group in optimizer.param_groups] == [(0.5, 0.5), (0.25, 0.5)]
    assert optimizer.state[second.weight]["momentum_buffer"].shape == (1, 2)


def check_random(folder):
    written = load(folder / "random_cpp.pt")
    torch.set_rng_state(written["state"])
    require_same(written["normal"], torch.randn(20))


def check(folder):
    failed = 0
    checks = [check_dtypes, check_views, check_quantized, check_net, check_optimizers, check_groups, check_random]
    for run in checks:
        try:
            run(folder)
            print(f"passed {run.__name__}")
        except Exception as error:
            failed += 1
            print(f"FAILED {run.__name__}: {type(error).__name__}: {error}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    where = pathlib.Path(sys.argv[2])
    sys.exit(write(where) if sys.argv[1] == "write" else check(where))
