"""Live samples of a rank for the notebook: memory, throughput, waiting. Taken by the control thread.

Memory on a CPU is the process's private memory (its unique set size): without the pages it shares with the template.
The system counts it page by page, 15 ms in a rank with torch, and holds up allocations meanwhile: four times a second
that took 12% of a training's speed. So it is read only as often as costs 0.5% of the time, and in between the growth of
the anonymous pages is added. On a GPU it is torch's count.
The share of time spent waiting comes from looking at the main thread at random moments: it waits when it stands in
communication and its thread sleeps.
"""

import collections
import contextlib
import pathlib
import threading
import time
from typing import Any

import psutil

from mgpu_lab.rank.group import Group
from mgpu_lab.rank.position import Lookout
from mgpu_lab.wire.messages import Sample

LOOK_S = 0.1  # between two looks at a running cell
LIVE_LOOK_S = 0.05
IDLE_PERIOD_S = 1.0
BACKGROUND_PERIOD_S = 2.0
LOOKS_KEPT = 200
EXACT_SHARE = 0.005  # of the time, for exact readings of the private memory


class Sampler:
    def __init__(self, group: Group, lookout: Lookout) -> None:
        """Begin with rare samples; live ones are asked for by the widget."""
        self.group, self.lookout = group, lookout
        self.period_s, self.look_s = IDLE_PERIOD_S, LOOK_S
        self.live = False
        self.busy = False
        self.peak_bytes = 0
        self.private, self.machine_bytes = PrivateMemory(), psutil.virtual_memory().total
        self.last_s = 0.0
        self.looks: collections.deque[bool] = collections.deque(maxlen=LOOKS_KEPT)
        self.main_task = threading.get_native_id()
        self.nvml: Any = None

    def switch(self, period_s: float) -> None:
        """Begin live samples every ``period_s``, or end them (0)."""
        self.live = period_s > 0
        self.period_s, self.look_s = (period_s, LIVE_LOOK_S) if self.live else (IDLE_PERIOD_S, LOOK_S)

    def begin_cell(self) -> None:
        self.looks.clear()
        self.busy = True

    def end_cell(self) -> None:
        self.busy = False

    def due(self) -> Sample | None:
        """Return a sample when one is due: while live always, else only during a cell."""
        if self.live and self.busy:
            self.looks.append(self.waits())
        now = time.monotonic()
        period = self.period_s if self.live else BACKGROUND_PERIOD_S
        if now - self.last_s < period or not (self.live or self.busy):
            return None
        self.last_s = now
        with contextlib.suppress(Exception):
            return self.sample()
        return None

    def waits(self) -> bool:
        return thread_sleeps(self.main_task) and self.lookout.position().waiting

    def sample(self) -> Sample:
        latest = self.group.meter.latest()
        memory = self.gpu_memory() if self.group.spec.device == "cuda" else self.cpu_memory()
        names = ("items_per_s", "unit", "step_s") if latest is not None else ()
        speed = {name: getattr(latest, name) for name in names}
        share = sum(self.looks) / len(self.looks) if len(self.looks) >= LOOKS_KEPT // 10 else None
        return Sample(time_s=time.time(), busy=self.busy, waiting_share=share, **speed, **memory)

    def cpu_memory(self) -> dict[str, Any]:
        used = self.private.read()
        self.peak_bytes = max(self.peak_bytes, used)
        return {"memory_bytes": used, "peak_bytes": self.peak_bytes, "capacity_bytes": self.machine_bytes}

    def gpu_memory(self) -> dict[str, Any]:
        """Return torch's and the driver's figures for this rank's GPU."""
        cuda, device = self.group.torch.cuda, self.group.device
        free, capacity = cuda.mem_get_info(device)
        self.peak_bytes = max(self.peak_bytes, cuda.max_memory_allocated(device))  # a ledger's peak() sets CUDA's back
        figures = {
            "memory_bytes": cuda.memory_allocated(device),
            "peak_bytes": self.peak_bytes,
            "reserved_bytes": cuda.memory_reserved(device),
            "free_bytes": free,
            "capacity_bytes": capacity,
        }
        with contextlib.suppress(Exception):
            figures.update(self.gpu_health())
        return figures

    def gpu_health(self) -> dict[str, Any]:
        """Return utilisation, power and temperature from NVML, found by the card's UUID."""
        import pynvml

        if self.nvml is None:
            pynvml.nvmlInit()
            uuid = self.group.torch.cuda.get_device_properties(self.group.device).uuid
            self.nvml = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        return {
            "utilisation": pynvml.nvmlDeviceGetUtilizationRates(self.nvml).gpu / 100,
            "power_w": pynvml.nvmlDeviceGetPowerUsage(self.nvml) / 1000,
            "temperature_c": float(pynvml.nvmlDeviceGetTemperature(self.nvml, pynvml.NVML_TEMPERATURE_GPU)),
        }


class PrivateMemory:
    """The bytes this process has for itself, at little cost."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.exact_bytes = self.anonymous_bytes = 0
        self.next_s = 0.0

    def read(self) -> int:
        """Return the last exact figure, a new one if it is time for one, and what has been added since."""
        now_s, anonymous = time.monotonic(), anonymous_bytes(self.process)
        if now_s >= self.next_s:
            began_s = time.thread_time()
            self.exact_bytes, self.anonymous_bytes = private_bytes(self.process), anonymous
            self.next_s = now_s + (time.thread_time() - began_s) / EXACT_SHARE
        return max(0, self.exact_bytes + anonymous - self.anonymous_bytes)


def anonymous_bytes(process: psutil.Process) -> int:
    """Return the bytes in memory that belong to no file, also those shared with the template."""
    memory = process.memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))  # only Linux tells what is shared


def private_bytes(process: psutil.Process) -> int:
    return int(process.memory_full_info().uss)


def thread_sleeps(task: int) -> bool:
    """Whether a thread of this process is asleep (psutil knows processes only); False where the system does not say."""
    try:
        stat = pathlib.Path(f"/proc/self/task/{task}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "S"
