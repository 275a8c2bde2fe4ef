"""What a GPU holds under DeepSpeed: the engine of a stage plays a step on a tape."""

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.backward import Backward
from mgpu_lab.planner.memory.deepspeed_settings import zero_settings
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.memory.playing import Moments, Part, play, waiting_bytes, with_host
from mgpu_lab.planner.memory.tape import Tape
from mgpu_lab.planner.memory.trained import Weight, registered
from mgpu_lab.planner.memory.weights import Stage
from mgpu_lab.planner.memory.zero3 import Stage3
from mgpu_lab.planner.memory.zero_stages import Engine, Stage1, Stage2
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

ROTARY = 4  # bytes of a number of the rotary buffer
SOURCE = "DeepSpeed 0.19.8 runtime/zero"


def zero_moments(shape: ModelShape, recipe: Recipe, where: Machine) -> Moments:  # noqa: ARG001 - see below
    """Return the planned bytes of the fullest GPU under DeepSpeed, at forward's end, in backward and in the step.

    Args:
        shape: the model.
        recipe: `method` zero0 to zero3; `deepspeed` holds settings that differ from DeepSpeed's defaults.
        where: not asked: DeepSpeed's tensors are the same on every card.
    """
    ends = [(True, False), (False, True)] if recipe.pipeline_parallel > 1 else [(True, True)]
    stages = [Stage(shape, recipe, recipe.layers_here(shape), first=first, last=last) for first, last in ends]
    return max((play_stage(stage, shape, recipe) for stage in stages), key=lambda moments: highest(moments).total)


def engine_for(
    recipe: Recipe, shape: ModelShape, weights: list[Weight], frozen: int, everything: list[Weight] | None = None
) -> Engine:
    """Make the fullest rank's engine: of stage 1 the first, of stage 2 the last, which has its gradients first."""
    number = int(recipe.method.removeprefix("zero"))
    settings = zero_settings(recipe.deepspeed, number, shape)
    if number == 3:  # noqa: PLR2004 - a stage's number
        return Stage3(recipe, settings, weights, everything or weights)
    rank = recipe.shards - 1 if number == 2 else 0  # noqa: PLR2004 - a stage's number
    return (Engine, Stage1, Stage2)[number](recipe, settings, weights, frozen, rank)


def play_stage(stage: Stage, shape: ModelShape, recipe: Recipe) -> Moments:
    """Play one step of a pipeline's stage on a tape."""
    engine = engine_for(recipe, shape, registered(stage), 0)
    tape = Tape()
    return played(Backward(shape, recipe, engine, tape), engine, tape, stage)


def played(backward: Backward, engine: Engine, tape: Tape, stage: Stage) -> Moments:
    """Play a step with this engine."""
    if not stage.shape.learned_positions:
        tape.put("rotary", stage.shape.head_size * ROTARY, ("buffers", "buffers, fp32"))
    waiting = waiting_bytes(backward, stage.layers, first=stage.first)
    moments = play(backward, Part(stage.layers, stage.first, stage.last, waiting), SOURCE)
    return with_host(moments, engine.host, SOURCE)
