#!/bin/bash
# Gives the action its command, built of the sources that it came with:
#   action/install.sh --digest   tells the folder that it goes into, and the digest of what it is built of: the key of the cache
#   action/install.sh            installs Debian's packages and, unless the cache brought it, builds the command
set -Eeuo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../tools/setup.sh"

folder="$RUNNER_TEMP/holdall"
if [ "${1-}" = --digest ]; then
  # The libraries that it is linked with are those of the runner's image.
  digest="$(cd "$root" && { cat /etc/os-release && find . \( -path ./build -o -path ./.git \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum)"
  printf '%s\n' "folder=$folder" "digest=${digest%% *}" >>"$GITHUB_OUTPUT"
  exit
fi
install_packages run
if [ -x "$folder/bin/holdall" ]; then
  echo "built before"
else
  quietly pip-holdall "$python" -m pip install --no-deps --target "$folder" "$root"
fi
"$folder/bin/holdall" --version
echo "command=$folder/bin/holdall" >>"$GITHUB_OUTPUT"
