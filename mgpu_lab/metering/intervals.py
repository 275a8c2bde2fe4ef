"""Spans of time as intervals (began, ended): their union, what lies inside others and what outside, their length."""

from collections.abc import Iterable

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return disjoint intervals in order that cover the same time.

    >>> union([(2, 4), (0, 1), (3, 5)])
    [(0, 1), (2, 5)]
    """
    merged: list[Interval] = []
    for began, ended in sorted(intervals):
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        elif ended > began:
            merged.append((began, ended))
    return merged


def outside(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """Return the parts of `intervals` that no other covers.

    >>> outside([(0, 10)], [(2, 3), (8, 12)])
    [(0, 2), (3, 8)]
    """
    left: list[Interval] = []
    holes, place = union(others), 0
    for began, ended in union(intervals):
        while place < len(holes) and holes[place][1] <= began:
            place += 1
        at, start = place, began
        while at < len(holes) and holes[at][0] < ended:
            if holes[at][0] > start:
                left.append((start, holes[at][0]))
            start = max(start, holes[at][1])
            at += 1
        if start < ended:
            left.append((start, ended))
    return left


def inside(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """Return the parts of `intervals` that others cover.

    >>> inside([(0, 10)], [(2, 3), (8, 12)])
    [(2, 3), (8, 10)]
    """
    whole = union(intervals)
    return outside(whole, outside(whole, others))


def clipped(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """Return what lies within the window, each interval by itself."""
    parts = [(max(began, window[0]), min(ended, window[1])) for began, ended in intervals]
    return [part for part in parts if part[1] > part[0]]


def length(intervals: Iterable[Interval]) -> float:
    """Return how much time the intervals cover; what several cover counts once.

    >>> length([(0, 2), (1, 3)])
    3
    """
    return sum(ended - began for began, ended in union(intervals))
