"""Call an answer; where the call itself fails, say what the check called."""

import inspect
from collections.abc import Callable
from typing import Any

from mgpu_lab.checks.core import Wrong

ENDLESS = "it calls itself without end"


def ask(answer: Callable[..., Any], *arguments: Any, shown: str, endless: str = ENDLESS, **named: Any) -> Any:
    """Return what the answer returns; Wrong where it does not take the arguments, or recurses without end.

    An error inside the answer stays its own, with a note of what was called. ``shown`` is the call as one would write
    it; ``endless`` says why such an answer recurses.
    """
    __tracebackhide__ = True
    try:
        return answer(*arguments, **named)
    except RecursionError:
        raise Wrong(f"{shown} ended in a RecursionError: {endless}.") from None
    except TypeError as error:
        inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
        if not inside:
            raise Wrong(f"The check calls {shown}. Python says: {error}.") from None
        error.add_note(f"The check called {shown}.")
        raise


def asked(answer: Callable[..., Any], *arguments: Any, shown: str, **named: Any) -> tuple[Any, str | None]:
    """As ``ask``, but return the hint beside the result: for a rank that goes on where an answer is wrong."""
    __tracebackhide__ = True
    try:
        return ask(answer, *arguments, shown=shown, **named), None
    except Wrong as wrong:
        return None, str(wrong)


def must_take(answer: Callable[..., Any], shown: str, *arguments: Any, **named: Any) -> None:
    """Raise Wrong, before anything is called, where the answer's signature does not fit the call ``shown``."""
    try:
        inspect.signature(answer).bind(*arguments, **named)
    except TypeError as error:
        raise Wrong(f"The check calls {shown}, and yours does not take that: {error}.") from None
    except ValueError:  # a callable without a signature
        return
