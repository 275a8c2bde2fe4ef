"""`plan_training`: what one GPU holds at the peak, what it sends, how long a step takes, and what limits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.memory.planned import PlannedMemory, highest
from mgpu_lab.planner.memory.training_memory import training_moments
from mgpu_lab.planner.on_card import OnCard
from mgpu_lab.planner.options import refuse_amount, refuse_unknown
from mgpu_lab.planner.recipe import Recipe, refuse_mismatch
from mgpu_lab.planner.shapes import ModelShape, model_shape
from mgpu_lab.planner.shown.shown_plan import ShownPlan
from mgpu_lab.planner.time.assumptions import assumptions as assumptions_of
from mgpu_lab.planner.time.step_time import Assumptions, StepTime, step_time
from mgpu_lab.planner.traffic.calls import Call, training_calls

SEQ_LEN = 8192


@dataclass(frozen=True, repr=False)
class TrainingPlan(OnCard, ShownPlan):
    """The plan of one optimizer step, for one GPU (the fullest one: the first pipeline stage's).

    `memory` is the moment with the highest peak, `moments` are all of them. `calls` are the collectives of a step by
    mesh dimension ("dp", "tp", "pp"), `time` the parts of a step with what was assumed.
    """

    shape: ModelShape
    machine: Machine
    recipe: Recipe
    moments: tuple[PlannedMemory, ...]
    calls: tuple[Call, ...]
    time: StepTime

    @property
    def memory(self) -> PlannedMemory:
        """Bytes by category at the moment that takes the most."""
        return highest(self.moments)

    @property
    def host_bytes(self) -> int:
        """What one GPU's rank keeps in the host's memory; 0 without offloading."""
        return self.memory.host_bytes

    @property
    def traffic(self) -> dict[str, tuple[int, int]]:
        """Calls and bytes of one step by collective, for one GPU: {"all_gather": (65, 16060522496)}."""
        names = dict.fromkeys(call.collective for call in self.calls)
        return {
            name: (
                sum(call.calls for call in self.calls if call.collective == name),
                sum(call.size_bytes for call in self.calls if call.collective == name),
            )
            for name in names
        }

    @property
    def limits(self) -> str | None:
        """What a step waits for most: "compute", "network" or "memory bandwidth"; None where nothing is known."""
        return self.time.limits

    @property
    def step_s(self) -> float | None:
        """Seconds of one optimizer step; None where the card's speed is not known."""
        return self.time.step_s

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second and GPU."""
        return None if self.step_s is None else self.recipe.tokens_per_step / self.step_s / self.machine.count

    @property
    def watts(self) -> float | None:
        """What the cards may draw together, as their maker rates them."""
        return None if self.machine.card.watts is None else float(self.machine.card.watts * self.machine.count)

    def usd(self, tokens: float, usd_per_gpu_hour: float) -> float | None:
        """Return what training on so many tokens costs at this price; None where the speed is not known.

        Raises:
            UsageError: a number below 0, or no number.
        """
        refuse_amount("tokens", tokens)
        refuse_amount("usd_per_gpu_hour", usd_per_gpu_hour)
        if self.tokens_per_s is None:
            return None
        return tokens / self.tokens_per_s / 3600 * usd_per_gpu_hour


def plan_training(
    model: Any,
    machine_or_name: str | Machine,
    *,
    seq_len: int | None = None,
    assumptions: Assumptions | Mapping[str, float] | None = None,
    **recipe: Any,
) -> TrainingPlan:
    """Plan the training of `model` on a machine: pure arithmetic, no torch, some hundredths of a second.

    Args:
        model: a preset ("llama-3.1-8b"), a folder with config.json, a dict, or a transformers config.
        machine_or_name: "8x H100-SXM-80GB", or a `Machine`.
        seq_len: tokens of a sequence; 8192, or all positions of a model that has fewer.
        assumptions: what the time of a step rests on, see `Assumptions`; a dict changes single fields.
        recipe: the fields of `Recipe`: method, adapter, micro_batch, accumulation, dtype, master, checkpointing,
            optimizer, lora_rank, tensor_parallel, pipeline_parallel, offload.

    Raises:
        UsageError: an unknown model, machine or option, a size below 1, ranks that do not divide.
    """
    shape, where = model_shape(model), machine(machine_or_name)
    known = [*(name for name in Recipe.__dataclass_fields__ if name != "world_size"), "assumptions"]
    refuse_unknown("plan_training", recipe, known)
    if seq_len is None:
        seq_len = min(SEQ_LEN, shape.context) if shape.learned_positions else SEQ_LEN
    how = Recipe(world_size=where.count, seq_len=seq_len, **recipe)
    refuse_mismatch(shape, how)
    calls = training_calls(shape, how)
    assumed = assumptions_of(assumptions)
    return TrainingPlan(
        shape, where, how, training_moments(shape, how, where), calls, step_time(shape, how, where, calls, assumed)
    )
