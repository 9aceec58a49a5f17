"""Writes the golden folders with the reference library: transformers 5.23, torch 2.13.0 (CPython 3.11).

Beside each folder NAME stands NAME.tsv: tensor, dtype, shape, SHA-256 of the bytes, as the model itself has them.
"""
import hashlib
import pathlib
import shutil

import torch
import transformers

HERE = pathlib.Path(__file__).parent


def save(name, model, **options):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **options)
    lines = []
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    for key, tensor in sorted(model.state_dict().items()):
        if key in tied:
            continue
        digest = hashlib.sha256(tensor.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()
        shape = "[" + ", ".join(map(str, tensor.shape)) + "]"
        lines.append(f"{key}\t{str(tensor.dtype).removeprefix('torch.')}\t{shape}\t{digest}\n")
    (HERE / f"{name}.tsv").write_text("".join(lines))


torch.manual_seed(0)
small = dict(vocab_size=11, hidden_size=4, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8, max_position_embeddings=6)
save("bert", transformers.BertModel(transformers.BertConfig(**small)))
save("bert_sharded", transformers.BertForQuestionAnswering(transformers.BertConfig(**{**small, "intermediate_size": 64})).half(), max_shard_size="1KB")
gpt2 = transformers.GPT2Config(vocab_size=11, n_positions=6, n_embd=4, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
save("gpt2_tied", transformers.GPT2LMHeadModel(gpt2).to(torch.bfloat16))
