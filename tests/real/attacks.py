"""The one table of attack vectors: the sixteen ways around a scanner of models, each tried in many.

ATTACKS maps "class/name" to an Attack. Nothing heavy is imported until a vector is made.
"""

import attack_beside
import attack_called
import attack_chains
import attack_documents
import attack_files
import attack_formats
import attack_hdf5
import attack_links
import attack_native
import attack_pickles
import attack_readers
import attack_saved
import attack_settings
import attack_states
import attack_torch
from attack import LOADERS, Attack, fire

CLASSES = (
    "unlisted-gadget", "dotted-name", "memo", "vanishing-call", "extension-code", "broken-off", "frame", "several-pickles", "content-mismatch",
    "zip-differential", "compression", "nested-loader", "submodule", "expansion", "nested-config", "code-by-reference",
)
MODULES = (
    attack_pickles, attack_files, attack_formats, attack_documents, attack_torch, attack_states, attack_chains, attack_native, attack_links,
    attack_beside, attack_saved, attack_hdf5, attack_called, attack_settings, attack_readers,
)
ATTACKS: dict[str, Attack] = {name: vector for module in MODULES for name, vector in module.ATTACKS.items()}

__all__ = ["ATTACKS", "CLASSES", "LOADERS", "Attack", "fire"]
