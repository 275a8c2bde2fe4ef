"""Live samples of a rank for the notebook: memory, throughput, whether it waits. Taken by the control thread.

Memory on a CPU is the private memory of the process: what this rank has for itself, without the pages it shares
with the template (Linux: Private_Clean + Private_Dirty of /proc/self/smaps_rollup). On a GPU it is torch's count.
Not covered: where the bytes are (``ledger``).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from mgpu_lab.messages import Sample

if TYPE_CHECKING:
    from mgpu_lab.group import Group
    from mgpu_lab.where import Lookout

IDLE_PERIOD_S = 1.0
BACKGROUND_PERIOD_S = 2.0


class Sampler:
    """Decide when a sample is due and take it."""

    def __init__(self, group: Group, lookout: Lookout) -> None:
        """Begin with rare samples; ``live`` ones are asked for by the widget."""
        self.group, self.lookout = group, lookout
        self.period_s = self.idle_period_s = IDLE_PERIOD_S
        self.live = False
        self.busy = False
        self.peak_bytes = 0
        self.last_s = 0.0

    def begin_cell(self) -> None:
        """Note that a cell runs."""
        self.busy = True

    def end_cell(self) -> None:
        """Note that it has ended."""
        self.busy = False

    def due(self) -> Sample | None:
        """Return a sample when one is due: while live always, else only during a cell."""
        now = time.monotonic()
        period = self.period_s if self.live else BACKGROUND_PERIOD_S
        if now - self.last_s < period or not (self.live or self.busy):
            return None
        self.last_s = now
        with contextlib.suppress(Exception):
            return self.sample()
        return None

    def sample(self) -> Sample:
        """Take one sample."""
        latest = self.group.meter.latest()
        used = private_bytes()
        self.peak_bytes = max(self.peak_bytes, used)
        return Sample(
            time_s=time.time(),
            busy=self.busy,
            memory_bytes=used,
            peak_bytes=self.peak_bytes,
            capacity_bytes=total_memory_bytes(),
            items_per_s=getattr(latest, "items_per_s", None),
            unit=getattr(latest, "unit", ""),
            step_s=getattr(latest, "step_s", None),
        )


def private_bytes() -> int:
    """Return the bytes this process has for itself; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    total = 0
    with contextlib.suppress(OSError), open("/proc/self/smaps_rollup", encoding="ascii") as lines:  # noqa: PTH123
        for line in lines:
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total


def total_memory_bytes() -> int:
    """Return the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
