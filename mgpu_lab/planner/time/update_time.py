"""Seconds of the optimizer's step on the GPU, and of taking it to the host instead."""

from dataclasses import dataclass

from mgpu_lab.planner.hardware import link_rate_gbps
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

# bytes of memory traffic for each number that is updated, in one fused kernel: parameter, gradient, two moments
UPDATE_BYTES = {"adamw": 4 * 2 + 4 + 4 * 2 + 4 * 2, "adamw8bit": 4 * 2 + 4 + 2 * 2, "sgd": 4 * 2 + 4}
CPU_ADAM = 1.8e9
CPU_ADAM_SOURCE = (
    "github.com/deepspeedai/DeepSpeed/issues/6834: 10 s for Qwen2-72B on 4 hosts, "
    "so 1.8e9 parameters a second and host; read 2026-11-28"
)
PCIE_COPY = 0.88
PCIE_COPY_SOURCE = (
    "nvbandwidth, pinned, host to device: 55.6 of 63 GB/s (dev.smart-guide.co.kr, after NVIDIA's blog), read 2026-11-28"
)


def pcie_gbps(where: Machine) -> float | None:
    """Return what a card's slot can carry in one direction, 1e9 bytes a second."""
    lanes = [each for each in (where.lanes, where.card.pcie_lanes) if each is not None]
    if where.card.pcie_generation is None or not lanes:
        return None
    return link_rate_gbps(where.card.pcie_generation, min(lanes))


@dataclass(frozen=True)
class Update:
    """Seconds of one optimizer step: kernels on the GPU, Adam on the host's cores, copies over PCIe."""

    gpu_s: float | None = 0.0
    host_s: float = 0.0
    copies_s: float | None = 0.0


def trained(shape: ModelShape, recipe: Recipe) -> float:
    """Count the parameters that one rank of tensor and pipeline parallelism trains, before any sharding."""
    ranks = recipe.tensor_parallel * recipe.pipeline_parallel
    if not recipe.adapter:
        return shape.parameters / ranks
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    ends = 4 * shape.width + 2 * queries + 2 * keys + 3 * (shape.intermediate + shape.width)
    return shape.layers * recipe.lora_rank * ends / ranks


def update_time(
    shape: ModelShape, recipe: Recipe, where: Machine, bytes_per_s: float | None, host_rate: float | None
) -> Update:
    """Return the time of one update of what a GPU holds of the trained parameters.

    On the GPU AdamW is bound by memory: it reads parameter, gradient and both moments and writes all but the gradient.
    Offloaded, the gradients go down and the new parameters come up in the training dtype, as ZeRO-Offload's schedule
    says (Ren et al. 2021, arxiv.org/abs/2101.06840, section 4), and all GPUs of a host share its cores.
    """
    mine = trained(shape, recipe) / (1 if recipe.method == "ddp" else recipe.shards)
    if recipe.offload == "none":
        moved = mine * (UPDATE_BYTES[recipe.optimizer] + (recipe.bytes if recipe.method.startswith("zero") else 0))
        return Update(gpu_s=None if not bytes_per_s else moved / bytes_per_s)
    rate = pcie_gbps(where)
    uploads = 1 + (2 * recipe.accumulation if recipe.method == "fsdp" else 0)
    copies = None if rate is None else mine * recipe.bytes * (1 + uploads) / (rate * 1e9 * PCIE_COPY)
    return Update(gpu_s=0.0, host_s=mine * min(where.count, where.per_host) / (host_rate or CPU_ADAM), copies_s=copies)


def update_rows(recipe: Recipe, host_rate: float | None) -> tuple[tuple[str, float, str], ...]:
    """State what an offloaded update rests on."""
    if recipe.offload == "none":
        return ()
    source = CPU_ADAM_SOURCE if host_rate is None else "your assumption"
    return (
        ("parameters a second that the cores of a host update", host_rate or CPU_ADAM, source),
        ("copies over PCIe, share of its rate", PCIE_COPY, PCIE_COPY_SOURCE),
    )
