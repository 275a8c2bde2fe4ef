"""What a planner's caller may give: words of a list, whole numbers, options of a name. What is wrong, a line says."""

import difflib
import math
from collections.abc import Collection, Iterable
from typing import Any

from mgpu_lab.wire.errors import UsageError

MOST = 10**12  # of any count: what is larger is a slip, and its product with others would overflow


def refuse_word(name: str, value: Any, choices: Collection[object], more: str = "") -> None:
    """Raise a UsageError unless `value` is one of `choices`; the message names the nearest, and says `more`."""
    if (value is None or isinstance(value, str)) and value in choices:
        return
    meant = None in choices and str(value).casefold() in ("none", "")
    hint = " Did you mean None?" if meant else did_you_mean(value, [each for each in choices if each is not None])
    raise UsageError(f"{name}={short(value)} is not one of {', '.join(map(repr, choices))}.{more}{hint}")


def refuse_count(name: str, value: Any) -> None:
    """Raise a UsageError unless `value` is a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name}={short(value)} must be a whole number, 1 or more.")
    if value > MOST:
        raise UsageError(f"{name} must be {MOST:,} at most.")


def refuse_amount(name: str, value: Any) -> None:
    """Raise a UsageError unless `value` is a finite number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UsageError(f"{name}={short(value)} must be a number, 0 or more.")


def refuse_rate(name: str, value: Any) -> None:
    """Raise a UsageError unless `value` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UsageError(f"{name}={short(value)} must be a number above 0.")


def refuse_share(name: str, value: Any) -> None:
    """Raise a UsageError unless `value` is a number above 0, 1 at most."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise UsageError(f"{name}={short(value)} is a share: above 0, 1 at most (92% is 0.92).")


def refuse_unknown(who: str, given: Iterable[Any], known: Collection[str], what: str = "option") -> None:
    """Raise a UsageError where an option is given that there is not; the message names those that there are."""
    if unknown := sorted(str(name) for name in given if name not in known):
        hint = did_you_mean(unknown[0], known, quoted=False)
        raise UsageError(f"{who} has no {what} {', '.join(unknown)}. There are {', '.join(known)}.{hint}")


def did_you_mean(given: Any, known: Iterable[Any], *, quoted: bool = True) -> str:
    """Return " Did you mean 'fsdp'?" for "FSDP"; "" where nothing is near. Initials are near: tp, tensor_parallel."""
    word = str(given).casefold().replace("-", "_")
    names = {str(each): each for each in known}
    near = [name for name in names if "".join(part[:1] for part in name.split("_")) == word]
    near = near or difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        return ""
    return f" Did you mean {names[near[0]]!r}?" if quoted else f" Did you mean {near[0]}?"


def short(value: Any) -> str:
    """Return a value as it is written, on one line and not too long."""
    text = " ".join(repr(value).split()) if not isinstance(value, int) or abs(value) < MOST else "a number so large"
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what one reads at a glance
