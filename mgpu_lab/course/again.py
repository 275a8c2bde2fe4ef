"""Run a notebook's marked cells once more, on new ranks.

>>> again = Again()  # doctest: +SKIP
>>> # from here on each cell that begins with "%%ranks" and "# again" is noted when it runs  # doctest: +SKIP
>>> again.run(ranks)  # doctest: +SKIP
3
"""

from __future__ import annotations

from typing import Any

MARK = "%%ranks\n# again"


class Again:
    """Notes the marked cells of this notebook as they run, in their order, each once."""

    def __init__(self) -> None:
        from IPython.core.getipython import get_ipython

        self.cells: list[str] = []
        get_ipython().events.register("pre_run_cell", self._note)  # type: ignore[union-attr]

    def _note(self, info: Any) -> None:
        if info.raw_cell.startswith(MARK) and info.raw_cell not in self.cells:
            self.cells.append(info.raw_cell)

    def run(self, ranks: Any) -> int:
        """Run the noted cells on these ranks and return their number; the first that fails raises its error."""
        for cell in self.cells:
            result = ranks.run(cell.removeprefix("%%ranks\n"))
            if not result.ok:
                raise RuntimeError(result)
        return len(self.cells)
