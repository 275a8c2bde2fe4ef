"""Cells in tests are written as indented blocks."""

from collections.abc import Iterable
from textwrap import dedent
from typing import Any

import mgpu_lab


def cell(block: str) -> str:
    """The block's text as a cell has it: not indented, without empty lines around it."""
    return dedent(block).strip("\n ") if "\n" in block.strip() else block


class Ranks(mgpu_lab.Ranks):
    """Ranks that take a cell as a block."""

    def run(self, source: str, on: Iterable[int] | None = None, *args: Any, **options: Any) -> mgpu_lab.RunResult:
        return super().run(cell(source), on, *args, **options)
