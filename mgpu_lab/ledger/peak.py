"""The outcome of `with ledger.peak() as peak:`. Not covered: how the block is followed (`ledger_tracker`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from mgpu_lab.ledger.ledger import MemoryLedger, ledger_from, same
from mgpu_lab.ledger.tracker import Tracker
from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mgpu_lab.ledger.subject import Subject


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
        """Start to follow."""
        self._tracker = Tracker(self._subject)
        self._tracker.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        """Stop, and draw up the ledger."""
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
        return same, (self.ledger,)

    def __repr__(self) -> str:
        """Show the table, or that there is none yet."""
        return "a peak() block that has not ended" if self._ledger is None else repr(self._ledger)

    def _repr_html_(self) -> str | None:
        return None if self._ledger is None else self._ledger._repr_html_()
