"""The watts of a rig: what hangs on each supply, all the time and for a moment, and what that draws from the wall."""

from collections.abc import Sequence
from dataclasses import dataclass

from mgpu_lab.planner.hardware import Card, Supply
from mgpu_lab.planner.rig.parts import Rig
from mgpu_lab.reports import Status

REST = "Pass rest_watts: what CPU, board, memory and drives draw."


@dataclass(frozen=True)
class Load:
    """What hangs on one supply, in watts on its 12 V side. Where not `complete`, all figures are lower bounds."""

    supply: Supply | None
    watts: float
    peak_watts: float
    complete: bool
    peak_complete: bool

    @property
    def efficiency(self) -> float | None:
        return None if self.supply is None else self.supply.efficiency

    @property
    def rated_watts(self) -> float | None:
        return None if self.supply is None else self.supply.watts

    @property
    def momentary_watts(self) -> float | None:
        """What the supply stands for a moment; None where no source says."""
        if self.rated_watts is None or self.supply is None or self.supply.excursion is None:
            return None
        return self.rated_watts * self.supply.excursion

    @property
    def wall_watts(self) -> float:
        """What it draws from the wall; with an unknown efficiency, at least this."""
        return self.watts / (self.efficiency or 1.0)


def divided(rig: Rig) -> tuple[Load, ...]:
    """Divide the cards among the supplies so that the fullest is as empty as can be.

    The first supply feeds the board, and with it all that is not a card; a card's cables come from one supply.
    """
    supplies: Sequence[Supply | None] = rig.supplies or (None,)
    sizes = [(supply.watts if supply else None) or 1.0 for supply in supplies]
    ways: dict[tuple[float, ...], tuple[tuple[Card, ...], ...]]
    ways = {(rig.rest_watts or 0.0, *[0.0] * (len(supplies) - 1)): ((),) * len(supplies)}
    for card in rig.cards:
        ways = {
            (*watts[:at], watts[at] + (card.watts or 0), *watts[at + 1 :]): (
                *cards[:at],
                (*cards[at], card),
                *cards[at + 1 :],
            )
            for watts, cards in ways.items()
            for at in range(len(supplies))
        }
    best = min(ways, key=lambda watts: max(each / size for each, size in zip(watts, sizes, strict=True)))
    return tuple(_load(rig, at, supply, ways[best][at]) for at, supply in enumerate(supplies))


def _load(rig: Rig, at: int, supply: Supply | None, cards: Sequence[Card]) -> Load:
    rest = (rig.rest_watts or 0.0) if at == 0 else 0.0
    complete = rig.rest_watts is not None and all(card.watts is not None for card in rig.cards)
    return Load(
        supply,
        rest + sum(card.watts or 0 for card in cards),
        rest + sum(max(card.watts or 0, card.transient_watts or 0) for card in cards),
        complete,
        complete and all(card.transient_watts is not None for card in rig.cards),
    )


def missing_watts(rig: Rig) -> tuple[str, str] | None:
    """Say what keeps the watts on the supplies from being complete, and what to do; None where nothing does."""
    if unknown := [kind.card.name for kind in rig.kinds if kind.card.watts is None]:
        return f"the watts of {', '.join(unknown)} are not known", "See the card's data sheet."
    return ("what the rest of the machine draws is not known", REST) if rig.rest_watts is None else None


def missing_at_the_wall(rig: Rig) -> tuple[str, str]:
    """Say what keeps the watts at the wall from being complete, and what to do."""
    if missing := missing_watts(rig):
        return missing
    if not rig.supplies:
        return "no supply is named", "Pass supply=..."
    return "the supply's efficiency is not known", "Pass a `Supply` with its efficiency, by its 80 PLUS grade."


def within(watts: float, limit: float | None, *, complete: bool) -> Status:
    """Judge watts against a limit; a lower bound that is already too much is a failure, too."""
    if limit is not None and watts > limit:
        return "fail"
    return "ok" if complete and limit is not None else "unknown"
