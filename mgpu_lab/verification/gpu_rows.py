"""Judges every GPU on its own: memory, bf16, power, heat, clocks, MIG, torch's kernels for it."""

from collections.abc import Callable, Iterator
from functools import partial

from mgpu_lab.verification.findings import GIB, Finding, unknown
from mgpu_lab.verification.hardware import Gpu
from mgpu_lab.verification.pcie_rows import pcie_generation, pcie_width
from mgpu_lab.verification.torch_probe import TorchFacts

_BF16_MIN = (8, 0)
_HOT_MARGIN_C = 5
_HOT_C = 85
_HARMFUL = {"hardware slowdown", "too hot (driver)", "too hot (hardware)", "power brake"}


def gpu_questions(torch: TorchFacts) -> Iterator[Callable[[Gpu], Finding]]:
    """Yield the questions put to every GPU, in the order in which they are shown."""
    yield from (_model, _memory, _bf16, partial(_kernels, torch=torch), _power, _temperature)
    yield from (_throttle, _clocks, _mig, pcie_width, pcie_generation)


def _model(gpu: Gpu) -> Finding:
    if gpu.name is None:
        reason = gpu.why_unknown("gpu", "name")
        remedy = "See what `nvidia-smi` and `sudo dmesg` say; a lost GPU needs a restart of the machine."
        return Finding("model", "does not answer", "warn", reason, remedy)
    return Finding("model", gpu.name)


def _memory(gpu: Gpu) -> Finding:
    if gpu.memory_bytes is None or gpu.memory_used_bytes is None:
        return unknown("GPU memory", gpu.why_unknown("memory_bytes", "memory_used_bytes"), "Look with `nvidia-smi`.")
    numbers = round(gpu.memory_bytes / GIB, 1), round(gpu.memory_used_bytes / GIB, 1)
    found = "{} GiB, {} GiB in use"
    if gpu.memory_used_bytes > max(0.1 * gpu.memory_bytes, GIB):
        reason = "something holds memory on it already: your own ranks, or somebody else's process"
        remedy = "See whose it is with `nvidia-smi`, and stop your ranks or choose another GPU."
        return Finding("GPU memory", found, "warn", reason, remedy, numbers)
    return Finding("GPU memory", found, numbers=numbers)


def _bf16(gpu: Gpu) -> Finding:
    name = "bf16 on the GPU"
    if gpu.compute_capability is None:
        return unknown(name, gpu.why_unknown("compute_capability"), "Look the model up in NVIDIA's list of CUDA GPUs.")
    capability = "compute capability {}.{}".format(*gpu.compute_capability)
    if gpu.compute_capability < _BF16_MIN:
        reason = "bf16 arithmetic begins with compute capability 8.0 (Ampere); here it is emulated and slow"
        remedy = "Train in fp16 with a GradScaler on this card (lesson 06)."
        return Finding(name, f"{capability}, not in hardware", "warn", reason, remedy)
    return Finding(name, f"{capability}, in hardware")


def _kernels(gpu: Gpu, torch: TorchFacts) -> Finding:
    name = "torch kernels"
    if gpu.compute_capability is None or not torch.architectures:
        reason = "torch cannot use this GPU or was not asked"
        return unknown(name, reason, "Settle the rows on the driver and on CUDA in torch first.")
    major, minor = gpu.compute_capability
    if any(_runs_on(architecture, major, minor) for architecture in torch.architectures):
        return Finding(name, f"there, for {major}.{minor}")
    reason = f"this torch holds {', '.join(torch.architectures)}, and none of them runs on {major}.{minor}"
    remedy = "Install a torch build for this GPU: an older CUDA for an old card, the newest for a new one."
    return Finding(name, "missing", "warn", reason, remedy)


def _runs_on(architecture: str, major: int, minor: int) -> bool:
    """Whether code for sm_86 (same major, at most that minor) or compute_80 (anything newer) runs there."""
    kind, _, number = architecture.partition("_")
    if not number.isdigit():  # sm_90a runs on 9.0 alone
        return kind == "sm" and number[:-1] == f"{major}{minor}"
    theirs = int(number[:-1]), int(number[-1])
    return theirs <= (major, minor) and (kind == "compute" or theirs[0] == major)


def _power(gpu: Gpu) -> Finding:
    if gpu.power_limit_w is None or gpu.power_default_w is None:
        reason = gpu.why_unknown("power_limit_w", "power_default_w")
        return unknown("power limit", reason, "Look with `nvidia-smi -q -d POWER`.")
    numbers = gpu.power_limit_w, gpu.power_default_w
    if gpu.power_limit_w < 0.95 * gpu.power_default_w:
        reason = "somebody lowered it: less heat, and lower clocks under full load"
        remedy = f"If that was not on purpose, raise it: `sudo nvidia-smi -pl {gpu.power_default_w}`."
        return Finding("power limit", "{} W, by default {} W", "warn", reason, remedy, numbers)
    return Finding("power limit", "{} W, by default {} W", numbers=numbers)


def _temperature(gpu: Gpu) -> Finding:
    if gpu.temperature_c is None:
        return unknown("temperature", gpu.why_unknown("temperature_c"), "Look with `nvidia-smi -q -d TEMPERATURE`.")
    limit = gpu.slowdown_temperature_c
    found = "{} °C" if limit is None else "{} °C, slows down at {} °C"
    numbers = (gpu.temperature_c,) if limit is None else (gpu.temperature_c, limit)
    if gpu.temperature_c >= (_HOT_C if limit is None else limit - _HOT_MARGIN_C):
        reason = "it is about to slow down, or does so already; every rank then waits for this one"
        remedy = "Clear the fans and filters, and leave room for air between the cards."
        return Finding("temperature", found, "warn", reason, remedy, numbers)
    return Finding("temperature", found, numbers=numbers)


def _throttle(gpu: Gpu) -> Finding:
    name = "throttle reasons"
    if gpu.throttle is None:
        return unknown(name, gpu.why_unknown("throttle"), "Look with `nvidia-smi -q -d PERFORMANCE`.")
    found = ", ".join(gpu.throttle) or "none"
    if _HARMFUL & set(gpu.throttle):
        reason = "the card protects itself and runs below its speed; in DDP the slowest GPU sets the pace of all"
        remedy = "Mend the cooling or the power supply, or lower the power limit of all cards alike."
        return Finding(name, found, "warn", reason, remedy)
    if "idle" in gpu.throttle:
        return Finding(name, found, reason="low clocks are right while nothing runs")
    if "power limit" in gpu.throttle:
        return Finding(name, found, reason="usual under full load")
    return Finding(name, found)


def _clocks(gpu: Gpu) -> Finding:
    if gpu.sm_clock_mhz is None or gpu.sm_clock_max_mhz is None:
        reason = gpu.why_unknown("sm_clock_mhz", "sm_clock_max_mhz")
        return unknown("clocks", reason, "Look with `nvidia-smi -q -d CLOCK`.")
    numbers = gpu.sm_clock_mhz, gpu.sm_clock_max_mhz
    if gpu.idle:
        return Finding("clocks", "{} of {} MHz", reason="idle", numbers=numbers)
    if gpu.idle is False and gpu.sm_clock_mhz < 0.6 * gpu.sm_clock_max_mhz:
        remedy = "Read the row on throttle reasons, and verify again while ranks train."
        reason = "far below its maximum although not idle"
        return Finding("clocks", "{} of {} MHz", "warn", reason, remedy, numbers)
    return Finding("clocks", "{} of {} MHz", numbers=numbers)


def _mig(gpu: Gpu) -> Finding:
    if gpu.mig is None:
        if "Not Supported" in gpu.unknown.get("mig", ""):
            return Finding("MIG", "none", reason='this card cannot be split: NVML answers "Not Supported"')
        return unknown("MIG", gpu.why_unknown("mig"), "Look with `nvidia-smi -L`.")
    if not gpu.mig:
        return Finding("MIG", "off")
    slices = ", ".join(part.name for part in gpu.mig_slices) or "no slice made yet"
    reason = "a process sees one slice, and slices cannot copy to each other, so this GPU carries one rank"
    remedy = "Use one slice with one rank, or have MIG switched off: `sudo nvidia-smi -mig 0`."
    return Finding("MIG", f"on: {slices}", "warn", reason, remedy)
