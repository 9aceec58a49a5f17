"""Loops of partial_fit go on exactly where they were, in a new process, for every estimator of scikit-learn that has it; a file chooses nothing."""

import json
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile

import numpy
import pytest
import sklearn.base
import torch
from sklearn.cluster import Birch
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.utils.discovery import all_estimators

import holdall
from holdall.sklearn import _state

HERE = pathlib.Path(__file__).parent
X = numpy.random.RandomState(0).randn(60, 4)
Y = numpy.random.RandomState(1).randint(0, 3, 60)


def run(phase, folder, extension):
    program = [sys.executable, HERE / "sklearn_fits.py", phase, folder, extension]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("extension", ["pt", "safetensors"])
def test_interrupted_loops_end_as_if_they_had_not_been(extension, tmp_path):
    run("begin", tmp_path, extension)
    ended = run("end", tmp_path, extension)
    assert [row for row in ended if row["differing"] or row["step"] != 6 or row["torch"]] == []
    named = {row["case"].rpartition("-")[0] for row in ended}
    assert named == {name for name, of in all_estimators() if hasattr(of, "partial_fit")}


def fitted(estimator, *more):
    estimator.partial_fit(X, *more)
    return estimator


def learned(estimator):
    return {name: value.tobytes() if isinstance(value, numpy.ndarray) else repr(value) for name, value in vars(estimator).items()}


def saved(folder, state):
    """A checkpoint with this state in the place of the one of `model`."""
    with holdall.Checkpointer(folder / "a") as ckpt:
        ckpt.track(model=fitted(GaussianNB(), Y, [0, 1, 2]))
        path = ckpt.save(step=1, wait=True)
    whole, stamp = holdall.load(path), holdall.open(path).metadata["holdall.checkpoint"]
    whole["model_state_dict"] = state
    os.makedirs(folder / "b")
    holdall.save(whole, folder / "b" / os.path.basename(path), metadata={"holdall.checkpoint": stamp})
    return folder / "b"


def refused(folder, estimator, error, message):
    before = learned(estimator)
    with holdall.Checkpointer(folder) as ckpt, pytest.raises(error, match=message):
        ckpt.resume(model=estimator)
    assert learned(estimator) == before


def test_the_state_of_another_estimator_is_refused(tmp_path):
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=fitted(SGDClassifier(), Y, [0, 1, 2]))
        ckpt.save(step=1)
    refused(tmp_path, fitted(GaussianNB(), Y, [0, 1, 2]), holdall.MismatchError, "SGDClassifier.* is a sklearn.naive_bayes.GaussianNB")


FOREIGN = ["os.system", "posix.system", "builtins.eval", "sklearn.svm._classes.SVC", "subprocess.Popen", "sklearn.linear_model._sgd_fast.Hinge"]


@pytest.mark.parametrize("name", FOREIGN)
def test_classes_that_are_not_part_of_the_estimator_are_refused(name, tmp_path):
    state = _state.taken(fitted(GaussianNB(), Y, [0, 1, 2]))
    state["objects"] = [{"class": name, "arguments": ["touch owned"], "attributes": {}}]
    state["attributes"]["priors_"] = {"$": "object", "index": 0}
    refused(saved(tmp_path, state), fitted(GaussianNB(), Y, [0, 1, 2]), holdall.UnsafeError, f"names {name}, which is not part")


@pytest.mark.parametrize("name", ["os.system", "sklearn.linear_model._stochastic_gradient.SGDRegressor"])
def test_parts_of_other_estimators_are_refused(name, tmp_path):
    state = _state.taken(fitted(SGDClassifier(), Y, [0, 1, 2]))
    state["objects"][0]["class"] = name
    refused(saved(tmp_path, state), fitted(SGDClassifier(), Y, [0, 1, 2]), holdall.UnsafeError, "not part of such an estimator")


def test_objects_that_a_file_describes_are_not_built(tmp_path, monkeypatch):
    class Exploit:
        def __reduce__(self):
            return os.system, ("touch owned",)

    folder = saved(tmp_path, _state.taken(fitted(SGDClassifier(), Y, [0, 1, 2])))
    (path,) = folder.glob("*.pt")
    with zipfile.ZipFile(path) as archive:
        contents = {info.filename: archive.read(info) for info in archive.infolist()}
    (name,) = [name for name in contents if name.endswith("/data.pkl")]
    contents[name] = pickle.dumps({"step": 1, "model_state_dict": Exploit()}, 2)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    estimator = fitted(SGDClassifier(), Y, [0, 1, 2])
    before = learned(estimator)
    monkeypatch.chdir(tmp_path)
    with holdall.Checkpointer(folder) as ckpt, pytest.raises(holdall.UnsafeError, match=r"posix\.system"):
        ckpt.resume(model=estimator)
    assert learned(estimator) == before and not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["predict", "partial_fit", "__class__", "__dict__", "a b", "__reduce__", 3])
def test_attributes_that_hide_what_a_class_does_are_refused(name, tmp_path):
    state = _state.taken(fitted(GaussianNB(), Y, [0, 1, 2]))
    state["attributes"][name] = 1.0
    refused(saved(tmp_path, state), fitted(GaussianNB(), Y, [0, 1, 2]), holdall.UnsafeError, "attribute")


def changed_view(**values):
    def change(state):
        view = next(value for value in state["attributes"].values() if isinstance(value, dict) and value.get("$") == "view")
        view.update(values)

    return change


DAMAGES = {
    "a view behind its memory": changed_view(offset=1 << 40),
    "a view before its memory": changed_view(offset=-1),
    "a view larger than its memory": changed_view(shape=[1 << 40], strides=[0]),
    "strides that lead out": changed_view(strides=[1 << 30, 1 << 30]),
    "strides that lead out backwards": changed_view(strides=[-(1 << 30), 1]),
    "no such memory": changed_view(buffer=99),
    "a kind that nobody knows": changed_view(**{"$": "code"}),
    "memory that is none": lambda state: state.update(buffers=["x"]),
    "no attributes": lambda state: state.update(attributes=None),
    "a parameter": lambda state: state["attributes"].update(alpha=1.0),
    "losses made of texts": lambda state: state["objects"][0].update(arguments=["x"]),
    "no such object": lambda state: state["attributes"].update(x_={"$": "object", "index": 99}),
    "a generator in a state of another's": lambda state: state.update(generators=[{"kind": "numpy legacy", "state": {"words": 1}}]),
    "texts that are too few": lambda state: state["attributes"].update(x_={"$": "texts", "dtype": "<U3", "shape": [1 << 40], "values": ["a"]}),
    "texts that are numbers": lambda state: state["attributes"].update(x_={"$": "texts", "dtype": "<f8", "shape": [1], "values": ["a"]}),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_is_none_changes_nothing(damage, tmp_path):
    def made():
        return fitted(SGDClassifier(average=1000, random_state=numpy.random.RandomState(2)), Y, [0, 1, 2])

    state = _state.taken(made())
    DAMAGES[damage](state)
    refused(saved(tmp_path, state), made(), holdall.CorruptError, "the state of model")


def test_parameters_that_differ_are_told_and_stay(tmp_path):
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=fitted(SGDClassifier(alpha=0.5), Y, [0, 1, 2]))
        ckpt.save(step=1)
    estimator = SGDClassifier(alpha=0.25)
    with holdall.Checkpointer(tmp_path) as ckpt, pytest.warns(holdall.HoldallWarning, match=r"alpha was 0.5, and is 0.25"):
        ckpt.resume(model=estimator)
    assert estimator.alpha == 0.25 and estimator.t_ == 61


def test_a_generator_that_the_estimator_was_given_goes_on(tmp_path):
    def made():
        return SGDClassifier(random_state=numpy.random.RandomState(2))

    whole = fitted(fitted(made(), Y, [0, 1, 2]), Y)
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=fitted(made(), Y, [0, 1, 2]))
        ckpt.save(step=1)
    estimator = made()
    generator = estimator.random_state
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.resume(model=estimator)
    fitted(estimator, Y)
    assert estimator.random_state is generator and estimator.coef_.tobytes() == whole.coef_.tobytes()
    refused(tmp_path, SGDClassifier(random_state=2), holdall.CorruptError, "random_state held a random generator")


def test_what_is_not_known_to_be_part_of_an_estimator_is_not_saved(tmp_path):
    estimator = fitted(GaussianNB(), Y, [0, 1, 2])
    estimator.notes_ = {"own": [pathlib.Path("x")]}
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=estimator)
        with pytest.raises(holdall.UnsupportedError, match=r"notes_\['own'\]\[0\] is a pathlib"):
            ckpt.save(step=1)


def test_a_file_shows_what_was_learned(tmp_path):
    estimator = fitted(SGDRegressor(), Y.astype(float))
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=estimator)
        path = ckpt.save(step=1, wait=True)
    state = holdall.load(path)["model_state_dict"]
    assert state["class"] == "sklearn.linear_model._stochastic_gradient.SGDRegressor" and state["parameters"]["alpha"] == 0.0001
    assert state["attributes"]["coef_"].tobytes() == estimator.coef_.tobytes() and state["attributes"]["t_"] == estimator.t_
    assert holdall.scan(path)["verdict"] == "inert"
    assert torch.load(path, weights_only=True)["model_state_dict"]["attributes"]["coef_"].numpy().tobytes() == estimator.coef_.tobytes()


def test_arrays_in_one_memory_are_so_again():
    averaged = fitted(SGDClassifier(average=1000), Y, [0, 1, 2])
    assert numpy.shares_memory(averaged.coef_, averaged._standard_coef)
    again = SGDClassifier(average=1000)
    _state.put(again, _state.taken(averaged))
    assert numpy.shares_memory(again.coef_, again._standard_coef)
    tree, grown = fitted(Birch(threshold=0.2)), Birch(threshold=0.2)
    _state.put(grown, _state.taken(tree))
    assert numpy.shares_memory(grown.root_.centroids_, grown.root_.init_centroids_)
    assert not numpy.shares_memory(grown.root_.centroids_, grown.root_.squared_norm_)
    leaf, other = tree.dummy_leaf_.next_leaf_, grown.dummy_leaf_.next_leaf_
    while leaf is not None:
        assert other.centroids_.tobytes() == leaf.centroids_.tobytes() and other.prev_leaf_.next_leaf_ is other
        leaf, other = leaf.next_leaf_, other.next_leaf_
    assert other is None


def test_the_data_of_a_fit_are_not_saved():
    whole = numpy.random.RandomState(0).randn(20000, 4)
    tree = Birch(threshold=0.5).partial_fit(whole[:500])
    parts = tree.dummy_leaf_.next_leaf_.subclusters_
    assert sum(numpy.shares_memory(part.linear_sum_, whole) for part in parts) > 1
    assert sum(buffer.nbytes for buffer in _state.taken(tree)["buffers"]) < whole.nbytes // 4


def test_arrays_lie_in_memory_as_they_did():
    estimator = MLPClassifier((3,), random_state=1).partial_fit(X, Y, classes=[0, 1, 2])
    estimator.coefs_[0] = numpy.asfortranarray(estimator.coefs_[0])
    estimator.coefs_[1] = numpy.repeat(estimator.coefs_[1], 2, axis=1)[:, ::2]
    again = sklearn.base.clone(estimator)
    _state.put(again, _state.taken(estimator))
    for one, other in zip(again.coefs_, estimator.coefs_, strict=True):
        assert one.strides == other.strides and one.flags.f_contiguous == other.flags.f_contiguous and numpy.array_equal(one, other)
