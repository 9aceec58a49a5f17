"""TensorFlow's and Flax's models under PyTorch's names: transformers' PyTorch classes load what these kept, and give what they gave."""

import json
import os
import zipfile

import h5py
import numpy
import pytest
import torch
import transformers

import holdall

HERE = os.path.dirname(__file__)
CLASSES = {
    "bert": ("BertForQuestionAnswering", "start_logits"),
    "roberta": ("RobertaForMaskedLM", "logits"),
    "distilbert": ("DistilBertForSequenceClassification", "logits"),
    "gpt2": ("GPT2LMHeadModel", "logits"),
    "t5": ("T5ForConditionalGeneration", "logits"),
    "vit": ("ViTForImageClassification", "logits"),
    "resnet": ("ResNetForImageClassification", "logits"),
}
HEADS = json.loads(zipfile.ZipFile(os.path.join(HERE, "tensorflow_names", "heads.zip")).read("heads.json"))


@pytest.fixture
def folder(tmp_path):
    def unpacked(name, of="tensorflow"):
        with zipfile.ZipFile(os.path.join(HERE, f"{of}_names", name + ".zip")) as archive:
            archive.extractall(tmp_path / name)
        return tmp_path / name

    return unpacked


@pytest.mark.parametrize("name", CLASSES)
def test_a_tensorflow_folder_runs_in_pytorch(name, folder, tmp_path):
    runs_in_pytorch(folder(name), tmp_path / "out", *CLASSES[name])


@pytest.mark.parametrize("name", CLASSES)
def test_a_flax_folder_runs_in_pytorch(name, folder, tmp_path):
    runs_in_pytorch(folder(name, "flax"), tmp_path / "out", *CLASSES[name])


@pytest.mark.parametrize("name", CLASSES)
def test_pytorchs_names_go_back_to_flax(name, folder, tmp_path):
    source = folder(name, "flax") / "flax_model.msgpack"
    holdall.convert(source, tmp_path / "torch.safetensors", names="pytorch")
    holdall.convert(tmp_path / "torch.safetensors", tmp_path / "again.msgpack", names="flax")
    difference = holdall.diff(source, tmp_path / "again.msgpack")
    assert difference["compared"] and [difference[key] for key in ("only_a", "only_b", "changed")] == [[], [], []]


def kept(path):
    """What transformers' load_tf_weights_from_h5 finds in a tf_model.h5: values by names after the model's own; tables have either of two."""
    with h5py.File(path) as file:
        for layer in file.attrs["layer_names"]:
            for name in file[layer].attrs["weight_names"]:
                yield table("/".join(name.split("/")[1:])), file[layer][name][()]


def owners(path):
    with h5py.File(path) as file:
        return {name.split("/")[0] for layer in file.attrs["layer_names"] for name in file[layer].attrs["weight_names"]}


def table(name):
    return name.replace("embeddings:0", "weight:0") if name.endswith("/embeddings:0") else name


@pytest.mark.parametrize("name", CLASSES)
def test_pytorchs_names_go_back_to_tensorflow(name, folder, tmp_path):
    source = folder(name)
    holdall.convert(source, tmp_path / "torch", format="huggingface", names="pytorch")
    holdall.convert(tmp_path / "torch", tmp_path / "again", format="huggingface", names="tensorflow", check=True)
    assert {file.name for file in (tmp_path / "again").iterdir()} == {file.name for file in source.iterdir()}
    was, now = dict(kept(source / "tf_model.h5")), dict(kept(tmp_path / "again" / "tf_model.h5"))
    assert set(was) == set(now)
    for key, value in was.items():
        assert value.shape == now[key].shape and (value == now[key]).all(), key
    # The model's own name, which loaders pass over; that of T5's shared layer is the layer's.
    assert owners(tmp_path / "again" / "tf_model.h5") == owners(source / "tf_model.h5") - {"shared"}


@pytest.mark.parametrize("head", HEADS, ids=lambda head: "-".join([head["class"], *head["config"]]))
def test_every_head_is_what_tensorflows_class_looks_for(head, folder, tmp_path):
    config = transformers.AutoConfig.from_pretrained(folder(head["family"]), pad_token_id=0, **head["config"])
    of = getattr(transformers, head["class"][2:])
    model = of(config)
    if "tie_word_embeddings" in head["config"]:  # whose head is its own has one table all the same, in every checkpoint there is
        for stack in (model.encoder, model.decoder):
            stack.embed_tokens = model.shared
    model.save_pretrained(tmp_path / "torch")
    holdall.convert(tmp_path / "torch", tmp_path / "out", format="huggingface", names="tensorflow")
    found = {name: list(value.shape) for name, value in kept(tmp_path / "out" / "tf_model.h5")}
    assert found == {table(name): shape for name, shape in head["weights"].items()}


def runs_in_pytorch(source, out, of, what):
    report = holdall.convert(source, out, format="huggingface", names="pytorch", check=True)
    assert report["differing"] == [] and len(report["renamed"]) >= report["tensors"]
    model, info = getattr(transformers, of).from_pretrained(out, output_loading_info=True)
    # How many batches a norm has seen is PyTorch's alone.
    missing = [key for key in info["missing_keys"] if not key.endswith("num_batches_tracked")]
    assert [missing, *(list(info[key]) for key in ("unexpected_keys", "mismatched_keys"))] == [[], [], []]
    known = numpy.load(source / "io.npz")
    inputs = {key: torch.from_numpy(known[key]) for key in known.files if key != "output"}
    with torch.no_grad():
        output = model.eval()(**inputs)[what]
    # Products of other libraries, in another order.
    torch.testing.assert_close(output, torch.from_numpy(known["output"]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "tied"), [("google-bert", {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}), ("openai-gpt2", set())])
def test_an_original_checkpoint_is_what_transformers_made_of_it(name, tied, folder, tmp_path):
    source, out = folder(name), tmp_path / "model.safetensors"
    report = holdall.convert(source, out, names="pytorch")
    state = holdall.load(out)
    known = numpy.load(source / "state.npz")
    assert set(known.files) - tied == set(state)
    for key, value in state.items():
        assert value.dtype == known[key].dtype and value.shape == known[key].shape and (value == known[key]).all(), key
    assert ("optimizer" in json.dumps(report["warnings"])) == (name == "google-bert")


# As Google and OpenAI ship them, beside the weights.
BERT_FILES = {
    "bert_config.json": {
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 16, "initializer_range": 0.02,
        "intermediate_size": 24, "max_position_embeddings": 20, "num_attention_heads": 2, "num_hidden_layers": 2, "type_vocab_size": 2, "vocab_size": 40,
    },
    "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n",
}
GPT2_FILES = {
    "hparams.json": {"n_vocab": 40, "n_ctx": 20, "n_embd": 16, "n_head": 2, "n_layer": 2},
    "encoder.json": {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3},
    "vocab.bpe": "#version: 0.2\na b\n",
}


@pytest.mark.parametrize(("name", "checkpoint", "files", "text", "ids"), [
    ("google-bert", "bert_model.ckpt", BERT_FILES, "a b", [2, 5, 6, 3]), ("openai-gpt2", "model.ckpt", GPT2_FILES, "ab", [2])])
@pytest.mark.parametrize("is_folder", [True, False])
def test_an_original_folder_opens_in_transformers(name, checkpoint, files, text, ids, is_folder, folder, tmp_path):
    source, out = folder(name), tmp_path / "out"
    kept = transformers.AutoConfig.from_pretrained(source)
    (source / "config.json").unlink()
    for file, content in files.items():
        (source / file).write_text(content if isinstance(content, str) else json.dumps(content))
    report = holdall.convert(source if is_folder else source / checkpoint, out, format="huggingface", names="pytorch")
    assert report["losses"] == []
    of = transformers.BertForPreTraining if name == "google-bert" else transformers.GPT2Model
    model, info = of.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"):
        assert getattr(model.config, key) == getattr(kept, key), key
    known = numpy.load(source / "state.npz")
    for key, value in model.state_dict().items():
        assert (value.numpy() == known[key]).all(), key
    assert transformers.AutoTokenizer.from_pretrained(out)(text)["input_ids"] == ids


def test_names_of_no_known_model_are_refused(tmp_path):
    holdall.save({"w": numpy.zeros(3, numpy.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(holdall.UnsupportedError, match="Google"):
        holdall.convert(tmp_path / "w.safetensors", tmp_path / "out.safetensors", names="pytorch")
    with pytest.raises(holdall.UnsupportedError, match="weight"):
        holdall.convert(tmp_path / "w.safetensors", tmp_path / "out.safetensors", names="flax")
    with pytest.raises(holdall.UnsupportedError, match="DistilBERT"):
        holdall.convert(tmp_path / "w.safetensors", tmp_path / "out.h5", names="tensorflow")
    with pytest.raises(holdall.MissingError, match="pytorch"):
        holdall.convert(tmp_path / "w.safetensors", tmp_path / "out.safetensors", names="pytorhc")
    assert not os.path.exists(tmp_path / "out.safetensors")
