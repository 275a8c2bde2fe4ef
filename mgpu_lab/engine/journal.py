"""What was done to the ranks, step by step: the journal that an exported script is made of."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LOST_STEPS = 1000  # of each rank
PUSHED_BYTES = 10_000  # as pickled; nobody reads more than that


@dataclass(frozen=True)
class Step:
    """One thing done to the ranks: a cell, or a push as assignments (keeping its values would keep them alive)."""

    source: str
    on: tuple[int, ...] | None = None
    is_push: bool = False
    failed: bool = False


class Lost(dict[int, list[Step]]):
    """What ran on processes that are no more, by rank: the last steps of each."""

    def note(self, ranks: Iterable[int], steps: list[Step]) -> None:
        """Add, for each of these ranks, the steps that ran there."""
        for rank in ranks:
            had = [step for step in steps if step.on is None or rank in step.on]
            self[rank] = list(dict.fromkeys([*self.get(rank, ()), *had]))[-LOST_STEPS:]

    def steps(self) -> list[Step]:
        return [step for steps in self.values() for step in steps]


def pushed(values: Mapping[str, Any], on: tuple[int, ...] | None, size_bytes: int) -> Step:
    """Return a push as a step; its values are written down unless ``size_bytes``, as pickled, is too much to read."""
    lines = [pushed_line(name, value, short=size_bytes <= PUSHED_BYTES) for name, value in values.items()]
    return Step("".join(lines), on, is_push=True)


def pushed_line(name: str, value: Any, *, short: bool = True) -> str:
    """Return an assignment for a pushed value, or a comment where it is long or its repr does not give it back."""
    try:
        text = repr(value) if short else ""
        same = name.isidentifier() and bool(ast.literal_eval(text) == value)
    except Exception:  # noqa: BLE001 - the value's own code runs here
        same = False
    return f"{name} = {text}\n" if same else f"# set {name} here: it was pushed from the notebook\n"
