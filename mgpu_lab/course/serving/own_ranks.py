"""Measure on the ranks what a plan of them needs, and the steps that are planned, all in the same minutes.

Programs that share the cores come and go. So everything is timed in turn, round after round, and the mean of each
counts: what disturbs one disturbs all, and the parts of a token add up to its time (medians would not).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from mgpu_lab.course.serving.own_machine import Ranks
from mgpu_lab.course.timing import finish_kernels

if TYPE_CHECKING:
    from torch import Tensor

PASSES = 3  # over the matrices: as long as a token, so that other programs disturb both alike
EACH = 2  # products between two sums; TP reads a little less there, and has its small calls to make
ROWS = 128  # of the large product, and of the large message
PROMPT = [1] * 64
ALONE = ("read alone", "single")


def measured_ranks(ways: Mapping[str, Any], narrow: Any, rounds: int = 24) -> tuple[Ranks, Ranks, dict[str, float]]:
    """Time one token of each way, and what its plan needs. Called by all ranks alike; all get the same.

    `ways` are ways to serve of one slot or more; "single" has the whole model on each rank, and its matrices are the
    ones that are read. `narrow` is like "single", of as many layers, but so narrow that only its calls take time. Rank
    0 works alone for "single"; for "replicas", which this adds, all ranks take the same step at the same time.

    Returns:
        one rank's figures while the others wait; its figures while all work; seconds of a token in each way.
    """
    import torch

    for way in (*ways.values(), narrow):
        way.prefill(0, PROMPT)
    steps = {name: _step(way) for name, way in {**ways, "replicas": ways["single"]}.items()}
    matrices = [each.weight for block in ways["single"].model.blocks for each in (block.mlp.gate, block.mlp.up)]
    with torch.inference_mode():
        seconds = in_turn(_probes(matrices) | {"narrow": _step(narrow)} | steps, rounds, alone=ALONE)
    layer_s = seconds["narrow"] / len(narrow.model.blocks)
    alone, together = (_figures(matrices, seconds, read, layer_s) for read in ("read alone", "read"))
    return alone, together, {name: seconds[name] for name in steps}


def in_turn(
    functions: Mapping[str, Callable[[], object]],
    rounds: int,
    alone: Collection[str] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the mean seconds of each function, of the slowest rank; those in `alone` run on rank 0 only.

    All ranks begin each function together. A first round is not counted.
    """
    from torch import distributed as dist

    finish, mine = finish_kernels(), {name: [0.0] * rounds for name in functions}
    for turn in range(-1, rounds):
        for name, function in functions.items():
            dist.barrier()
            if name in alone and dist.get_rank() > 0:
                continue
            began = clock()
            function()
            finish()
            if turn >= 0:
                mine[name][turn] = clock() - began
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return {name: max(statistics.fmean(each[name]) for each in everyone) for name in functions}


def _step(way: Any) -> Callable[[], object]:
    return lambda: way.step({0: PROMPT[0]})


def _probes(matrices: list[Tensor]) -> dict[str, Callable[[], object]]:
    """Products of one row with matrices too large for a cache: alone, at once, and with sums between them."""
    import torch
    from torch import distributed as dist

    features, width = matrices[0].shape
    row, rows = (torch.ones(number, width, device=matrices[0].device) for number in (1, ROWS))
    message, large = torch.zeros_like(row), torch.zeros(ROWS * features, device=row.device)

    def read(*, add_up: bool = False) -> None:
        for index, matrix in enumerate(matrices * PASSES):
            row @ matrix.T
            if add_up and index % EACH:
                dist.all_reduce(message)

    return {
        "read alone": read,
        "read": read,
        "read and add up": lambda: read(add_up=True),
        "small all_reduce": lambda: dist.all_reduce(message),
        "large all_reduce": lambda: dist.all_reduce(large),
        "multiply": lambda: rows @ matrices[0].T,
    }


def _figures(matrices: list[Tensor], seconds: Mapping[str, float], read: str, layer_s: float) -> Ranks:
    features, width = matrices[0].shape
    size, products = matrices[0].element_size(), PASSES * len(matrices)
    # between products an all-reduce also waits for the slower rank; it is never shorter than one by itself
    small_s = max(seconds["small all_reduce"], EACH * (seconds["read and add up"] - seconds["read"]) / products)
    sums = {width * size: small_s, ROWS * features * size: max(seconds["large all_reduce"], 1.01 * small_s)}
    return Ranks(
        read_gbps=products * features * width * size / seconds[read] / 1e9,
        tflops=2 * ROWS * features * width / seconds["multiply"] / 1e12,
        all_reduce_s=sums,
        layer_s=layer_s,
    )
