"""The collectives of one optimizer step: which, how many, how many bytes, over which dimension of the mesh."""

from dataclasses import dataclass

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


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
    """Return the calls of one optimizer step on one GPU."""
    raise NotImplementedError
