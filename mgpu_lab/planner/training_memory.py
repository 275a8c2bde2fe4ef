"""What a GPU holds in training, at forward's end, in backward and in the optimizer's step."""

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory import PlannedMemory
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


def training_moments(shape: ModelShape, recipe: Recipe, where: Machine) -> tuple[PlannedMemory, ...]:
    """Return the planned bytes of the fullest GPU at each moment of a step."""
    raise NotImplementedError
