#!/usr/bin/env bash
# Makes sure that what `make $1` needs is there: installs missing Debian packages, saying so in one line,
# or says exactly what to install. Asks nothing.
set -euo pipefail

target=$1

fail() {
  echo "make $target: $*" >&2
  exit 1
}

have_program() { command -v "$1" >/dev/null 2>&1; }

packages=()
# need_program PROGRAM PACKAGE, need_file FILE PACKAGE
need_program() { have_program "$1" || packages+=("$2"); }
need_file() { [[ -e $1 ]] || packages+=("$2"); }

need_root() {
  [[ $EUID -eq 0 ]] || fail "needs root, for TUN devices and network namespaces: run 'sudo make $target'"
}

need_swift() {
  have_program swift || fail "needs Swift 6.3 or later in PATH: https://www.swift.org/install/linux/"
  need_program git git
}

need_build() {
  need_swift
  need_program cc gcc
  need_file /usr/include/liburing.h liburing-dev
}

need_network() {
  need_program ip iproute2
  need_program nft nftables
}

case $target in
  lint) need_swift ;;
  build) need_build ;;
  demo)
    need_root
    need_build
    need_network
    ;;
  test)
    need_root
    need_build
    need_network
    # unshare and setpriv; sysctl.
    need_program setpriv util-linux
    need_program sysctl procps
    ;;
  *) fail "no such target" ;;
esac

if [[ $target == demo || $target == test ]] && [[ ! -c /dev/net/tun ]]; then
  fail "needs /dev/net/tun: load the module with 'modprobe tun', or give it to the container (--device /dev/net/tun)"
fi

[[ ${#packages[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
  have_program sudo && sudo -n true 2>/dev/null || fail "needs packages: run 'sudo apt-get install ${packages[*]}'"
  as_root=(sudo -n)
fi
have_program apt-get || fail "needs what Debian calls ${packages[*]}: install it with this system's package tool"

echo "make $target: installing ${packages[*]} with apt-get" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >>"$log" 2>&1
}
# An outdated list still may do, so a failing update decides nothing.
install update -q || true
if ! install install -q -y --no-install-recommends "${packages[@]}"; then
  tail -n 15 "$log" >&2
  fail "apt-get could not install ${packages[*]}: install them and try again"
fi
