"""The one table of attack vectors: the sixteen ways around a scanner of models, each tried in many.

ATTACKS maps "class/name" to an Attack. Nothing heavy is imported until a vector is made.
"""

import attack_files
import attack_formats
import attack_pickles
from attack import LOADERS, Attack, fire

CLASSES = (
    "unlisted-gadget", "dotted-name", "memo", "vanishing-call", "extension-code", "broken-off", "frame", "several-pickles", "content-mismatch",
    "zip-differential", "compression", "nested-loader", "submodule", "expansion", "nested-config", "code-by-reference",
)
ATTACKS: dict[str, Attack] = {**attack_pickles.ATTACKS, **attack_files.ATTACKS, **attack_formats.ATTACKS}

__all__ = ["ATTACKS", "CLASSES", "LOADERS", "Attack", "fire"]
