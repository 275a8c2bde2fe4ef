"""Call an answer; where the call itself fails, say what the check called."""

from collections.abc import Callable
from typing import Any

from mgpu_lab.checks.core import Wrong

ENDLESS = "it calls itself without end"


def ask(answer: Callable[..., Any], *arguments: Any, shown: str, endless: str = ENDLESS) -> Any:
    """Return what the answer returns; Wrong where it does not take the arguments, or recurses without end.

    An error inside the answer stays its own, with a note of what was called. ``shown`` is the call as one would write
    it; ``endless`` says why such an answer recurses.
    """
    __tracebackhide__ = True
    try:
        return answer(*arguments)
    except RecursionError:
        raise Wrong(f"{shown} ended in a RecursionError: {endless}.") from None
    except TypeError as error:
        inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
        if not inside:
            raise Wrong(f"The check calls {shown}. Python says: {error}.") from None
        error.add_note(f"The check called {shown}.")
        raise
