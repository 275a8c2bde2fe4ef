"""The bytes that an optimizer keeps for each weight."""

from collections.abc import Iterable

BLOCK = 256  # numbers that share a scale in bitsandbytes' 8-bit optimizers
FEW = 4096  # a tensor with fewer numbers keeps fp32 state there
COUNTER = 4  # a step counter is an fp32 number for each tensor


def state_bytes(tensors: Iterable[float], each: int, optimizer: str) -> dict[str, int]:
    """Return bytes by row for tensors of so many numbers of `each` bytes.

    - adamw: two moments in the weights' dtype and a step counter (torch/optim/adam.py).
    - adamw8bit: two moments of a byte, and an fp32 scale for 256 numbers of each; small tensors in fp32
      (bitsandbytes/optim/optimizer.py: `init_state`, `min_8bit_size`).
    - sgd: no momentum, so nothing.
    """
    sizes = list(tensors)
    if optimizer == "sgd":
        return {}
    if optimizer == "adamw":
        return {"Adam moments": int(sum(2 * each * one for one in sizes)), "step counters": COUNTER * len(sizes)}
    small = sum(2 * 4 * one for one in sizes if one < FEW)
    large = [one for one in sizes if one >= FEW]
    rows = {"state1": sum(large), "state2": sum(large), "Adam moments": small}
    rows["absmax"] = sum(2 * 4 * -(-one // BLOCK) for one in large)
    return {name: int(size) for name, size in rows.items() if size}
