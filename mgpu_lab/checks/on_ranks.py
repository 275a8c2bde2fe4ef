"""What checks on ranks share: try an answer on 1, 2, ... of the running ranks, and agree on a hint."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d as c10d

from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.trial import LIMIT, Meeting, attempt

MOST_GROUPS = 1000  # of one trial


def sizes() -> list[int]:
    """World sizes that can be tried on the ranks at hand, the real one first; 4 are enough."""
    size = dist.get_world_size()
    return [size, *(each for each in range(1, min(size, 5)) if each != size)]


def on_each_size(trial: Callable[[int], str | None], what: str) -> None:
    """Run a trial, which returns a hint or None on each rank, on each number of ranks at hand; all ranks call this.

    A trial communicates only through the answer that it tries (``checks.trial`` compares those calls). What any rank
    found is raised as ``Wrong`` on all ranks; an answer's own exception is raised on the rank where it happened.
    """
    __tracebackhide__ = True
    for size in sizes():
        on_first(size, trial, what)


def on_world(trial: Callable[[int], str | None], what: str) -> None:
    """Run a trial on all ranks at hand; else as ``on_each_size``."""
    __tracebackhide__ = True
    on_first(dist.get_world_size(), trial, what)


def on_first(size: int, trial: Callable[[int], str | None], what: str) -> None:
    """Run a trial on the first ``size`` ranks; the others wait for the verdict."""
    __tracebackhide__ = True
    world_size, store = dist.get_world_size(), c10d._get_default_store()  # noqa: SLF001 - no public way to its store
    with patience(store), smaller_world(size) as inside:
        meeting = Meeting(store, size)
        hint, error = attempt(lambda: trial(size), meeting) if inside else (None, None)
        hints = meeting.exchange(hint, world_size)
    if error is not None:
        raise error
    if urgent := next((each for each in hints if each.startswith("!")), None):
        raise Wrong(f"{what[:1].upper()}{what[1:]}, with {size} rank{'s' * (size > 1)}: {urgent[1:]}")
    refuse(next((each for each in hints if each), None))


@contextlib.contextmanager
def patience(store: Any) -> Iterator[None]:
    """Let no answer wait longer for a key of the store than for a message."""
    before = store.timeout
    store.set_timeout(LIMIT)
    try:
        yield
    finally:
        store.set_timeout(before)


def sizes_text() -> str:
    tried = sorted(sizes())
    return f"world size {tried[0]}" if len(tried) == 1 else f"world sizes {', '.join(map(str, tried))}"


@contextlib.contextmanager
def smaller_world(size: int) -> Iterator[bool]:
    """Make a new group of the first ``size`` ranks the whole world for a while; yields whether this rank is in it.

    A cell's own ``world_size``, which every rank's namespace starts with, follows: answers read it, too.
    """
    world, count = c10d._get_default_group(), c10d._world.group_count  # noqa: SLF001 - torch swaps them this way itself
    group = dist.new_group(list(range(size)), timeout=LIMIT)
    inside = world.rank() < size
    names = vars(sys.modules["__main__"])  # where cells run, and exported scripts
    follows = names.get("world_size") == world.size()
    try:
        if inside:
            c10d._update_default_pg(group)  # noqa: SLF001
        if inside and follows:
            names["world_size"] = size
        yield inside
    finally:
        if inside and follows:
            names["world_size"] = world.size()
        c10d._update_default_pg(world)  # noqa: SLF001
        if inside:
            dist.destroy_process_group(group)
        c10d._world.group_count = count + MOST_GROUPS  # noqa: SLF001 - an answer may have made some, on some ranks only


def device_here() -> torch.device:
    """Return where this rank's tensors must be to communicate; without a process group, where it computes."""
    if dist.is_initialized():
        on_gpu = "nccl" in dist.get_backend_config()
    else:
        on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def off(found: Any, wanted: Any) -> float:
    """Return the largest difference between two tensors, relative to the largest value wanted."""
    scale = max(float(wanted.abs().max()), 1e-6)  # a gradient that is zero but for rounding stays zero
    return float((found - wanted).abs().max()) / scale
