"""Print a guess beside a measurement: columns of numbers, with a dash where nothing was guessed.

>>> print(columns(["stage", "you", "bytes"], [(0, ..., 16.0), (1, 10, 9.0)]))
stage  you  bytes
    0    -  16.00
    1   10   9.00
"""

from collections.abc import Iterable, Sequence
from typing import Any


def columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return lines of text: the names, and under each its numbers, aligned to the right; fractions with two digits."""
    lines = [list(names), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    texts = ("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(text.rstrip() for text in texts)


def shown(value: Any) -> str:
    """Return a value as it is printed.

    >>> shown(...), shown(1.5), shown(3), shown("early in backward")
    ('-', '1.50', '3', 'early in backward')
    """
    if value is ...:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
