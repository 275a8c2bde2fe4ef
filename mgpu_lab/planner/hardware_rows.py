"""What a row of the hardware table holds: cards, links, boards, supplies, outlets and prices, each with its source.

What no source says is None. Bandwidths are 1e9 bytes a second in one direction; FLOP/s are dense.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.planner.options import refuse_rate, refuse_share
from mgpu_lab.wire.errors import UsageError


def _refuse_rates(row: Any, *names: str) -> None:
    """Raise a UsageError where a number of a row is none: what a learner's own row says is checked, too."""
    for name in names:
        if (value := getattr(row, name)) is not None:
            refuse_rate(f"{row.name}: {name}", value)


@dataclass(frozen=True)
class Card:
    """A GPU. `memory_gib` is what PyTorch finds on it, which is less than the box says (an "80 GB" H100: 79.1 GiB).

    `tflops` are dense 1e12 operations a second by dtype, accumulated in fp32 as frameworks do. `nvlink_gbps` is what
    one GPU can send over NVLink (AMD: Infinity Fabric), all its links together; None where it has none, and
    `nvlink_link` names the row of the links that says what a collective reaches on it. `peer_access` says whether its
    driver lets cards of this kind read each other's memory over PCIe.

    Raises:
        UsageError: an amount that is no positive number, or tflops that do not name the dtype.
    """

    name: str
    source: str
    checked: dt.date
    memory_gib: float | None = None
    memory_gbps: float | None = None
    tflops: Mapping[str, float] = field(default_factory=dict)
    nvlink_gbps: float | None = None
    nvlink_cards: int = 0  # how many cards one NVLink domain holds: 2 with a bridge, 8 with an NVSwitch; 0: no NVLink
    nvlink_link: str = ""  # "nvlink4", ...
    pcie_generation: int | None = None
    pcie_lanes: int | None = None
    peer_access: bool | None = None
    watts: int | None = None  # of the whole card, as its maker rates it
    transient_watts: int | None = None  # the highest short peak that somebody measured
    cooling: str | None = None  # "open" (own fans), "blower", "passive" (needs a server's air), "liquid"
    slots: float | None = None  # PCIe slots it is wide
    notes: str = ""

    def __post_init__(self) -> None:
        _refuse_rates(self, "memory_gib", "memory_gbps", "nvlink_gbps", "watts", "transient_watts")
        if not isinstance(self.tflops, Mapping):
            raise UsageError(f'{self.name}: tflops are named by dtype, {{"bf16": 165.2}}; not {self.tflops!r}.')
        for dtype, value in self.tflops.items():
            refuse_rate(f"{self.name}: tflops[{dtype!r}]", value)


@dataclass(frozen=True)
class Link:
    """What a collective reaches on a kind of link: a share of the rate in one direction, and a time for each step.

    `efficiency` is bus bandwidth as nccl-tests counts it, for large messages, over the link's rate, and holds for
    all-gather and reduce-scatter; `all_reduce_efficiency` is all-reduce's where it differs (NVSwitch adds up in the
    switch, so it may be over 1). A ring takes N - 1 steps (all-reduce 2N - 2) of `latency_us` each, and `call_us` once:
    these are for large messages, `small_...` for those of a few kB, as in generating one token.
    """

    name: str
    source: str
    checked: dt.date
    gbps: float | None = None  # of one port, where the link fixes it; NVLink's is the card's, PCIe's the lanes'
    efficiency: float | None = None
    all_reduce_efficiency: float | None = None  # None: as `efficiency`
    latency_us: float | None = None
    call_us: float | None = None
    small_latency_us: float | None = None
    small_call_us: float | None = None
    notes: str = ""


@dataclass(frozen=True)
class Board:
    """A motherboard: for each number of cards the lanes that every slot then has: `lanes[2] == (8, 8)`.

    `cpu_lanes` are those of the CPU (of both, with two), `chipset_lanes` those slots get through the chipset, which
    shares one narrow way to the CPU among all that hangs on it.
    """

    name: str
    source: str
    checked: dt.date
    pcie_generation: int | None = None
    lanes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    cpu_lanes: int | None = None
    chipset_lanes: int = 0
    slot_spacing: tuple[float, ...] = ()  # places from one x16-size slot to the next
    form: str | None = None  # "ATX", "SSI-CEB", ...
    notes: str = ""


@dataclass(frozen=True)
class Supply:
    """A power supply: what it delivers all the time, and for how long how much more (ATX 3.x: 200% for 0.1 ms).

    Raises:
        UsageError: watts that are no positive number, or an efficiency above 1 (92% is 0.92).
    """

    name: str
    source: str
    checked: dt.date
    watts: int | None = None
    excursion: float | None = None  # times its rated power that it stands for a moment
    efficiency: float | None = None  # at full load
    connectors_12v2x6: int | None = None
    minimum_volts: int | None = None  # of the wall, for its full power: 200 where 120 V gives less
    notes: str = ""

    def __post_init__(self) -> None:
        _refuse_rates(self, "watts", "excursion", "minimum_volts")
        if self.efficiency is not None:
            refuse_share(f"{self.name}: efficiency", self.efficiency)


@dataclass(frozen=True)
class Outlet:
    """A wall socket: volts, amperes, and the share that may be drawn for hours (80% in the USA).

    Raises:
        UsageError: volts or amperes that are no positive number, or a share above 1.
    """

    name: str
    source: str
    checked: dt.date
    volts: float | None = None
    amperes: float | None = None
    continuous: float | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        _refuse_rates(self, "volts", "amperes")
        if self.continuous is not None:
            refuse_share(f"{self.name}: continuous", self.continuous)

    @property
    def watts(self) -> float | None:
        """What may be drawn for hours."""
        if self.volts is None or self.amperes is None:
            return None
        return self.volts * self.amperes * (1.0 if self.continuous is None else self.continuous)


@dataclass(frozen=True)
class Price:
    """A price somebody asked: `kind` "rent" (USD an hour and GPU), "buy" (USD a card) or "electricity" (USD a kWh)."""

    name: str
    source: str
    checked: dt.date
    card: str = ""
    kind: str = ""
    usd: float | None = None
    notes: str = ""
