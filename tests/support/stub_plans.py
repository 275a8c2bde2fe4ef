"""Plans made by hand, so that what shows them can be tried without the arithmetic; and that arithmetic replaced."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.planner.hardware import HARDWARE, Card
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import model_shape
from mgpu_lab.planner.time.step_time import StepTime
from mgpu_lab.planner.traffic.calls import Call
from mgpu_lab.planner.training import TrainingPlan

GIB = 1 << 30
FACTS = {"H100-SXM-80GB": (80.0, 3350.0, 989.5, 700), "RTX-4090": (24.0, 1008.0, 165.2, 450), "CPU": ()}


def card(name, memory_gib=None, memory_gbps=None, bf16=None, watts=None):
    """A card whose figures stay what they are here, whatever the hardware table says."""
    facts = {"memory_gib": memory_gib, "memory_gbps": memory_gbps, "watts": watts}
    tflops = {} if bf16 is None else {"bf16": bf16}
    return Card(name, "a test", dt.date(2026, 11, 28), tflops=tflops, **facts)


H100, RTX, CPU = CARDS = tuple(card(name, *facts) for name, facts in FACTS.items())
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


def training_plan(where=H100, count=8, time=TIME, activations_gib=30.0, **recipe):
    return TrainingPlan(
        model_shape("llama-3.1-8b"), Machine(where, count), Recipe(world_size=count, **recipe),
        moments(activations_gib), CALLS, time,
    )  # fmt: skip


@dataclass(frozen=True)
class Serving:
    """Settings of a plan of inference."""

    batch: int = 1
    context: int = 4096
    weights: str = "bf16"
    tensor_parallel: int = 2
    pipeline_parallel: int = 1
    prompt: int = 4096
    kv: str = "bf16"
    replicas: int = 1


@dataclass(frozen=True)
class InferencePlan:
    """What a plan of inference tells, with figures made up."""

    shape: Any
    machine: Machine
    serving: Serving
    memory: PlannedMemory
    time_to_first_token_s: float | None = 0.25
    tokens_per_s: float | None = 20.0
    throughput_tokens_per_s: float | None = 80.0
    limits: str | None = "memory bandwidth"
    max_tokens_in_cache: int | None = 30_000
    watts: float | None = 900.0
    assumed: tuple[tuple[str, float, str], ...] = (("share of the bandwidth", 0.8, "a test"),)

    @property
    def peak_bytes(self) -> int:
        return self.memory.peak_bytes

    @property
    def capacity_bytes(self) -> int | None:
        return None if self.machine.card.memory_gib is None else int(self.machine.card.memory_gib * GIB)

    @property
    def fits(self) -> bool | None:
        return None if self.capacity_bytes is None else self.peak_bytes <= self.capacity_bytes


def inference_plan(model="llama-3.1-8b", where=None, **serving):
    rows = (PlannedRow("parameters", "weights", 16 * GIB), PlannedRow("kv_cache", "keys and values", 2 * GIB))
    how = Serving(**serving)
    memory = PlannedMemory("decode", (*rows, PlannedRow("activations", "logits", how.batch * GIB)))
    return InferencePlan(model_shape(model), Machine(RTX, 2) if where is None else machine(where), how, memory)


def replace_arithmetic(monkeypatch):
    """Have `plan_training` give these bytes, calls and times: activations grow with the batch."""
    monkeypatch.setitem(vars(HARDWARE), "cards", {each.name: each for each in CARDS})
    monkeypatch.setitem(vars(HARDWARE), "prices", {})
    for place in ("planner.command", "notebook.plan_choices"):
        monkeypatch.setattr(f"mgpu_lab.{place}.plan_inference", inference_plan)
    home = "mgpu_lab.planner.training"
    monkeypatch.setattr(f"{home}.training_moments", lambda _, how, __: moments(how.tokens / 1024))
    monkeypatch.setattr(f"{home}.training_calls", lambda *_: CALLS)
    monkeypatch.setattr(f"{home}.step_time", lambda _, how, *__: replace(TIME, step_s=how.tokens / 8192))
