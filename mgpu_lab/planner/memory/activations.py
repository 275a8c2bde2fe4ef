"""What autograd keeps of a decoder's forward: named tensors of a layer, of the model's ends, and of each sequence.

Read off transformers 5.23's ``modeling_llama.py`` (eager, SDPA's flash kernel, which stores no scores) and checked
against the ledger on ranks. Numbers are for one GPU: tensor parallelism divides heads and MLP features.
"""

from dataclasses import dataclass

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

WIDE = 4  # bytes of fp32
TOKEN = 8  # bytes of a token's number
SOURCE = "transformers 5.23 models/llama/modeling_llama.py; torch derivatives.yaml"
SUMMED = ("o summed", "down summed")  # what tensor parallelism's all-reduces give
# Selective checkpointing keeps what attention returns and what every second matrix product does, in the order in which
# a layer calls them: q, v, gate, down (torchtitan's policy, see `checkpointing`); and sums over tensor parallel ranks.
SELECTED = ("queries made", "values", "attention output", "log-sum-exp", "gate", "down made", *SUMMED)


@dataclass(frozen=True)
class Saved:
    """A tensor that waits for backward: `numbers_per_token` numbers of `bytes_each` for every token."""

    name: str
    numbers_per_token: float
    bytes_each: int

    def size_bytes(self, tokens: int) -> int:
        return int(self.numbers_per_token * tokens * self.bytes_each)


@dataclass(frozen=True)
class Sizes:
    """Numbers of one token in a layer on one GPU, and the bytes of a number.

    `compute` is what matrix products read; `residual` what the layers hand on: fp32 under autocast, whose embedding
    and sums keep the dtype of the fp32 weights.
    """

    width: int
    inner: float  # MLP features, times the experts that a token meets
    queries: float
    keys: float
    heads: float
    vocabulary: int
    compute: int
    residual: int

    @property
    def widens(self) -> bool:
        """Whether RMSNorm makes an fp32 copy of its input."""
        return self.residual < WIDE


def autocast(recipe: Recipe) -> bool:
    """Whether fp32 weights are cast operation by operation: DDP's mixed precision. FSDP and ZeRO cast the weights."""
    return recipe.method == "ddp" and recipe.master == "fp32" and recipe.bytes < WIDE and recipe.adapter is None


def sizes(shape: ModelShape, recipe: Recipe) -> Sizes:
    tensor = recipe.tensor_parallel
    return Sizes(
        width=shape.width,
        inner=shape.intermediate * max(1, shape.experts_per_token) / tensor,
        queries=shape.heads * shape.head_size / tensor,
        keys=shape.kv_heads * shape.head_size / tensor,
        heads=shape.heads / tensor,
        vocabulary=shape.vocabulary,
        compute=recipe.bytes,
        residual=WIDE if autocast(recipe) else recipe.bytes,
    )


def norm_saved(place: str, of: Sizes, *, readers: int, layer_norm: bool = False, cast: bool = False) -> list[Saved]:
    """RMSNorm: its input in fp32, 1/rms, and the normed input before the weight; then what the matrices read.

    Without autocast all matrices read one tensor; with it each of the `readers` makes a bf16 copy of its own.
    LayerNorm (GPT-2) is one operation: it keeps its input, mean and 1/deviation.
    """
    read = Saved(f"{place} read by matrices", of.width * (readers if cast else 1), of.compute)
    if layer_norm:
        return [Saved(f"{place} input", of.width, of.residual), Saved(f"{place} statistics", 2, WIDE), read]
    normed = Saved(f"{place} normed", of.width, of.residual)
    return [Saved(f"{place} input", of.width, WIDE), Saved(f"{place} 1/rms", 1, WIDE), normed, read]


def attention_saved(of: Sizes) -> list[Saved]:
    """SDPA's flash kernel: rotated queries and keys, values, its output, and the log-sum-exp of each head."""
    return [
        Saved("queries", of.queries, of.compute),
        Saved("keys", of.keys, of.compute),
        Saved("values", of.keys, of.compute),
        Saved("attention output", of.queries, of.compute),
        Saved("log-sum-exp", of.heads, WIDE),
    ]


def mlp_saved(shape: ModelShape, of: Sizes) -> list[Saved]:
    """SwiGLU: gate, silu(gate), up, and their product. GPT-2's GELU, written out in Python, keeps five."""
    if not shape.gated:
        return [Saved(name, of.inner, of.compute) for name in ("gate", "half", "tanh", "one and tanh", "product")]
    saved = [Saved(name, of.inner, of.compute) for name in ("gate", "silu", "up", "product")]
    if shape.experts:
        chosen = shape.width * shape.experts_per_token
        saved += [Saved("rows for experts", chosen, of.compute), Saved("experts' output", chosen, of.compute)]
        saved += [Saved("routing", 2 * shape.experts + 4 * shape.experts_per_token, WIDE)]
    return saved


def layer_saved(shape: ModelShape, recipe: Recipe) -> tuple[Saved, ...]:
    """Return what one layer keeps without checkpointing."""
    of, cast = sizes(shape, recipe), autocast(recipe)
    first = norm_saved("attention norm", of, readers=3, layer_norm=shape.layer_norm_bias, cast=cast)
    second = norm_saved("MLP norm", of, readers=2, layer_norm=shape.layer_norm_bias, cast=cast)
    return (*first, *attention_saved(of), *second, *mlp_saved(shape, of))


def checkpointed(shape: ModelShape, recipe: Recipe) -> tuple[Saved, ...]:
    """Return what one layer keeps between its forward and its backward, with this recipe's checkpointing."""
    of = sizes(shape, recipe)
    if recipe.checkpointing == "none":
        return layer_saved(shape, recipe)
    kept = [Saved("layer input", of.width, of.residual)]
    if recipe.checkpointing == "selective":
        made = [Saved("queries made", of.queries, of.compute), Saved("down made", of.width, of.compute)]
        made += [Saved(name, of.width, of.compute) for name in SUMMED if recipe.tensor_parallel > 1]
        every = [*made, *layer_saved(shape, recipe)]
        kept += [one for one in every if one.name in SELECTED]
    return tuple(kept)


def head_saved(shape: ModelShape, recipe: Recipe) -> tuple[Saved, ...]:
    """Return what lies behind the layers: the last norm, what the head reads, and the log-softmax in fp32.

    The logits themselves are kept by nobody once the loss is there (`model(...).loss`): backward reads the log-softmax.
    """
    of = sizes(shape, recipe)
    norm = norm_saved("last norm", of, readers=1, layer_norm=shape.layer_norm_bias, cast=autocast(recipe))
    return (*norm, Saved("log-softmax", of.vocabulary, WIDE))


def logits_saved(shape: ModelShape, recipe: Recipe) -> tuple[Saved, ...]:
    """Return what is there while the loss is computed: the logits as the head made them and in fp32 (`logits.float()`).

    Under autocast the last norm's fp32 output, too: the head has read a bf16 copy.
    """
    of = sizes(shape, recipe)
    before = [Saved("last hidden state", of.width, of.residual)] if autocast(recipe) else []
    wide = [] if of.compute == WIDE else [Saved("logits, fp32", of.vocabulary, WIDE)]
    return (*before, Saved("logits", of.vocabulary, of.compute), *wide)


def rotary_bytes(shape: ModelShape, recipe: Recipe) -> int:
    """Return bytes of cosine and sine, which all layers keep; they are made without autograd."""
    return 0 if shape.learned_positions else 2 * recipe.seq_len * shape.head_size * sizes(shape, recipe).residual


def labels_bytes(recipe: Recipe) -> int:
    """Return bytes of the shifted labels (int64)."""
    return TOKEN * recipe.tokens
