"""guise with its addresses translated at tc: what it is started with, and that the programs compile for either end."""

import tempfile
import unittest
from pathlib import Path

from harness import tc_translation
from harness.tc_translation import TCTranslatedGuise


class CommandTests(unittest.TestCase):
    guise = TCTranslatedGuise("tc", Path("guise"), "epoll")

    def test_neither_end_makes_rules(self) -> None:
        for command in (self.guise.client_command, self.guise.server_command):
            self.assertEqual(command[command.index("--firewall") + 1], "off")

    def test_the_ends_are_where_the_programs_look_for_them(self) -> None:
        for command, end in ((self.guise.client_command, tc_translation.CLIENT_END),
                             (self.guise.server_command, tc_translation.SERVER_END)):
            self.assertEqual(command[command.index("--tun-peer") + 1], end)
            self.assertEqual(command[command.index("--tun") + 1], tc_translation.TUN)


class ProgramTests(unittest.TestCase):
    @unittest.skipUnless(tc_translation.can_build(), "clang and libbpf-dev are not here")
    def test_either_end_compiles(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for port in ("source", "dest"):
                program = Path(folder) / f"{port}.o"
                tc_translation.build(program, "192.168.200.2", "192.0.2.1", port, tun=3, outlet=2)
                self.assertGreater(program.stat().st_size, 0)


if __name__ == "__main__":
    unittest.main()
