"""The numbers that fill the ledger of claims, by the name that ``claims.toml`` gives under `computed`."""

from collections.abc import Callable, Mapping

from mgpu_lab.course import claim_machines, claim_memory, claim_serving, claim_speed
from mgpu_lab.course.claim_plans import Numbers
from mgpu_lab.wire.errors import UsageError

NUMBERS: Mapping[str, Callable[[], Numbers]] = {
    each.__name__: each
    for each in (
        claim_speed.days_to_hours,
        claim_speed.two_to_eight,
        claim_serving.inference_two,
        claim_machines.one_direction,
        claim_speed.nvlink_step,
        claim_speed.pcie_tasks,
        claim_serving.pcie_inference,
        claim_serving.nvlink_inference,
        claim_speed.scaling,
        claim_speed.two_4090,
        claim_speed.four_4090,
        claim_machines.per_token,
        claim_speed.seventy_b,
        claim_serving.dual_5090,
        claim_serving.thousands,
        claim_memory.half_memory,
        claim_memory.qlora,
        claim_memory.offload,
        claim_memory.checkpointing,
        claim_machines.watts,
        claim_speed.mixed_links,
        claim_speed.few_lanes,
        claim_machines.h100_prices,
        claim_machines.on_premises,
        claim_machines.b200,
        claim_serving.by_layers,
        claim_memory.what_two_fit,
    )
}


def numbers(name: str) -> Numbers:
    """Return the numbers of a claim, and under "verdict" the one that they support.

    Raises:
        UsageError: there are no numbers of this name, or the hardware table lacks one that they need.
    """
    if name not in NUMBERS:
        raise UsageError(f"There are no numbers {name!r} for a claim. There are {', '.join(NUMBERS)}.")
    return NUMBERS[name]()
