"""A page of docs/ that a tool writes: write it, or say that it is not what would be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def settle(page: Path, text: str, arguments: Sequence[str], command: str) -> int:
    """Write `text`; with "--check" only compare. Return the exit status: 1 where the page is another one."""
    if "--check" not in arguments:
        page.write_text(text, encoding="utf-8")
        return 0
    if page.is_file() and page.read_text(encoding="utf-8") == text:
        return 0
    print(f"docs/{page.name} is not what the planner says now. Write it: {command}")
    return 1
