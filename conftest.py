"""While the notebooks are tested no compiler is in reach, and each must fit into the 2 GB that Binder gives.

What counts is the sum of the proportional set sizes (a page that n processes share counts 1/n in each) of a notebook's
kernel and of all that it started, on Linux only; the JupyterLab server adds 0.1 GB. Every run ends with a line for
each notebook: seconds and peak.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

LIMIT_BYTES = 2 * 10**9
PERIOD_S = 2.0  # reading the pages of a rank stops it for some milliseconds
NO_COMPILER = {"CC": "/no/compiler", "CXX": "/no/compiler"}


class MemoryWatch(threading.Thread):
    """Note the most memory that the kernels below this process have taken since the start."""

    def __init__(self) -> None:
        super().__init__(name="notebook-memory", daemon=True)
        self.began_s, self.took_s = time.monotonic(), 0.0
        self.ended = threading.Event()
        self.peak_bytes = 0
        self.start()

    def run(self) -> None:
        while not self.ended.wait(PERIOD_S):
            self.peak_bytes = max(self.peak_bytes, kernels_bytes())


def kernels_bytes() -> int:
    """Add up the Jupyter kernels below this process and everything below them."""
    total = 0
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any("ipykernel" in word for word in child.cmdline()):
                total += sum(map(pss_bytes, [child, *child.children(recursive=True)]))
    return total


def pss_bytes(process: psutil.Process) -> int:
    """Return one process's proportional set size; 0 where it has gone."""
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


watches: dict[Path, MemoryWatch] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Take the compiler away from a notebook's cells, and begin to watch with the first of them."""
    if item.path.suffix != ".ipynb":
        return (yield)
    if item.path not in watches and sys.platform == "linux":
        watches[item.path] = MemoryWatch()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in NO_COMPILER.items():
            patch.setenv(name, value)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Fail after the last cell of a notebook that took too much, once its kernel has been stopped."""
    yield
    watch = watches.get(item.path)
    if watch is None or (nextitem is not None and nextitem.path == item.path):
        return
    watch.took_s = time.monotonic() - watch.began_s
    watch.ended.set()
    if watch.peak_bytes > LIMIT_BYTES:
        pytest.fail(f"{item.path.name} took {watch.peak_bytes / 1e9:.2f} GB, Binder gives 2 GB", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what each notebook took."""
    for path, watch in watches.items():
        name = path.relative_to(Path(__file__).parent)
        terminalreporter.write_line(f"{watch.took_s:5.0f} s, {watch.peak_bytes / 1e9:.2f} GB at most: {name}")
