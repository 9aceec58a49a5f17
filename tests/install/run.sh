#!/bin/bash
# Installs Holdall and builds examples/cpp outside of the tree as a stranger would: by find_package with the static and the shared
# library, by pkg-config, and by add_subdirectory with the network out of reach; then the C interface's test as C11. Runs what it
# built on a checkpoint that the example writes.
#   tests/install/run.sh [PYTHON]   a Python with torch also loads that checkpoint, and tests/libtorch is built with its LibTorch
# Builds in build/release, build/shared and build/subdirectory.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
python=${1:-}
cd "$source_dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The presets' name of the compiler: by another one ccache would make every object again.
export CXX=g++
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

say() { printf '%s\n' "install: $*"; }

check_examples() { # folder with the programs
  local folder
  folder=$(realpath "$1")
  "$folder/write_state_dict" "$work/checkpoint.pt"
  (cd "$work" && "$folder/first_steps") | grep -qx 'epoch 3, 6 values'
  "$folder/read_state_dict" "$work/checkpoint.pt" model_state_dict.fc.weight | grep -qx 'model_state_dict.fc.weight \[2, 3\] 6 values, sum 21'
  "$folder/list_model" "$work/checkpoint.pt" | grep -q 'pytorch, 2 tensors, 8 parameters, inert'
  rm -rf "$work/checkpoints"
  "$folder/save_checkpoints" "$work/checkpoints" | grep -qx 'from step 0'
  "$folder/save_checkpoints" "$work/checkpoints" | grep -qx 'from step 5'
  [ "$(ls "$work/checkpoints")" = $'checkpoint_step10.pt\ncheckpoint_step9.pt' ]
}

offline=()
build() { # name, folder, then arguments of cmake
  local name=$1 folder=$2
  shift 2
  "${offline[@]}" cmake -S examples/cpp -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" "$@" >"$work/$name.log" 2>&1 &&
    cmake --build "$folder" >>"$work/$name.log" 2>&1 || { cat "$work/$name.log"; return 1; }
  check_examples "$folder"
  say "$name: built and run"
}

for kind in static shared; do
  preset=$kind
  if [ "$kind" = static ]; then preset=release; fi
  cmake --preset "$preset" >"$work/build.log" 2>&1 && cmake --build "build/$preset" >>"$work/build.log" 2>&1 || { tail -50 "$work/build.log"; exit 1; }
  cmake --install "build/$preset" --prefix "$work/prefix-$kind" >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
  # Moved, as a package is: nothing may point to where it was installed first.
  mv "$work/prefix-$kind" "$work/moved-$kind"
  build "find_package-$kind" "$work/find_package-$kind" -DCMAKE_PREFIX_PATH="$work/moved-$kind"
done

for kind in static shared; do
  folder=$(dirname "$(find "$work/moved-$kind" -name holdall.pc)")
  flags=$(PKG_CONFIG_PATH=$folder pkg-config --cflags --libs holdall)
  mkdir "$work/pkg-config-$kind"
  for example in first_steps read_state_dict write_state_dict list_model save_checkpoints; do
    # shellcheck disable=SC2086
    g++ -std=c++20 -O1 "examples/cpp/$example.cc" -o "$work/pkg-config-$kind/$example" $flags
  done
  LD_LIBRARY_PATH=$(dirname "$folder") check_examples "$work/pkg-config-$kind"
  say "pkg-config, $kind: built and run"
done

if unshare --user --map-root-user --net true 2>/dev/null; then offline=(unshare --user --map-root-user --net); fi
build add_subdirectory build/subdirectory -DHOLDALL_SOURCE="$source_dir" -DHOLDALL_WERROR=ON

gcc -std=c11 -Wall -Wextra -Wpedantic -Werror "$source_dir/tests/c/interface_test.c" -o "$work/interface_test" \
  -I"$work/moved-shared/include" -L"$work/moved-shared/lib" -lholdall -Wl,-rpath,"$work/moved-shared/lib"
"$work/interface_test" "$work/checkpoint.pt" "$work/checkpoint.safetensors" >"$work/c.txt"
grep -qx 'model_state_dict.fc.weight float32 2 3 : 24 bytes sum 21' "$work/c.txt"
say "C interface: built as C11 and run"

exported=$(nm -D --defined-only --with-symbol-versions "$work/moved-shared/lib/libholdall.so" | awk '{print $3}')
if grep -v '@@HOLDALL_C_1$\|@@HOLDALL_CXX$\|^HOLDALL_C_1\|^HOLDALL_CXX' <<<"$exported"; then
  say "the shared library shows symbols that are not its own"
  exit 1
fi
declared=$(grep -o 'holdall_[a-z_]*(' "$source_dir/holdall/c.h" | tr -d '(' | sort -u)
for name in $declared; do
  grep -qx "$name@@HOLDALL_C_1" <<<"$exported" || { say "$name is declared in c.h and not exported"; exit 1; }
done
say "shared library: $(wc -w <<<"$declared") C functions, versioned"

if [ -n "$python" ]; then
  "$python" - "$work/checkpoint.pt" <<'PYTHON'
import sys
import torch
checkpoint = torch.load(sys.argv[1], weights_only=True)
assert checkpoint["epoch"] == 3 and checkpoint["loss"] == 0.25 and checkpoint["note"] == "written by C++", checkpoint
weights = checkpoint["model_state_dict"]
assert list(weights) == ["fc.weight", "fc.bias"], list(weights)
assert torch.equal(weights["fc.weight"], torch.arange(1, 7, dtype=torch.float32).reshape(2, 3))
module = torch.nn.Linear(3, 2)
module.load_state_dict({key.removeprefix("fc."): value for key, value in weights.items()}, strict=True)
PYTHON
  say "torch.load(weights_only=True): reads what C++ wrote"
  "$source_dir/tests/libtorch/run.sh" "$python" "$work/moved-static" "$work"
fi
