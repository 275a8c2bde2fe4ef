"""What the benchmarks share: the machine in one line, rows of numbers against limits, a kernel to run cells.

Run by itself it prints the machine. Numbers are medians; a benchmark reports and never fails, since a busy
machine is no bug.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIRST_ALL_REDUCE = "%%ranks\nones = torch.ones(1)\ndist.all_reduce(ones)"
RAISE = """%%ranks
import time
if rank == 0:
    time.sleep(0.3)
    print("raised at", time.monotonic())
    raise ValueError("on purpose")
dist.barrier()
"""
WAIT = """
import time
try:
    from mgpu_lab.engine.backends.local import local_backend

    loaded = lambda: local_backend().warm()
except ImportError:  # an older checkout, to compare with
    from mgpu_lab.processes import shared_template

    loaded = lambda: shared_template().ready.is_set()
while not loaded():
    time.sleep(0.05)
"""


@dataclass(frozen=True)
class Row:
    """One measured thing: its values in ``unit``, and the limit its median is to keep, if there is one."""

    name: str
    values: tuple[float, ...]
    unit: str
    limit: float | None = None
    at_least: bool = False  # the limit is a lower one

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def text(self) -> str:
        """Return the row as one line."""
        low, high = min(self.values), max(self.values)
        line = f"{self.name:<62} {self.median:9.3f} {self.unit:<9} ({low:.3f} to {high:.3f}"
        line = f"{line}, n={len(self.values)})"
        if self.limit is None:
            return line
        kept = self.median >= self.limit if self.at_least else self.median <= self.limit
        return f"{line}  {'least' if self.at_least else 'most'} {self.limit:g}: {'kept' if kept else 'MISSED'}"


def machine() -> str:
    """Return one line about this machine and how busy it is."""
    import torch

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} now, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def begin(title: str) -> None:
    """Print the heading of a benchmark."""
    print(f"\n{title}\n{machine()}", flush=True)


def show(row: Row) -> Row:
    """Print a row and return it."""
    print(row.text(), flush=True)
    return row


def ratio(name: str, over: Row, under: Row) -> None:
    """Print how many times ``under`` goes into ``over``."""
    print(f"{name:<62} {over.median / under.median:9.2f} x", flush=True)


def make_kernel(directory: Path, **environ: str) -> Any:
    """Start a Jupyter kernel that knows this checkout: the one the tests use."""
    support = str(ROOT / "tests" / "support")
    if support not in sys.path:
        sys.path.insert(0, support)
    from kernel import Kernel

    return Kernel(directory, **environ)


def cell(kernel: Any, source: str, timeout_s: float = 120) -> str:
    """Run a cell that must not fail; return what it showed."""
    shown = kernel.run(source, timeout=timeout_s)
    if shown.ename:
        msg = f"a cell failed:\n{source}\n{shown.error}"
        raise RuntimeError(msg)
    return str(shown.text)


def timed(kernel: Any, source: str, timeout_s: float = 120) -> float:
    """Run a cell that must not fail; return the seconds until a front end sees the kernel idle again."""
    began = time.perf_counter()
    cell(kernel, source, timeout_s)
    return time.perf_counter() - began


def load_and_warm(kernel: Any) -> None:
    """Load the extension and wait until everything is preloaded."""
    cell(kernel, "%load_ext mgpu_lab")
    cell(kernel, WAIT, timeout_s=300)


def raise_to_idle(kernel: Any) -> float:
    """Have rank 0 raise while the others wait in a barrier; return the seconds until the kernel is idle again."""
    shown = kernel.run(RAISE, timeout=120)
    ended_s = time.monotonic()
    if shown.ename != "CellError":
        msg = f"the failing cell showed {shown.text!r}"
        raise RuntimeError(msg)
    cell(kernel, FIRST_ALL_REDUCE)  # the group works again
    return ended_s - float(shown.stdout.split("raised at")[1].split()[0])


if __name__ == "__main__":
    print(machine())
