"""Whether a model, its config and its tokenizer fit one another, told before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from . import _architecture

_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "mask_token_id", "decoder_start_token_id")


def faults(model: Any, tokenizer: Any) -> tuple[list[str], Any]:
    """One sentence for each disagreement that would break the model where it is loaded again, and what the config makes.

    Of an adapted model the base is not saved: only its rows count, and nothing is made.
    """
    adapted = hasattr(model, "peft_config") and hasattr(model, "get_base_model")
    rows = rows_of(model.get_base_model() if adapted else model)
    found = [] if rows is None else list(vocabulary(model, tokenizer, rows))
    if found or adapted:
        return found, None
    try:
        made = _architecture.skeleton(type(model), model.config)
    except Exception as error:  # whatever a module's own code says to a config that does not fit
        return [f"the config makes no {type(model).__name__}: {error}"], None
    return list(_shapes(model, made)), made


def rows_of(model: Any) -> int | None:
    """Rows of the input embedding; None where the model has none."""
    try:
        embedding = model.get_input_embeddings()
    except (NotImplementedError, AttributeError):
        return None
    weight = getattr(embedding, "weight", None)
    return int(weight.shape[0]) if isinstance(weight, torch.Tensor) and weight.dim() == 2 and isinstance(embedding, torch.nn.Embedding) else None


def ids_of(tokenizer: Any) -> int:
    """One more than the largest id that the tokenizer gives."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def vocabulary(model: Any, tokenizer: Any, rows: int) -> Iterator[str]:
    if tokenizer is not None and hasattr(tokenizer, "get_vocab"):
        ids = ids_of(tokenizer)
        if ids > rows:
            yield f"the tokenizer gives ids up to {ids - 1}, the embedding has {rows} rows; call model.resize_token_embeddings({ids})"
    for name, config in (("config", model.config), ("generation_config", getattr(model, "generation_config", None))):
        for key in _IDS:
            value = getattr(config, key, None)
            for token in value if isinstance(value, list | tuple) else [value]:
                if isinstance(token, int) and token >= rows:
                    yield f"{name}.{key} is {token}, beyond the {rows} rows of the embedding"


def _shapes(model: Any, skeleton: Any) -> Iterator[str]:
    own = {name: tuple(value.shape) for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    made = {name: tuple(value.shape) for name, value in skeleton.state_dict().items()}
    for name, shape in own.items():
        if name not in made:
            yield f"{name} is in the model, and its config makes no such entry: it would be lost"
        elif made[name] != shape:
            yield f"{name} is {list(shape)}, the config makes {list(made[name])}"
    for name in made:
        if name not in own:
            yield f"the config makes {name}, the model has no such entry"


def doubts(model: Any, tokenizer: Any, made: Any) -> Iterator[str]:
    """One sentence for what may be meant and is worth a word. `made`: what the config makes; None for an adapter."""
    pad, theirs = getattr(model.config, "pad_token_id", None), getattr(tokenizer, "pad_token_id", None)
    if pad is not None and theirs is not None and pad != theirs:
        yield f"config.pad_token_id is {pad}, the tokenizer's is {theirs}"
    if made is None:
        return
    dtypes = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    if len(dtypes) > 1:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        yield f"the parameters are {names}: load() keeps that, from_pretrained makes all of them {str(model.dtype).removeprefix('torch.')}"
    kept = {**model.state_dict(), **made.state_dict()}
    buffers = dict(made.named_buffers())
    own = {name: buffer.dtype for name, buffer in model.named_buffers() if name not in kept and name in buffers}
    cast = [name for name, dtype in own.items() if buffers[name].dtype == torch.float32 != dtype]
    if cast:
        yield f"no weights, and cast from float32, as they are in a loaded model, which says things a little differently: {', '.join(cast)}"
