"""Feed: a run interrupted behind any batch goes on in a new process with the very next one, and every generator as it would have been."""

import gc
import json
import multiprocessing
import pathlib
import random
import subprocess
import sys
import warnings

import pytest
import torch

import holdall
import holdall.torch
from holdall import _random
from holdall.torch._feed import Feed

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import feed_cases

HERE = pathlib.Path(__file__).parent


class Processes:
    """Runs what feed_cases describes, each in a new process."""

    def __init__(self):
        command = [sys.executable, str(HERE / "feed_cases.py")]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, folder, **told):
        result = folder / "result"
        self.server.stdin.write(json.dumps({"result": str(result), "folder": str(folder), **told}) + "\n")
        self.server.stdin.flush()
        done = json.loads(self.server.stdout.readline())
        error = pathlib.Path(f"{result}.error")
        assert done["status"] == 0, error.read_text() if error.exists() else done
        return torch.load(result, weights_only=False)


@pytest.fixture(scope="module")
def processes():
    made = Processes()
    yield made
    made.server.stdin.close()
    made.server.wait()


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool((one == other).all() if hasattr(one, "shape") else one == other)


def chosen(folder, name):
    """Behind the first batch and at the end of an epoch, in the middle and behind the last of the next one, and one more by chance."""
    epochs = [[], [], []]
    for path in folder.glob("*-*.pt"):
        epochs[int(path.stem[0])].append(path)
    for own in epochs:
        own.sort(key=lambda path: (path.stem.endswith("end"), len(path.stem), path.stem))
    first, second = epochs[:2]
    return list(dict.fromkeys([first[0], first[-1], second[len(second) // 2 - 1], second[-2], random.Random(name).choice(first + second)]))


def check(processes, folder, name, epochs=2, **told):
    reference = processes.run(folder, case=name, do="plain", epochs=epochs, **told)
    through = processes.run(folder, case=name, do="through", epochs=epochs, behind=[], **told)
    assert through.pop("took") >= 2
    assert len(reference["seen"]) > 3 and equal(reference, through)
    # Some take seconds to start a process: in the middle of the second epoch alone.
    for path in chosen(folder, name)[2:3] if name in ("spawned", "tensorflow") else chosen(folder, name):
        seen = torch.load(path, weights_only=True)["seen"]
        resumed = processes.run(folder, **{"case": name, "do": "resume", "epochs": epochs, "from": str(path), "seed": 99, **told})
        assert len(resumed["seen"]) == len(reference["seen"]) - seen, path.stem
        for number, (own, expected) in enumerate(zip(resumed["seen"], reference["seen"][seen:], strict=True)):
            assert equal(own, expected), (path.stem, number, own, expected)
        assert equal(resumed["end"], reference["end"]), path.stem


# With a third worker, whose share is uneven, what differs in how indices, states or samples come about.
UNEVEN = ("shuffled", "drop_last", "single", "afresh_sampler", "own_generators", "getitems", "stateful_counting")


@pytest.mark.parametrize("name", [*(f"{name}-{workers}" for name in feed_cases.MAP for workers in (0, 2)), *(f"{name}-3" for name in UNEVEN)])
def test_samples_by_index_go_on(name, processes, tmp_path):
    check(processes, tmp_path, name)


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("name", [*feed_cases.ITERABLE, *feed_cases.LOOPS])
def test_iterables_go_on(name, workers, processes, tmp_path):
    check(processes, tmp_path, f"{name}-{workers}")


@pytest.mark.parametrize("name", [*(f"{name}-2" for name in feed_cases.MAP), "shuffled-3", *(f"{name}-3" for name in feed_cases.ITERABLE)])
def test_workers_that_live_on_go_on(name, processes, tmp_path):
    check(processes, tmp_path, f"{name}-persistent", epochs=3)


@pytest.mark.parametrize("name", feed_cases.SETTINGS)
def test_settings_and_other_loaders_go_on(name, processes, tmp_path):
    check(processes, tmp_path, name)


@pytest.mark.parametrize("name", ["shuffled-0", "shuffled-2", "shuffled-2-persistent", "iterable-2", "iterable-2-persistent", "python_sampler-3-persistent"])
def test_epochs_that_are_left_early_go_on(name, processes, tmp_path):
    check(processes, tmp_path, name, epochs=3, leave=4)


@pytest.mark.parametrize("name", ["shuffled-0", "shuffled-2", "getitems-0", "getitems-3", "stateful_map-0", "single-2"])
def test_what_was_consumed_is_not_loaded_again(name, processes, tmp_path):
    told = {"case": name, "epochs": 1, "environment": {"HOLDALL_ASKED": str(tmp_path / "asked")}}
    processes.run(tmp_path, do="plain", **told)
    every = (tmp_path / "asked").read_text().split()
    (tmp_path / "asked").unlink()
    processes.run(tmp_path, do="through", behind=[[0, 4]], **told)
    (tmp_path / "asked").unlink()
    resumed = processes.run(tmp_path, **{"do": "resume", "from": str(tmp_path / "0-4.pt"), **told})
    asked = (tmp_path / "asked").read_text().split()
    consumed = 4 if name.startswith("single") else 16
    assert len(every) == feed_cases.SAMPLES and len(asked) == feed_cases.SAMPLES - consumed
    assert sorted(asked) == sorted(str(int(row[0])) for batch in resumed["seen"] for row in batch.reshape(-1, 6))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("name", ["own_generators-2", "numpy_sampler-2", "list"])
def test_positions_are_the_same_from_every_format(name, suffix, tmp_path):
    feed_cases.seed(1)
    feed = Feed(feed_cases.LOADERS[name]())
    batches = feed.batches()
    next(batches)
    position = feed.position()
    batches.close()
    holdall.torch.save({"position": position}, tmp_path / f"a{suffix}")
    assert equal(holdall.torch.load(tmp_path / f"a{suffix}")["position"], position)


class Plain(torch.utils.data.Dataset):
    def __init__(self, length=20):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.tensor([index])


def loader(length=20, **settings):
    return torch.utils.data.DataLoader(Plain(length), **{"batch_size": 4, "shuffle": True, **settings})


def position_of(loader, behind=2):
    feed = Feed(loader)
    batches = feed.batches()
    for _ in range(behind):
        next(batches)
    found = feed.position()
    batches.close()
    return found


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: loader(24), ["samples was 20, is 24", "batches was 5, is 6"]),
        (lambda: loader(batch_size=5), ["batch_size was 4, is 5"]),
        (lambda: loader(num_workers=1), ["num_workers was 0, is 1"]),
        (lambda: loader(drop_last=True), ["drop_last was False, is True"]),
        (lambda: loader(shuffle=False), ["sampler was torch", "RandomSampler, is torch", "SequentialSampler"]),
        (lambda: [1, 2, 3, 4, 5], ["class was torch.utils.data.dataloader.DataLoader, is builtins.list"]),
    ],
)
def test_a_position_of_another_loader_is_refused(other, said):
    position = position_of(loader())
    before = _random.states()
    feed = Feed(other())
    with pytest.raises(holdall.MismatchError) as caught:
        feed.batches(position)
    assert all(part in str(caught.value) for part in said), caught.value
    assert equal(_random.states(), before) and feed.position()["consumed"] == 0


def test_a_share_of_other_ranks_is_refused():
    first, second = (loader(sampler=torch.utils.data.DistributedSampler(Plain(), 2, rank), shuffle=None) for rank in (0, 1))
    with pytest.raises(holdall.MismatchError, match="rank was 0, is 1"):
        Feed(second).batches(position_of(first))


@pytest.mark.parametrize("make", [loader, lambda: [1, 2, 3, 4, 5], lambda: loader(num_workers=2)])
def test_more_than_the_loader_has_is_refused(make):
    position = position_of(make())
    with pytest.raises(holdall.MismatchError, match="behind 9 batches, the loader has 5"):
        Feed(make()).batches({**position, "consumed": 9})


class Short(feed_cases.PythonSampler):
    """Says that it has more than it has."""

    def __iter__(self):
        return iter(range(6))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampler_that_ends_before_the_position_is_refused(workers):
    position = position_of(loader(feed_cases.SAMPLES, sampler=feed_cases.PythonSampler(), shuffle=None, num_workers=workers), 5)
    position["loader"]["sampler"] = f"{Short.__module__}.Short"
    before = _random.states()
    with pytest.raises(holdall.MismatchError, match="the loader has 2"):
        next(Feed(loader(feed_cases.SAMPLES, sampler=Short(), shuffle=None, num_workers=workers)).batches(position))
    assert equal(_random.states(), before)


WRONG = [{"consumed": -1}, {"consumed": "2"}, {"start": 3}, {"loader": None}, {"start": None}, {"held": 3}, {"start": {}}, {"workers": {}}]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_position_is_refused(wrong):
    own = loader(num_workers=2)
    position = position_of(own)
    for none in (7, {}, {"version": 1}, {**position, **wrong}):
        with pytest.raises(holdall.CorruptError, match="no position in data"):
            Feed(own).batches(none)


@pytest.mark.parametrize("part", ["held", "start", "end", "consumed", "workers"])
def test_a_position_that_lacks_a_part_is_refused(part):
    own = loader(num_workers=2)
    position = position_of(own)
    del position[part]
    with pytest.raises(holdall.CorruptError, match="no position in data"):
        Feed(own).batches(position)


@pytest.mark.parametrize("part", ["random", "held"])
def test_damage_inside_a_position_changes_no_generator(part):
    own = loader(generator=torch.Generator())
    position = position_of(own)
    start = dict(position["start"])
    if part == "random":
        start["random"] = {**start["random"], "torch": torch.zeros(3, dtype=torch.uint8)}
    else:
        start["held"] = {**start["held"], "generators": {"generator": {"kind": "python", "state": None}}}
    before = _random.states()
    with pytest.raises(holdall.CorruptError):
        next(Feed(own).batches({**position, "start": start}))
    assert equal(_random.states(), before)


def test_a_later_version_is_refused_by_its_number():
    with pytest.raises(holdall.UnsupportedError, match="version 2"):
        Feed(loader()).batches({**position_of(loader()), "version": 2})


def test_workers_out_of_order_are_refused():
    with pytest.raises(holdall.UnsupportedError, match="in_order=False"):
        Feed(loader(num_workers=2, in_order=False))
    assert len(list(Feed(loader(in_order=False)).batches())) == 5
    with pytest.raises(TypeError, match="not int"):
        Feed(7)


def children():
    return {child.pid for child in multiprocessing.active_children()}


@pytest.mark.parametrize("name", ["shuffled-2", "iterable-2", "stateful_iterable-2"])
def test_leaving_early_ends_the_workers(name):
    before = children()
    feed = Feed(feed_cases.LOADERS[name]())
    for _ in feed.batches():
        assert len(children() - before) == 2
        break
    assert children() == before
    batches = feed.batches(feed.position())
    next(batches)
    assert len(children() - before) == 2
    batches.close()
    assert children() == before
    next(feed.batches())
    assert children() == before


def test_workers_that_live_on_end_with_close_or_the_feed():
    before = children()
    feed = Feed(feed_cases.LOADERS["shuffled-2-persistent"]())
    for _ in range(2):
        for _ in feed.batches():
            own = children() - before
            break
        assert children() - before == own and len(own) == 2
    feed.close()
    assert children() == before
    assert len(list(feed.batches())) == 6
    assert len(children() - before) == 2
    del feed
    gc.collect()
    assert children() == before


def test_a_new_iteration_ends_one_that_is_under_way():
    before = children()
    feed = Feed(feed_cases.LOADERS["shuffled-2"]())
    first = feed.batches()
    next(first)
    second = feed.batches()
    next(second)
    assert len(children() - before) == 2
    first.close()
    assert len(children() - before) == 2 and len(list(second)) == 5
    assert children() == before


@pytest.mark.parametrize("name", ["shuffled-0", "shuffled-2", "iterable-2-persistent", "stateful_counting-2"])
def test_what_the_user_made_stays_as_it_was(name):
    own = feed_cases.LOADERS[name]()
    known = {key: value for key, value in vars(own).items() if key not in ("next_iter_state", "_iterator")}
    parts = {id(value): dict(vars(value)) for value in (own.dataset, own.sampler, own.batch_sampler)}
    feed = Feed(own)
    for _ in feed.batches():
        break
    for _ in feed.batches(feed.position()):
        break
    feed.close()
    assert all(vars(own)[key] is value for key, value in known.items())
    assert all(dict(vars(value)) == parts[id(value)] for value in (own.dataset, own.sampler, own.batch_sampler))


def test_a_position_before_anything_was_handed_out_is_the_beginning():
    feed_cases.seed(5)
    feed = Feed(loader())
    position, states = feed.position(), _random.states()
    expected = list(feed.batches())
    feed_cases.seed(6)
    assert equal(list(Feed(loader()).batches(position, lambda: _random.set_states(states))), expected)


def test_a_position_given_is_the_position_until_the_next_batch():
    feed_cases.seed(5)
    position = position_of(loader())
    feed = Feed(loader())
    batches = feed.batches(position)
    assert equal(feed.position(), position)
    next(batches)
    assert feed.position()["consumed"] == 3


def test_the_end_of_an_epoch_gives_nothing_and_leaves_the_states_of_the_end():
    feed_cases.seed(5)
    feed = Feed(loader())
    for _ in feed.batches():
        feed_cases.drawn()
    position, states = feed.position(), _random.states()
    feed_cases.seed(6)
    again = Feed(loader())
    assert list(again.batches(position)) == [] and equal(_random.states(), states) and equal(again.position(), position)
    following = list(again.batches())
    _random.set_states(states)
    assert equal(following, list(feed.batches()))


def test_long_passing_over_is_warned_of_once():
    many = Feed(lambda: iter(range(1500)))
    position = {**position_of(lambda: iter(range(1500)), 3)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert next(many.batches(position)) == 3
        assert next(Feed(list(range(1500))).batches(position_of(list(range(1500)), 1200))) == 1200
    far = position_of(lambda: iter(range(1500)), 1200)
    with pytest.warns(holdall.HoldallWarning, match="1200 batches are loaded again") as caught:
        assert next(many.batches(far)) == 1200
        assert next(many.batches(far)) == 1200
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["own_loop-2-persistent", "accelerate-2-persistent"])
def test_workers_that_lived_on_in_a_foreign_loop_are_warned_of(name):
    feed_cases.seed(5)
    feed = Feed(feed_cases.LOADERS[name]())
    list(feed.batches())
    batches = feed.batches()
    next(batches)
    with pytest.warns(holdall.HoldallWarning, match="lived on from an epoch before"):
        next(Feed(feed_cases.LOADERS[name]()).batches(feed.position()))


class Lazy(Plain):
    """Makes its generator when the first sample is asked for."""

    rng = None

    def __getitem__(self, index):
        self.rng = self.rng or random.Random(0)
        return torch.tensor([index, self.rng.random()])


def test_a_generator_that_is_not_there_yet_is_warned_of():
    make = lambda: torch.utils.data.DataLoader(Lazy(), batch_size=4)  # noqa: E731
    with pytest.warns(holdall.HoldallWarning, match=r"start anew: dataset\.rng"):
        next(Feed(make()).batches(position_of(make())))


def test_errors_of_the_loader_come_through():
    class Failing(Plain):
        def __getitem__(self, index):
            raise KeyError(f"sample {index}")

    for workers in (0, 2):
        with pytest.raises(KeyError, match="sample 0"):
            list(Feed(torch.utils.data.DataLoader(Failing(), num_workers=workers)).batches())
