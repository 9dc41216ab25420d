# What the get-… scripts share; sourced, not run. `name` says who speaks.
#
# A Debian package and every library it needs are downloaded from the mirror apt is set up for, checked against
# Debian's archive keys by apt itself, and unpacked under a prefix. Nothing is installed and no maintainer script
# runs: the machine is as before but for the prefix.

say() { echo "$name: $*" >&2; }

# Ends with 3 and one line when this machine cannot fetch.
expect_tools() {
  local tool
  for tool in apt-get dpkg-deb flock; do
    command -v "$tool" >/dev/null || { say "$tool is needed to fetch $1 (Debian and Ubuntu have it)"; exit 3; }
  done
  keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
  [ -r "$keyring" ] || { say "the package debian-archive-keyring is needed to check what is fetched"; exit 3; }
  mirror=${DEBIAN_MIRROR:-$(configured_mirror || true)}
  mirror=${mirror:-$(written_mirror || true)}
  [ -n "$mirror" ] || { say "apt names no Debian mirror; set DEBIAN_MIRROR"; exit 3; }
}

# The first Debian mirror named in apt's own sources; before any apt-get update apt does not list them itself.
configured_mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
}
written_mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -oE 'https?://[^ ]+/debian/?( |$)' | tr -d ' ' | sed -n 1p
}

# unpack PREFIX SUITE PACKAGE: PREFIX/root is PACKAGE of SUITE and all it needs; `loader` is its dynamic loader there.
unpack() {
  local prefix=$1 suite=$2 package=$3 apt=$1/apt stub archive
  rm -rf "$apt"
  mkdir -p "$apt"/{lists/partial,archives/partial,parts}
  : >"$apt/status"
  # Only maintainer scripts want these, and none is run.
  for stub in systemd debconf adduser ucf; do
    printf 'Package: %s\nStatus: install ok installed\nArchitecture: all\nMulti-Arch: foreign\n' "$stub" >>"$apt/status"
    printf 'Version: 9999\nDescription: stub\n\n' >>"$apt/status"
  done
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/only.list"
  local private=(
    -q
    -o Dir::Etc::SourceList="$apt/only.list" -o Dir::Etc::SourceParts="$apt/parts"
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$apt/parts"
    -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status"
    -o Dir::Cache="$apt" -o Dir::Cache::Archives="$apt/archives"
    -o APT::Sandbox::User="" -o Debug::NoLocking=1
    -o APT::Install-Recommends=0 -o APT::Install-Suggests=0 -o Acquire::Languages=none -o Acquire::Retries=3
  )
  say "fetching $package and its libraries"
  apt-get "${private[@]}" update >&2 || { say "apt-get could not read the mirror"; exit 4; }
  apt-get "${private[@]}" -y --download-only --no-install-recommends install "$package" >&2 ||
    { say "apt-get could not download $package"; exit 4; }
  rm -rf "$prefix/root.new"
  mkdir "$prefix/root.new"
  for archive in "$apt"/archives/*.deb; do dpkg-deb -x "$archive" "$prefix/root.new"; done
  # Older releases keep it in lib, newer ones have no such folder.
  loader=$(cd "$prefix/root.new" && { find usr/lib lib -name 'ld-linux*.so.*' 2>/dev/null || true; } | sed -n 1p)
  [ -n "$loader" ] || { say "no dynamic loader among the unpacked packages"; exit 4; }
  rm -rf "$prefix/root"
  mv "$prefix/root.new" "$prefix/root"
  rm -rf "$apt"
}

# wrap PREFIX PROGRAM: PREFIX/bin/PROGRAM starts root's program with root's own dynamic loader and libraries.
wrap() {
  local program=$1/bin/$2 libraries
  libraries="\$root/$(dirname "$loader"):\$root/usr/lib:\$root/usr/lib/$(basename "$(dirname "$loader")")"
  mkdir -p "$1/bin"
  cat >"$program.new" <<WRAPPER
#!/bin/sh
root=\$(CDPATH= cd -- "\$(dirname -- "\$0")/../root" && pwd)
exec "\$root/$loader" --library-path "$libraries" "\$root/usr/bin/$2" "\$@"
WRAPPER
  chmod +x "$program.new"
  mv "$program.new" "$program"
}
