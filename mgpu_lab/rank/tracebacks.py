"""The part of an error that a learner sees: frames from the cell on, and text that any front end can show."""

from types import TracebackType

from mgpu_lab.wire.cells import is_cell_file
from mgpu_lab.wire.frames import chain, entries_of, without_package

TEXT_KEPT = 4000


def own_frames(tb: TracebackType | None) -> list[TracebackType]:
    """Return the traceback's entries from the first frame of a cell on, without this package's own."""
    entries = entries_of(tb)
    first = next((i for i, e in enumerate(entries) if is_cell_file(e.tb_frame.f_code.co_filename)), len(entries))
    return without_package(entries[first:])


def hide_package(error: BaseException) -> None:
    """Take this package's frames out of the errors that led to ``error``; one that has no others is left out itself."""
    told, seen = error, {id(error)}
    while (earlier := told.__cause__ or (None if told.__suppress_context__ else told.__context__)) is not None:
        if id(earlier) in seen:
            return
        seen.add(id(earlier))
        entries = entries_of(earlier.__traceback__)
        kept = without_package(entries)
        if entries and not kept:
            told.__cause__, told.__context__ = earlier.__cause__, earlier.__context__
            told.__suppress_context__ = earlier.__suppress_context__
        else:
            told = earlier.with_traceback(chain(kept))


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
