#!/usr/bin/env python3
"""Writes a man page: scripts/manual.py GUISE guise.1|guise.toml.5 (man(7), on standard output).

Options, keys and their meanings come from the program itself (`--experimental-dump-help`), so that a page cannot say
anything else than `--help`.
"""

import json
import subprocess
import sys


def escape(text: str) -> str:
    """Plain text as roff takes it: no escapes, and no line that begins like a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def paragraphs(text: str) -> list[str]:
    """The program's own prose: indented lines are shown as they stand."""
    lines = []
    example = False
    for line in text.strip("\n").split("\n"):
        indented = line.startswith("  ")
        if indented and not example:
            lines += [".PP", ".nf", ".RS"]
        if example and not indented and line:
            lines += [".RE", ".fi"]
        if line or example:
            example = indented or (example and not line)
        if line:
            lines.append(escape(line.strip() if not indented else line[2:]))
        elif not example:
            lines.append(".PP")
        else:
            lines.append("\\&")
    return lines + ([".RE", ".fi"] if example else [])


def names(argument: dict) -> list[str]:
    """-l, --local: the long one last."""
    spelled = [("--" if name["kind"] == "long" else "-") + name["name"] for name in argument.get("names", [])]
    return sorted(spelled, key=lambda name: name.startswith("--"))


def entry(argument: dict, title: str) -> list[str]:
    text = argument.get("abstract", "")
    default = argument.get("defaultValue")
    lines = [".TP", title, escape(text)]
    if default and argument.get("kind") == "option":
        lines.append(f"Default: {escape(default)}.")
    return lines


def shown(command: dict) -> list[dict]:
    """A command's own arguments: what all commands have is told once."""
    return [
        argument
        for argument in command.get("arguments", [])
        if argument.get("shouldDisplay", True) and "--help" not in names(argument) and "--version" not in names(argument)
    ]


def synopsis(command: dict, path: list[str]) -> list[str]:
    required = [
        f"{names(argument)[-1]} {argument.get('valueName', '')}" if names(argument) else argument.get("valueName", "")
        for argument in shown(command)
        if not argument.get("isOptional", False)
    ]
    words = " ".join(path + required)
    return [".br", f"\\fB{escape(words)}\\fR [\\fIoptions\\fR]"]


def commands(command: dict, path: list[str]) -> list[tuple[list[str], dict]]:
    """All commands that do something, with the words that call them."""
    found = []
    for sub in command.get("subcommands", []):
        if sub["commandName"] == "help":
            continue
        words = path + [sub["commandName"]]
        found += commands(sub, words) if sub.get("subcommands") else [(words, sub)]
    return found


def option_title(argument: dict) -> str:
    called = ", ".join(f"\\fB{escape(name)}\\fR" for name in names(argument))
    value = argument.get("valueName")
    return called + (f" \\fI{escape(value)}\\fR" if argument["kind"] == "option" and value else "")


def guise(root: dict, version: str) -> list[str]:
    lines = [
        f'.TH GUISE 1 "" "guise {version}" "User Commands"',
        ".SH NAME",
        "guise \\- UDP in the shape of TCP",
        ".SH SYNOPSIS",
    ]
    all_commands = commands(root, ["guise"])
    for words, command in all_commands:
        lines += synopsis(command, words)
    lines += [".SH DESCRIPTION", escape(root["abstract"]), ".PP"] + paragraphs(root.get("discussion", ""))
    for words, command in all_commands:
        lines += [f".SH {escape(' '.join(words)).upper()}", escape(command["abstract"]), ".PP"]
        lines += paragraphs(command.get("discussion", ""))
        for argument in shown(command):
            title = option_title(argument) if names(argument) else f"\\fI{escape(argument.get('valueName', ''))}\\fR"
            lines += entry(argument, title)
    lines += [
        ".SH ENVIRONMENT",
        "Each option has a variable that stands in for it where the command line leaves it out: GUISE_ and its name in",
        "capitals, with _ for \\-. \\fBGUISE_IDLE_TIMEOUT=30\\fR is \\fB\\-\\-idle\\-timeout 30\\fR.",
        ".TP",
        "\\fBNOTIFY_SOCKET\\fR",
        "Where readiness, reloading and stopping are told, see sd_notify(3).",
        ".SH FILES",
        ".TP",
        "\\fI/etc/guise/guise.toml\\fR",
        "The configuration file, see guise.toml(5).",
        ".TP",
        "\\fI/run/guise\\fR",
        "What was changed on the host, and flows, until they are undone.",
        ".SH SIGNALS",
        "SIGINT and SIGTERM end it, SIGUSR1 prints the counters, SIGHUP makes \\fBguise run\\fR read its file again.",
        "SIGUSR2 makes \\fBguise run\\fR go on as the program that is now at its path, and has a gateway hand its flows to the",
        "process that sent it (\\fB\\-\\-takeover\\fR).",
        ".SH EXIT STATUS",
        "0 when stopped by a signal, 2 for a command line or a configuration file that makes no sense, 3 when",
        "\\fB\\-\\-takeover\\fR could not go on with what the running process has, which goes on itself, 4 when there was no flow",
        "to close or to reconnect, 1 for the rest: also when \\fBguise check\\fR finds what must be mended, and when no tunnel runs",
        "that could be asked.",
        ".SH SEE ALSO",
        ".BR guise.toml (5),",
        ".BR nft (8),",
        ".BR ip (8),",
        ".BR sd_notify (3)",
    ]
    return lines


def toml(root: dict, version: str) -> list[str]:
    by_name = {words[-1]: command for words, command in commands(root, ["guise"])}
    kinds = ("client", "server")
    keys: dict[str, dict[str, dict]] = {}
    for kind in kinds:
        for argument in shown(by_name[kind]):
            name = names(argument)[-1].removeprefix("--")
            if name != "name":
                keys.setdefault(name, {})[kind] = argument
    lines = [
        f'.TH GUISE.TOML 5 "" "guise {version}" "File Formats"',
        ".SH NAME",
        "guise.toml \\- tunnels for guise to run",
        ".SH DESCRIPTION",
        "\\fBguise run\\fR reads this TOML file, \\fBguise config check\\fR looks for mistakes in it. Each table",
        "\\fB[client.\\fINAME\\fB]\\fR or \\fB[server.\\fINAME\\fB]\\fR is a tunnel; no two have the same name. A key is a",
        "long option of \\fBguise client\\fR or \\fBguise server\\fR without its dashes. Keys in front of the first table",
        "hold for every tunnel that has them. Numbers stand as they are, texts in quotes, several values in brackets;",
        "\\fBtrue\\fR gives an option that has no value. A key that does not exist is an error.",
        ".SH KEYS",
    ]
    for name in sorted(keys):
        of = keys[name]
        title = f"\\fB{escape(name)}\\fR" + ("" if len(of) == len(kinds) else f" ({next(iter(of))})")
        first = next(iter(of.values()))
        if len({argument.get("abstract", "") for argument in of.values()}) == 1:
            lines += entry(first, title)
        else:
            lines += [".TP", title]
            for kind, argument in of.items():
                lines += [f"{kind.capitalize()}: {escape(argument.get('abstract', ''))}", ".br"]
            lines.pop()
    lines += [
        ".SH RELOADING",
        "At SIGHUP the file is read again: tunnels that have changed are replaced, the others go on undisturbed. A file",
        "that makes no sense changes nothing.",
        ".SH EXAMPLE",
        ".nf",
        "[client.office]",
        'local = "127.0.0.1:51821"',
        'remote = "server.example.org:4567"',
        "",
        "[server.home]",
        "local = 4567",
        'remote = "127.0.0.1:51820"',
        ".fi",
        ".SH SEE ALSO",
        ".BR guise (1)",
    ]
    return lines


def main() -> None:
    program, page = sys.argv[1:]

    def output(option: str) -> str:
        return subprocess.run([program, option], check=True, capture_output=True, text=True).stdout

    root = json.loads(output("--experimental-dump-help"))["command"]
    pages = {"guise.1": guise, "guise.toml.5": toml}
    print("\n".join(pages[page](root, output("--version").strip())))


if __name__ == "__main__":
    main()
