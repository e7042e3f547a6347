#!/usr/bin/env python3
"""Records what a TUN device hands up when trains arrive: tun-trains.bin, beside this script.

    namespace a: this script writes super-packets -> TUN -> routing -> veth
    namespace b: veth -> routing -> TUN -> this script reads

Once the veth carries the super-packets whole, as a host does for its guests; once it cuts them into segments, which GRO
at the other end glues together again. Needs root, iproute2 and ethtool. Each record: its length as four bytes, little
endian, then the vnet header (12 bytes) and the packet.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
from pathlib import Path

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x1000, 0x4000
PARTS, SIZE, LAST = 10, 1400, 333


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


def tun_in(namespace: str) -> int:
    """Opens a TUN device with vnet headers and offloads in a namespace; it stays there with its descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    home, there = (os.open(path, os.O_RDONLY) for path in ("/proc/self/ns/net", f"/run/netns/{namespace}"))
    assert libc.setns(there, 0) == 0
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(device, TUNSETVNETHDRSZ, struct.pack("i", 12))
    fcntl.ioctl(device, TUNSETOFFLOAD, 1 | 2 | 4)
    assert libc.setns(home, 0) == 0
    return device


def folded(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def super_packet(is_ipv6: bool) -> bytes:
    payload = b"".join(bytes([part]) * (LAST if part == PARTS - 1 else SIZE) for part in range(PARTS))
    length = 20 + len(payload)
    if is_ipv6:
        addresses = bytes.fromhex("fd0a" + "00" * 13 + "02" + "fd0b" + "00" * 13 + "02")
        ip = struct.pack("!IHBB", 6 << 28, length, 6, 64) + addresses
    else:
        addresses = bytes([10, 1, 0, 2, 10, 2, 0, 2])
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 6, 0) + addresses
        ip = ip[:10] + struct.pack("!H", 0xFFFF - folded(ip)) + ip[12:]
    pseudo = folded(addresses + struct.pack("!HH", 6, length))
    tcp = struct.pack("!HHIIBBHHH", 40000, 4567, 1000, 2000, 5 << 4, 0x10, 0xFFFF, pseudo, 0)
    vnet = struct.pack("<BBHHHHH", 1, 4 if is_ipv6 else 1, len(ip) + 20, SIZE, len(ip), 16, 0)
    return vnet + ip + tcp + payload


def main() -> None:
    file = Path(__file__).with_name("tun-trains.bin")
    try:
        for name in "ab":
            run(f"ip netns add guise-record-{name}")
        run("ip link add eth0 netns guise-record-a type veth peer name eth0 netns guise-record-b")
        writer, reader = tun_in("guise-record-a"), tun_in("guise-record-b")
        for name, own, other, net, far in (("a", 1, 2, 1, 2), ("b", 2, 1, 2, 1)):
            ip = f"ip -n guise-record-{name}"
            inside = f"ip netns exec guise-record-{name}"
            run(f"{inside} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
            run(f"{ip} address add 10.0.0.{own}/24 dev eth0")
            run(f"{ip} address add fd00::{own}/64 dev eth0 nodad")
            run(f"{ip} address add 10.{net}.0.1/24 dev tun0")
            run(f"{ip} address add fd0{'xab'[net]}::1/64 dev tun0 nodad")
            run(f"{ip} link set eth0 up")
            run(f"{ip} link set tun0 up")
            run(f"{ip} route add 10.{far}.0.0/24 via 10.0.0.{other}")
            run(f"{ip} route add fd0{'xab'[far]}::/64 via fd00::{other}")
            run(f"{inside} ethtool -K eth0 gro on")
        records = b""
        for tso in ("on", "off"):
            run(f"ip netns exec guise-record-a ethtool -K eth0 tso {tso}")
            for is_ipv6 in (False, True):
                count = 0
                while count < 1:
                    os.write(writer, super_packet(is_ipv6))
                    while select.select([reader], [], [], 0.3)[0]:
                        packet = os.read(reader, 70000)
                        # Not what the kernel sends by itself, and one of what waited until neighbours were known.
                        if packet[1] == 0 or count > 0:
                            continue
                        records += struct.pack("<I", len(packet)) + packet
                        count += 1
                        print(f"tso {tso}, {len(packet)} bytes: vnet header {packet[:12].hex(' ')}")
        file.write_bytes(records)
    finally:
        for name in "ab":
            subprocess.run(["ip", "netns", "del", f"guise-record-{name}"], check=False)


if __name__ == "__main__":
    main()
