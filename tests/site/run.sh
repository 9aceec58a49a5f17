#!/bin/bash
# Builds the site strictly into build/site and runs the code of its pages and of the README, with the wheel that
# python/tests/run.sh left in build/dist.
#   tests/site/run.sh PYTHON   a Python with the real libraries and mkdocs
set -euo pipefail
python=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT
"$python" -m pip install -q --no-index --no-deps --target "$package" "$root"/build/dist/*.whl
HOLDALL_COMMAND="$package/bin/holdall" PYTHONPATH="$package" PATH="$package/bin:$(dirname "$python"):$PATH" \
  "$python" -m pytest -q -p no:cacheprovider -n "$(nproc)" --dist loadscope "$here"
