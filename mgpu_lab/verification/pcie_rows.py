"""Judges the PCIe slot of a GPU: how many lanes, of which generation.

Rates: the specification's rate per lane and direction, less the encoding (8b/10b up to generation 2,
128b/130b from 3, flits of 256 bytes with 242 used in 6); packet headers come off that too.
"""

from mgpu_lab.verification.findings import Finding, unknown
from mgpu_lab.verification.hardware import Gpu

PCIE_LANE_GB_S = {1: 0.25, 2: 0.5, 3: 128 / 130, 4: 2 * 128 / 130, 5: 4 * 128 / 130, 6: 8 * 242 / 256}
_WHILE_BUSY = "Verify again while ranks train."
_NARROW_LANES = 4


def pcie_width(gpu: Gpu) -> Finding:
    """Judge the number of lanes; the rate is computed for them, not measured."""
    name = "PCIe width"
    if gpu.pcie_width is None or gpu.pcie_width_max is None:
        reason = gpu.why_unknown("pcie_width", "pcie_width_max")
        return unknown(name, reason, "Look with `nvidia-smi -q -d PCIE`, or `sudo lspci -vv` (LnkSta).")
    most = max(gpu.pcie_width_card or 0, gpu.pcie_width_max)
    found, numbers = "{} of {} lanes", (gpu.pcie_width, most)
    lane_gb_s = PCIE_LANE_GB_S.get(gpu.pcie_generation_max or 0)
    if lane_gb_s is not None:
        rate = f"{lane_gb_s * gpu.pcie_width:.3g} GB/s per direction"
        found += f"; computed: {rate} at generation {gpu.pcie_generation_max}"
    if gpu.pcie_width < most or most <= _NARROW_LANES:
        reason = f"slot, riser or lane sharing leave it {gpu.pcie_width} lanes; copies are that much slower"
        remedy = "Seat card and riser again, or move it to a slot with 16 lanes from the CPU."
        return Finding(name, found, "warn", reason, remedy, numbers)
    return Finding(name, found, numbers=numbers)


def pcie_generation(gpu: Gpu) -> Finding:
    """Judge the speed of a lane, which an idle card lowers on purpose."""
    name = "PCIe generation"
    if gpu.pcie_generation is None or gpu.pcie_generation_max is None:
        reason = gpu.why_unknown("pcie_generation", "pcie_generation_max")
        return unknown(name, reason, "Look with `nvidia-smi -q -d PCIE`.")
    found = f"{gpu.pcie_generation} now, up to {gpu.pcie_generation_max} here"
    if gpu.pcie_generation < gpu.pcie_generation_max:
        return _lowered(name, found, gpu)
    if gpu.pcie_generation_max < (gpu.pcie_generation_card or 0):
        reason = "slot or mainboard are of an older generation than the card"
        return Finding(name, f"{found}, the card has {gpu.pcie_generation_card}", reason=reason)
    return Finding(name, found)


def _lowered(name: str, found: str, gpu: Gpu) -> Finding:
    if gpu.idle is not False:
        reason = "an idle card lowers its link to save power, so this says nothing about the link under load"
        return Finding(name, found, "unknown", reason, _WHILE_BUSY)
    reason = "the link is slower than card and slot allow, although the card is not idle"
    remedy = "Set the slot's generation in the BIOS to automatic, and try without the riser cable."
    return Finding(name, found, "warn", reason, remedy)
