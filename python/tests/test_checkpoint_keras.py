"""Trainings with Keras are saved behind fit() and go on exactly where they were, in a new process, with every backend."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import warnings

import numpy
import pytest

import holdall

HERE = pathlib.Path(__file__).parent
X = numpy.random.default_rng(1).normal(size=(26, 6)).astype("float32")
Y = numpy.random.default_rng(2).normal(size=(26, 2)).astype("float32")


def run(backend, phase, folder, seed):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, HERE / "keras_fits.py", phase, folder, seed], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_interrupted_fits_end_as_if_they_had_not_been(backend, tmp_path):
    seed = os.environ.get("HOLDALL_SEED", "20")  # of the batches that are interrupted; another one tries others
    begun = run(backend, "begin", tmp_path, seed)
    ended = run(backend, "end", tmp_path, seed)
    assert len(ended) == len(begun) >= 9
    wrong = [f"{one} {other}" for one, other in zip(begun, ended, strict=True) if other["differing"]]
    assert not wrong, f"seed {seed}: {wrong}"


def made(keras, units=8, name=None):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(units), keras.layers.Dropout(0.2), keras.layers.Dense(2)], name=name)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def arrays(variables):
    return [numpy.array(variable.value) for variable in variables]


def values(model):
    return arrays([*model.variables, *model.optimizer.variables])


def same(one, other):
    return len(one) == len(other) and all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def batches(count):
    return [(X[i % 6 * 4 : i % 6 * 4 + 4], Y[i % 6 * 4 : i % 6 * 4 + 4]) for i in range(count)]


class Stop(Exception):
    pass


def stopping(keras, epoch, batch, do=None):
    def begin(number, logs):
        counted[:] = [number, 0]

    def end(number, logs):
        counted[1] += 1
        if counted == [epoch, batch]:
            if do is None:
                raise Stop
            do()

    counted = [0, 0]
    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_train_batch_end=end)


@pytest.mark.parametrize("extension", ["pt", "safetensors"])
def test_a_loop_of_ones_own_goes_on_exactly(keras, extension, tmp_path):
    name = "step{step}." + extension
    whole = made(keras)
    for x, y in batches(10):
        whole.train_on_batch(x, y)
    with holdall.Checkpointer(tmp_path, name, every_steps=1) as ckpt:
        model = made(keras)
        ckpt.resume(model=model)
        for x, y in batches(6):
            model.train_on_batch(x, y)
            ckpt.step()
    with holdall.Checkpointer(tmp_path, name) as ckpt:
        model = made(keras)
        start = ckpt.resume(model=model)
        assert start.step == 6
        for x, y in batches(10)[start.step :]:
            model.train_on_batch(x, y)
    assert same(values(model), values(whole))


def test_optimizers_alone_and_models_that_are_not_compiled_are_states_too(keras, tmp_path):
    model, optimizer = made(keras), keras.optimizers.Adam(0.5)
    model.optimizer = None
    optimizer.build(model.trainable_variables)
    optimizer.apply([value + 1 for value in model.trainable_variables])
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=model, optimizer=optimizer)
        ckpt.save(step=1)
    other, fresh = made(keras), keras.optimizers.Adam(0.25)
    other.optimizer = None
    fresh.build(other.trainable_variables)
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.resume(model=other, optimizer=fresh)
    assert same(arrays(fresh.variables), arrays(optimizer.variables))
    assert same(arrays(other.variables), arrays(model.variables))


def test_a_file_is_arrays_by_the_paths_of_variables(keras, tmp_path):
    model = made(keras, name="named")
    model.train_on_batch(*batches(1)[0])
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=model)
        path = ckpt.save(step=1, wait=True)
    # torch is imported in a process of its own: here it may or may not be.
    program = "import sys, torch; print(*torch.load(sys.argv[1], weights_only=True)['model_state_dict']['variables'])"
    read = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert read.stdout.split() == [variable.path for variable in model.variables]
    state = holdall.load(path)["model_state_dict"]
    own = {variable.path: numpy.array(variable.value) for variable in model.variables}
    assert list(state["variables"]) == list(own) and same(list(state["variables"].values()), list(own.values()))
    assert list(state["optimizer"]) == [variable.path for variable in model.optimizer.variables]
    assert list(state["metrics"]) == [variable.path for variable in model.metrics_variables]
    assert holdall.scan(path)["verdict"] == "inert"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "int8"])
@pytest.mark.parametrize("extension", ["pt", "safetensors"])
def test_variables_of_every_dtype_come_back(keras, dtype, extension, tmp_path):
    def layers(value):
        layer = keras.layers.Layer(dtype="float32")
        layer.own = layer.add_weight(shape=(3, 2), dtype=dtype, initializer=keras.initializers.Constant(value), trainable=False, name="own")
        return keras.Sequential([keras.layers.Input((2,)), layer])

    model, other = layers(3), layers(5)
    with holdall.Checkpointer(tmp_path, "step{step}." + extension) as ckpt:
        ckpt.track(model=model)
        ckpt.save(step=1)
        ckpt.resume(model=other)
    assert same(arrays(other.variables), arrays(model.variables)) and arrays(other.variables)[0].dtype.name == dtype


def test_the_state_of_another_model_changes_nothing(keras, tmp_path):
    model = made(keras)
    with holdall.Checkpointer(tmp_path) as ckpt:
        ckpt.track(model=model)
        ckpt.save(step=1)
    for other in (made(keras, units=9), keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(8)])):
        before = arrays(other.variables)
        with holdall.Checkpointer(tmp_path) as ckpt, pytest.raises(holdall.MismatchError, match="kernel|bias"):
            ckpt.resume(model=other)
        assert same(arrays(other.variables), before)


def interrupted(keras, folder, **given):
    model = made(keras)
    with pytest.raises(Stop):
        model.fit(
            X, Y, batch_size=4, epochs=3, verbose=0, **given,
            callbacks=[holdall.keras.BackupAndRestore(folder, 1, signals=()), stopping(keras, 1, 3)],
        )  # fmt: skip
    while [row["step"] for row in holdall.keras.ModelCheckpoint(folder).history()] != [9, 10]:  # the last is on its way
        time.sleep(0.01)


def test_other_data_and_other_models_are_refused_before_anything_changes(keras, tmp_path):
    interrupted(keras, tmp_path)
    for model, x, y, message in (
        (made(keras), X[:10], Y[:10], "number of batches was 7, and is 3"),
        (made(keras, units=9), X, Y, "another one's"),
    ):
        before = values(model)
        with pytest.raises(holdall.MismatchError, match=message):
            model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path, 1, signals=())])
        assert same(values(model)[: len(before)], before)


@pytest.mark.parametrize(
    "change", [lambda fit: fit.pop("data"), lambda fit: fit.update(epoch="x"), lambda fit: fit.update(version=99), lambda fit: fit.update(data=[1])]
)
def test_a_state_of_fit_that_is_none_is_an_error(keras, change, tmp_path):
    interrupted(keras, tmp_path / "a")
    (path, *_) = [row["path"] for row in reversed(holdall.keras.ModelCheckpoint(tmp_path / "a").history())]
    state, stamp = holdall.load(path), holdall.open(path).metadata["holdall.checkpoint"]
    change(state["fit_state_dict"])
    os.makedirs(tmp_path / "b")
    holdall.save(state, tmp_path / "b" / "backup_epoch1_step9.pt", metadata={"holdall.checkpoint": stamp})
    model = made(keras)
    before = values(model)
    with pytest.raises((holdall.CorruptError, holdall.UnsupportedError), match="fit|position"):
        model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path / "b", 1, signals=())])
    assert same(values(model)[: len(before)], before)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it(keras, tmp_path):
    whole = made(keras)
    whole.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    interrupted(keras, tmp_path)
    newest = holdall.keras.ModelCheckpoint(tmp_path).history()[-1]["path"]
    content = bytearray(pathlib.Path(newest).read_bytes())
    name = next(name for name in holdall.open(newest) if name.endswith("/kernel"))
    content[holdall.open(newest)[name].location.offset] ^= 1
    pathlib.Path(newest).write_bytes(content)
    model = made(keras)
    with pytest.warns(holdall.HoldallWarning, match="passed over"):
        model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path, 1, signals=())])
    assert same(values(model), values(whole))


def test_a_signal_is_followed_by_one_last_checkpoint(keras, tmp_path):
    def usual(number, frame):
        raise Stop

    before = signal.signal(signal.SIGUSR1, usual)
    try:
        backup = holdall.keras.BackupAndRestore(tmp_path, False)
        sends = stopping(keras, 1, 3, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        with pytest.raises(Stop):
            made(keras).fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[sends, backup])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [row["step"] for row in holdall.keras.ModelCheckpoint(tmp_path).history()] == [10]


def test_files_go_when_fit_has_ended_and_nothing_else(keras, tmp_path):
    own = tmp_path / "own"
    made(keras).fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[holdall.keras.BackupAndRestore(own)])
    assert not own.exists()
    made(keras).fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[holdall.keras.BackupAndRestore(own, delete_checkpoint=False)])
    assert [row["step"] for row in holdall.keras.ModelCheckpoint(own).history()] == [7]
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/notes.txt").write_text("mine")
    made(keras).fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path / "kept", 3)])
    assert (tmp_path / "kept/notes.txt").read_text() == "mine" and not list((tmp_path / "kept").glob("*.pt"))


def test_a_fit_that_was_left_while_it_passed_batches_over_leaves_a_model_that_trains(keras, tmp_path):
    interrupted(keras, tmp_path)
    model = made(keras)
    with pytest.raises(Stop):
        model.fit(
            X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path, 1, signals=()), stopping(keras, 1, 2)]
        )  # fmt: skip
    before = values(model)
    model.fit(X, Y, batch_size=4, epochs=1, verbose=0)
    assert int(model.optimizer.iterations) == int(before[-1 - len(model.optimizer.variables) + 1]) + 7


def test_an_order_that_nobody_can_draw_again_is_told(keras, tmp_path):
    from tensorflow.python.eager import context

    model = made(keras)
    seed = context.context()._seed
    try:
        context.context()._seed = None
        with pytest.warns(holdall.HoldallWarning, match="without a seed"):
            model.fit(X, Y, batch_size=4, epochs=1, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path, 3)])
    finally:
        context.context()._seed = seed
    with warnings.catch_warnings():
        warnings.simplefilter("error", holdall.HoldallWarning)
        model.fit(X, Y, batch_size=4, epochs=1, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path, 3)])


def test_senseless_arguments_are_refused(keras, tmp_path):
    for save_freq in (0, -1, True, "batch", 1.5, None):
        with pytest.raises(ValueError, match="save_freq"):
            holdall.keras.BackupAndRestore(tmp_path, save_freq)
    with pytest.raises(ValueError, match="keep_last"):
        made(keras).fit(X, Y, verbose=0, callbacks=[holdall.keras.BackupAndRestore(tmp_path, keep_last=0)])
    with pytest.raises(holdall.UnsupportedError, match=r"keras\.Model\.fit"):
        holdall.keras.BackupAndRestore(tmp_path).on_train_begin()


def test_checkpoints_of_a_fit_have_the_metrics_of_the_logs_and_stay_by_rule(keras, tmp_path):
    model = made(keras)
    callback = holdall.keras.ModelCheckpoint(tmp_path, "epoch{epoch}_{step}.pt", keep_last=1, keep_best=("val_loss", "max"), sync=False)
    amid = []
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: amid.append([row["state"] for row in callback.history]))
    kept = []
    keeps = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(values(model)))
    history = model.fit(X, Y, batch_size=4, epochs=4, verbose=0, validation_data=(X, Y), callbacks=[callback, keeps, look]).history
    best = int(numpy.argmax(history["val_loss"]))
    rows = callback.history
    assert amid[0] == [] and len(amid) == 4
    assert [row["epoch"] for row in rows] == sorted({best, 3}) and [row["step"] for row in rows] == [7 * (epoch + 1) for epoch in sorted({best, 3})]
    assert all(row["metrics"] == {name: history[name][row["epoch"]] for name in ("loss", "mae", "val_loss", "val_mae")} for row in rows)
    with holdall.Checkpointer(tmp_path, keep_best=("val_loss", "max")) as ckpt:
        other = made(keras)
        ckpt.restore("best", model=other)
    assert same(values(other), kept[best])


def test_checkpoints_by_steps_go_on_counting_behind_a_resume(keras, tmp_path):
    def callbacks(*more):
        return [
            holdall.keras.ModelCheckpoint(tmp_path / "kept", every_steps=2, keep_every=4),
            holdall.keras.BackupAndRestore(tmp_path / "backup", 3, signals=()),
            *more,
        ]

    with pytest.raises(Stop):
        made(keras).fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=callbacks(stopping(keras, 1, 4)))
    made(keras).fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=callbacks())
    with holdall.Checkpointer(tmp_path / "kept") as ckpt:
        rows = ckpt.history()
    assert [row["step"] for row in rows] == [4, 8, 12, 16, 20] and [row["epoch"] for row in rows] == [0, 1, 1, 2, 2]
