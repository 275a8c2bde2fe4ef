"""The check of lesson 08's exercise on a paged KV cache: who has which block. Plain Python, for the notebook's kernel.

A few runs by hand, whose hints say most, then random ones. After every call all tables are looked at.
"""

import random
from typing import Any

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.lesson_08_tables import FREE, GROW, METHODS, Call, Run

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
RUNS, CALLS = 200, 40
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
