"""Throughput of a training loop, inside a rank: how long steps take and how many items a second they handle.

`Meter.step` costs about a microsecond and takes no lock; a long record is thinned out, so memory stays
bounded. Times are the host's: on a GPU a step is counted when its work has been handed over, not when it is
done. Over many steps that makes no difference (the queue is short); for exact single steps call
`torch.cuda.synchronize()` before `step`.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mgpu_lab.metering.result import WARMUP_STEPS, MeterRecord

KEPT_STEPS = 4096  # beyond so many every second one is dropped, and from then on every second one skipped
RECENT_STEPS = 32  # a power of two


@dataclass(frozen=True)
class Latest:
    """The speed just now: items/s over the recent steps, the last step's seconds, steps so far."""

    items_per_s: float
    step_s: float
    steps: int
    unit: str


class Meter:
    """Count steps of a training loop.

    >>> meter = Meter()
    >>> for batch in ([1, 2], [3, 4]):
    ...     loss = sum(batch) / 10
    ...     meter.step(len(batch), unit="samples", loss=loss)
    >>> meter.record().metrics["loss"]
    (0.3, 0.7)
    """

    def __init__(self, rank: int | None = None) -> None:
        self.rank = int(os.environ.get("RANK", "0")) if rank is None else rank
        self._noted: dict[str, Any] = {}  # metrics of the step under way in a loop over batches
        self._start_over()

    def _start_over(self, mark_s: float | None = None) -> None:
        """Forget the record; the next step begins at `mark_s`."""
        self._stale = False  # whether the next step begins a new record
        self._mark_s = time.perf_counter() if mark_s is None else mark_s  # when the step under way began
        self._began_at = time.time() - (time.perf_counter() - self._mark_s)
        self._steps = 0
        self._unit = ""
        self._step_s = self._total_s = 0.0
        self._total_items: float = 0
        self._recent: list[tuple[float, float] | None] = [None] * RECENT_STEPS  # a ring: time and items so far
        self._first: list[tuple[float, float]] = []
        self._kept: list[tuple[int, float, float, dict[str, Any]]] = []
        self._stride = 1  # every so many steps one is kept

    def begin_cell(self) -> None:
        """Begin a new record with the next step; until then the old one stands."""
        self._stale = True
        self._mark_s = time.perf_counter()

    def step(self, items: float = 1, unit: str = "tokens", **metrics: Any) -> None:
        """Count one step, at its end: `meter.step(batch.numel(), loss=loss)`.

        `items` is what this rank handled, in `unit`. Metrics are numbers or tensors of one element; a
        tensor on a GPU is copied and read only when the record is asked for, so that this call does not
        wait for it.
        """
        now_s = time.perf_counter()
        if self._stale:
            self._start_over(self._mark_s)
        if type(items) is not int:
            items = float(items)
        step_s = now_s - self._mark_s
        self._mark_s = now_s
        number = self._steps
        self._steps = number + 1
        self._unit = unit
        self._step_s = step_s
        self._total_s += step_s
        self._total_items += items
        self._recent[number % RECENT_STEPS] = (now_s, self._total_items)
        if number < WARMUP_STEPS:
            self._first.append((step_s, items))
        if number % self._stride == 0:
            self._keep(number, step_s, items, metrics)

    def __call__(
        self, batches: Iterable[Any], unit: str = "samples", count: int | Callable[[Any], float] | None = None
    ) -> Iterator[Any]:
        """Count one step for each batch: `for batch in meter(loader, unit="tokens", count=torch.numel)`.

        `count` is the items in each batch, or a function of the batch; without it `len(batch)`, for a
        dictionary (of `input_ids`, `labels`, ...) that of its first value. Time between two loops does not
        count, nor does a step that is left with `break`.
        """
        items: Callable[[Any], float] = count if callable(count) else lambda batch: count or _length(batch)
        if self._stale:
            self._start_over()
        self._mark_s = time.perf_counter()
        for batch in batches:
            self._noted = {}
            yield batch
            self.step(items(batch), unit, **self._noted)

    def note(self, **metrics: Any) -> None:
        """Add metrics to the step under way in `for batch in meter(...)`: `meter.note(loss=loss)`."""
        self._noted.update(metrics)

    def latest(self) -> Latest | None:
        """Return the speed just now, from any thread; None before the first step."""
        steps, recent = self._steps, sorted(one for one in list(self._recent) if one is not None)
        if self._stale or not recent:
            return None
        (first_s, first_items), (last_s, last_items) = recent[0], recent[-1]
        spans = max(1, len(recent) - 1)
        waited_s = time.perf_counter() - last_s  # a step that takes much longer than usual slows the rate down
        span_s = last_s - first_s + (waited_s if waited_s > 2 * (last_s - first_s) / spans else 0.0)
        rate = (last_items - first_items) / span_s if len(recent) > 1 and span_s else 0.0
        return Latest(rate, self._step_s, steps, self._unit)

    def record(self) -> MeterRecord:
        """Return the record of the last cell that took steps; reads metrics back from a GPU."""
        kept = list(self._kept)
        names = list(dict.fromkeys(name for *_, metrics in kept for name in metrics))
        return MeterRecord(
            rank=self.rank,
            unit=self._unit,
            steps=self._steps,
            total_items=self._total_items,
            total_s=self._total_s,
            first=tuple(self._first),
            numbers=tuple(number for number, *_ in kept),
            step_s=tuple(step_s for _, step_s, *_ in kept),
            items=tuple(items for _, _, items, _ in kept),
            metrics={name: tuple(_number(one.get(name)) for *_, one in kept) for name in names},
            began_at=self._began_at,
        )

    def _keep(self, number: int, step_s: float, items: float, metrics: dict[str, Any]) -> None:
        """Keep a step; where there are too many, drop every second one."""
        for name, value in metrics.items():
            if type(value) is not float:
                metrics[name] = _released(value)
        self._kept.append((number, step_s, items, metrics))
        if len(self._kept) == KEPT_STEPS:
            self._kept = self._kept[::2]
            self._stride *= 2


def _length(batch: Any) -> int:
    return len(next(iter(batch.values()), ()) if isinstance(batch, Mapping) else batch)


def _released(value: Any) -> Any:
    """Turn a metric into a number; a tensor on a GPU into a copy that holds no graph."""
    if getattr(value, "is_cuda", False):
        return value.detach().clone()
    return float(value.detach() if hasattr(value, "detach") else value)


def _number(value: Any) -> float:
    """Read a metric; one that a step did not give is not a number."""
    return float("nan") if value is None else float(value)
