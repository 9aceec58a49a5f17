"""holdall.transformers: models of transformers saved and loaded as one unit: weights, config, tokenizer, generation config, metadata.

Like ``save_pretrained`` and ``from_pretrained``, whose folders these are, without their surprises: a folder is there whole or not at
all, its parts agree when it is saved and when it is loaded, nothing in it is run, nothing is initialised anew without a word, and a
sample proves later that the model still says the same.
"""

from __future__ import annotations

from ._load import load
from ._save import save
from ._training import resume
from ._verify import verify

__all__ = ["load", "resume", "save", "verify"]
