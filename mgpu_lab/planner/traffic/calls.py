"""The collectives of one optimizer step: which, how many, how many bytes, over which dimension of the mesh."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mgpu_lab.planner.memory.deepspeed_settings import zero_settings
from mgpu_lab.planner.memory.nf4 import packed_bytes
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.planner.traffic.buckets import GATHER_NUMBERS, ddp_buckets, zero3_gathers, zero_buckets
from mgpu_lab.planner.traffic.parameters import ALL_LINEAR, Parameter, held_parameters

FP32 = 4
DDP = "pytorch: DistributedDataParallel, buckets of 1 and then 25 MiB, as rebuilt after the first step"
FSDP = "pytorch: fully_shard of each layer and the rest; the rest is not gathered again for backward"
ZERO12 = "deepspeed 0.19: stage_1_and_2.py, all-reduce of buckets, all-gather of the weights; measured on 2 ranks"
ZERO3 = "deepspeed 0.19: stage3.py and partitioned_param_coordinator.py; measured on 2 ranks"
TENSOR = "Megatron-LM (arXiv 1909.08053): two all-reduces a layer and direction; embedding and head by vocabulary"
PIPELINE = "pytorch: torch.distributed.pipelining, one activation forward and one gradient back per micro-batch"


@dataclass(frozen=True)
class Call:
    """Calls of one collective in one group in one step; `size_bytes` is their sum, counted as `traffic()` counts.

    `hidden` says whether the calls can run beside compute (DDP's buckets, FSDP's prefetch) or hold it up (TP's).
    """

    dimension: str  # "dp", "tp" or "pp"
    collective: str  # "all_reduce", "all_gather", "reduce_scatter", "broadcast", "send", "recv"
    calls: int
    size_bytes: int
    hidden: bool = True
    source: str = ""


def training_calls(shape: ModelShape, recipe: Recipe) -> tuple[Call, ...]:
    """Return the calls of one optimizer step on one GPU of the first pipeline stage, after the first steps.

    The code is that of `mgpu_lab.course.dividing` and `optimizer_step`, or DeepSpeed with its defaults.
    """
    weights = held_parameters(shape, recipe)
    found: list[Call] = []
    if recipe.data_parallel > 1:
        found += data_parallel_calls(shape, recipe, weights)
    if recipe.tensor_parallel > 1:
        found += tensor_parallel_calls(shape, recipe)
    if recipe.pipeline_parallel > 1:
        size = recipe.tokens * shape.width * stream_bytes(recipe) * recipe.accumulation
        found += [
            Call("pp", name, recipe.accumulation, size, hidden=False, source=PIPELINE) for name in ("send", "recv")
        ]
    return tuple(call for call in found if call.calls)


def data_parallel_calls(shape: ModelShape, recipe: Recipe, weights: Sequence[Parameter]) -> Iterator[Call]:
    if recipe.method == "ddp":
        return ddp_calls(shape, recipe, weights)
    if recipe.method == "fsdp":
        return fsdp_calls(recipe, weights)
    if recipe.method == "zero3":
        return zero3_calls(shape, recipe, weights)
    return zero12_calls(shape, recipe, weights)


def ddp_calls(shape: ModelShape, recipe: Recipe, weights: Sequence[Parameter]) -> Iterator[Call]:
    """All-reduce gradients once a step, in their own dtype; broadcast rotary frequencies before the first forward."""
    number = FP32 if recipe.master or recipe.adapter else recipe.bytes
    buckets = ddp_buckets(each.numbers * number for each in reversed(weights) if each.trained)
    yield Call("dp", "all_reduce", len(buckets), sum(buckets), source=DDP)
    if not shape.learned_positions:  # two buffers of head_size / 2, in fp32
        yield Call("dp", "broadcast", 1, FP32 * shape.head_size, hidden=False, source=DDP)


def fsdp_calls(recipe: Recipe, weights: Sequence[Parameter]) -> Iterator[Call]:
    """Gather each layer for forward and for backward in `dtype`, the rest once; scatter gradients in fp32.

    Rows are divided among the ranks, so each parameter is as long as if its rows were a multiple of them.
    """
    ranks, layers = recipe.shards, max(each.layer or 0 for each in weights) + 1
    in_layers = sum(each.padded(ranks) for each in weights if each.layer is not None)
    rest = sum(each.padded(ranks) for each in weights if each.layer is None)
    gathered = (2 * in_layers + rest) * recipe.bytes - 2 * saved_by_nf4(recipe, weights)
    trained = [each for each in weights if each.trained]
    scattered = sum(each.padded(ranks) for each in trained) * FP32
    groups = len({each.layer for each in trained})
    times = recipe.accumulation
    yield Call("dp", "all_gather", times * (2 * layers + 1), times * gathered, source=FSDP)
    yield Call("dp", "reduce_scatter", times * groups, times * scattered, source=FSDP)


def saved_by_nf4(recipe: Recipe, weights: Sequence[Parameter]) -> int:
    """Bytes that one gathering of QLoRA's layers saves: packed matrices travel as half a byte a weight."""
    if recipe.adapter != "qlora":
        return 0
    packed = (each for each in weights if each.layer is not None and not each.trained and each.name in ALL_LINEAR)
    return sum(each.numbers * recipe.bytes - packed_bytes(each.numbers) for each in packed)


def zero12_calls(shape: ModelShape, recipe: Recipe, weights: Sequence[Parameter]) -> Iterator[Call]:
    """All-reduce gradients in `dtype`, stage 2 after each micro-batch; gather the weights after the step.

    Two small all-reduces look for overflow (one byte, not in fp32) and add up the norm. Nothing of it runs beside
    backward unless `overlap_comm` is set: below stage 3 DeepSpeed's default is not to.
    """
    overlaps = zero_settings(recipe.deepspeed, int(recipe.method[-1]), shape).overlap_comm
    trained = [each.numbers for each in reversed(weights) if each.trained]
    times = recipe.accumulation if recipe.method == "zero2" else 1
    size = sum(trained) * recipe.bytes
    yield Call("dp", "all_reduce", times * zero_buckets(trained), times * size, hidden=overlaps, source=ZERO12)
    checks = (2, 1 + FP32) if recipe.dtype != "fp32" else (1, FP32)
    yield Call("dp", "all_reduce", *checks, hidden=False, source=ZERO12)
    aligned = 2 * recipe.shards
    padded = -(-sum(trained) // aligned) * aligned
    calls = max(1, padded // GATHER_NUMBERS)
    yield Call("dp", "all_gather", calls, padded * recipe.bytes, hidden=False, source=ZERO12)


def zero3_calls(shape: ModelShape, recipe: Recipe, weights: Sequence[Parameter]) -> Iterator[Call]:
    """Gather weights as forward and backward need them, scatter gradients in buckets, add up the norm (8 bytes)."""
    ranks, times = recipe.shards, recipe.accumulation
    fetched = zero3_gathers(weights, times, tied=shape.tied)
    size = sum(-(-each.numbers // ranks) * ranks for each in fetched) * recipe.bytes
    yield Call("dp", "all_gather", len(fetched), size, source=ZERO3)
    trained = [each.numbers for each in reversed(weights) if each.trained]
    scattered = sum(-(-each // ranks) * ranks for each in trained) * recipe.bytes
    yield Call("dp", "reduce_scatter", times * zero_buckets(trained), times * scattered, source=ZERO3)
    yield Call("dp", "all_reduce", 1, 2 * FP32, hidden=False, source=ZERO3)


def tensor_parallel_calls(shape: ModelShape, recipe: Recipe) -> Iterator[Call]:
    """Two all-reduces a layer forward and two back, one for the embedding, one for what enters the head.

    Forward's are in `dtype`. The residual stream, and with it the embedding and all gradients, is fp32 under autocast.
    Full checkpointing repeats a layer's first all-reduce, not its last: nothing in backward needs what it gives.
    """
    layers, times = recipe.layers_here(shape), recipe.accumulation
    one, stream = recipe.tokens * shape.width, stream_bytes(recipe)
    forward = layers * (3 if recipe.checkpointing == "full" else 2)
    ends = 2 if recipe.pipeline_parallel == 1 else 1  # the head is on the last stage
    calls, size = forward + 2 * layers + ends, forward * recipe.bytes + (2 * layers + ends) * stream
    yield Call("tp", "all_reduce", times * calls, times * one * size, hidden=False, source=TENSOR)
    if recipe.pipeline_parallel == 1:
        logits = recipe.tokens * shape.vocabulary * recipe.bytes
        yield Call("tp", "all_gather", times, times * logits, hidden=False, source=TENSOR)


def stream_bytes(recipe: Recipe) -> int:
    """Bytes of a number that goes from layer to layer: under autocast the norms and sums stay in fp32."""
    return FP32 if recipe.method == "ddp" and recipe.master and not recipe.adapter else recipe.bytes
