"""check_rig: what single changes of a rig lead to, with rows made here; and that nothing unknown is judged."""

import datetime as dt
import math
from dataclasses import dataclass, replace

import pytest

from mgpu_lab.planner.hardware import HARDWARE, Board, Card, Outlet, Supply
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.rig import check as rig_module
from mgpu_lab.planner.rig.air import airflow_m3_per_h
from mgpu_lab.planner.rig.check import check_rig
from mgpu_lab.planner.rig.lane_cost import LaneCost, lane_cost
from mgpu_lab.planner.rig.load import divided
from mgpu_lab.planner.rig.parts import Rig
from mgpu_lab.planner.rig.slots import widest_gap
from mgpu_lab.wire.errors import UsageError

US = {"volts": 120.0, "continuous": 0.8}
ROW = {"source": "made for this test", "checked": dt.date(2026, 11, 28)}
GAMER = Card(
    "Gamer", **ROW, memory_gib=24.0, tflops={"bf16": 160.0}, pcie_generation=4, pcie_lanes=16, peer_access=False,
    watts=450, transient_watts=600, cooling="open", slots=3,
)  # fmt: skip
OLDER = replace(GAMER, name="Older", memory_gib=12.0, tflops={"bf16": 40.0}, watts=300, transient_watts=400, slots=2)
SERVER = replace(GAMER, name="Server", cooling="passive", slots=2, peer_access=True)
MODULE = replace(SERVER, name="Module", slots=0, nvlink_gbps=450.0, nvlink_cards=8)
BOARD = Board(
    "Board", **ROW, pcie_generation=5, lanes={1: (16,), 2: (16, 16), 3: (16, 8, 8)}, cpu_lanes=64, slot_spacing=(4, 4)
)
SUPPLY = Supply("Supply", **ROW, watts=1600, excursion=2.0, efficiency=0.9, connectors_12v2x6=2)
OUTLET = Outlet("Outlet", **ROW, volts=230.0, amperes=16.0, continuous=0.8)  # 2944 W
GOOD = {"board": BOARD, "supply": SUPPLY, "outlet": OUTLET, "case": "tower", "rest_watts": 300}


def machine(card, count=2, **fields):
    return Machine(card, count, **fields)


def statuses(report):
    return {row.name: row.status for row in report.rows}


def only(report, name):
    [row] = report.find(name)
    return row


def test_a_good_rig_has_one_warning_no_driver_helps_with():
    report = check_rig(machine(GAMER), **GOOD)
    assert statuses(report) == {
        "places for the cards": "ok",
        "PCIe lanes": "ok",
        "watts, all the time": "ok",
        "watts, for a moment": "ok",
        "power cables": "ok",
        "watts at the wall": "ok",
        "heat": "ok",
        "cooling, Gamer": "ok",
        "NVLink, Gamer": "ok",
        "peer access, Gamer": "warn",
    }
    assert report.ok
    assert report.headline == "Nothing found keeps this from working. Worth a look: peer access, Gamer."


CHANGES = {  # one change of the good rig; the rows that change with it
    "slots too close": ({"board": replace(BOARD, slot_spacing=(2,))}, {
        "places for the cards": "fail", "cooling, Gamer": "warn"}),
    "slots too close, open frame": ({"board": replace(BOARD, slot_spacing=(2,)), "case": "open"}, {
        "places for the cards": "warn"}),
    "no air between": ({"board": replace(BOARD, slot_spacing=(3,))}, {"cooling, Gamer": "warn"}),
    "half a place of air": ({"board": replace(BOARD, slot_spacing=(3.5,))}, {"cooling, Gamer": "warn"}),
    "one slot": ({"board": replace(BOARD, slot_spacing=(), lanes={1: (16,)})}, {
        "places for the cards": "unknown", "PCIe lanes": "fail", "cooling, Gamer": "unknown"}),
    "x8": ({"board": replace(BOARD, lanes={2: (16, 8)})}, {"PCIe lanes": "warn"}),
    "no lanes in a slot": ({"board": replace(BOARD, lanes={2: (16, 0)})}, {"PCIe lanes": "fail"}),
    "lanes unknown": ({"board": replace(BOARD, lanes={3: (16, 8, 8)})}, {"PCIe lanes": "unknown"}),
    "behind a chipset": ({"board": replace(BOARD, cpu_lanes=24)}, {"PCIe lanes": "warn"}),
    "behind a chipset, as its maker says": ({"board": replace(BOARD, chipset_lanes=16)}, {"PCIe lanes": "warn"}),
    "weak supply": ({"supply": replace(SUPPLY, watts=1199)}, {"watts, all the time": "fail"}),
    "just enough": ({"supply": replace(SUPPLY, watts=1200)}, {}),
    "stiff supply": ({"supply": replace(SUPPLY, watts=1499, excursion=1.0)}, {"watts, for a moment": "fail"}),
    "excursion unknown": ({"supply": replace(SUPPLY, excursion=None)}, {"watts, for a moment": "unknown"}),
    "one socket": ({"supply": replace(SUPPLY, connectors_12v2x6=1)}, {"power cables": "warn"}),
    "sockets unknown": ({"supply": replace(SUPPLY, connectors_12v2x6=None)}, {"power cables": "unknown"}),
    "efficiency unknown": ({"supply": replace(SUPPLY, efficiency=None)}, {
        "watts at the wall": "unknown", "heat": "unknown"}),
    "American outlet": ({"outlet": Outlet("US", **ROW, **US, amperes=15.0)}, {}),  # 1333 of 1440 W
    "weak outlet": ({"outlet": Outlet("weak", **ROW, **US, amperes=13.8)}, {"watts at the wall": "fail"}),
    "outlet unknown": ({"outlet": Outlet("?", **ROW)}, {"watts at the wall": "unknown"}),
    "rest unknown": ({"rest_watts": None}, {
        "watts, all the time": "unknown", "watts, for a moment": "unknown", "watts at the wall": "unknown",
        "heat": "unknown"}),
    "rest unknown, too much already": ({"rest_watts": None, "supply": replace(SUPPLY, watts=899)}, {
        "watts, all the time": "fail", "watts, for a moment": "unknown", "watts at the wall": "unknown",
        "heat": "unknown"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_single_change_shows_in_its_rows_only(name):
    changed, expected = CHANGES[name]
    before = statuses(check_rig(machine(GAMER), **GOOD))
    assert statuses(check_rig(machine(GAMER), **{**GOOD, **changed})) == {**before, **expected}


@pytest.mark.parametrize(
    ("unknown", "rows"),
    [
        ("slots", {"places for the cards", "cooling, Gamer"}),
        ("watts", {"watts, all the time", "watts, for a moment", "watts at the wall", "heat"}),
        ("transient_watts", {"watts, for a moment"}),
        ("cooling", {"cooling, Gamer"}),
        ("peer_access", {"peer access, Gamer"}),
    ],
)
def test_what_is_not_known_of_a_card_is_said_to_be_unknown(unknown, rows):
    report = check_rig(machine(replace(GAMER, **{unknown: None})), **GOOD)
    assert {row.name for row in report.of("unknown")} == rows
    assert report.ok


@pytest.mark.parametrize(
    ("changed", "row", "reason", "remedy"),
    [
        ({"rest_watts": None}, "heat", "what the rest of the machine draws is", "Pass rest_watts"),
        ({"rest_watts": None}, "watts, for a moment", "what the rest of the machine draws is", "Pass rest_watts"),
        ({"supply": None}, "heat", "no supply is named", "Pass supply=..."),
        ({"supply": None}, "watts, all the time", "no supply is named", "Pass supply=..."),
        ({"supply": replace(SUPPLY, efficiency=None)}, "heat", "the supply's efficiency is", "Pass a `Supply` with"),
        ({"supply": replace(SUPPLY, watts=None)}, "watts, all the time", "the supply's rating is", "See its label."),
        ({"supply": replace(SUPPLY, excursion=None)}, "watts, for a moment", "what the supply stands", "Look for"),
        ({"outlet": Outlet("?", **ROW)}, "watts at the wall", "what the outlet gives is", "See its fuse"),
    ],
)
def test_the_reason_names_what_is_missing_and_nothing_that_was_given(changed, row, reason, remedy):
    found = only(check_rig(machine(GAMER), **{**GOOD, **changed}), row)
    assert found.reason.startswith(reason)
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("unknown", "row", "reason"),
    [
        ("watts", "heat", "the watts of Gamer are not known"),
        ("watts", "watts, all the time", "the watts of Gamer are not known"),
        ("transient_watts", "watts, for a moment", "the measured peak of Gamer is not known"),
        ("cooling", "cooling, Gamer", "how this card is cooled is not known"),
    ],
)
def test_the_reason_names_the_card_of_which_something_is_missing(unknown, row, reason):
    found = only(check_rig(machine(replace(GAMER, **{unknown: None})), **GOOD), row)
    assert found.reason == reason
    assert not found.remedy.startswith("Pass")


def test_numbers_are_those_that_one_computes_by_hand():
    report = check_rig(machine(GAMER), **GOOD)
    assert only(report, "PCIe lanes").found == "x16, x16; computed: 31.5 GB/s per direction at generation 4"
    assert only(report, "watts, all the time").found == "1,200 W on Supply (rated 1,600 W)"  # 2 * 450 + 300
    assert only(report, "watts, for a moment").found == "1,500 W on Supply (stands 3,200 W)"  # 2 * 600 + 300
    assert only(report, "watts at the wall").found == "1,333 W of 2,944 W at Outlet"  # 1200 / 0.9; 230 * 16 * 0.8
    assert only(report, "heat").found.startswith("1,333 W = 4,549 BTU/h")  # 1333.3 * 3.412
    assert airflow_m3_per_h(1206.0, 10.0) == pytest.approx(360.0)  # 3600 * 1206 / (1206 * 10)


def test_a_slot_behind_the_chipset_is_named_and_its_rate_is_at_most():
    board = replace(BOARD, lanes={2: (16, 4), 3: (16, 4, 1)}, chipset_lanes=5, cpu_lanes=24)
    two = only(check_rig(machine(GAMER), **{**GOOD, "board": board}), "PCIe lanes")
    assert two.found == "x16, x4; computed: at most 7.88 GB/s per direction at generation 4"
    assert two.reason.startswith("the last slot is behind the chipset")
    three = only(check_rig(machine(GAMER, 3), **{**GOOD, "board": board}), "PCIe lanes")
    assert three.reason.startswith("the last 2 slots are behind the chipset")
    assert "chipset" not in only(check_rig(machine(GAMER), **GOOD), "PCIe lanes").reason


def test_a_supply_may_want_more_volts_than_the_outlet_has():
    wants = replace(SUPPLY, minimum_volts=200)
    low = Outlet("low", **ROW, **US, amperes=30.0)
    assert only(check_rig(machine(GAMER), **{**GOOD, "supply": wants}), "volts").status == "ok"
    assert only(check_rig(machine(GAMER), **{**GOOD, "supply": wants, "outlet": low}), "volts").status == "warn"
    one_each = {"supply": [SUPPLY, wants], "outlet": [low, OUTLET]}
    assert only(check_rig(machine(GAMER), **{**GOOD, **one_each}), "volts").status == "ok"


def test_a_lower_bound_is_called_so():
    assert only(check_rig(machine(GAMER), **{**GOOD, "rest_watts": None}), "watts, all").found.startswith(
        "at least 900 W"
    )


def test_cards_are_divided_among_supplies_not_watts():
    """Three cards of 450 W and 300 W of the rest: 750 and 900, whatever the average is."""
    two = (SUPPLY, replace(SUPPLY, name="Second"))
    loads = divided(Rig((machine(GAMER, 3),), supplies=two, rest_watts=300))
    assert [load.watts for load in loads] == [750, 900]
    small = [replace(SUPPLY, watts=850)] * 2  # together 1700 W for 1650 W, and still one too many
    assert only(check_rig(machine(GAMER, 3), **{**GOOD, "supply": small}), "watts, all the time").status == "fail"


def test_each_supply_may_have_an_outlet_of_its_own():
    weak = Outlet("weak", **ROW, **US, amperes=10.5)  # 1008 W
    both = [SUPPLY, SUPPLY]
    assert (
        only(check_rig(machine(GAMER), **{**GOOD, "supply": both, "outlet": weak}), "watts at the wall").status
        == "fail"
    )
    shared = check_rig(machine(GAMER), **{**GOOD, "supply": both, "outlet": [weak, weak]})
    assert only(shared, "watts at the wall").found == "833 W of 1,008 W at weak; 500 W of 1,008 W at weak"
    assert only(shared, "watts at the wall").status == "ok"


def test_a_card_without_fans_wants_a_server():
    for case, status in (("tower", "fail"), ("open", "fail"), ("server", "ok"), (None, "unknown")):
        assert only(check_rig(machine(SERVER), **{**GOOD, "case": case}), "cooling").status == status


def test_a_card_that_its_slot_feeds_needs_no_cable():
    small = replace(GAMER, watts=72, transient_watts=72)
    no_sockets = replace(SUPPLY, connectors_12v2x6=0)
    assert only(check_rig(machine(small), **{**GOOD, "supply": no_sockets}), "power cables").status == "ok"
    assert only(check_rig(machine(small)), "power cables").status == "ok"


def test_modules_of_a_baseboard_take_no_slot():
    alone = check_rig(machine(MODULE, 8), case="server")
    assert statuses(alone)["slots"] == "ok"
    assert not alone.find("PCIe lanes")
    assert not alone.find("peer access")
    assert only(check_rig(machine(MODULE), board=BOARD), "slots").status == "fail"
    assert only(check_rig([machine(MODULE), machine(GAMER)], board=BOARD), "slots").status == "fail"


def test_a_bridge_joins_two_cards_and_not_four():
    bridged = replace(GAMER, nvlink_gbps=56.0, nvlink_cards=2)
    none = check_rig(machine(bridged))
    assert only(none, "NVLink").found == "none without a bridge, which joins 2 cards at 56 GB/s per direction"
    assert only(none, "peer access").status == "warn"
    both = check_rig(machine(bridged, nvlink=True))
    assert only(both, "NVLink").found == "56 GB/s per direction"
    assert not both.find("peer access")
    four = check_rig(machine(bridged, 4, nvlink=True))
    assert [only(four, name).status for name in ("NVLink", "peer access")] == ["warn", "warn"]
    assert only(check_rig(machine(bridged, nvlink=False)), "NVLink").found.startswith("none: ")
    assert only(check_rig(machine(replace(bridged, nvlink_cards=0), nvlink=True)), "NVLink").status == "unknown"


def test_one_card_talks_to_no_other():
    assert {row.section for row in check_rig(machine(GAMER, 1), **GOOD).rows} == {"Slots", "Power", "Air"}


def test_the_slowest_and_the_smallest_card_set_the_pace():
    report = check_rig([machine(GAMER), machine(OLDER, 1)], **GOOD)
    assert only(report, "mixed cards: speed").found == "Older 40 bf16 TFLOP/s, Gamer 160: 75% of it unused"
    assert only(report, "mixed cards: memory").found == "Older 12 GiB, Gamer 24: 50% of it unused"
    assert only(report, "PCIe lanes").found.startswith("x16, x8, x8;")
    pace = report.rig.pace
    assert (pace.count, pace.card.memory_gib, pace.card.tflops) == (3, 12.0, {"bf16": 40.0})
    strange = replace(OLDER, tflops={"fp8": 1.0}, memory_gib=None)
    unknown = check_rig([machine(GAMER), machine(strange, 1)])
    assert {row.status for row in unknown.find("mixed cards")} == {"unknown"}


@pytest.mark.parametrize(
    ("widths", "spacing", "free"),
    [
        ((3, 3), (3,), 0), ((3, 3), (4,), 1), ((3, 3), (2, 2), 1), ((3, 3, 3), (2, 2), None), ((2,), (), math.inf),
        ((3, 2), (2,), 0), ((2, 3, 2), (2, 2, 2), 0), ((1, 1, 1), (2,), None), ((2, 2), (2, 2, 2), 4),
    ],
)  # fmt: skip
def test_cards_find_the_widest_places(widths, spacing, free):
    assert widest_gap(widths, spacing) == free


RECIPE = Recipe(world_size=2)


@dataclass(frozen=True)
class FakeTime:
    communication_s: float | None


@dataclass(frozen=True)
class FakePlan:
    """A job that computes for 3 s and sends 16 GB over lanes of 1 GB/s, nothing hidden."""

    machine: Machine
    recipe: Recipe = RECIPE
    shape: str = "llama-3.2-1b"
    peak_bytes: int = 8 << 30
    capacity_bytes: int | None = 24 << 30
    fits: bool = True

    @property
    def time(self):
        return FakeTime(16 / (self.machine.lanes or 16))

    @property
    def step_s(self):
        return 3 + self.time.communication_s


def test_lanes_cost_what_the_step_takes_longer():
    cost = lane_cost(FakePlan(machine(GAMER)), 4, replan=FakePlan)
    assert cost == LaneCost(4, 7.0, 4.0, 4.0, 1.0)
    assert (cost.extra_s, cost.share) == (3.0, 0.75)
    assert LaneCost(4, None, None, None, None).share is None


def test_by_default_the_plans_own_recipe_is_planned_again(monkeypatch):
    asked = []

    def plan_training(model, where, **options):
        asked.append((model, where.lanes, options["method"], options["seq_len"], options["assumptions"]))
        return FakePlan(where)

    monkeypatch.setattr("mgpu_lab.planner.rig.lane_cost.plan_training", plan_training)
    plan = FakePlan(machine(GAMER), Recipe(world_size=2, method="zero2", seq_len=512))
    assert lane_cost(plan, 8, assumptions={"mfu": 0.3}).extra_s == 1.0
    assert asked == [("llama-3.2-1b", lanes, "zero2", 512, {"mfu": 0.3}) for lanes in (8, 16)]


def test_with_a_job_lanes_are_judged_by_what_they_cost(monkeypatch):
    monkeypatch.setattr("mgpu_lab.planner.rig.lane_cost.plan_training", lambda _, where, **__: FakePlan(where))
    board = replace(BOARD, lanes={2: (16, 8)})
    report = check_rig(machine(GAMER), **{**GOOD, "board": board}, plan=FakePlan(machine(GAMER)))
    assert only(report, "PCIe lanes").found.endswith("a step takes 5 s, with x16 4 s (+25.0%)")
    assert only(report, "PCIe lanes").status == "warn"
    assert only(report, "memory").found == "peak 8.0 GiB of 24 GiB"
    monkeypatch.setattr("mgpu_lab.planner.rig.lane_cost.lane_cost", None)
    monkeypatch.setattr(rig_module, "lane_cost", lambda *_, **__: LaneCost(8, 4.01, 4.0, 1.01, 1.0))
    cheap = check_rig(machine(GAMER), **{**GOOD, "board": board}, plan=FakePlan(machine(GAMER)))
    assert only(cheap, "PCIe lanes").status == "ok"


def test_a_board_of_an_older_generation_slows_the_job_with_any_lanes():
    asked = []
    old = replace(BOARD, pcie_generation=3, lanes={2: (8, 8)})

    def again(plan, lanes, **_):
        asked.append((plan.machine.card.pcie_generation, lanes))
        return LaneCost(lanes, 1.0, 1.0, 0.0, 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig_module, "lane_cost", again)
        for board in (old, replace(BOARD, lanes={2: (8, 8)})):
            check_rig(machine(GAMER), **{**GOOD, "board": board}, plan=FakePlan(machine(GAMER)))
    assert asked == [(3, 8), (4, 8)]  # the card's is 4


def test_a_job_that_does_not_fit_is_a_failure():
    plan = replace(FakePlan(machine(GAMER)), peak_bytes=30 << 30, fits=False)
    assert only(check_rig(machine(GAMER), plan=plan), "memory").status == "fail"
    nothing = replace(plan, capacity_bytes=None)
    assert only(check_rig(machine(GAMER), plan=nothing), "memory").status == "unknown"


def test_a_model_is_planned_on_the_weakest_of_mixed_cards(monkeypatch):
    asked = []
    monkeypatch.setattr(rig_module, "plan_training", lambda *given, **options: asked.append((given, options)))
    check_rig([machine(GAMER), machine(OLDER, 1)], model="gpt2", method="ddp")
    [((model, where), options)] = asked
    assert (model, where.count, where.card.memory_gib, options) == (
        "gpt2",
        3,
        12.0,
        {"assumptions": None, "method": "ddp"},
    )


PLAN = FakePlan(machine(GAMER))
ERRORS = {
    "card": (lambda: check_rig("2x RTX-9090"), "There is no card 'RTX-9090'"),
    "board": (lambda: check_rig(machine(GAMER), board="Bord"), "There is no board 'Bord'"),
    "supply": (lambda: check_rig(machine(GAMER), supply=["none"]), "There is no supply 'none'"),
    "outlet": (lambda: check_rig(machine(GAMER), outlet=5), "There is no outlet '5'"),
    "case": (lambda: check_rig(machine(GAMER), case="fridge"), "'fridge' is not one of 'open', 'tower', 'server'."),
    "watts": (lambda: check_rig(machine(GAMER), rest_watts=-1), "rest_watts=-1 must be"),
    "not a number": (lambda: check_rig(machine(GAMER), rest_watts=math.nan), "rest_watts=nan must be"),
    "no cards": (lambda: check_rig([]), "A rig has at least 1 card"),
    "too many": (lambda: check_rig([machine(GAMER, 8), machine(OLDER, 1)]), "8x Gamer + 1x Older are 9."),
    "outlets": (lambda: check_rig(machine(GAMER), outlet=[OUTLET, OUTLET], supply=SUPPLY), "one for each: 2 for 1"),
    "both": (lambda: check_rig(machine(GAMER), plan=PLAN, model="gpt2"), "Pass a plan, or a model"),
    "option": (lambda: check_rig(machine(GAMER), colour="red"), "no option colour"),
    "other plan": (lambda: check_rig(machine(GAMER, 4), plan=PLAN), "The plan is for 2x Gamer; this rig has 4 cards."),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_meant_is_refused_in_one_line(name):
    call, words = ERRORS[name]
    with pytest.raises(UsageError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rig_is_read_from_words():
    report = check_rig("2x RTX-4090 + 1x RTX-4090")
    assert [(kind.card, kind.count) for kind in report.rig.kinds] == [(HARDWARE["RTX-4090"], 3)]
    assert report.title == "Rig: 3x RTX-4090"


def test_the_report_looks_like_that_of_a_setup_verification():
    report = check_rig(machine(GAMER), **{**GOOD, "case": "open"})
    text = repr(report).splitlines()
    assert text[0] == "Rig: 2x Gamer"
    assert "[WARN] peer access, Gamer           refused by the driver" in text
    html = report._repr_html_()
    assert "<strong>WARN</strong>" in html
    assert "Rig: 2x Gamer" in html


def test_every_card_of_the_table_can_be_judged():
    for name in HARDWARE:
        assert repr(check_rig(f"2x {name}", case="server")).startswith(f"Rig: 2x {name}")


def test_a_rig_of_the_table_that_works_and_one_that_does_not():
    parts = {"case": "open", "rest_watts": 300}
    works = check_rig(
        "2x RTX-4090", board="ASUS Pro WS WRX90E-SAGE SE", supply="ATX3-1600", outlet="US 240 V 20 A", **parts
    )
    assert works.ok
    assert only(works, "PCIe lanes").found == "x16, x16; computed: 31.5 GB/s per direction at generation 4"
    fails = check_rig(
        "4x RTX-4090", board="ASUS ProArt X870E-Creator WiFi", supply="ATX3-1600", outlet="US 120 V 15 A", **parts
    )
    assert {row.name for row in fails.of("fail")} == {"PCIe lanes", "watts, all the time", "watts at the wall"}
    assert only(check_rig("2x L40S", case="tower"), "cooling").status == "fail"
    assert only(check_rig("2x RTX-3090"), "NVLink").found.startswith("none without a bridge")
    assert only(check_rig("8x H100-SXM-80GB"), "NVLink").status == "ok"
