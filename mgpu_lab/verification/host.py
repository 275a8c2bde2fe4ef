"""What the operating system says about this machine: cores, memory, disks, limits, installed packages.

Imports none of the packages it reports on.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from mgpu_lab.verification.sysfs import count_listed, line, number

UNLIMITED = -1
PURPOSES = {  # of the packages besides torch
    "ipykernel": "runs the notebooks",
    "jupyterlab": "shows the notebooks in a browser",
    "ipywidgets": "shows ranks live while a cell runs",
    "transformers": "gives the language model of lessons 03 to 06",
    "deepspeed": "is what lesson 04 is about",
    "peft": "gives LoRA in lesson 05",
    "bitsandbytes": "gives 4-bit weights in lesson 05",
    "accelerate": "loads quantised models in lesson 05",
    "safetensors": "reads the base model of lesson 05",
    "nvidia-ml-py": "asks the driver about GPUs for this report",
}
_VARIABLE_PREFIXES = ("CUDA_", "NCCL_", "TORCH_NCCL_", "GLOO_")
_VARIABLES = ("TORCH_DISTRIBUTED_DEBUG", "OMP_NUM_THREADS", "RANK", "WORLD_SIZE", "PYTORCH_CUDA_ALLOC_CONF")
_CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16")
_CGROUP = Path("fs/cgroup")


@dataclass(frozen=True)
class Host:
    """The machine without its GPUs. None: the system does not say. ``UNLIMITED`` is -1."""

    system: str
    release: str
    architecture: str
    python: tuple[int, int, int]
    cores: int | None = None
    usable_cores: int | None = None
    cpu_quota_cores: float | None = None
    cpu_features: tuple[str, ...] = ()
    numa_nodes: int | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    shm_bytes: int | None = None
    shm_free_bytes: int | None = None
    memlock_bytes: int | None = None
    infiniband_devices: int | None = None
    work_free_bytes: int | None = None
    temp_free_bytes: int | None = None
    temp_writable: bool | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str | None] = field(default_factory=dict)


def read_host(sysfs: Path = Path("/sys"), shm: Path = Path("/dev/shm")) -> Host:  # noqa: S108
    """Read the facts of the machine and the process that this runs in."""
    temp = Path(tempfile.gettempdir())
    major, minor, micro = sys.version_info[:3]
    return Host(
        system=platform.system(),
        release=_release(),
        architecture=platform.machine(),
        python=(major, minor, micro),
        cores=os.cpu_count(),
        usable_cores=_usable_cores(),
        cpu_quota_cores=_cpu_quota_cores(sysfs),
        cpu_features=_cpu_features(),
        numa_nodes=count_listed(line(sysfs / "devices/system/node/online")),
        memory_bytes=_memory_bytes(),
        memory_limit_bytes=_memory_limit_bytes(sysfs),
        shm_bytes=_disk(shm, "total"),
        shm_free_bytes=_disk(shm, "free"),
        memlock_bytes=_memlock_bytes(),
        infiniband_devices=_count_entries(sysfs / "class/infiniband"),
        work_free_bytes=_disk(Path(), "free"),
        temp_free_bytes=_disk(temp, "free"),
        temp_writable=_writable(temp),
        environment=_environment(),
        packages={name: _version(name) for name in ("torch", *PURPOSES)},
    )


def _release() -> str:
    kernel = f"{platform.system()} {platform.release()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel


def _usable_cores() -> int | None:
    """Cores that this process may run on; fewer than the machine's under taskset, Slurm or Docker."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _cpu_quota_cores(sysfs: Path) -> float | None:
    """CPU time per second that a container is granted, in cores; None without a quota."""
    quota, period = [*(line(sysfs / _CGROUP / "cpu.max") or "").split(), "", ""][:2]
    if not quota:  # control groups of version 1
        quota = line(sysfs / _CGROUP / "cpu/cpu.cfs_quota_us") or "-1"
        period = line(sysfs / _CGROUP / "cpu/cpu.cfs_period_us") or "100000"
    return int(quota) / int(period) if quota.isdigit() else None


def _cpu_features() -> tuple[str, ...]:
    """Vector instructions that matter to bf16 on a CPU, as Linux names them."""
    text = line(Path("/proc/cpuinfo")) or ""
    flags = next((row for row in text.splitlines() if row.lower().startswith(("flags", "features"))), "")
    return tuple(name for name in _CPU_FEATURES if name in flags.split())


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _memory_limit_bytes(sysfs: Path) -> int | None:
    """Memory that a container may use; None without a limit (version 1 writes a huge number for that)."""
    limit = number(sysfs / _CGROUP / "memory.max") or number(sysfs / _CGROUP / "memory/memory.limit_in_bytes")
    return limit if limit is not None and limit < 1 << 60 else None


def _disk(path: Path, part: str) -> int | None:
    try:
        return int(getattr(shutil.disk_usage(path), part))
    except OSError:
        return None


def _memlock_bytes() -> int | None:
    try:
        import resource  # does not exist on Windows
    except ImportError:
        return None
    soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft


def _count_entries(folder: Path) -> int | None:
    try:
        return len(list(folder.iterdir()))
    except FileNotFoundError:
        return 0
    except OSError:
        return None


def _writable(folder: Path) -> bool:
    """Whether a file can be written there: ranks meet in a file, and permissions alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError:
        return False
    return True


def _environment() -> dict[str, str]:
    chosen = (name for name in os.environ if name in _VARIABLES or name.startswith(_VARIABLE_PREFIXES))
    return {name: os.environ[name] for name in sorted(chosen)}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
