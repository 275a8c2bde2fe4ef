"""Live samples for several readers at once: the ranks take them as often as the most impatient one wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self


class Sampling:
    """One reader's wish for samples; it ends with ``close()`` or with its ``with`` block."""

    def __init__(self, period_s: float, wishes: Wishes) -> None:
        self.period_s = period_s
        self._wishes = wishes

    def close(self) -> None:
        """End the wish. Harmless the second time."""
        self._wishes.drop(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Wishes:
    """All readers' wishes. What ``apply`` returns is told the shortest period when it changes; 0: nobody reads.

    ``apply`` may be a weak reference, which returns None when there is nobody left to tell.
    """

    def __init__(self, apply: Callable[[], Callable[[float], None] | None]) -> None:
        self._apply = apply
        self._open: list[Sampling] = []

    @property
    def period_s(self) -> float:
        """The shortest period wanted; 0 for none."""
        return min((each.period_s for each in self._open), default=0.0)

    def add(self, period_s: float) -> Sampling:
        before, made = self.period_s, Sampling(period_s, self)
        self._open.append(made)
        self._tell(before)
        return made

    def drop(self, wish: Sampling) -> None:
        before = self.period_s
        if wish in self._open:
            self._open.remove(wish)
            self._tell(before)

    def _tell(self, before_s: float) -> None:
        if self.period_s != before_s and (apply := self._apply()) is not None:
            apply(self.period_s)
