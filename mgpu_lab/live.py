"""``watch()``: each rank's memory and throughput, live above or beside the cells, and a plain table at the end.

The thread here only reads what the ranks have sent and rewrites one widget; it never prints, and it starts
nothing on the ranks but their samples. Not covered: how a table looks (``live_table``).
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self

from mgpu_lab.errors import LabError, RanksError
from mgpu_lab.live_table import WatchTable, live_html, rank_rows

if TYPE_CHECKING:
    from mgpu_lab.ranks import Ranks

PERIOD_S = 0.25  # at most four updates a second
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


class Watch:
    """A live view of ranks. ``close()`` (or the end of a ``with`` block) leaves a plain table in its place."""

    def __init__(self, ranks: Ranks) -> None:
        """Show nothing yet."""
        from ipywidgets import HTML, Button, VBox

        self.ranks = ranks
        self.html = HTML()
        self.button = Button(description="Pause", tooltip="Stop taking samples, or go on", icon="")
        self.button.on_click(self.toggle)
        self.box = VBox([self.html, self.button])
        self.live: bool = False
        self.closed = threading.Event()
        self.handle: Any = None
        self.thread = threading.Thread(target=self._refresh, name="mgpu_lab-watch", daemon=True)

    # ---- life

    def show(self, *, replaceable: bool = True) -> Self:
        """Put the widget below the cell and begin."""
        from IPython.display import display

        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        bundle: dict[str, Any] = {WIDGET_MIME: view}
        if replaceable:
            table = self.table()
            bundle |= {"text/html": table._repr_html_(), "text/plain": repr(table)}
        self.handle = display(bundle, raw=True, display_id=True)
        self.resume()
        self.thread.start()
        return self

    def toggle(self, _: Any = None) -> None:
        """Answer the button."""
        if self.live:
            self.pause()
        else:
            self.resume()

    def pause(self) -> None:
        """Stop the samples: nothing is measured and nothing sent."""
        self.live, self.button.description = False, "Resume"
        with contextlib.suppress(LabError):
            self.ranks.sampling(0.0)

    def resume(self) -> None:
        """Begin the samples."""
        self.live, self.button.description = True, "Pause"
        with contextlib.suppress(LabError):
            self.ranks.sampling(PERIOD_S)

    def stop(self) -> WatchTable:
        """End the live view; return the last figures as a table."""
        if not self.closed.is_set():
            self.pause()
            self.closed.set()
            self.thread.join(2)
        table = self.table()
        self.box.close()
        self.html.close()
        self.button.close()
        return table

    def close(self) -> None:
        """End the live view and put a plain table in its place."""
        if self.closed.is_set():
            return
        table = self.stop()
        if self.handle is not None:
            self.handle.update(table)

    def __enter__(self) -> Self:
        """Show the live view."""
        return self.show()

    def __exit__(self, *_: object) -> None:
        """Leave the table."""
        self.close()

    # ---- content

    def table(self) -> WatchTable:
        """Return the newest figures."""
        try:
            members = self.ranks.workers.members.values()
        except RanksError:
            return WatchTable(())
        return WatchTable(tuple(rank_rows([(member.rank, list(member.samples)) for member in members])))

    def _refresh(self) -> None:
        while not self.closed.wait(PERIOD_S):
            if not self.live:
                continue
            with contextlib.suppress(Exception):  # a thread must not print; the next round tries again
                text = live_html(self.table())
                if text != self.html.value:
                    self.html.value = text


def watch(ranks: Ranks | None = None) -> Watch:
    """Return a live view of the ranks that ``%ranks start`` made (or of ``ranks``).

    As the last line of a cell it shows itself until ``close()``; ``with watch(): ...`` shows it during a block;
    ``%%ranks --watch`` during one cell. Raises RanksError where no ranks run.
    """
    if ranks is None:
        from IPython import get_ipython

        magics = getattr(get_ipython(), "_mgpu_lab_magics", None)
        if magics is None or magics.ranks is None:
            msg = "no ranks run: start them with `%ranks start`, then watch() them."
            raise RanksError(msg)
        ranks = magics.ranks
    return ShownWatch(ranks)


class ShownWatch(Watch):
    """A watch that shows itself when it is a cell's last value."""

    def _ipython_display_(self) -> None:
        if not self.thread.is_alive() and not self.closed.is_set():
            self.show()
