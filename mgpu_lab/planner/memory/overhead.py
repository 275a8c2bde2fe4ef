"""What a GPU holds outside tensors: CUDA's context, NCCL's buffers, and what the allocator keeps and cannot use.

Rules of thumb, each with its source; a machine's own `nvidia-smi` knows better. A rank on a CPU has none of it.
"""

from collections.abc import Sequence
from dataclasses import replace

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow
from mgpu_lab.planner.recipe import Recipe

MIB = 1 << 20
CONTEXT = 400 * MIB
CONTEXT_SOURCE = "about 400 MB with lazy loading: github.com/pytorch/pytorch/issues/109888, read 2026-11-28"
# A ring's channel: LL, LL128 and Simple buffers of 0.5 + 4.7 + 4 MiB in pages of 2 MiB, and one page besides.
CHANNEL = (10 + 2) * MIB
CHANNELS = {True: 16, False: 2}  # with NVLink (8 x H800), without (two GPUs on PCIe: 1 found, doubled)
NCCL_SOURCE = (
    "12 MiB a channel: github.com/NVIDIA/nccl/issues/1685 and src/init.cc; channels: issues/892, 1358, 524; "
    "read 2026-11-28"
)
SLACK = 0.05
SLACK_SOURCE = (
    "5% set aside, 2.4% seen: github.com/vllm-project/compressed-tensors/pull/587; up to 43% without "
    "expandable_segments in long training runs: arXiv 2507.16274; read 2026-11-28"
)


def overhead_rows(recipe: Recipe, where: Machine, tensors_bytes: int) -> tuple[PlannedRow, ...]:
    """Return bytes outside tensors on one GPU that holds `tensors_bytes` of them; nothing on a CPU."""
    if where.card.name == "CPU":
        return ()
    nvlink = where.card.nvlink_gbps is not None if where.nvlink is None else where.nvlink
    groups = sum(ranks > 1 for ranks in (recipe.data_parallel, recipe.tensor_parallel, recipe.pipeline_parallel))
    rows = (
        PlannedRow("other", "CUDA context", CONTEXT, CONTEXT_SOURCE),
        PlannedRow("other", "NCCL buffers", groups * CHANNELS[nvlink] * CHANNEL, NCCL_SOURCE),
        PlannedRow("other", "allocator's slack", int(SLACK * tensors_bytes), SLACK_SOURCE),
    )
    return tuple(row for row in rows if row.size_bytes)


def with_overhead(moments: Sequence[PlannedMemory], recipe: Recipe, where: Machine) -> tuple[PlannedMemory, ...]:
    """Return the moments with what lies outside tensors; the allocator keeps what it once held at most."""
    rows = overhead_rows(recipe, where, max(moment.total for moment in moments))
    return tuple(replace(moment, overhead_rows=rows) for moment in moments)
