"""The queue of an open load: requests come when it was planned, whether or not the server is ready for them.

The serving loop looks at the clock once a turn. A turn is short beside a request's latency: what happens in it counts
as happening at its end, and who was in the system is counted at its middle.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mgpu_lab.course.serving.requests import Served

if TYPE_CHECKING:
    from mgpu_lab.course.serving.requests import Request

LOOK_AGAIN_S = 0.001


class OpenLoad:
    """Requests in order of arrival, and the time that the serving loop last looked: `now_s`, since the load began."""

    def __init__(self, requests: Sequence[Request], clock: Callable[[], float] = time.perf_counter) -> None:
        self.requests, self.waiting, self.served = requests, deque(requests), list[Served]()
        self.now_s, self.request_seconds = 0.0, 0.0
        self._clock, self._began = clock, clock()

    def clock_s(self) -> float:
        """Return the seconds since the load began, by this process's clock; where no request is there, wait 1 ms."""
        if self._in_system(self.now_s) == 0:
            time.sleep(LOOK_AGAIN_S)
        return self._clock() - self._began

    def look(self, now_s: float) -> None:
        """Set the time, and count who was waiting or running since the last look."""
        self.request_seconds += (now_s - self.now_s) * self._in_system((self.now_s + now_s) / 2)
        self.now_s = now_s

    def due(self) -> bool:
        """Whether a request waits that has arrived."""
        return bool(self.waiting) and self.waiting[0].arrives_s <= self.now_s

    def admit(self) -> Served:
        """Take the request that has waited longest out of the queue."""
        return Served(self.waiting.popleft(), admitted_s=self.now_s)

    def done(self, served: Served) -> None:
        """Stamp a request whose answer is complete."""
        served.done_s = self.now_s
        self.served.append(served)

    def report(self) -> tuple[list[Served], float]:
        """Return the requests served, and the counted numbers in the system times the seconds they held."""
        return self.served, self.request_seconds

    def _in_system(self, at_s: float) -> int:
        return sum(request.arrives_s <= at_s for request in self.requests) - len(self.served)
