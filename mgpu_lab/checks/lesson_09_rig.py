"""The check of lesson 09's exercise on a rig: by how much it fails in three places, and parts with which it works.

For the notebook's kernel.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import brief, judge_number
from mgpu_lab.planner.hardware import HARDWARE, look_up
from mgpu_lab.planner.rig.check import check_rig
from mgpu_lab.planner.rig.slots import lanes_of
from mgpu_lab.wire.errors import UsageError

RIG = {
    "cards": "3x RTX-4090",
    "board": "Gigabyte Z890 AORUS Master",
    "supply": "ATX3-1200",
    "outlet": "US 120 V 15 A",
    "case": "open",
    "rest_watts": 300,
}
GIVEN: Mapping[str, Any] = MappingProxyType(dict(RIG))  # what is judged, whatever a learner writes into RIG
EFFICIENCY = 0.9  # of the supply: what it delivers, of what it draws
PARTS = ("lanes", "supply_short_watts", "outlet_over_watts", "mended")
ROWS: dict[str, Mapping[str, Any]] = {
    "board": HARDWARE.boards,
    "supply": HARDWARE.supplies,
    "outlet": HARDWARE.outlets,
}  # what may change
LEAST_LANES = 8
ROUNDED = 0.01  # numbers may be rounded to three digits


def load_watts() -> float:
    """Return what cards and the rest draw."""
    return 3 * float(HARDWARE["RTX-4090"].watts or 0) + float(GIVEN["rest_watts"])


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
    lanes = HARDWARE.boards[GIVEN["board"]].lanes[3]
    hints = {
        float(sum(lanes)): "That is all slots together. How many has the narrowest?",
        float(max(lanes)): "That is the widest slot. A ring waits for the narrowest.",
        float(sorted(lanes)[1]): "That slot is not the narrowest: with three cards there is a third.",
    }
    otherwise = "lanes: look at the row of the board for 3 cards."
    judge_number(found, min(lanes), hints, otherwise, relative=1e-9, ask="lanes: answer with a number")


def judge_supply(found: Any) -> None:
    rated, load = float(HARDWARE.supplies[GIVEN["supply"]].watts or 0), load_watts()
    rest = float(GIVEN["rest_watts"])
    hints = {
        load: "supply_short_watts: that is the load. How much of it does the supply not give?",
        load - rest - rated: "supply_short_watts: the rest of the machine draws, too.",
        rated - load: "supply_short_watts: the other way round; short is a positive number.",
        load / EFFICIENCY - rated: "supply_short_watts: a supply is rated by what it delivers, not by what it draws.",
        load - EFFICIENCY * rated: "supply_short_watts: a supply is rated by what it delivers; nothing is taken off.",
        (load - rated) / 1000: "supply_short_watts: in watts, not in kilowatts.",
        load - 2 * rated: "supply_short_watts: twice the rating is for a ten-thousandth of a second, not for hours.",
    }
    otherwise = "supply_short_watts: cards times watts, plus the rest, less what the supply is rated for."
    ask = "supply_short_watts: answer with a number"
    judge_number(found, load - rated, hints, otherwise, relative=ROUNDED, ask=ask)


def judge_outlet(found: Any) -> None:
    rated = float(HARDWARE.supplies[GIVEN["supply"]].watts or 0)
    outlet, drawn = HARDWARE.outlets[GIVEN["outlet"]], load_watts() / EFFICIENCY
    allowed, peak = float(outlet.watts or 0), float(outlet.volts or 0) * float(outlet.amperes or 0)
    hints = {
        load_watts() - allowed: "outlet_over_watts: the supply itself turns a tenth of what it draws into heat.",
        drawn - peak: "outlet_over_watts: for hours only 80% of the circuit's rating may be drawn.",
        load_watts() - peak: "outlet_over_watts: for hours only 80% of the rating, and the supply is not free of loss.",
        load_watts() * EFFICIENCY - allowed: "outlet_over_watts: the wall gives more than what arrives, not less.",
        load_watts() * (2 - EFFICIENCY) - allowed: "outlet_over_watts: 90% of what is drawn arrives: divide.",
        rated / EFFICIENCY - allowed: "outlet_over_watts: the load, not the supply's rating, decides what is drawn.",
        (drawn - allowed) / 1000: "outlet_over_watts: in watts, not in kilowatts.",
        drawn: "outlet_over_watts: that is what is drawn. By how much is it too much?",
        allowed - drawn: "outlet_over_watts: the other way round; too much is a positive number.",
    }
    otherwise = "outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours."
    ask = "outlet_over_watts: answer with a number"
    judge_number(found, drawn - allowed, hints, otherwise, relative=ROUNDED, ask=ask)


def judge_mended(parts: Any) -> None:
    if not isinstance(parts, Mapping) or set(parts) - set(GIVEN):
        raise Wrong(f"mended: a dictionary with {', '.join(ROWS)}; cards, case and the rest stay.")
    if changed := [name for name in GIVEN.keys() - ROWS.keys() if parts.get(name, GIVEN[name]) != GIVEN[name]]:
        raise Wrong(f"mended: {', '.join(sorted(changed))} must stay as before: {GIVEN[min(changed)]!r}.")
    named = {part: row_names(part, parts.get(part, GIVEN[part])) for part in ROWS}
    try:
        report = check_rig(**{**GIVEN, **named, "board": named["board"][0]})
    except UsageError as error:
        raise Wrong(f"mended: {error}") from None
    refuse_few_lanes(named["board"][0], lanes_of(report.rig))
    if failed := report.of("fail"):
        raise Wrong(f"mended: {failed[0].name}: {failed[0].found}; {failed[0].reason}.")


def row_names(part: str, given: Any) -> list[str]:
    """Return the names of the rows that are given, by name or as rows; Wrong for what the table does not have."""
    several = list(given) if isinstance(given, list | tuple) else [given]
    if not several or (part == "board" and len(several) > 1):
        raise Wrong(f"mended: name one {part} of the table{'' if part == 'board' else ', or several'}.")
    return [row_name(part, each) for each in several]


def row_name(part: str, given: Any) -> str:
    if given is None or given is ...:
        raise Wrong(f"mended: name the {part}, too.")
    if isinstance(given, str):
        try:
            return str(look_up(ROWS[part], given, part).name)
        except UsageError as error:
            raise Wrong(f"mended: {error}") from None
    if given not in ROWS[part].values():
        raise Wrong(f"mended: the {part} must be a row of the table, or its name; {brief(given)} is none.")
    return str(given.name)


def refuse_few_lanes(board: str, lanes: Sequence[int] | None) -> None:
    if not lanes:
        raise Wrong(f"mended: the table does not say how many lanes {board} gives to three cards in slots.")
    if min(lanes) < LEAST_LANES:
        raise Wrong(f"mended: with three cards the narrowest slot is x{min(lanes)}; {LEAST_LANES} lanes are asked for.")


JUDGES = {
    "lanes": judge_lanes,
    "supply_short_watts": judge_supply,
    "outlet_over_watts": judge_outlet,
    "mended": judge_mended,
}
