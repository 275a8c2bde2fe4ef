"""Your own ranks as a machine that `plan_inference` can plan: from four things measured on them.

>>> ranks = Ranks(read_gbps=16.0, tflops=0.1, all_reduce_s={8192: 0.0006, 8_388_608: 0.006}, layer_s=0.0003)
>>> where, assumed = own_machine(2, ranks)
>>> plan_inference(SHAPE, where, tensor_parallel=2, weights="fp32", assumptions=assumed)  # doctest: +SKIP

Nothing is taken from a data sheet, so all shares are 1. Each rank counts as a host of its own: what links the ranks,
gloo or NCCL, is then the network between hosts, and its times are those that you measured.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

from mgpu_lab.planner.hardware_rows import Card, Link
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.options import refuse_amount, refuse_rate
from mgpu_lab.planner.time.link_time import ring_share
from mgpu_lab.wire.errors import UsageError

MEASURED = "measured on these ranks"
RATED = {"matmul": 1.0, "attention": 1.0, "memory": 1.0}  # what was measured is reached


@dataclass(frozen=True)
class Ranks:
    """What was measured on ranks.

    `read_gbps` is 1e9 bytes a second that one rank reads in a product of one row with a large matrix, while all ranks
    that will work at once do the same; `tflops` 1e12 operations a second of a large product; `all_reduce_s` seconds of
    an all-reduce by its bytes, of one small message and one large; `layer_s` seconds of a layer's calls with next to
    nothing to read: a token of a very narrow model of as many layers, over these. What a token needs outside the layers
    is so in it, too.

    Raises:
        UsageError: a number that cannot be, or an all-reduce whose larger message is not the slower one.
    """

    read_gbps: float
    tflops: float
    all_reduce_s: Mapping[int, float]
    layer_s: float

    def __post_init__(self) -> None:
        refuse_rate("read_gbps", self.read_gbps)
        refuse_rate("tflops", self.tflops)
        refuse_amount("layer_s", self.layer_s)
        for size_bytes, seconds in self.all_reduce_s.items():
            refuse_rate(f"all_reduce_s[{size_bytes}]", seconds)
        times = [self.all_reduce_s[size] for size in sorted(self.all_reduce_s)]
        if len(times) != 2 or times[0] >= times[1]:  # noqa: PLR2004 - a line through two points
            raise UsageError(f"all_reduce_s needs a small and a large message, the large one slower; not {times}.")


def own_machine(count: int, ranks: Ranks) -> tuple[Machine, dict[str, float]]:
    """Return `count` such ranks as a machine, and the assumptions that go with it.

    Raises:
        UsageError: no ranks.
    """
    today = dt.datetime.now(tz=dt.UTC).date()
    card = Card("own rank", MEASURED, today, memory_gbps=ranks.read_gbps, tflops={"fp32": ranks.tflops})
    link, gbps = _line(count, ranks.all_reduce_s, today)
    where = Machine(card, count, per_host=1, network=link, network_gbps=gbps, name=f"{count} own ranks")
    return where, RATED | {"layer_us": ranks.layer_s * 1e6}


def _line(count: int, all_reduce_s: Mapping[int, float], today: dt.date) -> tuple[Link, float]:
    """Return a link and its rate, with which the planner's all-reduce takes the measured times at both sizes.

    One rank alone sends nothing, and gets the link of two.
    """
    (small, small_s), (large, large_s) = sorted(all_reduce_s.items())
    byte_s = (large_s - small_s) / (large - small)
    step_us = max(0.0, small_s - small * byte_s) / _steps(max(2, count)) * 1e6
    gbps = ring_share("all_reduce", max(2, count)) / byte_s / 1e9
    return Link("own link", MEASURED, today, gbps=gbps, efficiency=1.0, latency_us=step_us), gbps


def _steps(count: int) -> int:
    """Return the steps of an all-reduce among hosts of one rank each: a tree, up and down (`Group.steps_s`)."""
    return 2 * math.ceil(math.log2(count))
