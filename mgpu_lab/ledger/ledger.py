"""Where the bytes of a rank are: parameters, gradients, optimizer state, buffers, activations and the rest.

`memory_ledger(model, optimizer)` counts the storages of live tensors, each once. This module holds the
facts and imports no torch, so that a ledger can travel to the notebook's kernel. Not covered: memory that
is no tensor (Python objects, libraries; on a GPU the allocator's view of it is a row of its own),
torch.compile regions, FSDP1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mgpu_lab.ledger.peak import Peak
    from mgpu_lab.ledger.subject import Subject
    from mgpu_lab.ledger.table import LedgerTable

CATEGORIES = ("parameters", "gradients", "optimizer_state", "buffers", "activations", "other")


@dataclass(frozen=True)
class LedgerRow:
    """One named part of a category on one device: `LedgerRow("other", "DDP buckets", "cuda:0", 1048576)`."""

    category: str
    name: str
    device: str
    size_bytes: int


@dataclass(frozen=True, repr=False)
class MemoryLedger:
    """Bytes of one rank by category; `total` is their sum, `details` the named rows that add up to them.

    - `parameters`: the weights this rank holds (a shard; packed 4-bit weights with their scales; a gathered
      copy).
    - `gradients`: what `.grad` and an optimizer's gradient partitions hold.
    - `optimizer_state`: moments, fp32 master weights, step counters.
    - `buffers`: the module's buffers.
    - `activations`: tensors that a live autograd graph keeps, or that carry one (a loss, logits).
    - `other`: communication buckets (named), offload staging buffers, input batches and every other live
      tensor.

    A storage that fits two categories counts in the first of them, in this order.
    """

    parameters: int
    gradients: int
    optimizer_state: int
    buffers: int
    activations: int
    other: int
    total: int
    details: tuple[LedgerRow, ...] = ()
    parameter_count: int = 0  # of the whole model, not of this rank's shard
    quantised_count: int = 0  # how many of them are stored in 4 or 8 bits
    rank: int = 0
    at_peak: bool = False
    subject: Subject | None = field(default=None, compare=False)  # weak references; stays in its process

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the references to the model."""
        return self.__dict__ | {"subject": None}

    def bytes_per_parameter(self, category: str = "total") -> float:
        """Bytes of a category for each parameter of the whole model: 16.0 for fp32 AdamW on one device."""
        return float(getattr(self, category)) / max(1, self.parameter_count)

    def named(self, text: str) -> int:
        """Bytes of the rows with `text` in their name: `ledger.named("bucket")`."""
        return sum(row.size_bytes for row in self.details if text.casefold() in row.name.casefold())

    def on(self, device: str) -> int:
        """Bytes on a kind of device: `ledger.on("cpu")` is host memory, `ledger.on("cuda")` the GPU's."""
        return sum(row.size_bytes for row in self.details if row.device.partition(":")[0] == device)

    def peak(self) -> Peak:
        """Watch a block: `with ledger.peak() as peak: step()`, then `peak.total`, `peak.activations`, ...

        Every operation in the block is followed from Python: it runs slower, with the same results.
        """
        from mgpu_lab.ledger.peak import Peak

        if self.subject is None:
            raise UsageError(
                "This ledger has left its rank. Call memory_ledger(model, optimizer) in the cell that trains."
            )
        return Peak(self.subject)

    def against(self, **expected_bytes: float) -> LedgerTable:
        """Measured next to expected: `ledger.against(total=16 * P / N, gradients=2 * P)`."""
        return ledger_table([self], expected_bytes)

    def __repr__(self) -> str:
        """Show the table."""
        return repr(ledger_table([self]))

    def _repr_html_(self) -> str:
        return ledger_table([self])._repr_html_()


def memory_ledger(model: Any, optimizer: Any = None) -> MemoryLedger:
    """Count the bytes of this rank's live tensors by category.

    `model` is a module, DDP, FSDP2 (`fully_shard`), a peft model or a DeepSpeed engine; `optimizer` a torch
    or DeepSpeed optimizer, any object that holds one, or a list of several. It may be left out for a DeepSpeed engine.
    Reference cycles are collected first, so that a second call finds the same.

    >>> ledger = memory_ledger(model, optimizer)  # doctest: +SKIP
    >>> ledger.optimizer_state / ledger.parameter_count  # doctest: +SKIP
    8.0
    """
    from mgpu_lab.ledger.storages import live_rows
    from mgpu_lab.ledger.subject import Subject

    subject = Subject(model, optimizer)
    return ledger_from(live_rows(subject.owners(), subject.bucket_sizes()), subject)


def ledger_from(rows: Iterable[LedgerRow], subject: Subject, *, at_peak: bool = False) -> MemoryLedger:
    """Add up rows; rows of the same name and device become one."""
    sums: dict[tuple[str, str, str], int] = {}
    for row in rows:
        key = (row.category, row.name, row.device)
        sums[key] = sums.get(key, 0) + row.size_bytes
    order = sorted(sums, key=lambda key: (CATEGORIES.index(key[0]), -sums[key], key))
    details = tuple(LedgerRow(*key, sums[key]) for key in order if sums[key])
    totals = {name: sum(row.size_bytes for row in details if row.category == name) for name in CATEGORIES}
    return MemoryLedger(
        total=sum(totals.values()),
        details=details,
        parameter_count=subject.parameter_count,
        quantised_count=subject.quantised_count,
        rank=subject.rank,
        at_peak=at_peak,
        subject=subject,
        **totals,
    )


def ledger_table(ledgers: Iterable[MemoryLedger], expected: Mapping[str, float] | None = None) -> LedgerTable:
    """Ledgers of several ranks side by side, with the expected bytes of a rank where given.

    >>> ledger_table(ranks.pull("ledger"), {"total": 16 * P / 2})  # doctest: +SKIP
    """
    from mgpu_lab.ledger.table import LedgerTable

    shown = tuple(getattr(ledger, "ledger", ledger) for ledger in ledgers)  # the outcome of a peak() block will do
    unknown = sorted(set(expected or {}) - {*CATEGORIES, "total"})
    if unknown:
        raise UsageError(f"No category is called {', '.join(unknown)}. Choose from {', '.join(CATEGORIES)}, total.")
    return LedgerTable(shown, dict(expected or {}))


def same(ledger: MemoryLedger) -> MemoryLedger:
    """Stand in for the outcome of a peak() block when it is unpickled."""
    return ledger
