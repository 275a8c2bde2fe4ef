"""Where the time of a step went on this rank: compute, communication, the exposed part of it, idle. By torch.profiler.

>>> timeline = Timeline()  # doctest: +SKIP
>>> with timeline():  # doctest: +SKIP
...     loss_of(model, rows).backward()
...     optimizer.step()
>>> timeline.record().exposed_s  # doctest: +SKIP
0.0123

Nothing happens before the block begins, and nothing stays on after it: torch.profiler is not even imported. Within it
each operator costs some microseconds more (``benchmarks/profiling.py`` says how much slower a step is).
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mgpu_lab.listening import groups
from mgpu_lab.metering.collectives import Heard, collectives_of, summed
from mgpu_lab.metering.intervals import length
from mgpu_lab.metering.perfetto import packed
from mgpu_lab.metering.timeline_result import RankTimeline
from mgpu_lab.metering.trace import BEGIN, END, events_of, spans_of, window
from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from mgpu_lab.listening.group_calls import GroupCall

NS = 1e9


class Timeline:
    """Records one block of steps at a time; `record()` is that of the last block that ended."""

    def __init__(self, rank: int | None = None) -> None:
        self.rank = int(os.environ.get("RANK", "0")) if rank is None else rank
        self._record = RankTimeline(self.rank)
        self._running = False

    @contextmanager
    def __call__(self, steps: int = 1) -> Iterator[Self]:
        """Record the block; it holds so many steps, and times are given per step.

        The first step of all is not a usual one (memory is allocated, DDP builds its buckets anew): record a later
        one. An error in the block is the block's own, and nothing is recorded then.

        Raises:
            UsageError: steps is no whole number from 1 on, or a profiler is running already.
        """
        if not isinstance(steps, int) or steps < 1:
            raise UsageError(f"timeline(steps={steps!r}): give the number of steps that the block holds, 1 or more.")
        if self._running:
            raise UsageError("a timeline is being recorded already: end its block before you begin another.")
        self._record, self._running = RankTimeline(self.rank), True
        try:
            profiler, finish = profiler_here()
            calls, marks = Calls(), []
            with started(profiler), groups.listening(calls, python_only=True):
                finish()
                marks.append(mark(BEGIN))
                yield self
                finish()
                marks.append(mark(END))
            self._record = row_of(self.rank, steps, exported(profiler), calls.heard_ns, marks)
        finally:
            self._running = False

    def record(self) -> RankTimeline:
        """Return this rank's row; one of zeros where nothing was recorded."""
        return self._record

    def __repr__(self) -> str:
        return repr(RankTimeline.together([self._record]))


class Calls:
    """Notes the calls that Python makes, with their bytes."""

    follows_work: ClassVar[bool] = False

    def __init__(self) -> None:
        self.heard_ns: list[tuple[str, int, int]] = []

    def heard(self, call: GroupCall) -> None:
        """Note one call: its name, when, how many bytes."""
        self.heard_ns.append((call.name, time.time_ns(), call.bytes))


class Clock:
    """What the notebook asks to compare a rank's clock with its own."""

    def record(self) -> float:
        """Return the time, in seconds since 1970."""
        return time.time()


def profiler_here() -> tuple[Any, Callable[[], object]]:
    """Return torch's profiler, and what waits for this process's GPU, if it uses one."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it says on stderr when it starts and stops
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    return profile(activities=activities, record_shapes=True), torch.cuda.synchronize if on_gpu else lambda: None


@contextmanager
def started(profiler: Any) -> Iterator[None]:
    """Run the profiler while the block runs. Torch has one at a time: a second replaces the first, which then crashes.

    Seen with torch 2.13: two nested ones, and the process ends with SIGSEGV when the first is stopped.
    """
    import torch

    running: Callable[[], bool] = torch.autograd._profiler_enabled  # type: ignore[attr-defined]  # noqa: SLF001
    if running():
        raise UsageError("torch.profiler runs already, and there can be one at a time: end it before timeline().")
    profiler.start()
    try:
        yield
    finally:
        if not running():
            raise UsageError("a profiler was used in the block of timeline(), which needs torch's only one for itself.")
        profiler.stop()


def mark(name: str) -> tuple[int, int]:
    """Put a mark into the trace; return the times between which it was put."""
    from torch.profiler import record_function

    before_ns = time.time_ns()
    with record_function(name):
        pass
    return before_ns, time.time_ns()


def exported(profiler: Any) -> dict[str, Any]:
    """Return the profiler's trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        trace: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return trace


def row_of(
    rank: int,
    steps: int,
    trace: dict[str, Any],
    heard_ns: list[tuple[str, int, int]],
    marks: list[tuple[int, int]],
) -> RankTimeline:
    """Read a trace: where the time went, and how far the trace's clock may be from this process's."""
    base_ns = int(trace.get("baseTimeNanoseconds", 0))
    events = events_of(trace)
    when = window(events)
    spans = spans_of(events, when)
    heard = [Heard(name, (at_ns - base_ns) / NS, size) for name, at_ns, size in heard_ns]
    collectives = collectives_of(events, heard, when)
    calls, sizes = summed(collectives)
    computing, exposed = spans.computing, spans.exposed
    parts = {**spans.compute, "communication": spans.communication, "exposed": exposed}
    return RankTimeline(
        rank,
        steps,
        spans.window_s / steps,
        length(computing) / steps,
        length(spans.communication) / steps,
        length(exposed) / steps,
        length(spans.idle) / steps,
        calls,
        sizes,
        collectives,
        {name: tuple(part) for name, part in parts.items()},
        spans.on_gpu,
        when[0] + base_ns / NS,
        clock_error_s(when, [((before - base_ns) / NS, (after - base_ns) / NS) for before, after in marks]),
        packed(trace, 1e6 * when[0]),
    )


def clock_error_s(when: tuple[float, float], marks: list[tuple[float, float]]) -> float:
    """Return how far the trace's clock may be from the process's: each mark lies between two looks at the latter."""
    return min(
        max(abs(at_s - before_s), abs(after_s - at_s)) for at_s, (before_s, after_s) in zip(when, marks, strict=True)
    )
