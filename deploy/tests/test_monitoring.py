"""Metrics as operators have them: a pair of gateways under load in network namespaces, and Prometheus, which scrapes
them with the example's configuration and evaluates what rules and dashboard ask for."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness.cable import ENTRANCE_PORT, SERVER_ADDRESS, SERVICE_PORT, Cable  # noqa: E402
from harness.contenders import TRACKED, Guise  # noqa: E402
from harness.programs import Program  # noqa: E402

BINARIES = pathlib.Path(os.environ.get("GUISE_BINARIES", ROOT / ".build/release"))
RULES = ROOT / "deploy/prometheus/guise.rules.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/guise.json").read_text())
PORT = 9740
TARGETS = {"client": f"127.0.0.1:{PORT}", "server": f"{SERVER_ADDRESS}:{PORT}"}

#: What stays empty in a test: no keepalive is due so early.
MAY_BE_EMPTY = {"guise_keepalive_rtt_seconds"}


def tool(name: str) -> str:
    """Prometheus's own, or what scripts/require.sh has unpacked."""
    return shutil.which(name) or str(ROOT / ".build/prometheus/usr/bin" / name)


def promtool(*arguments: str | pathlib.Path, stdin: str | None = None) -> str:
    done = subprocess.run([tool("promtool"), *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    # Remarks are faults as well: 'check metrics' ends with 3 for some and with 0 for others.
    return "" if done.returncode == 0 and not done.stderr else done.stdout + done.stderr


def alerts() -> dict[str, dict[str, str]]:
    """Each alert's expression and annotations. The file is read line by line, for want of a YAML module."""
    found: dict[str, dict[str, str]] = {}
    for block in re.split(r"\n\s*- alert: ", RULES.read_text())[1:]:
        name, rest = block.split("\n", 1)
        fields = re.findall(r"^( +)(expr|summary|description|runbook): (>-\n(?:\1  .*\n?)+|.*)", rest, re.M)
        found[name] = {key: " ".join(value.removeprefix(">-").split()) for _, key, value in fields}
    return found


def panels() -> list[dict]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """What the dashboard asks Prometheus for, with its variables filled in: the panel's title, the expression."""
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in (("$__rate_interval", "1m"), ("$__interval", "10s")):
                text = text.replace(variable, value)
            yield panel["title"], re.sub(r"\$(job|instance|tunnel|role)\b", ".*", text)


def names(expression: str) -> set[str]:
    return set(re.findall(r"\bguise_\w+", expression))


class Exposition:
    """What /metrics served."""

    def __init__(self, text: str):
        self.text = text
        self.values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for line in text.splitlines():
            if match := re.fullmatch(r'(\w+)\{(.*)\} (\S+)', line):
                labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2])))
                self.values.setdefault(match[1], {})[labels] = float(match[3])

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for key, value in self.values[name].items() if labels.items() <= dict(key).items())


class MonitoringTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.cable = cls.enterClassContext(Cable(folder, "metrics"))
        # With connection tracking, of which a panel tells.
        guise = Guise("guise", BINARIES / "guise", "epoll", options=(
            "--workers", "2", "--metrics", f"0.0.0.0:{PORT}", *TRACKED))
        cls.client, cls.server = guise.start(cls.cable)
        echo = cls.cable.start("echo", cls.cable.server, [
            str(BINARIES / "guise-load"), "echo", "--listen", f"127.0.0.1:{SERVICE_PORT}"])
        cls.cable.wait_for_port(echo, SERVICE_PORT, 30)
        cls.send_a_known_number()
        cls.start_prometheus(folder)

    @classmethod
    def load(cls, name: str, *options: str) -> Program:
        return cls.cable.start(name, cls.cable.client, [
            str(BINARIES / "guise-load"), "send", "--to", f"127.0.0.1:{ENTRANCE_PORT}", "--json", "--quiet", *options])

    @classmethod
    def get(cls, *urls: str) -> list[str]:
        """The bodies of what servers answer in the client's namespace."""
        fetch = ("import json, sys, urllib.request as request; "
                 "print(json.dumps([request.urlopen(url, timeout=10).read().decode() for url in sys.argv[1:]]))")
        return json.loads(cls.cable.run(cls.cable.client, [sys.executable, "-c", fetch, *urls]))

    @classmethod
    def expositions(cls) -> dict[str, Exposition]:
        texts = cls.get(*(f"http://{target}/metrics" for target in TARGETS.values()))
        return {end: Exposition(text) for end, text in zip(TARGETS, texts)}

    @classmethod
    def send_a_known_number(cls) -> None:
        """And takes down what metrics, status and the sender say of it, once everything is through."""
        sender = cls.load("counted", "--count", "4000", "--rate", "4000p", "--flows", "5", "--size", "100-1400",
                          "--echo")
        sender.finish(30)
        cls.sent = json.loads(sender.out.read_text())
        # The server acknowledges the last of what has fallen silent after a second, the client after half a minute.
        time.sleep(1.2)
        cls.counted = cls.expositions()
        # Those of everybody on this machine, some of which may hang, as other tests have them: ours are told by their
        # processes.
        report = json.loads(subprocess.run(
            [BINARIES / "guise", "status", "--json"], check=False, capture_output=True, text=True, timeout=120).stdout)
        processes = {"client": cls.client.pid, "server": cls.server.pid}
        cls.status = {end: next(tunnel for tunnel in report["tunnels"] if tunnel["tunnel"]["process"] == pid)
                      for end, pid in processes.items()}

    @classmethod
    def start_prometheus(cls, folder: pathlib.Path) -> None:
        """The example's configuration, with our targets, and a second in place of 15."""
        example = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
        text, count = re.subn(r"^( +- targets: ).*", rf"\1{json.dumps(list(TARGETS.values()))}", example, flags=re.M)
        assert count == 1, example
        (folder / "prometheus.yml").write_text(text.replace("15s", "1s"))
        shutil.copy(RULES, folder)
        cls.load("background", "--rate", "2000p", "--flows", "8", "--size", "100-1400", "--duration", "300", "--echo")
        prometheus = cls.cable.start("prometheus", cls.cable.client, [
            tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:9090"])
        prometheus.says("Server is ready to receive web requests", 30)
        cls.until("count_over_time(guise_info[1m]) >= 2", 2)
        # A drop, for those who ask by what has been dropped lately, and a flow whose handshake is timed.
        cls.cable.run(cls.cable.client, ["bash", "-c", f"head -c 3000 /dev/zero >/dev/udp/127.0.0.1/{ENTRANCE_PORT}"])
        cls.until('rate(guise_drops_total{reason="datagram-too-large"}[1m]) > 0', 1)
        # The supervisor looks at the firewall every five seconds.
        cls.until("count_over_time(guise_firewall_restored_total[1m]) >= 2", 2)

    @classmethod
    def query(cls, *expressions: str) -> list[list[dict]]:
        """The series that each of them gives at this moment."""
        urls = (f"http://127.0.0.1:9090/api/v1/query?query={urllib.parse.quote(text)}" for text in expressions)
        return [json.loads(body)["data"]["result"] for body in cls.get(*urls)]

    @classmethod
    def rules(cls) -> list[dict]:
        groups = json.loads(cls.get("http://127.0.0.1:9090/api/v1/rules")[0])["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    @classmethod
    def until(cls, expression: str, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(cls.query(expression)[0]) < count:
            assert time.monotonic() < deadline, f"{expression} never had {count} results"
            time.sleep(0.2)

    # What is served.

    def test_promtool_finds_no_fault_in_what_is_served(self) -> None:
        for end, exposition in self.counted.items():
            self.assertEqual(promtool("check", "metrics", stdin=exposition.text), "", end)

    def test_metrics_status_and_sender_agree(self) -> None:
        sent, echo = self.sent["sent"], self.sent["echo"]
        self.assertEqual((sent, echo["received"]), (4000, 4000))
        for end, ours, theirs in (("client", "in", "out"), ("server", "out", "in")):
            metrics, status = self.counted[end], self.status[end]
            for direction in ("in", "out"):
                self.assertEqual(metrics.sum("guise_datagrams_total", direction=direction), sent, end)
                self.assertEqual(
                    metrics.sum("guise_datagram_bytes_total", direction=direction), self.sent["bytes"], end)
            data_in = (metrics.sum("guise_segments_total", direction="in")
                       - metrics.sum("guise_control_segments_total", direction="in"))
            self.assertEqual((metrics.sum("guise_segments_total", direction="out"), data_in), (sent, sent), end)
            self.assertEqual((metrics.sum("guise_flows"), metrics.sum("guise_flows_opened_total")), (5, 5), end)
            self.assertEqual(metrics.sum("guise_drops_total"), 0, end)
            self.assert_agree(metrics, status)
        self.assertEqual(self.counted["client"].sum("guise_handshake_rtt_seconds_count"), 5)

    def assert_agree(self, metrics: Exposition, status: dict) -> None:
        """Each counter of `guise status`, and each reason, is the sum of what the workers' series say."""
        self.assertEqual(status["flows_open"], metrics.sum("guise_flows"))
        for reason, count in status["drops"].items():
            self.assertEqual(metrics.sum("guise_drops_total", reason=reason), count, reason)
        others = {"hand-offs": "handoffs", "keepalives out": "keepalives", "path MTU updates": "path_mtu_updates",
                  "TUN reads": "tun_reads", "TUN writes": "tun_writes", "UDP receives": "udp_receives",
                  "UDP sends": "udp_sends"}
        for counter, count in status["counters"].items():
            # It turns to answer those who ask, and between the two questions.
            if counter == "turns":
                continue
            if counter == "nanoseconds polled":
                self.assertAlmostEqual(metrics.sum("guise_worker_poll_seconds_total"), count / 1e9, 6, counter)
                continue
            base, _, direction = counter.rpartition(" ")
            labels = {"direction": direction} if direction in ("in", "out") and counter not in others else {}
            name = others.get(counter) or (base if labels else counter).replace(" ", "_")
            self.assertEqual(metrics.sum(f"guise_{name}_total", **labels), count, counter)

    # What is asked for.

    def test_the_page_draws_nothing_that_is_not_served_and_loads_nothing_from_elsewhere(self) -> None:
        page, *reports = self.get(*(f"http://{TARGETS['client']}/{path}" for path in ("", "history", "status")))
        history, status = (json.loads(report)["tunnels"][0] for report in reports)
        served = {key for moment in history["moments"] for key in moment["all"]}
        drawn = set(re.findall(r"\bm\.all\.(\w+)", page)) | set(re.findall(r"\brates\.(\w+)", page))
        self.assertGreater(len(drawn), 8)
        self.assertLessEqual(drawn, served)
        # The browser's own tests are 'make page-test'.
        self.assertLessEqual(set(re.findall(r"\breport\.(\w+)", page)), set(status))
        self.assertEqual(set(re.findall(r"https?://[^\s\"']+", page)), {"http://www.w3.org/2000/svg"})

    def test_every_metric_that_is_asked_for_is_served(self) -> None:
        served = set.intersection(*(set(exposition.values) for exposition in self.expositions().values()))
        for title, expression in [*expressions(), *((name, alert["expr"]) for name, alert in alerts().items())]:
            with self.subTest(title):
                self.assertLessEqual(names(expression), served)
        variables = json.dumps(DASHBOARD["templating"]) + json.dumps(DASHBOARD["annotations"])
        self.assertLessEqual(names(variables), served)

    def test_every_label_that_is_asked_for_is_served(self) -> None:
        labels: dict[str, set[str]] = {}
        for exposition in self.counted.values():
            for series in exposition.values.values():
                for label, value in (pair for key in series for pair in key):
                    labels.setdefault(label, set()).add(value)
        for name, alert in alerts().items():
            for label, _, values in re.findall(r'(\w+)(=~?)"([^"]*)"', alert["expr"]):
                if label != "job":
                    self.assertLessEqual(set(values.split("|")), labels[label], name)

    def test_every_panel_has_something_to_show(self) -> None:
        asked = list(expressions())
        for (title, expression), result in zip(asked, self.query(*(text for _, text in asked))):
            with self.subTest(title, expression=expression):
                if not any(name in expression for name in MAY_BE_EMPTY):
                    self.assertTrue([series for series in result if series["value"][1] != "NaN"])

    def test_nothing_fires_on_a_pair_that_is_well_and_no_rule_fails(self) -> None:
        # Each has been asked for once before anything can be said of it.
        deadline = time.monotonic() + 60
        while any(rule["health"] == "unknown" for rule in self.rules()) and time.monotonic() < deadline:
            time.sleep(0.2)
        rules = self.rules()
        self.assertEqual({rule["name"] for rule in rules}, set(alerts()))
        self.assertEqual([rule["lastError"] for rule in rules if rule["health"] != "ok"], [])
        self.assertEqual([rule["name"] for rule in rules if rule["state"] == "firing"], [])


class PairTest(unittest.TestCase):
    """A pair of gateways for each test, the client with metrics."""

    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cable = self.enterContext(Cable(self.folder, "successor"))
        self.guise = Guise("guise", BINARIES / "guise", "epoll", options=("--workers", "1"),
                           client_options=("--metrics", str(PORT)))
        self.client, _ = self.guise.start(self.cable)

    def python(self, name: str, script: str, *arguments: str) -> Program:
        return self.cable.start(name, self.cable.client, [sys.executable, "-c", script, *arguments])

    def get(self, path: str) -> str:
        fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode(), end='')"
        return self.cable.run(self.cable.client, [sys.executable, "-c", fetch, f"http://127.0.0.1:{PORT}{path}"])


class SuccessionTest(PairTest):
    """The port of the metrics when one process takes the place of another."""

    #: Asks as fast as it can until a file is there and it was answered after that, and prints the longest time without
    #: an answer, in seconds.
    WATCH = """
import http.client, os, sys, time, urllib.request
longest, last, is_over = 0, None, False
while not is_over:
    is_late = os.path.exists(sys.argv[2])
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5).read()
    except (OSError, http.client.HTTPException):
        continue
    now = time.monotonic()
    if last is None:
        print("answered", file=sys.stderr, flush=True)
    longest, last, is_over = max(longest, now - (last or now)), now, is_late
print(longest)
"""

    def test_it_goes_over_to_the_successor(self) -> None:
        end = self.folder / "end"
        watch = self.python("watch", self.WATCH, f"http://127.0.0.1:{PORT}/status", str(end))
        watch.says("answered", 30)
        successor = self.cable.start("next", self.cable.client, [*self.guise.client_command, "--takeover"])
        successor.says(" ready: ", 20)
        self.assertEqual(self.client.finish(20), 0)
        end.touch()
        watch.finish(30)
        self.assertLess(float(watch.out.read_text()), 1)
        self.assertEqual(json.loads(self.get("/status"))["tunnels"][0]["tunnel"]["process"], successor.pid)

    def test_somebody_elses_is_refused_before_anything_changes(self) -> None:
        listen = ("import socket, sys, time; listener = socket.create_server(('127.0.0.1', int(sys.argv[1]))); "
                  "print('listens', file=sys.stderr, flush=True); time.sleep(60)")
        self.python("stranger", listen, str(PORT + 1)).says("listens", 30)
        command = [*self.guise.client_command, "--takeover", "--metrics", str(PORT + 1)]
        command.remove(str(PORT))
        command.remove("--metrics")
        successor = self.cable.start("next", self.cable.client, command)
        self.assertEqual(successor.finish(20), 1)
        self.assertIn(f"TCP port 127.0.0.1:{PORT + 1} is taken", successor.log.read_text())
        self.assertFalse(self.client.ended())


class GreedyClientsTest(PairTest):
    """One connection that asks for page after page and reads none, and then many that ask nothing."""

    GREED = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("asks", file=sys.stderr, flush=True)
client.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n" * 1000000)
"""
    IDLENESS = """
import socket, sys, time
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(70)]
print("idles", file=sys.stderr, flush=True)
time.sleep(60)
"""

    def resident_megabytes(self) -> float:
        status = pathlib.Path(f"/proc/{self.client.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def test_they_disturb_neither_tunnel_nor_scraper(self) -> None:
        load = str(BINARIES / "guise-load")
        echo = self.cable.start("echo", self.cable.server, [load, "echo", "--listen", f"127.0.0.1:{SERVICE_PORT}"])
        self.cable.wait_for_port(echo, SERVICE_PORT, 30)
        before = self.resident_megabytes()
        self.python("greed", self.GREED, str(PORT)).says("asks", 30)
        sender = self.cable.start("sender", self.cable.client, [
            load, "send", "--to", f"127.0.0.1:{ENTRANCE_PORT}", "--json", "--quiet", "--count", "4000",
            "--rate", "2000p", "--echo"])
        sender.finish(30)
        self.assertEqual(json.loads(sender.out.read_text())["echo"]["received"], 4000)
        self.assertLess(self.resident_megabytes() - before, 64)
        self.python("idleness", self.IDLENESS, str(PORT)).says("idles", 60)
        self.assertEqual(self.get("/healthz"), "ok\n")


class FilesTest(unittest.TestCase):
    def test_promtool_finds_no_fault_in_configuration_and_rules(self) -> None:
        self.assertEqual(promtool("check", "config", RULES.parent / "prometheus.yml"), "")
        self.assertEqual(promtool("check", "rules", "--lint=all", "--lint-fatal", RULES), "")

    def test_every_alert_fires_where_it_should_and_nowhere_else(self) -> None:
        tests = RULES.parent / "guise.rules.test.yml"
        self.assertEqual(promtool("test", "rules", tests), "")
        self.assertEqual(set(re.findall(r'alertname="(\w+)"', tests.read_text())), set(alerts()))

    def test_every_alert_says_what_to_do_and_where_it_is_explained(self) -> None:
        headings = re.findall(r"^#+ (.*)", (ROOT / "docs/OPERATING.md").read_text(), re.M)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        for name, alert in alerts().items():
            with self.subTest(name):
                self.assertLessEqual({"expr", "summary", "description", "runbook"}, set(alert))
                path, anchor = alert["runbook"].split("#")
                self.assertEqual(path, "docs/OPERATING.md")
                self.assertIn(anchor, anchors)

    def test_the_dashboard_can_be_imported(self) -> None:
        self.assertIsNone(DASHBOARD["id"])
        self.assertEqual(len({panel["id"] for panel in DASHBOARD["panels"]}), len(DASHBOARD["panels"]))
        variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
        self.assertEqual(used, variables)
        taken: set[tuple[int, int]] = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(taken & cells, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells
        for panel in panels():
            for part in [panel, *panel["targets"]]:
                self.assertEqual(part["datasource"], {"type": "prometheus", "uid": "${datasource}"}, panel["title"])


if __name__ == "__main__":
    unittest.main()
