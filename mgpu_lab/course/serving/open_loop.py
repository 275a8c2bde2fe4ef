"""The serving loop of an open load: continuous batching with a clock, alike on all ranks that share a way.

Ranks that share a way must admit the same requests in the same turn, and no two clocks agree: rank 0 reads its clock
and tells the others. The rest follows from the plan of requests, which all hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mgpu_lab.course.serving.open_load import OpenLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mgpu_lab.course.serving.requests import Request, Served


def agreed(number: float, *, split: bool) -> float:
    """Return rank 0's number where the ranks share a way, else this rank's own."""
    if not split:
        return number
    import torch
    import torch.distributed as dist

    from mgpu_lab.course.llama import device_here

    shared = torch.tensor(number, dtype=torch.float64, device=device_here())
    dist.broadcast(shared, src=0)
    return float(shared.item())


def serve_open(way: Any, requests: Sequence[Request], *, split: bool = False) -> tuple[list[Served], float]:
    """Serve requests as they arrive, each in the first free slot.

    Args:
        way: has `slots`, `prefill(slot, prompt)`, `step({slot: last token})` and `free(slot)`.
        requests: in order of arrival; each wants 2 tokens or more.
        split: whether the ranks share this way, and all call alike.

    Returns:
        The requests served, with their times, and the number in the system summed over time, in request-seconds.
    """
    load, active = OpenLoad(requests), dict[int, Any]()
    while load.waiting or active:
        load.look(agreed(load.clock_s(), split=split))
        for slot in [slot for slot, each in active.items() if each.finished]:
            way.free(slot)
            load.done(active.pop(slot))
        for slot in [slot for slot in range(way.slots) if slot not in active]:
            if load.due():
                active[slot] = load.admit()
                active[slot].tokens = [way.prefill(slot, active[slot].request.prompt)]
        tokens = way.step({slot: each.tokens[-1] for slot, each in active.items()}) if active else {}
        for slot, token in tokens.items():
            active[slot].tokens.append(token)
    return load.report()
