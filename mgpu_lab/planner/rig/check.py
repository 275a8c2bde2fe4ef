"""`check_rig`: whether cards, board, supply, outlet and case go together, before anything is bought."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.planner.hardware import HARDWARE, Board, Outlet, Supply
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.on_card import GIB
from mgpu_lab.planner.options import did_you_mean, short
from mgpu_lab.planner.rig.air import air_rows
from mgpu_lab.planner.rig.lane_cost import LaneCost, lane_cost
from mgpu_lab.planner.rig.links import link_rows
from mgpu_lab.planner.rig.parts import Case, Rig, kinds_of, parts_of
from mgpu_lab.planner.rig.power import power_rows
from mgpu_lab.planner.rig.slots import lanes_of, slot_rows
from mgpu_lab.planner.time.step_time import Assumptions
from mgpu_lab.planner.training import TrainingPlan, plan_training
from mgpu_lab.reports import JudgedRows, Row
from mgpu_lab.wire.errors import UsageError


@dataclass(frozen=True, repr=False)
class RigReport(JudgedRows):
    """What was found about a rig, in rows like those of `verify()`: status, found, reason, remedy.

    `ok`: nothing found keeps the rig from working. Unknown figures are "unknown", which is not ok and no failure.
    """

    rig: Rig
    rows: tuple[Row, ...]
    lane_cost: LaneCost | None = None

    @property
    def title(self) -> str:
        """Say which cards."""
        return f"Rig: {self.rig}"

    @property
    def headline(self) -> str:  # type: ignore[override]
        """Name what does not work, and what is worth a look."""
        faults, looks = ("; ".join(row.name for row in self.of(status)) for status in ("fail", "warn"))
        words = [f"This does not work: {faults}." if faults else "Nothing found keeps this from working."]
        return " ".join([*words, *([f"Worth a look: {looks}."] if looks else [])])


def check_rig(  # noqa: PLR0913 - a rig has so many parts
    cards: str | Machine | Sequence[str | Machine],
    *,
    board: str | Board | None = None,
    supply: str | Supply | Sequence[str | Supply] | None = None,
    outlet: str | Outlet | Sequence[str | Outlet] | None = None,
    case: Case | None = None,
    rest_watts: float | None = None,
    plan: TrainingPlan | None = None,
    model: Any = None,
    assumptions: Assumptions | Mapping[str, float] | None = None,
    **recipe: Any,
) -> RigReport:
    """Judge whether the parts of a machine go together. What is not known is said to be unknown, never guessed.

    Args:
        cards: "4x RTX-4090", "2x RTX-4090 + 1x RTX-3090", a `Machine`, or a list of machines: the cards of one host.
        board: a board of the hardware table, or a `Board`.
        supply: a supply, or several: the first feeds the board and all that is not a card.
        outlet: one for all supplies, or one for each.
        case: "open" (a frame), "tower" (a closed case), "server" (fans that push air through the cards).
        rest_watts: what CPU, board, memory and drives draw.
        plan: a training plan for this rig; then lanes are judged by what they cost its step.
        model: or a model, planned on this rig with `recipe` (the options of `plan_training`).
        assumptions: those that the plan was made with, or is to be made with.
        recipe: options of `plan_training`.

    Raises:
        UsageError: an unknown name, more cards than a host holds, a plan for another number of cards.
    """
    found = Rig(
        kinds_of(cards),
        next(iter(parts_of(Board, board, HARDWARE.boards)), None),
        parts_of(Supply, supply, HARDWARE.supplies),
        parts_of(Outlet, outlet, HARDWARE.outlets),
        case,
        rest_watts,
    )
    job = _job(found, plan, model, assumptions, recipe)
    lanes = lanes_of(found)
    cost = lane_cost(job, min(lanes), assumptions=assumptions) if job and lanes and min(lanes) else None
    rows = (
        *slot_rows(found, cost),
        *power_rows(found),
        *air_rows(found),
        *link_rows(found),
        *_job_rows(job),
    )
    return RigReport(found, rows, cost)


def _job(
    rig: Rig,
    plan: TrainingPlan | None,
    model: Any,
    assumptions: Assumptions | Mapping[str, float] | None,
    recipe: Mapping[str, Any],
) -> TrainingPlan | None:
    if plan is not None and (model is not None or recipe):
        raise UsageError("Pass a plan, or a model with options of plan_training; not both.")
    if recipe and model is None:
        known = ("board", "supply", "outlet", "case", "rest_watts", "plan", "model", "assumptions")
        hint = did_you_mean(min(recipe), known, quoted=False)
        raise UsageError(f"check_rig has no option {', '.join(sorted(recipe))}, unless a model is named.{hint}")
    if plan is not None and not hasattr(plan, "time"):
        raise UsageError(f"plan is what plan_training returns; not {short(plan)}.")
    if plan is not None and plan.machine.count != len(rig.cards):
        raise UsageError(f"The plan is for {plan.machine}; this rig has {len(rig.cards)} cards.")
    if plan is not None:
        return replace(plan, machine=rig.on_board(plan.machine))
    return None if model is None else plan_training(model, rig.on_board(rig.pace), assumptions=assumptions, **recipe)


def _job_rows(job: TrainingPlan | None) -> Iterator[Row]:
    """Say whether the job's peak fits a card; of mixed cards, the smallest."""
    if job is None:
        return
    found = f"peak {job.peak_bytes / GIB:.1f} GiB"
    if job.capacity_bytes is None:
        yield Row("The job", "memory", found, "unknown", "a card's memory is not known")
        return
    found += f" of {job.capacity_bytes / GIB:g} GiB"
    if job.fits:
        yield Row("The job", "memory", found, "ok")
    else:
        remedy = "Shard more (zero3, fsdp), checkpoint activations, train adapters, or take larger cards."
        yield Row("The job", "memory", found, "fail", "the step does not fit a card", remedy)
