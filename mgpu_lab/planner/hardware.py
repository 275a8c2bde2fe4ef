"""The hardware table: cards, links, boards, supplies and prices as rows of ``hardware.toml``, each with its source.

What no source says is None here. Bandwidths are 1e9 bytes a second in one direction; FLOP/s are dense.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mgpu_lab.planner.hardware_rows import Board, Card, Link, Outlet, Price, Supply
from mgpu_lab.planner.rows import Rows, look_up
from mgpu_lab.wire.errors import UsageError

__all__ = [
    "HARDWARE",
    "Board",
    "Card",
    "Hardware",
    "Link",
    "Outlet",
    "Price",
    "Supply",
    "link_rate_gbps",
    "load",
    "look_up",
]

FILE = Path(__file__).with_name("hardware.toml")
KINDS: dict[str, Any] = {
    "cards": Card,
    "links": Link,
    "boards": Board,
    "supplies": Supply,
    "outlets": Outlet,
    "prices": Price,
}
MOST_LANES = 16  # of a slot
PCIE_GBPS = {3: 0.985, 4: 1.969, 5: 3.938}  # a lane, one direction, after the 128b/130b code


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in KINDS)
        return f'The hardware table: {counts}. HARDWARE["RTX-4090"] is a card, HARDWARE.boards shows all boards.'

    def asked(self, card: str, kind: str) -> tuple[Price, ...]:
        """Return the prices of a card, "rent" or "buy", cheapest first; `asked("", "electricity")` those of a kWh."""
        found = [row for row in self.prices.values() if (row.card, row.kind) == (card, kind) and row.usd is not None]
        return tuple(sorted(found, key=lambda row: row.usd or 0.0))


def link_rate_gbps(generation: int, lanes: int) -> float:
    """Return what PCIe lanes carry in one direction, in 1e9 bytes a second: 31.5 for generation 4 with 16 lanes.

    Source: PCI Express 3.0, 4.0 and 5.0 transfer 8, 16 and 32 GT/s a lane, coded 128b/130b; packet headers and flow
    control, which take more, are in the links' efficiency. https://hpc-notes.pages.dev/reference/pcie

    Raises:
        UsageError: no such generation, or lanes not between 1 and 16.
    """
    if generation not in PCIE_GBPS:
        raise UsageError(f"PCIe generations here are 3, 4 and 5; not {generation!r}.")
    if isinstance(lanes, bool) or not isinstance(lanes, int) or not 1 <= lanes <= MOST_LANES:
        raise UsageError(f"A PCIe slot has 1 to {MOST_LANES} lanes; not {lanes!r}.")
    return PCIE_GBPS[generation] * lanes


def load(file: Path = FILE) -> Hardware:
    """Read a hardware table.

    Raises:
        UsageError: the file is no TOML, or has a section or a key that rows do not have, or a row without a source.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The hardware table {file.name} cannot be read: {error}") from None
    _refuse_unknown(data, KINDS, file.name)
    return Hardware(**{key: _rows(kind, data.get(key, {}), f"{file.name}, {key}") for key, kind in KINDS.items()})


def _rows(kind: Any, rows: Mapping[str, Mapping[str, Any]], where: str) -> Rows[Any]:
    return Rows(kind.__name__.lower(), {name: _row(kind, name, row, f"{where}, {name}") for name, row in rows.items()})


def _row(kind: Any, name: str, row: Mapping[str, Any], where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    _refuse_unknown(row, [key for key in fields if key != "name"], where)
    if missing := [key for key in ("source", "checked") if not row.get(key)]:
        raise UsageError(f"The row {where} has no {missing[0]}: every number here says where and when it was found.")
    return kind(name=name, **{key: _plain(value) for key, value in row.items()})


def _refuse_unknown(given: Mapping[str, Any], known: Any, where: str) -> None:
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise UsageError(f"{where}: {key!r} is not known. {hint}Known are {', '.join(known)}.")


def _plain(value: Any) -> Any:
    """TOML's keys are words and its lists are lists: lanes by number of cards become {2: (8, 8)}."""
    if isinstance(value, dict):
        return {int(key) if key.isdigit() else key: _plain(each) for key, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


HARDWARE = load()
