"""Folders as transformers saves them, both ways: every value equal, and no warning where nothing is wrong."""

import json
import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers  # noqa: E402

from oracle import assert_holds, digest  # noqa: E402

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 100}


def models():
    yield "bert", transformers.BertForMaskedLM, transformers.BertConfig(**SMALL)
    yield "bert-qa", transformers.BertForQuestionAnswering, transformers.BertConfig(**SMALL)
    yield "roberta", transformers.RobertaForMaskedLM, transformers.RobertaConfig(**SMALL)
    yield "llama", transformers.LlamaForCausalLM, transformers.LlamaConfig(**SMALL, tie_word_embeddings=False)
    yield "llama-tied", transformers.LlamaForCausalLM, transformers.LlamaConfig(**SMALL, tie_word_embeddings=True)
    yield "gpt2", transformers.GPT2LMHeadModel, transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=100, bos_token_id=1, eos_token_id=2)
    yield "distilbert", transformers.DistilBertModel, transformers.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=100)
    yield "t5", transformers.T5ForConditionalGeneration, transformers.T5Config(d_model=32, num_layers=2, num_heads=4, d_ff=64, d_kv=8, vocab_size=100)


@pytest.fixture(scope="module", params=list(models()), ids=lambda row: row[0])
def saved(request, tmp_path_factory):
    _, architecture, config = request.param
    torch.manual_seed(1)
    model = architecture(config)
    folder = tmp_path_factory.mktemp("hf") / "model"
    model.save_pretrained(folder)
    return architecture, model, folder


def stored(model, folder):
    """The state dict without the names that save_pretrained leaves out of the file for being tied."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
    return {name: tensor for name, tensor in model.state_dict().items() if name in names}


def test_a_saved_model_opens_without_warnings(holdall, saved):
    _, model, folder = saved
    outcome = holdall.inspect(folder)
    assert outcome.json["format"] == "huggingface"
    assert outcome.json["warnings"] == []
    assert_holds(outcome, stored(model, folder))


def test_a_folder_that_is_written_loads_in_transformers(holdall, saved, tmp_path):
    architecture, model, folder = saved
    holdall.convert(folder, tmp_path / "out", "--to", "huggingface")
    again = architecture.from_pretrained(tmp_path / "out")
    state = model.state_dict()
    assert {name: digest(tensor) for name, tensor in again.state_dict().items()} == {name: digest(t) for name, t in state.items()}
    for file in folder.iterdir():
        if file.suffix == ".json":
            assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_shards_that_transformers_writes_and_reads(holdall, saved, tmp_path):
    architecture, model, folder = saved
    model.save_pretrained(tmp_path / "in", max_shard_size="20KB")
    outcome = holdall.inspect(tmp_path / "in")
    assert outcome.json["warnings"] == []
    assert_holds(outcome, stored(model, folder))
    holdall.convert(folder, tmp_path / "out", "--to", "huggingface", "--shard-size", "20000")
    assert (tmp_path / "out/model.safetensors.index.json").exists()
    again = architecture.from_pretrained(tmp_path / "out")
    assert {name: digest(t) for name, t in again.state_dict().items()} == {name: digest(t) for name, t in model.state_dict().items()}


def test_disagreements_are_told(holdall, tmp_path):
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL))
    model.save_pretrained(tmp_path / "m")
    config = json.loads((tmp_path / "m/config.json").read_text())
    (tmp_path / "m/config.json").write_text(json.dumps({**config, "vocab_size": 120, "num_hidden_layers": 3, "eos_token_id": 100}))
    warnings = "\n".join(holdall.inspect(tmp_path / "m").json["warnings"])
    for expected in ("vocab_size 120", "3 layers", "eos_token_id 100"):
        assert expected in warnings


def test_a_peft_adapter_opens(holdall, tmp_path):
    peft = pytest.importorskip("peft")
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL))
    peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    from safetensors.torch import load_file

    outcome = holdall.inspect(tmp_path / "adapter")
    assert outcome.json["warnings"] == []
    assert_holds(outcome, load_file(tmp_path / "adapter/adapter_model.safetensors"))
    holdall.convert(tmp_path / "adapter", tmp_path / "out", "--to", "huggingface")
    again = peft.PeftModel.from_pretrained(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL)), tmp_path / "out")
    assert again.peft_config["default"].r == 4


def test_pytorch_weights_of_a_folder_are_read_where_there_are_no_others(holdall, tmp_path):
    config = transformers.BertConfig(**SMALL)
    model = transformers.BertModel(config)
    (tmp_path / "m").mkdir()
    config.save_pretrained(tmp_path / "m")
    torch.save(model.state_dict(), tmp_path / "m/pytorch_model.bin")
    assert_holds(holdall.inspect(tmp_path / "m"), dict(model.state_dict()))
