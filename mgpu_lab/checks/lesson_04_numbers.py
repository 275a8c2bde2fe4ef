"""Numbers and bytes that lesson 04's checks on ranks share."""

import torch

from mgpu_lab.checks.on_ranks import device_here
from mgpu_lab.checks.spy import Spy

PRECISION = {torch.float64: 1e-9, torch.float32: 2e-5}
MARKS_BYTES = 64  # counts and other small messages beside the numbers themselves


def numbers(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device_here(), dtype)


def same(found: torch.Tensor, wanted: torch.Tensor, relative: float | None = None) -> bool:
    """Whether two tensors hold the same numbers, but for rounding in the coarser of their dtypes."""
    if not torch.is_tensor(found) or found.shape != wanted.shape:
        return False
    relative = relative or max(PRECISION.get(each.dtype, 1e-2) for each in (found, wanted))
    scale = float(wanted.detach().abs().max()) if wanted.numel() else 0.0
    return torch.allclose(found.detach().double(), wanted.detach().double(), relative, relative * scale)


def average_bytes(spy: Spy, size: int) -> float:
    """Return what this rank sends; for a reduce or a broadcast its part of what all send: (N-1) times the tensor."""
    shared = {"reduce", "broadcast", "gather"}
    return sum(
        (size - 1) / size * (event.input_bytes if event.name == "gather" else event.bytes)
        if event.name in shared
        else event.wire_bytes
        for event in spy.events
    )
