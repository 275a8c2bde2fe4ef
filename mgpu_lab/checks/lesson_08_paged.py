"""The check of lesson 08's exercise on a paged KV cache: who has which block. Plain Python, for the notebook's kernel.

A few runs by hand, whose hints say most, then random ones. After every call all tables are looked at.
"""

import itertools
import random
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.endless import ending
from mgpu_lab.checks.mistakes import brief, number_of

GROW, TABLE, FREE = METHODS = "grow", "table", "free"
Call = tuple[str, str, int]  # what is called, for which request, with how many tokens
Script = tuple[int, int, str]  # blocks, tokens in a block, calls: "a5" grows, "-a" frees
SCRIPTS: tuple[Script, ...] = (
    (4, 4, "a5"),
    (4, 4, "a8"),
    (4, 4, "a1 a3 a1"),
    (4, 4, "a3 b2 a6 b4"),
    (4, 4, "a3 -a b1"),
    (2, 4, "a5 -a b5"),
    (4, 4, "a7 -a a1 a4"),
    (2, 4, "a6 a4 a2"),
    (3, 2, "a2 b6 c4"),
    (2, 4, "a5 b4 a3 a1 -a b8"),
    (2, 2, "a2 -a -a b2 c2"),
    (2, 4, "a1 -a b1 -a c1"),
    (1, 4, "a1 -a b1 -a c1"),
    (2, 2, "-z a3 b1 -b -a c4"),
    (3, 1, "a1 b1 c1 -b d1"),
)
NAMES = ("r1", "r10", "R1", "", "request-number-00000-a", "request-number-00000-b")  # alike, and six requests
LARGE, LARGE_SIZE, LIVE, LONG = 2_000, 16, 300, 1_100  # blocks, tokens in a block, requests, blocks of one grow
RUNS, CALLS, MOST_SHOWN = 200, 40, 6
ENDING = 0.2  # the share of calls by which a request ends
KINDS = "BlockTables(blocks, block_size)"


def paged_kv(answer: Any) -> str:
    """``BlockTables(blocks, block_size)`` with ``grow(request, tokens)``, ``table(request)`` and ``free(request)``."""
    if getattr(answer, "__init__", None) is object.__init__ and not any(hasattr(answer, name) for name in METHODS):
        raise NotImplementedError
    must_take(answer, KINDS, 4, 16)
    calls = sum(Run(answer, blocks, size).make(scripted(text)) for blocks, size, text in SCRIPTS)
    refuse_common(answer)
    calls += sum(Run(answer, len(NAMES), 4).make(alike(name)) for name in NAMES)
    calls += large_run(answer)
    calls += sum(random_run(answer, seed) for seed in range(RUNS))
    return f"{calls:,} calls, {RUNS} random runs: no block leaked, none shared, none too many, refusals change nothing."


def scripted(text: str) -> list[Call]:
    """Read a script.

    >>> scripted("a5 -a")
    [('grow', 'a', 5), ('free', 'a', 0)]
    """
    return [(FREE, each[1:], 0) if each[0] == "-" else (GROW, each[0], int(each[1:])) for each in text.split()]


def alike(over: str) -> list[Call]:
    """Requests whose names are alike: all get a block, one ends, its block goes to another, then all end."""
    other = NAMES[NAMES.index(over) - 1]
    calls = [*((GROW, name, 3) for name in NAMES), (FREE, over, 0), (GROW, other, 2), (GROW, over, 1)]
    return [*calls, *((FREE, name, 0) for name in NAMES), (GROW, "last", 4 * len(NAMES))]


def large_run(answer: Any) -> int:
    """Make many calls on one object: many requests, of which one is long; all are looked at now and then."""
    run = Run(answer, LARGE, LARGE_SIZE, every=LIVE // 2)
    names = [f"request {number}" for number in range(LIVE)]
    calls = [(GROW, name, 1 + number % 32) for number, name in enumerate(names)]
    calls += [(GROW, "long", LONG * LARGE_SIZE), *((GROW, name, 5) for name in 3 * names)]
    calls += [(GROW, "too long", LARGE * LARGE_SIZE), *((FREE, name, 0) for name in names[::2]), (FREE, "long", 0)]
    run.make([*calls, *((FREE, name, 0) for name in names)])
    run.every = 1
    return run.make([(GROW, "last", LARGE * LARGE_SIZE)])


def random_run(answer: Any, seed: int) -> int:
    """Make random calls: requests come, grow by a token or by many, end or are cancelled; in the end all do."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    run = Run(answer, dice.randint(1, 24), dice.choice((1, 2, 3, 4, 16)))
    names = [f"r{number}" for number in range(dice.randint(1, 9))]
    for _ in range(CALLS):
        name, most = dice.choice(names), run.size * dice.choice((1, 1, 3, run.blocks))
        run.make([(FREE, name, 0) if dice.random() < ENDING else (GROW, name, dice.choice((1, dice.randint(1, most))))])
    return run.make([*((FREE, name, 0) for name in names), (GROW, "last", run.blocks * run.size)])


def refuse_common(answer: Any) -> None:
    """Raise Wrong where two of the answer's objects have their tables in common."""
    one, two = (Run(answer, 2, 4, f"two of your objects at once, number {number}, ") for number in (1, 2))
    for run in (one, two):
        run.make(scripted("a5"))
    one.make(scripted("-a b8"))
    two.make(scripted("a3"))


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
