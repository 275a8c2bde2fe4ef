"""Tracebacks of the notebook's own cells, without the checks' lines: an answer's error is to show the answer."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from mgpu_lab.wire.frames import chain, entries_of, without_package

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

CHECKS = "checks"


class OwnFrames:
    """Stands between IPython's tracebacks and their frames; an IPython without this place keeps its own."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.tracebacks: Any = getattr(shell, "InteractiveTB", None)

    def install(self) -> None:
        if hasattr(self.tracebacks, "get_records"):
            self.tracebacks.get_records = self.records

    def remove(self) -> None:
        if self.tracebacks is not None:
            vars(self.tracebacks).pop("get_records", None)

    def records(self, etb: TracebackType | None, *args: Any, **options: Any) -> Any:
        """Return IPython's frames of a traceback that is shortened first."""
        shown = chain(without_package(entries_of(etb), CHECKS))
        return type(self.tracebacks).get_records(self.tracebacks, shown or etb, *args, **options)
