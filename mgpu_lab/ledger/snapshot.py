"""What a tracker knows of a storage, and what was alive at the largest total."""

import weakref
from dataclasses import dataclass, replace

import torch

from mgpu_lab.ledger.allocator import outside_tensors
from mgpu_lab.ledger.facts import LedgerRow
from mgpu_lab.ledger.owners import BUCKETS
from mgpu_lab.ledger.storages import Key

Owner = tuple[str, str]


@dataclass
class Tracked:
    """A storage followed through the block; `fallback` is what it counts as while nobody owns it."""

    storage: weakref.ref[torch.UntypedStorage]
    counts: bool  # whether it lies on the device whose maximum is sought
    fallback: Owner
    size_bytes: int  # when last seen
    owner: Owner | None = None


@dataclass
class Snapshot:
    """What was alive at the largest total so far."""

    alive: list[tuple[Tracked, Key, int]]
    buckets: LedgerRow  # all of DDP's, also those that Python has not seen
    allocated: dict[str, int]  # device: bytes that CUDA's allocator had handed out

    def rows(self) -> list[LedgerRow]:
        """Make the ledger's rows; DDP's buckets that were seen after all are not counted twice."""
        rows = [LedgerRow(*(one.owner or one.fallback), key.device, size) for one, key, size in self.alive]
        seen = sum(row.size_bytes for row in rows if row.name == BUCKETS)
        rows.append(replace(self.buckets, size_bytes=max(0, self.buckets.size_bytes - seen)))
        return [*rows, *outside_tensors(rows, self.allocated)]
