"""Planned bytes of one GPU, under the ledger's names: rows that add up to categories, and what lies outside tensors."""

from collections.abc import Iterable
from dataclasses import dataclass

CATEGORIES = ("parameters", "gradients", "optimizer_state", "buffers", "activations", "other")


@dataclass(frozen=True)
class PlannedRow:
    """One named part of a category. `source` says where its formula comes from."""

    category: str
    name: str
    size_bytes: int
    source: str = ""


@dataclass(frozen=True)
class PlannedMemory:
    """Bytes of one GPU at a moment, by the ledger's categories; `total` is their sum and counts tensors only.

    `overhead` is what the GPU holds besides: CUDA's context, NCCL's buffers, the allocator's slack. `host_bytes` is
    what offloading keeps in the host's memory for this GPU; it counts nowhere else.
    """

    moment: str  # "forward's end", "backward", "step"
    rows: tuple[PlannedRow, ...]
    overhead_rows: tuple[PlannedRow, ...] = ()
    host_rows: tuple[PlannedRow, ...] = ()

    def of(self, category: str) -> int:
        return sum(row.size_bytes for row in self.rows if row.category == category)

    @property
    def parameters(self) -> int:
        return self.of("parameters")

    @property
    def gradients(self) -> int:
        return self.of("gradients")

    @property
    def optimizer_state(self) -> int:
        return self.of("optimizer_state")

    @property
    def buffers(self) -> int:
        return self.of("buffers")

    @property
    def activations(self) -> int:
        return self.of("activations")

    @property
    def kv_cache(self) -> int:
        """Keys and values of the requests being served; training has none."""
        return self.of("kv_cache")

    @property
    def other(self) -> int:
        return self.of("other")

    @property
    def total(self) -> int:
        """All tensors."""
        return sum(row.size_bytes for row in self.rows)

    @property
    def overhead(self) -> int:
        """What lies outside tensors."""
        return sum(row.size_bytes for row in self.overhead_rows)

    @property
    def host_bytes(self) -> int:
        """What offloading keeps in the host's memory for this GPU."""
        return sum(row.size_bytes for row in self.host_rows)

    @property
    def peak_bytes(self) -> int:
        """Tensors and overhead."""
        return self.total + self.overhead


def highest(moments: Iterable[PlannedMemory]) -> PlannedMemory:
    """Return the moment that takes the most."""
    return max(moments, key=lambda each: each.total)
