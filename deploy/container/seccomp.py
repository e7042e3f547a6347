#!/usr/bin/env python3
"""Makes seccomp.json: a container engine's default profile, with io_uring, which such profiles have come to forbid, with
bpf(2) for who has CAP_BPF, and without what guise denies itself (SupervisorCalls.swift).

The default that is here is that of Podman and Buildah, which is Docker's with additions (Debian's package
golang-github-containers-common, Apache-2.0); another engine's file can be given.
"""

import json
import pathlib
import re
import sys

DEFAULT = "/usr/share/containers/seccomp.json"
DENIED = pathlib.Path(__file__).resolve().parents[2] / "Sources/Control/Confinement/SupervisorCalls.swift"
RING = {"io_uring_enter", "io_uring_register", "io_uring_setup"}
#: To attach programs at tc.
BPF = {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}}
#: Set-up needs these before they are given up: to go on as another user, and whatever starts processes.
KEPT = RING | {
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "clone", "clone3",
}
#: Podman's alone; Docker knows errors by their number.
FOREIGN = ("errno", "defaultErrno", "comment")


def denied() -> set[str]:
    """What nothing in the container may ask of the kernel."""
    return set(re.findall(r"\bSYS_(\w+)", DENIED.read_text())) - KEPT


def profile(default: dict) -> dict:
    ring = {"names": sorted(RING), "action": "SCMP_ACT_ALLOW"}
    rules = [ring, BPF]
    for rule in default["syscalls"]:
        names = set(rule["names"]) - RING - set(BPF["names"])
        if rule["action"] == "SCMP_ACT_ALLOW":
            names -= denied()
        plain = {key: value for key, value in rule.items() if value and key not in FOREIGN}
        if names:
            rules.append(plain | {"names": sorted(names)})
    return {key: value for key, value in default.items() if key not in FOREIGN} | {"syscalls": rules}


if __name__ == "__main__":
    default = json.loads(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else DEFAULT).read_text())
    print(json.dumps(profile(default), indent=1))
