"""The weights of a decoder one by one, in the order in which Transformers registers them: what engines cut and pack."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from mgpu_lab.planner.shapes import ModelShape


@dataclass(frozen=True)
class Linear:
    """A matrix of a layer that maps `inputs` numbers to `outputs`; `count` of them are alike (a layer's experts)."""

    name: str
    inputs: int
    outputs: int
    count: int = 1

    @property
    def numbers(self) -> int:
        """Weights of one of them, without a bias."""
        return self.inputs * self.outputs


def layer_linears(shape: ModelShape) -> tuple[Linear, ...]:
    """Return the matrices of one layer that adapters stand beside and NF4 packs: all but a router.

    Source: `LlamaDecoderLayer` and `GPT2Block` of Transformers 5.23; of experts each matrix by itself.
    """
    queries, keys, experts = shape.heads * shape.head_size, shape.kv_heads * shape.head_size, max(1, shape.experts)
    up = [Linear("up_proj", shape.width, shape.intermediate, experts)]
    if not shape.gated:
        attention = [Linear("c_attn", shape.width, queries + 2 * keys), Linear("c_proj", queries, shape.width)]
    else:
        attention = [Linear("q_proj", shape.width, queries)]
        attention += [Linear(name, shape.width, keys) for name in ("k_proj", "v_proj")]
        attention += [Linear("o_proj", queries, shape.width)]
        up = [Linear("gate_proj", shape.width, shape.intermediate, experts), *up]
    return (*attention, *up, Linear("down_proj", shape.intermediate, shape.width, experts))


def layer_sizes(shape: ModelShape) -> tuple[int, ...]:
    """Return the numbers of each weight and bias of one layer."""
    biased = dict.fromkeys([linear.name for linear in layer_linears(shape)], shape.all_biases)
    biased |= dict.fromkeys(("q_proj", "k_proj", "v_proj"), shape.all_biases or shape.qkv_bias)
    biased["o_proj"] = shape.all_biases or shape.output_bias
    sizes: list[int] = []
    for linear in layer_linears(shape):
        sizes += [linear.numbers * linear.count] + [linear.outputs * linear.count] * biased[linear.name]
    router = [shape.router] * bool(shape.experts)
    norms = [shape.width] * (2 * (2 if shape.layer_norm_bias else 1))
    return (*sizes, *router, *norms)


def weight_sizes(shape: ModelShape) -> tuple[int, ...]:
    """Return the numbers of all weights, from the embedding to the head; their sum is `shape.parameters`."""
    positions = [shape.positions] * shape.learned_positions
    norm = [shape.width] * (2 if shape.layer_norm_bias else 1)
    head = [] if shape.tied else [shape.head]
    return (shape.embedding, *positions, *layer_sizes(shape) * shape.layers, *norm, *head)


def adapter_sizes(shape: ModelShape, rank: int) -> tuple[int, ...]:
    """Return the numbers of LoRA's A and B beside each matrix of all layers: rank x inputs, outputs x rank."""
    layer = [rank * size for each in layer_linears(shape) for size in (each.inputs, each.outputs) * each.count]
    return tuple(layer) * shape.layers


def cut_weights(sizes: tuple[int, ...], ranks: int) -> Iterator[tuple[int, int]]:
    """Yield each rank's part of weights laid end to end and cut in equal parts, and what its weights have in all.

    A weight that lies over a cut is whole in both sums.
    """
    ends, part = list(accumulate(sizes)), -(-sum(sizes) // ranks)
    for rank in range(ranks):
        first, last = rank * part, min((rank + 1) * part, ends[-1])
        whole = sum(size for size, end in zip(sizes, ends, strict=True) if end > first and end - size < last)
        yield max(0, last - first), whole
