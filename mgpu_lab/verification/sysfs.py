"""Reads single values from /sys, where Linux describes PCI cards, NUMA nodes and control groups.

On other systems every answer is None.
"""

from pathlib import Path


def line(path: Path) -> str | None:
    """Return the text of a one-line file; None where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def number(path: Path) -> int | None:
    """Return the number in a file; None where there is none, or it is -1 or 255: "not known"."""
    try:
        value = int(line(path) or "-1")
    except ValueError:
        return None
    return None if value in {-1, 255} else value


def count_nvidia_cards(sysfs: Path) -> int | None:
    """Count NVIDIA display controllers on the PCI bus; None where the system does not list the bus."""
    devices = sysfs / "bus/pci/devices"
    if not devices.is_dir():
        return None
    return sum(
        line(device / "vendor") == "0x10de" and (line(device / "class") or "").startswith("0x03")
        for device in devices.iterdir()
    )


def bus_name(bus_id: str) -> str:
    """Turn NVML's bus id (00000000:17:00.0) into the name in /sys, with 4 digits in front (0000:17:00.0)."""
    return bus_id.lower()[-len("0000:17:00.0") :]


def count_listed(text: str | None) -> int | None:
    """Count the members of a list as Linux writes it: "0-3,8" has 5."""
    if not text:
        return None
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except ValueError:
        return None
    return sum(end[-1] - end[0] + 1 for end in ends)
