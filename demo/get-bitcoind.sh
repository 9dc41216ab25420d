#!/usr/bin/env bash
# Print the path of a bitcoind made privately under PREFIX (default ~/.cache/custody-bitcoind).
#
# Debian's package bitcoin-knots and every library it needs are downloaded from the mirror apt is set up for,
# checked against Debian's archive keys by apt itself, and unpacked. Nothing is installed and no maintainer
# script runs: the machine is as before but for PREFIX. The program starts with PREFIX's own dynamic loader.
set -euo pipefail

say() { echo "get-bitcoind: $*" >&2; }
works() { [ -x "$1" ] && "$1" -version >/dev/null 2>&1; }

prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/custody-bitcoind}
program=$prefix/bin/bitcoind
if works "$program"; then echo "$program"; exit 0; fi

for tool in apt-get dpkg-deb flock; do
  command -v "$tool" >/dev/null || { say "$tool is needed to fetch a node (Debian and Ubuntu have it)"; exit 3; }
done
keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
[ -r "$keyring" ] || { say "the package debian-archive-keyring is needed to check what is fetched"; exit 3; }

# The first Debian mirror named in apt's own sources; before any apt-get update apt does not list them itself.
configured_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
}
written_mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -oE 'https?://[^ ]+/debian/?( |$)' | tr -d ' ' | sed -n 1p
}
mirror=${DEBIAN_MIRROR:-$(configured_mirror || true)}
mirror=${mirror:-$(written_mirror || true)}
[ -n "$mirror" ] || { say "apt names no Debian mirror; set DEBIAN_MIRROR"; exit 3; }

mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9
if works "$program"; then echo "$program"; exit 0; fi

apt=$prefix/apt
rm -rf "$apt"
mkdir -p "$apt"/{lists/partial,archives/partial,parts}
: >"$apt/status"
# Only maintainer scripts want these two, and none is run.
for stub in systemd debconf; do
  printf 'Package: %s\nStatus: install ok installed\nArchitecture: all\nMulti-Arch: foreign\n' "$stub" >>"$apt/status"
  printf 'Version: 9999\nDescription: stub\n\n' >>"$apt/status"
done
echo "deb [signed-by=$keyring] $mirror sid main" >"$apt/sid.list"
private=(
  -q
  -o Dir::Etc::SourceList="$apt/sid.list" -o Dir::Etc::SourceParts="$apt/parts"
  -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$apt/parts"
  -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status"
  -o Dir::Cache="$apt" -o Dir::Cache::Archives="$apt/archives"
  -o APT::Sandbox::User="" -o Debug::NoLocking=1
  -o APT::Install-Recommends=0 -o APT::Install-Suggests=0 -o Acquire::Languages=none -o Acquire::Retries=3
)
say "fetching bitcoin-knots and its libraries"
apt-get "${private[@]}" update >&2 || { say "apt-get could not read the mirror"; exit 4; }
apt-get "${private[@]}" -y --download-only --no-install-recommends install bitcoin-knots >&2 ||
  { say "apt-get could not download bitcoin-knots"; exit 4; }

rm -rf "$prefix/root.new"
mkdir "$prefix/root.new"
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$prefix/root.new"; done
loader=$(cd "$prefix/root.new" && find usr/lib -name 'ld-linux*.so.*' | sed -n 1p)
[ -n "$loader" ] || { say "no dynamic loader among the unpacked packages"; exit 4; }
rm -rf "$prefix/root"
mv "$prefix/root.new" "$prefix/root"

mkdir -p "$prefix/bin"
cat >"$program.new" <<WRAPPER
#!/bin/sh
root=\$(CDPATH= cd -- "\$(dirname -- "\$0")/../root" && pwd)
exec "\$root/$loader" --library-path "\$root/$(dirname "$loader"):\$root/usr/lib" "\$root/usr/bin/bitcoind" "\$@"
WRAPPER
chmod +x "$program.new"
mv "$program.new" "$program"
rm -rf "$apt"
works "$program" || { say "the unpacked bitcoind does not run on this machine"; exit 4; }
echo "$program"
