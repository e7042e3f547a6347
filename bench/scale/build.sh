#!/usr/bin/env bash
# Builds guise-scale into $1: the data plane's own sources and the measurement as one module, compiled as
# the release is, so that the worker is specialised for an engine without a kernel. With --check in place of a
# folder it only asks the compiler whether the two still fit.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
sources=("$root/Sources/DataPlane" "$root/bench/scale/guise-scale")
options=(-wmo -swift-version 6 -package-name guise -module-name GuiseScale
  -enable-experimental-feature Lifetimes -enable-upcoming-feature ExistentialAny
  -enable-upcoming-feature InternalImportsByDefault -enable-upcoming-feature MemberImportVisibility
  -strict-memory-safety -warnings-as-errors -I "$root/CLiburing/include")
compile() { find "${sources[@]}" -name '*.swift' -print0 | xargs -0 swiftc "${options[@]}" "$@"; }

if [ "$1" = --check ]; then
  compile -typecheck
else
  mkdir -p "$1"
  cc -O2 -c -I "$root/CLiburing/include" "$root/CLiburing/shim.c" -o "$1/shim.o"
  compile -O "$1/shim.o" -luring -o "$1/guise-scale"
fi
