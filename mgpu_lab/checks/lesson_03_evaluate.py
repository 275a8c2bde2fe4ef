"""The check of lesson 03's exercise ``evaluate(loss_of, items)``: a mean over ranks that counts each item once."""

import math
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.checks.mistakes import number_of
from mgpu_lab.checks.on_ranks import on_each_size, sizes_text


def evaluate(answer: Any) -> str:
    """``evaluate(loss_of, items)``: the mean over all items, each looked at once, the same on every rank."""
    on_each_size(lambda size: evaluate_trial(answer, size), "evaluating")
    return f"{sizes_text().capitalize()}: 10, 7 and 1 items, each looked at once; every rank has the same mean."


def evaluate_trial(answer: Any, size: int) -> str | None:
    """Evaluate lists that do not divide evenly, and one that leaves ranks without an item."""
    for count in (10, 7, 1):
        items = [float((7 * i) % 11) ** 2 for i in range(count)]
        seen: list[float] = []
        result = answer(lambda item, seen=seen: seen.append(item) or torch.tensor(item), items)
        gathered: list[Any] = [None] * size
        dist.all_gather_object(gathered, (number_of(result), seen))
        hint = number_hint([result for result, _ in gathered], items, size) or evaluate_hint(gathered, items, size)
        if hint:
            return hint
    return None


def number_hint(results: list[float | None], items: list[float], size: int) -> str | None:
    if any(result is None for result in results):
        return "Some rank got no number back: every rank must return the mean."
    if any(math.isnan(result) for result in results if result is not None):
        return f"The result is nan. On {size} ranks some have none of {len(items)} items: what is 0 / 0?"
    return None


def evaluate_hint(  # noqa: PLR0911 - one for each mistake
    gathered: list[tuple[float | None, list[float]]], items: list[float], size: int
) -> str | None:
    """Name the mistake; every rank sees the same facts and finds the same."""
    results = [result for result, _ in gathered]
    counts = [len(seen) for _, seen in gathered]
    looked = sorted(item for _, seen in gathered for item in seen)
    mean = sum(items) / len(items)
    if size > 1 and all(count == len(items) for count in counts):
        return f"Every rank looked at all {len(items)} items; the work is to be shared."
    if len(looked) > len(items):
        return f"{len(looked)} evaluations for {len(items)} items: some are counted twice, as DistributedSampler does."
    if looked != sorted(items):
        return f"{len(looked)} of {len(items)} items were looked at: the rest is lost. Who takes what does not divide?"
    if max(counts) > -(-len(items) // size):
        return f"The shares are {counts} items: no rank needs more than {-(-len(items) // size)}."
    if len(set(results)) > 1:
        return "The ranks return different numbers: each reports its own share. Add over ranks before you divide."
    if abs(results[0] - mean) < 1e-4 * max(1.0, mean):  # type: ignore[operator]
        return None
    locals_ = [sum(seen) / len(seen) for _, seen in gathered if seen]
    if abs(results[0] - sum(locals_) / size) < 1e-4 * max(1.0, mean):  # type: ignore[operator]
        return "This is the mean of the ranks' means; their shares differ in size. Add up losses and counts."
    if abs(results[0] - sum(items)) < 1e-4 * max(1.0, mean):  # type: ignore[operator]
        return "This is the sum of all losses; divide by the number of items."
    return (
        f"Every item is looked at once, but the result is {results[0]:g}. Add losses over ranks, divide by the items."
    )
