"""The weights that an optimizer updates, in the order in which an engine lays them end to end, and how it cuts them."""

from collections.abc import Iterable
from dataclasses import dataclass

from mgpu_lab.planner.memory.optimizers import state_bytes
from mgpu_lab.planner.memory.weights import Stage

ORDER = ("q", "k", "v", "o", "router", "gate", "up", "down", "attention norm", "MLP norm")
MASTER = 4  # bytes of a number of the fp32 copies that DeepSpeed's optimizers update


@dataclass(frozen=True)
class Weight:
    """A weight of a unit ("root", or a layer's number) on one GPU."""

    unit: str
    name: str
    numbers: int


def registered(stage: Stage) -> list[Weight]:
    """List a stage's weights in the order of `model.parameters()`: embedding, layers, last norm, head."""
    root = {name: int(numbers) for name, numbers in stage.units["root"].items() if numbers}
    layers = [
        Weight(str(layer), name, int(stage.units[str(layer)][name]))
        for layer in range(stage.layers)
        for name in ORDER
        if stage.units[str(layer)].get(name)
    ]
    first = [Weight("root", name, root[name]) for name in ("embedding", "positions") if name in root]
    return first + layers + [Weight("root", name, root[name]) for name in ("last norm", "head") if name in root]


@dataclass(frozen=True)
class Part:
    """The part of a flat buffer that one of `ranks` ranks owns: from number `first` to `last`.

    `whole` counts the weights that lie in the part, at least in part: DeepSpeed keeps their gradients whole.
    """

    first: int
    last: int
    whole: int
    owned: frozenset[tuple[str, str]]

    @property
    def numbers(self) -> int:
        return self.last - self.first


def cut(weights: Iterable[Weight], ranks: int, rank: int) -> Part:
    """Cut weights laid end to end in equal parts. Source: DeepSpeed 0.19.8, `get_data_parallel_partitions`."""
    listed = list(weights)
    total = sum(one.numbers for one in listed)
    each = -(-total // ranks)
    first, last = min(total, rank * each), min(total, (rank + 1) * each)
    start, whole, owned = 0, 0, []
    for one in listed:
        if start < last and start + one.numbers > first:
            whole += one.numbers
            owned.append((one.unit, one.name))
        start += one.numbers
    return Part(first, last, whole, frozenset(owned))


def optimizer_rows(numbers: Iterable[int], optimizer: str) -> dict[str, int]:
    """Return bytes by row of an engine's fp32 masters and of the state that its optimizer keeps for them."""
    flat = [one for one in numbers if one]
    return {"fp32 master weights": MASTER * sum(flat)} | state_bytes(flat, MASTER, optimizer)
