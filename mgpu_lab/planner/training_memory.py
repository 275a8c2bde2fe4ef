"""What a GPU holds in training, at forward's end, in backward and in the optimizer's step."""

from mgpu_lab.planner.activations import TOKEN
from mgpu_lab.planner.adapters import adapter_moments
from mgpu_lab.planner.backward import Backward
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory import PlannedMemory, highest
from mgpu_lab.planner.offload import offloaded
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.planner.tape import BEFORE, KEPT, Tape
from mgpu_lab.planner.weights import Sharded, Stage, Whole
from mgpu_lab.planner.zero import zero_moments

GLOO = "CPU"  # the card whose ranks talk over gloo
Moments = tuple[PlannedMemory, ...]


def training_moments(shape: ModelShape, recipe: Recipe, where: Machine) -> Moments:
    """Return the planned bytes of the fullest GPU at each moment of a step.

    The fullest GPU of a pipeline is its first stage or its last.
    """
    if recipe.adapter or recipe.method.startswith("zero"):
        return (adapter_moments if recipe.adapter else zero_moments)(shape, recipe, where)
    ends = [(True, False), (False, True)] if recipe.pipeline_parallel > 1 else [(True, True)]
    stages = [Stage(shape, recipe, recipe.layers_here(shape), first=first, last=last) for first, last in ends]
    played = (play(stage, shape, recipe, gloo=where.card.name == GLOO) for stage in stages)
    return offloaded(max(played, key=lambda moments: highest(moments).total), recipe)


def play(stage: Stage, shape: ModelShape, recipe: Recipe, *, gloo: bool) -> Moments:
    """Play one step of one stage on a tape."""
    tape = Tape()
    weights = (Sharded if recipe.method == "fsdp" else Whole)(stage, recipe, gloo=gloo)
    weights.hold(tape)
    tape.put("token numbers", TOKEN * recipe.tokens * recipe.accumulation, BEFORE)
    backward = Backward(shape, recipe, weights, tape)
    in_flight = min(recipe.pipeline_parallel, recipe.accumulation) if stage.first else 1
    size = sum(one.size_bytes(recipe.tokens) for one in backward.kept) * stage.layers
    tape.put("other micro-batches", (in_flight - 1) * size, KEPT)
    best: dict[str, PlannedMemory] = {}
    for _ in range(min(2, recipe.accumulation)):
        tape.start()
        backward.forward(stage.layers, head=stage.last)
        forward = tape.memory("forward's end")
        tape.start()
        backward.run(stage.layers, head=stage.last, embedding=stage.first)
        weights.finish(tape)
        for moment in (forward, tape.memory("backward")):
            best[moment.moment] = highest([moment, best.get(moment.moment, moment)])
    tape.free("other micro-batches")
    tape.start()
    weights.step(tape)
    return (*best.values(), tape.memory("step"))
