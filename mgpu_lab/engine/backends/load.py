"""Whether a process hangs or only waits for a processor: on a busy machine patience saves a rank's variables.

Linux only; elsewhere every process counts as having had its share.
"""

from __future__ import annotations

import os
import pathlib
import time
from dataclasses import dataclass

FAIR_SHARE = 0.5  # of a core; less than that while wanting to run is starvation


@dataclass(frozen=True)
class Usage:
    """A process at one moment: does its main thread want to run, and how much processor time has it had."""

    time_s: float
    runnable: bool
    cpu_s: float


def usage(pid: int) -> Usage | None:
    """Read a process's state; None where the system does not tell."""
    try:
        fields = (
            pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Usage(time.monotonic(), fields[0] == "R", ticks / os.sysconf("SC_CLK_TCK"))


def starved(pid: int, since: Usage | None) -> bool:
    """Whether the process wants to run and has had less than its share since then."""
    now = usage(pid)
    if since is None or now is None or not now.runnable:
        return False
    return now.cpu_s - since.cpu_s < FAIR_SHARE * (now.time_s - since.time_s)
