"""Cells in tests stand as indented blocks."""

from textwrap import dedent


def cell(block: str) -> str:
    """The block's text as a cell has it: not indented, without empty lines around it."""
    return dedent(block).strip("\n ")
