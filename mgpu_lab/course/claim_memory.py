"""What claims on memory rest on: planned bytes of the same job, done in two ways.

Each function returns what fills the braces of ``claims.toml``, and the `verdict` that the numbers support.
"""

# ruff: noqa: PLR2004 - the numbers compared with are the claims' own

from typing import Any

from mgpu_lab.course.claim_plans import (
    GIB,
    HOLDS,
    LLAMA,
    LORA,
    ONLY_IF,
    QLORA,
    SHARDED,
    Numbers,
    judged,
    largest,
    step_s,
    train,
)
from mgpu_lab.planner.inference import plan_inference
from mgpu_lab.planner.memory.planned import PlannedMemory
from mgpu_lab.planner.shapes import presets
from mgpu_lab.planner.time.flops import step_flops
from mgpu_lab.planner.training import TrainingPlan, plan_training

ALONE = "1x H200-SXM-141GB"  # where only bytes count, and the card does not


def half_memory() -> Numbers:
    """Bytes a parameter of training's state in three ways, and what of fp32's peak two of them need."""
    fp32, mixed, pure = (
        plan_training(LLAMA, ALONE, method="ddp", seq_len=8192, **kind)
        for kind in ({"dtype": "fp32"}, {"dtype": "bf16"}, {"dtype": "bf16", "master": None})
    )
    full, masters, bare = (_state(plan) / plan.shape.parameters for plan in (fp32, mixed, pure))
    mixed_peak, pure_peak = (plan.memory.total / fp32.memory.total for plan in (mixed, pure))
    served, whole = (plan_inference(LLAMA, ALONE, weights=weights).memory.parameters for weights in ("bf16", "fp32"))
    return judged(
        ONLY_IF,
        when=mixed_peak > 0.75 and bare < 0.6 * full and served < 0.6 * whole,
        full=full,
        mixed=masters,
        pure=bare,
        mixed_peak=mixed_peak,
        pure_peak=pure_peak,
        weights=served / whole,
    )


def qlora() -> Numbers:
    """How many times less memory QLoRA takes than training all parameters, and than LoRA on a 16-bit base."""
    ways: dict[str, dict[str, Any]] = {"full": {}, "lora": {"adapter": "lora"}, "qlora": {"adapter": "qlora"}}
    none, full = (
        {
            name: plan_training(LLAMA, ALONE, method="ddp", seq_len=2048, checkpointing=kind, **way)
            for name, way in ways.items()
        }
        for kind in ("none", "full")
    )
    state = _state(none["full"]) / _state(none["qlora"])
    total, checkpointed = (plans["full"].memory.total / plans["qlora"].memory.total for plans in (none, full))
    lora = full["lora"].memory.total / full["qlora"].memory.total
    holds = state > 10 and checkpointed > total and lora < 10
    return judged(ONLY_IF, when=holds, state=state, total=total, checkpointed=checkpointed, lora=lora)


def offload() -> Numbers:
    """What a GPU holds with ZeRO-3, with and without its state in the host's memory, and what the host then holds."""
    job: dict[str, Any] = {"method": "zero3", "seq_len": 2048, "checkpointing": "full"}
    on, off = (plan_training(LLAMA, "2x RTX-4090", offload=where, **job) for where in ("none", "cpu"))
    host = off.memory.host_bytes * off.machine.count
    holds = not on.fits and off.peak_bytes < on.peak_bytes and host > 0
    return judged(HOLDS, when=holds, on=on.peak_bytes / GIB, off=off.peak_bytes / GIB, host=host / GIB)


def checkpointing() -> Numbers:
    """Activations with and without checkpointing, and what it adds to the arithmetic and to a step."""
    where = "8x H100-SXM-80GB"
    none, full = (train(LLAMA, where, method="fsdp", seq_len=8192, checkpointing=kind) for kind in ("none", "full"))
    kept = [_at(plan, "forward's end").activations / GIB for plan in (none, full)]
    compute = sum(step_flops(full.shape, full.recipe)) / sum(step_flops(none.shape, none.recipe))
    time = step_s(full) / step_s(none)
    return judged(HOLDS, when=kept[0] > kept[1] and compute > 1, none=kept[0], full=kept[1], compute=compute, time=time)


def what_two_fit() -> Numbers:
    """Name the largest models of the presets that two RTX 4090 train in three ways, and serve in 4 bits."""
    cards, names = "2x RTX-4090", presets()
    full, lora, qlora = (
        largest(plan_training(name, cards, **_short(name, job)) for name in names) for job in (SHARDED, LORA, QLORA)
    )
    served = largest(
        plan_inference(name, cards, weights="int4", context=2048 if name != "gpt2" else 1024) for name in names
    )
    size = {name: names[name].parameters for name in (full, lora, qlora, served)}
    holds = size[full] < size[lora] <= size[qlora] and size[full] < size[served]
    return judged(ONLY_IF, when=holds, full=full, lora=lora, qlora=qlora, served=served)


def _short(name: str, job: dict[str, Any]) -> dict[str, Any]:
    return {**job, "seq_len": min(job["seq_len"], presets()[name].context)}


def _at(plan: TrainingPlan, moment: str) -> PlannedMemory:
    return next(each for each in plan.moments if each.moment == moment)


def _state(plan: TrainingPlan) -> int:
    """Bytes of parameters, gradients and the optimizer's state when it steps."""
    step = _at(plan, "step")
    return step.parameters + step.gradients + step.optimizer_state
