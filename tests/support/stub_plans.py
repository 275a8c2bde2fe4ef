"""Plans made by hand, so that what shows them can be tried without the arithmetic; and that arithmetic replaced."""

from dataclasses import replace

from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory import PlannedMemory, PlannedRow
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import model_shape
from mgpu_lab.planner.step_time import StepTime
from mgpu_lab.planner.traffic import Call
from mgpu_lab.planner.training import TrainingPlan

GIB = 1 << 30
H100, RTX, CPU = (HARDWARE[name] for name in ("H100-SXM-80GB", "RTX-4090", "CPU"))
CALLS = (
    Call("dp", "all_gather", 65, 16_060_522_496, source="FSDP2 gathers each layer twice"),
    Call("dp", "reduce_scatter", 33, 16_060_522_496),
    Call("tp", "all_reduce", 128, 8_000_000_000, hidden=False),
)
TIME = StepTime(
    compute_s=0.9, communication_s=0.5, exposed_s=0.1, optimizer_s=0.02, step_s=1.02, limits="compute",
    assumed=(("share of the dense FLOP/s", 0.4, "https://example.org/mfu, a table"),),
)  # fmt: skip
UNKNOWN_TIME = StepTime(None, None, None, None, None, None)


def moments(activations_gib=30.0):
    """The end of forward, and the optimizer's step, which takes less."""
    rows = (
        PlannedRow("parameters", "shards <fp32>", 4 * GIB, "16 bytes a parameter"),
        PlannedRow("gradients", "shards", 4 * GIB),
        PlannedRow("optimizer_state", "two moments", 8 * GIB),
        PlannedRow("activations", "saved for backward", int(activations_gib * GIB)),
    )
    outside = (PlannedRow("overhead", "CUDA context", GIB // 2, "measured by somebody"),)
    return (PlannedMemory("forward's end", rows, outside), PlannedMemory("step", rows[:3], outside))


def training_plan(card=H100, count=8, time=TIME, activations_gib=30.0, **recipe):
    return TrainingPlan(
        model_shape("llama-3.1-8b"), Machine(card, count), Recipe(world_size=count, **recipe),
        moments(activations_gib), CALLS, time,
    )  # fmt: skip


def replace_arithmetic(monkeypatch):
    """Have `plan_training` give these bytes, calls and times: activations grow with the batch."""
    home = "mgpu_lab.planner.training"
    monkeypatch.setattr(f"{home}.training_moments", lambda _, how, __: moments(how.tokens / 1024))
    monkeypatch.setattr(f"{home}.training_calls", lambda *_: CALLS)
    monkeypatch.setattr(f"{home}.step_time", lambda _, how, *__: replace(TIME, step_s=how.tokens / 8192))
