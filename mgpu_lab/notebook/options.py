"""What may stand behind %ranks and %%ranks: commands and their options. The rest is refused in one line that helps."""

import argparse
import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NoReturn

from mgpu_lab.engine.arguments import DEVICES, MAX_RANKS
from mgpu_lab.wire.errors import UsageError

COMMANDS = ("start", "status", "where", "restart", "stop", "export")
CELL = "%%ranks"
UNKNOWN = "unrecognized arguments: "  # argparse's words


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and which never exits."""

    relatives: Mapping[str, "Parser"] = MappingProxyType({})  # of all commands; the empty name is the cell magic

    def error(self, message: str) -> NoReturn:
        if message.startswith(UNKNOWN):
            words = message.removeprefix(UNKNOWN).split()
            message += meant(words, self.options(), {name: each.options() for name, each in self.relatives.items()})
        usage = self.format_usage().removeprefix("usage: ").strip()
        raise UsageError(f"{message}. Usage: {' '.join(usage.split())}")

    def options(self) -> list[str]:
        return list(self._option_string_actions)


def meant(words: list[str], options: Iterable[str], relatives: dict[str, list[str]]) -> str:
    """Say what was probably meant by words that a parser with these options does not know; empty where nobody knows.

    >>> meant(["--time_limit", "3"], ["--timeout"], {})
    ' (did you mean --timeout?)'
    >>> meant(["-n", "4"], ["--timeout"], {"start": ["-n"]})
    ' (-n belongs to `%ranks start`)'
    """
    word = words[0].partition("=")[0]
    if word in relatives and word:
        return f" (a command is a line of its own, with one %: `%ranks {' '.join(words)}`)"
    if homes := [name for name, theirs in relatives.items() if word in theirs]:
        return f" ({word} belongs to {' and '.join(f'`%ranks {n}`' if n else f'`{CELL}`' for n in homes)})"
    bare = {option.lstrip("-"): option for option in options}
    found = difflib.get_close_matches(word.lstrip("-").replace("_", "-"), bare, n=1, cutoff=0.5)
    return f" (did you mean {bare[found[0]]}?)" if found else ""


def check_command(words: list[str]) -> None:
    """UsageError where the first word is no command, with what was probably meant."""
    name = words[0]
    if name in COMMANDS:
        return
    if name.startswith("-"):
        homes = [command for command, parser in make_parsers().items() if command and name in parser.options()]
        hint = f"did you mean `%ranks {homes[0]} {' '.join(words)}`?" if homes else ""
    elif found := difflib.get_close_matches(name, COMMANDS, n=1):
        hint = f"did you mean `%ranks {' '.join([found[0], *words[1:]])}`?"
    else:
        hint = ""
    hint = hint or f"it knows {', '.join(COMMANDS)}. To run code on the ranks, begin a cell with {CELL}."
    raise UsageError(f"%ranks knows no {name!r}; {hint}")


def rank_list(text: str) -> list[int]:
    ranks: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise argparse.ArgumentTypeError(f"{text!r} names no ranks; write for example 0 or 0,2-3")
        low, high = int(first), int(last or first)
        if not low <= high < MAX_RANKS:
            msg = f"{part!r} names no ranks: a range goes up, and ranks are numbered from 0 to {MAX_RANKS - 1} at most"
            raise argparse.ArgumentTypeError(msg)
        ranks += range(low, high + 1)
    return ranks


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return value


def make_parsers() -> dict[str, Parser]:
    """Build one parser per command; the empty name is the cell magic."""
    parsers = {name: Parser(f"%ranks {name}", add_help=False) for name in COMMANDS}
    cell = parsers[""] = Parser(CELL, add_help=False)
    parsers["start"].add_argument("-n", type=whole, default=None, metavar="N")
    parsers["start"].add_argument("--device", choices=DEVICES, default="auto")
    for parser in (cell, parsers["start"]):
        parser.add_argument("--timeout", type=seconds, default=None, metavar="S")
    for parser in (cell, parsers["restart"]):
        parser.add_argument("--on", type=rank_list, default=None, metavar="0,2-3")
    cell.add_argument("--watch", action="store_true")
    parsers["export"].add_argument("path", metavar="train.py")
    parsers["export"].add_argument("--force", action="store_true")
    for parser in parsers.values():
        parser.relatives = parsers
    return parsers
