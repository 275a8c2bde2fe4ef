"""The check of lesson 09's exercise on fitting: two ways to fine-tune a 70B on two cards of 24 GB. The planner judges.

For the notebook's kernel: a plan is arithmetic.
"""

from collections.abc import Mapping
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import brief
from mgpu_lab.planner.on_card import GIB
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.training import TrainingPlan, plan_training
from mgpu_lab.wire.errors import UsageError

MODEL, MACHINE = "llama-3.1-70b", "2x RTX-4090"
WAYS, LEAST_TOKENS, HOST_GIB = 2, 1024, 128
OPTIONS = tuple(name for name in Recipe.__dataclass_fields__ if name not in ("world_size", "deepspeed"))
LARGEST = 10**9  # beyond it a size is a slip, and its arithmetic no step's
KIND = ("method", "adapter", "offload", "tensor_parallel", "pipeline_parallel")  # what makes a way another way


def fit_70b(answer: Any) -> str:
    """``[{"method": "fsdp", ...}, {...}]``: options of `plan_training`, two ways of different kinds that fit."""
    if not isinstance(answer, list | tuple):
        raise Wrong(f"Answer with a list of two dictionaries, options of plan_training, not {a_kind(answer)}.")
    ways = {number: way for number, way in enumerate(answer, 1) if way is not ... and way is not None}
    if not ways:
        raise NotImplementedError
    plans = [planned(number, way) for number, way in ways.items()]
    if len(plans) != WAYS or len(answer) != WAYS:
        raise Wrong(f"What is there fits. Two ways are asked for; the list has {len(answer)}, {len(plans)} filled in.")
    refuse_same(*plans)
    free = [(plan.capacity_bytes or 0) / GIB - plan.peak_bytes / GIB for plan in plans]
    return f"Both fit, with {free[0]:.1f} and {free[1]:.1f} GiB to spare."


def a_kind(value: object) -> str:
    """Name the type of a value that is none of those asked for."""
    return type(value).__name__


def planned(number: int, way: Any) -> TrainingPlan:
    """Return the plan of a way that fits; Wrong for one that does not, or is no plan."""
    what = f"Way {number}"
    plan = plan_of(what, MACHINE, MODEL, way)
    if plan.recipe.tokens < LEAST_TOKENS:
        raise Wrong(f"{what}: a micro-batch of {plan.recipe.tokens:,} tokens; at least {LEAST_TOKENS:,} are asked for.")
    if not plan.fits:
        raise Wrong(f"{what}: {too_much(plan)}")
    if plan.recipe.offload == "cpu" and plan.host_bytes > HOST_GIB * GIB:
        raise Wrong(f"{what}: a rank would keep {plan.host_bytes / GIB:,.0f} GiB on the host; {HOST_GIB} are allowed.")
    return plan


def plan_of(what: str, machine: str, model: str, options: Any) -> TrainingPlan:
    """Return the plan with these options; Wrong, beginning with ``what``, where there is none."""
    refuse_odd(what, options)
    try:
        return plan_training(model, machine, **options)
    except UsageError as error:
        raise Wrong(f"{what}: {error}") from None


def refuse_odd(what: str, options: Any) -> None:
    """Raise Wrong where these are no options, or their values none that a plan is made from."""
    if not isinstance(options, Mapping):
        raise Wrong(f"{what}: a dictionary with options of plan_training, not {a_kind(options)}.")
    if unknown := [str(name) for name in options if name not in OPTIONS]:
        raise Wrong(
            f"{what}: {', '.join(unknown)} cannot be chosen here. Model, machine and assumptions stay as they are; "
            f"{', '.join(OPTIONS)} may vary."
        )
    for name, value in options.items():
        if value is ...:
            raise Wrong(f"{what}: {name} is still open.")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise Wrong(f"{what}: {name} is {brief(value)}. No step is that large.")
        if not isinstance(value, str | int | float | None):
            raise Wrong(
                f"{what}: {name} is of type {a_kind(value)}; a text, None or a whole number of Python is asked for."
            )


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
