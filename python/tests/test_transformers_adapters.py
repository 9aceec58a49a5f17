"""holdall.transformers and PEFT: an adapter comes back on its base, and its file can do nothing but describe it."""

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
T = transformers
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 200}


@pytest.fixture
def adapted(tmp_path):
    """A folder of an adapter, and what makes its base anew."""
    peft = pytest.importorskip("peft")
    config = T.LlamaConfig(**SMALL, num_key_value_heads=2, pad_token_id=None)

    def fresh():
        torch.manual_seed(5)
        return T.LlamaForCausalLM(config).eval()

    holdall.transformers.save(peft.get_peft_model(fresh(), peft.LoraConfig(r=4, target_modules=["q_proj"])), None, tmp_path / "a", sync=False)
    return tmp_path / "a", fresh


@pytest.mark.parametrize(("error", "match", "values"), [
    (holdall.UnsafeError, "megatron_config", {"megatron_config": {"a": 1}, "megatron_core": "evil_core"}),
    (holdall.UnsafeError, "auto_mapping", {"auto_mapping": {"base_model_class": "x", "parent_library": "evil_core"}}),
    (holdall.UnsafeError, "init_lora_weights", {"init_lora_weights": "corda"}),
    (holdall.UnsafeError, "corda_config", {"corda_config": {"cache_file": "x"}}),
    (holdall.LimitError, "r is 1000000000", {"r": 10**9}),
    (holdall.LimitError, "rank_pattern", {"rank_pattern": {"q_proj": 10**9}}),
    (holdall.LimitError, "layer_replication", {"layer_replication": [[0, 2]] * 2000}),
    (holdall.MismatchError, "lora_A", {"r": 8}),
    (holdall.MismatchError, "zzz", {"target_modules": ["zzz"]}),
    (holdall.UnsupportedError, "type .*x", {"peft_type": ["x"]}),
    (holdall.UnsupportedError, "XLORA", {"peft_type": "XLORA"}),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")  # fmt: skip
def test_an_adapter_s_file_only_describes_the_adapter_and_leaves_the_base_as_it_was(error, match, values, adapted, tmp_path, monkeypatch):
    folder, fresh = adapted
    (tmp_path / "evil_core.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    base = fresh()
    before = list(base.state_dict())
    with warnings.catch_warnings(action="ignore"), pytest.raises(error, match=match) as raised:
        holdall.transformers.load(folder, base=base, check=False)
    assert str(raised.value.path).startswith(str(folder)) and not (tmp_path / "ran").exists()
    assert list(base.state_dict()) == before and all(parameter.requires_grad for parameter in base.parameters())


@pytest.mark.parametrize("start", ["pissa", "olora", "gaussian"])
def test_an_adapter_that_began_as_a_part_of_the_base_says_the_same(start, adapted, tmp_path):
    peft = pytest.importorskip("peft")
    _, fresh = adapted
    model = peft.get_peft_model(fresh(), peft.LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=start)).eval()
    holdall.transformers.save(model, None, tmp_path / "p", sync=False)
    again, _ = holdall.transformers.load(tmp_path / "p", base=fresh(), verify=True)
    assert again.peft_config["default"].init_lora_weights == start


@pytest.mark.parametrize("named", ["", ".", None, 5])
def test_an_adapter_without_a_base_asks_for_one(named, adapted):
    folder, _ = adapted
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": named}))
    with pytest.raises(holdall.MissingError, match="by base="):
        holdall.transformers.load(folder, check=False)
    with pytest.raises(TypeError, match="base is a list"):
        holdall.transformers.load(folder, check=False, base=[])


def test_an_adapter_of_a_resized_base_brings_its_rows(adapted, tmp_path):
    peft = pytest.importorskip("peft")
    _, fresh = adapted
    holdall.transformers.save(fresh(), None, tmp_path / "base", sync=False)
    base, _ = holdall.transformers.load(tmp_path / "base")
    base.resize_token_embeddings(230)
    model = peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)).eval()
    with warnings.catch_warnings(action="ignore"):
        holdall.transformers.save(model, None, tmp_path / "r", sync=False)
    with pytest.warns(holdall.HoldallWarning, match="200 rows.*230"):
        again, _ = holdall.transformers.load(tmp_path / "r", verify=True)
    ids = torch.tensor([[220, 3]])
    assert bits(again(ids).logits).equal(bits(model(ids).logits))
    with pytest.raises(holdall.MismatchError, match="embed_tokens.*230.*200"):
        holdall.transformers.load(tmp_path / "r", base=fresh())
    tokens = tokenizers_made.bert()
    tokens.add_tokens([f"new{i}" for i in range(300)])
    with pytest.raises(holdall.MismatchError, match="resize_token_embeddings"):
        holdall.transformers.save(model, tokens, tmp_path / "t", sync=False)
