"""Count what a block of code communicates.

>>> with traffic() as sent:  # doctest: +SKIP
...     dist.all_reduce(torch.ones(256, device=device))
>>> sent.calls["all_reduce"], sent.bytes["all_reduce"]  # doctest: +SKIP
(1, 1024)

>>> sent.of(mesh["tp"].get_group()).wire_bytes  # doctest: +SKIP
1024.0

PyTorch has a counter of calls of its own, ``torch.distributed.tensor.debug.CommDebugMode``; it does not count bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mgpu_lab.listening import groups

if TYPE_CHECKING:
    from mgpu_lab.listening.group_calls import GroupCall


@dataclass
class Traffic:
    """Calls and bytes by collective: ``all_reduce``, ``all_gather``, ``reduce_scatter``, ``broadcast``, ``send``, ...

    ``bytes`` is the size of the whole tensor: what is reduced, what is gathered in the end, what is scattered.
    ``wire_bytes`` is what this rank sends when a ring carries it, such as 2 (N - 1) / N of the tensor in an all-reduce
    (https://github.com/NVIDIA/nccl-tests, doc/PERFORMANCE.md).
    """

    follows_work: ClassVar[bool] = False
    calls: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    wire_bytes: float = 0.0
    groups: dict[str, Traffic] = field(default_factory=dict)

    def heard(self, call: GroupCall) -> None:
        """Add one call, here and to its group's own count."""
        self.add(call)
        self.groups.setdefault(call.group.group_name, Traffic()).add(call)

    def of(self, group: Any) -> Traffic:
        """Return what went through one process group, such as ``mesh["tp"].get_group()``; nothing is 0 bytes."""
        return self.groups.get(group.group_name, Traffic())

    def add(self, call: GroupCall) -> None:
        self.calls[call.name] += 1
        self.bytes[call.name] += call.bytes
        self.wire_bytes += call.wire_bytes

    def __str__(self) -> str:
        """Return a line for each collective, in the order of the alphabet.

        >>> print(Traffic(Counter(all_reduce=2), Counter(all_reduce=2048)))
        all_reduce: 2 calls, 2,048 bytes
        """
        lines = [
            f"{name}: {count} call{'s' * (count > 1)}, {self.bytes[name]:,} bytes"
            for name, count in sorted(self.calls.items())
        ]
        return "\n".join(lines) or "nothing was sent"


@contextmanager
def traffic() -> Iterator[Traffic]:
    """Count every collective and message of this process until the block ends, also those that C++ starts.

    Forward, backward and optimizer step of one block are counted together; a block for each gives each its own.
    """
    counted = Traffic()
    with groups.listening(counted):
        yield counted
