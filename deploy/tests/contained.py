"""The image of deploy/container, run by Podman and crun with the options that docs/OPERATING.md gives: `make container`.

Nothing is pulled: the image's base is made by debootstrap(8), as for booted.py.
"""

import json
import pathlib
import re
import resource
import shlex
import subprocess
import tempfile
import time
import unittest

import debian
import host

BASE, IMAGE = "localhost/guise-test-base", "localhost/guise-test"
PROFILE = host.ROOT / "deploy/container/seccomp.json"
LOAD = host.BINARIES / "guise-load"


def execute(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def documented_options() -> list[str]:
    """Of `docker run` in the guide, without those that say where and how long."""
    guide = (host.ROOT / "docs/OPERATING.md").read_text().replace("\\\n", " ")
    options = shlex.split(re.search(r"^docker run (.*) guise$", guide, re.MULTILINE)[1])
    for pair in (["--name", "guise"], ["--network", "host"], ["--restart", "on-failure"]):
        at = options.index(pair[0])
        assert options[at:at + 2] == pair
        del options[at:at + 2]
    options.remove("--detach")
    assert "--security-opt" in options
    return options


class ContainerTest(unittest.TestCase):
    ends = ("client", "server")

    @classmethod
    def setUpClass(cls) -> None:
        debian.install()
        with tempfile.TemporaryDirectory() as folder:
            host.package(pathlib.Path(folder), "0.1.0-1")
            with subprocess.Popen(["tar", "-C", debian.ROOT, "-c", "."], stdout=subprocess.PIPE) as files:
                subprocess.run(["podman", "import", "-", BASE], stdin=files.stdout, check=True, capture_output=True)
            execute("podman", "build", "--isolation=chroot", "--network=host", f"--build-arg=BASE={BASE}", f"--tag={IMAGE}",
                    f"--file={host.ROOT / 'deploy/container/Dockerfile'}", folder)

    @classmethod
    def tearDownClass(cls) -> None:
        execute("podman", "rmi", "--force", IMAGE, BASE)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.spaces = {end: f"guise-test-{end}" for end in self.ends}
        for space in self.spaces.values():
            execute("ip", "netns", "add", space)
            self.addCleanup(execute, "ip", "netns", "delete", space)
        client, server = self.spaces.values()
        execute("ip", "-n", client, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", server)
        for number, space in enumerate(self.spaces.values(), 1):
            for device in ("lo", "eth0"):
                execute("ip", "-n", space, "link", "set", device, "up")
            execute("ip", "-n", space, "address", "add", f"10.0.0.{number}/24", "dev", "eth0")
            self.at(space, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def at(self, space: str, *command: object) -> str:
        return execute("ip", "netns", "exec", space, *command)

    def start(self, end: str, text: str, seccomp: str | None) -> None:
        """Starts a container, and waits until its tunnel is up."""
        (self.folder / end).mkdir(exist_ok=True)
        (self.folder / end / "run").mkdir(exist_ok=True)
        (self.folder / end / "guise.toml").write_text(text)
        options = [
            option.replace("/etc/guise:/etc", f"{self.folder}/{end}:/etc").replace("/run/guise:/run", f"{self.folder}/{end}/run:/run")
            for option in documented_options()
        ]
        profile = "seccomp=deploy/container/seccomp.json"
        at = options.index(profile)
        options[at - 1:at + 1] = ["--security-opt", f"seccomp={seccomp}"] if seccomp else []
        # What this machine allows, and no cgroup: crun refuses hosts that have both versions.
        files = min(1 << 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        limits = [f"--ulimit=nofile={files}:{files}", "--ulimit=nproc=4096:4096", "--cgroups=disabled"]
        command = ["podman", "run", "--detach", f"--name={self.spaces[end]}", f"--network=ns:/run/netns/{self.spaces[end]}"]
        execute(*self.unified(), *command, *limits, *options, IMAGE)
        self.addCleanup(self.remove, end)
        deadline = time.monotonic() + 20
        while "1 of 1 tunnel up" not in self.log(end):
            if time.monotonic() > deadline:
                self.fail(self.log(end))
            time.sleep(0.1)

    def unified(self) -> list[str]:
        """In front of a command: cgroup v2 alone, in the place of whatever the host has."""
        return ["unshare", "--mount", "bash", "-c", 'mount -t cgroup2 none /sys/fs/cgroup; exec "$@"', "unified"]

    def remove(self, end: str) -> None:
        execute(*self.unified(), "podman", "rm", "--force", "--ignore", self.spaces[end])

    def log(self, end: str) -> str:
        done = subprocess.run(["podman", "logs", self.spaces[end]], capture_output=True, text=True)
        return done.stdout + done.stderr

    def ping(self) -> None:
        out = self.at(self.spaces["client"], LOAD, "ping", "--to", "127.0.0.1:1234", "--duration", "1", "--json", "--quiet")
        report = json.loads(out)
        self.assertGreater(report["received"], 100)
        self.assertEqual(report["received"], report["sent"])

    def carry(self, seccomp: str | None, engine: str) -> None:
        files = {
            "server": '[server.s]\nlocal = 4567\nremote = "127.0.0.1:5000"\n',
            "client": '[client.c]\nlocal = "127.0.0.1:1234"\nremote = "10.0.0.2:4567"\n',
        }
        echo = subprocess.Popen(
            ["ip", "netns", "exec", self.spaces["server"], LOAD, "echo", "--listen", "127.0.0.1:5000", "--quiet"])
        self.addCleanup(echo.wait)
        self.addCleanup(echo.terminate)
        for end, text in files.items():
            self.start(end, text, seccomp)
            self.assertIn(f"engine {engine}", self.log(end))
            self.assertIn("runs as user guise", self.log(end))
            self.assertNotIn(" warning ", self.log(end))
        self.ping()
        # Killed, it leaves its flow to the next container.
        execute(*self.unified(), "podman", "kill", "--signal=KILL", self.spaces["server"])
        self.remove("server")
        self.start("server", files["server"], seccomp)
        self.assertIn("going on with 1 flows", self.log("server"))
        self.ping()
        for end in self.ends:
            execute(*self.unified(), "podman", "stop", self.spaces[end])
            self.assertIn("ended; the host is as it was", self.log(end))
            self.assertEqual(self.at(self.spaces[end], "nft", "list", "tables"), "")
            self.assertNotIn("guise", self.at(self.spaces[end], "ip", "-br", "link"))

    def test_it_carries_datagrams_on_io_uring_with_the_profile(self) -> None:
        self.carry(str(PROFILE), "io_uring")

    def test_it_carries_datagrams_on_epoll_with_the_engines_default_profile(self) -> None:
        self.carry(None, "epoll")


if __name__ == "__main__":
    unittest.main(verbosity=2)
