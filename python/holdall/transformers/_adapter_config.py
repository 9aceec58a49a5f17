"""adapter_config.json as PEFT's configuration object: of the values that a file may give only those that describe an adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import LimitError, UnsafeError, UnsupportedError

_TYPES = (
    "ADALORA", "BOFT", "FOURIERFT", "HIRA", "HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "LORA", "MULTITASK_PROMPT_TUNING", "OFT",
    "P_TUNING", "PREFIX_TUNING", "PROMPT_TUNING", "RANDLORA", "TRAINABLE_TOKENS", "VBLORA", "VERA",
)  # fmt: skip
# Counts, sizes and indices: none is larger than the largest dimension of the file's tensors.
_SIZES = (
    "alora_invocation_tokens", "block_size", "boft_block_num", "boft_block_size", "boft_n_butterfly_factor", "decompose_factor",
    "encoder_hidden_size", "init_r", "layers_to_transform", "n_frequency", "n_frequency_pattern", "num_attention_heads", "num_layers",
    "num_ranks", "num_tasks", "num_transformer_submodules", "num_vectors", "num_virtual_tokens", "oft_block_size", "qalora_group_size",
    "r", "rank_pattern", "target_r", "token_dim", "topk", "vector_length", "num_cayley_neumann_terms",
)  # fmt: skip
# Everything else that only describes what is computed, and where.
_VALUES = (
    "alpha", "alpha_pattern", "apply_GS", "beta1", "beta2", "bias", "block_share", "boft_dropout", "coft", "d_initial", "decompose_both", "deltaT",
    "encoder_dropout", "encoder_reparameterization_type", "ensure_weight_tying", "eps", "exclude_modules", "fan_in_fan_out",
    "feedforward_modules", "hira_dropout", "init_ia3_weights", "init_logits_std", "init_vector_bank_bound", "layers_pattern", "lora_alpha",
    "lora_bias", "lora_dropout", "module_dropout", "modules_to_save", "orth_reg_weight", "prefix_projection", "projection_prng_key",
    "random_loc_seed", "randlora_alpha", "randlora_dropout", "rank_dropout", "rank_dropout_scale", "save_only_topk_weights",
    "save_projection", "scaling", "sparse", "target_modules", "target_parameters", "task_type", "tfinal", "tinit", "token_indices",
    "total_step", "trainable_token_indices", "use_cayley_neumann", "use_dora", "use_effective_conv2d", "use_qalora", "use_rslora",
    "vblora_dropout", "vera_dropout", "very_sparse",
)  # fmt: skip
# What a weight was made of at first: it comes from the file now, and nothing is read, fetched or run for it.
_LEFT_OUT = (
    "base_model_name_or_path", "eva_config", "inference_mode", "megatron_core", "peft_type", "peft_version", "prompt_tuning_init",
    "prompt_tuning_init_state_dict_path", "prompt_tuning_init_task", "prompt_tuning_init_text", "revision", "runtime_config",
    "tokenizer_kwargs", "tokenizer_name_or_path",
)  # fmt: skip
_PLAIN_STARTS = (True, False, "gaussian", "eva", "orthogonal")
_CHANGES_BASE = re.compile(r"olora|pissa(_niter_\d{1,2})?")  # they take from the base what they give to the adapter


def build(document: Mapping[str, Any], inference: bool, path: str, largest: int, tensors: int) -> Any:
    """`largest`: what a count or size may be; `tensors`: how many the file has.

    Raises UnsafeError, naming the key, for what would import, fetch or run something; LimitError for a size that the file's tensors do
    not have; UnsupportedError.
    """
    import peft

    kind = document.get("peft_type")
    if not isinstance(kind, str) or kind not in _TYPES or kind not in list(peft.PeftType):
        raise UnsupportedError(f"adapters of type {kind!r} are not loaded; those of {', '.join(_TYPES)} are", path=path)
    of = peft.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(kind)]
    known = {name for given in of.__mro__ for name in getattr(given, "__dataclass_fields__", ())}
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key in _LEFT_OUT:
            continue
        if key in ("init_lora_weights", "init_weights"):
            values[key] = _start(key, value, path)
        elif key == "layer_replication":
            values[key] = _replication(value, tensors, path)
        elif key == "encoder_num_layers":
            _bounded(key, value, 16, path)  # of an encoder that the file does not hold
            values[key] = value
        elif key == "auto_mapping":
            _mapping(value, path)
        elif key in _SIZES or key in _VALUES:
            _bounded(key, value, largest if key in _SIZES else 1 << 53, path)
            values[key] = value
        elif value:
            raise UnsafeError(f"{key} is none of the values that an adapter's file may give", path=path)
    try:
        return of(**{name: value for name, value in values.items() if name in known}, inference_mode=inference)
    except Exception as error:  # whatever PEFT's own checks raise
        raise UnsupportedError(f"{of.__name__} does not take this config: {error}", path=path) from error


def _start(key: str, value: Any, path: str) -> Any:
    if key == "init_weights" and (isinstance(value, bool) or value == "lycoris"):
        return value
    if value is None or any(value is plain or value == plain for plain in _PLAIN_STARTS):
        return False
    if key == "init_lora_weights" and isinstance(value, str) and _CHANGES_BASE.fullmatch(value):
        return value
    raise UnsafeError(f"{key} {value!r} would run more than the weights of the file need", path=path)


def _mapping(value: Any, path: str) -> None:
    library = value.get("parent_library") if isinstance(value, Mapping) else value
    if library and not (isinstance(library, str) and re.fullmatch(r"(transformers|peft|torch)(\.\w+)*", library)):
        raise UnsafeError(f"auto_mapping names code: {library}", path=path)


def _replication(value: Any, tensors: int, path: str) -> Any:
    """Ranges of layers; each layer that they make has tensors in the file."""
    if not value:
        return None
    made = 0
    for pair in value if isinstance(value, list) else [None]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(end, int) and 0 <= end < 1 << 31 for end in pair):
            raise UnsupportedError("layer_replication is no list of ranges of layers", path=path)
        made += max(0, pair[1] - pair[0])
    if made > tensors:
        raise LimitError(f"layer_replication makes {made} layers, the file has {tensors} tensors", path=path)
    return [tuple(pair) for pair in value]


def _bounded(key: str, value: Any, most: int, path: str) -> None:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, int) and abs(found) > most:
            raise LimitError(f"{key} is {found}, more than the {most} that the file's tensors allow", path=path)
        elif not isinstance(found, str | int | float | None):
            raise UnsupportedError(f"{key} is a {type(found).__name__}", path=path)
