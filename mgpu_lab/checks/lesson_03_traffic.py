"""What the checks of lesson 03 share: judge what an answer sends for some gradients.

Traffic is judged by bytes, not by names: an all-reduce, a reduce-scatter with an all-gather, and messages round a ring
send the same. An all-gather of whole gradients sends as much on 2 ranks only, and holds N times the memory on any
number: it is told apart by what goes in.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist

from mgpu_lab.checks.spy import Spy

SLACK_BYTES = 128  # a few small numbers besides
PADDING_BYTES = 16  # for each tensor and rank: two numbers of fp64, so that a tensor divides into equal pieces


def ring_bytes(size: int, tensors: Iterable[torch.Tensor]) -> float:
    """Return what a rank sends in a ring all-reduce of these tensors."""
    return 2 * (size - 1) / size * sum(each.nbytes for each in tensors)


def of_bytes(spy: Spy, gradients: list[torch.Tensor], size: int) -> str | None:
    """Hint where more was sent for these gradients than a ring all-reduce sends."""
    held = sum(each.nbytes for each in gradients)
    slack = SLACK_BYTES + held // 50 + PADDING_BYTES * size * len(gradients)
    gathered = sum(event.input_bytes for event in spy.named("all_gather", "gather"))
    if size > 1 and gathered > held / size + slack:
        return (
            f"{gathered} bytes of rank {dist.get_rank()} were gathered, and its gradients hold {held}: with N ranks a "
            "rank then holds the gradients N times. Add them up on the way, as an all-reduce does."
        )
    if spy.wire_bytes > ring_bytes(size, gradients) + slack:
        return (
            f"Rank {dist.get_rank()} of {size} sends {spy.wire_bytes:.0f} bytes, by the ring's count. An all-reduce of "
            f"its gradients, which hold {held} bytes, sends {ring_bytes(size, gradients):.0f}: 2 (N - 1)/N of them."
        )
    return None


def of_kept(left: int) -> str | None:
    """Hint where so many bytes of tensors have outlived a call."""
    if not left:
        return None
    return f"{left} bytes of tensors are still in memory after your function, besides .grad: who holds them?"


def percent(share: float) -> str:
    """Return a difference as text that is never 0 for a number that is not.

    >>> percent(0.25), percent(0.00012)
    ('25%', '0.01%')
    """
    return f"{share:.0%}" if share >= 0.01 else f"{100 * share:.1g}%"  # noqa: PLR2004 - one percent
