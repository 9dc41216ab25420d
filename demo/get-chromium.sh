#!/usr/bin/env bash
# Print the path of a Chromium made privately under PREFIX (default ~/.cache/custody-chromium).
#
# It is Debian's package chromium, fetched as debian.sh says, of the machine's own release. A browser starts itself again
# by its own path, so it runs with the machine's loader, and finds the unpacked libraries by LD_LIBRARY_PATH.
set -euo pipefail

name=get-chromium
. "$(dirname -- "$0")/debian.sh"

prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/custody-chromium}
program=$prefix/bin/chromium
works() { [ -x "$program" ] && "$program" --version >/dev/null 2>&1; }
if works; then echo "$program"; exit 0; fi
expect_tools "a Chromium"
suite=$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}" || true)
[ -n "$suite" ] || { say "only a Debian release's own package can be run here; install chromium"; exit 3; }

mkdir -p "$prefix/bin"
exec 9>"$prefix/.lock"
flock 9
if works; then echo "$program"; exit 0; fi

unpack "$prefix" "$suite" chromium
machine=$(basename "$(dirname "$loader")")
cat >"$program.new" <<WRAPPER
#!/bin/sh
root=\$(CDPATH= cd -- "\$(dirname -- "\$0")/../root" && pwd)
LD_LIBRARY_PATH=\$root/usr/lib/$machine:\$root/lib/$machine:\$root/usr/lib/chromium
FONTCONFIG_PATH=\$root/etc/fonts
export LD_LIBRARY_PATH FONTCONFIG_PATH
exec "\$root/usr/lib/chromium/chromium" "\$@"
WRAPPER
chmod +x "$program.new"
mv "$program.new" "$program"
# The C library is the machine's own: the loader and the library must be of one build.
for folder in "$prefix/root/lib/$machine" "$prefix/root/usr/lib/$machine"; do
  rm -f "$folder"/ld-linux* "$folder"/libc.so.6 "$folder"/libm.so.6 "$folder"/libpthread.so.0 "$folder"/libdl.so.2 \
    "$folder"/librt.so.1 "$folder"/libresolv.so.2 "$folder"/libnss_*.so.2
done
works || { say "the unpacked chromium does not run on this machine"; exit 4; }
echo "$program"
