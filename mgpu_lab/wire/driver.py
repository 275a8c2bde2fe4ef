"""Whether this machine has an NVIDIA driver: known without touching CUDA, which a forked process could not use then."""

from pathlib import Path

FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-gpu")  # on a computer, in WSL, on a Jetson


def has_driver() -> bool:
    """Look for the driver's device files."""
    return any(Path(file).exists() for file in FILES)
