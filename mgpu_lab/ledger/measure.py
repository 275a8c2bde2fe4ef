"""Counts the storages of this rank's live tensors, each once: now, or at the peak of a block."""

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Self

from mgpu_lab.ledger.facts import CATEGORIES, LedgerRow
from mgpu_lab.ledger.ledger import MemoryLedger
from mgpu_lab.ledger.rows import live_rows
from mgpu_lab.ledger.subject import Subject
from mgpu_lab.ledger.tracker import Tracker
from mgpu_lab.wire.errors import UsageError


def measured(model: Any, optimizer: Any, variables: Mapping[str, Any]) -> MemoryLedger:
    """Make the ledger; `variables` are those that may hold what nobody owns."""
    subject = Subject(model, optimizer)
    owners = subject.owners()
    rows = live_rows(owners, subject.bucket_sizes(), variables)
    subject.caches = owners.caches  # for a peak; it looks for no others
    return ledger_from(rows, subject)


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
        follow=partial(Peak, subject),
        **totals,
    )


class Peak:
    """The outcome of `with ledger.peak() as peak:`; after the block it reads and prints like a ledger."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._tracker: Tracker | None = None
        self._ledger: MemoryLedger | None = None

    @property
    def ledger(self) -> MemoryLedger:
        """The ledger of the largest moment."""
        if self._ledger is None:
            raise UsageError("The peak is known when the block `with ledger.peak() as peak:` has ended.")
        return self._ledger

    def __enter__(self) -> Self:
        self._tracker = Tracker(self._subject)
        self._tracker.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            tracker.__exit__(*error)  # type: ignore[no-untyped-call]
            self._ledger = ledger_from(tracker.close(), self._subject, at_peak=True)

    def __getattr__(self, name: str) -> Any:
        """Read the ledger's own: `peak.total`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.ledger, name)

    def __reduce__(self) -> tuple[Callable[[MemoryLedger], MemoryLedger], tuple[MemoryLedger]]:
        """Travel to the kernel as a plain ledger."""
        return copy.copy, (self.ledger,)

    def __repr__(self) -> str:
        return "a peak() block that has not ended" if self._ledger is None else repr(self._ledger)

    def _repr_html_(self) -> str | None:
        return None if self._ledger is None else self._ledger._repr_html_()
