"""The parameters of a decoder one by one, as one rank holds them before data parallelism divides them further.

In the order in which forward uses them. Backward completes their gradients in the opposite order: autograd runs last
what was made first (read off real runs; DDP and DeepSpeed fill their buckets in it).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

ALL_LINEAR = ("q", "k", "v", "o", "gate", "up", "down", "qkv")  # what LoRA adapts: peft's "all-linear"


@dataclass(frozen=True)
class Parameter:
    """A parameter of `rows` x `columns` (1 for a vector). `layer` is None for embedding, last norm and head."""

    name: str
    rows: int
    columns: int = 1
    layer: int | None = None
    trained: bool = True

    @property
    def numbers(self) -> int:
        return self.rows * self.columns

    def padded(self, ranks: int) -> int:
        """Return how many numbers it has where its rows are divided among ranks, each share as long as the longest."""
        return -(-self.rows // ranks) * ranks * self.columns


def held_parameters(shape: ModelShape, recipe: Recipe) -> tuple[Parameter, ...]:
    """Return what a rank of the first pipeline stage holds after tensor parallelism, in forward's order.

    With an adapter each matrix of the layers is frozen and followed by its two of LoRA, of `lora_rank`.
    """
    one = layer_parameters(shape, recipe.tensor_parallel)
    found = [
        Parameter(each.name, each.rows, each.columns, layer)
        for layer in range(recipe.layers_here(shape))
        for each in one
    ]
    whole = [*embedding(shape, recipe.tensor_parallel), *found]
    if recipe.pipeline_parallel == 1:
        whole += ending(shape, recipe.tensor_parallel)
    return tuple(adapted(whole, recipe.lora_rank)) if recipe.adapter else tuple(whole)


def embedding(shape: ModelShape, ranks: int) -> list[Parameter]:
    words = [Parameter("embedding", -(-shape.vocabulary // ranks), shape.width)]
    return words + [Parameter("positions", shape.context, shape.width)] * shape.learned_positions


def ending(shape: ModelShape, ranks: int) -> list[Parameter]:
    norm = [Parameter("norm", shape.width)] + [Parameter("norm bias", shape.width)] * shape.layer_norm_bias
    return norm + [Parameter("head", -(-shape.vocabulary // ranks), shape.width)] * (not shape.tied)


def layer_parameters(shape: ModelShape, ranks: int) -> list[Parameter]:
    """Return a layer's: attention by heads, the MLP by features; norms, routers and the biases of sums are whole."""
    width, features = shape.width, shape.intermediate // ranks
    queries, keys = shape.heads * shape.head_size // ranks, shape.kv_heads * shape.head_size // ranks
    if shape.learned_positions:
        return fused_layer(shape, ranks)
    bias = shape.qkv_bias or shape.all_biases
    rows = [
        ("attention norm", width, 1),
        *((name, size, width) for name, size in (("q", queries), ("k", keys), ("v", keys))),
        ("o", width, queries),
    ]
    rows += [("MLP norm", width, 1), *mlp(shape, features)]
    found: list[Parameter] = []
    for name, high, wide in rows:
        found.append(Parameter(name, high, wide))
        has_bias = (bias and name in ("q", "k", "v")) or (shape.all_biases and not name.endswith(("norm", "router")))
        has_bias |= shape.output_bias and name == "o"
        has_bias |= shape.layer_norm_bias and name.endswith("norm")
        found += [Parameter(f"{name} bias", high)] * has_bias
    return found


def mlp(shape: ModelShape, features: int) -> list[tuple[str, int, int]]:
    up, down = (("gate", "up") if shape.gated else ("up",)), "down"
    if not shape.experts:
        return [*((name, features, shape.width) for name in up), (down, shape.width, features)]
    many = shape.experts  # Transformers keeps all experts' matrices in one parameter, gate and up in one
    return [
        ("router", many, shape.width),
        ("gate and up of experts", many, len(up) * features * shape.width),
        ("down of experts", many, shape.width * features),
    ]


def fused_layer(shape: ModelShape, ranks: int) -> list[Parameter]:
    """Return a layer of GPT-2: q, k and v in one matrix, all matrices as `Conv1D` keeps them, inputs by outputs."""
    width, features = shape.width, shape.intermediate // ranks
    inner = width // ranks
    return [
        *(Parameter("attention norm", width), Parameter("attention norm bias", width)),
        *(Parameter("qkv", width, 3 * inner), Parameter("qkv bias", 3 * inner)),
        *(Parameter("o", inner, width), Parameter("o bias", width)),
        *(Parameter("MLP norm", width), Parameter("MLP norm bias", width)),
        *(Parameter("up", width, features), Parameter("up bias", features)),
        *(Parameter("down", features, width), Parameter("down bias", width)),
    ]


def adapted(whole: list[Parameter], rank: int) -> Iterator[Parameter]:
    """Freeze everything; after each matrix of a layer come LoRA's A [rank, inputs] and B [outputs, rank]."""
    for each in whole:
        yield Parameter(each.name, each.rows, each.columns, each.layer, trained=False)
        if each.layer is not None and each.name in ALL_LINEAR:
            yield Parameter(f"{each.name} A", rank, each.columns, each.layer)
            yield Parameter(f"{each.name} B", each.rows, rank, each.layer)
