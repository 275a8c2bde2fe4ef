"""The check of lesson 02's first exercise: how many samples each device gets. Plain Python, no torch."""

from __future__ import annotations

import itertools
import math
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import fitting, number_of

TELLING = ((8, 4), (5, 4), (3, 4), (9, 4), (1, 2), (7, 1), (10, 3), (3, 2))  # their hints say most: they come first
SHARDS = (*TELLING, *itertools.product(range(1, 25), range(1, 10)), (100, 64), (65_537, 16))
TOO_MANY = 10_000  # sizes: more than any right answer here


def shard_sizes(answer: Any) -> str:
    """``shard_sizes(samples, devices)``: what ``chunk`` gives to each device."""
    for samples, devices in SHARDS:
        size = math.ceil(samples / devices)
        wanted = [min(size, samples - first) for first in range(0, samples, size)]
        found, again = (sizes_of(answer, samples, devices) for _ in range(2))
        if found != again:
            raise Wrong("The second call gives another list than the first: your function keeps something in between.")
        if found != wanted:
            raise Wrong(f"{samples} samples on {devices_text(devices)}: {sizes_hint(found, samples, devices)}")
    return f"{len(SHARDS)} cases; 5 samples on 4 devices leave one device without work."


def devices_text(devices: int) -> str:
    return f"{devices} device{'s' * (devices > 1)}"


def sizes_of(answer: Any, samples: int, devices: int) -> list[int]:
    """Call the answer; return the sizes in a list or anything like one as Python's own numbers."""
    found = ask(answer, samples, devices, shown=f"shard_sizes({samples}, {devices})")
    case = f"for {samples} samples on {devices_text(devices)} it was {reprlib.repr(found)}"
    if not isinstance(found, Iterable) or isinstance(found, str | bytes | Mapping):
        raise Wrong(f"Return a list of sizes; {case}.")
    sizes = [number_of(each) for each in itertools.islice(found, TOO_MANY)]
    if any(size is None or not size.is_integer() for size in sizes):
        raise Wrong(f"Return a list of whole numbers; {case}.")
    return [int(size) for size in sizes if size is not None]


def sizes_hint(found: list[int], samples: int, devices: int) -> str:
    size, held, least, most = math.ceil(samples / devices), sum(found), min(found, default=1), max(found, default=1)
    in_order = [min(size, samples - first) for first in range(0, samples, size)]
    floored = len(found) > devices > 1 and most == samples // devices
    mistakes = {
        "a device that gets nothing is not in the list.": 0 in found and held == samples,
        f"a shard cannot hold {least} samples.": least < 0,
        f"your shards hold {held} samples together. The last one may be smaller than the others.": held < samples,
        f"your shards hold {held} samples together, more than there are.": held > samples,
        "the small shard comes last, not first.": sorted(found, reverse=True) == in_order,
        f"you have {len(found)} shards for {devices_text(devices)}. Round the size of a shard up, not down.": floored,
        f"you have {len(found)} shards for {devices_text(devices)}.": len(found) > devices,
        "you even the shards out. chunk rounds the size up and cuts until nothing is left.": most - least <= 1
        and len(found) == min(samples, devices),
    }
    otherwise = "the size of a shard is samples / devices, rounded up; all but the last one have it."
    return fitting(mistakes, bool) or otherwise
