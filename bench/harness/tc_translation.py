"""guise with its addresses translated by programs at tc in place of nftables: packets that neither netfilter nor routing
sees. guise itself does not do so (docs/decisions/0085-translation-at-tc.md); needs clang and libbpf-dev."""

import ipaddress
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .cable import CLIENT_ADDRESS, SERVER_ADDRESS, TCP_PORT, Cable
from .contenders import Guise, Passage
from .programs import BenchFailure, run

SOURCE = Path(__file__).resolve().parent / "translate.bpf.c"
#: Of libbpf-dev.
HEADER = Path("/usr/include/bpf/bpf_helpers.h")
#: The addresses of the TUN devices and of guise's TCP ends behind them.
CLIENT_TUN, CLIENT_END = "192.168.200.1", "192.168.200.2"
SERVER_TUN, SERVER_END = "192.168.201.1", "192.168.201.2"
TUN = "guise0"
OUTLET = "eth0"


@dataclass(frozen=True)
class TCTranslatedGuise(Guise):
    """The same gateways with `--firewall off`. Their rules aside, nothing is tracked in these namespaces."""

    @property
    def server_command(self) -> list[str]:
        return [*super().server_command, "--tun-local", SERVER_TUN, "--tun-peer", SERVER_END]

    @property
    def client_command(self) -> list[str]:
        return [*super().client_command, "--tun-local", CLIENT_TUN, "--tun-peer", CLIENT_END]

    @property
    def _both_options(self) -> list[str]:
        return [*super()._both_options, "--tun", TUN, "--firewall", "off"]

    @contextmanager
    def passage(self, cable: Cable) -> Iterator[Passage]:
        with super().passage(cable) as passage:
            attach(cable, cable.client, CLIENT_END, CLIENT_ADDRESS, "source")
            attach(cable, cable.server, SERVER_END, SERVER_ADDRESS, "dest")
            try:
                yield passage
            finally:
                # The TUN devices take theirs with them.
                for namespace in (cable.client, cable.server):
                    cable.run(namespace, ["tc", "qdisc", "delete", "dev", OUTLET, "clsact"])


def can_build() -> bool:
    return shutil.which("clang") is not None and HEADER.exists()


def need_compiler() -> None:
    if not can_build():
        raise BenchFailure("--with-tc needs clang and libbpf's headers: run 'apt-get install clang libbpf-dev'")


def attach(cable: Cable, namespace: str, inner: str, outer: str, port: str) -> None:
    """Puts the programs where packets enter a namespace's devices."""
    def index(device: str) -> int:
        return int(cable.run(namespace, ["cat", f"/sys/class/net/{device}/ifindex"]))

    program = cable.folder / f"{namespace}.o"
    build(program, inner, outer, port, index(TUN), index(OUTLET))
    for device, section in ((TUN, "outward"), (OUTLET, "inward")):
        cable.run(namespace, ["tc", "qdisc", "add", "dev", device, "clsact"])
        cable.run(namespace, ["tc", "filter", "add", "dev", device, "ingress", "bpf", "direct-action",
                              "object-file", str(program), "section", section])


def build(program: Path, inner: str, outer: str, port: str, tun: int, outlet: int) -> None:
    """Compiles both programs; `port` is the field of the TCP header in which the server's is, `source` or `dest`."""
    known = {"INNER": int(ipaddress.IPv4Address(inner)), "OUTER": int(ipaddress.IPv4Address(outer)), "PORT": port,
             "TCP_PORT": TCP_PORT, "TUN": tun, "OUTLET": outlet}
    run(["clang", "-O2", "-g", "-target", "bpf", "-I", f"/usr/include/{architecture()}",
         *(f"-D{name}={value}" for name, value in known.items()), "-c", str(SOURCE), "-o", str(program)])


def architecture() -> str:
    """Where Debian has headers of this machine's own, asm/types.h among them."""
    return run(["clang", "-print-target-triple"]).strip().replace("-pc-", "-")
