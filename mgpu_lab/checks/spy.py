"""Record the collectives that this rank's Python code calls: what, how many bytes, when, waited for or not.

>>> with Spy() as spy:  # doctest: +SKIP
...     dist.all_reduce(torch.ones(256))
>>> [(event.name, event.sent_bytes) for event in spy.events]  # doctest: +SKIP
[('all_reduce', 1024)]

``DistributedDataParallel``'s buckets are not among them (C++ calls those): register a communication hook instead.
"""

import time
from dataclasses import dataclass
from typing import Any, Self

from mgpu_lab.listening import calls
from mgpu_lab.listening.calls import Call

# not recorded: new_group and monitored_barrier send no data; of calls made of others, the others are recorded
RECORDED = set(calls.HEARD) - {"new_group", "monitored_barrier", "batch_isend_irecv", "scatter_object_list"}


@dataclass
class Event:
    """One call. ``sent_bytes`` is the size of its first argument, the tensor; times are of ``time.perf_counter``."""

    name: str
    sent_bytes: int
    elements: int
    began_s: float
    ended_s: float | None = None  # when the call returned, or the wait for an asynchronous one
    is_async: bool = False

    @property
    def waited_for(self) -> bool:
        """Whether its result was ever waited for; always true of a synchronous call."""
        return self.ended_s is not None


class WatchedWork:
    """A torch ``Work`` that notes when it was waited for."""

    def __init__(self, work: Any, event: Event) -> None:
        self._work, self._event = work, event

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Wait, and note when the first wait ended."""
        result = self._work.wait(*args, **kwargs)
        self._event.ended_s = self._event.ended_s or time.perf_counter()
        return result

    def get_future(self) -> Any:
        """Hand the future over; whoever takes it is trusted to wait for it."""
        self._event.ended_s = time.perf_counter()
        return self._work.get_future()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)


class Spy:
    """Records calls between ``with`` and its end."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._running: dict[Call, Event] = {}

    def __enter__(self) -> Self:
        calls.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        calls.remove(self)

    def before(self, call: Call) -> None:
        """Note what is sent; a collective that is made of others counts once."""
        if call.name in RECORDED and (call.inside is None or call.inside.name not in RECORDED):
            tensors = tensors_of(call.first)
            event = Event(call.name, sum(t.nbytes for t in tensors), sum(t.numel() for t in tensors), call.began_s)
            self._running[call] = event
            self.events.append(event)

    def after(self, call: Call) -> None:
        """Note the end, or keep an eye on the work that an asynchronous call has returned."""
        event = self._running.pop(call, None)
        if event is None or call.failed:
            return
        if hasattr(call.result, "wait"):
            event.is_async = True
            call.result = WatchedWork(call.result, event)
        else:
            event.ended_s = call.ended_s

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    @property
    def sent_bytes(self) -> int:
        return sum(event.sent_bytes for event in self.events)

    @property
    def all_waited_for(self) -> bool:
        return all(event.waited_for for event in self.events)


def tensors_of(value: Any) -> list[Any]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [each for each in values if hasattr(each, "numel")]
