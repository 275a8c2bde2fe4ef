"""Pretend to be one rank of a world that is larger than the one at hand: PyTorch's fake process group.

Its collectives return at once and move nothing: after an all-reduce a tensor holds this rank's own part. So the parts
of all ranks, worked out one after the other, can be added up here.
"""

import contextlib
import itertools
import sys
from collections.abc import Iterator
from datetime import timedelta

from torch.distributed import distributed_c10d as c10d
from torch.testing._internal.distributed.fake_pg import FakeStore

_numbers = itertools.count()


@contextlib.contextmanager
def pretended(rank: int, size: int) -> Iterator[None]:
    """Make a fake group of ``size`` ranks the whole world, in which this process is ``rank``.

    A cell's own ``rank`` and ``world_size`` follow, where they are still those of the real world.
    """
    world = c10d._get_default_group()  # noqa: SLF001 - torch swaps them this way itself
    real = {"rank": world.rank(), "world_size": world.size()}
    names = vars(sys.modules["__main__"])  # where cells run
    follow = {name: value for name, value in real.items() if names.get(name) == value}
    group, _ = c10d._new_process_group_helper(  # noqa: SLF001 - the public way makes no group that this rank plays twice
        size,
        rank,
        list(range(max(size, world.size()))),
        "fake",
        FakeStore(),
        group_name=c10d.GroupName(f"mgpu_lab/pretended/{next(_numbers)}"),
        timeout=timedelta(seconds=1),
    )
    c10d._world.pg_group_ranks[group] = {each: each for each in range(size)}  # noqa: SLF001
    try:
        c10d._update_default_pg(group)  # noqa: SLF001
        names.update({name: {"rank": rank, "world_size": size}[name] for name in follow})
        yield
    finally:
        names.update(follow)
        c10d._update_default_pg(world)  # noqa: SLF001
        c10d.destroy_process_group(group)
