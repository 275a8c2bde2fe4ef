"""The table that ``%ranks`` shows: one row per rank."""

from dataclasses import dataclass

from mgpu_lab.engine.ranks import RankStatus
from mgpu_lab.tables import Table
from mgpu_lab.wire.given import ANNOUNCEMENT

HEADINGS = ("rank", "pid", "device", "state", "memory", "last cell")


@dataclass(frozen=True, repr=False)
class StatusTable:
    """The state of all ranks at one moment."""

    ranks: tuple[RankStatus, ...]

    def table(self) -> Table:
        """Return the table: numbers to the right, unknown figures named so."""
        rows = []
        for each in self.ranks:
            memory = "unknown" if each.memory_bytes is None else f"{each.memory_bytes / 2**20:.0f} MiB"
            cell = "none" if each.last_cell is None else f"[{each.last_cell}]"
            rows.append((str(each.rank), str(each.pid), each.device, each.state, memory, cell))
        return Table(HEADINGS, rows, caption="Ranks", numbers={1, 4})

    def __repr__(self) -> str:
        return f"{self.table().text()}\n{ANNOUNCEMENT}"

    def _repr_html_(self) -> str:
        return f"{self.table().html()}<p>{ANNOUNCEMENT}</p>"
