#!/usr/bin/env python3
"""Makes seccomp.json: a container engine's default profile, and io_uring, which such profiles have come to forbid.

The default that is here is that of Podman and Buildah, which is Docker's with additions (Debian's package
golang-github-containers-common, Apache-2.0); another engine's file can be given.
"""

import json
import pathlib
import sys

DEFAULT = "/usr/share/containers/seccomp.json"
RING = ["io_uring_enter", "io_uring_register", "io_uring_setup"]
#: Podman's alone; Docker knows errors by their number.
FOREIGN = ("errno", "defaultErrno", "comment")


def profile(default: dict) -> dict:
    """The default with io_uring, without rules that say nothing."""
    rules = [{key: value for key, value in rule.items() if value and key not in FOREIGN} for rule in default["syscalls"]]
    for rule in rules:
        rule["names"] = sorted(set(rule["names"]) - set(RING))
    ring = {"names": RING, "action": "SCMP_ACT_ALLOW"}
    return {key: value for key, value in default.items() if key not in FOREIGN} | {"syscalls": [ring, *rules]}


if __name__ == "__main__":
    default = json.loads(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else DEFAULT).read_text())
    print(json.dumps(profile(default), indent=1))
