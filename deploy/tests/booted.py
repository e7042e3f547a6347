"""The package under a real systemd, which is process 1 of a container (systemd-nspawn(1)): `make systemd`.

What happens there stays in memory.
"""

import json
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

import debian
import host

# A client in a network namespace of its own, and programs that speak through it to the service of unit 'guise'.
CLIENT = """
ip netns add client
ip link add eth0 type veth peer name eth0 netns client
ip address add 10.0.0.2/24 dev eth0
ip link set eth0 up
ip -n client address add 10.0.0.1/24 dev eth0
ip -n client link set eth0 up
ip -n client link set lo up
client='nsenter --net=/run/netns/client'
$client guise client --local 127.0.0.1:51821 --remote 10.0.0.2:4567 --workers 1 2>/run/client.log & gateway=$!
guise-load sink --listen 127.0.0.1:51820 --json --quiet >/run/sink.json & sink=$!
until grep -q ' ready: ' /run/client.log; do sleep 0.1; done
$client guise-load send --to 127.0.0.1:51821 --flows 10 --rate 2000p --size 200 --duration 6 --opening 1 \\
  --json --quiet >/run/sent.json & sender=$!
ports() { ss -Hun dst 127.0.0.1:51820 | awk '{ print $3 }' | sort; }
sleep 3
ports >/run/ports
"""


class Container:
    """Debian with systemd, for as long as it is in use."""

    def __init__(self, packages: pathlib.Path) -> None:
        debian.install()
        self.nspawn = subprocess.Popen(
            [
                "systemd-nspawn", f"--directory={debian.ROOT}", "--volatile=overlay", "--boot", "--register=no", "--keep-unit",
                "--private-network", "--capability=CAP_NET_ADMIN", "--bind=/dev/net/tun", "--console=pipe",
                f"--bind-ro={packages}:/packages",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self.is_up():
            if self.nspawn.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("systemd did not come up in the container")
            time.sleep(0.2)

    def is_up(self) -> bool:
        first = subprocess.run(["pgrep", "-P", str(self.nspawn.pid)], capture_output=True, text=True).stdout.split()
        self.first = first[0] if first else None
        return self.first is not None and self.try_run("systemctl is-system-running").stdout.strip() == "running"

    def try_run(self, script: str) -> subprocess.CompletedProcess[str]:
        assert self.first
        entry = ["nsenter", f"--target={self.first}", "-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w"]
        return subprocess.run(
            entry + ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-euc", script],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
        )

    def close(self) -> None:
        self.nspawn.terminate()
        self.nspawn.wait(timeout=30)


class SystemdTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for version in ("0.1.0-1", "0.1.0-2"):
            host.package(pathlib.Path(folder.name), version)
        self.container = Container(pathlib.Path(folder.name))
        self.addCleanup(self.container.close)
        self.run_in("dpkg -i /packages/guise_0.1.0-1_*.deb")
        self.write('[server.home]\nlocal = 4567\nremote = "127.0.0.1:51820"\n')

    def run_in(self, script: str) -> str:
        done = self.container.try_run(script)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def write(self, text: str) -> None:
        self.run_in(f"cat >/etc/guise/guise.toml <<'END'\n{text}END")

    def state(self) -> dict[str, str]:
        names = "MainPID,NRestarts,ActiveState,SubState,StatusText,Result"
        return dict(line.split("=", 1) for line in self.run_in(f"systemctl show guise -p {names}").splitlines())

    def expect(self, **wanted: str) -> dict[str, str]:
        deadline = time.monotonic() + 20
        while True:
            state = self.state()
            if wanted.items() <= state.items():
                return state
            if time.monotonic() > deadline:
                self.fail(f"{state}\n{self.run_in('journalctl --no-pager -u guise | tail -n 40')}")
            time.sleep(0.1)

    def test_the_unit_is_good_and_confined(self) -> None:
        self.run_in("systemd-analyze verify --man=no guise.service guise@office.service")
        overall = re.search(r"exposure level.*: ([\d.]+)", self.run_in("systemd-analyze security guise.service"))[1]
        print(f"\nsystemd-analyze security: {overall}")
        self.assertLess(float(overall), 4)

    def test_it_starts_reloads_is_upgraded_and_leaves_nothing(self) -> None:
        before = self.run_in("sysctl net.ipv4.ip_forward; nft list ruleset; ip -br link; ls -d /run/guise || true")
        # Returns when the unit says that it is ready.
        self.run_in("systemctl start guise")
        main = self.expect(SubState="running", StatusText="1 of 1 tunnel up")["MainPID"]
        self.assertRegex(
            self.run_in("journalctl --no-pager -u guise -p notice"), r"guise\[\d+\]: notice   ready: TCP port 4567")
        self.assertNotIn("starting", self.run_in("journalctl --no-pager -o cat -u guise -p notice"))

        report = self.run_in(
            CLIENT
            + """
            dpkg -i /packages/guise_0.1.0-2_*.deb >/dev/null
            wait $sender
            ports | diff /run/ports -
            kill $sink; wait $sink || true
            kill $gateway; wait $gateway; ip netns delete client
            cat /run/sent.json /run/sink.json
            """
        )
        sent, received = (json.loads(line) for line in report.splitlines())
        silence = received["longestSilenceSeconds"]
        print(f"\nupgrade: {sent['sent'] - received['received']} of {sent['sent']} lost, {silence * 1e3:.0f} ms of silence")
        self.assertEqual(received["flows"], 10)
        self.assertLess(silence, 0.5)
        self.expect(SubState="running", MainPID=main, NRestarts="0", StatusText="1 of 1 tunnel up")

        self.run_in("printf '[server.two]\\nlocal = 4568\\nremote = \"127.0.0.1:2\"\\n' >>/etc/guise/guise.toml")
        self.run_in("systemctl reload guise")
        self.expect(MainPID=main, StatusText="2 of 2 tunnels up")

        self.run_in("dpkg -P guise 2>&1")
        after = self.run_in("sysctl net.ipv4.ip_forward; nft list ruleset; ip -br link; ls -d /run/guise || true")
        self.assertEqual(after, before)
        self.assertEqual(self.run_in("getent passwd guise || true; ls -d /etc/guise 2>/dev/null || true"), "")

    def test_who_hangs_or_dies_is_started_again(self) -> None:
        self.run_in(
            "mkdir -p /run/systemd/system/guise.service.d;"
            "printf '[Service]\\nWatchdogSec=3\\n' >/run/systemd/system/guise.service.d/quick.conf;"
            "systemctl daemon-reload; systemctl start guise"
        )
        main = self.state()["MainPID"]
        self.run_in(f"kill -STOP {main}")
        self.expect(SubState="running", NRestarts="1", StatusText="1 of 1 tunnel up")
        self.assertIn("Watchdog timeout", self.run_in("journalctl --no-pager -u guise"))
        self.run_in("systemctl kill --signal=KILL guise")
        self.expect(SubState="running", NRestarts="2", StatusText="1 of 1 tunnel up")
        self.run_in("systemctl stop guise")
        self.expect(ActiveState="inactive", Result="success")


if __name__ == "__main__":
    unittest.main(verbosity=2)
