"""Tiny models as transformers' Flax classes kept them, with what they gave.

Needs an environment of its own (transformers 5 has no Flax): torch==2.13.0, transformers<4.57, flax<0.11, jax<0.7, numpy<2.4. Each NAME.zip holds a folder and beside it `io.npz`:
inputs and what Flax gave for them.

Written with the versions that `versions.json` names.
"""

import json
import os
import tempfile
import zipfile

import flax
import jax
import numpy
import transformers as t

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 20}
IDS = numpy.array([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16]])
PIXELS = numpy.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype("float32")

MODELS = {
    "bert": (t.FlaxBertForQuestionAnswering, t.BertConfig(**SMALL), {"input_ids": IDS}, "start_logits"),
    "roberta": (t.FlaxRobertaForMaskedLM, t.RobertaConfig(**SMALL), {"input_ids": IDS}, "logits"),
    "distilbert": (
        t.FlaxDistilBertForSequenceClassification, t.DistilBertConfig(vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=20),
        {"input_ids": IDS}, "logits",
    ),
    "gpt2": (t.FlaxGPT2LMHeadModel, t.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=20), {"input_ids": IDS}, "logits"),
    "t5": (
        t.FlaxT5ForConditionalGeneration, t.T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2),
        {"input_ids": IDS, "decoder_input_ids": IDS[:, :4]}, "logits",
    ),
    "vit": (
        t.FlaxViTForImageClassification, t.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=8, patch_size=4),
        {"pixel_values": PIXELS}, "logits",
    ),
    "resnet": (
        t.FlaxResNetForImageClassification, t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="bottleneck"),
        {"pixel_values": numpy.random.default_rng(4).standard_normal((1, 3, 32, 32)).astype("float32")}, "logits",
    ),
}


def write(folder, name):
    of, config, inputs, what = MODELS[name]
    shape = inputs["pixel_values"].shape if "pixel_values" in inputs else (1, 1)
    # Images come to Flax with their channels last where they are asked for by shape.
    model = of(config, seed=1, **({"input_shape": (1, *shape[2:], shape[1])} if "pixel_values" in inputs else {}))
    # Biases and norms begin as zeros and ones, which would hide that two were exchanged; variances stay positive.
    random = numpy.random.default_rng(2)
    model.params = jax.tree_util.tree_map(lambda value: value + 0.1 * abs(random.standard_normal(value.shape)).astype("float32"), model.params)
    outputs = model(**inputs, train=False)
    model.save_pretrained(folder)
    numpy.savez(os.path.join(folder, "io.npz"), **inputs, output=numpy.asarray(outputs[what]))


def pack(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for root, _, files in sorted(os.walk(folder)):
            for file in sorted(files):
                whole = os.path.join(root, file)
                archive.writestr(zipfile.ZipInfo(os.path.relpath(whole, folder)), open(whole, "rb").read(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            write(folder, name)
            pack(folder, os.path.join(HERE, name + ".zip"))
    with open(os.path.join(HERE, "versions.json"), "w") as file:
        json.dump({"transformers": t.__version__, "flax": flax.__version__, "jax": jax.__version__, "numpy": numpy.__version__}, file)
        file.write("\n")
