"""Whether what a plan holds fits one card: the same for training and for serving."""

from typing import Protocol

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.planned import PlannedMemory

GIB = 1 << 30


class Holds(Protocol):
    """A plan that holds memory on the cards of a machine."""

    @property
    def machine(self) -> Machine: ...
    @property
    def memory(self) -> PlannedMemory: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def capacity_bytes(self) -> int | None: ...


class OnCard:
    """What a plan says of one card."""

    @property
    def peak_bytes(self: Holds) -> int:
        """Tensors and overhead of one GPU, at the moment that takes the most."""
        return self.memory.peak_bytes

    @property
    def capacity_bytes(self: Holds) -> int | None:
        """Memory of one card; None where the hardware table does not know it."""
        return None if self.machine.card.memory_gib is None else int(self.machine.card.memory_gib * GIB)

    @property
    def fits(self: Holds) -> bool | None:
        """Whether the peak fits one card; None where its memory is not known."""
        return None if self.capacity_bytes is None else self.peak_bytes <= self.capacity_bytes
