"""A machine: so many cards of one kind, what links them in a host, what links the hosts. "8x H100-SXM-80GB" is one."""

import re
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.planner.hardware import HARDWARE, Card, Link, link_rate_gbps, look_up
from mgpu_lab.planner.options import refuse_unknown, short
from mgpu_lab.wire.errors import UsageError

HOST = 8  # cards a host holds
BRIDGE = 2  # cards an NVLink bridge joins; bought apart, so it is not there unless you say so
NETWORK_GBPS = 50.0  # one 400 Gb/s port for each GPU, in one direction
NETWORK = "infiniband-400"
MOST_CARDS = 1_000_000
LEAST = 1e-9  # of a rate: less is a slip, and a time that is divided by it would overflow
LONGEST = 200  # characters of a text that names a machine
TEXT = re.compile(r"\s*(?:(-?\d+)\s*[x×*]?\s+|(-?\d+)[x×*]\s*)?(\S.*?)\s*", re.IGNORECASE)  # noqa: RUF001


@dataclass(frozen=True)
class Interconnect:
    """A link and its rate, 1e9 bytes a second in one direction for one GPU; None is unknown."""

    link: Link | None
    rate_gbps: float | None

    @property
    def bus_gbps(self) -> float | None:
        """What all-gather and reduce-scatter reach, as nccl-tests counts bus bandwidth."""
        return self._times(self.link.efficiency if self.link else None)

    @property
    def all_reduce_gbps(self) -> float | None:
        """What all-reduce reaches; more than the rate where the switch adds up."""
        share = self.link.all_reduce_efficiency if self.link else None
        return self.bus_gbps if share is None else self._times(share)

    def _times(self, share: float | None) -> float | None:
        return None if share is None or self.rate_gbps is None else share * self.rate_gbps


@dataclass(frozen=True)
class Machine:
    """`count` cards, at most `per_host` in a host. Bandwidths are 1e9 bytes a second, one direction, for one GPU.

    A host here is what needs no network inside: 8 cards, or the 72 of a GB200 rack. `lanes` is what each slot really
    has (a card may ask for more); `nvlink=True` says that bridges join pairs of cards that can have one. `network`
    names a link of the table, or is a `Link` with times that you measured; `network_gbps` is each GPU's share of it.
    `tflops` and `memory_gbps` take the place of the card's own where you measured them.

    Raises:
        UsageError: a number that cannot be (lanes outside 1 to 16, no cards, NVLink on a card without), a link unknown.
    """

    card: Card
    count: int = 1
    per_host: int = HOST
    lanes: int | None = None
    nvlink: bool | None = None  # None: as the card has it, without bridges
    network_gbps: float = NETWORK_GBPS
    tflops: float | None = None
    memory_gbps: float | None = None
    name: str = ""
    network: str | Link = NETWORK

    def __post_init__(self) -> None:
        if not isinstance(self.card, Card):
            raise UsageError(f'A machine\'s card is one of the table, HARDWARE["RTX-4090"]; not {short(self.card)}.')
        if self.nvlink not in (None, True, False):
            raise UsageError(f"A machine's nvlink is True, False or None; not {short(self.nvlink)}.")
        _whole("count", self.count)
        _whole("per_host", self.per_host)
        if self.lanes is not None:
            link_rate_gbps(4, self.lanes)  # refuses lanes that no slot has
        _positive("network_gbps", self.network_gbps)
        for name in ("tflops", "memory_gbps"):
            if getattr(self, name) is not None:
                _positive(name, getattr(self, name))
        _row(self.network)
        if self.nvlink and not self.card.nvlink_gbps:
            raise UsageError(f"{self.card.name} has no NVLink that the table knows; leave nvlink out.")

    @property
    def hosts(self) -> int:
        return -(-self.count // self.per_host)

    @property
    def in_host(self) -> int:
        """Cards in the fullest host."""
        return min(self.count, self.per_host)

    @property
    def link(self) -> Interconnect:
        """What links the cards of a host: NVLink where it joins them all, else PCIe.

        PCIe goes through the host's memory ("pcie-host") where the driver keeps the cards from reading each other's;
        a card of which that is unknown counts as one that may.
        """
        if self._all_on_nvlink():
            name, rate = self.card.nvlink_link, self.card.nvlink_gbps
        else:
            name, rate = "pcie-host" if self.card.peer_access is False else "pcie", self._pcie_gbps()
        return Interconnect(HARDWARE.links.get(name), rate)

    @property
    def between_hosts(self) -> Interconnect:
        """What links the hosts, each GPU's share of it."""
        return Interconnect(_row(self.network), self.network_gbps)

    def _all_on_nvlink(self) -> bool:
        cards = self.card.nvlink_cards
        wanted = cards > BRIDGE if self.nvlink is None else self.nvlink
        return wanted and bool(self.card.nvlink_gbps) and self.in_host <= cards

    def _pcie_gbps(self) -> float | None:
        lanes = [n for n in (self.lanes, self.card.pcie_lanes) if n is not None]
        if self.card.pcie_generation is None or not lanes:
            return None
        return link_rate_gbps(self.card.pcie_generation, min(lanes))

    def __str__(self) -> str:
        return self.name or f"{self.count}x {self.card.name}"

    def with_(self, **fields: Any) -> "Machine":
        """Return the same machine with some fields changed: `machine.with_(lanes=4)`.

        Raises:
            UsageError: there is no such field, or its value cannot be.
        """
        refuse_unknown("A machine", fields, list(Machine.__dataclass_fields__), "field")
        return replace(self, **fields)

    def networked(self, link: str, cards_a_port: int = 1) -> "Machine":
        """Return the same machine with its hosts on another network: `machine.networked("ethernet-25", 8)`.

        Raises:
            UsageError: the table has no such link, or it has no rate of its own (NVLink, PCIe).
        """
        row = look_up(HARDWARE.links, link, "link")
        _whole("cards_a_port", cards_a_port)
        if row.gbps is None:
            networks = ", ".join(name for name, each in HARDWARE.links.items() if each.gbps)
            raise UsageError(f"{row.name} does not link hosts. Those that do: {networks}.")
        return replace(self, network=row.name, network_gbps=row.gbps / cards_a_port)


def machine(given: "str | Machine") -> Machine:
    """Return the machine of a text "N x NAME" ("8x H100-SXM-80GB", "RTX-4090"), or the machine itself.

    Raises:
        UsageError: the text is not understood, or the hardware table has no such card.
    """
    if isinstance(given, Machine):
        return given
    if isinstance(given, Card):
        raise UsageError(f"{given.name} is a card, no machine: Machine(card, 1) is a machine of one.")
    found = TEXT.fullmatch(given) if isinstance(given, str) and len(given) < LONGEST else None
    if not found:
        raise UsageError(f'A machine is a text like "8x H100-SXM-80GB" or a Machine; not {short(given)}.')
    count = int(found[1] or found[2] or 1)
    if count < 1:
        raise UsageError(f"A machine has at least 1 card; {given!r} has {count}.")
    card = HARDWARE[found[3]]
    return Machine(card, count, per_host=max(HOST, card.nvlink_cards))


def _row(network: str | Link) -> Link:
    return network if isinstance(network, Link) else look_up(HARDWARE.links, network, "link")


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"A machine's {name} is a whole number from 1 on; not {short(value)}.")
    if value > MOST_CARDS:
        raise UsageError(f"A machine's {name} is {MOST_CARDS:,} at most.")


def _positive(name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and LEAST < value < 1 / LEAST):
        raise UsageError(f"A machine's {name} is a positive number; not {short(value)}.")
