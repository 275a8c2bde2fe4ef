"""The errors a learner can meet: what happened, on which rank, what to do next.

Not covered: errors inside a cell; those are data (``results.RankError``), carried by ``CellError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgpu_lab.engine.results import RunResult


class LabError(Exception):
    """Base of every error this package raises on purpose. Shown as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Tell IPython what to show: the message alone, since it says what to do."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(LabError):
    """The call itself cannot be carried out: a wrong number, an unknown flag, a name that is not there."""


class RanksError(LabError):
    """The ranks are not in a state to do this: none run, one is gone, they are busy."""


class CellError(LabError):
    """A cell failed on one rank or more. ``result`` holds every rank's output and error."""

    def __init__(self, message: str, lines: list[str], result: RunResult) -> None:
        """Keep the short message for ``str(error)`` and the rendered lines for the notebook."""
        super().__init__(message)
        self.lines = lines
        self.result = result

    def _render_traceback_(self) -> list[str]:
        return self.lines


class CollectiveMismatchError(LabError):
    """Ranks of one group make different calls; raised before the call, since gloo would end the process."""


class StaleGroupError(LabError):
    """An object is used that was made on a process group which has since been replaced."""
