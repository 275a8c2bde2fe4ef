"""A real Jupyter kernel for tests: run cells as a front end would, press Stop, look at what was shown."""

import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any, Self

from cells import cell
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

ROOT = Path(__file__).resolve().parents[2]
SHOWING = ("stream", "display_data", "execute_result", "error")
WARM = """
    from mgpu_lab.engine.ranks import prepare
    assert prepare(50)
"""
STARTED = """
    %load_ext mgpu_lab
    %ranks start -n 2 --device cpu"""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Shown:
    """What one cell showed, as the notebook would save it, and how long the kernel was busy."""

    stdout: str = ""
    stderr: str = ""
    bundles: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""  # the rendered traceback without colours
    ename: str = ""
    seconds: float = 0.0
    timeline: list[tuple[float, str]] = field(default_factory=list)  # (seconds, text) of live views and streams
    clearing: bool = False

    def take(self, kind: str, content: dict[str, Any], now: float) -> None:
        """Take in one message as a front end does."""
        if kind == "clear_output":
            self.clearing = True
        if (self.clearing and kind in SHOWING) or (kind == "clear_output" and not content["wait"]):
            self.bundles, self.stdout, self.stderr, self.clearing = [], "", "", False
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
            self.timeline.append((now, content["text"]))
        elif kind in ("display_data", "execute_result"):
            self.bundles.append(content["data"])
        elif kind == "error":
            self.ename, self.error = content["ename"], ANSI.sub("", "\n".join(content["traceback"]))
        elif kind in ("comm_open", "comm_msg"):
            value = content["data"].get("state", {}).get("value")
            if isinstance(value, str):
                self.timeline.append((now, value))

    @property
    def text(self) -> str:
        """Everything readable."""
        return self.stdout + self.stderr + self.error + "".join(str(b.get("text/plain", "")) for b in self.bundles)


class Kernel:
    """One kernel process, with this Python and this checkout."""

    def __init__(self, cwd: Path, **environ: str) -> None:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager = KernelManager()
        self.manager._kernel_spec = KernelSpec(argv=command, language="python")
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(cwd / ".ipython"), **environ}
        self.manager.start_kernel(cwd=str(cwd), env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def ranks(self, block: str, **options: Any) -> Shown:
        return self.run(f"%%ranks\n{cell(block)}", **options)

    def run(self, source: str, *, stop_after: float | None = None, timeout: float = 60) -> Shown:
        """Run a cell, given as a block, to the end; press Stop after ``stop_after`` seconds if given."""
        began = time.monotonic()
        request = self.client.execute(cell(source), allow_stdin=False)
        shown, stopped_at = Shown(), None
        while True:
            left = began + timeout - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"cell not done after {timeout} s: {source!r}; shown so far: {shown}")
            if stop_after is not None and stopped_at is None:
                left = min(left, max(0.0, began + stop_after - time.monotonic()))
            try:
                message = self.client.get_iopub_msg(timeout=left)
            except Empty:
                if stop_after is not None and stopped_at is None:
                    self.manager.interrupt_kernel()
                    stopped_at = time.monotonic()
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            shown.take(kind, content, time.monotonic() - began)
        shown.seconds = time.monotonic() - (stopped_at or began)
        self.client.get_shell_msg(timeout=10)
        return shown
