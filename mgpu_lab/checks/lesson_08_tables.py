"""For the check of lesson 08's paged KV cache: an answer's object, the calls made on it, and what must hold of it."""

import itertools
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.endless import ending
from mgpu_lab.checks.mistakes import brief, number_of

GROW, TABLE, FREE = METHODS = "grow", "table", "free"
Call = tuple[str, str, int]  # what is called, for which request, with how many tokens
MOST_SHOWN = 6  # calls in a message


@dataclass
class Run:
    """An answer's object, the calls made so far, and what must be true of it."""

    answer: Callable[..., Any]
    blocks: int
    size: int
    which: str = ""
    tokens: dict[str, int] = field(default_factory=dict)
    tables: dict[str, list[int]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    refusals: int = 0
    every: int = 1  # all tables are looked at after so many calls; that of the call, after each
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        shown = f"BlockTables({self.blocks}, {self.size})"
        with ending(shown):
            self.object = ask(self.answer, self.blocks, self.size, shown=shown)
        if lacks := [name for name in METHODS if not callable(getattr(self.object, name, None))]:
            raise Wrong(f"Yours has no method {lacks[0]}(...).")

    def make(self, calls: Iterable[Call]) -> int:
        """Make calls and judge each; return how many were made so far."""
        for what, name, tokens in calls:
            self.names.add(name)
            self.grow(name, tokens) if what == GROW else self.free(name)
        return len(self.made)

    def grow(self, name: str, tokens: int) -> None:
        needed = self.needed(self.tokens.get(name, 0) + tokens) - len(self.tables.get(name, []))
        unused = self.blocks - sum(map(len, self.tables.values()))
        with ending(f"{self.so_far()}, grow({name!r}, {tokens})"):
            found = self.call(GROW, name, tokens)
        if found is None or str(found) not in ("True", "False"):
            raise self.wrong(f"it must return True or False, and returned {reprlib.repr(found)}")
        if found and needed > unused:
            raise self.wrong(
                f"it returned True. It needs {blocks(needed)} more, and {unused} of {self.blocks} are free"
            )
        if not found and needed <= unused:
            raise self.wrong(self.refused(needed, unused))
        if found:
            self.tokens[name] = self.tokens.get(name, 0) + tokens
        self.refusals += not found
        self.look(grown=name if found else None)

    def refused(self, needed: int, unused: int) -> str:
        """Say what is known of a refusal that is wrong."""
        text = f"it returned False, though {blocks(unused)} of {self.blocks} are free, and it needs {needed} more"
        if needed == 0:
            text = "it returned False, though its last block has room for them"
        if not self.refusals:
            return text
        if any(each.startswith(FREE) for each in self.made):
            return (
                f"{text}. Before it a grow was refused, and a request freed: has either changed too much or too little?"
            )
        return f"{text}. Before it a grow was refused: has that changed something?"

    def free(self, name: str) -> None:
        with ending(f"{self.so_far()}, free({name!r})"):
            self.call(FREE, name)
        self.tokens.pop(name, None)
        self.tables.pop(name, None)
        with ending(f"table({name!r})"):
            left = self.table(name)
        if left:
            raise self.wrong(f"the request is over, and table({name!r}) is still {numbers_text(left)}")
        self.look()

    def needed(self, tokens: int) -> int:
        return -(-tokens // self.size)

    def call(self, what: str, *arguments: Any) -> Any:
        """Call a method; an error in it stays its own, with a note."""
        __tracebackhide__ = True
        shown = f"{what}({', '.join(map(repr, arguments))})"
        if what != TABLE:
            self.made.append(shown)
        try:
            return ask(getattr(self.object, what), *arguments, shown=shown)
        except Exception as error:
            error.add_note(f"The check called {self.so_far()}{'' if what != TABLE else ', then ' + shown}.")
            raise

    def table(self, name: str) -> list[int]:
        """Return a request's table as Python's own numbers."""
        found = self.call(TABLE, name)
        if not isinstance(found, Iterable) or isinstance(found, str | bytes | Mapping | set | frozenset):
            raise self.wrong(f"table({name!r}) must be a list of block numbers, in order; it is {reprlib.repr(found)}")
        items = list(itertools.islice(found, self.blocks + 2))
        numbers = [number_of(each) for each in items]
        for item, number in zip(items, numbers, strict=True):
            if number is None or not number.is_integer():
                raise self.wrong(f"a block is a whole number; in table({name!r}) one is {brief(item)}")
            if not 0 <= number < self.blocks:
                text = f"there is no block {int(number)}: they are counted from 0 to {self.blocks - 1}"
                raise self.wrong(f"table({name!r}) is {numbers_text(items)}, and {text}")
        return [int(number or 0) for number in numbers]

    def look(self, grown: str | None = None) -> None:
        """Look at all tables; only the one that has grown may be another than before."""
        with ending("table(request)"):
            everyone = len(self.made) % self.every == 0
            new = {name: self.table(name) for name in self.tokens if everyone or name == grown}
            found = self.tables | new
            others = sorted(self.names - found.keys()) if everyone else []
            absent = next((name for name in others if self.table(name)), None)
        if absent is not None:
            raise self.wrong(f"table({absent!r}) is {numbers_text(self.table(absent))}; it has no tokens now")
        for name, table in new.items():
            before = self.tables.get(name, [])
            if name != grown and table != before:
                told = f"table({name!r}) has changed from {numbers_text(before)} to {numbers_text(table)}"
                if self.every > 1:
                    raise self.wrong(f"in one of the last {self.every} calls {told}")
                refused = not grown and self.made[-1].startswith(GROW)
                raise self.wrong(f"it was refused, and {told}" if refused else told)
            if name == grown:
                self.judge_grown(name, before, table)
        self.refuse_shared(found if everyone else new)
        self.tables = found

    def judge_grown(self, name: str, before: list[int], table: list[int]) -> None:
        tokens, needed = self.tokens[name], self.needed(self.tokens[name])
        if len(table) != needed:
            fill = f"{tokens} token{'s' * (tokens > 1)} in blocks of {self.size} need {blocks(needed)}"
            raise self.wrong(f"{fill}, and table({name!r}) is {numbers_text(table)}")
        if table[: len(before)] != before:
            text = f"table({name!r}) was {numbers_text(before)} and is {numbers_text(table)}"
            raise self.wrong(f"{text}. What is written stays where it is: a table grows at its end")

    def refuse_shared(self, found: Mapping[str, list[int]]) -> None:
        owner = dict[int, str]()
        for name, table in found.items():
            for block in table:
                if block in owner:
                    whose = f"{owner[block]!r} and of {name!r}" if owner[block] != name else f"{name!r} twice"
                    raise self.wrong(f"block {block} is in the table of {whose}")
                owner[block] = name

    def so_far(self) -> str:
        calls = ", ".join(self.made)
        if len(self.made) > MOST_SHOWN:
            calls = f"{len(self.made)} calls, the last ones {', '.join(self.made[-2:])}"
        made = f"{self.which}BlockTables({self.blocks}, {self.size})"
        return f"{made}, {calls}" if calls else made

    def wrong(self, text: str) -> Wrong:
        start = self.so_far()
        return Wrong(f"{start[:1].upper()}{start[1:]}: {text}{'' if text.endswith('?') else '.'}")


def blocks(number: int) -> str:
    return f"{number} block{'' if number == 1 else 's'}"


def numbers_text(items: list[Any]) -> str:
    return reprlib.repr([number_of(each) if not isinstance(each, int) else each for each in items])
