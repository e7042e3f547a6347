#!/usr/bin/env bash
# Links the static archives that releases are built with into the directory $1.
#
# The linker takes an archive only where no shared library of that name lies beside it; a directory that
# holds nothing else, searched first, makes it so. What has no archive is linked dynamically as usual.
set -euo pipefail

directory=$1
mkdir -p "$directory"
for name in liburing.a libstdc++.a; do
  # cc echoes the bare name when it knows no such file.
  path=$(${CC:-cc} -print-file-name="$name" 2>/dev/null || echo "$name")
  if [[ -e $path && $path == /* ]]; then ln -sfn "$path" "$directory/$name"; fi
done
