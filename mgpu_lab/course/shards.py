"""Compare a split model's gradients with those of the same model in one process.

>>> farthest_gradient(split, plain) < 1e-5  # doctest: +SKIP
True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def farthest_gradient(model: nn.Module, plain: nn.Module, group: Any = None) -> float:
    """Return the largest difference between a gradient of ``model`` and what ``plain`` says it should be; nan counts.

    Both have the same parameters in the same order. One of ``model``'s is whole, or this rank's share of it along one
    dimension, in the order of the ranks in ``group`` (None: all ranks), or a DTensor; then every rank must call this.

    Raises:
        ValueError: the models do not have the same number of parameters, or one has no gradient.
    """
    pairs = list(zip(model.parameters(), plain.parameters(), strict=True))
    if any(p.grad is None or q.grad is None for p, q in pairs):
        raise ValueError("a parameter has no gradient: call backward on both models first")
    found = [difference(p.grad, q.grad, group) for p, q in pairs]
    return max(found, key=lambda each: (math.isnan(each), each))


def difference(mine: Any, whole: Any, group: Any) -> float:
    """Compare one gradient with its share of the whole one."""
    if hasattr(mine, "full_tensor"):
        mine = joined(mine)
    cut = [dim for dim in range(mine.dim()) if mine.shape[dim] != whole.shape[dim]]
    expected = share(whole, cut[0], group) if cut else whole
    return float((mine - expected).abs().max())


def joined(tensor: Any) -> Any:
    """Return the whole of a DTensor: what was cut last is joined first, which is the mesh's first dimension with FSDP.

    FSDP cuts what another dimension has cut before (its placement is "strided"). ``full_tensor()`` joins it, too, and
    warns that it takes two gathers (torch 2.13).
    """
    from torch.distributed.tensor import Replicate

    for dim in range(len(tensor.placements)):
        placements = [Replicate()] * (dim + 1) + list(tensor.placements[dim + 1 :])
        tensor = tensor.redistribute(placements=placements)
    return tensor.to_local()


def share(tensor: Tensor, dim: int, group: Any) -> Tensor:
    import torch.distributed as dist

    return tensor.chunk(dist.get_world_size(group), dim)[dist.get_rank(group)]
