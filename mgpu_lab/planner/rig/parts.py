"""The parts of a rig: cards of one or several kinds, board, power supplies, outlets, case; by name or as rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, get_args

from mgpu_lab.planner.hardware import Board, Card, Outlet, Supply, look_up
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.reports import Status
from mgpu_lab.wire.errors import UsageError

Case = Literal["open", "tower", "server"]  # an open frame; a closed case; a server's, whose fans push air through
Part = TypeVar("Part", bound=Board | Supply | Outlet)
SEVERITY: tuple[Status, ...] = ("ok", "unknown", "warn", "fail")


@dataclass(frozen=True)
class Rig:
    """One host and what feeds it. `rest_watts` is what all but the cards draws; None is not known.

    Raises:
        UsageError: an unknown case, negative watts, outlets that do not match the supplies.
    """

    kinds: tuple[Machine, ...]
    board: Board | None = None
    supplies: tuple[Supply, ...] = ()
    outlets: tuple[Outlet, ...] = ()
    case: Case | None = None
    rest_watts: float | None = None

    def __post_init__(self) -> None:
        if self.case not in (None, *get_args(Case)):
            raise UsageError(f"case={self.case!r} is not one of {', '.join(map(repr, get_args(Case)))}.")
        rest = self.rest_watts
        if rest is not None and not (isinstance(rest, int | float) and 0 <= rest < math.inf):
            raise UsageError(f"rest_watts={rest!r} must be the watts of all but the cards: a number, 0 or more.")
        outlets, supplies = len(self.outlets), len(self.supplies)
        if outlets > 1 and outlets != supplies:
            raise UsageError(f"Name one outlet for all supplies, or one for each: {outlets} for {supplies}.")

    @property
    def cards(self) -> tuple[Card, ...]:
        """Every card, kind after kind."""
        return tuple(kind.card for kind in self.kinds for _ in range(kind.count))

    @property
    def in_slots(self) -> bool:
        """Whether the cards sit in slots; modules of a baseboard (SXM) have a width of 0."""
        return any(card.slots != 0 for card in self.cards)

    def __str__(self) -> str:
        return " + ".join(map(str, self.kinds))

    def slot_generation(self, card: Card) -> int | None:
        """Return the PCIe generation that this card and the board have in common; None where either is unknown."""
        generations = [card.pcie_generation, *([self.board.pcie_generation] if self.board else [])]
        known = [each for each in generations if each is not None]
        return min(known) if len(known) == len(generations) else None

    def on_board(self, where: Machine) -> Machine:
        """Return a machine whose cards run no faster over PCIe than this board's slots do."""
        slower = self.slot_generation(where.card) or where.card.pcie_generation
        return where.with_(card=replace(where.card, pcie_generation=slower))

    @property
    def pace(self) -> Machine:
        """All cards as if each were the weakest in everything: what a synchronous job gets from mixed cards."""
        first = self.kinds[0]
        if len(self.kinds) == 1:
            return first
        cards = [kind.card for kind in self.kinds]
        dtypes = set.intersection(*(set(card.tflops) for card in cards))
        numbers: dict[str, Any] = {
            name: _least(cards, name) for name in ("memory_gib", "memory_gbps", "pcie_generation", "pcie_lanes")
        }
        weakest = replace(
            first.card,
            name=f"weakest of {', '.join(card.name for card in cards)}",
            tflops={name: min(card.tflops[name] for card in cards) for name in first.card.tflops if name in dtypes},
            **numbers,
            peer_access=False if any(card.peer_access is False for card in cards) else None,
            nvlink_gbps=None,
            nvlink_cards=0,
            nvlink_link="",
        )
        return replace(first, card=weakest, count=len(self.cards), nvlink=None, name="")


def kinds_of(cards: str | Machine | Sequence[str | Machine]) -> tuple[Machine, ...]:
    """Read "2x RTX-4090 + 1x RTX-3090", a machine, or a list of machines; the same kind named twice is one kind.

    Raises:
        UsageError: an unknown card, no card, or more than a host holds.
    """
    given = cards.split("+") if isinstance(cards, str) else cards if isinstance(cards, list | tuple) else [cards]
    found: dict[str, Machine] = {}
    for kind in map(machine, given):
        before = found.get(kind.card.name)
        found[kind.card.name] = replace(kind, count=kind.count + before.count, name="") if before else kind
    if not found:
        raise UsageError('A rig has at least 1 card: "4x RTX-4090", or "2x RTX-4090 + 1x RTX-3090".')
    kinds, most = tuple(found.values()), max(kind.per_host for kind in found.values())
    if (count := sum(kind.count for kind in kinds)) > most:
        raise UsageError(f"A rig is one host of at most {most} cards; {' + '.join(map(str, kinds))} are {count}.")
    return kinds


def parts_of(
    kind: type[Part], given: str | Part | Sequence[str | Part] | None, rows: Mapping[str, Part]
) -> tuple[Part, ...]:
    """Return the rows of these names; a row itself is taken as it is.

    Raises:
        UsageError: the table has no row of this name.
    """
    if given is None:
        return ()
    several = given if isinstance(given, list | tuple) else (given,)
    return tuple(
        each if isinstance(each, kind) else look_up(rows, str(each), kind.__name__.lower()) for each in several
    )


def _least(cards: Sequence[Card], name: str) -> float | None:
    values = [getattr(card, name) for card in cards]
    return None if None in values else min(values)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the gravest of several statuses."""
    return max(statuses, key=SEVERITY.index, default="ok")
