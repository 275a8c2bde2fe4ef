"""The check of lesson 09's exercise on fitting: two ways to fine-tune a 70B on two cards of 24 GB. The planner judges.

For the notebook's kernel: a plan is arithmetic.
"""

from collections.abc import Mapping
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.training import GIB, TrainingPlan, plan_training
from mgpu_lab.wire.errors import UsageError

MODEL, MACHINE = "llama-3.1-70b", "2x RTX-4090"
LEAST_TOKENS, HOST_GIB = 1024, 128
OPTIONS = tuple(name for name in Recipe.__dataclass_fields__ if name != "world_size")
KIND = ("method", "adapter", "offload", "tensor_parallel", "pipeline_parallel")  # what makes a way another way


def fit_70b(answer: Any) -> str:
    """``[{"method": "fsdp", ...}, {...}]``: options of `plan_training`, two ways of different kinds that fit."""
    if not isinstance(answer, list | tuple) or any(not isinstance(way, Mapping) and way is not ... for way in answer):
        raise Wrong("Answer with a list of two dictionaries: the options of plan_training, by name.")
    if not answer or all(way is ... for way in answer):
        raise NotImplementedError
    ways = [way for way in answer if way is not ...]
    plans = [planned(number, way) for number, way in enumerate(ways, 1)]
    if len(plans) != 2:  # noqa: PLR2004 - two ways
        raise Wrong(f"{'What is there fits. ' if plans else ''}Two ways are asked for, and there are {len(plans)}.")
    refuse_same(*plans)
    free = [(plan.capacity_bytes or 0) / GIB - plan.peak_bytes / GIB for plan in plans]
    return f"Both fit, with {free[0]:.1f} and {free[1]:.1f} GiB to spare."


def planned(number: int, way: Mapping[str, Any]) -> TrainingPlan:
    """Return the plan of a way that fits; Wrong for one that does not, or is no plan."""
    if unknown := [str(name) for name in way if name not in OPTIONS]:
        raise Wrong(
            f"Way {number}: no option {', '.join(unknown)}. Model and machine stay; {', '.join(OPTIONS)} may vary."
        )
    try:
        plan = plan_training(MODEL, MACHINE, **way)
    except UsageError as error:
        raise Wrong(f"Way {number}: {error}") from None
    if plan.recipe.tokens < LEAST_TOKENS:
        raise Wrong(
            f"Way {number}: a micro-batch of {plan.recipe.tokens} tokens; at least {LEAST_TOKENS:,} are asked for."
        )
    if not plan.fits:
        raise Wrong(f"Way {number}: {too_much(plan)}")
    if plan.recipe.offload == "cpu" and plan.host_bytes > HOST_GIB * GIB:
        raise Wrong(f"Way {number}: the host would hold {plan.host_bytes / GIB:,.0f} GiB, and it has {HOST_GIB}.")
    return plan


def too_much(plan: TrainingPlan) -> str:
    """Say how much too much it is, and what takes the most."""
    most = max(plan.memory.rows, key=lambda row: row.size_bytes)
    peak, capacity = plan.peak_bytes / GIB, (plan.capacity_bytes or 0) / GIB
    return (
        f"{peak:.1f} GiB of {capacity:g} at the peak ({plan.memory.moment}). The "
        f"largest part is {most.name} ({most.category.replace('_', ' ')}): {most.size_bytes / GIB:.1f} GiB."
    )


def refuse_same(first: TrainingPlan, second: TrainingPlan) -> None:
    """Raise Wrong where two ways differ in sizes only."""
    if all(getattr(first.recipe, name) == getattr(second.recipe, name) for name in KIND):
        raise Wrong(f"Both fit, and they are one way with other numbers. Change one of {', '.join(KIND)}.")
