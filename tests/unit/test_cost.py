"""compare_cost: examples computed by hand, properties of the lines, and where each figure is from."""

import datetime as dt
import itertools
import math
import random
from dataclasses import fields, replace

import pytest

from mgpu_lab.planner.cost.compare import compare_cost
from mgpu_lab.planner.cost.terms import PARTS, SAID, UNITS, Terms, break_even_utilisation
from mgpu_lab.planner.hardware import Card, Hardware, Price
from mgpu_lab.planner.machines import Machine
from mgpu_lab.wire.errors import UsageError

ROW = {"source": "made for this test", "checked": dt.date(2026, 11, 28)}
CARD = Card("Card", **ROW, watts=500)
PRICES = [
    Price("dear", **ROW, card="Card", kind="rent", usd=3.0),
    Price("cheap", **ROW, card="Card", kind="rent", usd=2.0),
    Price("other", **ROW, card="Other", kind="rent", usd=1.0),
    Price("shop", **ROW, card="Card", kind="buy", usd=10_000.0),
    Price("unknown", **ROW, card="Card", kind="buy"),
    Price("night", **ROW, kind="electricity", usd=0.1, notes="At night."),
]
TABLE = Hardware({"Card": CARD}, {}, {}, {}, {}, {price.name: price for price in PRICES})
FOUR = Machine(CARD, 4)
# Four cards for a year of 8760 hours, at 1 USD a kWh, in a building that draws what the machine draws.
TERMS = Terms(cards=4, months=12, usd_per_gpu_hour=2.0, card_usd=10_000.0, usd_per_kwh=1.0, card_watts=500.0, pue=1.0)


NOTHING_ELSE = dict.fromkeys(("rest_usd", "rest_watts", "idle_watts", "monthly_usd", "interest"), 0)


def compared(**terms):
    return compare_cost(FOUR, hardware=TABLE, **{"months": 12, "usd_per_kwh": 1.0, "pue": 1.0, **terms})


def some_terms(seed):
    """Terms of any size, some of them 0."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    amounts = {each.name: rng.choice([0.0, rng.uniform(0, 3000)]) for each in fields(Terms)}
    shares = {name: rng.choice([0.0, 1.0, rng.random()]) for name in ("resale_share", "interest", "steady_share")}
    prices = {"usd_per_gpu_hour": rng.uniform(0, 5), "usd_per_kwh": rng.uniform(0, 0.5), "pue": rng.uniform(1, 2)}
    return Terms(**{**amounts, **shares, **prices, "cards": rng.randint(1, 16), "months": rng.randint(1, 60)})


ANY = [some_terms(seed) for seed in range(200)]


def test_renting_and_buying_as_one_computes_them_by_hand():
    assert TERMS.rent_usd(0.5) == 35_040  # 4 cards * 8760 h * 0.5 * 2 USD
    assert TERMS.buy_usd(0.0) == 40_000
    assert TERMS.buy_usd(0.5) == pytest.approx(48_760)  # 40,000 and 8760 h * 0.5 * 2 kW * 1 USD
    assert TERMS.break_even == pytest.approx(40_000 / (70_080 - 17_520))


def test_each_part_of_owning_as_one_computes_it_by_hand():
    rich = replace(
        TERMS, months=24, rest_usd=5000.0, rest_watts=500.0, idle_watts=100.0, pue=1.5, monthly_usd=200.0,
        resale_share=0.25, interest=0.1,
    )  # fmt: skip
    assert dict(rich.owning(0.25)) == pytest.approx({
        "cards": 30_000,  # 4 * 10,000 * 0.75
        "rest of the machine": 3750,  # 5000 * 0.75
        "interest": 9450,  # 45,000 * (1.1 ** 2 - 1)
        "electricity": 17_520 * (0.25 * 2.5 + 0.75 * 0.1) * 1.5,  # h * kW * PUE * 1 USD
        "hosting and administration": 4800,
    })  # fmt: skip


def test_a_hybrid_owns_the_steady_load_in_whole_cards():
    """At 50%, two cards' worth of work, half of it steady: one card always, and all four for a third of the time."""
    assert TERMS.owned_cards(0.5) == 1
    assert TERMS.hybrid_usd(0.5) == pytest.approx(10_000 + 8760 * 0.5 + 8760 * 1 * 2)  # owned, its power, rented
    # At 30%: 0.6 steady, so one card is owned; peaks of all four for 0.6 / 3.4 of the time, in which it is busy, too.
    served = 0.6 + 0.6 / 3.4 * 0.4
    by_hand = 10_000 + 8760 * served * 0.5 + (1.2 - served) * 8760 * 2
    assert TERMS.hybrid_usd(0.3) == pytest.approx(by_hand)


@pytest.mark.parametrize("terms", ANY[:50])
def test_the_ends_of_the_lines(terms):
    assert terms.rent_usd(0) == terms.hybrid_usd(0) == 0
    assert replace(terms, steady_share=0.0).hybrid_usd(1.0) == pytest.approx(terms.rent_usd(1.0))
    assert replace(terms, steady_share=1.0).hybrid_usd(1.0) == pytest.approx(terms.buy_usd(1.0))


@pytest.mark.parametrize("terms", ANY)
def test_break_even_is_where_the_lines_cross(terms):
    share = terms.break_even
    if share is None:
        assert all(terms.buy_usd(each / 100) > terms.rent_usd(each / 100) - 1e-6 for each in range(101))
        return
    assert 0 <= share <= 1
    assert terms.buy_usd(share) == pytest.approx(terms.rent_usd(share), rel=1e-9, abs=1e-6)
    for before, after in ((share * 0.9, min(1.0, share * 1.1)),):
        assert terms.buy_usd(before) >= terms.rent_usd(before) - 1e-6
        assert terms.buy_usd(after) <= terms.rent_usd(after) + 1e-6


def test_both_outcomes_occur_among_these_terms():
    found = [terms.break_even is None for terms in ANY]
    assert 20 < sum(found) < 180


DEARER = ("card_usd", "rest_usd", "usd_per_kwh", "card_watts", "rest_watts", "pue", "monthly_usd", "interest")


@pytest.mark.parametrize("name", DEARER)
def test_a_higher_figure_makes_owning_no_cheaper(name):
    for terms, share in itertools.product(ANY[:40], (0.0, 0.3, 1.0)):
        more = replace(terms, **{name: getattr(terms, name) * 1.5 + 0.1})
        assert more.buy_usd(share) >= terms.buy_usd(share)
        assert more.hybrid_usd(share) >= terms.hybrid_usd(share) - 1e-9
        assert (more.break_even or math.inf) >= (terms.break_even or 0.0)


def test_a_hybrids_cards_wait_on_their_share_of_the_idle_watts():
    idle = replace(TERMS, idle_watts=400.0)  # 100 W a card
    assert idle.hybrid_usd(0.3) - TERMS.hybrid_usd(0.3) == pytest.approx(8760 * 0.1 * (1 - 0.6 - 0.6 / 3.4 * 0.4))


def test_a_higher_rent_makes_buying_pay_sooner():
    shares = [replace(TERMS, usd_per_gpu_hour=usd).break_even for usd in (1.0, 2.0, 4.0, 8.0)]
    assert shares[0] is None
    assert shares[1:] == sorted(shares[1:], reverse=True)
    assert replace(TERMS, resale_share=0.5).break_even == pytest.approx(shares[1] / 2)


@pytest.mark.parametrize(
    ("fixed", "running", "rent", "share"),
    [(30, 10, 70, 0.5), (60, 10, 70, 1.0), (61, 10, 70, None), (0, 10, 70, 0.0), (30, 70, 70, None), (0, 80, 70, None)],
)
def test_break_even_by_hand(fixed, running, rent, share):
    assert break_even_utilisation(fixed, running, rent) == share


def test_prices_and_watts_come_from_the_table_and_say_so():
    result = compared()
    assert (result.terms.usd_per_gpu_hour, result.terms.card_usd, result.terms.card_watts) == (2.0, 10_000.0, 500.0)
    assert result.sources["usd_per_gpu_hour"] == "hardware table, price 'cheap'."
    assert result.sources["card_watts"] == "hardware table, card 'Card'"
    assert result.sources["usd_per_kwh"] == "yours"
    assert compare_cost(FOUR, hardware=TABLE).terms.usd_per_kwh == 0.1
    said = "hardware table, price 'night'. At night."
    assert compare_cost(FOUR, hardware=TABLE).sources["usd_per_kwh"] == said
    assert result.sources["monthly_usd"] == "not given: counted as 0"
    assert compare_cost(FOUR, hardware=TABLE, usd_per_kwh=1.0).sources["pue"].endswith("Uptime Institute")
    assert compared(usd_per_gpu_hour=9.0).sources["usd_per_gpu_hour"] == "yours"
    assert set(result.sources) == set(UNITS) == set(SAID) == set(vars(result.terms))


def test_the_result_says_when_to_buy_and_what_decides():
    result = compared(utilisation=[0, 0.5, 1], **NOTHING_ELSE)
    assert [(row.utilisation, row.cheapest) for row in result.rows] == [(0, "rent"), (0.5, "hybrid"), (1, "buy")]
    assert result.summary == (
        "Over 12 months, buying 4x Card is cheaper than renting from 76% utilisation on. "
        "Most of what owning costs: cards (75%)."
    )
    assert compared(rest_usd=0, monthly_usd=0).summary.endswith(
        "Owning costs more than this; not given: rest_watts, idle_watts, interest."
    )
    assert compared(usd_per_kwh=9.0, usd_per_gpu_hour=6.0).dominates == "electricity"
    never = compared(usd_per_gpu_hour=0.5)
    assert never.break_even is None
    assert "cheaper than buying at every utilisation" in never.summary
    assert tuple(never.parts) == PARTS
    assert [row.utilisation for row in compared(utilisation=0.25).rows] == [0.25]


def test_tables_show_every_row_and_every_figure():
    result = compared(utilisation=[0.5])
    lines = repr(result).splitlines()
    assert lines[0] == result.summary
    assert ["50%", "35,040", "48,760", "31,900", "1", "hybrid"] in [line.split() for line in lines]
    assert {line.split()[0] for line in repr(result.assumptions()).splitlines()[1:]} == set(UNITS)
    html = result._repr_html_()
    assert html.count("<table") == 2
    assert "not given: counted as 0" in html


def test_the_plot_says_in_words_what_it_shows():
    result = compared()
    figure = result.plot()
    assert repr(figure) == (
        f"Plot of cost over utilisation, as three lines. {result.summary} From no to full utilisation: "
        "rent 0 to 70,080 USD, buy 40,000 to 57,520 USD, hybrid 0 to 63,800 USD."
    )
    rent, buy, hybrid, mark = figure.axes[0].lines
    assert (rent.get_ydata()[-1], buy.get_ydata()[0]) == (pytest.approx(70.08), 40.0)
    assert len({line.get_linestyle() for line in (rent, buy, hybrid)}) == 3
    assert mark.get_xdata()[0] == pytest.approx(100 * result.break_even)
    shown = figure._repr_mimebundle_()
    assert f'alt="{figure.summary}"' in shown["text/html"]
    assert len(compared(usd_per_gpu_hour=0.5).plot().axes[0].lines) == 3


ERRORS = {
    "no months": ({"months": 0}, "months=0: compare over"),
    "negative months": ({"months": -1}, "months=-1 must be a number, 0 or more."),
    "negative price": ({"card_usd": -5}, "card_usd=-5 must be a number, 0 or more."),
    "not a number": ({"usd_per_kwh": math.nan}, "usd_per_kwh=nan must be"),
    "a word": ({"usd_per_kwh": "much"}, "usd_per_kwh='much' must be"),
    "true": ({"months": True}, "months=True must be"),
    "share": ({"resale_share": 1.5}, "resale_share=1.5 is a share"),
    "pue": ({"pue": 0.5}, "pue=0.5 is below 1"),
    "utilisation": ({"utilisation": [0.5, 50]}, "utilisation=50 is a share of all hours"),
    "unknown term": ({"colour": 1}, "compare_cost has no term colour. There are months,"),
    "cards": ({"cards": 3}, "compare_cost has no term cards."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_meant_is_refused_in_one_line(name):
    terms, words = ERRORS[name]
    with pytest.raises(UsageError) as caught:
        compared(**terms)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_no_source_says_must_be_given():
    empty = Hardware({}, {}, {}, {}, {}, {})
    given = {"usd_per_gpu_hour": 1.0, "card_usd": 1.0, "usd_per_kwh": 0.1, "card_watts": 1.0}
    strange = Machine(replace(CARD, watts=None), 2)
    assert compare_cost(strange, hardware=empty, **given).terms.cards == 2
    for name in given:
        rest = {other: value for other, value in given.items() if other != name}
        with pytest.raises(UsageError, match=f"pass {name}="):
            compare_cost(strange, hardware=empty, **rest)
    with pytest.raises(UsageError, match="no card 'RTX-9090'"):
        compare_cost("RTX-9090", **given)


def test_a_machine_of_the_table_is_compared_without_any_figure():
    result = compare_cost("8x H100-SXM-80GB")
    assert 0 < result.break_even < 1
    assert result.dominates == "cards"
    assert all(said.startswith("hardware table") for name, said in result.sources.items() if name.startswith("usd"))
