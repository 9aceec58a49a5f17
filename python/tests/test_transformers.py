"""holdall.transformers against save_pretrained and from_pretrained: each reads the other's folders, and the outputs are equal to the bit."""

import json
import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import tokenizers_made
import torch
import transformers
from equal import bits

import holdall
import holdall.transformers

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)  # small models: threads would only wait for one another
pytestmark = pytest.mark.filterwarnings("error::holdall.HoldallWarning")
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 320}
HEADS = {**SMALL, "num_key_value_heads": 2, "pad_token_id": None}
T = transformers
ROPE = {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 320, "bos_token_id": 0, "eos_token_id": 0}
T5 = {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_ff": 64, "d_kv": 8, "vocab_size": 320}
MODELS = {
    "bert-qa": (T.BertForQuestionAnswering, lambda: T.BertConfig(**SMALL), "bert"),
    "bert-classes": (T.BertForSequenceClassification, lambda: T.BertConfig(**SMALL, num_labels=3, id2label={0: "a", 1: "b", 2: "c"}), "bert"),
    "bert-words": (T.BertForMaskedLM, lambda: T.BertConfig(**SMALL), "bert"),
    "gpt2": (T.GPT2LMHeadModel, lambda: T.GPT2Config(**GPT2), "gpt2"),
    "roberta": (T.RobertaForMaskedLM, lambda: T.RobertaConfig(**SMALL, max_position_embeddings=66), "roberta"),
    "distilbert": (
        T.DistilBertForSequenceClassification, lambda: T.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=320), "bert",
    ),
    "t5": (T.T5ForConditionalGeneration, lambda: T.T5Config(**T5), "t5"),
    "llama": (T.LlamaForCausalLM, lambda: T.LlamaConfig(**HEADS, rope_parameters=ROPE), "llama"),
    "llama-tied": (T.LlamaForCausalLM, lambda: T.LlamaConfig(**HEADS, tie_word_embeddings=True), "llama"),
    "mixtral": (T.MixtralForCausalLM, lambda: T.MixtralConfig(**HEADS, num_local_experts=4), "llama"),
}  # fmt: skip


def make(name, dtype=torch.float32):
    of, config, tokenizer = MODELS[name]
    torch.manual_seed(7)
    model = of._from_config(config(), dtype=dtype)
    with torch.no_grad():  # away from what initialisation makes: a weight that is initialised anew is seen
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    if model.can_generate():
        model.generation_config.max_new_tokens = 5
    return model.eval(), tokenizers_made.ALL[tokenizer]()


def said(model, tokenizer):
    encoded = tokenizer(tokenizers_made.TEXTS[:1] * 2, return_tensors="pt")
    inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :3]
    with torch.no_grad():
        return {name: value for name, value in model(**inputs).items() if isinstance(value, torch.Tensor)}


def assert_same_words(a, b):
    assert list(a) == list(b)
    for name in a:
        assert a[name].dtype == b[name].dtype and bits(a[name]).equal(bits(b[name])), name


def assert_same_model(a, b):
    assert type(a) is type(b) and a.config.dtype == b.config.dtype
    own, other = a.state_dict(), b.state_dict()
    assert list(own) == list(other)
    for name in own:
        assert own[name].dtype == other[name].dtype and bits(own[name]).equal(bits(other[name])), name
    for (name, buffer), (_, again) in zip(a.named_buffers(), b.named_buffers(), strict=True):
        assert buffer.dtype == again.dtype and bits(buffer).equal(bits(again)), name
    if a.can_generate():
        assert a.generation_config.to_dict() == b.generation_config.to_dict()


CASES = [(name, torch.float32) for name in MODELS] + [
    (name, dtype) for name, dtype in (("bert-qa", torch.float16), ("llama-tied", torch.bfloat16), ("mixtral", torch.bfloat16), ("t5", torch.bfloat16))
]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda value: str(value).removeprefix("torch."))
def test_folders_cross_both_ways_and_outputs_are_bit_equal(name, dtype, tmp_path):
    model, tokenizer = make(name, dtype)
    expected = said(model, tokenizer)
    holdall.transformers.save(model, tokenizer, tmp_path / "ours", sync=False)
    again, tokens = holdall.transformers.load(tmp_path / "ours", verify=True)
    theirs = type(model).from_pretrained(tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs", max_shard_size="30KB")
    tokenizer.save_pretrained(tmp_path / "theirs")
    read, read_tokens = holdall.transformers.load(tmp_path / "theirs")
    mapped, _ = holdall.transformers.load(tmp_path / "ours", mmap=True)
    for loaded in (again, theirs, read, mapped):
        assert not loaded.training and all(parameter.requires_grad for parameter in loaded.parameters())
        assert_same_words(expected, said(loaded, tokenizer))
    assert_same_model(theirs, again)
    assert_same_model(type(model).from_pretrained(tmp_path / "theirs"), read)
    assert_same_words(expected, said(again, tokens))
    assert_same_words(expected, said(read, read_tokens))


@pytest.mark.parametrize("name", ["gpt2", "mixtral"])
def test_shards_are_written_for_from_pretrained_and_read(name, tmp_path):
    model, tokenizer = make(name)
    holdall.transformers.save(model, tokenizer, tmp_path / "a", shard_size="30KB", sync=False)
    assert len(list((tmp_path / "a").glob("model-*-of-*.safetensors"))) > 3
    again, _ = holdall.transformers.load(tmp_path / "a")
    for loaded in (again, type(model).from_pretrained(tmp_path / "a")):
        assert_same_words(said(model, tokenizer), said(loaded, tokenizer))
    # A later save into the same folder leaves no shard behind.
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    assert [path.name for path in (tmp_path / "a").glob("*.safetensors*")] == ["model.safetensors"]


def test_tied_weights_are_stored_once_and_tied_again(tmp_path):
    model, tokenizer = make("llama-tied")
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    assert "lm_head.weight" not in holdall.open(tmp_path / "a")
    again, _ = holdall.transformers.load(tmp_path / "a")
    assert again.lm_head.weight is again.model.embed_tokens.weight


def test_the_checkpoint_of_mixtral_has_the_names_that_every_version_reads(tmp_path):
    model, tokenizer = make("mixtral")
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    model.save_pretrained(tmp_path / "b")
    ours, theirs = holdall.open(tmp_path / "a"), holdall.open(tmp_path / "b")
    assert set(ours) == set(theirs) and any(".experts.3.w2.weight" in name for name in ours)
    assert all(ours[name].shape == theirs[name].shape for name in ours)


def test_mixed_dtypes_come_back_as_they_were_saved(tmp_path):
    model, tokenizer = make("llama", torch.bfloat16)
    model.model.norm.float()
    with pytest.warns(holdall.HoldallWarning, match="bfloat16, float32"):
        holdall.transformers.save(model, tokenizer, tmp_path / "a", sample=False, sync=False)
    again, _ = holdall.transformers.load(tmp_path / "a")
    assert again.model.norm.weight.dtype == torch.float32 and again.model.norm.weight.equal(model.model.norm.weight)
    assert again.lm_head.weight.dtype == torch.bfloat16
    with warnings.catch_warnings(action="ignore"):
        asked, _ = holdall.transformers.load(tmp_path / "a", dtype="float16")
    assert {parameter.dtype for parameter in asked.parameters()} == {torch.float16} and asked.config.dtype == torch.float16


def test_what_transformers_would_cast_to_float32_is_as_it_was_saved(tmp_path):
    model, tokenizer = make("t5", torch.float16)
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    again, _ = holdall.transformers.load(tmp_path / "a")
    assert again.encoder.block[0].layer[1].DenseReluDense.wo.weight.dtype == torch.float16
    assert_same_words(said(model, tokenizer), said(again, tokenizer))
    theirs, ours = type(model).from_pretrained(tmp_path / "a"), holdall.transformers.load(tmp_path / "a", dtype="auto")[0]
    assert ours.encoder.block[0].layer[1].DenseReluDense.wo.weight.dtype == torch.float32
    assert_same_model(theirs, ours)


def test_tables_that_a_cast_has_spoilt_are_told(tmp_path):
    model, tokenizer = make("llama")
    model.half()
    with pytest.warns(holdall.HoldallWarning, match="cast from float32.*model.rotary_emb.inv_freq"):
        holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    again, _ = holdall.transformers.load(tmp_path / "a", verify=True)
    assert again.model.rotary_emb.inv_freq.dtype == torch.float32
    assert_same_model(type(model).from_pretrained(tmp_path / "a"), again)


@pytest.mark.parametrize("made", tokenizers_made.ALL.values(), ids=list(tokenizers_made.ALL))
def test_tokenizers_come_back_whole(made, tmp_path):
    tokenizer = made()
    tokenizer.add_tokens(["<mark>"])
    model = T.BertModel(T.BertConfig(**{**SMALL, "vocab_size": 400, "pad_token_id": tokenizer.pad_token_id}))
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    _, again = holdall.transformers.load(tmp_path / "a", verify=True)
    assert type(again) is type(tokenizer)
    for name in ("special_tokens_map", "padding_side", "truncation_side", "model_max_length", "chat_template", "added_tokens_encoder"):
        assert getattr(again, name) == getattr(tokenizer, name), name
    assert again.get_vocab() == tokenizer.get_vocab()
    more = {"return_offsets_mapping": True} if tokenizer.is_fast else {}
    for text in tokenizers_made.TEXTS:
        encoded = tokenizer(text, **more)
        assert dict(encoded) == dict(again(text, **more)) and tokenizer.decode(encoded.input_ids) == again.decode(encoded.input_ids)
    pair = tokenizer(tokenizers_made.TEXTS, tokenizers_made.TEXTS[::-1], padding=True)
    assert dict(pair) == dict(again(tokenizers_made.TEXTS, tokenizers_made.TEXTS[::-1], padding=True))
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": "hi"}]
        assert again.apply_chat_template(chat, tokenize=False) == tokenizer.apply_chat_template(chat, tokenize=False) == "user: hi\n"


def test_a_feature_extractor_is_the_preprocessing_of_a_model_of_sound(tmp_path):
    config = T.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8, 8), conv_kernel=(10, 3), conv_stride=(5, 2),
        num_feat_extract_layers=2, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, vocab_size=12, feat_extract_norm="layer",
    )  # fmt: skip
    model = T.Wav2Vec2ForCTC(config).eval()
    extractor = T.Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=False)
    holdall.transformers.save(model, extractor, tmp_path / "a", sync=False)
    again, read = holdall.transformers.load(tmp_path / "a", verify=True)
    assert type(read) is type(extractor) and read.to_dict() == extractor.to_dict()
    wave = torch.linspace(-1, 1, 800)[None]
    assert bits(again(wave).logits).equal(bits(model(wave).logits))
    # A processor holds an extractor and a tokenizer, this one in Python.
    (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFG"])}))
    processor = T.Wav2Vec2Processor(extractor, T.Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json")))
    holdall.transformers.save(model, processor, tmp_path / "b", sync=False)
    _, read = holdall.transformers.load(tmp_path / "b", verify=True)
    assert type(read) is type(processor) and read.feature_extractor.to_dict() == extractor.to_dict()
    assert read.tokenizer("BAD CAGE").input_ids == processor.tokenizer("BAD CAGE").input_ids


def test_generation_settings_of_older_folders_are_read_from_the_config(tmp_path):
    model, _ = make("gpt2")
    model.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_beams": 3, "max_length": 33}))
    again, tokenizer = holdall.transformers.load(tmp_path)
    assert tokenizer is None and again.generation_config.num_beams == 3
    assert_same_model(type(model).from_pretrained(tmp_path), again)


def test_another_head_is_new_and_told(tmp_path):
    model, tokenizer = make("bert-words")
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    with pytest.warns(holdall.HoldallWarning) as told:
        answering, _ = holdall.transformers.load(tmp_path / "a", "question-answering")
    words = [str(warning.message) for warning in told]
    assert any("new in the BertForQuestionAnswering, untrained: qa_outputs.bias, qa_outputs.weight" in word for word in words)
    assert any("not used by the BertForQuestionAnswering: cls.predictions" in word for word in words)
    assert answering.bert.embeddings.word_embeddings.weight.equal(model.bert.embeddings.word_embeddings.weight)
    with pytest.warns(holdall.HoldallWarning) as told:
        holdall.transformers.load(tmp_path / "a", T.BertForSequenceClassification)
    assert "bert.pooler.dense.bias, bert.pooler.dense.weight, classifier.bias, classifier.weight" in str(told[0].message)
    with pytest.raises(holdall.UnsupportedError, match="no causal-lm model for T5Config"):
        holdall.transformers.save(*make("t5"), tmp_path / "t5", sync=False)
        holdall.transformers.load(tmp_path / "t5", "causal-lm")


def test_values_of_the_config_may_be_changed(tmp_path):
    model, tokenizer = make("bert-classes")
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    with pytest.warns(holdall.HoldallWarning, match="new in the BertForSequenceClassification, untrained: classifier.bias, classifier.weight"):
        again, _ = holdall.transformers.load(tmp_path / "a", num_labels=5)
    assert again.classifier.weight.shape == (5, 32) and len(again.config.id2label) == 5
    eager, _ = holdall.transformers.load(tmp_path / "a", attn_implementation="eager")
    assert eager.config._attn_implementation == "eager"
    with pytest.raises(TypeError, match="have no num_labelz"):
        holdall.transformers.load(tmp_path / "a", num_labelz=5)
    with pytest.raises(holdall.MismatchError, match="intermediate"):
        holdall.transformers.load(tmp_path / "a", intermediate_size=32)


def without(folder, *names):
    """The folder's weights without some entries, as another tool would write them."""
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    for name in names:
        del state[name]
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def test_missing_weights_are_an_error_for_every_task(tmp_path):
    model, tokenizer = make("bert-words")
    model.save_pretrained(tmp_path / "a")
    without(tmp_path / "a", "bert.encoder.layer.1.output.dense.weight")
    for task in (None, "masked-lm", "question-answering", "feature-extraction"):
        with pytest.raises(holdall.MismatchError, match="encoder.layer.1.output.dense.weight") as raised:
            holdall.transformers.load(tmp_path / "a", task)
        assert raised.value.report.missing[0].endswith("encoder.layer.1.output.dense.weight")
    config = json.loads((tmp_path / "a/config.json").read_text())
    (tmp_path / "a/config.json").write_text(json.dumps({**config, "intermediate_size": 63}))
    with pytest.raises(holdall.MismatchError) as raised:
        holdall.transformers.load(tmp_path / "a")
    assert ("bert.encoder.layer.0.output.dense.weight", (32, 64), (32, 63)) in raised.value.report.mismatched
