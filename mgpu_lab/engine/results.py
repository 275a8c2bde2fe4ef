"""What a cell came to: per-rank output and errors as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.engine.output import CellOutput
from mgpu_lab.wire.errors import LabError
from mgpu_lab.wire.messages import Display
from mgpu_lab.wire.naming import tag_of

INTERRUPTED = "interrupted"  # ended by Stop or --timeout
RELEASED = "released"  # was blocked in communication and let go by us
DIED = "died"  # the process is gone
KILLED = "killed"  # the process did not answer Stop and was killed by us
RAISED = "raised"  # the cell's own error
MISSING = re.compile(r"name '(\w+)' is not defined")


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

    def text(self) -> str:
        """Return all output as text, in order, with a value's or figure's plain text in its place."""
        plain = (item if isinstance(item, str) else f"{item.data.get('text/plain', '')}\n" for item in self.items)
        return "".join(plain) + self.stderr


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
    stop_reason: str = ""  # why the cell was stopped: Stop, a time limit; empty where it was not

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

    def missing_names(self) -> dict[str, list[int]]:
        """Return the names that ranks did not find (NameError), each with those ranks."""
        names: dict[str, list[int]] = {}
        for error in self.errors:
            if error.ename == "NameError" and (found := MISSING.match(error.evalue)):
                names.setdefault(found[1], []).append(error.rank)
        return names

    def shows_something(self) -> bool:
        """Whether there is anything to show: output, a display, an error, a note."""
        return not self.ok or bool(self.notes) or any(each.items or each.stderr for each in self)

    def __repr__(self) -> str:
        """Return the tagged output, values and figures as their plain text, and one line per error."""
        lines = []
        for ranks in self.merged():
            lines += tag_lines(ranks[0].text(), tag_of(each.rank for each in ranks))
        lines += [str(error) for error in self.errors] + list(self.notes)
        return "\n".join(lines) or f"<{len(self)} rank{'s' * (len(self) != 1)}, ok>"

    def merged(self) -> list[list[RankResult]]:
        """Group the ranks whose output is identical, in order of the lowest rank."""
        groups: dict[Any, list[RankResult]] = {}
        for each in self.ranks.values():
            groups.setdefault(fingerprint(each), []).append(each)
        return list(groups.values())


class CellError(LabError):
    """A cell failed on one rank or more. ``result`` holds every rank's output and error."""

    def __init__(self, message: str, lines: list[str], result: RunResult) -> None:
        super().__init__(message)
        self.lines = lines
        self.result = result

    def _render_traceback_(self) -> list[str]:
        return self.lines


def rank_result(rank: int, output: CellOutput, error: RankError | None) -> RankResult:
    items = tuple(output.items())
    displays = tuple(item.data for item in items if isinstance(item, Display))
    stdout = "".join(item for item in items if isinstance(item, str))
    return RankResult(rank, stdout, output.stderr.text(), displays, error, items)


def fingerprint(result: RankResult) -> Any:
    parts = [item if isinstance(item, str) else repr(sorted(item.data.items())) for item in result.items]
    return (tuple(parts), result.stderr)


def tag_lines(text: str, tag: str) -> list[str]:
    return [f"[{tag}] {line}" for line in text.rstrip("\n").split("\n")] if text.strip("\n") else []
