"""The tokenizer, processor, image processor or feature extractor of a folder."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import transformers

from ..errors import Error as HoldallError
from ..errors import MismatchError, UnsupportedError
from . import _architecture, _sample, _unit

# Kind, base class, the Auto class that finds it; the first that fits.
_KINDS = {
    "tokenizer": ("PreTrainedTokenizerBase", "AutoTokenizer"),
    "processor": ("ProcessorMixin", "AutoProcessor"),
    "feature_extractor": ("FeatureExtractionMixin", "AutoFeatureExtractor"),
    "image_processor": ("ImageProcessingMixin", "AutoImageProcessor"),
}
_OF_TOKENIZERS = (
    "tokenizer_config.json", "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json",
)  # fmt: skip
_MORE = (
    "added_tokens.json", "chat_template.json", "chat_template.jinja", "merges.txt", "special_tokens_map.json", "video_preprocessor_config.json",
)  # fmt: skip
_OF_OTHERS = {"processor_config.json": "processor", "preprocessor_config.json": "processor"}

# Of a tokenizer, what its config can say and save_pretrained forgets when it was set later; and what else must be the same.
_SETTINGS = (
    "padding_side", "truncation_side", "model_input_names", "model_max_length", "clean_up_tokenization_spaces", "split_special_tokens",
    "pad_token_type_id",
)  # fmt: skip
_OTHERS = ("chat_template", "special_tokens_map")


def kind_of(given: Any) -> str:
    """Raises UnsupportedError for what is none of them."""
    for kind, (base, _) in _KINDS.items():
        if isinstance(given, getattr(transformers, base)):
            return kind
    raise UnsupportedError(f"{type(given).__name__} is no tokenizer, processor, image processor or feature extractor of transformers")


def load(folder: str, unit: Mapping[str, Any], config: Any, trusted: Sequence[type]) -> Any:
    """None where the folder holds none. Raises UnsafeError where it names code of its own."""
    for name in ("tokenizer_config.json", *_OF_OTHERS):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            _architecture.refuse_code(_unit.json_of(path), path, trusted)
    saved = unit.get("preprocessing") or {}
    kind = saved.get("kind") or _kind_in(folder)
    if kind not in _KINDS:
        return None
    of = _class(saved.get("class"), kind, trusted)
    more: dict[str, Any] = {"local_files_only": True}
    if of is None:
        of = getattr(transformers, _KINDS[kind][1])
        more |= {"trust_remote_code": False, **({"config": config} if kind == "tokenizer" and config is not None else {})}
    try:
        return of.from_pretrained(folder, **more)
    except ImportError:
        raise
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise UnsupportedError(f"transformers could not make the {kind.replace('_', ' ')} of this: {error}", path=folder) from error


def files_of(unit: Mapping[str, Any], given: Any) -> set[str]:
    """Names that the preprocessing of a unit, and the one that takes its place, can have."""
    saved = unit.get("preprocessing") or {}
    was = _class(saved.get("class"), saved["kind"], ()) if saved.get("kind") in _KINDS else None
    tables = [getattr(of, "vocab_files_names", None) for of in (was, given, getattr(given, "tokenizer", None))]
    return {*_OF_TOKENIZERS, *_OF_OTHERS, *_MORE, *(name for table in tables if isinstance(table, dict) for name in table.values())}


def keep(given: Any, kind: str, folder: str) -> None:
    """save_pretrained(), and what it leaves out: settings that were made after the tokenizer was. Raises MismatchError, naming what would be lost."""
    given.save_pretrained(folder)
    tokenizer = given if kind == "tokenizer" else getattr(given, "tokenizer", None)
    if not isinstance(tokenizer, transformers.PreTrainedTokenizerBase):
        return
    lost = _lost(given, tokenizer, kind, folder)
    path = os.path.join(folder, "tokenizer_config.json")
    if lost and os.path.isfile(path):
        document = _unit.json_of(path) | {name: getattr(tokenizer, name) for name in lost if name in _SETTINGS}
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        lost = _lost(given, tokenizer, kind, folder)
    if lost:
        raise MismatchError(f"the tokenizer does not come back as it is: {', '.join(lost)} would be lost")


def _lost(given: Any, tokenizer: Any, kind: str, folder: str) -> list[str]:
    """What is another in the tokenizer that the folder makes."""
    saved = {"preprocessing": {"kind": kind, "class": type(given).__name__}}
    try:
        made = load(folder, saved, None, [type(given), type(tokenizer)])
    except HoldallError as error:
        raise MismatchError(f"the {type(given).__name__} does not come back from what it saves: {error}") from error
    again = made if kind == "tokenizer" else made.tokenizer
    lost = [name for name in (*_SETTINGS, *_OTHERS) if getattr(tokenizer, name, None) != getattr(again, name, None)]
    with _sample.as_it_was(tokenizer):
        texts = _sample.own_texts(tokenizer)
        return lost if tokenizer(texts)["input_ids"] == again(texts)["input_ids"] else [*lost, "the ids of a text"]


def _kind_in(folder: str) -> str | None:
    if any(os.path.isfile(os.path.join(folder, name)) for name in _OF_TOKENIZERS):
        return "processor" if os.path.isfile(os.path.join(folder, "processor_config.json")) else "tokenizer"
    return next((kind for name, kind in _OF_OTHERS.items() if os.path.isfile(os.path.join(folder, name))), None)


def _class(name: Any, kind: str, trusted: Sequence[type]) -> Any:
    """The class that was saved: one handed in, or transformers' own of that kind."""
    base = getattr(transformers, _KINDS[kind][0])
    for given in trusted:
        if given.__name__ == name and issubclass(given, base):
            return given
    found = getattr(transformers, name, None) if isinstance(name, str) and name.isidentifier() else None
    is_own = inspect.isclass(found) and issubclass(found, base) and found.__module__.startswith("transformers.")
    return found if is_own else None
