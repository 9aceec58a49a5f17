"""Running a model's graph once, on made-up inputs, in the runtime that it was made for: verify(…, run=True)."""

from __future__ import annotations

import os

from ._documents import scan
from ._model import open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._model import PathLike

    Document = dict[str, Any]

# What is tried for sizes that the model leaves open, until the graph runs. The first of several is a batch's and stays 1; of the
# others all are tried, or the last alone: a state may have its batch in the middle.
SIZES = (1, 16, 128, 512, 1024)


def run(path: PathLike) -> Document:
    """``{"runtime", "version", "ran", "error", "inputs", "outputs"}``: each input and output with `dtype` and `shape`, each output
    of floats with `finite`. `error` says why it did not run: no runtime is installed, or what the runtime said.

    A file that `scan` calls anything but inert is not run.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError("a graph is run from its path")
    format = open(path).format
    if format not in RUNNERS:
        return _refused(None, f"graphs of {format} are not run; those of {', '.join(RUNNERS)} are")
    verdict = scan(path, progress=False)["verdict"]
    if verdict != "inert":
        return _refused(None, f"the verdict on the file is '{verdict}'")
    try:
        return RUNNERS[format](os.fspath(path))
    except ImportError as error:
        return _refused(None, f"its runtime is not installed: {error}")


def _refused(runtime: str | None, error: str) -> Document:
    return {"runtime": runtime, "version": None, "ran": False, "error": error, "inputs": {}, "outputs": {}}


def _onnx(path: str) -> Document:
    import onnxruntime

    document = _refused("onnxruntime", "")
    document["version"] = onnxruntime.__version__
    if os.path.isdir(path):
        path = os.path.join(path, next(name for name in sorted(os.listdir(path)) if name.endswith(".onnx")))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes have no common base
        return {**document, "error": str(error)}
    wanted = [(each.name, each.type.removeprefix("tensor(").removesuffix(")"), each.shape) for each in session.get_inputs()]
    names = [each.name for each in session.get_outputs()]
    return _tried(document, wanted, lambda inputs: dict(zip(names, session.run(names, inputs), strict=True)))


def _litert(path: str) -> Document:
    document = _refused("ai-edge-litert", "")
    try:
        import ai_edge_litert
        from ai_edge_litert import interpreter as litert

        document["version"] = ai_edge_litert.__version__
    except ImportError:
        import tensorflow

        litert = tensorflow.lite
        document.update(runtime="tensorflow", version=tensorflow.__version__)
    try:
        interpreter = litert.Interpreter(model_path=path)
        details, results = interpreter.get_input_details(), interpreter.get_output_details()
    except Exception as error:  # ValueError, RuntimeError: what it says is its answer
        return {**document, "error": str(error)}
    wanted = [(each["name"], _dtype_name(each["dtype"]), [int(size) for size in each["shape_signature"]]) for each in details]

    def call(inputs: dict[str, Any]) -> dict[str, Any]:
        for each in details:
            interpreter.resize_tensor_input(each["index"], inputs[each["name"]].shape)
        interpreter.allocate_tensors()
        for each in details:
            interpreter.set_tensor(each["index"], inputs[each["name"]])
        interpreter.invoke()
        return {each["name"]: interpreter.get_tensor(each["index"]) for each in results}

    return _tried(document, wanted, call)


def _tensorflow(path: str) -> Document:
    import tensorflow

    document = {**_refused("tensorflow", ""), "version": tensorflow.__version__}
    try:
        signatures = tensorflow.saved_model.load(path).signatures
    except Exception as error:  # its own classes have no common base
        return {**document, "error": str(error)}
    if not signatures:
        return {**document, "error": "it has no signature"}
    signature = signatures.get("serving_default") or next(iter(signatures.values()))
    # A shape of no known rank is taken for a vector.
    wanted = [
        (name, spec.dtype.name, [-1] if spec.shape.rank is None else [-1 if size is None else size for size in spec.shape])
        for name, spec in signature.structured_input_signature[1].items()
    ]

    def call(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = signature(**{name: tensorflow.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return _tried(document, wanted, call)


def _dtype_name(dtype: Any) -> str:
    import numpy

    kind = numpy.dtype(dtype)
    return "string" if kind.kind in "SOU" else kind.name


def _tried(document: Document, wanted: list[tuple[str, str, list[Any]]], call: Callable[[dict[str, Any]], dict[str, Any]]) -> Document:
    """Calls with inputs made for (name, dtype, shape) until one set of open sizes runs."""
    for size, inner in [(size, inner) for size in SIZES for inner in (size, 1)]:
        inputs = {name: _made(dtype, _sized(shape, size, inner)) for name, dtype, shape in wanted}
        document["inputs"] = {name: _described(value) for name, value in inputs.items()}
        try:
            outputs = call(inputs)
        except Exception as error:  # whatever a runtime raises is its answer
            document["error"] = document["error"] or str(error)
            continue
        return {**document, "ran": True, "error": None, "outputs": {name: _described(value) for name, value in outputs.items()}}
    return document


def _sized(shape: list[Any], last: int, inner: int) -> list[int]:
    sizes = [1, *[inner] * (len(shape) - 2), last][-len(shape) :] if shape else []
    return [known if isinstance(known, int) and known >= 0 else size for known, size in zip(shape, sizes, strict=True)]


def _made(dtype: str, shape: list[int]) -> Any:
    """Small numbers that are the same each time; ones where they may be indices or masks."""
    import numpy

    dtype = {"float": "float32", "double": "float64"}.get(dtype, dtype)
    if dtype == "string":
        return numpy.full(shape, "a", object)
    if dtype.startswith("float"):
        return numpy.asarray(numpy.random.default_rng(0).standard_normal(shape)).astype(dtype)
    return numpy.ones(shape, dtype)


def _described(value: Any) -> Document:
    import numpy

    if not hasattr(value, "dtype"):
        return {"dtype": type(value).__name__, "shape": None}
    made: Document = {"dtype": str(value.dtype), "shape": list(value.shape)}
    if value.dtype.kind == "f":
        made["finite"] = bool(numpy.isfinite(value).all())
    return made


# By format: what runs the graph at a path.
RUNNERS: dict[str, Callable[[str], Document]] = {"onnx": _onnx, "tflite": _litert, "tf-savedmodel": _tensorflow}
