"""holdall.keras.load_into: what is found by which name, what the report says, and that nothing changes before all is known."""

import numpy
import pytest

import holdall

SUFFIXES = [".keras", ".h5", ".weights.h5"]


def made(keras, *names, units=2, optimizer="adam"):
    keras.utils.set_random_seed(len(names) + units)
    model = keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(units, name=name, bias_initializer="uniform") for name in names)])
    model.compile(optimizer, "mse")
    return model


def trained(keras, *names, **options):
    model = made(keras, *names, **options)
    model.fit(numpy.ones((4, 3)), numpy.ones((4, options.get("units", 2))), verbose=0)
    return model


def same(one, other):
    return len(one) == len(other) and all(numpy.array_equal(a, b) for a, b in zip(one, other, strict=True))


def state(model):
    return [numpy.asarray(variable.value) for variable in model.optimizer.variables]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_optimizer_that_does_not_fit_is_said_before_anything_changes(keras, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(trained(keras, "a", "b"), path, sync=False)
    model = made(keras, "a", "b", optimizer=keras.optimizers.SGD(momentum=0.9))
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(holdall.MismatchError) as error:
        holdall.keras.load_into(model, path, optimizer=True)
    assert any("momentum" in name for name in error.value.report.missing)
    assert same(before, model.get_weights())
    holdall.keras.save(trained(keras, "a", "b"), path, include_optimizer=False, sync=False)
    with pytest.raises(holdall.MismatchError):
        holdall.keras.load_into(model, path, optimizer=True)
    bare = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    before = [weight.copy() for weight in bare.get_weights()]
    with pytest.raises(holdall.UnsupportedError, match="not compiled"):
        holdall.keras.load_into(bare, path, optimizer=True)
    assert same(before, bare.get_weights())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_report_names_what_the_optimizer_got(keras, tmp_path, suffix):
    model = trained(keras, "a", "b")
    holdall.keras.save(model, tmp_path / f"model{suffix}", sync=False)
    other = made(keras, "a", "b")
    report = holdall.keras.load_into(other, tmp_path / f"model{suffix}", optimizer=True)
    assert report.complete and {variable.path for variable in other.optimizer.variables} <= set(report.loaded)
    assert same(state(other), state(model)) and same(other.get_weights(), model.get_weights())


def test_the_optimizer_of_a_file_of_keras_2_has_no_learning_rate(keras, tmp_path):
    """As Keras 2.13 wrote them: its variables without the second."""
    import h5py

    model = trained(keras, "a")
    path = tmp_path / "model.weights.h5"
    holdall.keras.save(model, path, sync=False)
    with h5py.File(path, "a") as file:
        group = file["optimizer/vars"]
        del group["1"]
        for number in range(2, len(state(model))):
            group.move(str(number), str(number - 1))
    other = made(keras, "a", optimizer=keras.optimizers.Adam(0.25))
    report = holdall.keras.load_into(other, path, optimizer=True)
    assert report.complete and float(other.optimizer.learning_rate) == 0.25
    assert same(state(other)[2:], state(model)[2:]) and int(other.optimizer.iterations) == 1


def test_an_optimizer_comes_from_any_format_by_the_names_of_variables(keras, tmp_path):
    model, other = trained(keras, "a"), made(keras, "a")
    other.optimizer.build(other.trainable_variables)
    of_model, of_other = ([*each.variables, *each.optimizer.variables] for each in (model, other))
    tensors = {f"run/{there.path}": numpy.asarray(here.value) for here, there in zip(of_model, of_other, strict=True)}
    holdall.save(tensors, tmp_path / "all.safetensors", sync=False)
    report = holdall.keras.load_into(other, tmp_path / "all.safetensors", optimizer=True, prefix="run/")
    assert report.complete and same(state(other), state(model)) and same(other.get_weights(), model.get_weights())


def test_by_name_goes_by_the_names_of_weights(keras, tmp_path):
    """One layer has another weight in front, so that all stand elsewhere."""

    class Scaled(keras.layers.Dense):
        def build(self, shape):
            self.scale = self.add_weight(shape=(2,), initializer="ones", name="scale")
            super().build(shape)

    model = made(keras, "a")
    model.save(tmp_path / "model.h5")
    other = keras.Sequential([keras.Input((3,)), Scaled(2, name="a")])
    with pytest.raises(holdall.MismatchError) as error:
        holdall.keras.load_into(other, tmp_path / "model.h5", by="name")
    assert [name.rpartition("/")[2] for name in error.value.report.missing] == ["scale"] and not error.value.report.mismatched
    report = holdall.keras.load_into(other, tmp_path / "model.h5", by="name", strict=False)
    assert len(report.loaded) == 2 and same([other.layers[0].kernel.numpy(), other.layers[0].bias.numpy()], model.get_weights())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rename", [{"a": "b", "b": "a"}, [("a", "b"), ("b", "a")], lambda name: {"a": "b", "b": "a"}[name[0]] + name[1:]])
def test_layers_are_renamed_in_every_kind_of_file(keras, tmp_path, suffix, rename):
    model = made(keras, "a", "b", units=3)
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(model, path, sync=False)
    other = made(keras, "a", "b", units=3)
    report = holdall.keras.load_into(other, path, by="name", rename=rename)
    assert report.complete and len(report.renamed) == 4
    one, two = model.get_weights()[:2], model.get_weights()[2:]
    assert same(other.get_weights(), two + one)


def test_one_weight_is_renamed_and_a_prefix_taken_by_name(keras, tmp_path):
    model = made(keras, "a", "b", units=3)
    model.save(tmp_path / "model.h5")
    other = made(keras, "c", units=3)
    report = holdall.keras.load_into(other, tmp_path / "model.h5", by="name", prefix="b/", rename={"kernel": "c/kernel", "bias": "c/bias"})
    assert report.complete and same(other.get_weights(), model.get_weights()[2:])


def test_a_rename_that_says_nothing_is_no_rename(keras, tmp_path):
    model = made(keras, "a")
    model.save(tmp_path / "model.h5")
    for rename in ("a", {"a": 1}, [("a",)], lambda name: None):
        with pytest.raises(TypeError, match="rename"):
            holdall.keras.load_into(model, tmp_path / "model.h5", by="name", rename=rename)
    for by in ("path", "shape"):
        with pytest.raises(ValueError, match="by='name'"):
            holdall.keras.load_into(model, tmp_path / "model.h5", by=by, rename={"a": "b"})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_weights_are_read_in_one_go_and_no_asset_is(keras, tmp_path, monkeypatch, suffix):
    from holdall import _model
    from holdall.keras import _file

    model = trained(keras, "a", "b")
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(model, path, sync=False)
    monkeypatch.setattr(_model.Tensor, "numpy", lambda *_, **__: pytest.fail("one tensor was read by itself"))
    monkeypatch.setattr(_file.File, "assets", lambda _: pytest.fail("assets were read"))
    assert holdall.keras.load_into(made(keras, "a", "b"), path, optimizer=True).complete
    if suffix != ".weights.h5":
        monkeypatch.setattr(_file.File, "assets", lambda _: iter(()))
        assert same(state(holdall.keras.load(path)), state(model))


def test_long_lists_of_names_are_cut_into_several_attributes(keras, tmp_path):
    """As Keras does with what is longer than HDF5 takes."""
    import h5py

    model = made(keras, "a", "b")
    model.save_weights(tmp_path / "weights.weights.h5")
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        group = file["model_weights"]
        names = group.attrs["layer_names"].tolist()
        del group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:1], names[1:]
    with h5py.File(tmp_path / "model.h5") as file, h5py.File(tmp_path / "alone.h5", "w") as alone:
        for name in file["model_weights"]:
            file.copy(f"model_weights/{name}", alone)
        for key, value in file["model_weights"].attrs.items():
            alone.attrs[key] = value
    for name in ("model.h5", "alone.h5"):
        other = made(keras, "c", "d")
        assert holdall.keras.load_into(other, tmp_path / name).complete and same(other.get_weights(), model.get_weights())
