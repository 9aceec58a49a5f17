"""The state of whatever a training is made of: taken, compared, put back."""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import _model
from .._load import load
from ..errors import CorruptError, Error, MismatchError

State = dict[str, Any]

# Behind the name of each target, in a file.
STATE = "_state_dict"

_NAMES_SHOWN = 8
# Bytes of a state that is kept until all others have been put back.
_SMALL = 64 << 20
# What optimizers keep for each element of a parameter.
_BY_ELEMENT = ("exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg", "sum")
# Options that schedulers and torch's own savers add to an optimizer's.
_BESIDE = {"initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", "param_names"}


def bare(target: Any) -> Any:
    """A module without what wraps it for this run alone: DistributedDataParallel, DataParallel, torch.compile. Their states are the
    module's under longer names."""
    torch: Any = sys.modules.get("torch")
    while torch is not None and isinstance(target, torch.nn.Module):
        if isinstance(target, torch.nn.parallel.DistributedDataParallel | torch.nn.DataParallel):
            target = target.module
        elif type(target).__name__ == "OptimizedModule" and hasattr(target, "_orig_mod"):
            target = target._orig_mod
        else:
            break
    return target


def is_module(target: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(target, torch.nn.Module)


def is_torch(target: Any) -> bool:
    return any(of.__module__.partition(".")[0] == "torch" for of in type(bare(target)).__mro__)


def require(name: str, target: Any) -> None:
    """Raises TypeError for what has no state that could be taken."""
    if adapter_of(target) is None and not (hasattr(target, "state_dict") and hasattr(target, "load_state_dict")):
        raise TypeError(f"{name} is a {type(target).__module__}.{type(target).__qualname__}, which has no state_dict() and load_state_dict()")


def adapter_of(target: Any) -> Any:
    """The module of this package that knows such objects, where torch's protocol does not: keras, also where its layers are torch's modules,
    sklearn, accelerate; None for others."""
    names = {of.__module__.partition(".")[0] for of in type(target).__mro__}
    if "keras" in names:
        from ..keras import _state as of_keras

        return of_keras
    if "sklearn" in names and not hasattr(target, "state_dict"):
        from ..sklearn import _state as of_sklearn

        return of_sklearn
    if "accelerate" in names and type(target).__name__ == "Accelerator":
        from ..torch import _accelerator

        return _accelerator
    return None


def is_loader(name: str, target: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(target, torch.utils.data.DataLoader):
        return True
    return name.endswith("loader") and hasattr(target, "__iter__") and not hasattr(target, "load_state_dict")


@contextlib.contextmanager
def staged(kept: list[Any]) -> Iterator[Any]:
    """Where what lies on devices is copied to meanwhile; `kept` keeps its memory from one time to the next. None without torch."""
    if "torch" not in sys.modules:
        yield None
        return
    from ..torch._staging import Staging

    if not kept:
        kept.append(Staging())
    staging: Staging = kept[0]
    staging.begin()
    try:
        yield staging
    finally:
        staging.finish()


def accelerator_lacks(targets: Mapping[str, Any]) -> bool:
    """Whether gradients are accumulated by an accelerate.Accelerator, whose count of batches nothing here keeps."""
    counts = [getattr(getattr(target, "gradient_state", None), "num_steps", 1) for target in targets.values() if not adapter_of(target)]
    return any(type(count) is int and count > 1 for count in counts) and not any(type(target).__name__ == "Accelerator" for target in targets.values())


def taken(target: Any) -> Any:
    """The state, which may share memory with the target."""
    adapter = adapter_of(target)
    return bare(target).state_dict() if adapter is None else adapter.taken(target)


def check(name: str, target: Any, state: Any, path: str) -> None:
    """Raises MismatchError, CorruptError where the state is not one of such a target, as far as that can be told before it changes."""
    adapter = adapter_of(target)
    if adapter is not None:
        adapter.check(name, target, state, path)
    elif is_module(target):
        _check_module(name, bare(target), state, path)
    elif hasattr(target, "param_groups"):
        _check_optimizer(name, target, state, path)
    elif type(target).__module__.startswith("torch.optim") and isinstance(state, Mapping):
        _check_scheduler(name, target, state, path)


def check_all(path: str, state: State, targets: Mapping[str, Any]) -> None:
    """Raises MismatchError, CorruptError for targets that are not those whose states these are."""
    missing = [name for name in targets if name + STATE not in state]
    if missing:
        kept = ", ".join(name.removesuffix(STATE) for name in state if name.endswith(STATE)) or "none"
        raise MismatchError(f"no state of {', '.join(missing)} was saved; saved were {kept}", path=path)
    for name, target in targets.items():
        check(name, target, state[name + STATE], path)


def put(target: Any, state: Any) -> None:
    adapter = adapter_of(target)
    if adapter is not None:
        adapter.put(target, state)
    else:
        bare(target).load_state_dict(state)


def read(path: str, targets: Mapping[str, Any], trusted: Any) -> tuple[Any, Callable[[str], None]]:
    """What a file holds, verified, and what to call with the name of a target before its state is put. Large states of torch whose files are in
    memory are read into the targets' own tensors, and only then. Raises what load() raises."""
    model = _model.open(path)
    bares = {name: bare(target) for name, target in targets.items() if is_torch(target)}
    if not bares and "torch" not in sys.modules:
        return load(model, trusted=trusted), lambda _: None
    from ..torch import _in_place, _load

    live = _in_place.InPlace(model, bares, STATE)
    if live.tensors:
        state = _load.load(model, trusted=trusted, live=live.tensors)
        if live.stands(state):
            return state, live.fill
    return load(model, framework="torch", trusted=trusted), lambda _: None


def put_all(
    targets: Mapping[str, Any], states: Mapping[str, Any], path: str, most: float = _SMALL, before_each: Callable[[str], None] = lambda _: None
) -> None:
    """Each its own, modules last: what takes no state says so while they are as they were, and then the others are too, but for those with a
    state of more than `most` bytes. Raises MismatchError."""
    order = sorted(targets, key=lambda name: (is_module(targets[name]), hasattr(targets[name], "param_groups")))
    before: dict[str, Any] = {}
    for name in order:
        target = targets[name]
        try:
            if not is_module(target) and (adapter_of(target) or hasattr(target, "state_dict")) and _bytes(own := taken(target)) <= most:
                before[name] = copy.deepcopy(own)
            before_each(name)
            put(target, states[name])
        except Exception as error:
            for other, state in before.items():
                with contextlib.suppress(Exception):
                    put(targets[other], state)
            if isinstance(error, Error):
                raise
            raise MismatchError(f"{name} does not take its state: {type(error).__name__}: {error}", path=path) from error


def _bytes(state: Any) -> int:
    if isinstance(state, Mapping):
        return sum(map(_bytes, state.values()))
    if isinstance(state, list | tuple):
        return sum(map(_bytes, state))
    return int(getattr(state, "nbytes", 0))


def gradients(target: Any) -> State:
    """Those that wait for the optimizer's step."""
    return {name: entry.grad for name, entry in bare(target).named_parameters() if entry.grad is not None}


def put_gradients(target: Any, grads: Mapping[str, Any]) -> None:
    """All others are none."""
    for name, entry in bare(target).named_parameters():
        grad = grads.get(name)
        entry.grad = None if grad is None else grad.to(device=entry.device, dtype=entry.dtype)


def _check_module(name: str, module: Any, state: Any, path: str) -> None:
    if not isinstance(state, Mapping):
        raise CorruptError(f"the state of {name} is a {type(state).__name__}, not a dict", path=path)
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    other = [
        f"{key} is {list(state[key].shape)} in the file and {list(entry.shape)} in the module"
        for key, entry in own.items()
        if key in state and hasattr(entry, "shape") and hasattr(state[key], "shape") and entry.shape != state[key].shape
    ]
    faults = [f"{what}: {some(found)}" for what, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", other)) if found]
    if faults:
        raise MismatchError(f"the state of {name} is another module's: {'; '.join(faults)}", path=path)


def _check_optimizer(name: str, optimizer: Any, state: Any, path: str) -> None:
    if not isinstance(state, Mapping):
        raise CorruptError(f"the state of {name} is a {type(state).__name__}, not a dict", path=path)
    groups, kept, is_a = state.get("param_groups"), state.get("state"), f"the state of {name} does not fit: it is a {type(optimizer).__name__}"
    if not isinstance(groups, list) or not isinstance(kept, Mapping) or not all(
        isinstance(group, Mapping) and isinstance(group.get("params"), list) for group in groups
    ):
        raise MismatchError(f"{is_a}, what was kept is no optimizer's state", path=path)
    was = [len(group["params"]) for group in groups]
    now = [len(group["params"]) for group in optimizer.param_groups]
    if was != now:
        raise MismatchError(f"the state of {name} does not fit: it has groups of {now} parameters, those of {was} were kept", path=path)
    said, own = {str(key) for group in groups for key in group}, {key for group in optimizer.param_groups for key in group}
    strange, lacking = sorted(said - own - _BESIDE), sorted(set(getattr(optimizer, "defaults", own)) - said)
    if strange and lacking:  # another version's has some more, or some less
        raise MismatchError(f"{is_a}, the state that was kept is another's: it has {some(strange)} and lacks {some(lacking)}", path=path)
    for group, owned in zip(groups, optimizer.param_groups, strict=True):
        for number, entry in zip(group["params"], owned["params"], strict=True):
            _check_parameter(name, number, entry, kept.get(number) if isinstance(number, int | str) else None, path)


def _check_scheduler(name: str, scheduler: Any, state: Mapping[str, Any], path: str) -> None:
    """Its load_state_dict() takes anything. A key more or less is another version's."""
    own = scheduler.state_dict()
    lacking, strange = ([key for key in one if key not in other and not key.startswith("_")] for one, other in ((own, state), (state, own)))
    if lacking and strange:
        raise MismatchError(f"the state of {name} is another scheduler's: it has {some(strange)} and lacks {some(lacking)}", path=path)


def _check_parameter(name: str, number: Any, entry: Any, state: Any, path: str) -> None:
    """What an optimizer keeps for each element of a parameter has the parameter's shape."""
    for key in _BY_ELEMENT if isinstance(state, Mapping) else ():
        found = getattr(state.get(key), "shape", entry.shape)
        if found != entry.shape:
            raise MismatchError(f"the state of {name} does not fit: {key} of parameter {number} is {list(found)}, the parameter is {list(entry.shape)}", path=path)


def some(names: list[str]) -> str:
    """The first of very many, for a message."""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
