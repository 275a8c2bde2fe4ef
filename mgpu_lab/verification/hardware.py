"""Facts about the NVIDIA GPUs of a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MigSlice:
    """One slice of a GPU in MIG mode, usable as a CUDA device of its own."""

    name: str
    uuid: str
    memory_bytes: int


@dataclass(frozen=True)
class Gpu:
    """One GPU under the driver's number (PCI order, as in ``nvidia-smi``). None: see ``unknown[field]``."""

    index: int
    name: str | None = None
    uuid: str | None = None
    pci_bus_id: str | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    compute_capability: tuple[int, int] | None = None
    power_limit_w: int | None = None
    power_default_w: int | None = None
    temperature_c: int | None = None
    slowdown_temperature_c: int | None = None
    sm_clock_mhz: int | None = None
    sm_clock_max_mhz: int | None = None
    throttle: tuple[str, ...] | None = None
    mig: bool | None = None
    mig_slices: tuple[MigSlice, ...] = ()
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_generation_card: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_width_card: int | None = None
    nvlink_version: str | None = None
    nvlink_active: int | None = None
    numa_node: int | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def idle(self) -> bool | None:
        """Whether the card has nothing to do, so that clocks and link are low on purpose; None: not known."""
        return None if self.throttle is None else "idle" in self.throttle

    def why_unknown(self, *fields: str) -> str:
        """Return why the first of these fields is not known."""
        reasons = (self.unknown[name] for name in fields if name in self.unknown)
        return next(reasons, "NVML did not say")


@dataclass(frozen=True)
class Pair:
    """Two GPUs: the PCIe path between them, in the words of ``nvidia-smi topo``, NVLink, and peer access."""

    first: int
    second: int
    path: str | None = None
    nvlink: bool | None = None
    peer: str | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hardware:
    """Driver and GPUs. ``nvml``: "ok" or why NVML did not answer; ``pci_cards``: NVIDIA cards on the bus."""

    nvml: str
    driver_version: str | None = None
    driver_cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    pairs: tuple[Pair, ...] = ()
    pci_cards: int | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
