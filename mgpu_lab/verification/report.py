"""The report of a setup verification: rows of data, with the facts about the machine under them."""

from dataclasses import asdict, dataclass
from typing import Any

from mgpu_lab.reports import JudgedRows, Row
from mgpu_lab.verification.machine import Machine


@dataclass(frozen=True, repr=False)
class Report(JudgedRows):
    """All rows on one machine. Shows itself as a table in a notebook and as text in a terminal.

    `ok`: nothing found keeps the course from running.

    >>> verify(example("torch_missing")).ok
    False
    """

    machine: Machine
    headline: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Say which machine."""
        return f"Setup verification: {self.machine.label}"

    def to_data(self) -> dict[str, Any]:
        """Return the report and the facts under it as plain data, ready for JSON."""
        rows = [vars(row) for row in self.rows]
        return {"ok": self.ok, "headline": self.headline, "rows": rows, "machine": asdict(self.machine)}
