"""Files that ordinary programs write, made by the real frameworks: BENIGN, of which none may be flagged.

A row is a function of an empty folder that gives back the file or folder to scan, by "family/name". Frameworks are imported when a row is made.
"""

import benign_keras
import benign_other
import benign_python
import benign_templates
import benign_torch

MODULES = (benign_torch, benign_python, benign_keras, benign_templates, benign_other)
BENIGN = {name: make for module in MODULES for name, make in module.rows().items()}
