# shellcheck shell=bash disable=SC2034
# Sourced by ./run and ./test: telling what happens, installing what is missing, building.
# Sets root (of the tree), cache (kept between runs), python (Debian's own), jobs.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/holdall"
python=/usr/bin/python3
jobs="$(nproc)"
logs="$root/build/logs"
# Where a tree or a build lies is nothing to ccache: the release, the shared library and a program's own copy share their objects.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf '\n%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
trap 'fail "line $LINENO: \"$BASH_COMMAND\" ended with status $?"' ERR

# as_root COMMAND…: directly as root, else through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "needs root or sudo for: $*"
  fi
}

# quietly NAME COMMAND…: output goes to build/logs/NAME.log; its tail is shown when the command fails.
quietly() {
  local name="$1" log="$logs/$1.log"
  shift
  mkdir -p "$logs"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    fail "$name failed; the whole output is in build/logs/$name.log"
  fi
}

# install_packages USE…: what of tools/packages.txt for these uses is not installed yet.
install_packages() {
  local use wanted=() missing=() package
  for use in "$@"; do
    mapfile -t -O "${#wanted[@]}" wanted < <(sed -n "s/^$use  *\([^ ]*\).*/\1/p" "$root/tools/packages.txt")
  done
  command -v dpkg-query >/dev/null || fail "needs Debian's packages (dpkg-query is not there): ${wanted[*]}"
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  if [ "${#missing[@]}" = 0 ]; then
    echo "all ${#wanted[@]} packages are there"
    return
  fi
  echo "installing ${missing[*]}"
  quietly apt-update as_root env DEBIAN_FRONTEND=noninteractive apt-get update
  quietly apt-install as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# fetch_charts: the chart library of the HTML pages, kept in $cache and put where the build and an sdist take it; git ignores it.
fetch_charts() {
  local version name download
  version="$(sed -n 's/^set(HOLDALL_ECHARTS_VERSION \(.*\))/\1/p' "$root/cmake/HoldallPage.cmake")"
  name="echarts-$version.esm.min.js"
  if [ -f "$cache/charts/$name" ]; then
    echo "Apache ECharts $version is there"
  else
    echo "fetching Apache ECharts $version"
    download="$(mktemp -d)"
    quietly pip-charts "$python" -m pip download --no-deps --dest "$download" -r "$root/tools/requirements-charts.txt"
    "$python" -m zipfile -e "$download"/*.whl "$download/unpacked"
    mkdir -p "$cache/charts"
    mv "$(find "$download/unpacked" -name echarts.esm.min.js)" "$cache/charts/$name"
    rm -r "$download"
  fi
  cp "$cache/charts/$name" "$root/holdall/ops/page/$name"
}

# fetch_npm VARIABLE NAME PACKAGE FOLDER WHAT: a folder of npm's PACKAGE, kept as NAME in the cache; VARIABLE is set to where it lies, or to
# nothing where it cannot be had: then WHAT is skipped.
fetch_npm() {
  local -n place="$1"
  local name="$2" package="$3" folder="$4" what="$5" download
  place="$cache/$name-${package##*@}"
  if [ -d "$place" ]; then
    echo "already there: $place"
    return
  fi
  command -v npm >/dev/null || install_packages npm
  echo "fetching $package"
  download="$(mktemp -d)"
  if (cd "$download" && npm pack "$package" && tar xzf ./*.tgz) >"$logs/npm-$name.log" 2>&1; then
    mkdir -p "$cache"
    mv "$download/$folder" "$place"
  else
    echo "it cannot be had (build/logs/npm-$name.log): $what are skipped"
    place=""
  fi
  rm -rf "$download"
}

# fetch_llama_cpp: llama.cpp's library as built for Node, which tests give GGUF files to; kept in $cache. Sets llama_cpp, its
# folder, or nothing where it cannot be had: those tests are then skipped.
fetch_llama_cpp() {
  fetch_npm llama_cpp llama-cpp "@node-llama-cpp/linux-x64@3.22.1" package/bins/linux-x64 "tests that give files to llama.cpp"
}

# Microsoft's SARIF Multitool, which validates by the schema and by GitHub's rules: sarif_multitool is its folder.
fetch_sarif_multitool() {
  fetch_npm sarif_multitool sarif-multitool "@microsoft/sarif-multitool-linux@5.7.0" package "tests that validate SARIF"
}

# build PRESET [TARGET…]: configures and builds under build/PRESET.
build() {
  local preset="$1" from=$SECONDS
  shift
  quietly "configure-$preset" cmake -S "$root" --preset "$preset"
  quietly "build-$preset" cmake --build "$root/build/$preset" -j "$jobs" ${1:+--target "$@"} -- -k 0
  echo "build/$preset in $((SECONDS - from)) s"
}
