"""Time a function."""

import time
from collections.abc import Callable


def fastest_s(function: Callable[[], object], repeats: int = 5, *, warm_up: int = 1) -> float:
    """Call ``function`` some times and return the seconds of the fastest call, which other programs disturbed least.

    Kernels on a GPU run after the call that started them has returned, so each call is timed until they are finished.

    >>> fastest_s(lambda: None) < 1.0
    True
    """
    return min(times_s(function, repeats, warm_up=warm_up))


def times_s(function: Callable[[], object], repeats: int, *, warm_up: int = 1) -> list[float]:
    """Return the seconds of each of ``repeats`` calls, after some that are not timed."""
    finish = finish_kernels()
    seconds = []
    for call in range(warm_up + repeats):
        finish()
        began = time.perf_counter()
        function()
        finish()
        if call >= warm_up:
            seconds.append(time.perf_counter() - began)
    return seconds


def finish_kernels() -> Callable[[], object]:
    """Return what waits for this process's GPU; nothing where it has none in use."""
    import torch

    in_use = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.synchronize if in_use else lambda: None
