"""What renting, owning and both together cost over months: pure arithmetic on stated terms."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mgpu_lab.wire.errors import UsageError

HOURS_PER_MONTH = 8760 / 12
# Uptime Institute, "Large data centers are mostly more efficient, analysis confirms", 23 Nov 2023: "In 2023, industry
# average PUE stood at 1.58" (intelligence.uptimeinstitute.com, read 2026-11-28). A machine in an office that nobody
# cools has 1.
PUE, PUE_SOURCE = 1.58, "average of data centres in 2023, Uptime Institute"


def _term(unit: str, default: float, says: str = "") -> Any:
    return field(default=default, metadata={"unit": unit, "default": says})


def _left_out(unit: str) -> Any:
    return _term(unit, 0.0, "not given: counted as 0")


@dataclass(frozen=True)
class Terms:
    """Every figure that a comparison rests on. Money is in USD, and prices stay the same over the months.

    `utilisation` everywhere is the share of all hours in which the cards work, averaged over the months.

    Raises:
        UsageError: a figure is no number, negative, or a share above 1; no months; no card.
    """

    cards: float = _term("cards", 1)
    months: float = _term("months", 36, "default")
    usd_per_gpu_hour: float = _left_out("USD an hour and GPU, rented by the hour")
    card_usd: float = _left_out("USD a card, bought")
    rest_usd: float = _left_out("USD for the rest of the machine: board, CPU, memory, case, network")
    usd_per_kwh: float = _left_out("USD a kWh")
    card_watts: float = _left_out("W a card at work")
    rest_watts: float = _left_out("W of the rest of the machine at work, with the supply's losses")
    idle_watts: float = _left_out("W of the whole machine while it waits")
    pue: float = _term("W of the building for 1 W of the machine (PUE)", PUE, PUE_SOURCE)
    monthly_usd: float = _left_out("USD a month for administration, hosting, repairs")
    resale_share: float = _left_out("of the purchase, got back at the end")
    interest: float = _left_out("a year, on the whole purchase until the end")
    steady_share: float = _term("of the load that never stops (hybrid)", 0.5, "default: your own to replace")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise UsageError(f"{name}={value!r} must be a number, 0 or more.")
        for name in ("resale_share", "steady_share"):
            if getattr(self, name) > 1:
                raise UsageError(f"{name}={getattr(self, name)!r} is a share: from 0 to 1.")
        if not self.months:
            raise UsageError("months=0: compare over at least some time; 36 months are three years.")
        if self.cards < 1 or self.cards != int(self.cards):
            raise UsageError(f"cards={self.cards!r} must be a whole number, 1 or more.")
        if self.pue < 1:
            raise UsageError(f"pue={self.pue!r} is below 1: a building draws at least what the machine draws.")

    @property
    def hours(self) -> float:
        """All hours of these months."""
        return HOURS_PER_MONTH * self.months

    def rent_usd(self, utilisation: float) -> float:
        """Return what renting costs: cards x hours x utilisation x price."""
        return self.cards * self.hours * utilisation * self.usd_per_gpu_hour

    def owning(self, utilisation: float, cards: int | None = None) -> Mapping[str, float]:
        """Return the parts of owning, in USD; `utilisation` is that of the owned cards, all of them by default.

        - cards, rest of the machine: price x (1 - resale_share)
        - interest: price x ((1 + interest) ** (months / 12) - 1), on all that was bought, none of it paid back before
        - electricity: hours x kW x PUE x price, kW between idle and at work by utilisation
        - hosting and administration: months x monthly_usd
        """
        owned = int(self.cards) if cards is None else cards
        if not owned:
            return dict.fromkeys(PARTS, 0.0)
        bought = owned * self.card_usd + self.rest_usd
        busy_w = owned * self.card_watts + self.rest_watts
        idle_w = self.idle_watts * owned / self.cards
        kwh = self.hours * (utilisation * busy_w + (1 - utilisation) * idle_w) / 1000
        values = (
            owned * self.card_usd * (1 - self.resale_share),
            self.rest_usd * (1 - self.resale_share),
            bought * ((1 + self.interest) ** (self.months / 12) - 1),
            kwh * self.pue * self.usd_per_kwh,
            self.months * self.monthly_usd,
        )
        return dict(zip(PARTS, values, strict=True))

    def buy_usd(self, utilisation: float) -> float:
        """Return what owning all cards costs."""
        return sum(self.owning(utilisation).values())

    def owned_cards(self, utilisation: float) -> int:
        """Return how many cards a hybrid owns: the steady part of the load, in whole cards."""
        return math.ceil(self.steady_share * utilisation * self.cards - 1e-9)

    def hybrid_usd(self, utilisation: float) -> float:
        """Return what it costs to own cards for the steady load and to rent the peaks.

        `steady_share` of the load is there at all times; the rest comes in peaks that want all cards at once, for the
        share of the hours that makes up the average: (utilisation x cards - base) / (cards - base). The owned cards
        serve the base, and, where they are rounded up, a little of the peaks.
        """
        base = self.steady_share * utilisation * self.cards
        owned = self.owned_cards(utilisation)
        in_peaks = (utilisation * self.cards - base) / (self.cards - base) if base < self.cards else 0.0
        served = base + in_peaks * (owned - base)
        rented = (utilisation * self.cards - served) * self.hours * self.usd_per_gpu_hour
        return rented + sum(self.owning(served / owned if owned else 0.0, owned).values())

    @property
    def break_even(self) -> float | None:
        """The utilisation from which owning is cheaper than renting; None where it never is."""
        fixed = self.buy_usd(0.0)
        return break_even_utilisation(fixed, self.buy_usd(1.0) - fixed, self.rent_usd(1.0))


PARTS = ("cards", "rest of the machine", "interest", "electricity", "hosting and administration")
UNITS = {each.name: each.metadata["unit"] for each in fields(Terms)}
SAID = {each.name: each.metadata["default"] for each in fields(Terms)}


def break_even_utilisation(fixed_usd: float, running_usd: float, rent_usd: float) -> float | None:
    """Return the utilisation at which owning and renting cost the same: fixed / (rent - running).

    Owning costs fixed_usd + u x running_usd, renting u x rent_usd, where u is the utilisation from 0 to 1, and
    `running_usd` and `rent_usd` are those of full utilisation over the whole time. The lines cross where
    u = fixed_usd / (rent_usd - running_usd). None: they cross at no utilisation up to 1, and renting stays cheaper.

    >>> break_even_utilisation(30_000, 10_000, 70_000)
    0.5
    >>> break_even_utilisation(30_000, 10_000, 35_000) is None
    True
    """
    if rent_usd <= running_usd:
        return None
    utilisation = fixed_usd / (rent_usd - running_usd)
    return utilisation if utilisation <= 1 else None
