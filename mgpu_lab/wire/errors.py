"""The errors a learner can meet: what happened, on which rank, what to do next.

An error inside a cell is data (``engine.results.RankError``), carried by ``engine.results.CellError``.
"""


class LabError(Exception):
    """Base of every error this package raises on purpose. Shown as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Tell IPython what to show: the message alone, since it says what to do."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(LabError):
    """The call itself cannot be carried out: a wrong number, an unknown flag, a name that is not there."""


class RanksError(LabError):
    """The ranks are not in a state to do this: none run, one is gone, they are busy."""


class CollectiveMismatchError(LabError):
    """Ranks of one group make different calls; raised before the call, since gloo would end the process."""


class StaleGroupError(LabError):
    """An object is used that was made on a process group which has since been replaced."""
