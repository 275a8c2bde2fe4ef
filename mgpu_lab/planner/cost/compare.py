"""`compare_cost`: rent, buy, or buy for the steady load and rent the peaks, over utilisation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mgpu_lab.planner.cost.terms import SAID, UNITS, Terms
from mgpu_lab.planner.hardware import HARDWARE, Hardware
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.options import refuse_unknown
from mgpu_lab.tables import Table
from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UTILISATION = tuple(tenth / 10 for tenth in range(11))
YOURS = "yours"
COSTS_OF_OWNING = ("rest_usd", "rest_watts", "idle_watts", "monthly_usd", "interest")


@dataclass(frozen=True)
class CostRow:
    """USD over the whole time at one utilisation. `owned_cards` is what the hybrid owns."""

    utilisation: float
    rent_usd: float
    buy_usd: float
    hybrid_usd: float
    owned_cards: int

    @property
    def cheapest(self) -> str:
        """The way that costs least: "rent", "buy" or "hybrid"; of equal ones the first."""
        return min(("rent", "buy", "hybrid"), key=lambda way: getattr(self, f"{way}_usd"))


@dataclass(frozen=True, repr=False)
class CostComparison:
    """Rent, buy and hybrid at each utilisation. Shows itself as tables: the costs, and what they rest on.

    `sources` says of each figure in `terms` where it is from: "yours", a row of the hardware table, or left out.
    """

    machine: str
    terms: Terms
    rows: tuple[CostRow, ...]
    sources: Mapping[str, str]

    @property
    def break_even(self) -> float | None:
        """The utilisation from which buying is cheaper than renting; None where it never is."""
        return self.terms.break_even

    @property
    def parts(self) -> Mapping[str, float]:
        """What owning is made of, in USD: at the break-even, or at full utilisation where there is none."""
        return self.terms.owning(1.0 if self.break_even is None else self.break_even)

    @property
    def dominates(self) -> str:
        """The largest part of owning."""
        return max(self.parts, key=self.parts.__getitem__)

    @property
    def summary(self) -> str:
        """Say when to buy, and what decides it."""
        time, share = f"{self.terms.months:g} months", self.parts[self.dominates] / (sum(self.parts.values()) or 1.0)
        if self.break_even is None:
            words = f"Over {time}, renting {self.machine} is cheaper than buying at every utilisation."
        else:
            words = (
                f"Over {time}, buying {self.machine} is cheaper than renting from {self.break_even:.0%} utilisation on."
            )
        words += f" Most of what owning costs: {self.dominates} ({share:.0%})."
        if not self.left_out:
            return words
        return f"{words} Owning costs more than this; not given: {', '.join(self.left_out)}."

    @property
    def left_out(self) -> tuple[str, ...]:
        """What owning costs besides, and was counted as 0 because it was not given."""
        return tuple(name for name in COSTS_OF_OWNING if self.sources[name] == SAID[name])

    def table(self) -> Table:
        """Return the costs by utilisation, in USD."""
        head = ("utilisation", "rent, USD", "buy, USD", "hybrid, USD", "owned cards in it", "cheapest")
        rows = [
            (f"{row.utilisation:.0%}", *map(_usd, (row.rent_usd, row.buy_usd, row.hybrid_usd)),
             f"{row.owned_cards}", row.cheapest)
            for row in self.rows
        ]  # fmt: skip
        return Table(head, rows, caption=self.summary, numbers={0, 1, 2, 3, 4})

    def assumptions(self) -> Table:
        """Return every figure with its unit and where it is from."""
        rows = [(name, f"{value:,.6g}", UNITS[name], self.sources[name]) for name, value in vars(self.terms).items()]
        return Table(("figure", "value", "unit", "from"), rows, caption="What this rests on", numbers={1})

    def plot(self) -> Figure:
        """Draw the three costs over utilisation; no pyplot is needed."""
        from mgpu_lab.planner.cost.plot import figure_of

        return figure_of(self.terms, self.machine, self.summary)

    def __repr__(self) -> str:
        """Write both tables as text."""
        return f"{self.summary}\n\n{self.table()}\n\n{self.assumptions()}"

    def _repr_html_(self) -> str:
        return self.table().html() + self.assumptions().html()


def compare_cost(
    machine_or_name: str | Machine,
    *,
    utilisation: float | Iterable[float] = UTILISATION,
    hardware: Hardware = HARDWARE,
    **terms: float,
) -> CostComparison:
    """Compare what renting, buying, and both together cost over the months.

    Args:
        machine_or_name: "8x H100-SXM-80GB", or a `Machine`.
        utilisation: shares of all hours in which the cards work, from 0 to 1.
        hardware: the table with prices and watts.
        terms: the fields of `Terms`. Not given: `usd_per_gpu_hour`, `card_usd` and `usd_per_kwh` are the cheapest of
            the hardware table, `card_watts` is the card's own; what else is left out counts as 0.

    Raises:
        UsageError: an unknown card or term, no price or watts in the table and none given, figures that cannot be.
    """
    where = machine(machine_or_name)
    refuse_unknown("compare_cost", terms, [name for name in UNITS if name != "cards"], "term")
    found = {"cards": (float(where.count), "the machine"), **_of_the_table(where, hardware, terms)}
    given = Terms(**{name: value for name, (value, _) in found.items()} | terms)
    sources = {name: YOURS if name in terms else found[name][1] if name in found else SAID[name] for name in UNITS}
    rows = tuple(_row(given, each) for each in _shares(utilisation))
    return CostComparison(str(where), given, rows, sources)


def _row(terms: Terms, share: float) -> CostRow:
    owned = terms.owned_cards(share)
    return CostRow(share, terms.rent_usd(share), terms.buy_usd(share), terms.hybrid_usd(share), owned)


def _of_the_table(where: Machine, hardware: Hardware, given: Mapping[str, float]) -> dict[str, tuple[float, str]]:
    """Return prices and watts that the caller did not give, each with its source."""
    card, found = where.card, {}
    prices = (
        ("usd_per_gpu_hour", card.name, "rent"),
        ("card_usd", card.name, "buy"),
        ("usd_per_kwh", "", "electricity"),
    )
    for name, what, kind in prices:
        if name not in given:
            found[name] = _cheapest(hardware, what, kind, name)
    if "card_watts" not in given:
        if card.watts is None:
            raise UsageError(f"The hardware table does not know the watts of {card.name}; pass card_watts=...")
        found["card_watts"] = (float(card.watts), f"hardware table, card {card.name!r}")
    return found


def _cheapest(hardware: Hardware, card: str, kind: str, name: str) -> tuple[float, str]:
    for price in hardware.asked(card, kind):
        if price.usd is not None:
            return price.usd, f"hardware table, price {price.name!r}. {price.notes}".rstrip()
    what = f"to {kind} {card}" if card else f"of {kind}"
    raise UsageError(f"The hardware table has no price {what}; pass {name}=...")


def _shares(given: float | Iterable[float]) -> Iterator[float]:
    shares: Sequence[Any] = list(given) if isinstance(given, Iterable) else [given]
    for each in shares:
        if isinstance(each, bool) or not isinstance(each, int | float) or not 0 <= each <= 1:
            raise UsageError(f"utilisation={each!r} is a share of all hours: from 0 to 1.")
    return iter(shares)


def _usd(value: float) -> str:
    return f"{value:,.0f}"
