"""Judges the machine without its GPUs: system, cores, memory, shared memory, limits, disks, settings."""

from collections.abc import Iterator

from mgpu_lab.verification.findings import GIB, MIB, Finding, size, unknown
from mgpu_lab.verification.host import UNLIMITED, Host

_RANKS_MIN = 2
_MEMORY_MIN = 2 * GIB
_SHM_MIN = 1 * GIB
_WORK_MIN = 5 * GIB
_TEMP_MIN = 64 * MIB
_TEMP_ROOMY = 1 * GIB
_HARMFUL = {
    "NCCL_P2P_DISABLE": ("1", "NCCL then never copies from GPU to GPU directly"),
    "NCCL_SHM_DISABLE": ("1", "NCCL then goes through sockets where it has no peer access"),
    "TORCH_DISTRIBUTED_DEBUG": ("DETAIL", "with it, building a DDP model over gloo crashes torch 2.13"),
}


def host_findings(host: Host, gpu_count: int) -> Iterator[Finding]:
    yield from (_system(host), _cores(host, gpu_count), _numa(host), _cpu_bf16(host), _memory(host))
    yield from (_shared_memory(host), _locked_memory(host), _work_disk(host), _temp_disk(host), _settings(host))


def _system(host: Host) -> Finding:
    found = f"{host.release}, {host.architecture}"
    if host.system == "Windows":
        reason = "torch on Windows has no NCCL, and ranks cannot be forked there"
        return Finding("operating system", found, "warn", reason, "Run the course inside WSL 2.")
    return Finding("operating system", found)


def _cores(host: Host, gpu_count: int) -> Finding:
    if host.usable_cores is None:
        return unknown("CPU cores", "the system does not say", "Look with `nproc` or in the system's settings.")
    usable = float(host.usable_cores)
    found = f"{host.usable_cores} usable of {host.cores}"
    if host.cpu_quota_cores is not None and host.cpu_quota_cores < usable:
        usable = host.cpu_quota_cores
        found = f"{usable:g} cores' worth of time on {host.cores}"
    needed = max(_RANKS_MIN, gpu_count)
    if usable < needed:
        reason = f"{needed} ranks want a core each; with fewer they take turns and timings say little"
        remedy = "Grant this session more cores (Docker `--cpus`, Slurm `--cpus-per-task`), or start fewer ranks."
        return Finding("CPU cores", found, "warn", reason, remedy)
    return Finding("CPU cores", found)


def _numa(host: Host) -> Finding:
    if host.numa_nodes is None:
        remedy = "Look with `lscpu`, if the machine has several sockets."
        return unknown("NUMA nodes", "the system does not say", remedy)
    if host.numa_nodes == 1:
        return Finding("NUMA nodes", "1")
    reason = "memory of another node is slower; a rank does best on the node of its GPU"
    return Finding("NUMA nodes", str(host.numa_nodes), reason=reason)


def _cpu_bf16(host: Host) -> Finding:
    native = [name for name in ("amx_bf16", "avx512_bf16", "bf16") if name in host.cpu_features]
    if native:
        return Finding("bf16 on the CPU", f"matrix products in hardware ({', '.join(native)})")
    if not host.cpu_features:
        remedy = "Measure bf16 against fp32 in lesson 06 instead of assuming."
        return unknown("bf16 on the CPU", "the system does not list the CPU's instructions", remedy)
    reason = "it works, only slowly; lesson 06 measures it"
    return Finding("bf16 on the CPU", "computed through fp32", reason=reason)


def _memory(host: Host) -> Finding:
    if host.memory_bytes is None:
        return unknown("memory", "the system does not say", "Have 2 GiB free for 2 ranks.")
    limit = min(host.memory_bytes, host.memory_limit_bytes or host.memory_bytes)
    limited = ", the limit of this container or job" if limit < host.memory_bytes else ""
    if limit < 0.9 * _MEMORY_MIN:
        reason = "2 ranks with every library loaded take about 1 GiB, and the notebook comes on top"
        remedy = "Raise the limit to 2 GiB, or run one notebook at a time with 2 ranks."
        return Finding("memory", size(limit) + limited, "warn", reason, remedy)
    return Finding("memory", size(limit) + limited)


def _shared_memory(host: Host) -> Finding:
    name = "/dev/shm"  # noqa: S108
    if host.shm_bytes is None or host.shm_free_bytes is None:
        reason = "this system has no /dev/shm or does not say; only Linux needs it"
        return unknown(name, reason, "On Linux, mount one: `mount -t tmpfs -o size=8g tmpfs /dev/shm`.")
    found = f"{size(host.shm_bytes)}, {size(host.shm_free_bytes)} free"
    users = "DataLoader workers, and some NCCLs where GPUs have no peer access, pass data through it"
    if host.shm_bytes < _SHM_MIN:
        reason = f"{users}; 64 MiB is what Docker gives by default"
        remedy = "Start the container with `--shm-size=8g` or `--ipc=host`."
        return Finding(name, found, "warn", reason, remedy)
    if host.shm_free_bytes < _SHM_MIN // 4:
        remedy = "Delete what ended processes left in /dev/shm."
        return Finding(name, found, "warn", f"{users}, and it is nearly full", remedy)
    return Finding(name, found)


def _locked_memory(host: Host) -> Finding:
    name = "ulimit -l (locked memory)"
    if host.memlock_bytes is None:
        return unknown(name, "the system does not say", "Ask `ulimit -l` in a shell.")
    if host.memlock_bytes == UNLIMITED:
        return Finding(name, "unlimited")
    found = size(host.memlock_bytes)
    if host.infiniband_devices:
        reason = f"{host.infiniband_devices} RDMA devices are here, and RDMA needs memory locked"
        remedy = "Set `ulimit -l unlimited` (Docker: `--ulimit memlock=-1`) before training across machines."
        return Finding(name, found, "warn", reason, remedy)
    return Finding(name, found, reason="only RDMA between machines needs more, and there is no RDMA device here")


def _work_disk(host: Host) -> Finding:
    name = "disk, working directory"
    if host.work_free_bytes is None:
        return unknown(name, "the system does not say", "Look with `df -h .`.")
    found = f"{size(host.work_free_bytes)} free"
    if host.work_free_bytes < _WORK_MIN:
        reason = "checkpoints and packages with CUDA take several GiB"
        return Finding(name, found, "warn", reason, "Free 5 GiB, or work on another disk.")
    return Finding(name, found)


def _temp_disk(host: Host) -> Finding:
    name = "disk, temporary files"
    remedy = "Free space there, or set TMPDIR to a folder on another disk and start Jupyter again."
    if host.temp_writable is False:
        reason = "nothing can be written there, and ranks find each other through a file in it"
        return Finding(name, "not writable", "fail", reason, remedy)
    if host.temp_free_bytes is None:
        return unknown(name, "the system does not say", "Look with `df -h` for the folder of temporary files.")
    found = f"{size(host.temp_free_bytes)} free"
    if host.temp_free_bytes < _TEMP_MIN:
        return Finding(name, found, "fail", "ranks find each other through a file in it", remedy)
    if host.temp_free_bytes < _TEMP_ROOMY:
        return Finding(name, found, "warn", "lessons write checkpoints there", remedy)
    return Finding(name, found)


def _settings(host: Host) -> Finding:
    name = "environment settings"
    harm = {key: why for key, (value, why) in _HARMFUL.items() if host.environment.get(key, "").upper() == value}
    others = {key: value for key, value in host.environment.items() if key != "CUDA_VISIBLE_DEVICES"}
    shown = ", ".join(f"{key}={value}" for key, value in others.items()) or "none that matter"
    if not harm:
        return Finding(name, shown)
    reason = "; ".join(f"{key}: {why}" for key, why in harm.items())
    return Finding(name, shown, "warn", reason, f"Unset it and start Jupyter again: `unset {' '.join(harm)}`.")
