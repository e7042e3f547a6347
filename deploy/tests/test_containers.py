"""What is said of containers agrees with the program, and with itself: seccomp profile, options, manifests."""

import json
import re
import subprocess
import unittest

from host import BINARIES, ROOT

CONFINEMENT = ROOT / "Sources/Control/Confinement"
KUBERNETES = ROOT / "deploy/kubernetes"
#: That guise asks of the kernel before its threads confine themselves, beside what every program does.
SET_UP = {"io_uring_setup", "prctl", "capset", "seccomp", "setresuid", "setresgid", "socket", "ioctl", "execve"}


def documented_capabilities() -> set[str]:
    """Of `docker run` in the guide."""
    return set(re.findall(r"--cap-add (\w+)", (ROOT / "docs/OPERATING.md").read_text()))


class SeccompProfileTest(unittest.TestCase):
    def setUp(self) -> None:
        profile = json.loads((ROOT / "deploy/container/seccomp.json").read_text())
        held = {f"CAP_{name}" for name in documented_capabilities()}
        self.allowed = set()
        for rule in profile["syscalls"]:
            needed = set(rule.get("includes", {}).get("caps", []))
            if rule["action"] == "SCMP_ACT_ALLOW" and needed <= held and "args" not in rule:
                self.allowed |= set(rule["names"])
            elif rule["action"] == "SCMP_ACT_ALLOW" and rule["names"] == ["socket"]:
                # All but the audit system's.
                self.allowed.add("socket")

    def calls(self, file: str) -> set[str]:
        """The system calls that a file of the program names."""
        names = set(re.findall(r"\bSYS_(\w+)", (CONFINEMENT / file).read_text()))
        self.assertTrue(names)
        return names

    def test_it_permits_whatever_guise_permits_its_threads(self) -> None:
        needed = set(SET_UP)
        for file in ("WorkerCalls.swift", "ObserverCalls.swift", "RuntimeCalls.swift"):
            needed |= self.calls(file)
        self.assertIn("io_uring_enter", needed)
        self.assertEqual(needed - self.allowed, set())

    def test_it_permits_nothing_that_guise_denies_itself_once_it_is_set_up(self) -> None:
        denied = self.calls("SupervisorCalls.swift")
        self.assertLessEqual({"bpf", "mount", "ptrace", "setns", "init_module"}, denied)
        another_user = {name for name in denied if re.match(r"set(re|res|fs)?[ug]id|setgroups", name)}
        self.assertEqual((denied & self.allowed) - another_user, {"io_uring_setup", "clone", "clone3"})


class KubernetesTest(unittest.TestCase):
    def text(self, name: str) -> str:
        return (KUBERNETES / name).read_text()

    def test_the_manifests_are_valid(self) -> None:
        for version in ("1.25", "1.37"):
            for name in ("namespace.yaml", "serviceaccount.yaml", "daemonset.yaml"):
                done = subprocess.run(
                    [ROOT / ".build/python/bin/kubernetes-validate", "--strict", "-k", version, KUBERNETES / name],
                    capture_output=True, text=True,
                )
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_kustomization_has_all_that_the_daemon_set_names(self) -> None:
        kustomization, daemon_set = self.text("kustomization.yaml"), self.text("daemonset.yaml")
        for name in re.findall(r"^ +- (\S+\.(?:yaml|toml))$", kustomization, re.MULTILINE):
            self.assertTrue((KUBERNETES / name).exists(), name)
        for name in ("guise.toml", "serviceaccount.yaml", "daemonset.yaml"):
            self.assertIn(f"- {name}\n", kustomization)
        self.assertRegex(daemon_set, r"configMap: \{name: guise\}")
        self.assertRegex(kustomization, r"configMapGenerator:\n  - name: guise\n")
        self.assertEqual(set(re.findall(r"image: (\S+)", daemon_set)), set(re.findall(r"  - name: (\S+)\n    newTag", kustomization)))

    def test_the_daemon_set_has_the_documented_capabilities(self) -> None:
        added = re.search(r"^ +add: \[(.*)\]$", self.text("daemonset.yaml"), re.MULTILINE)[1]
        self.assertEqual(set(added.split(", ")), documented_capabilities())

    def test_probes_go_where_the_tunnel_serves_metrics(self) -> None:
        address, port = re.search(r'^metrics = "(.*):(\d+)"$', self.text("guise.toml"), re.MULTILINE).groups()
        daemon_set = self.text("daemonset.yaml")
        self.assertIn(f"host: {address}, port: metrics, path: /healthz", daemon_set)
        self.assertRegex(daemon_set, rf"- name: metrics\n +containerPort: {port}\n")

    def test_the_tunnels_file_makes_sense(self) -> None:
        subprocess.run([BINARIES / "guise", "config", "check", "--config", KUBERNETES / "guise.toml"], check=True)


if __name__ == "__main__":
    unittest.main()
