"""Small tokenizers of each kind, trained on a few sentences: nothing comes from a hub."""

import tokenizers
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "Holdall was built in the old mill by the river in 1987.", "The river Aare flows through Bern.", "Ada wrote the first program in London.",
    "Where was it built? Who wrote it? What flows through the city?", "Models are saved whole, or not at all.",
]  # fmt: skip
TEXTS = ["Where was Holdall built?", "The river, déjà vu — 2 + 2 = 4!", "  two  spaces and <mark> ", "unknown ☃ snowman", ""]
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"


def vocabulary(model, trainer, pre):
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = pre
    made.train_from_iterator(CORPUS, trainer)
    return made


def bert():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(CORPUS, trainer)
    return transformers.BertTokenizer(vocab=made.get_vocab(), model_max_length=128)


def _byte_level(special, size=320):
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    made = vocabulary(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False))
    import json

    model = json.loads(made.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def gpt2():
    vocab, merges = _byte_level(["<|endoftext|>"])
    return transformers.GPT2Tokenizer(vocab=vocab, merges=merges, pad_token="<|endoftext|>", padding_side="left", model_max_length=64)


def roberta():
    vocab, merges = _byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return transformers.RobertaTokenizer(vocab=vocab, merges=merges)


def t5():
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    made = vocabulary(models.Unigram(), trainer, pre_tokenizers.Metaspace())
    import json

    return transformers.T5Tokenizer(vocab=[tuple(piece) for piece in json.loads(made.to_str())["model"]["vocab"]], extra_ids=4)


def llama():
    """A bare tokenizers.Tokenizer in the general class, with a chat template and tokens of its own."""
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=150, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>", padding_side="left", model_max_length=77
    )
    fast.add_tokens([tokenizers.AddedToken("<mark>", lstrip=True)])
    fast.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    fast.chat_template = TEMPLATE
    return fast


def byt5():
    """A slow one, in Python."""
    return transformers.ByT5Tokenizer()


ALL = {made.__name__: made for made in (bert, gpt2, roberta, t5, llama, byt5)}
