"""Asks the NVIDIA driver about its GPUs through NVML (``nvidia-ml-py``): no CUDA, no torch.

A question that NVML refuses becomes None, and the refusal is kept in ``unknown``. Anything that answers like
the module ``pynvml`` can stand in for it.
"""

import importlib
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

from mgpu_lab.verification.hardware import Gpu, Hardware, MigSlice, Pair
from mgpu_lab.verification.sysfs import bus_name, count_nvidia_cards, number

NvmlModule: TypeAlias = Any  # pynvml, which has no type hints
Handle: TypeAlias = Any

_INIT_FAILURES = {4: "no_permission", 9: "driver_not_loaded", 12: "library_not_found", 18: "version_mismatch"}
_NOT_SUPPORTED = 3
_NVLINK_LINKS_MAX = 36
_NVLINK_VERSIONS = {1: "1", 2: "2", 3: "2", 4: "3", 5: "3", 6: "4", 7: "5", 8: "6"}
# pynvml 13 defines NVML_P2P_CAPS_INDEX_READ as the tuple (0,): the numbers are written out here.
_P2P_READ, _P2P_NVLINK = 0, 2
_PEER = {
    0: "ok",
    1: "chipset not supported",
    2: "GPU not supported",
    3: "topology not supported",
    4: "disabled by the driver's settings",
    5: "not supported",
}
_PATHS = {0: "same board", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
_THROTTLE = {
    0x001: "idle",
    0x002: "clocks set by the administrator",
    0x004: "power limit",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "too hot (driver)",
    0x040: "too hot (hardware)",
    0x080: "power brake",
    0x100: "display clocks",
}


def read_hardware(nvml: NvmlModule | None = None, sysfs: Path = Path("/sys")) -> Hardware:
    """Ask NVML everything. ``nvml`` is the module ``pynvml`` or an object that answers like it."""
    pci_cards = count_nvidia_cards(sysfs)
    try:
        nvml = nvml or importlib.import_module("pynvml")
        nvml.nvmlInit()
    except ImportError:
        return Hardware(nvml="not_installed", pci_cards=pci_cards)
    except nvml.NVMLError as error:  # type: ignore[union-attr]
        return Hardware(nvml=_INIT_FAILURES.get(error.value, str(error)), pci_cards=pci_cards)
    try:
        return _read_all(nvml, sysfs, pci_cards)
    finally:
        nvml.nvmlShutdown()


def _read_all(nvml: NvmlModule, sysfs: Path, pci_cards: int | None) -> Hardware:
    questions: dict[str, Callable[[], object]] = {
        "driver_version": lambda: _text(nvml.nvmlSystemGetDriverVersion()),
        "driver_cuda": lambda: _cuda_version(nvml.nvmlSystemGetCudaDriverVersion_v2()),
        "count": nvml.nvmlDeviceGetCount,
    }
    answers, unknown = _ask(nvml, questions)
    handles: dict[int, Handle] = {}
    gpus = []
    for index in range(answers.pop("count") or 0):
        found, refused = _ask(nvml, {"gpu": lambda index=index: nvml.nvmlDeviceGetHandleByIndex(index)})  # type: ignore[misc]
        if not refused:
            handles[index] = found["gpu"]
        gpus.append(Gpu(index, unknown=refused) if refused else _read_gpu(nvml, index, found["gpu"], sysfs))
    pairs = tuple(_read_pair(nvml, first, second) for first, second in combinations(handles.items(), 2))
    return Hardware("ok", gpus=tuple(gpus), pairs=pairs, pci_cards=pci_cards, unknown=unknown, **answers)


def _read_gpu(nvml: NvmlModule, index: int, handle: Handle, sysfs: Path) -> Gpu:
    questions: dict[str, Callable[[], object]] = {
        "name": lambda: _text(nvml.nvmlDeviceGetName(handle)),
        "uuid": lambda: _text(nvml.nvmlDeviceGetUUID(handle)),
        "pci_bus_id": lambda: bus_name(_text(nvml.nvmlDeviceGetPciInfo(handle).busId)),
        "memory_bytes": lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        "memory_used_bytes": lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used),
        "compute_capability": lambda: tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)),
        "power_limit_w": lambda: round(nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000),
        "power_default_w": lambda: round(nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) / 1000),
        "temperature_c": lambda: _newest(
            nvml, ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"), handle, nvml.NVML_TEMPERATURE_GPU
        ),
        "slowdown_temperature_c": lambda: nvml.nvmlDeviceGetTemperatureThreshold(
            handle, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        ),
        "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "sm_clock_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
        "throttle": lambda: _throttle(nvml, handle),
        "mig": lambda: bool(nvml.nvmlDeviceGetMigMode(handle)[0]),
        "mig_slices": lambda: _mig_slices(nvml, handle),
        "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle),
        "pcie_generation_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(handle),
        "pcie_generation_card": lambda: nvml.nvmlDeviceGetGpuMaxPcieLinkGeneration(handle),
        "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
        "pcie_width_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(handle),
        "nvlink_active": lambda: len(_active_nvlinks(nvml, handle)),
        "nvlink_version": lambda: _nvlink_version(nvml, handle),
    }
    answers, unknown = _ask(nvml, questions)
    device = sysfs / "bus/pci/devices" / (answers["pci_bus_id"] or "none")
    answers["pcie_width_card"] = number(device / "max_link_width")
    answers["numa_node"] = number(device / "numa_node")
    answers["mig_slices"] = answers["mig_slices"] or ()
    return Gpu(index, unknown=unknown, **answers)


def _read_pair(nvml: NvmlModule, first: tuple[int, Handle], second: tuple[int, Handle]) -> Pair:
    handles = first[1], second[1]
    questions: dict[str, Callable[[], object]] = {
        "path": lambda: _PATHS.get(nvml.nvmlDeviceGetTopologyCommonAncestor(*handles)),
        "nvlink": lambda: nvml.nvmlDeviceGetP2PStatus(*handles, _P2P_NVLINK) == 0,
        "peer": lambda: _PEER.get(nvml.nvmlDeviceGetP2PStatus(*handles, _P2P_READ)),
    }
    answers, unknown = _ask(nvml, questions)
    return Pair(first[0], second[0], unknown=unknown, **answers)


def _ask(nvml: NvmlModule, questions: Mapping[str, Callable[[], object]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the answers (None for a refusal) and the reasons of the refusals."""
    answers: dict[str, Any] = {}
    refusals: dict[str, str] = {}
    for name, question in questions.items():
        try:
            answers[name] = question()
        except (nvml.NVMLError, AttributeError, ValueError) as error:
            answers[name] = None
            refusals[name] = f"NVML: {error}"
    return answers, refusals


def _newest(nvml: NvmlModule, names: tuple[str, ...], *arguments: object) -> Any:
    """Call the first function of ``names`` that both this pynvml and this driver have."""
    for name in names[:-1]:
        try:
            return getattr(nvml, name)(*arguments)
        except (nvml.NVMLError, AttributeError):
            continue
    return getattr(nvml, names[-1])(*arguments)


def _throttle(nvml: NvmlModule, handle: Handle) -> tuple[str, ...]:
    names = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
    mask = _newest(nvml, names, handle)
    return tuple(words for bit, words in _THROTTLE.items() if mask & bit)


def _active_nvlinks(nvml: NvmlModule, handle: Handle) -> list[int]:
    """Numbers of the active links. "Not supported" for link 0 means that the card has no NVLink."""
    active: list[int] = []
    for link in range(_NVLINK_LINKS_MAX):
        try:
            if nvml.nvmlDeviceGetNvLinkState(handle, link) == 1:
                active.append(link)
        except nvml.NVMLError as error:
            if link == 0 and error.value != _NOT_SUPPORTED:
                raise
            break
    return active


def _nvlink_version(nvml: NvmlModule, handle: Handle) -> str | None:
    active = _active_nvlinks(nvml, handle)
    return _NVLINK_VERSIONS.get(nvml.nvmlDeviceGetNvLinkVersion(handle, active[0])) if active else None


def _mig_slices(nvml: NvmlModule, handle: Handle) -> tuple[MigSlice, ...]:
    slices: list[MigSlice] = []
    for position in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, position)
        except nvml.NVMLError:  # positions without a slice
            continue
        name, uuid = _text(nvml.nvmlDeviceGetName(part)), _text(nvml.nvmlDeviceGetUUID(part))
        slices.append(MigSlice(name, uuid, int(nvml.nvmlDeviceGetMemoryInfo(part).total)))
    return tuple(slices)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _cuda_version(number: int) -> str:
    """12020 is 12.2."""
    return f"{number // 1000}.{number % 1000 // 10}"
