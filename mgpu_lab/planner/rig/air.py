"""Judges the air of a rig: how much heat it gives to the room, and whether its cards get the air that they need."""

from collections.abc import Iterator

from mgpu_lab.planner.rig.load import divided, missing_at_the_wall
from mgpu_lab.planner.rig.parts import Rig
from mgpu_lab.planner.rig.slots import widest_gap
from mgpu_lab.reports import Row

SECTION = "Air"
BTU_PER_H = 3.412  # of one watt
AIR_J_PER_M3_K = 1.2 * 1005.0  # density 1.2 kg/m3 times 1005 J/(kg K), at about 20 degrees C
WARMER_K = 10.0  # how much warmer the air may leave than it came
_UNKNOWN = "unknown"
_CARD = "how this card is cooled"


def air_rows(rig: Rig) -> Iterator[Row]:
    """Judge heat and cooling."""
    yield _heat(rig)
    for kind in rig.kinds:
        yield _cooling(rig, kind.card.name, kind.card.cooling)


def airflow_m3_per_h(watts: float, warmer_k: float = WARMER_K) -> float:
    """Return the air that carries these watts away: 3600 x W / (density x heat capacity x temperature rise).

    >>> round(airflow_m3_per_h(1000))
    299
    """
    return 3600 * watts / (AIR_J_PER_M3_K * warmer_k)


def _heat(rig: Rig) -> Row:
    """All power becomes heat in the room. 1 W is 3.412 BTU/h, the unit in which air conditioners are sold."""
    loads = divided(rig)
    watts = sum(load.wall_watts for load in loads)
    least = "" if loads[0].complete and all(load.efficiency for load in loads) else "at least "
    if not watts:
        return Row(SECTION, "heat", _UNKNOWN, "unknown", "the cards' watts are not known")
    words = f"{least}{watts:,.0f} W = {watts * BTU_PER_H:,.0f} BTU/h into the room"
    found = f"{words}; {airflow_m3_per_h(watts):,.0f} m3/h of air that leaves {WARMER_K:g} K warmer"
    if least:
        reason, remedy = missing_at_the_wall(rig)
        return Row(SECTION, "heat", found, "unknown", reason, remedy)
    return Row(SECTION, "heat", found, "ok")


def _cooling(rig: Rig, card: str, cooling: str | None) -> Row:
    """Judge how the cards of one kind are cooled in this case.

    - A passive heat sink has no fan: it "requires system airflow to properly operate the card within thermal limits"
      (NVIDIA board specifications, e.g. GRID K2, BD-06580-001, thermal specifications).
    - A card with open fans blows its heat into the case, where the next card takes it in: of two such cards in
      neighbouring slots the upper one reached 84 degrees C (michaelriedl.com/2021/12/12/dual-gpu-fan.html).
    Read 2026-11-28.
    """
    name = f"cooling, {card}"
    if cooling is None or (rig.case is None and cooling == "passive"):
        what, remedy = (_CARD, "See the card's data sheet.") if cooling is None else ("the case", "Pass case=...")
        return Row(SECTION, name, cooling or _UNKNOWN, "unknown", f"{what} is not known", remedy)
    if cooling == "passive":
        if rig.case == "server":
            return Row(SECTION, name, "passive, in a server's airflow", "ok")
        reason = "it has no fan: without a server's fans that push air through it, it throttles or shuts down"
        return Row(SECTION, name, f"passive, case {rig.case!r}", "fail", reason, "Use a server chassis that lists it.")
    if cooling == "open":
        return _open_fans(rig, name)
    return Row(SECTION, name, cooling, "ok")


def _open_fans(rig: Rig, name: str) -> Row:
    if len(rig.cards) == 1 or rig.case == "open":
        return Row(SECTION, name, "open fans" + (", open frame" if rig.case == "open" else ""), "ok")
    widths = [card.slots for card in rig.cards if card.slots is not None]
    if rig.board is None or not rig.board.slot_spacing or len(widths) < len(rig.cards):
        reason = "how much room is between the cards is not known: they take in each other's warm air"
        return Row(SECTION, name, "open fans", "unknown", reason, "Name a board.")
    free = widest_gap(widths, rig.board.slot_spacing)
    if free is not None and free >= 1:
        return Row(SECTION, name, f"open fans, {free:g} places free between cards", "ok")
    reason = "the fans blow into the case, and the next card takes the warm air in: it will throttle"
    remedy = "Leave a place free between cards, take blower or liquid-cooled cards, lower the power limit, or open up."
    return Row(SECTION, name, "open fans, no place free between cards", "warn", reason, remedy)
