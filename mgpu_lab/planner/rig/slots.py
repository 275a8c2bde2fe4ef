"""Judges whether the cards of a rig find slots wide enough on the board, and how many lanes each then has."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations

from mgpu_lab.planner.hardware import PCIE_GBPS, Board, link_rate_gbps
from mgpu_lab.planner.rig.lane_cost import FULL, LaneCost
from mgpu_lab.planner.rig.parts import Rig
from mgpu_lab.reports import Row, Status

SECTION = "Slots"
SMALL = 0.02  # of a step: lanes that cost less than this are no reason to buy another board
_NAME_A_BOARD = "Name a board of the table, or pass a `Board` with what its manual says."


def slot_rows(rig: Rig, cost: LaneCost | None) -> Iterator[Row]:
    """Judge places and lanes. `cost` is what the narrowest slot costs a step, where a job is known."""
    if not rig.in_slots:
        yield _baseboard(rig)
        return
    if any(card.slots == 0 for card in rig.cards):
        reason = "modules of a baseboard (SXM) and cards for slots go into different machines"
        yield Row(SECTION, "slots", "modules and cards together", "fail", reason, "Plan two machines.")
    yield _places(rig)
    yield _lanes(rig, cost)


def _baseboard(rig: Rig) -> Row:
    if rig.board is None:
        return Row(SECTION, "slots", "modules of a baseboard (SXM), which brings slots and links with it", "ok")
    reason = f"{rig.cards[0].name} is a module that sits on a baseboard of its own; it fits no PCIe slot"
    return Row(SECTION, "slots", f"none for it on {rig.board.name}", "fail", reason, "Plan with the maker's server.")


def _places(rig: Rig) -> Row:
    """Judge whether the cards fit side by side: a card is as many places wide as its `slots`.

    The last card reaches over the board's edge; whether the case has room there is not known here.
    """
    name = "places for the cards"
    widths = [card.slots for card in rig.cards]
    known = [width for width in widths if width is not None]
    if rig.board is None or not rig.board.slot_spacing or len(known) < len(widths):
        what = "the board" if rig.board is None else "this card's width" if known != widths else "the board's spacing"
        return Row(SECTION, name, "unknown", "unknown", f"{what} is not known", _NAME_A_BOARD)
    spacing = rig.board.slot_spacing
    wide = ", ".join(f"{width:g}" for width in sorted(set(known)))
    found = f"{len(known)} cards {wide} places wide; slots {', '.join(f'{each:g}' for each in spacing)} places apart"
    if len(known) > len(spacing) + 1:
        reason = f"{rig.board.name} has {len(spacing) + 1} slots for {len(known)} cards"
        return Row(SECTION, name, found, "fail", reason, "Take a board with more slots, or fewer cards.")
    free = widest_gap(known, spacing)
    if free is not None:
        return Row(SECTION, name, found, "ok")
    status: Status = "warn" if rig.case == "open" else "fail"
    reason = "the cards cover each other's slots"
    remedy = "Use riser cables on an open frame, narrower cards (blower, liquid), or a board with wider spacing."
    return Row(SECTION, name, found, status, reason, remedy)


def widest_gap(widths: Sequence[float], spacing: Sequence[float]) -> float | None:
    """Return the free places between neighbours, at the tightest point, in the best order; None where they don't fit.

    >>> widest_gap([3, 3], [2, 2, 2]), widest_gap([3, 3, 3], [2, 2, 2]), widest_gap([2], [])
    (3, None, inf)
    """
    starts = [sum(spacing[:slot]) for slot in range(len(spacing) + 1)]
    orders = set(permutations(widths))
    gaps = [_tightest(places, order) for places in combinations(starts, len(widths)) for order in orders]
    best = max(gaps, default=-1.0)
    return best if best >= 0 else None


def _tightest(places: Sequence[float], widths: Sequence[float]) -> float:
    free = (there - here - width for (here, there), width in zip(pairwise(places), widths, strict=False))
    return min(free, default=float("inf"))


def _lanes(rig: Rig, cost: LaneCost | None) -> Row:
    name = "PCIe lanes"
    lanes = lanes_of(rig)
    if lanes is None:
        most = max(rig.board.lanes, default=0) if rig.board else 0
        if rig.board and 0 < most < len(rig.cards):
            reason = f"the manual of {rig.board.name} names lanes for {most} cards at most"
            return Row(SECTION, name, f"none for {len(rig.cards)} cards", "fail", reason, "Take a board with more.")
        return Row(SECTION, name, "unknown", "unknown", "the board's lanes are not known", _NAME_A_BOARD)
    found = ", ".join(f"x{each}" for each in lanes)
    if min(lanes) == 0:
        return Row(
            SECTION, name, found, "fail", "a slot without lanes reaches nothing", "Take a board with more lanes."
        )
    found += _rate(rig, min(lanes))
    if cost is not None and cost.share is not None:
        found += f"; a step takes {cost.step_s:.3g} s, with x{FULL} {cost.full_step_s:.3g} s ({cost.share:+.1%})"
    return _judged(rig, lanes, found, cost)


def _judged(rig: Rig, lanes: Sequence[int], found: str, cost: LaneCost | None) -> Row:
    """Lanes that a known job loses little by are fine; without a job, fewer than the card has are worth a look."""
    wanted = min((card.pcie_lanes or FULL for card in rig.cards), default=FULL)
    shared = _behind_the_chipset(rig.board, lanes)
    cheap = cost is not None and cost.share is not None and cost.share < SMALL
    if (min(lanes) >= wanted or cheap) and not shared:
        return Row(SECTION, "PCIe lanes", found, "ok", "this job loses little by it" if min(lanes) < wanted else "")
    reason = shared or f"the cards have {wanted} lanes, and the slots give {min(lanes)}: traffic is that much slower"
    if cost is None or cost.share is None:
        reason += "; what a step loses depends on the job: pass a model or a plan"
    remedy = "Take a board with more lanes from the CPU, or send less: accumulate gradients, train adapters."
    return Row(SECTION, "PCIe lanes", found, "warn", reason, remedy)


def _behind_the_chipset(board: Board | None, lanes: Sequence[int]) -> str:
    if behind := chipset_slots(board, lanes):
        words = "the last slot is" if behind == 1 else f"the last {behind} slots are"
        return f"{words} behind the chipset, whose one narrow way to the CPU drives, network and USB use, too"
    if board is None or board.cpu_lanes is None or sum(lanes) <= board.cpu_lanes:
        return ""
    return f"the slots have more lanes than the CPU's {board.cpu_lanes}: some share theirs behind a chipset or a switch"


def chipset_slots(board: Board | None, lanes: Sequence[int]) -> int:
    """Return how many of the last slots have their lanes from the chipset, by how many lanes it gives."""
    left = board.chipset_lanes if board else 0
    behind = 0
    for each in reversed(lanes):
        left -= each
        if left < 0:
            break
        behind += 1
    return behind


def lanes_of(rig: Rig) -> tuple[int, ...] | None:
    """Return the lanes of every card: as the machine says, else as the board has them for so many cards."""
    said = [kind.lanes for kind in rig.kinds for _ in range(kind.count)]
    if None not in said:
        return tuple(each for each in said if each is not None)
    return rig.board.lanes.get(len(rig.cards)) if rig.board else None


def _rate(rig: Rig, lanes: int) -> str:
    """Write the rate of the narrowest slot, computed from the generation that all cards and the board have in common.

    Slots behind a chipset may be of an older generation than the board's first.
    """
    generations = [rig.slot_generation(card) for card in rig.cards]
    known = [each for each in generations if each is not None]
    if len(known) < len(generations) or min(known) not in PCIE_GBPS:
        return ""
    most = "at most " if chipset_slots(rig.board, lanes_of(rig) or ()) else ""
    return f"; computed: {most}{link_rate_gbps(min(known), lanes):.3g} GB/s per direction at generation {min(known)}"
