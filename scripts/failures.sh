#!/usr/bin/env bash
# What failed, from the logs of tests that ran side by side ($@), so that it is the last thing one reads.
set -euo pipefail
for log; do
  [ -e "$log" ] || continue
  # Swift Testing marks issues; unittest gives each failure its traceback; a compiler and make say "error".
  failed=$(awk '/^(FAIL|ERROR): / { python = 1 } python || /✘|recorded an issue|: error: |[Ff]atal error|^make.*\*\*\*/' "$log" | tail -n 40)
  [ -z "$failed" ] || printf '\n-- from %s:\n%s\n' "$log" "$failed"
done
