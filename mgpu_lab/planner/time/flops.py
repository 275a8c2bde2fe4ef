"""Floating-point operations of a token, forward: 2 for each parameter of a matrix product, and attention's own."""

from dataclasses import dataclass

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


@dataclass(frozen=True)
class TokenFlops:
    """Operations of one token's forward: in the layers' matrix products, in attention, in the head."""

    layers: float
    attention: float
    head: float

    @property
    def total(self) -> float:
        return self.layers + self.attention + self.head


def forward_flops(shape: ModelShape, seq_len: int) -> TokenFlops:
    """Return the operations of one token's forward in a sequence of this length, averaged over its positions.

    A matrix product takes 2 operations for each of its parameters that the token meets (of a mixture's experts only the
    chosen ones count). Attention multiplies queries with keys and weights with values: 4 operations for each feature
    and position looked at, and under a causal mask a token looks at half of the sequence. So forward takes
    2 N + 2 x layers x features x sequence, and a training step three times as much: the known 6 N and attention's
    12 x layers x width x sequence, halved. N counts the head, also a tied one, and leaves out what is only looked up.

    Source: Kaplan et al. 2020, arxiv.org/abs/2001.08361, section 2.1; Chowdhery et al. 2022, arxiv.org/abs/2204.02311,
    appendix B, which does not halve attention, as FlashAttention's benchmarks do (Dao, arxiv.org/abs/2307.08691).
    """
    queries = shape.heads * shape.head_size
    return TokenFlops(
        layers=2.0 * shape.layers * layer_matrices(shape),
        attention=2.0 * shape.layers * queries * seq_len,
        head=2.0 * shape.vocabulary * shape.width,
    )


def layer_matrices(shape: ModelShape) -> int:
    """Count the parameters of one layer's matrix products that a token meets."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    experts = max(1, shape.experts_per_token) if shape.experts else 1
    mlp = (3 if shape.gated else 2) * shape.width * shape.intermediate
    return 2 * shape.width * (queries + keys) + experts * mlp + shape.router


def model_flops(shape: ModelShape, recipe: Recipe) -> float:
    """Return the operations of one optimizer step over all GPUs, as "model FLOPs utilisation" counts them.

    Recomputation does not count, nor what adapters add. A frozen base needs no gradients of its weights: 4 N, not 6 N.
    """
    one = forward_flops(shape, recipe.seq_len)
    backward = (1 if recipe.adapter else 2) * (one.layers + one.head) + 2 * one.attention
    return recipe.tokens_per_step * (one.total + backward)


def step_flops(shape: ModelShape, recipe: Recipe) -> tuple[float, float]:
    """Return what forward and backward of one optimizer step really compute over all GPUs, recomputation included.

    Full checkpointing runs the layers' forward again; selective runs the products of k, o and up.
    """
    one = forward_flops(shape, recipe.seq_len)
    again = {"none": 0.0, "full": one.layers + one.attention, "selective": 2.0 * shape.layers * _recomputed(shape)}
    backward = (1 if recipe.adapter else 2) * (one.layers + one.head) + 2 * one.attention + again[recipe.checkpointing]
    return recipe.tokens_per_step * one.total, recipe.tokens_per_step * backward


def _recomputed(shape: ModelShape) -> int:
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    chosen = max(1, shape.experts_per_token) if shape.experts else 1
    return shape.width * (keys + queries + chosen * shape.intermediate)
