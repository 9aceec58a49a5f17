"""The types: the stub is the module's, the package and what is written with it pass mypy --strict, everything public says what it is."""

import ast
import inspect
import os
import pathlib
import re
import subprocess
import sys

import holdall
import holdall.torch
import holdall.transformers
from holdall import _native

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = pathlib.Path(holdall.__file__).parent
STUB = ROOT / "python/holdall/_native.pyi"
PATTERNS = ROOT / "python/holdall_native.pat"

# A program in which every public call has the type that it is documented to have.
PROGRAM = """
import io
import os
import pathlib
import tempfile
from typing import Any

import numpy
import torch
from typing_extensions import assert_type

import holdall
import holdall.torch
import holdall.transformers

assert_type(holdall.__version__, str)
for source in (holdall.open("a.pt"), holdall.open(pathlib.Path("a.pt"), format="pytorch"), holdall.open(io.BytesIO(b""))):
    assert_type(source, holdall.Model)
with open("a.pt", "rb") as file, tempfile.NamedTemporaryFile() as temporary:
    holdall.open(file)
    holdall.verify(temporary)

model = holdall.open("a.pt")
assert_type(list(model), list[str])
assert_type((model.format, model.path, model.verdict), tuple[str, str, str])
assert_type(model.metadata, dict[str, Any])
tensor = model["w"]
assert_type(tensor, holdall.Tensor)
assert_type(tensor.shape, tuple[int, ...])
assert_type((tensor.dtype, tensor.nbytes, tensor.location), tuple[str, int, holdall.Location | None])
assert_type(tensor.numpy(), numpy.ndarray[Any, Any])
assert_type(tensor.torch("cpu"), torch.Tensor)

assert_type(holdall.scan("a.pt"), dict[str, Any])
assert_type(holdall.scan(pathlib.Path("a.pt")), dict[str, Any])
assert_type(holdall.scan(io.BytesIO(b"")), dict[str, Any])
assert_type(holdall.scan(["a.pt", pathlib.Path("b.pt")]), list[dict[str, Any]])
assert_type(holdall.inspect("a.pt", tensors=["*.weight"]), dict[str, Any])
assert_type(holdall.inspect("a.pt", html="a.html"), dict[str, Any])
assert_type(holdall.diff("a.pt", model.path, rtol=1e-3, html=pathlib.Path("d.html")), dict[str, Any])
assert_type(holdall.verify("a.pt", progress=lambda done, total: None), dict[str, Any])
assert_type(holdall.convert("a.pt", pathlib.Path("a.npz"), rename={"a.*": "b.*"}, shard_size="5GB"), dict[str, Any])
assert_type(holdall.formats(), list[dict[str, Any]])
holdall.save({"w": tensor.numpy()}, "a.safetensors", metadata={"note": 1})

module = torch.nn.Linear(2, 2)
report = holdall.torch.load_into(module, model, rename=lambda name: name.removeprefix("model."), mode="eval")
assert_type(report, holdall.torch.Report)
assert_type(report.mismatched, list[tuple[str, tuple[int, ...], tuple[int, ...]]])
holdall.torch.save(module.state_dict(), pathlib.Path("a.pt"))
holdall.torch.save(module.state_dict(), io.BytesIO())


@holdall.torch.recorded
class Net(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()


assert_type(Net(3), Net)
holdall.torch.save_model(Net(3), "a.pt", arguments={"width": 3})
loaded = holdall.torch.load_model("a.pt", [Net], map_location="cpu", mode="eval")
assert_type(loaded, torch.nn.Module)
assert_type(holdall.torch.report_of(loaded).sources, dict[str, tuple[str, str | None]])
holdall.torch.load_model("a.pt", {"old.Net": Net})
own, tokenizer = holdall.transformers.load(pathlib.Path("a"), "question-answering", device="cpu", mode="train")
holdall.transformers.save(own, tokenizer, "b", training={"step": 1}, shard_size="5GB", licence="mit")
assert_type(holdall.transformers.verify("b"), dict[str, Any])
assert_type(holdall.transformers.resume("b", optimizer=torch.optim.SGD(module.parameters())), dict[str, Any])
state = holdall.torch.load("a.pt", map_location=torch.device("cpu"))
try:
    holdall.torch.load_into(module, "a.pt")
except holdall.MismatchError as error:
    assert_type(error.report, holdall.torch.Report | None)
except holdall.Error as error:
    assert_type((error.path, error.offset, error.context), tuple[str, int | None, list[str]])
"""
MISTAKES = """
import holdall

holdall.open(7)
holdall.scan([7])
holdall.save({}, open("a.pt", "wb"))
holdall.inspect("a.pt", digset=True)
holdall.open("a.pt")["w"].shape + 1
"""


def test_the_stub_is_what_stubgen_makes_of_the_module(tmp_path):
    made = tmp_path / "_native.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-i", PACKAGE.parent, "-m", "holdall._native", "-p", PATTERNS, "-o", made]
    subprocess.run(command, check=True, cwd=tmp_path)
    again = "run python -m nanobind.stubgen -m holdall._native -p python/holdall_native.pat -o python/holdall/_native.pyi"
    assert STUB.read_text() == made.read_text(), again
    assert (PACKAGE / "_native.pyi").read_text() == made.read_text()


def functions(of, prefix=""):
    """(name, the binding's own signature) of what nanobind made."""
    for name, value in vars(of).items():
        if isinstance(value, type) and value.__module__ == _native.__name__:
            yield from functions(value, f"{name}.")
        elif hasattr(value, "__nb_signature__"):
            ((signature, *_),) = value.__nb_signature__
            # \0 and \=0 stand for default values.
            yield prefix + name, ast.parse(re.sub(r"\\=?\d+", "0", signature) + ": ...").body[0]


def arguments(function):
    listed = function.args
    kinds = (listed.posonlyargs, listed.args, listed.kwonlyargs)
    return [[argument.arg for argument in kind] for kind in kinds], len(listed.defaults), listed.vararg, listed.kwarg


def types(function):
    annotations = [function.returns, *(argument.annotation for argument in function.args.args)]
    texts = [ast.unparse(annotation) if annotation else "" for annotation in annotations]
    return [re.sub(r"(collections\.abc|holdall\._native)\.", "", text) for text in texts]


def test_the_stub_takes_the_arguments_that_the_module_takes():
    """What a pattern replaces, stubgen no longer compares."""
    declared = {}
    for node in ast.parse(STUB.read_text()).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        declared |= {prefix + function.name: function for function in inner if isinstance(function, ast.FunctionDef)}
    bound = dict(functions(_native))
    assert len(bound) > 15
    assert {name: arguments(declared[name]) for name in bound} == {name: arguments(function) for name, function in bound.items()}
    vague = {"object", "object | None", "dict", "list", "tuple", ""}
    for name, function in bound.items():
        for part, own, given in zip(["returns", *arguments(function)[0][1]], types(function), types(declared[name]), strict=True):
            own = own.replace("typing.", "")
            assert own in vague or own == given, f"{name}: {part} is {given} in the stub, {own} in the module"


def mypy(folder, *paths):
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", "--cache-dir", folder / "cache", *paths]
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_package_the_examples_and_programs_pass_mypy(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = mypy(tmp_path, PACKAGE, "program.py", *sorted((ROOT / "examples").rglob("*.py")))
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    found = re.findall(r"^mistakes\.py:(\d+): error", mypy(tmp_path, PACKAGE, "mistakes.py").stdout, re.M)
    assert sorted(map(int, set(found))) == [4, 5, 6, 7, 8]


def public():
    for module in (holdall, holdall.torch, holdall.transformers, holdall.errors):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isroutine(value):
                yield f"{module.__name__}.{name}", value
            if inspect.isclass(value) and value.__module__.startswith("holdall"):
                for inner, member in vars(value).items():
                    if not inner.startswith("_") and (inspect.isroutine(member) or isinstance(member, property) or hasattr(member, "func")):
                        yield f"{module.__name__}.{name}.{inner}", member


def test_what_is_public_says_what_it_is():
    assert [name for name, value in public() if not (value.__doc__ or "").strip()] == []
