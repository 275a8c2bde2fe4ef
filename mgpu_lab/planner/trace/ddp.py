"""DistributedDataParallel over fake tensors: with the buckets that it has from the second step on. Runs in the child.

DDP's C++ does three things that fake tensors cannot: it compares and broadcasts the parameters when it is made, it
starts the all-reduces itself (its future holds None under the fake backend), and before the second forward it makes
new buckets in the order in which the gradients came, and broadcasts that order. Here the first is left out, a hook in
Python starts the same all-reduces, and DDP is made twice: once to see the order, then with the buckets it leads to.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

MIB = 1 << 20
FIRST_MIB, CAP_MIB = 1, 25  # DDP's defaults


class NoRebuilding:
    """A reducer that keeps the buckets it was made with."""

    def __init__(self, reducer: Any) -> None:
        self._reducer = reducer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reducer, name)

    def _rebuild_buckets(self) -> bool:
        return False


def with_fake_ddp(one_step: Callable[[Any], None]) -> Callable[[Any, Any], Any]:
    """Return what wraps a model in DDP; `one_step(wrapped)` runs its forward and backward once."""

    def wrap(model: Any, group: Any) -> Any:
        trained = [each for each in model.parameters() if each.requires_grad]
        order = order_of_gradients(trained, lambda: one_step(wrapped(model, group)))
        gc.collect()  # the first DDP's buckets and hooks go with it
        with buckets_of(trained, order):
            return wrapped(model, group)

    return wrap


def wrapped(model: Any, group: Any) -> Any:
    ddp: Any = DistributedDataParallel(model, process_group=group, init_sync=False)
    ddp.register_comm_hook(group, averaged)
    ddp.reducer = NoRebuilding(ddp.reducer)
    return ddp


def averaged(group: Any, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:  # type: ignore[name-defined]
    """Do what DDP does by default: divide a bucket by the ranks and add up."""
    tensor = bucket.buffer().div_(group.size())
    dist.all_reduce(tensor, group=group)
    done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    done.set_result(tensor)
    return done


def order_of_gradients(trained: Sequence[Any], one_step: Callable[[], None]) -> list[int]:
    """Return the numbers of the parameters in the order in which a step completes their gradients."""
    order: list[int] = []
    hooks = [
        each.register_post_accumulate_grad_hook(lambda _, number=number: order.append(number))
        for number, each in enumerate(trained)
    ]
    one_step()
    for hook, each in zip(hooks, trained, strict=True):
        hook.remove()
        each.grad = None
    return order


@contextmanager
def buckets_of(trained: Sequence[Any], order: Sequence[int]) -> Iterator[None]:
    """Make DDP take the buckets that its C++ would make of this order (`Reducer::rebuild_buckets`)."""
    module: Any = dist
    assign = module._compute_bucket_assignment_by_size  # noqa: SLF001
    caps = [FIRST_MIB * MIB, CAP_MIB * MIB]
    buckets, limits = assign([trained[number] for number in order], caps, [False] * len(order), list(order))

    def in_this_order(*_: Any) -> Any:
        return buckets[::-1], limits[::-1]  # DDP turns them round

    module._compute_bucket_assignment_by_size = in_this_order  # noqa: SLF001
    try:
        yield
    finally:
        module._compute_bucket_assignment_by_size = assign  # noqa: SLF001
