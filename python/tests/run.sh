#!/bin/bash
# Builds the wheel, installs it into an empty environment and tries it there; then the tests of this folder with it beside the
# real libraries.
#   python/tests/run.sh PYTHON   a Python with the real libraries and what builds the wheel
set -euo pipefail
python=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
"$root/python/build_wheel.sh" "$python" "$root/build/dist"
wheel=("$root"/build/dist/*.whl)
say() { printf '%s\n' "install: $*"; }

[ "$(stat -c %s "${wheel[0]}")" -le 12000000 ]
case "${wheel[0]}" in *manylinux_*) ;; *) echo "no manylinux tag: ${wheel[0]}" && exit 1 ;; esac
say "${wheel[0]##*/} has $(stat -c %s "${wheel[0]}") bytes"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -m venv "$work/empty"
"$work/empty/bin/pip" install --no-index --no-deps "${wheel[0]}"
cd "$work"
"$work/empty/bin/python" "$here/try_empty.py"
"$work/empty/bin/holdall" formats | grep -q '^pytorch'
[ "$(head -c 4 "$work/empty/bin/holdall")" = $'\x7fELF' ]
say "works in an empty environment, the native command beside it"

"$python" -m pip install --no-index --no-deps --target "$work/package" "${wheel[0]}"
HOLDALL_COMMAND="$work/package/bin/holdall" PYTHONPATH="$work/package" \
  "$python" -m pytest -q -p no:cacheprovider -n "$(nproc)" --dist worksteal "$here"
