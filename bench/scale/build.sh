#!/usr/bin/env bash
# Builds guise-scale into $1: the data plane's own sources and the measurement as one module, compiled as
# the release is, so that the worker is specialised for an engine without a kernel.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$1
mkdir -p "$out"
cc -O2 -c -I "$root/CLiburing/include" "$root/CLiburing/shim.c" -o "$out/shim.o"
find "$root/Sources/DataPlane" "$root/bench/scale/guise-scale" -name '*.swift' -print0 |
  xargs -0 swiftc -O -wmo -swift-version 6 -package-name guise -module-name GuiseScale \
    -enable-experimental-feature Lifetimes -enable-upcoming-feature ExistentialAny \
    -enable-upcoming-feature InternalImportsByDefault -enable-upcoming-feature MemberImportVisibility \
    -strict-memory-safety -warnings-as-errors \
    -I "$root/CLiburing/include" "$out/shim.o" -luring -o "$out/guise-scale"
