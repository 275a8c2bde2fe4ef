"""What a step sends, on the scale of DDP's all-reduce of the gradients, which counts 1.

An all-reduce is worth a reduce-scatter and an all-gather of the same tensor, each of which counts one half. So does a
reduce to one owner, or a broadcast: all ranks together send (N-1) times the tensor, in an all-reduce 2(N-1) times.
"""

from typing import Any

COST = {"all_reduce": 1.0, "all_gather": 0.5, "reduce_scatter": 0.5, "reduce": 0.5, "broadcast": 0.5}
SMALL = 0.005  # norms, flags and shapes: left out


def in_units(sent: Any, gradient_bytes: int) -> dict[str, Any]:
    """Return what ``traffic()`` counted: ``units`` in all, and ``as``, a text with each collective's units and calls.

    >>> from collections import Counter
    >>> from mgpu_lab.course import Traffic
    >>> sent = Traffic(bytes=Counter(all_reduce=2000, all_gather=2000), calls=Counter(all_reduce=4, all_gather=1))
    >>> in_units(sent, gradient_bytes=2000)
    {'units': 1.5, 'as': 'all_reduce 1.00 in 4, all_gather 0.50 in 1'}
    """
    units = {name: cost * sent.bytes[name] / gradient_bytes for name, cost in COST.items()}
    large = {name: part for name, part in units.items() if part > SMALL}
    texts = (f"{name} {part:.2f} in {sent.calls[name]}" for name, part in large.items())
    return {"units": sum(large.values()), "as": ", ".join(texts)}
