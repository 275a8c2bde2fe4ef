"""The hardware table: cards, links, boards, supplies and prices as rows of ``hardware.toml``, each with its source.

What no source says is None here. Bandwidths are 1e9 bytes a second in one direction; FLOP/s are dense.
"""

import datetime as dt
import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mgpu_lab.wire.errors import UsageError

FILE = Path(__file__).with_name("hardware.toml")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Card:
    """A GPU. `tflops` are dense 1e12 operations a second by dtype; None is unknown.

    `nvlink_gbps` is what one GPU can send over NVLink, all its links together; None where it has none. `peer_access`
    says whether its driver lets cards of this kind read each other's memory over PCIe.
    """

    name: str
    source: str
    checked: dt.date
    memory_gib: float | None = None
    memory_gbps: float | None = None
    tflops: Mapping[str, float] = field(default_factory=dict)
    nvlink_gbps: float | None = None
    nvlink_cards: int = 0  # how many cards one NVLink domain holds: 2 with a bridge, 8 with an NVSwitch; 0: no NVLink
    pcie_generation: int | None = None
    pcie_lanes: int | None = None
    peer_access: bool | None = None
    watts: int | None = None  # of the whole card, as its maker rates it
    transient_watts: int | None = None  # the highest short peak that somebody measured
    cooling: str | None = None  # "open" (own fans), "blower", "passive" (needs a server's air), "liquid"
    slots: float | None = None  # PCIe slots it is wide
    notes: str = ""


@dataclass(frozen=True)
class Link:
    """What a collective reaches on a kind of link: a share of the rate in one direction, and a time for each call.

    `efficiency` is bus bandwidth as nccl-tests counts it, for large messages, over the link's rate.
    """

    name: str
    source: str
    checked: dt.date
    efficiency: float | None = None
    latency_us: float | None = None  # of one hop
    notes: str = ""


@dataclass(frozen=True)
class Board:
    """A motherboard: for each number of cards the lanes that every slot then has: `lanes[2] == (8, 8)`."""

    name: str
    source: str
    checked: dt.date
    pcie_generation: int | None = None
    lanes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    cpu_lanes: int | None = None
    slot_spacing: tuple[float, ...] = ()  # places from one x16-size slot to the next
    form: str | None = None  # "ATX", "SSI-CEB", ...
    notes: str = ""


@dataclass(frozen=True)
class Supply:
    """A power supply: what it delivers all the time, and for how long how much more (ATX 3.x: 200% for 0.1 ms)."""

    name: str
    source: str
    checked: dt.date
    watts: int | None = None
    excursion: float | None = None  # times its rated power that it stands for a moment
    efficiency: float | None = None  # at full load
    connectors_12v2x6: int | None = None
    notes: str = ""


@dataclass(frozen=True)
class Outlet:
    """A wall socket: volts, amperes, and the share that may be drawn for hours (80% in the USA)."""

    name: str
    source: str
    checked: dt.date
    volts: float | None = None
    amperes: float | None = None
    continuous: float | None = None
    notes: str = ""

    @property
    def watts(self) -> float | None:
        """What may be drawn for hours."""
        if self.volts is None or self.amperes is None:
            return None
        return self.volts * self.amperes * (1.0 if self.continuous is None else self.continuous)


@dataclass(frozen=True)
class Price:
    """A price that somebody asked on a day: `kind` "rent" (USD an hour and GPU) or "buy" (USD a card)."""

    name: str
    source: str
    checked: dt.date
    card: str = ""
    kind: str = ""
    usd: float | None = None
    notes: str = ""


@dataclass(frozen=True)
class Hardware:
    """The table. `HARDWARE["RTX-4090"]` is a card; `HARDWARE.boards`, `.supplies`, `.outlets`, `.links`, `.prices`."""

    cards: Mapping[str, Card]
    links: Mapping[str, Link]
    boards: Mapping[str, Board]
    supplies: Mapping[str, Supply]
    outlets: Mapping[str, Outlet]
    prices: Mapping[str, Price]

    def __getitem__(self, name: str) -> Card:
        """Return a card.

        Raises:
            UsageError: the table has no card of this name.
        """
        return look_up(self.cards, name, "card")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the cards' names."""
        return iter(self.cards)

    def __len__(self) -> int:
        """Count the cards."""
        return len(self.cards)

    def asked(self, card: str, kind: str) -> tuple[Price, ...]:
        """Return the prices of a card, "rent" or "buy", cheapest first."""
        found = [row for row in self.prices.values() if (row.card, row.kind) == (card, kind) and row.usd is not None]
        return tuple(sorted(found, key=lambda row: row.usd or 0.0))


def look_up(rows: Mapping[str, Row], name: str, what: str) -> Row:
    """Return a row by its name, in any case; else a UsageError that lists the known ones."""
    by_name = {known.casefold(): row for known, row in rows.items()}
    if isinstance(name, str) and name.casefold() in by_name:
        return by_name[name.casefold()]
    close = difflib.get_close_matches(str(name).casefold(), by_name, n=1, cutoff=0.6)
    real = {known.casefold(): known for known in rows}
    meant = f"Did you mean {real[close[0]]!r}? " if close else ""
    raise UsageError(f"There is no {what} {name!r} in the hardware table. {meant}There are {', '.join(rows)}.")


def _rows(kind: Callable[..., Row], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    return {name: kind(name=name, **{key: _plain(value) for key, value in row.items()}) for name, row in rows.items()}


def _plain(value: Any) -> Any:
    """TOML's keys are words and its lists are lists: lanes by number of cards become {2: (8, 8)}."""
    if isinstance(value, dict):
        return {int(key) if key.isdigit() else key: _plain(each) for key, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


def load(file: Path = FILE) -> Hardware:
    """Read a hardware table."""
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    kinds = {"cards": Card, "links": Link, "boards": Board, "supplies": Supply, "outlets": Outlet, "prices": Price}
    return Hardware(**{key: _rows(kind, data.get(key, {})) for key, kind in kinds.items()})


HARDWARE = load()
