"""How long a step takes: compute from dense FLOP/s and a stated share of them, communication from the link, overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.planner.traffic import Call


@dataclass(frozen=True)
class Assumptions:
    """What a step's time rests on; each a number that you may replace, with its source beside it."""

    mfu: float | None = None  # share of the dense FLOP/s that the matrix products reach; None: by card and dtype
    overlap: float | None = None  # share of the communication that can hide that does


@dataclass(frozen=True)
class StepTime:
    """The parts of one optimizer step in seconds; None where the card's figures are not known."""

    compute_s: float | None
    communication_s: float | None
    exposed_s: float | None
    optimizer_s: float | None
    step_s: float | None
    limits: str | None
    assumed: tuple[tuple[str, float, str], ...] = ()  # what, how much, source


def step_time(
    shape: ModelShape, recipe: Recipe, where: Machine, calls: Sequence[Call], assumed: Assumptions
) -> StepTime:
    """Return the time of one step."""
    raise NotImplementedError
