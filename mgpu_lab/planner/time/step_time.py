"""How long a step takes: compute by the roofline, communication by the link, what overlaps, the update, the bubble."""

from collections.abc import Sequence
from dataclasses import dataclass

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.planner.time.assumptions import (
    Assumed,
    Assumptions,
    assume,
    assumed_group,
    dense_flops,
    memory_bytes_per_s,
    path_rows,
    rates,
)
from mgpu_lab.planner.time.compute_time import HOST_CALLS, micro_batch
from mgpu_lab.planner.time.flops import model_flops, step_flops
from mgpu_lab.planner.time.link_time import Group, call_s
from mgpu_lab.planner.time.update_time import Update, update_rows, update_time
from mgpu_lab.planner.traffic.calls import Call

__all__ = ["Assumptions", "StepTime", "step_time"]


@dataclass(frozen=True)
class StepTime:
    """The parts of one optimizer step in seconds; None where the card's figures are not known.

    `memory_s` is the part of compute that memory bandwidth holds up, `exposed_s` the communication that nothing hides,
    `bubble_s` the pipeline's idle time, `offload_s` copies over PCIe and the host's Adam. `mfu` is what results: the
    model's operations over what all cards could do in the time of a step.
    """

    compute_s: float | None
    communication_s: float | None
    exposed_s: float | None
    optimizer_s: float | None
    step_s: float | None
    limits: str | None
    assumed: tuple[tuple[str, float, str], ...] = ()  # what, how much, source
    memory_s: float | None = None
    bubble_s: float | None = None
    offload_s: float | None = None
    mfu: float | None = None


@dataclass(frozen=True)
class Compute:
    """Forward and backward of one micro-batch on the busiest pipeline stage, in seconds; `memory_s` is part of both.

    Each is at least what the CPU needs to start its kernels.
    """

    forward_s: float
    backward_s: float
    memory_s: float

    @property
    def total_s(self) -> float:
        return self.forward_s + self.backward_s


@dataclass(frozen=True)
class Communication:
    """Seconds of a step's calls: of those that hold compute up, and of those that may run beside it."""

    blocking_s: float
    hiding_s: float

    @property
    def total_s(self) -> float:
        return self.blocking_s + self.hiding_s

    def exposed_s(self, overlap: float, beside_s: float) -> float:
        """What of it the step waits for, with so many seconds of compute to hide beside."""
        return self.blocking_s + max(self.hiding_s * (1 - overlap), self.hiding_s - beside_s)


@dataclass(frozen=True)
class Parts:
    """What a step is made of; what is not known is None."""

    compute: Compute | None
    talk: Communication | None
    update: Update

    @property
    def known(self) -> bool:
        return None not in (self.compute, self.talk, self.update.gpu_s, self.update.copies_s)


def step_time(
    shape: ModelShape, recipe: Recipe, where: Machine, calls: Sequence[Call], assumed: Assumptions
) -> StepTime:
    """Return the time of one optimizer step.

    step = micro-batches x (forward + backward) + bubble + exposed communication + update. The bubble is (p - 1) times a
    micro-batch, so (p - 1) / m of the work (Narayanan et al. 2021, arxiv.org/abs/2104.04473, section 2.2). Of what can
    hide, max(C (1 - overlap), C - compute to hide beside) stays exposed; calls of tensor parallelism never hide.
    """
    taken = assume(where, recipe.dtype, assumed)
    compute = _compute(shape, recipe, where, taken, assumed.mfu)
    talk = _communication(recipe, where, calls, taken)
    memory = memory_bytes_per_s(where)
    update = update_time(shape, recipe, where, memory and memory * taken.memory.share, assumed.host_adam)
    stated = _stated(recipe, where, taken, assumed)
    parts = Parts(compute, talk, update)
    if not parts.known:
        return _unknown(recipe, parts, stated)
    return _together(recipe, parts, taken.overlap.share, _dense_step(shape, recipe, where), stated)


def _compute(shape: ModelShape, recipe: Recipe, where: Machine, taken: Assumed, mfu: float | None) -> Compute | None:
    dense, reached = dense_flops(where, recipe.dtype), rates(where, recipe.dtype, taken)
    if mfu is not None and dense is not None:
        operations = step_flops(shape, recipe)
        forward_s, backward_s = (
            all_of_it / (mfu * dense * recipe.accumulation * where.count) for all_of_it in operations
        )
        return Compute(forward_s, backward_s, 0.0)
    if reached is None:
        return None
    here, stages = recipe.layers_here(shape), recipe.pipeline_parallel
    last = shape.layers - here * (stages - 1)
    ends = [(last, True)] if stages == 1 else [(here, False), (max(1, last), True)]
    both = [micro_batch(shape, recipe, reached, layers, head=head) for layers, head in ends]
    forward, backward = max(both, key=lambda pair: (pair[0] + pair[1]).total_s)
    calls_s = [here * calls * taken.host_us.share * 1e-6 for calls in HOST_CALLS]
    return Compute(
        max(forward.total_s, calls_s[0]), max(backward.total_s, calls_s[1]), forward.memory_s + backward.memory_s
    )


def _groups(recipe: Recipe, where: Machine, taken: Assumed) -> dict[str, Group]:
    """Ranks of tensor parallelism are neighbours, those of data parallelism come next, pipeline stages lie farthest."""
    tensor, data = recipe.tensor_parallel, recipe.data_parallel
    sizes = {"tp": (tensor, 1), "dp": (data, tensor), "pp": (recipe.pipeline_parallel, tensor * data)}
    return {name: assumed_group(where, size, stride, taken) for name, (size, stride) in sizes.items()}


def _communication(recipe: Recipe, where: Machine, calls: Sequence[Call], taken: Assumed) -> Communication | None:
    groups = _groups(recipe, where, taken)
    blocking_s = hiding_s = 0.0
    for call in calls:
        seconds = call_s(call, groups[call.dimension])
        if seconds is None:
            return None
        if call.hidden and call.dimension != "tp":
            hiding_s += seconds
        else:
            blocking_s += seconds
    return Communication(blocking_s, hiding_s)


def _beside_s(recipe: Recipe, compute: Compute) -> float:
    """Compute that communication can hide beside: all of it where parameters are gathered, else one backward."""
    gathers = recipe.method in ("fsdp", "zero3")
    return compute.total_s * recipe.accumulation if gathers else compute.backward_s


def _dense_step(shape: ModelShape, recipe: Recipe, where: Machine) -> float:
    """Seconds of a step at the rated FLOP/s of all cards; 0 where they are not known."""
    dense = dense_flops(where, recipe.dtype)
    return model_flops(shape, recipe) / (dense * where.count) if dense else 0.0


def _unknown(recipe: Recipe, parts: Parts, stated: tuple[tuple[str, float, str], ...]) -> StepTime:
    compute_s = None if parts.compute is None else parts.compute.total_s * recipe.accumulation
    total_s = None if parts.talk is None else parts.talk.total_s
    return StepTime(compute_s, total_s, None, parts.update.gpu_s, None, None, stated)


def _together(
    recipe: Recipe, parts: Parts, overlap: float, dense_s: float, stated: tuple[tuple[str, float, str], ...]
) -> StepTime:
    compute, talk, update = parts.compute, parts.talk, parts.update
    assert compute and talk and update.gpu_s is not None and update.copies_s is not None  # noqa: S101, PT018 - parts.known
    compute_s, memory_s = compute.total_s * recipe.accumulation, compute.memory_s * recipe.accumulation
    bubble_s = compute.total_s * (recipe.pipeline_parallel - 1)
    exposed_s = talk.exposed_s(overlap, _beside_s(recipe, compute))
    offload_s = update.copies_s + update.host_s
    step_s = compute_s + bubble_s + exposed_s + update.gpu_s + offload_s
    waits = {
        "compute": compute_s - memory_s + bubble_s,
        "network": exposed_s + update.copies_s,
        "memory bandwidth": memory_s + update.gpu_s + update.host_s,
    }
    return StepTime(
        compute_s=compute_s,
        communication_s=talk.total_s,
        exposed_s=exposed_s,
        optimizer_s=update.gpu_s,
        step_s=step_s,
        limits=max(waits, key=lambda name: waits[name]),
        assumed=stated,
        memory_s=memory_s,
        bubble_s=bubble_s,
        offload_s=offload_s,
        mfu=dense_s / step_s,
    )


def _stated(recipe: Recipe, where: Machine, taken: Assumed, given: Assumptions) -> tuple[tuple[str, float, str], ...]:
    stated = taken.stated
    if given.mfu is not None:
        stated = (("share of the dense FLOP/s that compute reaches", given.mfu, "your assumption"), *stated[-1:])
    everyone = assumed_group(where, where.count, 1, taken)
    stated += path_rows(everyone.inside) if where.count > 1 else ()
    stated += path_rows(everyone.between) if where.hosts > 1 else ()
    return stated + update_rows(recipe, given.host_adam)
