"""Tiny models as transformers' TensorFlow classes, Google's BERT and OpenAI's GPT-2 were kept, with what PyTorch makes of them.

Needs an environment of its own (transformers 5 has no TensorFlow): torch==2.13.0, transformers<5, tf-keras, tensorflow-cpu, numpy<2.4, and
TF_USE_LEGACY_KERAS=1. Each NAME.zip holds a folder and beside it `io.npz`: inputs and what TensorFlow gave for them; of the two original
checkpoints `state.npz`, the state dict that transformers' own loader makes. heads.zip holds the names that all classes look for.

Written with the versions that `versions.json` names.
"""

import json
import os
import re
import sys
import tempfile
import zipfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy
import tensorflow as tf
import torch
import transformers as t

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 20}
IDS = numpy.array([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16]])
PIXELS = numpy.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype("float32")

TRANSFORMERS = {
    "bert": (t.TFBertForQuestionAnswering, t.BertConfig(**SMALL), {"input_ids": IDS}, "start_logits"),
    "roberta": (t.TFRobertaForMaskedLM, t.RobertaConfig(**SMALL), {"input_ids": IDS}, "logits"),
    "distilbert": (
        t.TFDistilBertForSequenceClassification, t.DistilBertConfig(vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=20),
        {"input_ids": IDS}, "logits",
    ),
    "gpt2": (t.TFGPT2LMHeadModel, t.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=20), {"input_ids": IDS}, "logits"),
    "t5": (
        t.TFT5ForConditionalGeneration, t.T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2),
        {"input_ids": IDS, "decoder_input_ids": IDS[:, :4]}, "logits",
    ),
    "vit": (
        t.TFViTForImageClassification, t.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=8, patch_size=4),
        {"pixel_values": PIXELS}, "logits",
    ),
    "resnet": (
        t.TFResNetForImageClassification, t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="bottleneck"),
        {"pixel_values": numpy.random.default_rng(4).standard_normal((1, 3, 32, 32)).astype("float32")}, "logits",
    ),
}


def of_transformers(folder, name):
    of, config, inputs, what = TRANSFORMERS[name]
    tf.random.set_seed(1)
    model = of(config)
    model(**{key: tf.constant(value) for key, value in inputs.items()})
    # Biases and norms begin as zeros and ones, which would hide that two were exchanged.
    random = numpy.random.default_rng(2)
    for variable in model.weights:
        noise = random.standard_normal(variable.shape).astype("float32")
        variable.assign(variable + 0.1 * (abs(noise) if "variance" in variable.name else noise))
    outputs = model(**{key: tf.constant(value) for key, value in inputs.items()}, training=False)
    model.save_pretrained(folder, safe_serialization=False)
    numpy.savez(os.path.join(folder, "io.npz"), **inputs, output=outputs[what].numpy())


def heads(folder, _):
    """What each TensorFlow class of the seven families looks for in a file: names after the model's own, and shapes; by its config's changes."""
    families = {"Bert": "bert", "Roberta": "roberta", "DistilBert": "distilbert", "GPT2": "gpt2", "T5": "t5", "ViT": "vit", "ResNet": "resnet"}
    changes = {
        "TFT5ForConditionalGeneration": [{}, {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}],
        "TFGPT2LMHeadModel": [{}, {"add_cross_attention": True}],
    }
    found = []
    for family, name in families.items():
        config = TRANSFORMERS[name][1].to_dict()
        for of in sorted(key for key in dir(t) if re.fullmatch(f"TF{family}(For|Model|LMHead|DoubleHeads|Encoder).*", key)):
            for change in changes.get(of, [{}]):
                model = getattr(t, of)(type(TRANSFORMERS[name][1]).from_dict({**config, "pad_token_id": 0, **change}))
                model.build_in_name_scope()
                weights = {"/".join(weight.name.split("/")[1:]): list(weight.shape) for weight in model.weights}
                found.append({"class": of, "family": name, "config": change, "weights": weights})
    with open(os.path.join(folder, "heads.json"), "w") as file:
        json.dump(found, file)


def write_checkpoint(folder, name, variables):
    """As TensorFlow 1 did: names with slashes, a graph beside."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = [tf.compat.v1.get_variable(key, initializer=value) for key, value in variables.items()]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(made).save(session, os.path.join(folder, name))


def google_bert(folder, _):
    config = t.BertConfig(**SMALL)
    random = numpy.random.default_rng(3)
    variables = {}
    for key, tensor in t.BertForPreTraining(config).state_dict().items():
        if key in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias") or "position_ids" in key:
            continue
        is_kernel = key.endswith(".weight") and tensor.dim() == 2 and "embeddings" not in key and "seq_relationship" not in key
        name = key.replace("encoder.layer.", "encoder.layer_").replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        name = name.replace("_embeddings.weight", "_embeddings").replace("cls.predictions.bias", "cls.predictions.output_bias")
        name = name.replace("seq_relationship.weight", "seq_relationship.output_weights").replace("seq_relationship.bias", "seq_relationship.output_bias")
        name = (name[: -len("weight")] + "kernel" if is_kernel else name).replace(".", "/")
        variables[name] = random.standard_normal(tensor.shape[::-1] if is_kernel else tensor.shape).astype("float32")
    slots = {f"{name}/adam_{slot}": numpy.zeros_like(value) for name, value in list(variables.items())[:3] for slot in "mv"}
    write_checkpoint(folder, "bert_model.ckpt", {**variables, **slots, "global_step": numpy.int64(7)})
    model = t.load_tf_weights_in_bert(t.BertForPreTraining(config), config, os.path.join(folder, "bert_model.ckpt"))
    keep(folder, model)


def openai_gpt2(folder, _):
    config = t.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=20)
    random = numpy.random.default_rng(4)
    variables = {}
    for key, tensor in t.GPT2Model(config).state_dict().items():
        if key.endswith((".attn.bias", ".masked_bias")):
            continue
        parts = key.replace("h.", "h", 1).split(".") if key.startswith("h.") else key.split(".")
        is_table, is_norm = parts[0] in ("wte", "wpe"), parts[-2].startswith("ln_")
        leaf = [] if is_table else ["g" if is_norm and parts[-1] == "weight" else "w" if parts[-1] == "weight" else "b"]
        shape = (1, *tensor.shape) if leaf == ["w"] else tuple(tensor.shape)
        variables["/".join(["model", *parts[:-1], *leaf])] = random.standard_normal(shape).astype("float32")
    write_checkpoint(folder, "model.ckpt", variables)
    model = t.load_tf_weights_in_gpt2(t.GPT2Model(config), config, os.path.join(folder, "model.ckpt"))
    keep(folder, model)


def keep(folder, model):
    model.config.save_pretrained(folder)
    numpy.savez(os.path.join(folder, "state.npz"), **{key: tensor.numpy() for key, tensor in model.state_dict().items()})


def main():
    works = {**dict.fromkeys(TRANSFORMERS, of_transformers), "google-bert": google_bert, "openai-gpt2": openai_gpt2, "heads": heads}
    for name in sys.argv[1:] or works:
        with tempfile.TemporaryDirectory() as folder:
            works[name](folder, name)
            with zipfile.ZipFile(os.path.join(HERE, name + ".zip"), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                for file in sorted(os.listdir(folder)):
                    if not file.endswith(".meta"):
                        archive.write(os.path.join(folder, file), file)
    with open(os.path.join(HERE, "versions.json"), "w") as file:
        json.dump({"transformers": t.__version__, "tensorflow": tf.__version__, "torch": torch.__version__, "numpy": numpy.__version__}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
