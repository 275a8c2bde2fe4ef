"""Seconds of collectives: a time for each call that grows with its steps, and bytes over what the slowest link reaches.

This is NCCL's own model of itself (github.com/NVIDIA/nccl src/graph/tuning.cc@b6475625, read 2026-11-28) with its
constants and the measured rates of the hardware table: a call takes the shorter of two protocols, one for large
messages and one for small ones, which starts sooner and moves a quarter of the bytes in the same time.
"""

import math
from dataclasses import dataclass

from mgpu_lab.planner.machines import Interconnect, Machine
from mgpu_lab.planner.traffic.calls import Call

SMALL_RATE = 1 / 4  # the protocol for small messages ("LL"), over the rate of large ones: the same file
SWITCHED = 8  # cards from which an NVSwitch adds up (github.com/NVIDIA/nccl/issues/1455: not with 4 of 8 H100)


@dataclass(frozen=True)
class Path:
    """How one GPU reaches another: bytes a second of a ring, of an all-reduce, and seconds of a call and of a step.

    Both times are pairs: large messages', small ones'.
    """

    name: str
    rate: float
    all_reduce_rate: float
    call_s: tuple[float, float]
    step_s: tuple[float, float]
    source: str


def path(link: Interconnect) -> Path | None:
    """Return a link of a machine as a path; None where the table lacks its rate or what of it is reached."""
    row, rate, best = link.link, link.bus_gbps, link.all_reduce_gbps
    if row is None or rate is None or best is None:
        return None
    calls = row.call_us, row.small_call_us
    steps = row.latency_us, row.small_latency_us
    return Path(row.name, rate * 1e9, best * 1e9, _seconds(calls), _seconds(steps), row.source)


def _seconds(pair: tuple[float | None, float | None]) -> tuple[float, float]:
    """Microseconds, large and small; one that no source says is the other's, and 0 where there is none."""
    large, small = pair
    known = large if large is not None else small or 0.0
    return known * 1e-6, (known if small is None else small) * 1e-6


@dataclass(frozen=True)
class Group:
    """The ranks of one mesh dimension: `size` of them, every `stride`-th, on hosts of `per_host` cards."""

    size: int
    stride: int
    per_host: int
    inside: Path | None
    between: Path | None

    @property
    def together(self) -> int:
        """Members in one host."""
        return max(1, min(self.size, self.per_host // self.stride))

    @property
    def hosts(self) -> int:
        return math.ceil(self.size / self.together)

    @property
    def known(self) -> bool:
        """Whether the table has the links that this group uses."""
        crossing = self.hosts == 1 or self.between is not None
        return crossing and (self.together == 1 or self.inside is not None)

    def rate(self, collective: str) -> float:
        """Bytes a second of a ring, for each GPU: each member in a host brings its own port of the network."""
        rates = []
        if self.inside is not None and self.together > 1:
            adds_up = collective == "all_reduce" and self.hosts == 1 and self.together >= SWITCHED
            rates.append(self.inside.all_reduce_rate if adds_up else self.inside.rate)
        if self.between is not None and self.hosts > 1:
            rates.append(self.between.rate * self.together)
        return min(rates)

    def steps_s(self, collective: str, small: int) -> float:
        """Seconds that one call takes however little it moves (`small`: 1 for the protocol of small messages).

        A ring takes as many steps as it has ranks less one, an all-reduce twice as many. Over hosts all-reduce may
        take a tree: down and up through a host's cards and log2 of the hosts.
        """
        inside = 0.0 if self.inside is None else self.inside.step_s[small]
        between = 0.0 if self.between is None else self.between.step_s[small]
        start = (self.inside or self.between).call_s[small] if self.inside or self.between else 0.0  # type: ignore[union-attr]
        if collective in ("send", "broadcast"):
            return start + (between if self.hosts > 1 else inside)
        ring = (self.size - self.hosts) * inside + (self.hosts - 1) * between
        if collective != "all_reduce":
            return start + ring
        tree = (self.together - 1) * inside + math.ceil(math.log2(self.hosts)) * between
        return start + 2 * min(ring, tree)

    def one_s(self, collective: str, size_bytes: float) -> float:
        """Seconds of one call that moves so many bytes, as `traffic()` counts them."""
        moved_s = ring_share(collective, self.size) * size_bytes / self.rate(collective)
        large, small = self.steps_s(collective, 0), self.steps_s(collective, 1)
        return min(large + moved_s, small + moved_s / SMALL_RATE)


def ring_share(collective: str, ranks: int) -> float:
    """Return what a ring sends of a call's bytes, as `traffic()` counts them (the whole tensor).

    Source: https://github.com/NVIDIA/nccl-tests, doc/PERFORMANCE.md.
    """
    if collective in ("send", "broadcast"):
        return 1.0
    return (2 if collective == "all_reduce" else 1) * (ranks - 1) / ranks


def group(where: Machine, size: int, stride: int) -> Group:
    """Return the ranks of one mesh dimension on a machine."""
    return Group(size, stride, where.per_host, path(where.link), path(where.between_hosts))


def call_s(call: Call, ranks: Group) -> float | None:
    """Return the seconds of these calls together; None where a link's rate is not known. A recv is in its send."""
    if ranks.size < 2 or not call.calls or call.collective == "recv":  # noqa: PLR2004 - alone
        return 0.0
    return call.calls * ranks.one_s(call.collective, call.size_bytes / call.calls) if ranks.known else None
