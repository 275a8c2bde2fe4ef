"""What a backward on paper tells a method of its weights, and which weights a layer has."""

from collections.abc import Mapping
from typing import Protocol

from mgpu_lab.planner.memory.tape import Tape
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


class Weights(Protocol):
    """What a method does with weights and gradients while the tape runs. A unit is "root" or a layer's number."""

    def hold(self, tape: Tape) -> None:
        """Put what is there all the time: parameters, optimizer state, buffers."""

    def forward(self, tape: Tape) -> None:
        """Put what is gathered or cast by the end of forward."""

    def forward_over(self, tape: Tape) -> None:
        """Change what is gathered when the loss is there and backward begins."""

    def before(self, tape: Tape, unit: str) -> None:
        """Gather the weights of a unit for its backward."""

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        """A weight's gradient is made; the tensors that it was made from are still there."""

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        """The tensors that it was made from are gone: cast it, let its bf16 copy of the weight go."""

    def after(self, tape: Tape, unit: str) -> None:
        """All gradients of a unit are there: reduce them."""

    def finish(self, tape: Tape) -> None:
        """Backward is over."""

    def step(self, tape: Tape) -> None:
        """Play the optimizer's step."""


def layer_weights(shape: ModelShape, recipe: Recipe) -> Mapping[str, float]:
    """Return the numbers of each weight of a layer on one GPU, biases with their matrices."""
    tensor, width = recipe.tensor_parallel, shape.width
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    own, all_of = shape.qkv_bias or shape.all_biases, shape.all_biases
    inner, experts = shape.intermediate, max(1, shape.experts)
    weights: dict[str, float] = {
        "down": (inner * width * experts) / tensor + width * all_of,
        "up": inner * (width + all_of) * experts / tensor,
        "gate": inner * width * experts / tensor if shape.gated else 0,
        "MLP norm": shape.norm,
        "o": queries * width / tensor + width * (shape.output_bias or all_of),
        "v": keys * (width + own) / tensor,
        "k": keys * (width + own) / tensor,
        "q": queries * (width + own) / tensor,
        "attention norm": shape.norm,
    }
    return weights | ({"router": shape.router} if shape.experts else {})
