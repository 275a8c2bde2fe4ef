"""Runs on which lesson 06's check tries a loss scaler: which steps are bad, where, and how the scale goes."""

from __future__ import annotations

import math
from dataclasses import dataclass

TINY = 2.0**-26  # fp16 makes it zero, and keeps it when it is scaled


@dataclass(frozen=True)
class Bad:
    """What stands in which gradient, and where in it."""

    value: float
    weight: int
    place: int

    def __str__(self) -> str:
        """Say what and where.

        >>> str(Bad(math.inf, 2, 1))
        'an inf in gradient 2'
        """
        kind = "a nan" if math.isnan(self.value) else "an inf" if self.value > 0 else "a -inf"
        return f"{kind} in gradient {self.weight}"


@dataclass(frozen=True)
class Story:
    """A run: None is a step whose gradients are finite."""

    scale: float
    interval: int
    losses: int  # for each step
    steps: tuple[Bad | None, ...]
    optimizer: str = "SGD"
    size: float = TINY  # of the unscaled gradients
    fp16: bool = True  # gradients pass through fp16
    late: bool = False  # the last weight has no gradient in the first step


INF, NAN = math.inf, math.nan
STORIES = (
    Story(1024.0, 100, 1, (None, None)),
    Story(65536.0, 100, 1, (None, Bad(INF, 5, 4), None)),
    Story(4096.0, 100, 2, (Bad(NAN, 0, 0), None), "Adam"),
    Story(2.0**20, 2, 1, (Bad(-INF, 2, 3), Bad(INF, 1, 0), None, None, None, None, None)),
    Story(512.0, 3, 1, (None, None, Bad(NAN, 5, 0), None, None, Bad(INF, 3, 2), None, None, None, None)),
    Story(1000.0, 1, 3, (None, None, Bad(-INF, 4, 1), None), "Adam"),
    Story(128.0, 4, 1, (None,) * 9),
    Story(2048.0, 2, 1, (None, Bad(NAN, 1, 0), Bad(NAN, 2, 5), None, None, Bad(INF, 0, 2))),
    Story(8192.0, 4, 3, (None,) * 6),  # counts steps, not losses
    Story(1.0, 100, 1, (Bad(INF, 1, 0), Bad(NAN, 3, 2), None), size=2.0**-6),  # the scale falls below 1
    Story(2.0**-60, 100, 1, (None,), size=2.0**60),  # finite, and their squares are not
    Story(2.0, 100, 1, (None,), size=2.0**123, fp16=False),  # finite, and their sum is not
    Story(256.0, 100, 1, (None, None, Bad(INF, 5, 1)), late=True),
    Story(16.0, 2, 1, (None, None, None), size=0.0),  # gradients of zero are finite
)
