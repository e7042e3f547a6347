#!/usr/bin/env bash
# fuzz.sh SECONDS JOBS [TARGET]: builds guise-fuzz and lets each target run so long, JOBS of them at once. It is built and
# nothing more where there are no arguments.
#
# What a run has found that is new to it stays in .build/corpus; fuzz/corpus, which is read only, is where it begins.
# A finding is written to .build/findings, and the last lines say how to run it again.
set -euo pipefail
cd "$(dirname "$0")/.."

# libFuzzer's archive has a `main` of its own, which goes with the sections that nothing needs.
GUISE_FUZZ=1 swift build --product guise-fuzz --scratch-path .build/fuzz --disable-index-store \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld -Xlinker --gc-sections
[[ $# -gt 0 ]] || exit 0

seconds=$1
jobs=$2
target=${3:-}
export program=$PWD/.build/fuzz/debug/guise-fuzz seconds
# A crash is libFuzzer's to report.
export SWIFT_BACKTRACE=enable=no

run() {
  local name=$1 log=.build/fuzz/$1.log
  mkdir -p ".build/corpus/$name" .build/findings
  # Half as long again for what it reads at first.
  if timeout -s KILL "$((seconds + seconds / 2 + 60))" "$program" "$name" -max_total_time="$seconds" -timeout=10 \
    -print_final_stats=1 -artifact_prefix=".build/findings/$name-" ".build/corpus/$name" "fuzz/corpus/$name" \
    </dev/null >"$log" 2>&1; then
    echo "$name: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, no finding"
    return
  fi
  grep -E 'not so|ERROR|SUMMARY|Test unit written' "$log" || tail -n 20 "$log"
  echo "$name: to see it again: SWIFT_BACKTRACE=enable=no $program $name FILE" >&2
  return 1
}
export -f run
{ if [[ -n $target ]]; then echo "$target"; else "$program"; fi; } |
  xargs -P "$jobs" -I{} bash -euo pipefail -c 'run {}'
