"""How long requests took, and whether the clock that measured it can be believed.

Little's law: over a time in which all that arrive also leave, the average number of requests in the system L is the
rate of arrivals lambda times the average time W that each is in it (J. D. C. Little, "A Proof for the Queuing Formula:
L = lambda W", Operations Research, 1961). The serving loop counts, the requests' stamps time: two instruments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from mgpu_lab.course.serving.requests import Served

    Part = tuple[Sequence[Served], float]  # requests; the counted numbers in the system times the seconds they held

KEEPS_UP = 0.8  # answers arrive at this share of the requests' rate or more


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that `percent` of the values do not exceed (nearest rank): one that was measured.

    >>> percentile([3, 1, 2, 4], 50), percentile(range(1, 101), 99)
    (2, 99)
    """
    ordered = sorted(values)
    if not ordered or not 0 < percent <= 100:  # noqa: PLR2004
        msg = f"percentile {percent} of {len(ordered)} values: there must be values, and a percent above 0 up to 100"
        raise UsageError(msg)
    return ordered[_rank(len(ordered), percent)]


def resting_on(count: int, percent: float) -> int:
    """Return how many of `count` values are at the percentile or beyond it.

    >>> resting_on(60, 99), resting_on(1000, 99)
    (1, 11)
    """
    return count - _rank(count, percent)


def _rank(count: int, percent: float) -> int:
    return math.ceil(count * percent / 100) - 1


@dataclass(frozen=True)
class LoadRun:
    """One way under one load: its requests, and how many its serving loop counted in the system, on average."""

    way: str
    offered_per_s: float
    served: tuple[Served, ...]  # in order of arrival
    in_system: float  # L

    @classmethod
    def of(cls, way: str, offered_per_s: float, parts: Iterable[Part]) -> LoadRun:
        """Put together what ranks report that each served requests of their own."""
        parts = list(parts)
        served = tuple(sorted((each for part, _ in parts for each in part), key=lambda each: each.request.id))
        return cls(way, offered_per_s, served, sum(counted for _, counted in parts) / _span_s(served))

    @property
    def answers(self) -> tuple[tuple[int, ...], ...]:
        """The new tokens of each request."""
        return tuple(tuple(each.tokens) for each in self.served)

    @property
    def served_per_s(self) -> float:
        """Requests answered a second, from the begin to the last answer. It is also lambda: all that came have left."""
        return len(self.served) / _span_s(self.served)

    @property
    def keeps_up(self) -> bool:
        """Whether answers come at 80% or more of the rate at which the requests came."""
        return self.served[-1].request.arrives_s >= KEEPS_UP * _span_s(self.served)

    def latency_s(self, percent: float) -> float:
        """Return a percentile of the seconds from the planned arrival to the last token."""
        return percentile((each.latency_s for each in self.served), percent)

    def lambda_w(self, clock: Callable[[Served], float] = lambda each: each.latency_s) -> float:
        """Return lambda times the mean seconds that `clock` gives: `in_system`, if the clock is right."""
        return sum(map(clock, self.served)) / _span_s(self.served)


def load_runs(pulled: Iterable[Mapping[tuple[str, float], Part | None]]) -> list[LoadRun]:
    """Return a run for each way and offered load from what each rank reports, None where it took no part.

    Ranks that share a way report the same requests: then the first one counts, whose clock was used.
    """
    parts: dict[tuple[str, float], dict[int, Part]] = {}
    for results in pulled:
        for key, part in results.items():
            if part and part[0]:
                parts.setdefault(key, {}).setdefault(min(each.request.id for each in part[0]), part)
    return [LoadRun.of(way, per_s, found.values()) for (way, per_s), found in parts.items()]


def _span_s(served: Iterable[Served]) -> float:
    return max(each.done_s for each in served)
