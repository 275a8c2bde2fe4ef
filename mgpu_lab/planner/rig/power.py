"""Judges the power of a rig: all the time and for a moment, on each supply, its cables, and at the wall socket."""

from collections.abc import Iterator, Sequence

from mgpu_lab.planner.hardware import Supply
from mgpu_lab.planner.rig.load import Load, divided, missing_at_the_wall, missing_watts, within
from mgpu_lab.planner.rig.parts import Rig, worst
from mgpu_lab.reports import Row

SECTION = "Power"
SLOT_WATTS = 75  # what a card may take through its slot
CABLE_8PIN_WATTS = 150
_MORE = "Lower the cards' power limit (`nvidia-smi -pl`), or take a larger supply, or a second one."


def power_rows(rig: Rig) -> Iterator[Row]:
    """Judge supplies, cables and outlets."""
    loads = divided(rig)
    yield _sustained(rig, loads)
    yield _transient(rig, loads)
    if rig.in_slots:
        yield _cables(rig)
    yield _at_the_wall(rig, loads)
    yield from _volts(rig)


def _sustained(rig: Rig, loads: Sequence[Load]) -> Row:
    """Judge the power that flows for hours against the supplies' ratings.

    A supply delivers its rated power without limit of time: Intel, ATX12VO design guide 2.01 (613768), table 3-3, last
    line "100% infinite" (easymanua.ls/intel/atx12vo/manual?p=23, read 2026-11-28).
    """
    name, complete = "watts, all the time", loads[0].complete
    watts = sum(load.watts for load in loads)
    least = "" if complete else "at least "
    if not rig.supplies:
        reason = "no supply is named" if complete else "no supply is named, nor what the rest of the machine draws"
        remedy = "Pass supply=..." if complete else "Pass supply=... and rest_watts."
        return Row(SECTION, name, f"{least}{watts:,.0f} W", "unknown", reason, remedy)
    status = worst(within(load.watts, load.rated_watts, complete=complete) for load in loads)
    found = "; ".join(f"{least}{load.watts:,.0f} W on {_rated(load.supply)}" for load in loads)
    if status == "fail":
        return Row(SECTION, name, found, status, "the load is more than a supply is rated for: it switches off", _MORE)
    if status == "unknown":
        reason, remedy = missing_watts(rig) or ("the supply's rating is not known", "See its label.")
        return Row(SECTION, name, found, status, reason, remedy)
    return Row(SECTION, name, found, status)


def _rated(supply: Supply | None) -> str:
    if supply is None:
        return "no supply"
    return (
        f"{supply.name} (rated {supply.watts:,} W)" if supply.watts is not None else f"{supply.name} (rating unknown)"
    )


def _transient(rig: Rig, loads: Sequence[Load]) -> Row:
    """Judge the short peaks, all cards' at the same moment: ranks of one job start the same kernels together.

    An ATX 3 supply above 450 W with a 12V-2x6 socket stands 200% of its rating for 0.1 ms, 180% for 1 ms, 160% for
    10 ms, 120% for 100 ms; an older one is not tested above its rating (Intel, as above, table 3-3). How long a card's
    measured peak lasts is mostly not published, so a peak within the excursion is allowed, not proven.
    """
    name = "watts, for a moment"
    if loads[0].supply is None:
        return Row(SECTION, name, f"{_peak(loads[0])}", "unknown", "no supply is named", "Pass supply=...")
    status = worst(within(load.peak_watts, load.momentary_watts, complete=load.peak_complete) for load in loads)
    found = "; ".join(f"{_peak(load)} on {_stands(load)}" for load in loads)
    if status == "fail":
        reason = "if all cards peak together, a supply's protection may switch the machine off in the middle of a step"
        return Row(SECTION, name, found, status, reason, _MORE)
    if status == "unknown":
        reason, remedy = missing_watts(rig) or (_missing_peak(rig), "Look for a test with an oscilloscope.")
        return Row(SECTION, name, found, status, reason, remedy)
    return Row(SECTION, name, found, status)


def _missing_peak(rig: Rig) -> str:
    unknown = [kind.card.name for kind in rig.kinds if kind.card.transient_watts is None]
    what = f"the measured peak of {', '.join(unknown)}" if unknown else "what the supply stands above its rating"
    return f"{what} is not known"


def _peak(load: Load) -> str:
    return f"{'' if load.peak_complete else 'at least '}{load.peak_watts:,.0f} W"


def _stands(load: Load) -> str:
    watts = load.momentary_watts
    name = load.supply.name if load.supply else "no supply"
    return f"{name} ({'how much it stands is unknown' if watts is None else f'stands {watts:,.0f} W'})"


def _cables(rig: Rig) -> Row:
    """Judge the 12V-2x6 sockets, one for each card that draws more than its slot gives.

    12V-2x6 carries 600 W, an 8-pin cable 150 W, 6-pin 75 W: Intel, ATX12VO design guide 2.01, section 3.2. Each socket
    of a card wants a cable of its own: Hugging Face, transformers docs/source/en/perf_hardware.md, section Power.
    Which sockets a card has is not in the hardware table.
    """
    name = "power cables"
    hungry = [card for card in rig.cards if card.watts is not None and card.watts > SLOT_WATTS]
    if not hungry and all(card.watts is not None for card in rig.cards):
        return Row(SECTION, name, "none needed: the slots give enough", "ok")
    if not rig.supplies or None in (sockets := [supply.connectors_12v2x6 for supply in rig.supplies]):
        return Row(
            SECTION, name, "unknown", "unknown", "the supply's sockets are not known", "See the supply's manual."
        )
    have = sum(each for each in sockets if each is not None)
    found = f"{have} sockets 12V-2x6 for {len(hungry)} cards"
    if have >= len(hungry):
        return Row(SECTION, name, found, "ok")
    eight = max(-(-(card.watts or 0) // CABLE_8PIN_WATTS) for card in hungry)
    reason = f"the others need 8-pin cables: {eight:.0f} for each, {CABLE_8PIN_WATTS} W a cable, none of them split"
    return Row(SECTION, name, found, "warn", reason, "Count the supply's 8-pin sockets, or take a second supply.")


def _at_the_wall(rig: Rig, loads: Sequence[Load]) -> Row:
    """Judge what the supplies draw against what the outlet may give for hours.

    In the USA a circuit is rated for 125% of a load that lasts three hours or more, so such a load may take 80% of it:
    NEC 210.20(A) and article 100 (ecmweb.com/national-electrical-code/article/20900335, read 2026-11-28).
    """
    name = "watts at the wall"
    complete = loads[0].complete and all(load.efficiency for load in loads)
    least = "" if complete else "at least "
    drawn = [load.wall_watts for load in loads] if len(rig.outlets) > 1 else [sum(load.wall_watts for load in loads)]
    if not rig.outlets:
        found = f"{least}{drawn[0]:,.0f} W"
        return Row(SECTION, name, found, "unknown", "no outlet is named", "Pass outlet=...")
    pairs = list(zip(drawn, rig.outlets, strict=True))
    status = worst(within(watts, outlet.watts, complete=complete) for watts, outlet in pairs)
    found = "; ".join(
        f"{least}{watts:,.0f} W of {'unknown' if outlet.watts is None else f'{outlet.watts:,.0f} W'} at {outlet.name}"
        for watts, outlet in pairs
    )
    if status == "fail":
        reason = "more than the circuit may carry for hours: its breaker opens, or its wires grow hot"
        remedy = "Use a stronger circuit, a second supply on another circuit, or a lower power limit."
        return Row(SECTION, name, found, status, reason, remedy)
    if status == "unknown":
        reason, remedy = missing_at_the_wall(rig)
        if complete:
            reason, remedy = "what the outlet gives is not known", "See its fuse: volts times amperes."
        return Row(SECTION, name, found, status, reason, remedy)
    return Row(SECTION, name, found, status)


def _volts(rig: Rig) -> Iterator[Row]:
    """Judge whether the outlet has the volts at which a supply gives its full power."""
    for at, supply in enumerate(rig.supplies):
        outlet = rig.outlets[min(at, len(rig.outlets) - 1)] if rig.outlets else None
        if supply.minimum_volts is None or outlet is None or outlet.volts is None:
            continue
        name, found = "volts", f"{outlet.volts:g} V at {outlet.name} for {supply.name}"
        if outlet.volts >= supply.minimum_volts:
            yield Row(SECTION, name, found, "ok")
        else:
            reason = f"it gives its {supply.watts or 0:,} W from {supply.minimum_volts} V on, and less here"
            yield Row(SECTION, name, found, "warn", reason, "Use an outlet of 208 to 240 V, or count on less.")
