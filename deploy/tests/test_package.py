"""The Debian package on a host of its own (host.py): it installs, carries traffic, is upgraded under it, and leaves nothing."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import host
from host import BINARIES, ROOT

# A server that needs nobody.
LONE = """
lone_server() { printf '[server.s]\\nlocal = 4567\\nremote = "127.0.0.1:5000"\\nworkers = 1\\n' >/etc/guise/guise.toml; }
"""

# wireguard-go at both ends of the README's tunnel, 10.9.0.1 and 10.9.0.2.
WIREGUARD = """
wireguard() {
  local number=0
  for end in client server; do
    in_end "$end" wireguard-go "wg-$end" >/dev/null 2>&1
    until_true in_end "$end" wg show "wg-$end"
    wg genkey >"/run/$end.key"
    ip -n "$end" address add "10.9.0.$((number += 1))/24" dev "wg-$end"
    ip -n "$end" link set "wg-$end" mtu 1420 up
  done
  in_end server wg set wg-server private-key /run/server.key listen-port 51820 \\
    peer "$(wg pubkey </run/client.key)" allowed-ips 10.9.0.1/32
  in_end client wg set wg-client private-key /run/client.key \\
    peer "$(wg pubkey </run/server.key)" allowed-ips 10.9.0.2/32 endpoint 127.0.0.1:51821
}
"""


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.packages = pathlib.Path(cls.folder.name) / "packages"
        host.package(cls.packages, "0.1.0-1")
        host.package(cls.packages, "0.1.0-2")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def on_host(self, script: str) -> str:
        done = host.run(self.packages, script)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def readme_file(self) -> str:
        """The README's configuration file, of ten lines at most."""
        text = re.search(r"```toml\n(# /etc/guise/guise\.toml\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
        self.assertLessEqual(len(text.splitlines()), 10)
        return text

    def files_of_both_ends(self) -> str:
        """Has each end keep its own table of the README's file: /etc/guise/guise.toml, /etc/guise/client.toml."""
        common, client, server = re.split(r"^(?=\[)", self.readme_file(), flags=re.MULTILINE)
        return f"""
            cat >/etc/guise/guise.toml <<'END'\n{common}{server}\nEND
            cat >/etc/guise/client.toml <<'END'\n{common}{client}\nEND
            """

    def test_the_readmes_file_carries_wireguard_and_a_removal_leaves_the_configuration_alone(self) -> None:
        out = self.on_host(
            WIREGUARD
            + """
            ends
            ours >/run/before
            state() { for end in client server; do in_end $end sysctl net.ipv4.ip_forward; ip -n $end -br link; done; }
            state >/run/state
            install 0.1.0-1
            getent passwd guise >/dev/null
            """
            + self.files_of_both_ends()
            + """
            start guise.service server
            start guise@client.service client
            for unit in guise.service guise@client.service; do until_log $unit '1 of 1 tunnel up' 1; done
            [ "$(ps -o user= -C guise | sort -u | grep -c guise)" = 1 ]
            wireguard
            in_end client ping -q -c 3 -i 0.2 -W 5 10.9.0.2 >&2
            $(entry server) iperf3 --server --bind 10.9.0.2 >/run/iperf3.log 2>&1 &
            until_true in_end client iperf3 --client 10.9.0.2 --bytes 1K
            for way in '' --reverse; do in_end client iperf3 --client 10.9.0.2 --bytes 16M --json $way | tr -d '\\n\\t'; echo; done
            in_end client wg show wg-client latest-handshakes | awk '{ exit $2 == 0 }'
            pkill wireguard-go
            stop guise@client.service; stop guise.service
            dpkg -r guise >/dev/null 2>&1
            for end in client server; do in_end $end nft list tables; done
            until_true eval 'state | diff /run/state -'
            if getent passwd guise || ls -d /run/guise; then exit 1; fi
            ours >/run/after
            diff /run/before /run/after || true
            """
        )
        streams = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        self.assertEqual(len(streams), 2)
        for stream in streams:
            # No rate is asked of a busy machine, only that a stream flows.
            self.assertGreater(stream["end"]["sum_received"]["bytes"], 1_000_000)
        rest = [line for line in out.splitlines() if line.startswith((">", "<", "table"))]
        self.assertEqual(rest, ["> /etc/guise", "> /etc/guise/client.toml", "> /etc/guise/guise.toml"], out)

    def test_an_upgrade_under_load_keeps_flows_and_their_ports(self) -> None:
        out = self.on_host(
            """
            ends
            systemd
            install 0.1.0-1
            """
            + self.files_of_both_ends()
            + """
            start guise.service server
            start guise@client.service client
            for unit in guise.service guise@client.service; do until_log $unit '1 of 1 tunnel up' 1; done
            $(entry server) guise-load sink --listen 127.0.0.1:51820 --json --quiet >/run/sink.json &
            sink=$!
            until_true eval "in_end server ss -Huln sport = :51820 | grep -q 51820"
            $(entry client) guise-load send --to 127.0.0.1:51821 --flows 10 --rate 2000p --size 200 --duration 6 --opening 1 \\
              --json --quiet >/run/sent.json &
            sender=$!
            ports() { in_end server ss -Hun dst 127.0.0.1:51820 | awk '{ print $3 }' | sort; }
            until_true eval '[ $(ports | wc -l) = 10 ]'
            sleep 1
            ports >/run/ports
            mains="$(main guise.service) $(main guise@client.service)"
            install 0.1.0-2
            for unit in guise.service guise@client.service; do until_log $unit '1 of 1 tunnel up' 2; done
            wait $sender
            ports | diff /run/ports -
            # The same processes, and none of the old program.
            for process in $mains $(pgrep -x guise); do [ "$(readlink /proc/$process/exe)" = /usr/bin/guise ]; done
            grep -h 'going on with 10 flows' /run/*.log | wc -l
            kill $sink; wait $sink || true
            tr -d '\\n' </run/sent.json; echo; tr -d '\\n' </run/sink.json; echo
            stop guise@client.service; stop guise.service
            """
        )
        ends, sent, received = (json.loads(line) for line in out.splitlines()[-3:])
        self.assertEqual(ends, 2, out)
        lost = sent["sent"] - received["received"]
        silence = received["longestSilenceSeconds"]
        print(f"\nupgrade: {lost} of {sent['sent']} lost, longest silence {silence * 1e3:.0f} ms")
        self.assertEqual((received["flows"], received["corrupt"]), (10, 0), out)
        # Some 20 ms an end where the machine is idle; 400 where ten others want its two CPUs.
        self.assertLess(silence, 2, out)

    def test_a_program_that_cannot_follow_the_configuration_does_not_take_over(self) -> None:
        self.on_host(
            LONE
            + """
            install 0.1.0-1
            lone_server
            start guise.service
            until_log guise.service '1 of 1 tunnel up' 1
            before=$(pgrep -x guise)
            tries=0
            for program in '#!/bin/sh\\necho no such key >&2\\nexit 2\\n' 'no program'; do
              printf "$program" >/usr/bin/guise.new; chmod 755 /usr/bin/guise.new; mv /usr/bin/guise.new /usr/bin/guise
              kill -USR2 $(main guise.service)
              # The next comes when this one has been tried.
              tries=$((tries + 1))
              until_log guise.service 'cannot ' $tries
            done
            until_log guise.service 'no such key' 1
            [ "$(pgrep -x guise)" = "$before" ]
            stop guise.service
            """
        )

    def test_a_tunnel_that_keeps_no_flows_is_ended_before_the_next_program_starts_it(self) -> None:
        self.on_host(
            LONE
            + """
            install 0.1.0-1
            lone_server
            echo 'flow-file = "off"' >>/etc/guise/guise.toml
            start guise.service
            until_log guise.service '1 of 1 tunnel up' 1
            kill -USR2 $(main guise.service)
            until_log guise.service '1 of 1 tunnel up' 2
            until_log guise.service 'its flows begin anew' 1
            until_log guise.service 'ended; the host is as it was' 1
            until_true eval '[ $(pgrep -xc guise) = 2 ]'
            stop guise.service
            """
        )

    def test_a_removal_undoes_what_a_killed_process_left(self) -> None:
        out = self.on_host(
            LONE
            + """
            install 0.1.0-1
            lone_server
            # That host has no address that programs at tc could translate to.
            echo 'firewall = "tracked"' >>/etc/guise/guise.toml
            start guise.service
            until_log guise.service 'ready: TCP port 4567' 1
            stop guise.service KILL
            nft list tables | grep -q guise
            dpkg -P guise >/dev/null 2>&1
            echo left: $(nft list tables) $(ip -br link show type tun) $(ls -d /run/guise /etc/guise 2>/dev/null)
            """
        )
        self.assertIn("left:\n", out.replace("left: \n", "left:\n"))


class PagesTest(unittest.TestCase):
    def page(self, name: str) -> str:
        done = subprocess.run(
            [ROOT / "scripts/manual.py", BINARIES / "guise", name], check=True, capture_output=True, text=True
        )
        return done.stdout

    def test_the_pages_are_good_roff(self) -> None:
        for name in ("guise.1", "guise.toml.5"):
            done = subprocess.run(
                ["man", "--warnings", "-l", "-"], input=self.page(name), capture_output=True, text=True,
                env=os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "100"},
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("SEE ALSO", done.stdout)

    def test_every_option_is_in_the_pages(self) -> None:
        page = self.page("guise.1").replace("\\-", "-")
        keys = self.page("guise.toml.5").replace("\\-", "-")
        for command in ("client", "server"):
            help_text = subprocess.run(
                [BINARIES / "guise", command, "--help"], check=True, capture_output=True, text=True
            ).stdout
            options = re.findall(r"^  (?:-\w, )?--([\w-]+)", help_text, re.MULTILINE)
            self.assertGreater(len(options), 20)
            for option in set(options) - {"version", "help"}:
                self.assertIn(f"\\fB--{option}\\fR", page)
                if option != "name":
                    self.assertIn(f".TP\n\\fB{option}\\fR", keys)

    def test_every_command_is_in_the_page_with_its_options(self) -> None:
        page = self.page("guise.1").replace("\\-", "-")
        sections = dict(re.findall(r"^\.SH (GUISE .*)\n((?:(?!\.SH ).*\n)*)", page, re.MULTILINE))
        self.assertIn("GUISE FLOWS CLOSE", sections)
        for title, section in sections.items():
            words = title.lower().split()[1:]
            help_text = subprocess.run(
                [BINARIES / "guise", *words, "--help"], check=True, capture_output=True, text=True
            ).stdout
            for option in set(re.findall(r"^  (?:-\w, )?--([\w-]+)", help_text, re.MULTILINE)) - {"version", "help"}:
                self.assertIn(f"\\fB--{option}\\fR", section, title)
        names = re.findall(r"^  (\w+) ", self.commands(), re.MULTILINE)
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertTrue(any(name.upper() in title.split() for title in sections), name)

    def commands(self) -> str:
        """What `guise --help` lists below SUBCOMMANDS."""
        help_text = subprocess.run([BINARIES / "guise", "--help"], check=True, capture_output=True, text=True).stdout
        return help_text.split("SUBCOMMANDS:\n")[1].split("\n\n")[0]


class UnitsTest(unittest.TestCase):
    def test_the_template_differs_in_names_alone(self) -> None:
        unit, template = ((ROOT / f"deploy/systemd/{name}.service").read_text() for name in ("guise", "guise@"))
        one = template.replace(" (%i)", "").replace("%i.toml", "guise.toml").replace("guise-%i", "guise")
        self.assertEqual(one, unit)


if __name__ == "__main__":
    unittest.main()
