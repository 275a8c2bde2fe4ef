"""Name the mistake behind a wrong answer: compare it with what the usual mistakes lead to."""

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mgpu_lab.checks.core import Wrong

T = TypeVar("T")
LONG_BITS = 100


def fitting(mistakes: Mapping[str, T], fits: Callable[[T], bool]) -> str | None:
    """Return the first hint whose wrong result is the one found.

    >>> fitting({"That is a letter.": str.isalpha, "That is a digit.": str.isdigit}, lambda is_it: is_it("7"))
    'That is a digit.'
    """
    return next((hint for hint, wrong in mistakes.items() if fits(wrong)), None)


def of_number(found: float, mistakes: Mapping[float, str], relative: float = 1e-6) -> str | None:
    """Return the hint of the first wrong number that is the one found."""
    return next((hint for wrong, hint in mistakes.items() if close(found, wrong, relative)), None)


def close(found: float, wanted: float, relative: float = 1e-6) -> bool:
    """Whether two numbers are equal but for rounding; false for nan."""
    return math.isclose(found, wanted, rel_tol=relative, abs_tol=1e-9)


def number_of(value: Any) -> float | None:
    """Return a number as a float, also numpy's and a tensor of one element; None for anything else.

    >>> number_of(2), number_of("2"), number_of(True)
    (2.0, None, None)
    """
    if isinstance(value, (str, bytes, bool)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # torch raises RuntimeError for several elements
        return None


def number_from(answer: Callable[..., Any], *case: Any, shown: str) -> float:
    """Call an answer that is to return a number; Wrong, with the case as ``shown``, where it is none."""
    returned = answer(*case)
    found = number_of(returned)
    if found is None:
        raise Wrong(f"The function must return a number; for {shown} it returned {returned!r}.")
    return found


def judge_number(  # noqa: PLR0913 - the question is one, and these are its parts
    found: Any,
    wanted: float,
    mistakes: Mapping[float, str],
    otherwise: str,
    *,
    relative: float,
    ask: str = "Answer with a number",
) -> None:
    """Raise Wrong where ``found`` is not ``wanted``, with the hint of the mistake behind it."""
    number = number_of(found)
    if number is None:
        raise Wrong(f"{ask}, not {found!r}.")
    if not close(number, wanted, relative):
        raise Wrong(of_number(number, mistakes, relative) or otherwise)


def brief(value: object) -> str:
    """Show a value shortly; of a huge whole number, which Python may refuse to print, the digits are counted.

    >>> brief(12), brief(10**5000)
    ('12', 'a number of about 5001 digits')
    """
    if isinstance(value, int) and value.bit_length() > LONG_BITS:
        return f"a number of about {int(value.bit_length() * math.log10(2)) + 1} digits"
    return reprlib.repr(value)
