"""The check of lesson 03's exercise ``evaluate(loss_of, items)``: a mean over ranks that counts each item once."""

import math
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.calls import asked
from mgpu_lab.checks.core import refuse
from mgpu_lab.checks.mistakes import number_of
from mgpu_lab.checks.on_ranks import device_here, on_first, sizes, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

COUNTS = (10, 7, 1, 23, 12)
ROUNDED = 0.02  # bfloat16 has 8 bits
Found = tuple[float | None, list[float]]  # what a rank returned, and the items it looked at


def evaluate(answer: Any) -> str:
    """``evaluate(loss_of, items)``: the mean over all items, each looked at once, the same on every rank."""
    for size in sizes():
        for count in COUNTS:
            try_list(answer, size, count)
    return (
        f"{sizes_text().capitalize()}: {len(COUNTS)} lists of 1 to 23 items, each looked at once; one mean everywhere."
    )


def try_list(answer: Any, size: int, count: int) -> None:
    """Evaluate one list on the first ranks; then all ranks compare what each found."""
    items = items_of(count)
    found: list[Found] = []

    def trial(_: int) -> str | None:
        seen: list[float] = []

        def loss_of(item: float) -> torch.Tensor:
            seen.append(item)
            return torch.tensor(item, device=device_here())

        with Spy() as spy:
            result, hint = asked(answer, loss_of, list(items), shown="evaluate(loss_of, items)")
            found.append((number_of(result), seen))
        return hint or of_waits(spy)

    on_first(size, trial, f"evaluating a list of {count}")
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, found)
    facts = [each[0] for each in gathered[:size]]
    refuse(number_hint([result for result, _ in facts], items, size) or evaluate_hint(facts, items, size))


def items_of(count: int) -> list[float]:
    """Return numbers of which no few add up to others, so that a lost or doubled item shows in the mean."""
    return [(float((7 * i + count) % 23) ** 2 / 4 + i / 64 - 20) / 64 for i in range(count)]  # from -0.3 to 1.6


def number_hint(results: list[float | None], items: list[float], size: int) -> str | None:
    if any(result is None for result in results):
        return "Some rank got no number back: every rank must return the mean."
    if any(math.isnan(result) for result in results if result is not None):
        few = f" On {size} ranks some have none of {len(items)} items: what is 0 / 0?" if len(items) < size else ""
        return f"The result is nan for {len(items)} items.{few}"
    return None


def evaluate_hint(facts: list[Found], items: list[float], size: int) -> str | None:
    """Name the mistake; every rank sees the same facts and finds the same."""
    results = [result for result, _ in facts if result is not None]
    counts = [len(seen) for _, seen in facts]
    looked = sorted(item for _, seen in facts for item in seen)
    number, share = len(items), -(-len(items) // size)
    if size > 1 and number > 1 and all(sorted(seen) == sorted(items) for _, seen in facts):
        return f"Every rank looked at all {number} items; the work is to be shared."
    if len(looked) > number:
        return (
            f"{len(looked)} evaluations for {number} items: some are looked at twice, if not counted twice, as with "
            "DistributedSampler."
        )
    if len(looked) < number:
        return f"{len(looked)} of {number} items were looked at: the rest is lost. Which of the {size} ranks takes it?"
    if looked != sorted(items):
        return f"{number} evaluations, but some of the {number} items were looked at twice and others never."
    if max(counts) > share:
        return f"The ranks looked at {counts} of {number} items: no rank needs more than {share}."
    return mean_hint(results, facts, items, size)


def mean_hint(results: list[float], facts: list[Found], items: list[float], size: int) -> str | None:
    mean = sum(items) / len(items)
    if all(near(result, mean) for result in results):
        return None
    if not all(near(result, results[0]) for result in results):
        few = ", ".join(f"{result:g}" for result in results[:2])
        return (
            f"The ranks return different numbers ({few}). Add losses over ranks so that every rank has the sum, and "
            "divide by what is the same on all."
        )
    locals_ = [sum(seen) / len(seen) for _, seen in facts if seen]
    if any(near(results[0], sum(locals_) / each) for each in {size, len(locals_)}):
        return "This is the mean of the ranks' means; their shares differ in size. Add up losses and counts."
    if near(results[0], sum(items)):
        return "This is the sum of all losses; divide by the number of items."
    if abs(results[0] - mean) < ROUNDED * abs(mean):
        return f"The result is {results[0]:.7g} where the mean is {mean:.7g}: rounded, or added up in a short dtype?"
    return (
        f"Every item is looked at once, but the result is {results[0]:g} where the mean is {mean:g}. Add losses over "
        "ranks, divide by the items."
    )


def near(found: float, wanted: float) -> bool:
    return abs(found - wanted) < 1e-4 * max(1.0, abs(wanted))
