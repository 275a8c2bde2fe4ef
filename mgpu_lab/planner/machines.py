"""A machine: so many cards of one kind, what links them in a host, what links the hosts. "8x H100-SXM-80GB" is one."""

import re
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.planner.hardware import HARDWARE, Card
from mgpu_lab.wire.errors import UsageError

HOST = 8  # cards a host holds
NETWORK_GBPS = 50.0  # one 400 Gb/s port for each GPU, in one direction


@dataclass(frozen=True)
class Machine:
    """`count` cards, at most `per_host` in a host. Bandwidths are 1e9 bytes a second, one direction, for one GPU.

    `lanes` is what each slot really has (a card may ask for more); `network_gbps` is each GPU's share of the network
    between hosts. `tflops` and `memory_gbps` take the place of the card's own where you measured them.
    """

    card: Card
    count: int = 1
    per_host: int = HOST
    lanes: int | None = None
    nvlink: bool | None = None  # None: as the card has it
    network_gbps: float = NETWORK_GBPS
    tflops: float | None = None
    memory_gbps: float | None = None
    name: str = ""

    @property
    def hosts(self) -> int:
        return -(-self.count // self.per_host)

    def __str__(self) -> str:
        return self.name or f"{self.count}x {self.card.name}"

    def with_(self, **fields: Any) -> "Machine":
        """Return the same machine with some fields changed: `machine.with_(lanes=4)`."""
        return replace(self, **fields)


def machine(given: "str | Machine") -> Machine:
    """Return the machine of a text "N x NAME" ("8x H100-SXM-80GB", "RTX-4090"), or the machine itself.

    Raises:
        UsageError: the text is not understood, or the hardware table has no such card.
    """
    if isinstance(given, Machine):
        return given
    found = re.fullmatch(r"\s*(?:(-?\d+)\s*[x×*]?\s+|(-?\d+)[x×*]\s*)?(\S+)\s*", str(given), re.IGNORECASE)  # noqa: RUF001
    if not isinstance(given, str) or not found:
        raise UsageError(f'A machine is a text like "8x H100-SXM-80GB" or a Machine; not {given!r}.')
    count = int(found[1] or found[2] or 1)
    if count < 1:
        raise UsageError(f"A machine has at least 1 card; {given!r} has {count}.")
    return Machine(HARDWARE[found[3]], count)
