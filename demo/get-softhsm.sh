#!/usr/bin/env bash
# Print the path of a SoftHSM module made privately under PREFIX (default ~/.cache/custody-softhsm).
#
# It is Debian's package softhsm2, fetched as debian.sh says, of the machine's own release: the module is loaded into
# a running Python, beside whose libraries another release's would not do. PREFIX/bin/softhsm2-util makes tokens.
set -euo pipefail

name=get-softhsm
. "$(dirname -- "$0")/debian.sh"

prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/custody-softhsm}
found() { find "$prefix/root/usr/lib" -name libsofthsm2.so 2>/dev/null | sed -n 1p; }
works() { [ -n "$(found)" ] && "$prefix/bin/softhsm2-util" --version >/dev/null 2>&1; }
if works; then found; exit 0; fi
expect_tools "a SoftHSM module"
suite=$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}" || true)
[ -n "$suite" ] || { say "only a Debian release's own package can be loaded here; install softhsm2"; exit 3; }

mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9
if works; then found; exit 0; fi

unpack "$prefix" "$suite" softhsm2
wrap "$prefix" softhsm2-util
works || { say "the unpacked softhsm2-util does not run on this machine"; exit 4; }
found
