"""The collectives of DistributedDataParallel and of DeepSpeed's ZeRO: gradients in buckets, weights on demand."""

from collections.abc import Iterable, Sequence

from mgpu_lab.planner.traffic.parameters import Parameter

MIB = 1 << 20
DDP_CAPS = (1 * MIB, 25 * MIB)  # of the first bucket, of all others
REDUCE_NUMBERS = 500_000_000  # DeepSpeed's reduce_bucket_size
GATHER_NUMBERS = 500_000_000  # allgather_bucket_size
REUSE_NUMBERS = 1_000_000_000  # stage3_max_reuse_distance
PERSISTENT_NUMBERS = 100_000  # stage3_param_persistence_threshold


def ddp_buckets(sizes_bytes: Iterable[int]) -> list[int]:
    """Return the bytes of DDP's buckets from its second step on; `sizes_bytes` in the order of the gradients.

    A bucket is full when it has reached its cap, so that the tensor which fills it may be as large as it likes.
    Source: pytorch, torch/csrc/distributed/c10d/reducer.cpp, `rebuild_buckets` and
    `compute_bucket_assignment_by_size`.
    """
    buckets: list[int] = []
    filling = 0
    for size in sizes_bytes:
        filling += size
        if filling >= DDP_CAPS[min(len(buckets), 1)]:
            buckets.append(filling)
            filling = 0
    return buckets + [filling] * bool(filling)


def zero_buckets(numbers: Iterable[int], limit: int = REDUCE_NUMBERS) -> int:
    """Return how many buckets DeepSpeed reduces; `numbers` in the order of the gradients.

    A bucket is reduced before the tensor that would not fit. Source: deepspeed, runtime/zero/stage_1_and_2.py,
    `reduce_independent_p_g_buckets_and_remove_grads`, and stage3.py, the same.
    """
    count, filling = 0, 0
    for size in numbers:
        if filling and filling + size > limit:
            count, filling = count + 1, 0
        filling += size
    return count + bool(filling)


def zero3_gathers(
    weights: Sequence[Parameter],
    accumulation: int,
    *,
    tied: bool = False,
    reuse: int = REUSE_NUMBERS,
    persistent: int = PERSISTENT_NUMBERS,
) -> list[Parameter]:
    """Return the weights that a rank gathers in a step of stage 3, one entry a call; `weights` in forward's order.

    Small ones ("persistent") are gathered once, after the optimizer's step. Others are gathered for forward, and
    again for backward unless fewer than `reuse` numbers are used in between. Fetching ahead
    (stage3_prefetch_bucket_size) joins several into one call: counted as if it did not.
    Source: deepspeed, runtime/zero/partitioned_param_coordinator.py, `__params_to_release`.
    """
    used = [*weights, *[each for each in weights if tied and each.name == "embedding"]]
    uses = [*used, *used[::-1]]
    fetched: list[Parameter] = []
    last_end: dict[int, int] = {}  # by id: numbers used until the end of its last use
    position = 0
    for each in uses:
        if each.numbers > persistent and (id(each) not in last_end or position - last_end[id(each)] >= reuse):
            fetched.append(each)
        position += each.numbers
        last_end[id(each)] = position
    return fetched * accumulation + [each for each in weights if each.numbers <= persistent]
