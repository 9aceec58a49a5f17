"""Files that ordinary programs write, made by the real frameworks: BENIGN, of which none may be flagged.

A row is a function of an empty folder that gives back the file or folder to scan, by "family/name". Frameworks are imported when a row is made.
"""

import os

# Small models all of them: threads would only wait for each other. Read when a framework is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import benign_folders  # noqa: E402
import benign_keras  # noqa: E402
import benign_other  # noqa: E402
import benign_python  # noqa: E402
import benign_settings  # noqa: E402
import benign_templates  # noqa: E402
import benign_torch  # noqa: E402

MODULES = (benign_torch, benign_python, benign_keras, benign_templates, benign_other, benign_folders, benign_settings)
BENIGN = {name: make for module in MODULES for name, make in module.rows().items()}
