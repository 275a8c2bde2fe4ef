"""Where the time of a step went on this rank: compute, communication, the exposed part of it, idle. By torch.profiler.

>>> timeline = Timeline()  # doctest: +SKIP
>>> with timeline():  # doctest: +SKIP
...     loss_of(model, rows).backward()
...     optimizer.step()
>>> timeline.record().exposed_s  # doctest: +SKIP
0.0123

Nothing happens before the block begins, and nothing stays on after it. Within it each operator costs some microseconds
more (``benchmarks/profiling.py`` says how much slower a step is).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any, Self

from mgpu_lab.metering.collectives import Heard, collectives_of, summed
from mgpu_lab.metering.intervals import length
from mgpu_lab.metering.perfetto import packed
from mgpu_lab.metering.profiling import exported, give_memory_back, mark, parsed, profiler_here, started, uncollected
from mgpu_lab.metering.timeline_result import RankTimeline
from mgpu_lab.metering.trace import BEGIN, END, events_of, spans_of, window
from mgpu_lab.metering.underway import Calls, Noted, followed, settle
from mgpu_lab.wire.errors import UsageError

NS = 1e9


class Timeline:
    """Records one block of steps at a time; `record()` is that of the last block that ended."""

    def __init__(self, rank: int | None = None) -> None:
        self.rank = int(os.environ.get("RANK", "0")) if rank is None else rank
        self._record = RankTimeline(self.rank)
        self._block: tuple[FrameType, ExitStack] | None = None

    @contextmanager
    def __call__(self, steps: int = 1) -> Iterator[Self]:
        """Record the block; it holds so many steps, and times are given per step.

        The first step of all is not a usual one (memory is allocated, DDP builds its buckets anew): record a later
        one. An error in the block is the block's own, and nothing is recorded then.

        Raises:
            UsageError: steps is no whole number from 1 on, a profiler is running already, or a call that an earlier
                block began is not over.
        """
        if not isinstance(steps, int) or steps < 1:
            raise UsageError(f"timeline(steps={steps!r}): give the number of steps that the block holds, 1 or more.")
        if not self._given_up():
            raise UsageError("a timeline is being recorded already: end its block before you begin another.")
        self._record = RankTimeline(self.rank)
        settle()
        calls, marks = Calls(), []
        with ExitStack() as block:
            self._block = (sys._getframe(2), block)  # noqa: SLF001 - of who wrote `with timeline():`
            block.callback(setattr, self, "_block", None)
            block.callback(calls.end)
            profiler, finish = profiler_here()
            block.enter_context(started(profiler))
            block.enter_context(followed(calls))
            finish()
            marks.append(mark(BEGIN))
            yield self
            finish()
            marks.append(mark(END))
            calls.end()
        text = exported(profiler)
        del profiler, finish
        give_memory_back()
        with uncollected():
            self._record = row_of(self.rank, steps, parsed(text), calls.noted, marks)
        del text
        give_memory_back()

    def record(self) -> RankTimeline:
        """Return this rank's row; one of zeros where nothing was recorded."""
        self._given_up()
        return self._record

    def end_cell(self) -> None:
        """Close a block that Ctrl-C has left open: its profiler would slow down the cells to come."""
        self._given_up()

    def _given_up(self) -> bool:
        """Whether no block is open. One whose code has ended is closed here.

        A Ctrl-C that arrives while C++ waits is raised when the block's end is called, before it has done anything.
        """
        if self._block is not None:
            frame, block = self._block
            if is_executed(frame):
                return False
            with suppress(UsageError):  # that its profiler was ended by another
                block.close()
        return True

    def __repr__(self) -> str:
        return repr(RankTimeline.together([self._record]))


def is_executed(frame: FrameType) -> bool:
    """Whether any thread executes this frame, or what it has called."""
    for each in sys._current_frames().values():  # noqa: SLF001 - documented for exactly this
        at: FrameType | None = each
        while at is not None:
            if at is frame:
                return True
            at = at.f_back
    return False


class Clock:
    """What the notebook asks to compare a rank's clock with its own."""

    def record(self) -> float:
        """Return the time, in seconds since 1970."""
        return time.time()


def row_of(
    rank: int,
    steps: int,
    trace: dict[str, Any],
    noted: Sequence[Noted],
    marks: list[tuple[int, int]],
) -> RankTimeline:
    """Read a trace: where the time went, and how far the trace's clock may be from this process's."""
    base_ns = int(trace.get("baseTimeNanoseconds", 0))
    events = events_of(trace)
    when = window(events)
    heard = [Heard(n.name, (n.at_ns - base_ns) / NS, n.size_bytes, n.thread, n.is_over) for n in noted]
    collectives = collectives_of(events, heard, when)
    spans = spans_of(events, when, [(one.began_s, one.ended_s) for one in collectives if not one.is_over])
    calls, sizes = summed(collectives)
    computing, exposed = spans.computing, spans.exposed
    parts = {**spans.compute, "communication": spans.communication, "exposed": exposed}
    looks = [((before - base_ns) / NS, (after - base_ns) / NS) for before, after in marks]
    return RankTimeline(
        rank=rank,
        steps=steps,
        step_s=spans.window_s / steps,
        compute_s=length(computing) / steps,
        communication_s=length(spans.communication) / steps,
        exposed_s=length(exposed) / steps,
        idle_s=length(spans.idle) / steps,
        calls=calls,
        bytes=sizes,
        collectives=collectives,
        spans={name: tuple(part) for name, part in parts.items()},
        on_gpu=spans.on_gpu,
        began_at=when[0] + base_ns / NS,
        clock_error_s=clock_error_s(when, looks),
        trace=packed(trace, 1e6 * when[0]),
    )


def clock_error_s(when: tuple[float, float], marks: list[tuple[float, float]]) -> float:
    """Return how far the trace's clock may be from the process's: each mark lies between two looks at the latter."""
    return min(
        max(abs(at_s - before_s), abs(after_s - at_s)) for at_s, (before_s, after_s) in zip(when, marks, strict=True)
    )
