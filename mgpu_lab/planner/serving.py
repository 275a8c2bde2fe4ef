"""How a model is served: replicas, tensor and pipeline parallelism, dtypes, requests at once. Checked when made."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.options import refuse_count, refuse_word
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.wire.errors import UsageError

Weights = Literal["bf16", "fp16", "fp32", "fp8", "int8", "nf4", "int4"]
Cache = Literal["bf16", "fp16", "fp32", "fp8"]
COUNTS = ("tensor_parallel", "pipeline_parallel", "replicas", "batch", "context", "prompt")
# Bytes of a weight with its scales. NF4: a byte's half, an 8-bit scale for 64 weights, an fp32 one for 256 of those
# (QLoRA's double quantisation: Dettmers et al. 2023, arxiv.org/abs/2305.14314, section 3). int4: groups of 128 with a
# 16-bit scale and a 4-bit zero (AWQ's and GPTQ's usual: arxiv.org/abs/2306.00978, arxiv.org/abs/2210.17323). fp8, int8:
# one scale for a matrix's row is too little to count.
WEIGHT_BYTES = {
    "bf16": 2.0,
    "fp16": 2.0,
    "fp32": 4.0,
    "fp8": 1.0,
    "int8": 1.0,
    "nf4": 0.5 + 1 / 64 + 4 / (64 * 256),
    "int4": 0.5 + 2 / 128 + 0.5 / 128,
}
CACHE_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "fp8": 1}


@dataclass(frozen=True)
class Serving:
    """One way to serve. Each replica generates `batch` requests at once, each with `context` tokens in the cache.

    `weights` is the dtype of the layers' matrices; embedding, head and norms stay in 16 bits where that has fewer.
    `prompt` is how many tokens a new request brings. A replica has tensor_parallel x pipeline_parallel cards.
    """

    tensor_parallel: int
    pipeline_parallel: int
    replicas: int
    batch: int
    context: int
    prompt: int
    weights: Weights
    kv: Cache

    def __post_init__(self) -> None:
        for name, choices in (("weights", get_args(Weights)), ("kv", get_args(Cache))):
            refuse_word(name, getattr(self, name), choices)
        for name in COUNTS:
            refuse_count(name, getattr(self, name))
        if self.prompt > self.context:
            raise UsageError(f"prompt={self.prompt} is more than the context of {self.context} tokens.")

    @property
    def cards(self) -> int:
        """Cards of all replicas."""
        return self.replicas * self.tensor_parallel * self.pipeline_parallel

    @property
    def weight_bytes(self) -> float:
        """Bytes of a weight of a layer's matrix, with its scales."""
        return WEIGHT_BYTES[self.weights]

    @property
    def other_bytes(self) -> int:
        """Bytes of a number outside the layers' matrices, and of an activation."""
        return 4 if self.weights == "fp32" else 2

    @property
    def computes_in(self) -> str:
        """The dtype of the products: 4-bit weights are unpacked to 16 bits first."""
        return {"nf4": "bf16", "int4": "bf16"}.get(self.weights, self.weights)

    def layers_here(self, shape: ModelShape) -> int:
        """Layers of the first pipeline stage, which has the most."""
        return math.ceil(shape.layers / self.pipeline_parallel)

    def kv_heads_here(self, shape: ModelShape) -> int:
        """KV heads that one card keeps: with fewer heads than ranks, ranks share one and each has a copy."""
        return max(1, shape.kv_heads // self.tensor_parallel)


def refuse_serving(shape: ModelShape, how: Serving, where: Machine) -> None:
    """Raise a UsageError where this model cannot be served so on this machine."""
    tensor = how.tensor_parallel
    if how.cards != where.count:
        raise UsageError(
            f"replicas={how.replicas} x tensor_parallel={tensor} x pipeline_parallel={how.pipeline_parallel} are "
            f"{how.cards} cards; {where} has {where.count}."
        )
    for what, number in (("heads", shape.heads), ("MLP features", shape.intermediate)):
        if number % tensor:
            raise UsageError(f"tensor_parallel={tensor} does not divide the {number} {what} of {shape.name}.")
    if shape.kv_heads % tensor and tensor % shape.kv_heads:
        raise UsageError(f"tensor_parallel={tensor} and the {shape.kv_heads} KV heads of {shape.name} do not divide.")
    if how.pipeline_parallel > shape.layers:
        raise UsageError(
            f"pipeline_parallel={how.pipeline_parallel} is more than the {shape.layers} layers of {shape.name}."
        )
    if how.context > shape.context:
        raise UsageError(f"context={how.context} is more than the {shape.context} positions of {shape.name}.")
