"""The entries of a traceback: whose file each is, and a traceback of those that are wanted."""

import contextlib
import os
from collections.abc import Iterable
from types import TracebackType

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - compared with frame file names


def entries_of(tb: TracebackType | None) -> list[TracebackType]:
    """Return a traceback's entries, from the outermost call to the innermost."""
    entries = []
    while tb is not None:
        entries.append(tb)
        tb = tb.tb_next
    return entries


def without_package(entries: Iterable[TracebackType], part: str = "") -> list[TracebackType]:
    """Leave out the lines of this package, or of one ``part`` of it, and of the context managers that it enters."""
    kept, hidden = [], False
    for entry in entries:
        file = entry.tb_frame.f_code.co_filename
        hidden = file.startswith(PACKAGE + part) or (hidden and file == contextlib.__file__)
        if not hidden:
            kept.append(entry)
    return kept


def chain(entries: list[TracebackType]) -> TracebackType | None:
    """Link traceback entries again, in this order."""
    link: TracebackType | None = None
    for entry in reversed(entries):
        link = type(entry)(link, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return link
