"""Seconds of collectives: a time for each call that grows with its hops, and bytes over what the slowest link reaches.

The alpha-beta model, with NCCL's own constants where the hardware table has none.
"""

import math
from dataclasses import dataclass

from mgpu_lab.planner.hardware import HARDWARE, Link
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.traffic import Call

NCCL = "github.com/NVIDIA/nccl src/graph/tuning.cc@b6475625 (ring and tree, LL), read 2026-11-28"
CALL_US = 6.6  # a call's start: `baseLat` of that file
PCIE_HOPS = "github.com/haohervchb/sglang-V100/pull/2: 19.4 us for 4 kB on 4 GPUs, read 2026-11-28"
NETWORK_HOP_US = 5.0  # a tree's hop between hosts, the same file


@dataclass(frozen=True)
class Path:
    """How one GPU reaches another: rate in one direction (1e9 bytes/s), the share reached, microseconds of a hop."""

    name: str
    gbps: float
    efficiency: float
    latency_us: float
    source: str

    @property
    def reached(self) -> float:
        """Bytes a second."""
        return self.gbps * 1e9 * self.efficiency


# what the hardware table's rows on links take the place of: name -> share reached, microseconds of a hop, source
SOURCED: dict[str, tuple[float, float, str]] = {
    "NVLink": (0.81, 0.6, f"github.com/NVIDIA/nccl/issues/1455: a ring on 8 H100 365-370 of 450 GB/s; hops: {NCCL}"),
    "PCIe": (
        0.70,
        2.1,
        f"github.com/NVIDIA/nccl/issues/1202: 22 of 31.5 GB/s on 4 L40S; hops: {PCIE_HOPS}",
    ),
    "network": (
        0.94,
        NETWORK_HOP_US,
        f"github.com/NVIDIA/nccl-tests/issues/290 (NVIDIA): 46-48 of 50 GB/s for each port; hops: {NCCL}",
    ),
}


def in_host(where: Machine) -> Path | None:
    """Return how the cards of one host reach each other; None where the table does not say."""
    card = where.card
    if card.nvlink_gbps and where.nvlink is not False:
        return _path("NVLink", card.nvlink_gbps)
    rate = pcie_gbps(where)
    return None if rate is None else _path("PCIe" if card.peer_access else "PCIe without peer access", rate)


def network(where: Machine) -> Path:
    """Return how hosts reach each other."""
    return _path("network", where.network_gbps)


def pcie_gbps(where: Machine) -> float | None:
    """Return a slot's rate in one direction: 8 GT/s a lane in generation 3, twice that in each later one, 128b/130b."""
    generation, lanes = where.card.pcie_generation, where.lanes or where.card.pcie_lanes
    if generation is None or lanes is None:
        return None
    return lanes * 2.0 ** (generation - 3) * 128 / 130


def _path(name: str, gbps: float) -> Path:
    row: Link | None = HARDWARE.links.get(name)
    efficiency, latency_us, source = SOURCED.get(name, SOURCED["PCIe"])
    if row is not None and row.efficiency is not None:
        efficiency, source = row.efficiency, row.source
    if row is not None and row.latency_us is not None:
        latency_us = row.latency_us
    return Path(name, gbps, efficiency, latency_us, source)


@dataclass(frozen=True)
class Group:
    """The ranks of one mesh dimension: `size` of them, every `stride`-th, on a machine."""

    size: int
    stride: int
    in_host: Path | None
    network: Path
    per_host: int

    @property
    def together(self) -> int:
        """Members in one host."""
        return max(1, min(self.size, self.per_host // self.stride))

    @property
    def hosts(self) -> int:
        return math.ceil(self.size / self.together)

    @property
    def rate(self) -> float | None:
        """Bytes a second of a ring, per GPU: each member in a host brings its own share of the network (a rail)."""
        across = self.network.reached * self.together
        if self.hosts == 1:
            return None if self.in_host is None else self.in_host.reached
        if self.together == 1:
            return across
        return None if self.in_host is None else min(self.in_host.reached, across)

    def hops_s(self, collective: str) -> float:
        """Seconds that one call takes however little it moves."""
        inside = 0.0 if self.in_host is None else self.in_host.latency_us
        once = (self.together - 1) * inside + math.log2(self.hosts) * self.network.latency_us
        if collective in ("send", "recv"):
            once = self.network.latency_us if self.hosts > 1 else inside
        return (CALL_US + (2 if collective == "all_reduce" else 1) * once) * 1e-6


def ring_share(collective: str, ranks: int) -> float:
    """Return what a ring sends of a call's bytes, as `traffic()` counts them (the whole tensor).

    Source: https://github.com/NVIDIA/nccl-tests, doc/PERFORMANCE.md.
    """
    if collective == "recv" or (ranks < 2 and collective != "send"):  # noqa: PLR2004 - alone
        return 0.0
    if collective in ("send", "broadcast"):
        return 1.0
    return (2 if collective == "all_reduce" else 1) * (ranks - 1) / ranks


def call_s(call: Call, group: Group) -> float | None:
    """Return the seconds of these calls together; None where the link's rate is not known."""
    if (group.size < 2 and call.collective != "send") or not call.calls or call.collective == "recv":  # noqa: PLR2004
        return 0.0
    if not group.rate:
        return None
    return call.calls * group.hops_s(call.collective) + ring_share(call.collective, group.size) * (
        call.size_bytes / group.rate
    )
