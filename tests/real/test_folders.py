"""Hugging Face folders as transformers writes them and as they lie in download caches."""

import json
import os
import shutil

import pytest
import safetensors.torch
import torch
import transformers

import samples
from oracle import assert_equal, assert_holds, digest


def small_bert(**options):
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                     max_position_embeddings=32, **options)
    return transformers.BertForSequenceClassification(config)


def small_gpt2():
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, n_positions=32))


def tokenizer_files(folder, size=64):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"w{i}" for i in range(size - len(words))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def saved(folder, model, **options):
    model.save_pretrained(folder, **options)
    return folder


def weights(folder):
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        found.update(safetensors.torch.load_file(path))
    return found


@pytest.mark.parametrize("model", [small_bert, small_gpt2])
@pytest.mark.parametrize("shard", ["5GB", "10KB"])
def test_a_folder_opens_as_one_model(holdall, tmp_path, model, shard):
    folder = saved(tmp_path / "m", model(), max_shard_size=shard)
    outcome = holdall.inspect(folder)
    assert outcome.json["format"] == "huggingface"
    assert_holds(outcome, weights(folder))
    assert outcome.json["verdict"] == "inert"
    assert holdall("verify", folder, "--json").json["sound"] is True
    assert holdall("scan", folder, "--json").json["verdict"] == "inert"


def test_what_we_write_transformers_loads_with_equal_outputs(holdall, tmp_path):
    model = small_bert().eval()
    folder = saved(tmp_path / "m", model)
    tokenizer_files(folder)
    for flags in ([], ["--shard-size", "20KB"]):
        ours = tmp_path / f"ours{len(flags)}"
        holdall.convert(folder, ours, "--to", "huggingface", *flags)
        assert {path.name for path in folder.iterdir()} - {"model.safetensors"} <= {path.name for path in ours.iterdir()}
        if flags:
            index = json.loads((ours / "model.safetensors.index.json").read_text())
            assert set(index["weight_map"]) == set(model.state_dict())
            assert all((ours / file).exists() for file in index["weight_map"].values())
        back = transformers.BertForSequenceClassification.from_pretrained(ours).eval()
        assert_equal(dict(model.state_dict()), dict(back.state_dict()))
        ids = torch.arange(8).reshape(1, 8)
        assert torch.equal(model(ids).logits, back(ids).logits)
        tokens = [transformers.AutoTokenizer.from_pretrained(at)("w1 w2 unknown").input_ids for at in (folder, ours)]
        assert tokens[0] == tokens[1]


def test_a_folder_becomes_one_file(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_gpt2())
    (folder / "generation_config.json").unlink(missing_ok=True)
    holdall("convert", folder, tmp_path / "m.pt", "--check")
    assert_equal(weights(folder), dict(sorted(tensors_of(torch.load(tmp_path / "m.pt", weights_only=True)).items())))
    holdall("convert", tmp_path / "m.pt", tmp_path / "again", "--to", "huggingface")
    assert json.loads((tmp_path / "again" / "config.json").read_text()) == json.loads((folder / "config.json").read_text())
    transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "again")


def test_a_tokenizer_is_a_loss_of_one_file_and_not_of_a_folder(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_bert())
    tokenizer_files(folder)
    outcome = holdall("convert", folder, tmp_path / "m.safetensors", status=1)
    assert "tokenizer" in outcome.out and "--to huggingface" in outcome.out and not (tmp_path / "m.safetensors").exists()
    holdall("convert", folder, tmp_path / "shards", "--to", "pytorch", "--shard-size", "20KB")
    assert {path.name for path in folder.iterdir()} - {"model.safetensors"} <= {path.name for path in (tmp_path / "shards").iterdir()}
    transformers.BertForSequenceClassification.from_pretrained(tmp_path / "shards")


def tensors_of(value):
    return {name: tensor for name, tensor in value.items() if isinstance(tensor, torch.Tensor)}


def test_pytorch_shards_open_by_their_index(holdall, tmp_path):
    state = {name: tensor.clone() for name, tensor in small_bert().state_dict().items()}
    names = list(state)
    half = len(names) // 2
    files = {"pytorch_model-00001-of-00002.bin": names[:half], "pytorch_model-00002-of-00002.bin": names[half:]}
    for file, part in files.items():
        torch.save({name: state[name] for name in part}, tmp_path / file)
    index = {"metadata": {"total_size": 1}, "weight_map": {name: file for file, part in files.items() for name in part}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text("{}")
    assert_holds(holdall.inspect(tmp_path), state)
    assert_holds(holdall.inspect(tmp_path / "pytorch_model.bin.index.json"), state)


def test_a_missing_shard_and_a_missing_tensor_are_named(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_bert(), max_shard_size="10KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    gone = shards[1].read_bytes()
    shards[1].unlink()
    outcome = holdall("inspect", folder, status=2)
    assert shards[1].name in outcome.err
    kept = safetensors.torch.load(gone)
    name = sorted(kept)[0]
    safetensors.torch.save_file({key: value for key, value in kept.items() if key != name} or {"other": torch.ones(1)}, shards[1])
    outcome = holdall("verify", folder, status=(1, 2))
    assert name in outcome.out + outcome.err


def test_safetensors_are_preferred_and_said_so(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_bert())
    torch.save({"other": torch.ones(1)}, folder / "pytorch_model.bin")
    outcome = holdall.inspect(folder)
    assert_holds(outcome, weights(folder))
    assert any("pytorch_model.bin" in warning for warning in outcome.json["warnings"])


def test_disagreements_are_warned_of(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_bert())
    config = json.loads((folder / "config.json").read_text())
    for change, word in (({"vocab_size": 100}, "100"), ({"hidden_size": 48}, "48"), ({"pad_token_id": 6400}, "6400")):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        warnings = holdall("inspect", folder, "--json").json["warnings"]
        assert any(word in warning for warning in warnings), (change, warnings)
    (folder / "config.json").write_text(json.dumps(config))
    assert not holdall("inspect", folder, "--json").json["warnings"]


def test_a_vocabulary_larger_than_the_embedding_is_warned_of(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_bert())
    tokenizer_files(folder, size=80)
    warnings = holdall("inspect", folder, "--json").json["warnings"]
    assert any("79" in warning and "64" in warning for warning in warnings), warnings


def test_a_download_cache_of_links_opens(holdall, tmp_path):
    plain = saved(tmp_path / "plain", small_bert())
    repository = tmp_path / "hub" / "models--org--bert"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    snapshot.mkdir(parents=True)
    for index, path in enumerate(sorted(plain.iterdir())):
        shutil.copy(path, repository / "blobs" / f"blob{index}")
        os.symlink(f"../../blobs/blob{index}", snapshot / path.name)
    assert_holds(holdall.inspect(snapshot), weights(plain))
    assert_holds(holdall.inspect(repository), weights(plain))
    assert holdall("scan", snapshot, "--json").json["verdict"] == "inert"


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 90868376\n"


def test_a_git_lfs_pointer_is_named(holdall, tmp_path):
    (tmp_path / "model.safetensors").write_text(POINTER)
    outcome = holdall("inspect", tmp_path / "model.safetensors", status=2)
    assert "LFS" in outcome.err
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    outcome = holdall("inspect", tmp_path, status=2)
    assert "LFS" in outcome.err and "model.safetensors" in outcome.err


def test_a_name_in_an_index_cannot_leave_the_folder(holdall, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    torch.save(dict(secret=torch.ones(1)), tmp_path / "secret.bin")
    (folder / "config.json").write_text("{}")
    for target in ("../secret.bin", str(tmp_path / "secret.bin"), "a/../../secret.bin"):
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"secret": target}}))
        outcome = holdall("inspect", folder, "--json", status=2)
        assert "secret.bin" in outcome.err


def test_the_label_names_the_family(holdall, tmp_path):
    folder = saved(tmp_path / "m", small_bert())
    document = holdall("inspect", folder, "--json").json
    assert document["label"]["family"] == "bert"
    assert "BertForSequenceClassification" in json.dumps(document["label"])
    tokenizer_files(folder)
    assert holdall("inspect", folder, "--json").json["tokenizer"]["vocabulary"] == 64


def test_adapters_open(holdall, tmp_path):
    peft = pytest.importorskip("peft")
    adapted = peft.get_peft_model(small_bert(), peft.LoraConfig(target_modules=["query"], r=2))
    adapted.save_pretrained(tmp_path / "adapter")
    outcome = holdall.inspect(tmp_path / "adapter")
    found = outcome.tensors
    expected = safetensors.torch.load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {name: entry["sha256"] for name, entry in found.items()} == {name: digest(tensor) for name, tensor in expected.items()}


def test_a_lightning_like_checkpoint_keeps_its_parts(holdall, tmp_path):
    torch.save({**samples.adam_checkpoint(), "pytorch-lightning_version": "2.0"}, tmp_path / "last.ckpt")
    outcome = holdall.inspect(tmp_path / "last.ckpt")
    assert "optimizer_state_dict.state.0.exp_avg" in outcome.tensors and outcome.json["tree"]["epoch"] == 10
