"""What a GPU holds in training, at forward's end, in backward and in the optimizer's step."""

from collections.abc import Iterator

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.adapters import adapter_moments
from mgpu_lab.planner.memory.backward import Backward
from mgpu_lab.planner.memory.offload import offloaded
from mgpu_lab.planner.memory.overhead import with_overhead
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.memory.playing import Moments, Part, play, waiting_bytes
from mgpu_lab.planner.memory.tape import Tape
from mgpu_lab.planner.memory.weights import Sharded, Stage, Whole
from mgpu_lab.planner.memory.zero import zero_moments
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

GLOO = "CPU"  # the card whose ranks talk over gloo


def training_moments(shape: ModelShape, recipe: Recipe, where: Machine) -> Moments:
    """Return the planned bytes of the fullest GPU at each moment of a step.

    A step is played through on a tape, one after the first few: the optimizer has its state, DDP its buckets. The
    training loop is `mgpu_lab.course.training_step`'s: a fused optimizer, gradients dropped after it, and of the
    model's output only the loss is held. The fullest GPU of a pipeline is its first stage or its last.
    """
    moments = max(kinds_of_gpu(shape, recipe, where), key=lambda each: highest(each).total)
    return with_overhead(moments, recipe, where)


def kinds_of_gpu(shape: ModelShape, recipe: Recipe, where: Machine) -> Iterator[Moments]:
    """Yield the moments of each kind of GPU: of one, or of a pipeline's first stage and of its last."""
    if recipe.adapter or recipe.method.startswith("zero"):
        yield (adapter_moments if recipe.adapter else zero_moments)(shape, recipe, where)
        return
    ends = [(True, False), (False, True)] if recipe.pipeline_parallel > 1 else [(True, True)]
    for first, last in ends:
        stage = Stage(shape, recipe, recipe.layers_here(shape), first=first, last=last)
        yield offloaded(play_stage(stage, shape, recipe, gloo=where.card.name == GLOO), recipe)


def play_stage(stage: Stage, shape: ModelShape, recipe: Recipe, *, gloo: bool) -> Moments:
    """Play one step of one stage on a tape."""
    weights = (Sharded if recipe.method == "fsdp" else Whole)(stage, recipe, gloo=gloo)
    backward = Backward(shape, recipe, weights, Tape())
    waiting = waiting_bytes(backward, stage.layers, first=stage.first)
    return play(backward, Part(stage.layers, stage.first, stage.last, waiting))
