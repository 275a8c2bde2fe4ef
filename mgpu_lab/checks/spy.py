"""Record the collectives that this rank's Python code calls: what, how many bytes, when, waited for or not.

>>> with Spy() as spy:  # doctest: +SKIP
...     dist.all_reduce(torch.ones(256))
>>> [(event.name, event.sent_bytes) for event in spy.events]  # doctest: +SKIP
[('all_reduce', 1024)]

Not covered: calls that C++ makes (``DistributedDataParallel``'s buckets; register a communication hook to see
those) and functions that were taken out of ``torch.distributed`` by name before.
"""

from __future__ import annotations

import functools
import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

WATCHED = (
    "all_reduce", "all_reduce_coalesced", "broadcast", "reduce", "all_gather", "gather", "scatter",
    "reduce_scatter", "all_gather_into_tensor", "reduce_scatter_tensor", "all_to_all", "all_to_all_single",
    "barrier", "all_gather_object", "broadcast_object_list", "gather_object", "send", "recv", "isend", "irecv",
    "all_gather_single", "reduce_scatter_single",  # torch 2.13's names of the two that end in _tensor
)  # fmt: skip


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
        """Wait, and note the moment, that of the first wait."""
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
        self._inside = False
        self._originals: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        """Put the record around torch.distributed's functions."""
        import torch.distributed as dist
        from torch.distributed import distributed_c10d as c10d

        for name in WATCHED:
            original = getattr(c10d, name, None)
            if original is None:
                continue
            recorded = self._record(name, original)
            for module in (dist, c10d):
                if getattr(module, name, None) is original:
                    self._originals.append((module, name, original))
                    setattr(module, name, recorded)
        return self

    def __exit__(self, *_: object) -> None:
        """Take the record away again."""
        for module, name, original in self._originals:
            setattr(module, name, original)
        self._originals.clear()

    def named(self, name: str) -> list[Event]:
        """Return the calls of one function."""
        return [event for event in self.events if event.name == name]

    def _record(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        first = next(iter(inspect.signature(original).parameters), "")

        @functools.wraps(original)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if self._inside:  # a collective that is made of others counts once
                return original(*args, **kwargs)
            tensors = tensors_of(args[0] if args else kwargs.get(first))
            event = Event(name, sum(t.nbytes for t in tensors), sum(t.numel() for t in tensors), time.perf_counter())
            self.events.append(event)
            self._inside = True
            try:
                work = original(*args, **kwargs)
            finally:
                self._inside = False
            if hasattr(work, "wait"):
                event.is_async = True
                return WatchedWork(work, event)
            event.ended_s = time.perf_counter()
            return work

        return recorded


def tensors_of(value: Any) -> list[Any]:
    """List the tensors of a collective's first argument."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return [each for each in values if hasattr(each, "numel")]
