"""Kinds of models whose files say less, or otherwise, than their variables: low-rank updates, quantized ones, adapted layers, deep ones, and every optimizer."""

import numpy
import pytest

import holdall

X = numpy.random.default_rng(0).normal(size=(8, 6)).astype("float32")
Y = numpy.random.default_rng(1).normal(size=(8, 2)).astype("float32")


def called(model, x=X):
    return numpy.asarray(model(x, training=False))


def state(model):
    return [numpy.asarray(variable.value) for variable in model.optimizer.variables]


def same(one, other):
    return len(one) == len(other) and all(numpy.array_equal(a, b) for a, b in zip(one, other, strict=True))


def scattered(model, seed=1):
    """Each weight is something, those too that begin as zeros."""
    rng = numpy.random.default_rng(seed)
    for weight in model.weights:
        if "float" in str(weight.dtype) and "variance" not in weight.name:
            weight.assign(rng.normal(size=weight.shape).astype("float32") * 0.3)
    return model


def low_rank(keras, enabled=True):
    layers = keras.layers
    tokens = keras.Input((6,), dtype="int32")
    found = layers.Embedding(9, 8, name="words")(tokens)
    found = layers.Conv1D(4, 2, name="conv")(found)
    found = layers.EinsumDense("abc,cd->abd", output_shape=(5, 5), bias_axes="d", name="einsum")(found)
    model = keras.Model(tokens, layers.Dense(2, name="head")(layers.Flatten()(found)))
    for layer in model.layers:
        if enabled and hasattr(layer, "enable_lora"):
            layer.enable_lora(2)
    return model


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("by_keras", [False, True])
def test_low_rank_updates_are_in_the_kernels_that_are_loaded(keras, tmp_path, suffix, by_keras):
    tokens = numpy.random.default_rng(2).integers(0, 9, (4, 6))
    model = scattered(low_rank(keras))
    path = tmp_path / f"model{suffix}"
    if by_keras:
        (model.save_weights if "weights" in suffix else model.save)(path)
    else:
        holdall.keras.save(model, path, sync=False)
    other = scattered(low_rank(keras), seed=2)
    report = holdall.keras.load_into(other, path)
    assert report.complete and numpy.allclose(called(other, tokens), called(model, tokens), atol=1e-5)
    assert all(layer.lora_enabled for layer in other.layers if hasattr(layer, "lora_enabled"))
    if suffix != ".h5":  # which has the factors by themselves
        plain = low_rank(keras, enabled=False)
        assert holdall.keras.load_into(plain, path).complete and numpy.allclose(called(plain, tokens), called(model, tokens), atol=1e-5)
        assert other.get_layer("head").lora_kernel_a.numpy().any(), "training would stand still"
    if "weights" not in suffix:
        assert numpy.allclose(called(holdall.keras.load(path), tokens), called(model, tokens), atol=1e-5)


def test_weights_without_updates_go_into_a_model_that_has_them(keras, tmp_path):
    tokens = numpy.random.default_rng(2).integers(0, 9, (4, 6))
    model = scattered(low_rank(keras, enabled=False))
    holdall.keras.save(model, tmp_path / "model.keras", sync=False)
    other = scattered(low_rank(keras), seed=2)
    assert holdall.keras.load_into(other, tmp_path / "model.keras").complete
    assert numpy.allclose(called(other, tokens), called(model, tokens), atol=1e-5)


def test_factors_come_from_files_that_list_variables(keras, tmp_path):
    tokens = numpy.random.default_rng(2).integers(0, 9, (4, 6))
    model, other = scattered(low_rank(keras)), scattered(low_rank(keras), seed=2)
    names = {id(one): two.path for one, two in zip(model.weights, other.weights, strict=True)}
    holdall.save({names[id(weight)]: numpy.asarray(weight.value) for weight in model.weights}, tmp_path / "all.safetensors", sync=False)
    assert holdall.keras.load_into(other, tmp_path / "all.safetensors").complete and same(other.get_weights(), model.get_weights())
    assert numpy.array_equal(called(other, tokens), called(model, tokens))


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("updated", [False, True])
def test_quantized_models_are_what_keras_loads(keras, tmp_path, mode, updated):
    def made():
        layers = keras.layers
        model = keras.Sequential([keras.Input((6,)), layers.Dense(8, name="a"), layers.Dense(2, name="b")])
        scattered(model).quantize(mode)
        for layer in model.layers if updated else ():
            layer.enable_lora(2)
            layer.lora_kernel_b.assign(numpy.full(layer.lora_kernel_b.shape, 0.1, "float32"))
        return model

    model = made()
    for name in ("keras", "holdall"):
        path = tmp_path / f"{name}.keras"
        model.save(path) if name == "keras" else holdall.keras.save(model, path, sync=False)
        truth = called(keras.models.load_model(path))
        assert numpy.array_equal(called(holdall.keras.load(path)), truth)
        other = made()
        assert holdall.keras.load_into(other, path).complete and numpy.allclose(called(other), truth, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("mode", ["int", "one_hot"])
def test_the_bins_of_an_adapted_layer_come_back(keras, tmp_path, suffix, mode):
    layers = keras.layers
    bins = layers.Discretization(num_bins=5, output_mode=mode)
    bins.adapt(X)
    given = keras.Input((6,))
    found = layers.CategoryEncoding(5, output_mode="count")(bins(given)) if mode == "int" else layers.Flatten()(bins(given))
    model = scattered(keras.Model(given, layers.Dense(2)(found)))
    holdall.keras.save(model, tmp_path / f"model{suffix}", sync=False)
    loaded = holdall.keras.load(tmp_path / f"model{suffix}")
    assert numpy.array_equal(called(loaded), called(model))
    assert holdall.keras.load_into(loaded, tmp_path / f"model{suffix}").complete and numpy.array_equal(called(loaded), called(model))


OPTIMIZERS = {
    "adafactor": lambda of: of.Adafactor(0.01),
    "scaled": lambda of: of.LossScaleOptimizer(of.Adam(0.01)),
    "scaled schedule": lambda of: of.LossScaleOptimizer(of.SGD(of.schedules.ExponentialDecay(0.01, 10, 0.9), momentum=0.9)),
    "nadam": lambda of: of.Nadam(0.01),
    "adamax": lambda of: of.Adamax(0.01),
    "amsgrad": lambda of: of.Adam(0.01, amsgrad=True),
    "lamb": lambda of: of.Lamb(0.01),
    "muon": lambda of: of.Muon(0.01),
    "averaged": lambda of: of.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "accumulated": lambda of: of.SGD(0.01, momentum=0.9, gradient_accumulation_steps=3),
}


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizers_state_comes_back(keras, tmp_path, optimizer, suffix):
    def made():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        model.compile(OPTIMIZERS[optimizer](keras.optimizers), "mse", run_eagerly=True)
        return model

    model = made()
    for _ in range(2):
        model.train_on_batch(X, Y)
    path = tmp_path / f"model{suffix}"
    holdall.keras.save(model, path, sync=False)
    other = made()
    assert holdall.keras.load_into(other, path, optimizer=True).complete and same(state(other), state(model))
    if "weights" not in suffix:
        assert same(state(holdall.keras.load(path)), state(model))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_deep_model_takes_time_by_its_depth(keras, tmp_path, monkeypatch, suffix):
    """Keras's own from_config() calls all layers anew with each that it adds."""
    model = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2) for _ in range(60))])
    holdall.keras.save(model, tmp_path / f"model{suffix}", sync=False)
    own, calls = keras.layers.Dense.__call__, []
    monkeypatch.setattr(keras.layers.Dense, "__call__", lambda layer, *given, **named: calls.append(layer) or own(layer, *given, **named))
    loaded = holdall.keras.load(tmp_path / f"model{suffix}")
    assert len(calls) == 60 and same(loaded.get_weights(), model.get_weights())
    assert loaded.layers[0].name == model.layers[0].name and loaded.input_shape == (None, 2)


@pytest.mark.parametrize("size", [0, 300])
def test_shards_go_both_ways_between_keras_and_holdall(keras, tmp_path, size):
    def made():
        layers = keras.layers
        model = keras.Sequential([keras.Input((6,)), layers.Dense(8, dtype="bfloat16", name="a"), layers.BatchNormalization(), layers.ReLU(), layers.Dense(2)])
        model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
        return model

    model = made()
    model.train_on_batch(X, Y)
    holdall.keras.save(model, tmp_path / "ours.weights.json", shard_size=size, sync=False)
    assert (len(list(tmp_path.glob("ours_*.weights.h5"))) > 1) == (size > 0)
    model.save_weights(tmp_path / "theirs.weights.json", max_shard_size=1e-6 if size else 1)
    for name in ("ours", "theirs"):
        other = made()
        assert holdall.keras.load_into(other, tmp_path / f"{name}.weights.json", optimizer=True).complete
        assert same(other.get_weights(), model.get_weights()) and same(state(other), state(model))
    other = made()
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "ours.weights.json")
    assert same(other.get_weights(), model.get_weights()) and same(state(other), state(model))
    with pytest.raises(holdall.UnsupportedError, match="weights.json"):
        holdall.keras.save(model, tmp_path / "model.keras", shard_size=size or "1GB")
