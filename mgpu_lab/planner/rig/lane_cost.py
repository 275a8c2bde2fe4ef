"""What narrower PCIe slots cost a training step: the same plan once more, with other lanes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.time.step_time import Assumptions
from mgpu_lab.planner.training import TrainingPlan, plan_training

FULL = 16  # lanes of a full slot


@dataclass(frozen=True)
class LaneCost:
    """Seconds of an optimizer step, and of its traffic, with `lanes` and with 16. None: not known for this card."""

    lanes: int
    step_s: float | None
    full_step_s: float | None
    traffic_s: float | None
    full_traffic_s: float | None

    @property
    def extra_s(self) -> float | None:
        """What a step takes longer."""
        return None if self.step_s is None or self.full_step_s is None else self.step_s - self.full_step_s

    @property
    def share(self) -> float | None:
        """What a step takes longer, as a share of the step with 16 lanes."""
        return self.extra_s / self.full_step_s if self.extra_s is not None and self.full_step_s else None


def lane_cost(
    plan: TrainingPlan,
    lanes: int,
    *,
    assumptions: Assumptions | Mapping[str, float] | None = None,
    replan: Callable[[Machine], TrainingPlan] | None = None,
) -> LaneCost:
    """Plan the same job with `lanes` and with 16 lanes for each card, and compare the steps.

    The bytes of a step stay the same; what changes is the rate of the links that run over PCIe, so a machine that
    uses NVLink loses nothing. Pass the `assumptions` that the plan was made with. `replan` makes a plan for a machine;
    by default `plan_training` with the plan's own model and recipe.
    """
    again = replan or _replan(plan, assumptions)
    narrow, full = (again(plan.machine.with_(lanes=each)) for each in (lanes, FULL))
    return LaneCost(lanes, narrow.step_s, full.step_s, narrow.time.communication_s, full.time.communication_s)


def _replan(
    plan: TrainingPlan, assumptions: Assumptions | Mapping[str, float] | None
) -> Callable[[Machine], TrainingPlan]:
    recipe: dict[str, Any] = {name: value for name, value in asdict(plan.recipe).items() if name != "world_size"}
    return lambda where: plan_training(plan.shape, where, assumptions=assumptions, **recipe)
