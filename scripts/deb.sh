#!/usr/bin/env bash
# Makes a Debian package of what `make build` left: scripts/deb.sh BINARIES OUTPUT.
set -euo pipefail
# What the package holds is for everybody to read.
umask 022

cd "$(dirname "${BASH_SOURCE[0]}")/.."
binaries=$1
output=$2
guise=$binaries/guise

version=${DEB_VERSION:-$("$guise" --version)-1}
architecture=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root

# place MODE SOURCE TARGET
place() { install -D -m "$1" "$2" "$root/$3"; }
# place_text TARGET: standard input
place_text() {
  mkdir -p "$root/$(dirname "$1")"
  cat >"$root/$1"
  chmod 644 "$root/$1"
}
place_page() { gzip -9n | place_text "$1"; }

place 755 "$guise" usr/bin/guise
place 755 "$binaries/guise-load" usr/bin/guise-load
strip --strip-unneeded "$root/usr/bin/guise" "$root/usr/bin/guise-load"
for unit in guise.service guise@.service; do place 644 "deploy/systemd/$unit" "usr/lib/systemd/system/$unit"; done
place 644 deploy/debian/guise.sysusers usr/lib/sysusers.d/guise.conf
place 644 deploy/debian/10-guise.conf usr/lib/sysctl.d/10-guise.conf
place 644 deploy/guise.toml etc/guise/guise.toml
place 644 deploy/guise.toml usr/share/doc/guise/examples/guise.toml
place 644 deploy/debian/copyright usr/share/doc/guise/copyright
# As they lie here, so that links between them lead somewhere.
find README.md SECURITY.md docs -name '*.md' -print0 | while IFS= read -r -d '' document; do
  place 644 "$document" "usr/share/doc/guise/$document"
done
# To be copied from, each a folder of its own.
for folder in container grafana kubernetes prometheus; do
  [[ -d deploy/$folder ]] || continue
  (cd "deploy/$folder" && find . -type f ! -name '*.py' -print0) | while IFS= read -r -d '' file; do
    place 644 "deploy/$folder/$file" "usr/share/guise/$folder/$file"
  done
done
scripts/manual.py "$guise" guise.1 | place_page usr/share/man/man1/guise.1.gz
scripts/manual.py "$guise" guise.toml.5 | place_page usr/share/man/man5/guise.toml.5.gz
"$guise" --generate-completion-script bash | place_text usr/share/bash-completion/completions/guise
"$guise" --generate-completion-script zsh | place_text usr/share/zsh/vendor-completions/_guise
"$guise" --generate-completion-script fish | place_text usr/share/fish/vendor_completions.d/guise.fish

# What the programs are linked to, by the versions of the symbols that they use.
mkdir "$stage/debian" "$root/DEBIAN"
printf 'Source: guise\n\nPackage: guise\nArchitecture: any\n' >"$stage/debian/control"
libraries=$(cd "$stage" && dpkg-shlibdeps -O root/usr/bin/guise root/usr/bin/guise-load)

for script in postinst prerm postrm; do place 755 "deploy/debian/$script" "DEBIAN/$script"; done
echo /etc/guise/guise.toml | place_text DEBIAN/conffiles
place_text DEBIAN/control <<CONTROL
Package: guise
Version: $version
Architecture: $architecture
Maintainer: the authors of guise <guise@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Depends: ${libraries#shlibs:Depends=}, iproute2 (>= 5.0), nftables (>= 0.9), passwd, procps
Description: UDP in the shape of TCP
 Carries each UDP datagram in one TCP segment, past networks that slow or
 block UDP: nothing is retransmitted, nothing waits for a lost packet. Speaks
 the wire format of Phantun 0.8.1; runs on io_uring or epoll.
CONTROL

mkdir -p "$output"
package=$output/guise_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >&2
echo "$package"
