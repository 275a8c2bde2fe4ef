"""Record what an answer communicates: which collectives, how many bytes, when, waited for or not.

>>> with Spy() as spy:  # doctest: +SKIP
...     dist.all_reduce(torch.ones(256))
>>> [(event.name, event.bytes) for event in spy.events]  # doctest: +SKIP
[('all_reduce', 1024)]

It counts at the process group (``listening.groups``), so that it makes no difference how a collective was called:
by a name imported by hand, as a functional collective, or by DistributedDataParallel's C++. An object collective is
seen as the tensors that it sends.
"""

from contextlib import AbstractContextManager
from typing import Self

from mgpu_lab.listening import groups, waits
from mgpu_lab.listening.group_calls import GroupCall as Event


class Spy:
    """Records calls between ``with`` and its end, in order."""

    follows_work = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._listening: AbstractContextManager[None] | None = None

    def __enter__(self) -> Self:
        self._listening = groups.listening(self)
        self._listening.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._listening is not None:
            self._listening.__exit__(None, None, None)
        waits.forget(self.events)

    def heard(self, call: Event) -> None:
        """Take down one call, before it is made."""
        self.events.append(call)

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]

    @property
    def sent_bytes(self) -> int:
        """What this rank handed in, whatever becomes of it."""
        return sum(event.input_bytes for event in self.events)

    @property
    def wire_bytes(self) -> float:
        """What this rank sends when rings carry it: two ways to the same end have the same (``group_calls``)."""
        return sum(event.wire_bytes for event in self.events)

    @property
    def all_waited_for(self) -> bool:
        return all(event.waited_for for event in self.events)


def of_waits(*spies: Spy) -> str | None:
    """Hint where one of these calls was never waited for."""
    late = next((event.name for spy in spies for event in spy.events if not event.waited_for), None)
    if late is None:
        return None
    return (
        f"A call ({late}) was started and never waited for: your code returned while it may still be writing. An "
        "asynchronous call returns a work; who calls its wait()?"
    )
