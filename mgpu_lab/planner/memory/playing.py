"""Play a training step on a tape: micro-batches forward and backward, then the optimizer; keep the fullest moments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mgpu_lab.planner.memory.activations import TOKEN
from mgpu_lab.planner.memory.backward import Backward
from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow, highest
from mgpu_lab.planner.memory.tape import BEFORE, KEPT

Moments = tuple[PlannedMemory, ...]


@dataclass(frozen=True)
class Part:
    """What one GPU runs of a model: `layers`, the embedding if `first`, the head if `last`.

    `waiting_bytes` is what other micro-batches keep meanwhile: of a pipeline's first stage, all but one in flight.
    """

    layers: int
    first: bool = True
    last: bool = True
    waiting_bytes: int = 0


def play(backward: Backward, part: Part, source: str = "") -> Moments:
    """Play a step of up to two micro-batches: from the second on all are alike."""
    tape, weights, recipe = backward.tape, backward.weights, backward.recipe
    weights.hold(tape)
    tape.put("token numbers", TOKEN * recipe.tokens * recipe.accumulation, BEFORE)
    tape.put("other micro-batches", part.waiting_bytes, KEPT)
    best: dict[str, PlannedMemory] = {}
    for _ in range(min(2, recipe.accumulation)):
        tape.start()
        backward.forward(part.layers, head=part.last)
        forward = tape.memory("forward's end", source=source)
        tape.start()
        backward.run(part.layers, head=part.last, embedding=part.first)
        weights.finish(tape)
        for moment in (forward, tape.memory("backward", source=source)):
            best[moment.moment] = highest([moment, best.get(moment.moment, moment)])
    tape.free("other micro-batches")
    tape.start()
    weights.step(tape)
    return (*best.values(), tape.memory("step", source=source))


def waiting_bytes(backward: Backward, layers: int, *, first: bool) -> int:
    """Return what micro-batches in flight keep beside the one that runs: on the first stage, under 1F1B."""
    recipe = backward.recipe
    in_flight = min(recipe.pipeline_parallel, recipe.accumulation) if first else 1
    return (in_flight - 1) * layers * sum(one.size_bytes(recipe.tokens) for one in backward.kept)


def with_host(moments: Moments, host: Mapping[str, int], source: str) -> Moments:
    """Return the moments with what offloading keeps in the host's memory."""
    rows = tuple(PlannedRow("host", name, size, source) for name, size in host.items())
    return tuple(replace(moment, host_rows=rows) for moment in moments)
