#!/usr/bin/env bash
# Shows what guise costs: the same UDP traffic over the same veth pair, first plain, then through guise.
#
#   client namespace                                server namespace
#   sender -> 127.0.0.1:5000                        127.0.0.1:6000 -> sink or echo
#                  |                                        ^
#            guise client  == TCP port 4567 over veth ==  guise server
#              192.0.2.1                              192.0.2.2
#
# Usage: demo.sh [DIRECTORY WITH guise AND guise-load]. Needs root. Changes nothing outside its two
# namespaces, and removes them whatever happens. SECONDS_EACH sets the length of a measurement.
set -euo pipefail

binaries=$(realpath "${1:-.build/release}")
guise=${GUISE_BINARY:-$binaries/guise}
load=${GUISE_LOAD_BINARY:-$binaries/guise-load}
seconds=${SECONDS_EACH:-5}

client_ns=guise-demo-$$-client
server_ns=guise-demo-$$-server
client_ip=192.0.2.1
server_ip=192.0.2.2
flow_count=5
work=$(mktemp -d)
started=()

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

step_number=0
step() {
  step_number=$((step_number + 1))
  printf '%s[%d/6]%s %s\n' "$bold" "$step_number" "$plain" "$1"
}

in_client() { ip netns exec "$client_ns" "$@"; }
in_server() { ip netns exec "$server_ns" "$@"; }

# Stops a process that this script started: TERM, and KILL when it takes longer than three seconds.
stop() {
  local pid=$1
  kill -TERM "$pid" 2>/dev/null || true
  for _ in {1..60}; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

clean_up() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  for pid in "${started[@]}"; do stop "$pid"; done
  ip netns del "$client_ns" 2>/dev/null || true
  ip netns del "$server_ns" 2>/dev/null || true
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Says what went wrong, shows the logs, and gives up.
fail() {
  printf '\n%s\n' "demo: $1" >&2
  for log in "$work"/*.log; do
    [[ -s $log ]] || continue
    printf '\n--- %s (last lines)\n' "$(basename "$log" .log)" >&2
    tail -n 25 "$log" >&2
  done
  exit 1
}

# Starts a command in the background with its stderr in a log: start LOG NAMESPACE COMMAND... The command's
# stdout goes to LOG.json; its process is left in $pid.
start() {
  local name=$1 namespace=$2
  shift 2
  ip netns exec "$namespace" "$@" </dev/null >"$work/$name.json" 2>"$work/$name.log" &
  pid=$!
  started+=("$pid")
}

# The first number behind a key of a JSON file.
number() {
  local found
  found=$(grep -o "\"$1\":[-0-9.e+]*" "$2" | head -n 1) || return 1
  echo "${found#*:}"
}

# Waits until a UDP port is taken in the server namespace.
wait_for_port() {
  for _ in {1..100}; do
    if [[ -n $(in_server ss -Huln "sport = :$1") ]]; then return; fi
    sleep 0.05
  done
  fail "nothing listens on UDP port $1"
}

start_echo() {
  start "echo" "$server_ns" "$load" echo --listen 0.0.0.0:6000 --quiet
  echo_pid=$pid
  wait_for_port 6000
}

# Both gateways must be alive: what one that crashed left behind is no result.
check_gateways() {
  [[ -z ${server_pid:-} ]] || kill -0 "$server_pid" 2>/dev/null || fail "guise server ended"
  [[ -z ${client_pid:-} ]] || kill -0 "$client_pid" 2>/dev/null || fail "guise client ended"
}

# throughput NAME TARGET FLOWS: floods TARGET for a while; leaves what arrived in NAME.json.
throughput() {
  local name=$1 target=$2 flows=$3
  start "$name" "$server_ns" "$load" sink --listen 0.0.0.0:6000 --json --quiet \
    --expect-json "$work/$name.sent"
  local sink=$pid
  wait_for_port 6000
  in_client "$load" send --to "$target" --flows "$flows" --size 1400 --rate max --duration "$seconds" \
    --json --quiet >"$work/$name.sent" 2>"$work/$name-sender.log" || fail "the sender of '$name' failed"
  sleep 0.3
  stop "$sink"
  check_gateways
  [[ -s $work/$name.json ]] || fail "the sink of '$name' failed"
  [[ $(number received "$work/$name.json") -gt 0 ]] || fail "nothing arrived in '$name'"
}

# latency NAME TARGET: leaves round trips in NAME.json.
latency() {
  in_client "$load" ping --to "$2" --size 200 --duration 3 --json --quiet >"$work/$1.json" \
    2>"$work/$1-sender.log" || fail "no answer to '$1'"
  check_gateways
}

[[ $EUID -eq 0 ]] || fail "needs root, for network namespaces and TUN devices: run 'sudo make demo'"
for program in "$guise" "$load"; do
  [[ -x $program ]] || fail "there is no $program: run 'make build' first"
done

printf '%sguise: UDP in the shape of TCP%s, %s cores, Linux %s\n' "$bold" "$plain" "$(nproc)" "$(uname -r)"

step "two namespaces joined by a veth pair"
ip netns add "$client_ns"
ip netns add "$server_ns"
ip link add guise-c netns "$client_ns" type veth peer name guise-s netns "$server_ns"
in_client ip address add "$client_ip/24" dev guise-c
in_server ip address add "$server_ip/24" dev guise-s
in_client ip link set lo up
in_server ip link set lo up
in_client ip link set guise-c up
in_server ip link set guise-s up

step "plain UDP over it: 1 flow, $flow_count flows, then round trips"
throughput direct-1 "$server_ip:6000" 1
throughput direct-n "$server_ip:6000" "$flow_count"
start_echo
latency direct-ping "$server_ip:6000"

step "guise at both ends"
printf '%s      server: guise server --local 4567 --remote 127.0.0.1:6000%s\n' "$dim" "$plain"
printf '%s      client: guise client --local 127.0.0.1:5000 --remote %s:4567%s\n' "$dim" "$server_ip" "$plain"
start guise-server "$server_ns" "$guise" server --local 4567 --remote 127.0.0.1:6000
server_pid=$pid
start guise-client "$client_ns" "$guise" client --local 127.0.0.1:5000 --remote "$server_ip:4567"
client_pid=$pid
crossed=no
for _ in {1..20}; do
  check_gateways
  if in_client "$load" ping --to 127.0.0.1:5000 --count 1 --quiet >/dev/null 2>&1; then
    crossed=yes
    break
  fi
  sleep 0.2
done
[[ $crossed == yes ]] || fail "nothing crossed from the client to the service and back"

step "the same through guise: round trips"
latency guise-ping 127.0.0.1:5000
stop "$echo_pid"

step "the same through guise: 1 flow, $flow_count flows"
throughput guise-1 127.0.0.1:5000 1
throughput guise-n 127.0.0.1:5000 "$flow_count"

step "what came through"
# row LABEL NAME REFERENCE: throughput in Gbit/s, datagrams/s, loss, and the ratio to the reference.
row() {
  local file=$work/$2.json
  awk -v label="$1" -v bits="$(number bitsPerSecond "$file")" -v rate="$(number datagramsPerSecond "$file")" \
    -v loss="$(number lossPercent "$file")" -v corrupt="$(number corrupt "$file")" \
    -v reference="$(number bitsPerSecond "$work/$3.json")" 'BEGIN {
      printf "  %-28s %8.2f %14d %9.2f %% %8.2f x\n", label, bits / 1e9, rate, loss, bits / reference
      if (corrupt > 0) printf "  %28s %d damaged\n", "", corrupt
    }'
}
latency_row() {
  local file=$work/$2.json
  awk -v label="$1" -v p50="$(number p50 "$file")" -v p99="$(number p99 "$file")" \
    -v lost="$(number lost "$file")" 'BEGIN { printf "  %-28s %8.1f %14.1f %11d\n", label, p50, p99, lost }'
}
printf '\n%s  %-28s %8s %14s %11s %10s%s\n' "$bold" "1400-byte datagrams, flooded" "Gbit/s" "datagrams/s" \
  "lost" "of direct" "$plain"
row "direct, 1 flow" direct-1 direct-1
row "guise, 1 flow" guise-1 direct-1
row "direct, $flow_count flows" direct-n direct-n
row "guise, $flow_count flows" guise-n direct-n
printf '\n%s  %-28s %8s %14s %11s%s\n' "$bold" "200-byte round trips" "p50 us" "p99 us" "lost" "$plain"
latency_row "direct" direct-ping
latency_row "guise" guise-ping
printf '\n%s  Sender, both gateways and receiver share %s cores. Flooded means as fast as the sender can:\n' \
  "$dim" "$(nproc)"
printf '  what the path cannot carry is lost, as UDP has it. Sender and receiver use no segmentation offload, and\n'
printf '  every datagram that arrived was verified byte for byte.%s\n' "$plain"

stop "$client_pid"
stop "$server_pid"
