"""Whether a process hangs or only waits for a processor: on a busy machine patience saves a rank's variables.

Linux only; elsewhere every process counts as having had its share.
"""

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
    import psutil  # a sixth of what `%load_ext` imports, and needed where a cell must be ended

    if not psutil.LINUX:
        return None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, runnable = process.cpu_times(), process.status() == psutil.STATUS_RUNNING
    except psutil.Error:
        return None
    return Usage(time.monotonic(), runnable, times.user + times.system)


def starved(pid: int, since: Usage | None) -> bool:
    """Whether the process wants to run and has had less than its share since then."""
    now = usage(pid)
    if since is None or now is None or not now.runnable:
        return False
    return now.cpu_s - since.cpu_s < FAIR_SHARE * (now.time_s - since.time_s)
