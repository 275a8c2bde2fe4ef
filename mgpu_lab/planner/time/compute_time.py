"""Seconds of one micro-batch's forward and backward on one GPU: products, attention and what only moves bytes.

A kernel takes the longer of its operations over the reached FLOP/s and its bytes over the reached memory bandwidth
(the roofline: Williams et al. 2009, doi.org/10.1145/1498765.1498785). So small models, short sequences and narrow
slices of tensor parallelism reach less by themselves: their products move more bytes for each operation.
"""

from dataclasses import dataclass

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

ATTENTION_BACKWARD = 2.5  # FlashAttention's backward has 5 products for forward's 2 (arxiv.org/abs/2307.08691, 3.1)
LOGITS_FORWARD, LOGITS_BACKWARD = 14, 18  # bytes a logit: made fp32, log-softmax read and written; then the gradients
NF4_BYTES = 0.5 + 2  # a weight in 4 bits is read, its bf16 written, each time that it is used
# Bytes of memory traffic for each feature of a token in bf16, forward and backward: reads and writes of every kernel
# that PyTorch runs one by one. RMSNorm goes to fp32 and back (cast 6, square 8, mean 4, scale 8, cast 6, weight 4: 36).
RMS_NORM, LAYER_NORM = (36, 72), (4, 10)
RESIDUAL = (6, 6)
ROTARY = (20, 24)
GATE, ACTIVATION = (10, 18), (4, 6)
# the same in the kernels of serving engines, forward alone: norm and sum read two and write two, the rest once each
FUSED_NORM, FUSED_ROTARY, FUSED_GATE = 8, 4, 6
# what a product takes however small it is: fits XLA's table of products measured on an H100 within a few microseconds
# (tensorflow/tensorflow third_party/xla/xla/service/gpu/model/matmul_interpolator_data.h, read 2026-11-28): 1024 x 1024
# x 1024 runs 8.7 us where 2.7 would do, 4096 x 2048 x 4096 runs 90 where 86 would
PRODUCT_S = 6e-6
# Calls of PyTorch for a layer of a Transformers Llama, forward and backward (counted by a TorchDispatchMode with
# transformers 5.23): the CPU that makes them is the slower one where the layer is small.
HOST_CALLS = (77, 142)
ADAPTER_PASSES = 8  # bytes for each feature in or out of an adapted product: cast, scale, add (fitted, see docs)


@dataclass(frozen=True)
class Rates:
    """What kernels reach on one GPU: operations a second in products and in attention, bytes a second of memory."""

    flops: float
    attention_flops: float
    bytes: float
    passes: float = 1.0  # how often activations move through memory, over the least that fused kernels need


@dataclass(frozen=True)
class Work:
    """Seconds, by what they are spent on; `product_bytes_s` is the time of products that memory holds up."""

    products_s: float = 0.0
    product_bytes_s: float = 0.0
    attention_s: float = 0.0
    elementwise_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.products_s + self.product_bytes_s + self.attention_s + self.elementwise_s

    @property
    def memory_s(self) -> float:
        """What memory bandwidth takes."""
        return self.product_bytes_s + self.elementwise_s

    def __add__(self, other: "Work") -> "Work":
        return Work(*(mine + its for mine, its in zip(_parts(self), _parts(other), strict=True)))

    def __mul__(self, times: float) -> "Work":
        return Work(*(part * times for part in _parts(self)))


def _parts(work: Work) -> tuple[float, ...]:
    return work.products_s, work.product_bytes_s, work.attention_s, work.elementwise_s


@dataclass(frozen=True)
class Layer:
    """One decoder layer on one GPU for so many tokens of sequences of this length. `bytes` is that of an activation."""

    shape: ModelShape
    tokens: float
    seq_len: float
    tensor_parallel: int
    rates: Rates
    bytes: int = 2
    weight_bytes: float = 2.0
    start_s: float = PRODUCT_S

    def product(self, inner: float, outer: float, *, experts: bool = False) -> Work:
        """Return the time of tokens x inner x outer; that of the chosen experts where there are several."""
        rows, weights = self.tokens, inner * outer
        if experts and self.shape.experts:
            rows *= self.shape.experts_per_token
            weights *= distinct_experts(self.shape, self.tokens)
        moved = (rows * (inner + outer) * self.bytes + weights * self.weight_bytes) / self.rates.bytes
        busy = 2 * rows * inner * outer / self.rates.flops
        return Work(products_s=busy + self.start_s) if busy >= moved else Work(product_bytes_s=moved + self.start_s)

    @property
    def queries(self) -> float:
        return self.shape.heads * self.shape.head_size / self.tensor_parallel

    @property
    def keys(self) -> float:
        return max(1, self.shape.kv_heads / self.tensor_parallel) * self.shape.head_size

    @property
    def features(self) -> float:
        return self.shape.intermediate / self.tensor_parallel

    def kept_products(self) -> Work:
        """Those that selective checkpointing keeps: q, v, gate and down."""
        gate = self.product(self.shape.width, self.features, experts=True) if self.shape.gated else Work()
        down = self.product(self.features, self.shape.width, experts=True)
        return self.product(self.shape.width, self.queries) + self.product(self.shape.width, self.keys) + gate + down

    def other_products(self) -> Work:
        """K, o and up (and a mixture's router)."""
        router = self.product(self.shape.width, self.shape.experts) if self.shape.experts else Work()
        up = self.product(self.shape.width, self.features, experts=True)
        return self.product(self.shape.width, self.keys) + self.product(self.queries, self.shape.width) + up + router

    def products(self) -> Work:
        return self.kept_products() + self.other_products()

    def attention(self) -> Work:
        """Forward, causal: half of 4 operations for each feature and position."""
        return Work(attention_s=2 * self.tokens * self.seq_len * self.queries / self.rates.attention_flops)

    def elementwise(self) -> tuple[Work, Work]:
        """What else forward and backward move through memory, as PyTorch's kernels do without `torch.compile`."""
        norm = LAYER_NORM if self.shape.layer_norm_bias else RMS_NORM
        mlp = GATE if self.shape.gated else ACTIVATION
        chosen = self.shape.experts_per_token if self.shape.experts else 1
        rotated = 0.0 if self.shape.learned_positions else self.queries + self.keys
        forward, backward = (
            2 * self.shape.width * (norm[way] + RESIDUAL[way])
            + rotated * ROTARY[way]
            + self.features * chosen * mlp[way]
            for way in (0, 1)
        )
        return self._moved(forward), self._moved(backward)

    def _moved(self, bytes_of_bf16: float) -> Work:
        moved = self.tokens * bytes_of_bf16 * self.bytes / 2 * self.rates.passes
        return Work(elementwise_s=moved / self.rates.bytes)

    def fused(self) -> Work:
        """What forward moves besides in the fused kernels of a serving engine."""
        chosen = self.shape.experts_per_token if self.shape.experts else 1
        rotated = 0.0 if self.shape.learned_positions else self.queries + self.keys
        mlp = (FUSED_GATE if self.shape.gated else ACTIVATION[0]) * self.features * chosen
        return self._moved(2 * FUSED_NORM * self.shape.width + FUSED_ROTARY * rotated + mlp)

    def forward(self) -> Work:
        return self.products() + self.attention() + self.elementwise()[0]


def distinct_experts(shape: ModelShape, tokens: float) -> float:
    """Return how many experts so many tokens use, if each picks `experts_per_token` of them evenly.

    An expert is left out by one token with probability 1 - k/E, by T tokens with (1 - k/E)^T.
    """
    left_out: float = (1 - shape.experts_per_token / shape.experts) ** tokens
    return shape.experts * (1 - left_out)


def micro_batch(shape: ModelShape, recipe: Recipe, rates: Rates, layers: int, *, head: bool) -> tuple[Work, Work]:
    """Return forward's and backward's time of one micro-batch on a GPU that holds so many layers.

    Backward takes every product twice (the input's gradient and the weights'), once where the base is frozen. Full
    checkpointing runs the layers' forward once more; selective runs the products of k, o and up and all that is
    elementwise, but not attention.
    """
    layer = Layer(shape, recipe.tokens, recipe.seq_len, recipe.tensor_parallel, rates, recipe.bytes, recipe.bytes)
    extra = _adapters(layer, recipe)
    forward = (layer.forward() + extra) * layers
    backward = layer.products() * (1 if recipe.adapter else 2) + layer.attention() * ATTENTION_BACKWARD
    backward = (backward + layer.elementwise()[1] + extra * 2 + _recomputed(layer, recipe, extra)) * layers
    if head:
        product = layer.product(shape.width, shape.vocabulary / recipe.tensor_parallel)
        logits = recipe.tokens * shape.vocabulary / recipe.tensor_parallel / rates.bytes
        forward += product + Work(elementwise_s=LOGITS_FORWARD * logits)
        backward += product * (1 if recipe.adapter else 2) + Work(elementwise_s=LOGITS_BACKWARD * logits)
    return forward, backward


def _recomputed(layer: Layer, recipe: Recipe, extra: Work) -> Work:
    if recipe.checkpointing == "full":
        return layer.forward() + extra
    if recipe.checkpointing == "selective":
        return layer.other_products() + layer.elementwise()[0] + extra
    return Work()


def _adapters(layer: Layer, recipe: Recipe) -> Work:
    """What adapters on every product of a layer add to forward, and what it takes to unpack 4-bit weights."""
    if not recipe.adapter:
        return Work()
    wide = 4 * layer.shape.width + 2 * layer.queries + 2 * layer.keys + 3 * (layer.features + layer.shape.width)
    moved = recipe.tokens * wide * ADAPTER_PASSES
    if recipe.adapter == "qlora":
        shape = layer.shape
        moved += NF4_BYTES * (shape.attention + shape.expert * max(1, shape.experts)) / recipe.tensor_parallel
    return Work(elementwise_s=moved / layer.rates.bytes)
