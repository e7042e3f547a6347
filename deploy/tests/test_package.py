"""The Debian package, on a host of its own: an overlay on this one's files, and network, mount and process namespaces.

systemd does not run there, so the unit's command is started as it stands in the unit.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

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
exec chroot "$1/root" /bin/bash -euc "$3"
"""

# What of ours is on the host.
OURS = """
ours() {
  find /etc /usr /var -xdev \\( -name 'guise*' -o -name '_guise' -o -name '60-guise*' \\) -not -path '/var/lib/dpkg/*' | sort
}
"""

# Starts the unit's own command, as $MAIN.
COMMAND = """
start() { $(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/guise.service) >>/run/log 2>&1 & MAIN=$!; }
count() { grep -c "$1" /run/log || true; }
# A machine that is busy is given time.
until_log() {
  for _ in $(seq 200); do [ "$(count "$1")" -ge "$2" ] && return; sleep 0.1; done
  echo "the log never had $2 of '$1':"; cat /run/log; exit 1
}
"""


def package(folder: pathlib.Path, version: str) -> None:
    environment = os.environ | {
        "DEB_VERSION": version, "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"
    }
    subprocess.run(
        [ROOT / "scripts/deb.sh", BINARIES, folder], check=True, env=environment, capture_output=True, timeout=120
    )


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.packages = pathlib.Path(cls.folder.name) / "packages"
        package(cls.packages, "0.1.0-1")
        package(cls.packages, "0.1.0-2")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def on_host(self, script: str) -> str:
        with tempfile.TemporaryDirectory() as overlay:
            command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", HOST, "host"]
            done = subprocess.run(
                command + [overlay, str(self.packages), OURS + COMMAND + script],
                capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_it_installs_runs_upgrades_and_leaves_the_configuration_alone(self) -> None:
        out = self.on_host(
            """
            ours >/run/before
            dpkg -i --force-depends /run/packages/guise_0.1.0-1_*.deb >/dev/null
            getent passwd guise >/dev/null
            printf '[server.s]\\nlocal = 4567\\nremote = "127.0.0.1:5000"\\nworkers = 1\\n' >/etc/guise/guise.toml
            start
            until_log 'ready: TCP port 4567' 1
            [ "$(ps -o user= -C guise | sort -u | grep -c guise)" = 1 ]
            # As the package's script has systemd do: killed, and started again.
            dpkg -i --force-depends --force-confold /run/packages/guise_0.1.0-2_*.deb >/dev/null
            kill -KILL $MAIN; wait $MAIN || true
            start
            until_log 'ready: TCP port 4567' 2
            kill $MAIN; wait $MAIN
            nft list tables; ip -br link show type tun
            dpkg -r guise >/dev/null 2>&1
            if getent passwd guise; then exit 1; fi
            ours >/run/after
            diff /run/before /run/after || true
            """
        )
        left = [line for line in out.splitlines() if line.startswith((">", "<", "table", "guise"))]
        self.assertEqual(left, ["> /etc/guise", "> /etc/guise/guise.toml"], out)

    def test_a_removal_undoes_what_a_killed_process_left(self) -> None:
        out = self.on_host(
            """
            dpkg -i --force-depends /run/packages/guise_0.1.0-1_*.deb >/dev/null
            printf '[server.s]\\nlocal = 4567\\nremote = "127.0.0.1:5000"\\nworkers = 1\\n' >/etc/guise/guise.toml
            start
            until_log 'ready: TCP port 4567' 1
            kill -KILL $MAIN; wait $MAIN || true
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
