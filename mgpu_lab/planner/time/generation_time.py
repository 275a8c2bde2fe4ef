"""Seconds of a prompt and of a generated token: each kernel by the roofline, each all-reduce by its steps.

A generated token reads all weights that it meets and the cache of its request, so memory bandwidth bounds it; the
tokens of a prompt share what is read, so FLOP/s bound it (Pope et al. 2022, arxiv.org/abs/2211.05102, section 2).
"""

from dataclasses import dataclass

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.inference_memory import kv_bytes_per_token
from mgpu_lab.planner.serving import Serving
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.planner.time.assumptions import Assumed, assumed_group
from mgpu_lab.planner.time.compute_time import PRODUCT_S, Layer, Rates, Work
from mgpu_lab.planner.time.link_time import Group

KERNELS = 10  # of one layer: 4 products, attention, 2 norms, rotation, writing the cache, the activation
STARTS_S = KERNELS * PRODUCT_S
STARTS_SOURCE = "10 kernels, each with what compute_time.py's PRODUCT_S says of an H100's products"
UNPACKED = {"nf4": 2, "int4": 2}  # bytes that a 4-bit weight becomes before the products of a prompt


@dataclass(frozen=True)
class Pass:
    """One forward of all pipeline stages: seconds by what they are spent on."""

    work: Work
    starts_s: float
    network_s: float

    @property
    def total_s(self) -> float:
        return self.work.total_s + self.starts_s + self.network_s

    @property
    def limits(self) -> str:
        """What takes the most; kernels' starts do not count."""
        compute_s = self.work.products_s + self.work.attention_s
        waits = {"memory bandwidth": self.work.memory_s, "compute": compute_s, "network": self.network_s}
        return max(waits, key=lambda name: waits[name])


def generating(shape: ModelShape, how: Serving, where: Machine, rates: Rates, assumed: Assumed) -> Pass | None:
    """Return one generated token of every request of a replica; None where a link's rate is not known.

    Pipeline stages work on different requests at the same time: a stage has batch / stages of them in hand.
    """
    tokens = max(1.0, how.batch / how.pipeline_parallel)
    cache = kv_bytes_per_token(shape, how) * how.context * tokens * how.pipeline_parallel
    layer = _layer(shape, how, rates, tokens)
    work = (layer.products() + layer.fused()) * shape.layers + Work(elementwise_s=cache / rates.bytes)
    network_s = _network(shape, how, where, assumed, tokens)
    if network_s is None:
        return None
    return Pass(work + _head(shape, how, rates, tokens), shape.layers * _starts(how, assumed), network_s)


def _starts(how: Serving, assumed: Assumed) -> float:
    """Seconds of one layer beside its work: yours, or kernels' starts, with two more where sums come from others."""
    if assumed.layer_us is not None:
        return assumed.layer_us * 1e-6
    return STARTS_S + (2 * PRODUCT_S if how.tensor_parallel > 1 else 0.0)


def prompting(shape: ModelShape, how: Serving, where: Machine, rates: Rates, assumed: Assumed) -> Pass | None:
    """Return the prompts of all requests of a replica, up to their first tokens. Long kernels hide starts.

    Pipeline stages work on prompts of different requests at the same time, one request each, as on micro-batches: for b
    requests p stages need (b + p - 1) / (b p) of one card's time, so one request gains nothing (the share of idle time
    is (p - 1) / (b + p - 1): GPipe, Huang et al. 2018, arxiv.org/abs/1811.06965).
    """
    tokens = how.prompt * how.batch
    layer = _layer(shape, how, rates, tokens)
    work = (layer.products() + layer.fused() + layer.attention()) * shape.layers
    if how.weights in UNPACKED:
        unpacked = shape.layers * _matrices(shape) / how.tensor_parallel * UNPACKED[how.weights]
        work += Work(elementwise_s=2 * unpacked / rates.bytes)  # written, read by the product
    network_s = _network(shape, how, where, assumed, tokens)
    if network_s is None:
        return None
    stages = how.pipeline_parallel
    at_once = (how.batch + stages - 1) / (how.batch * stages)
    return Pass((work + _head(shape, how, rates, how.batch)) * at_once, 0.0, network_s * at_once)


def _matrices(shape: ModelShape) -> int:
    return shape.attention + shape.expert * max(1, shape.experts)


def _layer(shape: ModelShape, how: Serving, rates: Rates, tokens: float) -> Layer:
    return Layer(shape, tokens, how.prompt, how.tensor_parallel, rates, how.other_bytes, how.weight_bytes, start_s=0.0)


def _head(shape: ModelShape, how: Serving, rates: Rates, tokens: float) -> Work:
    """The head's product for the last token of each request."""
    layer = Layer(shape, tokens, 1, how.tensor_parallel, rates, how.other_bytes, how.other_bytes, start_s=0.0)
    return layer.product(shape.width, shape.vocabulary / how.tensor_parallel)


def _network(shape: ModelShape, how: Serving, where: Machine, assumed: Assumed, tokens: float) -> float | None:
    """Two all-reduces a layer (Shoeybi et al. 2019, arxiv.org/abs/1909.08053, section 3), a message between stages."""
    size_bytes = tokens * shape.width * how.other_bytes
    tensor = assumed_group(where, how.tensor_parallel, 1, assumed)
    stages = assumed_group(where, how.pipeline_parallel, how.tensor_parallel, assumed)
    if not (tensor.known and stages.known):
        return None
    return 2 * shape.layers * _one(tensor, "all_reduce", size_bytes) + (how.pipeline_parallel - 1) * _one(
        stages, "send", size_bytes
    )


def _one(ranks: Group, collective: str, size_bytes: float) -> float:
    return 0.0 if ranks.size == 1 else ranks.one_s(collective, size_bytes)
