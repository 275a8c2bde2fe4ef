"""What a GPU holds when it serves: weights, KV cache, the activations of a forward, and what lies outside tensors."""

from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow
from mgpu_lab.planner.serving import CACHE_BYTES, Serving
from mgpu_lab.planner.shapes import ModelShape

AT_ONCE = 8192  # tokens of prompts in one forward at most; more are cut (chunked prefill)
CUDA_CONTEXT = 781_000_000
CONTEXT_SOURCE = "nvidia-smi after PyTorch's first call: github.com/pytorch/pytorch/issues/34323, read 2026-11-28"


def serving_memory(shape: ModelShape, how: Serving) -> PlannedMemory:
    """Return the planned bytes of the fullest GPU of a replica."""
    kv = kv_bytes_per_token(shape, how) * how.batch * how.context
    rows = (
        PlannedRow("parameters", "layers", round(layer_bytes(shape, how) * how.layers_here(shape)), "serving.py"),
        PlannedRow(
            "parameters", "embedding and head", end_bytes(shape, how), "in 16 bits, divided by tensor parallelism"
        ),
        PlannedRow("kv_cache", "keys and values", kv, "2 x layers x KV heads x head size x tokens x requests"),
        PlannedRow(
            "activations", "one forward", forward_bytes(shape, how), "the widest place of a layer, and the logits"
        ),
    )
    return PlannedMemory("serving", rows, (PlannedRow("overhead", "CUDA context", CUDA_CONTEXT, CONTEXT_SOURCE),))


def layer_bytes(shape: ModelShape, how: Serving) -> float:
    """Bytes of one layer's weights on one card. Ranks share KV heads, and copy them, where there are too few."""
    queries = shape.heads * shape.head_size // how.tensor_parallel
    keys = how.kv_heads_here(shape) * shape.head_size
    attention = 2 * shape.width * (queries + keys)
    mlp = max(1, shape.experts) * (3 if shape.gated else 2) * shape.width * shape.intermediate / how.tensor_parallel
    rest = shape.router + 2 * shape.norm + _biases(shape) / how.tensor_parallel
    return (attention + mlp) * how.weight_bytes + rest * how.other_bytes


def _biases(shape: ModelShape) -> int:
    matrices = 2 * shape.width * (shape.heads + shape.kv_heads) * shape.head_size
    mlp = (3 if shape.gated else 2) * shape.width * shape.intermediate
    return shape.attention - matrices + (shape.expert - mlp) * max(1, shape.experts)


def end_bytes(shape: ModelShape, how: Serving) -> int:
    """Bytes of embedding, positions, last norm and head; of several stages the first has one end only."""
    both = shape.embedding + shape.head if how.pipeline_parallel == 1 else shape.embedding
    return (both // how.tensor_parallel + shape.positions + shape.norm) * how.other_bytes


def kv_bytes_per_token(shape: ModelShape, how: Serving) -> int:
    """Bytes that one card keeps of one token's keys and values, over its layers."""
    return 2 * how.layers_here(shape) * how.kv_heads_here(shape) * shape.head_size * CACHE_BYTES[how.kv]


def forward_bytes(shape: ModelShape, how: Serving) -> int:
    """Bytes of a forward's activations: residual stream, a norm's output, and the MLP's or attention's inner features.

    Nothing is kept for backward, so one layer's are all there are. Logits are made for the last tokens, in fp32, too.
    """
    tokens = max(how.batch, min(AT_ONCE, how.prompt))
    attention = (shape.heads * shape.head_size * 2) // how.tensor_parallel + 2 * how.kv_heads_here(
        shape
    ) * shape.head_size
    chosen = shape.experts_per_token if shape.experts else 1
    mlp = chosen * (3 if shape.gated else 2) * shape.intermediate // how.tensor_parallel
    layer = tokens * (2 * shape.width + max(attention, mlp)) * how.other_bytes
    return layer + how.batch * shape.vocabulary * (4 + how.other_bytes)
