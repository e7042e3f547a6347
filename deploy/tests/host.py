"""A host to install packages on: an overlay on this one's files, and network, mount and process namespaces of its own.

systemd does not run there, so units' commands are started as they stand in the units.
"""

import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("GUISE_BINARIES", ROOT / ".build/release"))

# $1: a folder for the overlay, $2: packages' folder, $3: what to do there. It gets all of its host from unshare(1).
HOST = """
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mkdir "$1/root/run/packages"
mount --bind "$2" "$1/root/run/packages"
ip link set lo up
# Whatever the caller's is: what stands in for systemctl(1) comes first.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot "$1/root" /bin/bash -euc "$3"
"""

TOOLS = """
# Files of ours on the host.
ours() {
  find /etc /usr /var -xdev \\( -name 'guise*' -o -name '_guise' -o -name '10-guise*' -o -path '/etc/guise/*' \\) -not -path '/var/lib/dpkg/*' | sort
}
install() { dpkg -i --force-depends --force-confold /run/packages/guise_"$1"_*.deb >/dev/null; }

# Two ends of a cable, 10.0.0.1 and 10.0.0.2, in namespaces of their own: in_end client|server COMMAND...
entry() { [ -z "$1" ] || echo "nsenter --net=/run/netns/$1"; }
in_end() { local end=$1; shift; $(entry "$end") "$@"; }
ends() {
  ip netns add client; ip netns add server
  ip -n client link add eth0 type veth peer name eth0 netns server
  local number=0
  for end in client server; do
    ip -n "$end" link set lo up
    ip -n "$end" link set eth0 up
    ip -n "$end" address add "10.0.0.$((number += 1))/24" dev eth0
  done
  echo '10.0.0.2 server.example' >>/etc/hosts
}

# start UNIT [END]: the unit's own command, whose process is in /run/units then, and whose log is /run/UNIT.log.
start() {
  local template=${1/@*./@.} instance=${1#*@}
  local command; command=$(sed -n 's/^ExecStart=//p' "/usr/lib/systemd/system/$template")
  mkdir -p /run/units
  $(entry "${2:-}") ${command//%i/${instance%.service}} >>"/run/$1.log" 2>&1 &
  echo $! >"/run/units/$1"
}
main() { cat "/run/units/$1"; }
# stop UNIT [SIGNAL]
stop() { local process; process=$(main "$1"); kill -s "${2:-TERM}" "$process"; wait "$process" || true; rm "/run/units/$1"; }
count() { grep -c "$2" "/run/$1.log" || true; }
# until_log UNIT TEXT TIMES: a machine that is busy is given time.
until_log() {
  for _ in $(seq 600); do [ "$(count "$1" "$2")" -ge "$3" ] && return; sleep 0.1; done
  echo "the log of $1 never had $3 of '$2':"; cat "/run/$1.log"; exit 1
}
until_true() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "never true: $*"; exit 1; }

# In the place of systemctl(1), for what the package's scripts ask of it: units are those of 'start'.
systemd() {
  mkdir -p /run/systemd/system /run/units
  cat >/usr/local/bin/systemctl <<'END'
#!/bin/bash
for word; do unit=$word; done
case " $* " in
  *" list-units "*) for unit in /run/units/*; do echo "${unit##*/} loaded active running"; done ;;
  *" kill "*) signal=$(grep -o 'signal=[A-Z0-9]*' <<<"$*"); kill -s "${signal#*=SIG}" "$(cat "/run/units/$unit")" ;;
esac
END
  chmod 755 /usr/local/bin/systemctl
}
"""


def package(folder: pathlib.Path, version: str) -> None:
    """Makes a Debian package of the binaries, in haste."""
    environment = os.environ | {
        "DEB_VERSION": version, "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"
    }
    subprocess.run(
        [ROOT / "scripts/deb.sh", BINARIES, folder], check=True, env=environment, capture_output=True, timeout=600
    )


def run(packages: pathlib.Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script with bash on a new host, with TOOLS, and packages in /run/packages."""
    with tempfile.TemporaryDirectory() as overlay:
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", HOST, "host"]
        return subprocess.run(
            command + [overlay, str(packages), TOOLS + script],
            capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
        )
