"""What a tracker knows of a storage, and what was alive at the largest total."""

import weakref
from dataclasses import dataclass

import torch

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
    unseen: list[LedgerRow]

    def rows(self) -> list[LedgerRow]:
        """Make the ledger's rows; DDP's buckets that were seen after all are not counted twice."""
        rows = [LedgerRow(*(one.owner or one.fallback), key.device, size) for one, key, size in self.alive]
        seen = sum(row.size_bytes for row in rows if row.name == BUCKETS)
        for row in self.unseen:
            hidden = max(0, row.size_bytes - seen) if row.name == BUCKETS else row.size_bytes
            rows.append(LedgerRow(row.category, row.name, row.device, hidden))
        return rows
