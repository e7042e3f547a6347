"""The page at / of a gateway that carries load, in a real browser: what it shows, that it moves, and how it looks.

The screenshots stay in .build/page.
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from browser import PROGRAMS, Browser  # noqa: E402
from harness.cable import ENTRANCE_PORT, SERVICE_PORT, Cable  # noqa: E402
from harness.contenders import Guise  # noqa: E402

BINARIES = pathlib.Path(os.environ.get("GUISE_BINARIES", ROOT / ".build/release"))
PICTURES = ROOT / ".build/page"
ORIGIN = "http://127.0.0.1:9740"
DESKTOP, PHONE = (1280, 900), (390, 844)

#: The page's own words, by a heading or label: `tile("flows")`, `plot("Drops")`, `rows("Workers")`.
WORDS = """
const tile = name => [...document.querySelectorAll(".tile")].find(t => t.querySelector("span").textContent.startsWith(name))?.querySelector("b").textContent;
const card = title => [...document.querySelectorAll(".plot, .wide")].find(c => c.querySelector("h2")?.textContent === title);
const curves = title => [...card(title).querySelectorAll("path")].map(p => p.getAttribute("d"));
const rows = title => [...card(title).querySelectorAll("tbody tr")].map(r => [...r.cells].map(c => c.textContent));
"""


class PageTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cable = self.enterContext(Cable(folder, "page"))
        program = next(filter(None, map(shutil.which, PROGRAMS)))
        self.browser = self.enterContext(Browser(program, self.cable.client, folder))
        PICTURES.mkdir(parents=True, exist_ok=True)

    def start(self, workers: int) -> None:
        self.guise = Guise("guise", BINARIES / "guise", "epoll", options=("--workers", str(workers)),
                           client_options=("--name", "office", "--metrics", "9740"))
        self.client, self.server = self.guise.start(self.cable)
        self.browser.show(*DESKTOP)
        self.browser.open(f"{ORIGIN}/")
        self.browser.until("document.querySelectorAll('.plot').length == 8")
        self.browser.evaluate(WORDS)

    def load(self) -> None:
        program = str(BINARIES / "guise-load")
        echo = self.cable.start("echo", self.cable.server, [program, "echo", "--listen", f"127.0.0.1:{SERVICE_PORT}"])
        self.cable.wait_for_port(echo, SERVICE_PORT, 30)
        self.cable.start("load", self.cable.client, [
            program, "send", "--to", f"127.0.0.1:{ENTRANCE_PORT}", "--rate", "4000p", "--flows", "24",
            "--size", "100-1400", "--duration", "300", "--echo", "--json", "--quiet"])

    def drop(self, count: int) -> None:
        send = f"for i in $(seq {count}); do head -c 3000 /dev/zero >/dev/udp/127.0.0.1/{ENTRANCE_PORT}; done"
        self.cable.run(self.cable.client, ["bash", "-c", send])

    def show(self, name: str, size: tuple[int, int], dark: bool = False) -> None:
        """Takes a picture, once the page has drawn itself for that window; nothing may stick out of it."""
        self.browser.show(*size, dark=dark)
        self.browser.until(f"innerWidth == {size[0]}")
        self.browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.browser.take(PICTURES / f"{name}.png")
        self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), size[0], name)
        outside = self.browser.evaluate("""[...document.querySelectorAll("svg text, .tile b, .tile span, h2")]
            .filter(e => { const box = e.getBoundingClientRect(); return box.width && (box.left < 0 || box.right > innerWidth); })
            .map(e => e.textContent)""")
        self.assertEqual(outside, [], name)

    def assert_all_is_well(self) -> None:
        self.assertEqual(self.browser.complaints, [])
        asked = set(self.browser.requests)
        self.assertLessEqual({f"{ORIGIN}/", f"{ORIGIN}/status", f"{ORIGIN}/history"}, asked)
        self.assertEqual([url for url in asked if not url.startswith((f"{ORIGIN}/", "data:"))], [])

    def test_it_shows_nothing_first_then_load_drops_and_how_they_move(self) -> None:
        self.start(workers=2)
        page = self.browser
        self.assertEqual(page.evaluate("tile('UDP to TCP')"), "0\u202fbit/s")
        self.assertEqual(page.evaluate("tile('round trip')"), "–")
        self.assertEqual(page.evaluate("rows('Drops by reason')"), [["none", ""]])
        self.show("idle", DESKTOP)

        self.load()
        self.drop(3)
        page.until("/Mbit/.test(tile('UDP to TCP')) && /Mbit/.test(tile('TCP to UDP')) && parseInt(tile('flows')) >= 24")
        page.until("rows('Drops by reason').join() === 'datagram-too-large,3'")
        page.until("/ms|s$/.test(tile('round trip')) && /%/.test(tile('load of 2 workers'))")
        page.until("curves('Throughput of each worker').length == 2 && curves('Drops')[0].split('L').length > 6")
        workers = page.evaluate("rows('Workers')")
        self.assertEqual([row[0] for row in workers], ["0", "1"])
        # Three for those whose datagram was too large.
        self.assertEqual(sum(int(row[4]) for row in workers), 24 + 3)
        self.assertEqual(page.evaluate("document.querySelector('h1').textContent"), "office")

        page.evaluate("before = curves('Throughput of each worker').join()")
        page.until("curves('Throughput of each worker').join() !== before")
        for name, size, dark in (("desktop", DESKTOP, False), ("desktop-dark", DESKTOP, True),
                                 ("phone", PHONE, False), ("phone-dark", PHONE, True)):
            self.show(name, size, dark)
        for dark in (False, True):
            page.show(*DESKTOP, dark=dark)
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            self.assertEqual(sum(map(int, re.findall(r"\d+", colour))) < 384, dark, colour)
        self.assert_all_is_well()

    def test_eight_workers_have_a_row_and_a_curve_each(self) -> None:
        self.start(workers=8)
        self.load()
        self.browser.until("curves('Throughput of each worker').length == 8 && rows('Workers').length == 8")
        self.browser.until("/Mbit/.test(tile('UDP to TCP'))")
        self.show("eight-workers", DESKTOP)
        self.show("eight-workers-phone", PHONE)
        self.assert_all_is_well()

    def test_a_gateway_that_has_gone_is_shown_as_such_and_one_that_came_back_as_well(self) -> None:
        self.start(workers=1)
        state = "document.querySelector('.state').textContent"
        self.browser.until(f"{state} === 'healthy'")
        self.assert_all_is_well()
        self.client.process.kill()
        self.client.process.wait()
        self.browser.until(f"/^no answer for/.test({state}) && document.querySelector('article').className === 'stale'")
        self.show("gone", DESKTOP)
        self.cable.start("successor", self.cable.client, self.guise.client_command).says(" ready: ", 20)
        self.browser.until(f"{state} === 'healthy' && document.querySelector('article').className === ''")


if __name__ == "__main__":
    unittest.main()
