"""What FSDP2's `CPUOffloadPolicy` takes off the GPU: shards, their gradients and the optimizer's state.

Source: torch 2.13, ``torch/distributed/fsdp/_fully_shard/_fsdp_api.py``: sharded parameters, gradients and the step are
on the host; what is gathered for a layer, and gradients until they are reduced, are on the GPU. DeepSpeed's and
adapters' offloading are in `zero`, `zero3` and `adapters`.
"""

from collections.abc import Iterable
from dataclasses import replace

from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow
from mgpu_lab.planner.recipe import Recipe


def offloaded(moments: Iterable[PlannedMemory], recipe: Recipe) -> tuple[PlannedMemory, ...]:
    """Return the moments of an FSDP plan with what offloading moves in `host_rows`; as they are without offloading."""
    found = tuple(moments)
    if recipe.offload == "none":
        return found
    # the host holds all of it all the time: what is moved at the moment that holds most of it
    moved = max(([row for row in moment.rows if leaves(row, recipe)] for moment in found), key=_size)
    host = tuple(replace(row, category="host") for row in moved)
    return tuple(
        replace(moment, rows=tuple(row for row in moment.rows if not leaves(row, recipe)), host_rows=host)
        for moment in found
    )


def leaves(row: PlannedRow, recipe: Recipe) -> bool:
    """Whether this row is a shard's, its gradient's (in the dtype of the shards) or the optimizer's."""
    sharded = "fp32" if recipe.master == "fp32" or recipe.dtype == "fp32" else recipe.dtype
    if row.category == "optimizer_state" or (row.category, row.name) == ("parameters", f"shard, {sharded}"):
        return True
    return sharded != recipe.dtype and (row.category, row.name) == ("gradients", f"gradients, {sharded}")


def _size(rows: list[PlannedRow]) -> int:
    return sum(row.size_bytes for row in rows)
