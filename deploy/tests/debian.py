"""Debian's files with systemd, for tests that need a whole system: made once by debootstrap(8), in .build/debian."""

import subprocess

import host

ROOT = host.ROOT / ".build/debian"
CONTENTS = "systemd,systemd-sysv,dbus,iproute2,nftables,procps,passwd"


def install() -> None:
    if (ROOT / "etc/debian_version").exists():
        return
    unfinished = ROOT.with_suffix(".new")
    subprocess.run(["rm", "-rf", unfinished], check=True)
    command = ["debootstrap", "--variant=minbase", f"--include={CONTENTS}", "bookworm", unfinished]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    unfinished.rename(ROOT)
