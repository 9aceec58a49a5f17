#!/bin/bash
# Builds the tests and the example of holdall/adapters/libtorch.h with an installed Holdall and the LibTorch of a Python's torch, and
# runs them together with that Python.
#   tests/libtorch/run.sh PYTHON PREFIX WORK   a Python with torch and safetensors; where Holdall is installed; builds in WORK/libtorch
set -euo pipefail
python=$1
prefix=$2
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
work=$3/libtorch
# Where the prefix and the builds lie is nothing to ccache.
export CCACHE_BASEDIR=$3
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
torch=$("$python" -W ignore -c 'import torch; print(torch.utils.cmake_prefix_path)')

say() { printf '%s\n' "install: $*"; }

mkdir -p "$work"
for folder in tests examples; do
  cmake -S "$source_dir/$folder/libtorch" -B "$work/$folder" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
    "${launcher[@]}" -DCMAKE_PREFIX_PATH="$prefix;$torch" >"$work/build.log" 2>&1 &&
    cmake --build "$work/$folder" >>"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
done

mkdir -p "$work/files"
"$python" -W ignore "$source_dir/tests/libtorch/files.py" write "$work/files"
"$work/tests/libtorch_test" "$work/files" | sed 's/^\[ *OK \] \(.*\) (.*$/install: LibTorch: \1/'
"$python" -W ignore "$source_dir/tests/libtorch/files.py" check "$work/files"

# A run of 12 steps, and one that stops in C++, goes on in Python and ends in C++: the same losses to the last bit.
cd "$work"
examples/train whole.pt 12 >whole.txt
examples/train first.pt 4 >parts.txt
"$python" -W ignore "$source_dir/examples/libtorch/resume.py" first.pt second.pt 4 >>parts.txt
examples/train third.pt 4 second.pt >>parts.txt
cmp whole.txt parts.txt
if examples/train none.pt 4 "$work/build.log" 2>error.txt; then exit 1; fi
grep -q build.log error.txt
say "LibTorch: a run in C++, Python and C++ has the losses of one that never stopped"
