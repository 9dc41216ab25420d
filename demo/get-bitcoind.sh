#!/usr/bin/env bash
# Print the path of a bitcoind made privately under PREFIX (default ~/.cache/custody-bitcoind).
#
# It is Debian's package bitcoin-knots, fetched as debian.sh says; it starts with PREFIX's own dynamic loader.
set -euo pipefail

name=get-bitcoind
. "$(dirname -- "$0")/debian.sh"
works() { [ -x "$1" ] && "$1" -version >/dev/null 2>&1; }

prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/custody-bitcoind}
program=$prefix/bin/bitcoind
if works "$program"; then echo "$program"; exit 0; fi
expect_tools "a node"

mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9
if works "$program"; then echo "$program"; exit 0; fi

unpack "$prefix" sid bitcoin-knots
wrap "$prefix" bitcoind
works "$program" || { say "the unpacked bitcoind does not run on this machine"; exit 4; }
echo "$program"
