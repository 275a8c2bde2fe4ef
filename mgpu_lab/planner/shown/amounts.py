"""Amounts as text: bytes of memory in 2**30, bytes on the wire in 1e9, seconds, dollars; None is "unknown"."""

from collections.abc import Sequence

UNKNOWN = "unknown"
MEMORY_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
WIRE_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
TIME_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
DAY_S = 86400.0
HALF = 0.005  # of a unit: less is 0.00


def memory_text(size_bytes: float | None, like_bytes: float | None = None) -> str:
    """Return bytes in GiB, MiB or KiB; in the unit that suits `like_bytes`, unless nothing would be left of them.

    >>> memory_text(3 << 29), memory_text(1 << 29, like_bytes=1 << 40), memory_text(1 << 20, like_bytes=1 << 40)
    ('1.50 GiB', '0.50 GiB', '1.00 MiB')
    >>> memory_text(None)
    'unknown'
    """
    if size_bytes is None:
        return UNKNOWN
    unit, one = _unit(MEMORY_UNITS, size_bytes if like_bytes is None else like_bytes)
    if 0 < size_bytes < HALF * one:
        unit, one = _unit(MEMORY_UNITS, size_bytes)
    return f"{size_bytes / one:,.2f} {unit}"


def wire_text(size_bytes: float) -> str:
    """Return bytes as a network counts them.

    >>> wire_text(16_060_522_496), wire_text(8)
    ('16.06 GB', '0.01 kB')
    """
    unit, one = _unit(WIRE_UNITS, size_bytes)
    return f"{size_bytes / one:,.2f} {unit}"


def time_text(time_s: float | None) -> str:
    """Return a time with about three digits.

    >>> time_text(2.5), time_text(0.0042), time_text(3e6), time_text(None)
    ('2.50 s', '4.20 ms', '34.7 days', 'unknown')
    >>> time_text(5400)
    '1.50 hours'
    """
    if time_s is None:
        return UNKNOWN
    if not time_s:
        return "0 s"
    if time_s >= 3 * DAY_S:
        return f"{time_s / DAY_S:,.1f} days"
    unit, one = ("hours", 3600.0) if time_s >= 3600 else _unit(TIME_UNITS, time_s)  # noqa: PLR2004
    return f"{_digits(time_s / one)} {unit}"


def rate_text(per_s: float | None) -> str:
    """Return tokens a second.

    >>> rate_text(12345.6), rate_text(3.14159), rate_text(None)
    ('12,346', '3.14', 'unknown')
    """
    return UNKNOWN if per_s is None else _digits(per_s)


def usd_text(usd: float | None) -> str:
    """Return dollars; cents where they matter.

    >>> usd_text(12345.6), usd_text(0.0123), usd_text(None)
    ('12,346 USD', '0.0123 USD', 'unknown')
    """
    if usd is None:
        return UNKNOWN
    return f"{usd:,.0f} USD" if usd >= 100 else f"{usd:,.2f} USD" if usd >= 0.1 else f"{usd:.3g} USD"  # noqa: PLR2004


def count_text(number: float) -> str:
    """Return a large count of tokens as one says it.

    >>> count_text(1e9), count_text(2.5e12), count_text(300)
    ('1 billion', '2.5 trillion', '300')
    """
    for word, one in (("trillion", 1e12), ("billion", 1e9), ("million", 1e6)):
        if number >= one:
            return f"{number / one:,g} {word}"
    return f"{number:,g}"


def fits_text(fits: bool | None) -> str:  # noqa: FBT001 - a verdict, not a switch
    """Return "yes", "no" or "unknown"."""
    return UNKNOWN if fits is None else "yes" if fits else "no"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:,.1f}" if number >= 10 else f"{number:,.2f}"  # noqa: PLR2004


def _unit(units: Sequence[tuple[str, float]], amount: float) -> tuple[str, float]:
    return next(((unit, one) for unit, one in units if abs(amount) >= one), units[-1])
