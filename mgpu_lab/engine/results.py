"""What a cell came to: per-rank output and errors as data.

Not covered: how it is shown in a notebook (``display``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mgpu_lab.engine.output import CellOutput
from mgpu_lab.wire.messages import Display

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = "interrupted"  # ended by Stop or --timeout
RELEASED = "released"  # was blocked in communication and let go by us
DIED = "died"  # the process is gone
KILLED = "killed"  # the process did not answer Stop and was killed by us
RAISED = "raised"  # the cell's own error


@dataclass(frozen=True)
class RankError:
    """Why a cell failed on one rank. ``kind`` is one of raised, interrupted, released, died, killed."""

    rank: int
    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()
    line: int | None = None
    kind: str = RAISED

    def __str__(self) -> str:
        """Return one line."""
        return f"rank {self.rank}: {self.ename}: {self.evalue}"


@dataclass(frozen=True)
class RankResult:
    """One rank's part: text of stdout and stderr, rich displays as mime bundles, the error or None."""

    rank: int
    stdout: str
    stderr: str
    displays: tuple[dict[str, Any], ...]
    error: RankError | None
    items: tuple[str | Display, ...] = field(repr=False, default=())

    @property
    def ok(self) -> bool:
        """Whether the cell ran to its end here."""
        return self.error is None


@dataclass(frozen=True)
class RunResult:
    r"""What ``Ranks.run`` returns: ``result[rank]`` for each rank that ran the cell, and notes on what was done.

    >>> result = ranks.run("print(rank)")  # doctest: +SKIP
    >>> result.ok, result[1].stdout  # doctest: +SKIP
    (True, '1\n')
    """

    ranks: dict[int, RankResult]
    notes: tuple[str, ...] = ()
    duration_s: float = field(default=0.0, compare=False)

    @property
    def ok(self) -> bool:
        """Whether every rank ran to its end."""
        return all(each.ok for each in self.ranks.values())

    @property
    def errors(self) -> tuple[RankError, ...]:
        """The errors, in rank order."""
        return tuple(each.error for each in self.ranks.values() if each.error is not None)

    def __getitem__(self, rank: int) -> RankResult:
        """Return one rank's result; ``KeyError`` where the rank did not run the cell."""
        return self.ranks[rank]

    def __iter__(self) -> Iterator[RankResult]:
        """Iterate in rank order."""
        return iter(self.ranks.values())

    def __len__(self) -> int:
        """Return how many ranks ran the cell."""
        return len(self.ranks)

    def shows_something(self) -> bool:
        """Whether there is anything to show: output, a display, an error, a note."""
        return not self.ok or bool(self.notes) or any(each.items or each.stderr for each in self)

    def __repr__(self) -> str:
        """Return the tagged output and one line per error."""
        lines = [line for text, tag in self.tagged() for line in tag_lines(text, tag)]
        lines += [str(error) for error in self.errors] + list(self.notes)
        return "\n".join(lines) or f"<{len(self)} ranks, ok>"

    def tagged(self) -> list[tuple[str, str]]:
        """Return (text, tag) of each distinct output, in rank order."""
        return [(ranks[0].stdout + ranks[0].stderr, tag_of([each.rank for each in ranks])) for ranks in self.merged()]

    def merged(self) -> list[list[RankResult]]:
        """Group the ranks whose output is identical, in order of the lowest rank."""
        groups: dict[Any, list[RankResult]] = {}
        for each in self.ranks.values():
            groups.setdefault(fingerprint(each), []).append(each)
        return list(groups.values())


def rank_result(rank: int, output: CellOutput, error: RankError | None) -> RankResult:
    """Turn what was captured into data."""
    items: list[str | Display] = []
    for item in output.items:
        if isinstance(item, Display):
            items.append(item)
        elif text := item.text():
            items.append(text)
    if output.dropped_displays:
        items.append(f"[... {output.dropped_displays} more displays cut here ...]\n")
    shown = [text_of(item) for item in items]
    return RankResult(
        rank,
        "".join(shown),
        output.stderr.text(),
        tuple(item.data for item in items if isinstance(item, Display)),
        error,
        tuple(items),
    )


def text_of(item: str | Display) -> str:
    """Return the printed text of an item; a display that is only text counts as printed."""
    return item if isinstance(item, str) else ""


def fingerprint(result: RankResult) -> Any:
    """Return a key that is equal for identical output."""
    parts = [item if isinstance(item, str) else repr(sorted(item.data.items())) for item in result.items]
    return (tuple(parts), result.stderr)


def tag_of(ranks: list[int]) -> str:
    """Name ranks compactly: ``0``, ``0-3``, ``0,2-3``."""
    parts: list[list[int]] = []
    for rank in sorted(ranks):
        if parts and rank == parts[-1][1] + 1:
            parts[-1][1] = rank
        else:
            parts.append([rank, rank])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def named(ranks: list[int]) -> str:
    """``rank 0`` or ``ranks 0, 2-3``."""
    return f"rank{'s' if len(ranks) > 1 else ''} {tag_of(ranks).replace(',', ', ')}"


def verb(ranks: list[int], one: str, many: str) -> str:
    """Pick the verb's form."""
    return one if len(ranks) == 1 else many


def tag_lines(text: str, tag: str) -> list[str]:
    """Put ``[tag]`` before each line."""
    return [f"[{tag}] {line}" for line in text.rstrip("\n").split("\n")] if text.strip("\n") else []
