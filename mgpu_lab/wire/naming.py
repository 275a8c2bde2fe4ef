"""Ranks in words: ``0,2-3`` for a tag, ``ranks 0, 2-3`` in a sentence, and the verb that goes with them."""

from collections.abc import Iterable, Sized


def tag_of(ranks: Iterable[int]) -> str:
    """Name ranks compactly: ``0``, ``0-3``, ``0,2-3``."""
    parts: list[list[int]] = []
    for rank in sorted(ranks):
        if parts and rank == parts[-1][1] + 1:
            parts[-1][1] = rank
        else:
            parts.append([rank, rank])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def named(ranks: Iterable[int]) -> str:
    """Name ranks in a sentence: ``rank 0`` or ``ranks 0, 2-3``."""
    ranks = list(ranks)
    return f"rank{'s' if len(ranks) > 1 else ''} {tag_of(ranks).replace(',', ', ')}"


def verb(ranks: Sized, one: str, many: str) -> str:
    return one if len(ranks) == 1 else many
