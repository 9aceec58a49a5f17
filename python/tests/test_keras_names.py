"""Plain layers of Keras under PyTorch's names: the same layers of torch.nn load them, strictly, and give what Keras gave."""

import keras
import numpy
import pytest
import torch
from keras import layers

import holdall


class Same(torch.nn.Module):
    """What keras_model() computes, in torch."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.c1, self.bn = nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, eps=1e-3)
        self.dw = nn.Conv2d(6, 12, 3, groups=6)
        self.sep = nn.ModuleDict({"depthwise": nn.Conv2d(12, 12, 3, groups=12, padding=1, bias=False), "pointwise": nn.Conv2d(12, 5, 1)})
        self.up, self.ln = nn.ConvTranspose2d(5, 3, 2), nn.LayerNorm(3, eps=1e-3)
        self.inner = nn.ModuleDict({"d": nn.Linear(3, 6)})
        self.mha = nn.MultiheadAttention(6, 2, batch_first=True)
        self.bi = nn.LSTM(6, 5, bidirectional=True, batch_first=True)
        self.gru, self.rnn, self.out = nn.GRU(10, 4, batch_first=True), nn.RNN(4, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, image):
        x = self.dw(self.bn(self.c1(image.permute(0, 3, 1, 2))))
        x = self.up(self.sep["pointwise"](self.sep["depthwise"](x))).permute(0, 2, 3, 1)
        x = self.inner["d"](self.ln(x).flatten(1, 2))
        x = self.mha(x, x, x, need_weights=False)[0]
        return self.out(self.rnn(self.gru(self.bi(x)[0])[0])[0][:, -1])


def keras_model():
    image = keras.Input((8, 8, 4))
    x = layers.BatchNormalization(name="bn")(layers.Conv2D(6, 3, name="c1")(image))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="dw")(x)
    x = layers.SeparableConv2D(5, 3, padding="same", name="sep")(x)
    x = layers.LayerNormalization(name="ln")(layers.Conv2DTranspose(3, 2, name="up")(x))
    inner = keras.Sequential([keras.Input((None, 3)), layers.Dense(6, name="d")], name="inner")
    x = inner(layers.Reshape((-1, 3))(x))
    x = layers.Dropout(0.1)(layers.MultiHeadAttention(2, 3, name="mha")(x, x))
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="bi")(x)
    x = layers.SimpleRNN(4, name="rnn")(layers.GRU(4, return_sequences=True, name="gru")(x))
    model = keras.Model(image, layers.Dense(3, name="out")(x))
    model.compile("adam", "mse")
    model.fit(numpy.zeros((2, 8, 8, 4)), numpy.zeros((2, 3)), verbose=0)
    random = numpy.random.default_rng(0)
    for variable in model.weights:
        variable.assign(keras.ops.convert_to_numpy(variable) + 0.3 * abs(random.standard_normal(variable.shape)))
    return model


@pytest.mark.parametrize("file", ["m.keras", "m.h5", "m.weights.h5"])
def test_layers_of_keras_load_into_those_of_torch(file, tmp_path):
    model = keras_model()
    (model.save_weights if "weights" in file else model.save)(tmp_path / file)
    report = holdall.convert(tmp_path / file, tmp_path / "torch.safetensors", names="pytorch", check=True)
    assert report["differing"] == []
    same = Same().eval()
    state = holdall.load(tmp_path / "torch.safetensors")
    same.load_state_dict({name: torch.from_numpy(numpy.array(value)) for name, value in state.items()})
    image = numpy.random.default_rng(1).standard_normal((2, 8, 8, 4)).astype("float32")
    with torch.no_grad():
        given = same(torch.from_numpy(image)).numpy()
    numpy.testing.assert_allclose(given, model.predict(image, verbose=0), rtol=1e-4, atol=1e-5)


def test_what_torch_has_no_layer_for_is_refused_by_name(tmp_path):
    keras.Sequential([keras.Input((5, 3)), layers.GRU(4, reset_after=False, name="old")]).save(tmp_path / "gru.keras")
    with pytest.raises(holdall.UnsupportedError, match="reset_after"):
        holdall.convert(tmp_path / "gru.keras", tmp_path / "out.safetensors", names="pytorch")


def test_settings_of_a_config_tell_which_variables_there_are(tmp_path):
    model = keras.Sequential([keras.Input((5,)), layers.BatchNormalization(scale=False, name="bn")])
    model.save(tmp_path / "m.keras")
    holdall.convert(tmp_path / "m.keras", tmp_path / "out.safetensors", names="pytorch")
    state = holdall.load(tmp_path / "out.safetensors")
    assert set(state) == {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}
    # torch's has a scale where it has a bias.
    assert (state["bn.weight"] == 1).all()
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(holdall.UnsupportedError, match="nothing tells what 'layers/batch_normalization/vars/0' is"):
        holdall.convert(tmp_path / "m.weights.h5", tmp_path / "out.safetensors", names="pytorch")
