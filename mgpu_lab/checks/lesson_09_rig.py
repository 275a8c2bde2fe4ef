"""The check of lesson 09's exercise on a rig: by how much it fails in three places, and parts with which it works.

For the notebook's kernel.
"""

from collections.abc import Mapping
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import judge_number
from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.rig import check_rig
from mgpu_lab.planner.rig_slots import lanes_of
from mgpu_lab.wire.errors import UsageError

RIG = {
    "cards": "3x RTX-4090",
    "board": "Gigabyte Z890 AORUS Master",
    "supply": "ATX3-1200",
    "outlet": "US 120 V 15 A",
    "case": "open",
    "rest_watts": 300,
}
EFFICIENCY = 0.9  # of the supply: what it delivers, of what it draws
PARTS = ("lanes", "supply_short_watts", "outlet_over_watts", "mended")
MAY_CHANGE = ("board", "supply", "outlet")
LEAST_LANES = 8
ROUNDED = 0.01  # numbers may be rounded to three digits


def load_watts() -> float:
    """Return what cards and the rest draw."""
    card = HARDWARE[RIG["cards"].split()[-1]]  # type: ignore[attr-defined]
    return 3 * float(card.watts or 0) + float(RIG["rest_watts"])  # type: ignore[arg-type]


def rig_faults(answer: Any) -> str:
    """``{"lanes": 1, "supply_short_watts": 0, "outlet_over_watts": 0, "mended": {"board": ..., ...}}``."""
    if not isinstance(answer, Mapping) or set(answer) - set(PARTS):
        raise Wrong(f"Answer with a dictionary that has {', '.join(PARTS)}, and nothing else.")
    still_open = [name for name in PARTS if answer.get(name, ...) is ... or answer[name] is None]
    if len(still_open) == len(PARTS):
        raise NotImplementedError
    for name, judge in JUDGES.items():
        if name not in still_open:
            judge(answer[name])
    if still_open:
        raise Wrong(f"What is filled in is right. Still open: {', '.join(still_open)}.")
    return "Three faults by their numbers, and a machine in which nothing fails."


def judge_lanes(found: Any) -> None:
    lanes = HARDWARE.boards[str(RIG["board"])].lanes[3]
    hints = {
        float(sum(lanes)): "That is all slots together. How many has the narrowest?",
        float(max(lanes)): "That is the widest slot. A ring waits for the narrowest.",
        float(sorted(lanes)[1]): "That slot is not the narrowest: with three cards there is a third.",
    }
    judge_number(found, min(lanes), hints, "lanes: look at the row of the board for 3 cards.", relative=1e-9)


def judge_supply(found: Any) -> None:
    rated, load = float(HARDWARE.supplies[str(RIG["supply"])].watts or 0), load_watts()
    rest = float(RIG["rest_watts"])  # type: ignore[arg-type]
    hints = {
        load: "supply_short_watts: that is the load. How much of it does the supply not give?",
        load - rest - rated: "supply_short_watts: the rest of the machine draws, too.",
        rated - load: "supply_short_watts: the other way round; short is a positive number.",
        load / EFFICIENCY - rated: "supply_short_watts: a supply is rated by what it delivers, not by what it draws.",
        load - 2 * rated: "supply_short_watts: twice the rating is for a ten-thousandth of a second, not for hours.",
    }
    otherwise = "supply_short_watts: cards times watts, plus the rest, less what the supply is rated for."
    judge_number(found, load - rated, hints, otherwise, relative=ROUNDED)


def judge_outlet(found: Any) -> None:
    outlet, drawn = HARDWARE.outlets[str(RIG["outlet"])], load_watts() / EFFICIENCY
    allowed, peak = float(outlet.watts or 0), float(outlet.volts or 0) * float(outlet.amperes or 0)
    hints = {
        load_watts() - allowed: "outlet_over_watts: the supply itself turns a tenth of what it draws into heat.",
        drawn - peak: "outlet_over_watts: for hours only 80% of the circuit's rating may be drawn.",
        load_watts() - peak: "outlet_over_watts: for hours only 80% of the rating, and the supply is not free of loss.",
        load_watts() * EFFICIENCY - allowed: "outlet_over_watts: the wall gives more than what arrives, not less.",
        load_watts() * (2 - EFFICIENCY) - allowed: "outlet_over_watts: 90% of what is drawn arrives: divide.",
        drawn: "outlet_over_watts: that is what is drawn. By how much is it too much?",
        allowed - drawn: "outlet_over_watts: the other way round; too much is a positive number.",
    }
    otherwise = "outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours."
    judge_number(found, drawn - allowed, hints, otherwise, relative=ROUNDED)


def judge_mended(parts: Any) -> None:
    if not isinstance(parts, Mapping) or set(parts) - set(MAY_CHANGE):
        raise Wrong(f"mended: a dictionary with {', '.join(MAY_CHANGE)}; cards, case and the rest stay.")
    try:
        report = check_rig(**{**RIG, **parts})
    except UsageError as error:
        raise Wrong(f"mended: {error}") from None
    if min(lanes_of(report.rig) or (0,)) < LEAST_LANES:
        raise Wrong(f"mended: a slot has fewer than {LEAST_LANES} lanes with three cards.")
    if failed := report.of("fail"):
        raise Wrong(f"mended: {failed[0].name}: {failed[0].found}; {failed[0].reason}.")


JUDGES = {
    "lanes": judge_lanes,
    "supply_short_watts": judge_supply,
    "outlet_over_watts": judge_outlet,
    "mended": judge_mended,
}
