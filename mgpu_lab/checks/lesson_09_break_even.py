"""The check of lesson 09's exercise on renting and buying: from which utilisation on a machine of one's own is cheaper.

Plain arithmetic, for the notebook's kernel.
"""

from dataclasses import dataclass
from typing import Any

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import brief, number_of, of_number

HOURS = 730.0  # of a month
ROUNDED = 1e-4  # a share may be rounded to four places
NEAR = 0.01  # a share that far off was rounded too early


@dataclass(frozen=True)
class Case:
    """Machines of one price each; USD, months, USD an hour, watts, USD a kWh, USD a month."""

    buy: float
    months: float
    rent: float
    watts: float
    kwh: float
    fixed: float

    @property
    def hours(self) -> float:
        return self.months * HOURS

    @property
    def electricity(self) -> float:
        """USD for an hour of work."""
        return self.watts / 1000 * self.kwh

    @property
    def owning(self) -> float:
        """USD that an owner pays whether the machine works or not."""
        return self.buy + self.months * self.fixed

    @property
    def utilisation(self) -> float | None:
        """Where rent x hours equals owning + electricity x hours; None where that is never reached."""
        saved = self.rent - self.electricity
        share = self.owning / (self.hours * saved) if saved > 0 else 2.0
        return share if share <= 1 else None

    def __str__(self) -> str:
        return f"break_even({self.buy:g}, {self.months:g}, {self.rent:g}, {self.watts:g}, {self.kwh:g}, {self.fixed:g})"

    def arguments(self) -> tuple[float, ...]:
        return self.buy, self.months, self.rent, self.watts, self.kwh, self.fixed


CASES = (
    Case(250_000, 36, 16.0, 10_000, 0.15, 3_000),  # 0.94
    Case(60_000, 36, 8.0, 4_000, 0.12, 0),  # 0.30
    Case(9_000, 24, 0.8, 900, 0.30, 50),  # 1.10: never
    Case(5_000, 24, 0.8, 900, 0.30, 50),  # 0.67
    Case(1_000, 12, 0.25, 5_000, 0.30, 0),  # electricity alone is dearer: never
    Case(4_000, 12, 0.25, 1_000, 0.25, 0),  # and as dear as the rent: never
    Case(0, 12, 1.0, 0, 0.2, 100),  # 0.14, a machine that is there already
    Case(0, 12, 1.0, 500, 0.2, 0),  # 0: nothing to pay but what it draws
    Case(8_760, 12, 1.0, 0, 0.2, 0),  # exactly 1
)


def break_even(answer: Any) -> str:
    """``break_even(buy, months, rent, watts, kwh, fixed)``: a share between 0 and 1, or None."""
    must_take(answer, str(CASES[0]), *CASES[0].arguments())
    for case in CASES:
        if hint := judged(returned_by(answer, case), case):
            raise Wrong(hint)
    return f"{len(CASES)} machines; {sum(case.utilisation is None for case in CASES)} of them never pay."


def returned_by(answer: Any, case: Case) -> Any:
    try:
        return ask(answer, *case.arguments(), shown=str(case))
    except ZeroDivisionError:
        if case.rent != case.electricity:
            raise
        raise Wrong(f"{case} divided by zero. An hour's electricity costs what an hour's rent does.") from None


def judged(returned: Any, case: Case) -> str | None:
    """Return what is wrong with an answer to one case."""
    wanted, found = case.utilisation, number_of(returned)
    if returned is None:
        return None if wanted is None else never_is_wrong(case)
    if found is None:
        return f"Return a number or None; {case} returned {brief(returned)}."
    if wanted is None:
        return never(found, case)
    if abs(found - wanted) <= ROUNDED:
        return None
    return of_number(found, mistakes(case)) or unknown_mistake(found, wanted, case)


def never_is_wrong(case: Case) -> str:
    if case.utilisation == 1:
        return f"{case} returned None. Always busy, both cost the same: return 1."
    always = case.electricity * case.hours
    return (
        f"{case} returned None. But always busy, renting costs {case.rent * case.hours:,.0f} USD, and owning "
        f"{case.owning:,.0f} and {always:,.0f} of electricity. So there is a share from which owning is cheaper."
    )


def unknown_mistake(found: float, wanted: float, case: Case) -> str:
    """Return what a share means that is wrong for no reason known."""
    if not 0 <= found <= 1:
        return f"{case} returned {found:.4g}. Return a share of all hours, between 0 and 1."
    if abs(found - wanted) < NEAR:
        return f"{case} returned {found:.4g}: near, not right. Round nothing; a month has 730 hours."
    return (
        f"{case} returned {found:.4g}; at that utilisation renting costs {case.rent * case.hours * found:,.0f} USD and "
        f"owning {case.owning + case.electricity * case.hours * found:,.0f}."
    )


def never(found: float, case: Case) -> str:
    """Return why there is no break-even."""
    if case.electricity >= case.rent:
        return (
            f"{case} returned {found:.4g}. An hour's electricity alone is no cheaper than an hour's rent: return None."
        )
    if found > 1:
        return f"{case} returned {found:.4g}. A machine cannot work more than all the time: return None."
    return f"{case} returned {found:.4g}. Even always busy, owning costs more here: return None."


def mistakes(case: Case) -> dict[float, str]:
    """Return usual wrong answers with their hints."""
    saved, monthly = case.rent - case.electricity, case.months * case.fixed
    share = case.owning / (case.hours * saved)
    return {
        case.owning / (case.hours * case.rent): f"{case}: an hour on your own machine is not free. What does it draw?",
        case.owning / (case.hours * (case.rent + case.electricity)): (
            f"{case}: electricity makes an hour of your own dearer, so what an hour saves gets smaller, not larger."
        ),
        case.buy / (case.hours * saved): f"{case}: the fixed costs are missing. They are due each month.",
        (case.buy + case.fixed) / (case.hours * saved): f"{case}: the fixed costs are due each month, not once.",
        (case.owning + case.electricity * case.hours) / (case.hours * case.rent): (
            f"{case}: electricity is paid for the hours in which the machine works, not for all hours."
        ),
        case.owning / (case.hours * (case.rent - case.watts * case.kwh)): f"{case}: watts are not kilowatts.",
        case.owning / (HOURS * saved): f"{case}: that is for one month. The machine lasts {case.months:g}.",
        (case.buy / case.months + monthly) / (HOURS * saved): f"{case}: the fixed costs are in USD a month already.",
        share * 100: f"{case}: that is in percent. Return a share between 0 and 1.",
        case.owning / saved: f"{case}: that is a number of hours. What share of all hours is it?",
        share * HOURS: f"{case}: that is hours of a month. What share of all hours is it?",
        1 - share: f"{case}: that is the rest of the hours, when nobody works.",
        share * 730 / 720: f"{case}: take a month as 730 hours (8,760 / 12).",
        share * 730 / 744: f"{case}: take a month as 730 hours (8,760 / 12).",
    }
