"""How far a rank's clock is ahead of this process's: measured by questions and answers, as NTP does it.

An answer was given between question and receipt. The quickest of several answers says most: the rank's clock was read
at the middle, give or take half of the way there and back. On one machine all processes read the same clock, and what
is measured stays within that error; then nothing is corrected.
"""

import time
from typing import Any

from mgpu_lab.engine.asking import answers_of
from mgpu_lab.engine.members import Members
from mgpu_lab.wire import messages

ASKED = 8  # times


def on_our_clock(members: Members, ranks: list[int], recorder: str) -> list[Any]:
    """Return what a recorder of these ranks has recorded, each record's times as this process's clock tells them."""
    records = answers_of(members, ranks, messages.Record, recorder)
    return [record.at(*ahead_of_us(members, rank)) for rank, record in zip(ranks, records, strict=True)]


def ahead_of_us(members: Members, rank: int) -> tuple[float, float]:
    """Return by how many seconds the rank's clock is ahead, and by how many that may be wrong."""
    return judged([asked_once(members, rank) for _ in range(ASKED)])


def asked_once(members: Members, rank: int) -> tuple[float, float, float]:
    """Return when the rank was asked, what its clock said, and when the answer was here."""
    before_s = time.time()
    [said_s] = answers_of(members, [rank], messages.Record, "clock")
    return before_s, said_s, time.time()


def judged(answers: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Judge by the quickest answer; a difference within its error is none, and then may add to the error.

    >>> judged([(10.0, 15.5, 11.0), (20.0, 20.25, 20.75)])
    (0.0, 0.5)
    >>> judged([(10.0, 15.5, 11.0)])
    (5.0, 0.5)
    """
    before_s, said_s, after_s = min(answers, key=lambda answer: answer[2] - answer[0])
    ahead_s, error_s = said_s - (before_s + after_s) / 2, (after_s - before_s) / 2
    return (ahead_s, error_s) if abs(ahead_s) > error_s else (0.0, error_s + abs(ahead_s))
