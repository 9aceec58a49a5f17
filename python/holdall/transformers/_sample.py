"""A sample input with its output, kept beside the weights: what the loaded model must still say."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..errors import HoldallWarning
from . import _agreement

# By the coarser of the two dtypes: how far an output may be from the one that was kept, relative to the largest of its values (at least 1).
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
_MOST = 1 << 20  # elements that are kept of an output: of a larger one every nth
_LONGEST = 48  # tokens of a text

Sample = Mapping[str, Any]


def make(model: Any, preprocessing: Any, kind: str | None, given: Any) -> dict[str, Any] | None:
    """{"texts", "inputs", "outputs"}. `given`: a text, texts, or a mapping of the model's inputs; None makes one; False wants none."""
    if given is False:
        return None
    listed = [given] if isinstance(given, str) else given
    if not (listed is None or listed is True or isinstance(listed, Mapping)) and not _are_texts(listed):
        raise TypeError(f"sample is a {type(given).__name__}: a text, texts, or a mapping of the model's inputs")
    try:
        texts, inputs = _inputs(model, preprocessing, kind, None if given is True else given)
        return {"texts": texts, "inputs": inputs, "outputs": outputs(model, inputs)}
    except Exception as error:
        if given is not None and given is not True:
            raise
        words = f"no sample is kept, {type(model).__name__} takes none of the usual inputs ({error}); give one by sample="
        warnings.warn(words, HoldallWarning, stacklevel=4)
        return None


def _are_texts(given: Any) -> bool:
    return isinstance(given, list | tuple) and bool(given) and all(isinstance(text, str) for text in given)


def _inputs(model: Any, preprocessing: Any, kind: str | None, given: Any) -> tuple[list[str] | None, dict[str, torch.Tensor]]:
    if isinstance(given, Mapping):
        return None, {name: value.detach().cpu() for name, value in given.items() if isinstance(value, torch.Tensor)}
    texts = [given] if isinstance(given, str) else list(given) if given is not None else None
    tokenizer = preprocessing if kind == "tokenizer" else getattr(preprocessing, "tokenizer", None)
    if tokenizer is not None and _names(model) >= {"input_ids"}:
        texts = texts or own_texts(tokenizer)
        return texts, _decoder(model, encoded(model, tokenizer, texts))
    if texts is not None:
        raise ValueError("texts need a tokenizer")
    return None, _decoder(model, _made(model, preprocessing, kind))


def own_texts(tokenizer: Any) -> list[str]:
    """Words of any language, and some of the tokenizer's own."""
    special = set(tokenizer.all_special_ids)
    ids = [id for id in sorted(tokenizer.get_vocab().values()) if id not in special]
    own = tokenizer.decode(ids[:: max(1, len(ids) // 12)][:12])
    fixed = "A bag holds what it is given: 2 + 2 = 4, déjà vu."
    return [fixed, own] if tokenizer.pad_token_id is not None else [f"{fixed} {own}"]


def encoded(model: Any, tokenizer: Any, texts: list[str]) -> dict[str, torch.Tensor]:
    """What the tokenizer makes of the texts, as the model takes it, in the CPU's memory."""
    places = getattr(model.config, "max_position_embeddings", None) or _LONGEST
    longest = max(4, min(min(_LONGEST, places) - 4, tokenizer.model_max_length))
    with as_it_was(tokenizer):
        batch = tokenizer(texts, return_tensors="pt", padding=len(texts) > 1, truncation=True, max_length=longest)
    names = _names(model)
    return {name: value for name, value in batch.items() if name in names}


@contextlib.contextmanager
def as_it_was(tokenizer: Any) -> Iterator[None]:
    """A fast tokenizer keeps how it was last asked to cut and pad, and would save that."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    cut, padded = getattr(backend, "truncation", None), getattr(backend, "padding", None)
    try:
        yield
    finally:
        if backend is not None:
            backend.no_truncation() if cut is None else backend.enable_truncation(**cut)
            backend.no_padding() if padded is None else backend.enable_padding(**padded)


def _names(model: Any) -> set[str]:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(inner.forward).parameters)


def _decoder(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if getattr(model.config, "is_encoder_decoder", False) and "input_ids" in inputs and "decoder_input_ids" in _names(model):
        return {**inputs, "decoder_input_ids": inputs["input_ids"][:, :4].clone()}
    return inputs


def _made(model: Any, preprocessing: Any, kind: str | None) -> dict[str, torch.Tensor]:
    """Inputs of the right shape, without a tokenizer."""
    name = model.main_input_name
    config = model.config
    if name == "input_ids":
        return {name: torch.arange(16).reshape(2, 8) % (_agreement.rows_of(model) or 16)}
    extractor = preprocessing if kind == "feature_extractor" else getattr(preprocessing, "feature_extractor", None)
    if extractor is not None:
        rate = getattr(extractor, "sampling_rate", 16000)
        wave = torch.sin(torch.arange(rate) / 50).numpy()
        return {key: value for key, value in extractor(wave, sampling_rate=rate, return_tensors="pt").items() if key in _names(model)}
    if name == "pixel_values":
        size = config.image_size
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return {name: torch.linspace(-1, 1, config.num_channels * height * width).reshape(1, config.num_channels, height, width)}
    raise ValueError(f"its main input is {name}")


def outputs(model: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The floating-point outputs, by name, in the CPU's memory; the model runs in evaluation mode and is left as it was."""
    modes = {module: module.training for module in model.modules()}
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    dtype = model.dtype
    placed = {name: value.to(device, dtype) if value.is_floating_point() else value.to(device) for name, value in inputs.items()}
    more: dict[str, Any] = {"use_cache": False} if "use_cache" in _names(model) else {}
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            found = model(**placed, **more, return_dict=True)
    finally:
        for module, training in modes.items():
            module.training = training
    kept = {name: _kept(value) for name, value in found.items() if isinstance(value, torch.Tensor) and value.is_floating_point()}
    if not kept:
        raise ValueError("it gives no floating-point output")
    return kept


def _kept(value: torch.Tensor) -> torch.Tensor:
    flat = value.detach().cpu().contiguous()
    return flat if flat.numel() <= _MOST else flat.reshape(-1)[:: -(-flat.numel() // _MOST)].clone()


def compare(model: Any, preprocessing: Any, kind: str | None, sample: Sample) -> dict[str, Any]:
    """What the model says now against what was kept.

    {"equal": within the tolerance, "bit_equal", "tokens_equal": None where the sample has no text, "tolerance": relative, "outputs":
    {name: {"max_abs", "bit_equal"}}}.
    """
    now = outputs(model, sample["inputs"])
    details: dict[str, Any] = {}
    equal = set(now) >= set(sample["outputs"])
    tolerance = 0.0
    for name, expected in sample["outputs"].items():
        found = now.get(name)
        if found is None or found.shape != expected.shape:
            equal = False
            details[name] = {"max_abs": None, "bit_equal": False}
            continue
        allowed = max(TOLERANCES.get(found.dtype, 1e-4), TOLERANCES.get(expected.dtype, 1e-4))
        tolerance = max(tolerance, allowed)
        is_same = found.dtype == expected.dtype and bool(torch.equal(_bits(found), _bits(expected)))
        apart = (found.double() - expected.double()).abs()
        largest = float(apart.nan_to_num(float("inf")).max()) if apart.numel() and not is_same else 0.0
        scale = max(1.0, float(expected.double().abs().nan_to_num(0.0, 0.0, 0.0).max())) if expected.numel() else 1.0
        equal = equal and largest <= allowed * scale
        details[name] = {"max_abs": largest, "bit_equal": is_same}
    return {
        "equal": equal, "bit_equal": equal and all(detail["bit_equal"] for detail in details.values()),
        "tokens_equal": _same_tokens(model, preprocessing, kind, sample), "tolerance": tolerance, "outputs": details,
    }  # fmt: skip


def _bits(value: torch.Tensor) -> torch.Tensor:
    return value.contiguous().reshape(-1).view(torch.uint8)


def _same_tokens(model: Any, preprocessing: Any, kind: str | None, sample: Sample) -> bool | None:
    tokenizer = preprocessing if kind == "tokenizer" else getattr(preprocessing, "tokenizer", None)
    if not sample.get("texts") or tokenizer is None:
        return None
    now = _decoder(model, encoded(model, tokenizer, list(sample["texts"])))
    kept = sample["inputs"]
    return set(now) == set(kept) and all(now[name].shape == kept[name].shape and bool(torch.equal(now[name], kept[name])) for name in kept)
