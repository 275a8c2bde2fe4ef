"""Checks of lesson 01's first exercises: two machines of ``verification`` diagnosed, in the notebook's kernel."""

from __future__ import annotations

import re
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import judge_number, number_of
from mgpu_lab.verification import example

TOLERANCE = 0.02
TWO_DECIMALS = 0.005  # 1.26 for 1.2647 is right, and 1.27 by way of 1.69 x 3 / 4; the next mistake is 1% away
HEAT = re.compile(r"heat|hot|therm|temperature")


def narrow_slot(answer: Any) -> str:
    """``{"gpu": ..., "times_longer": ...}`` for the machine with one card in a slot of four lanes."""
    gpu, times = fields(answer, "gpu", "times_longer")
    card_asked_for(gpu, 1, among=2, hint="has all of its lanes. Read the rows on width once more: who has fewer now?")
    hints = {
        4.0: "You counted lanes. Is a lane as fast on both cards? Look at the generations.",
        2.0: "You compared generations. How many lanes has each card?",
        1.0: "'Now' equals 'up to here' on both cards, the slot is the limit. Compare the two cards.",
        1 / 8: "Turned round: the time gets longer, so the number is above 1.",
        7.0: "That is how much *longer* it takes, in multiples. How many times *as long* is one more.",
        6.0: "The two factors do not add up: half the speed per lane, and a quarter of the lanes.",
        16.0: "One step of generation doubles the rate; you have it twice.",
    }
    otherwise = "Two things differ between the slots: the number of lanes, and the speed of one."
    judge_number(times, 8.0, hints, otherwise, relative=TOLERANCE)
    return "An all-reduce moves at the pace of its narrowest link; a check of the slot costs nothing."


def hot_card(answer: Any) -> str:
    """``{"gpu": ..., "reason": ..., "times_faster": ...}`` for the machine with a card that slows itself down."""
    gpu, reason, times = fields(answer, "gpu", "reason", "times_faster")
    clocks = [each.sm_clock_mhz or 0 for each in example("throttling").hardware.gpus]
    ill = clocks.index(min(clocks))
    card_asked_for(gpu, ill, among=4, hint="runs about as fast as two others. Whose clock is far below the rest?")
    if not isinstance(reason, str) or ("heat" in reason.lower() and "power" in reason.lower()):
        raise Wrong(f'Give one reason as text, "heat" or "power", and not {reason!r}.')
    if HEAT.search(reason.lower()) is None:
        raise Wrong(f'A healthy card works at its power limit. What does GPU {ill} report? Answer "heat" or "power".')
    others = [clock for index, clock in enumerate(clocks) if index != ill]
    slow, steady = clocks[ill], min(others)
    wanted = 3 * steady / (4 * slow)
    number = number_of(times)
    if number is not None and number == round(wanted, 1):
        raise Wrong("Rounded too far to tell one answer from another: give two decimals.")
    hints = {
        3 / 4: "That is the share of GPUs left. And at which clock do these three run, with nobody to wait for?",
        steady / slow: "That is how much shorter a step gets. But a step now handles three batches, not four.",
        4 * slow / (3 * steady): "Turned round: this is how much slower it is with the ill card.",
        sum(others) / sum(clocks): "That adds up clocks, as if nobody waited. In DDP all wait for the slowest.",
        3 * max(others) / (4 * slow): "Also three healthy cards wait for the slowest of them.",
        sum(others) / (4 * slow): "Also three healthy cards wait for the slowest of them.",
        3 * steady / sum(clocks): "With the ill card, all four run at its pace, not each at its own.",
        4 * steady / (3 * slow): "There are fewer GPUs without it, so this factor is 3/4, not 4/3.",
        wanted - 1: "That is the gain alone. How many times as many samples is one more.",
    }
    otherwise = "Samples per second: number of GPUs times the slowest clock."
    judge_number(times, wanted, hints, otherwise, relative=TWO_DECIMALS)
    return "Three healthy cards beat four with an ill one. Better still: mend the cooling."


def card_asked_for(gpu: Any, wanted: int, *, among: int, hint: str) -> None:
    """Raise Wrong where ``gpu`` is not the number of the card in question."""
    number = number_of(gpu)
    if number is None:
        raise Wrong(f"Answer with the number of the GPU, not {gpu!r}.")
    if number not in range(among):
        raise Wrong(f"There is no GPU {gpu}: the cards are numbered from 0 to {among - 1}.")
    if number != wanted:
        raise Wrong(f"GPU {gpu} {hint}")


def fields(answer: Any, *names: str) -> tuple[Any, ...]:
    """Return the values of a dictionary's keys; Wrong where one is missing or still open."""
    shape = "{" + ", ".join(f'"{name}": ...' for name in names) + "}"
    if not isinstance(answer, dict):
        raise Wrong(f"Answer with a dictionary: {shape}.")
    open_ones = [name for name in names if answer.get(name) is None or answer[name] is ...]
    if open_ones:
        raise Wrong(f"{', '.join(open_ones)} is still open: {shape}.")
    return tuple(answer[name] for name in names)
