"""Which classes a folder's config stands for: transformers' own, found in its tables, or those that the caller hands in."""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import transformers

from ..errors import LimitError, UnsafeError, UnsupportedError

# What a model is loaded for, by the names that transformers' pipelines and its classes use.
TASKS = {
    "audio-classification": "AutoModelForAudioClassification",
    "automatic-speech-recognition": "AutoModelForCTC",
    "causal-lm": "AutoModelForCausalLM",
    "feature-extraction": "AutoModel",
    "fill-mask": "AutoModelForMaskedLM",
    "image-classification": "AutoModelForImageClassification",
    "image-text-to-text": "AutoModelForImageTextToText",
    "masked-lm": "AutoModelForMaskedLM",
    "multiple-choice": "AutoModelForMultipleChoice",
    "next-sentence-prediction": "AutoModelForNextSentencePrediction",
    "object-detection": "AutoModelForObjectDetection",
    "pretraining": "AutoModelForPreTraining",
    "question-answering": "AutoModelForQuestionAnswering",
    "seq2seq-lm": "AutoModelForSeq2SeqLM",
    "sequence-classification": "AutoModelForSequenceClassification",
    "summarization": "AutoModelForSeq2SeqLM",
    "text-classification": "AutoModelForSequenceClassification",
    "text-generation": "AutoModelForCausalLM",
    "text2text-generation": "AutoModelForSeq2SeqLM",
    "token-classification": "AutoModelForTokenClassification",
    "translation": "AutoModelForSeq2SeqLM",
}

# Keys of a config that choose an implementation of attention or experts: a name with a slash is code on a hub.
_IMPLEMENTATIONS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")


# Keys of a config that say how many parts are built, how many labels are listed, and what is neither a count nor a size.
_COUNTS = re.compile(r"(layers?|depths?|blocks?|stages?|levels?|blocks_per_stage)$")
_LABELS = re.compile(r"_labels$")
_FREE = re.compile(r"(theta|base|period|timescale|seed|scale|_ids?|_index|length|rate|window|version)$")
_ANY = re.compile("")


def refuse_code(document: Any, path: str, trusted: Sequence[type]) -> None:
    """Raises UnsafeError where a config names Python code: classes of the folder (`auto_map`) that are not handed in, kernels of a hub."""
    for key, value in _pairs(document):
        if key == "auto_map" and value:
            named = sorted({str(name).rpartition(".")[2] for _, name in _pairs({"": value}) if isinstance(name, str)})
            if not set(named) & {given.__name__ for given in trusted}:
                raise UnsafeError(f"auto_map names classes that would be run from the folder: {', '.join(named)}; "
                                  "hand the class in by trusted= to allow it", path=path)  # fmt: skip
        if key in _IMPLEMENTATIONS:
            for name in value.values() if isinstance(value, Mapping) else [value]:
                if isinstance(name, str) and "/" in name:
                    raise UnsafeError(f"{key} names code on a hub: {name}", path=path)


def _pairs(document: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth; items of lists have the key of the list."""
    waiting = [("", document)]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, Mapping):
            waiting += [(str(inner), item) for inner, item in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(key, item) for item in value]


def refuse_size(document: Any, tensors: int, largest: int, path: str) -> None:
    """Raises LimitError, naming the key, for a count or size that the weights do not have, before anything is made of it.

    `tensors`: how many there are; `largest`: the largest of their dimensions.
    """
    bounds = ((_COUNTS, max(tensors, 64)), (_LABELS, max(largest, 4096)), (_FREE, 0), (_ANY, max(largest, 1 << 25)))
    for key, value in _pairs(document):
        if isinstance(value, int) and not isinstance(value, bool):
            most = next(most for pattern, most in bounds if pattern.search(key))
            if most and value > most:
                raise LimitError(f"the config says {key} {value}, more than the {most} that the weights allow: they are {tensors} tensors, "
                                 f"the largest dimension is {largest}", path=path)  # fmt: skip


def config_of(document: Mapping[str, Any], changes: Mapping[str, Any], path: str, trusted: Sequence[type], task: Any = None) -> Any:
    """The configuration object, with some values changed. Raises UnsafeError, UnsupportedError; TypeError for changes that it does not know."""
    refuse_code(document, path, trusted)
    values = dict(document)
    of = _config_class(values, path, trusted, task)
    try:
        config, unknown = of.from_dict(values, return_unused_kwargs=True, **changes)
    except Exception as error:  # whatever a config's own checks raise
        raise UnsupportedError(f"{of.__name__} does not take this config: {error}", path=path) from error
    if unknown:
        raise TypeError(f"load() and {of.__name__} have no {', '.join(unknown)}")
    return config


def _config_class(values: dict[str, Any], path: str, trusted: Sequence[type], task: Any) -> Any:
    given = _given(values, trusted)
    if given is not None:
        return given
    kind = values.get("model_type")
    if kind == "mistral" and "layer_types" in values:  # as AutoConfig has it
        kind = values["model_type"] = "ministral"
    if kind is None:
        own = task if isinstance(task, type) and issubclass(task, transformers.PreTrainedModel) else next(filter(None, map(_own_class, _names(values.get("architectures")))), None)
        if own is None:
            raise UnsupportedError("the config says no model_type and no architecture of transformers", path=path)
        return own.config_class  # type: ignore[attr-defined]
    if not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING:
        raise UnsupportedError(f"transformers {transformers.__version__} has no model_type {kind!r}", path=path)
    return transformers.CONFIG_MAPPING[kind]


def _given(values: Mapping[str, Any], trusted: Sequence[type]) -> Any:
    """The config class that the caller has handed in for this config, or whose model it has."""
    for given in trusted:
        of: Any = given if issubclass(given, transformers.PreTrainedConfig) else getattr(given, "config_class", None)
        if of is not None and (of.model_type == values.get("model_type") or given.__name__ in _names(values.get("architectures"))):
            return of
    return None


def _names(listed: Any) -> list[str]:
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list | tuple) else []


def _own_class(name: str) -> type[Any] | None:
    """A model class of transformers by its name; None for anything else."""
    found = getattr(transformers, name, None) if isinstance(name, str) and name.isidentifier() else None
    is_own = inspect.isclass(found) and issubclass(found, transformers.PreTrainedModel) and found.__module__.startswith("transformers.models.")
    return found if is_own else None


def model_class(config: Any, task: Any, path: str, trusted: Sequence[type]) -> Any:
    """The class to build: `task` itself where it is one, the task's for this config, else the architecture that the config names.

    None where it names none. Raises UnsupportedError, saying what there is.
    """
    if isinstance(task, type):
        if not issubclass(task, transformers.PreTrainedModel):
            raise TypeError(f"task is {task.__name__}, which is no model class of transformers")
        return task
    if task is not None:
        if not isinstance(task, str) or task not in TASKS:
            raise UnsupportedError(f"there is no task {task!r}; there are {', '.join(TASKS)}", path=path)
        mapping = getattr(transformers, TASKS[task])._model_mapping
        if type(config) not in mapping:
            raise UnsupportedError(f"transformers has no {task} model for {type(config).__name__}", path=path)
        found = mapping[type(config)]
        return found[0] if isinstance(found, tuple) else found
    saved = saved_class(config, trusted)
    if saved is not None:
        return saved
    named = _names(getattr(config, "architectures", None))
    if not named:
        return None
    raise UnsupportedError(
        f"the config names the architecture {', '.join(named)}, which transformers does not have for a {type(config).__name__}; "
        "say what the model is for by task=, or hand in its class", path=path,
    )  # fmt: skip


def candidates(config: Any) -> list[Any]:
    """Every class that transformers' tables have for the config, encoders' own heads before the same ones of decoders."""
    found: dict[Any, None] = {}
    for name in sorted(set(TASKS.values()), key=lambda name: (name == "AutoModelForCausalLM" and not getattr(config, "is_decoder", False), name)):
        mapping = getattr(transformers, name)._model_mapping
        if type(config) in mapping:
            listed = mapping[type(config)]
            found |= dict.fromkeys(listed if isinstance(listed, tuple) else [listed])
    return list(found)


def saved_class(config: Any, trusted: Sequence[type]) -> Any:
    """The class that the config says it was saved from; None where it does not say, or says one that is neither known nor trusted."""
    for name in _names(getattr(config, "architectures", None)):
        for given in trusted:
            if given.__name__ == name and issubclass(given, torch.nn.Module):
                return given
        found = _own_class(name)
        if found is not None and isinstance(config, found.config_class):
            return found
    return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own report and bar: what it would say is raised, or is a warning."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    had_bar = logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bar:
            logging.enable_progress_bar()


def skeleton(of: Any, config: Any, tensors: int | None = None) -> Any:
    """A model of the class without memory for its weights, for its names and shapes.

    `tensors`: how many its weights are; LimitError is raised as soon as it has far more modules or parameters than they could fill.
    """
    with quiet(), _counted(tensors), torch.device("meta"):
        return of._from_config(copy.deepcopy(config))


@contextlib.contextmanager
def _counted(tensors: int | None) -> Iterator[None]:
    """Ends what a thread builds of modules and parameters when it is too much."""
    if tensors is None:
        yield
        return
    most, thread, made = 5000 + 24 * tensors, threading.get_ident(), 0

    def count(*_: Any) -> None:
        nonlocal made
        made += threading.get_ident() == thread
        if made > most:
            raise LimitError(f"the config makes more than {most} modules and parameters, the weights are {tensors} tensors")

    of = torch.nn.modules.module
    handles = [of.register_module_module_registration_hook(count), of.register_module_parameter_registration_hook(count)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
