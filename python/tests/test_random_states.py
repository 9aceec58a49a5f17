"""The states of random generators: through every file that may hold them, each continues with the very next number."""

import io
import random
import subprocess
import sys

import numpy
import pytest
import torch

import holdall
import holdall.torch
from holdall import _random


def numbers():
    """Of every global generator, pairs of Gaussian numbers taken apart."""
    return (
        random.random(), random.gauss(0, 1), random.getrandbits(40), numpy.random.rand(), numpy.random.randn(), numpy.random.randint(1 << 40),
        torch.rand(3).tolist(), torch.randn(17).tolist(), torch.randperm(5).tolist(),
    )  # fmt: skip


def pt(value, folder):
    holdall.save(value, folder / "a.pt", sync=False)
    return holdall.load(folder / "a.pt")


def pt_by_torch(value, folder):
    holdall.save(value, folder / "a.pt", sync=False)
    return torch.load(folder / "a.pt", weights_only=True)


def torch_alone(value, folder):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def safetensors(value, folder):
    holdall.save(value, folder / "a.safetensors", sync=False)
    return holdall.load(folder / "a.safetensors")


def safetensors_as_tensors(value, folder):
    holdall.torch.save(value, folder / "a.safetensors", sync=False)
    return holdall.torch.load(folder / "a.safetensors")


def nothing(value, folder):
    return value


THROUGH = [nothing, pt, pt_by_torch, torch_alone, safetensors, safetensors_as_tensors]


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("drawn", [0, 1, 2, 700])
def test_every_generator_continues_with_the_next_number(through, drawn, tmp_path):
    random.seed(1)
    numpy.random.seed(2)
    torch.manual_seed(3)
    for _ in range(drawn):
        random.gauss(0, 1), numpy.random.randn(), torch.randn(1)
    states = through(_random.states(), tmp_path)
    expected = numbers()
    numbers()
    assert _random.set_states(states) == [] and numbers() == expected


def test_the_number_kept_of_a_pair_is_part_of_a_state():
    random.seed(1)
    numpy.random.seed(1)
    random.gauss(0, 1)
    numpy.random.randn()
    states = _random.states()
    assert states["python"]["gauss"] is not None and states["numpy"]["has_gauss"] == 1
    expected = random.gauss(0, 1), numpy.random.randn()
    random.seed(2)
    numpy.random.seed(2)
    _random.set_states(states)
    assert (random.gauss(0, 1), numpy.random.randn()) == expected


def test_a_state_that_was_taken_does_not_change():
    states = _random.states()
    kept = holdall.torch.save, {name: str(value) for name, value in states.items()}
    numbers()
    assert {name: str(value) for name, value in states.items()} == kept[1]


MAKES = {
    "random": lambda: (random.Random(5), lambda own: (own.random(), own.gauss(0, 1))),
    "RandomState": lambda: (numpy.random.RandomState(5), lambda own: (own.rand(), own.randn())),
    "torch": lambda: (torch.Generator().manual_seed(5), lambda own: (torch.randn(1, generator=own).item(), torch.rand(1, generator=own).item())),
    **{
        name: lambda name=name: (numpy.random.Generator(getattr(numpy.random, name)(5)), lambda own: (own.random(), own.integers(9, dtype="uint32")))
        for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
    },
}  # fmt: skip


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("name", MAKES)
def test_generators_by_themselves_continue(name, through, tmp_path):
    generator, draw = MAKES[name]()
    for _ in range(3):
        draw(generator)
    state = through({"own": _random.state_of(generator)}, tmp_path)["own"]
    expected = [draw(generator) for _ in range(5)]
    other, draw = MAKES[name]()
    _random.set_state_of(other, state)
    assert [draw(other) for _ in range(5)] == expected


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("other", MAKES)
def test_the_state_of_another_kind_of_generator_is_refused(name, other):
    if name == other:
        return
    (generator, draw), (foreign, _) = MAKES[name](), MAKES[other]()
    expected, (again, _) = [draw(generator) for _ in range(3)], MAKES[name]()
    with pytest.raises(holdall.CorruptError):
        _random.set_state_of(again, _random.state_of(foreign))
    assert [draw(again) for _ in range(3)] == expected


def test_what_is_no_generator_has_no_state():
    for value in (random, 7, random.SystemRandom(), torch.zeros(2)):
        with pytest.raises(TypeError):
            _random.state_of(value)


def changed(states, *path, to):
    made = {name: value for name, value in states.items()}
    if len(path) == 1:
        made[path[0]] = to(made[path[0]]) if callable(to) else to
    else:
        made[path[0]] = changed(made[path[0]], *path[1:], to=to)
    return made


def with_last(value):
    return lambda words: torch.cat([words[:-1], torch.tensor([value])])


DAMAGE = [
    (("python",), None), (("python",), []), (("python", "words"), lambda words: words[:-1]), (("python", "words"), with_last(625)),
    (("python", "words"), with_last(-1)), (("python", "words"), with_last(2**32)), (("python", "words"), lambda words: words.to(torch.float64)),
    (("python", "words"), "words"), (("python", "words"), lambda words: words.reshape(25, 25)), (("python", "version"), 4),
    (("python", "gauss"), "1.0"), (("numpy",), 3), (("numpy", "bit_generator"), "os.system"), (("numpy", "bit_generator"), None),
    (("numpy", "state", "pos"), 625), (("numpy", "state", "pos"), -1), (("numpy", "state", "pos"), "x"), (("numpy", "state", "key"), with_last(2**32)),
    (("numpy", "state", "key"), lambda key: key[1:]), (("numpy", "has_gauss"), 2), (("numpy", "gauss"), None), (("torch",), None),
    (("torch",), lambda state: state[:-1]), (("torch",), lambda state: state.to(torch.int64) + 256), (("torch",), lambda state: state * 0 + 255),
]  # fmt: skip


@pytest.mark.parametrize(("path", "to"), DAMAGE, ids=[f"{'.'.join(path)}-{number}" for number, (path, _) in enumerate(DAMAGE)])
def test_damage_is_refused_before_anything_changed(path, to):
    states = changed(_random.states(), *path, to=to)
    numbers()
    before = _random.states()
    with pytest.raises(ValueError, match=path[0]):
        _random.set_states(states)
    expected = numbers()
    _random.set_states(before)
    assert numbers() == expected


@pytest.mark.parametrize("states", [None, {}, [], "python", 7])
def test_what_is_no_state_is_refused(states):
    with pytest.raises(holdall.CorruptError, match="no states of random generators"):
        _random.set_states(states)


def test_generators_that_are_not_here_are_told():
    states = _random.states()
    device = torch.zeros(16, dtype=torch.uint8)
    lacking = _random.set_states({**states, "cuda": [device] * (torch.cuda.device_count() + 1), "quantum": 3})
    assert lacking == [f"random generator 'cuda:{torch.cuda.device_count()}': no such device here", "random generator 'quantum': not known to this version"]


def test_damage_of_a_generator_that_is_not_here_is_refused():
    with pytest.raises(holdall.CorruptError, match="cuda"):
        _random.set_states({**_random.states(), "cuda": [torch.zeros(16, dtype=torch.uint8)] * torch.cuda.device_count() + [None]})


ALONE = """
import random, sys
sys.modules.update(dict.fromkeys({hidden!r}))
if {numpy!r}: import numpy
import holdall
from holdall import _random
assert not {{"torch", "numpy"}} & {{name for name, module in sys.modules.items() if module}} - {{"numpy"}}
random.seed(1); random.gauss(0, 1)
states = _random.states()
holdall.save(states, {path!r}) if {numpy!r} else None
expected = random.gauss(0, 1), random.random()
random.seed(2)
states = holdall.load({path!r}) if {numpy!r} else states
assert _random.set_states(states) == [] and (random.gauss(0, 1), random.random()) == expected
lacking = _random.set_states({{**states, "torch": [0] * 10}})
assert lacking == ["random generator 'torch': torch is not installed"], lacking
print(sorted(states))
"""


@pytest.mark.parametrize("numpy_is_there", [True, False])
def test_python_alone_and_with_numpy(numpy_is_there, tmp_path):
    hidden = ["torch"] if numpy_is_there else ["torch", "numpy"]
    program = ALONE.format(hidden=hidden, numpy=numpy_is_there, path=str(tmp_path / "a.npz"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("['numpy', 'python']\n" if numpy_is_there else "['python']\n")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_every_cuda_device_continues(tmp_path):
    torch.cuda.manual_seed_all(4)
    torch.rand(3, device="cuda")
    states = pt_by_torch(_random.states(), tmp_path)
    expected = [torch.rand(5, device=f"cuda:{device}").tolist() for device in range(torch.cuda.device_count())]
    assert _random.set_states(states) == []
    assert [torch.rand(5, device=f"cuda:{device}").tolist() for device in range(torch.cuda.device_count())] == expected
