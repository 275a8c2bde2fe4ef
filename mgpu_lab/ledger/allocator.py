"""What CUDA's caching allocator says of this rank's GPU, whoever asked it for memory.

Seen on an H100 with torch 2.11 (2026-11-28): cuBLAS keeps 65 MiB of workspace, which no tensor shows, and a matrix
product may take 32 MiB more while it runs.
"""

from collections.abc import Iterable, Mapping

import torch

from mgpu_lab.ledger.facts import LedgerRow

OUTSIDE = "CUDA, outside tensors"
WITHIN = "CUDA, within operations and in C++"


def in_use() -> bool:
    """Whether this process has CUDA initialised."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def allocated_bytes(figure: str = "current") -> dict[str, int]:
    """Bytes handed out on this rank's GPU now ("current") or at most since `begin_peak` ("peak"); {} without CUDA."""
    if not in_use():
        return {}
    stats = torch.cuda.memory_stats_as_nested_dict()
    return {f"cuda:{torch.cuda.current_device()}": int(stats["allocated_bytes"]["all"][figure]) if stats else 0}


def begin_peak() -> None:
    """Set CUDA's peak counters back."""
    torch.cuda.reset_peak_memory_stats()


def outside_tensors(rows: Iterable[LedgerRow], allocated: Mapping[str, int]) -> list[LedgerRow]:
    """What the allocator has handed out beyond these rows: rounding, libraries' workspaces."""
    beyond = dict(allocated)
    for row in rows:
        if row.device in beyond:
            beyond[row.device] -= row.size_bytes
    return [LedgerRow("other", OUTSIDE, device, size) for device, size in beyond.items() if size > 0]


def within_operations(most_seen_bytes: int) -> list[LedgerRow]:
    """What CUDA's peak has more than the largest moment between two operations."""
    beyond = {device: peak - most_seen_bytes for device, peak in allocated_bytes("peak").items()}
    return [LedgerRow("other", WITHIN, device, size) for device, size in beyond.items() if size > 0]
