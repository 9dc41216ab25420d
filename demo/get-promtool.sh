#!/usr/bin/env bash
# Print the path of a promtool kept privately under PREFIX (default ~/.cache/custody-promtool).
#
# It is a program of Debian's package prometheus, fetched as debian.sh says; of the package nothing else is kept.
set -euo pipefail

name=get-promtool
. "$(dirname -- "$0")/debian.sh"

prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/custody-promtool}
program=$prefix/bin/promtool
works() { [ -x "$program" ] && "$program" --version >/dev/null 2>&1; }
if works; then echo "$program"; exit 0; fi
expect_tools promtool

mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9
if works; then echo "$program"; exit 0; fi

unpack "$prefix" bookworm prometheus
# It is linked without libraries, but for the C library, which any Debian since has.
mkdir -p "$prefix/bin"
mv "$prefix/root/usr/bin/promtool" "$program"
rm -rf "$prefix/root" "$prefix/apt"
works || { say "the unpacked promtool does not run on this machine"; exit 4; }
echo "$program"
