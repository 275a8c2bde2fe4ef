"""The part of an error that a learner sees: frames from the cell on, and text that any front end can show."""

import os
from types import TracebackType

from mgpu_lab.wire.cells import is_cell_file

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - compared with frame file names
TEXT_KEPT = 4000


def own_frames(tb: TracebackType | None) -> list[TracebackType]:
    """Return the traceback's entries from the first frame of a cell on, without this package's own."""
    entries = []
    while tb is not None:
        entries.append(tb)
        tb = tb.tb_next
    first = next((i for i, e in enumerate(entries) if is_cell_file(e.tb_frame.f_code.co_filename)), len(entries))
    return [e for e in entries[first:] if not e.tb_frame.f_code.co_filename.startswith(PACKAGE)]


def chain(entries: list[TracebackType]) -> TracebackType | None:
    """Link traceback entries again, in this order."""
    link: TracebackType | None = None
    for entry in reversed(entries):
        link = type(entry)(link, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return link


def words(error: BaseException) -> str:
    """Return an error's message, also where its own code for that fails."""
    try:
        return str(error)
    except BaseException as failed:  # noqa: BLE001 - it is the learner's code; `raise self` in it is no reason to die
        return f"<no message: its __str__ raised {type(failed).__name__}>"


def presentable(text: str) -> str:
    """Return text that any front end can show: without lone surrogates, and cut in the middle where it is long."""
    if len(text) > TEXT_KEPT:
        text = f"{text[: TEXT_KEPT // 2]} [... {len(text) - TEXT_KEPT:,} characters cut ...] {text[-TEXT_KEPT // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
