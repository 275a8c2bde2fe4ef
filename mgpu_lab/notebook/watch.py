"""``watch()``: each rank's memory and throughput, live above or beside the cells, and a plain table at the end.

The thread here only reads what the ranks have sent and rewrites one widget; it never prints, and it starts
nothing on the ranks but their samples.
"""

import contextlib
import threading
import time
from typing import Any, Self

from mgpu_lab.engine.ranks import Ranks
from mgpu_lab.engine.sampling import Sampling
from mgpu_lab.notebook.live_table import WatchTable, live_html, rank_rows
from mgpu_lab.wire.errors import RanksError
from mgpu_lab.wire.transfer import WIDGET_MIME

PERIOD_S = 0.25  # at most four updates a second
LAST_PERIOD_S = 0.001  # has a rank that waits for its next sample take it at once
LAST_PATIENCE_S = 0.5


class Watch:
    """A live view of ranks. ``close()`` (or the end of a ``with`` block) leaves a plain table in its place."""

    def __init__(self, ranks: Ranks) -> None:
        from ipywidgets import HTML, Button, VBox

        self.ranks = ranks
        self.newest = WatchTable(())
        self.html = HTML()
        self.button = Button(description="Pause", tooltip="Stop taking samples, or go on")
        self.button.on_click(self.toggle)
        self.box = VBox([self.html, self.button])
        self.sampling: Sampling | None = None  # open while the view is live
        self.closed = threading.Event()
        self.handles: list[Any] = []
        self.thread = threading.Thread(target=self._refresh, name="mgpu_lab-watch", daemon=True)

    # ---- life

    def show(self, *, replaceable: bool = True) -> Self:
        """Put the widget below the cell and begin; the second time, show the same view here, too."""
        from IPython.display import display

        if self.closed.is_set():
            raise RanksError("this view is closed: watch() makes a new one.")
        self.html.value = self._html()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        bundle: dict[str, Any] = {WIDGET_MIME: view}
        if replaceable:
            table = self.table()
            bundle |= {"text/html": table._repr_html_(), "text/plain": repr(table)}
        if (handle := display(bundle, raw=True, display_id=True)) is not None:  # outside a notebook there is none
            self.handles.append(handle)
        if not self.thread.is_alive():
            self.resume()
            self.thread.start()
        return self

    @property
    def live(self) -> bool:
        """Whether samples are taken for this view."""
        return self.sampling is not None

    def toggle(self, _: Any = None) -> None:
        if self.live:
            self.pause()
        else:
            self.resume()
        with contextlib.suppress(RuntimeError):  # ranks are being replaced at this moment
            self.html.value = self._html()

    def pause(self) -> None:
        """Stop the samples: nothing is measured and nothing sent, unless another view wants them."""
        sampling, self.sampling, self.button.description = self.sampling, None, "Resume"
        if sampling is not None:
            sampling.close()

    def resume(self) -> None:
        """Begin the samples."""
        self.button.description = "Pause"
        self.sampling = self.sampling or self.ranks.sampling(PERIOD_S)

    def stop(self) -> WatchTable:
        """End the live view; return the last figures as a table."""
        if not self.closed.is_set():
            self.closed.set()
            if self.thread.is_alive():
                self.thread.join(2)
            self._take_last()
            self.pause()
            self.newest = self.table()
            for widget in (self.box, self.html, self.button):
                widget.close()
        return self.newest

    def close(self) -> None:
        """End the live view and put a plain table in its place."""
        if not self.closed.is_set():
            table = self.stop()
            for handle in self.handles:
                handle.update(table)

    def __enter__(self) -> Self:
        """Show the live view."""
        return self.show()

    def __exit__(self, *_: object) -> None:
        """Leave the table."""
        self.close()

    # ---- content

    def table(self) -> WatchTable:
        """Return the newest figures; the last ones once the ranks have been stopped."""
        with contextlib.suppress(RanksError):
            gone = [each.rank for each in self.ranks.status() if not each.alive]
            self.newest = WatchTable(tuple(rank_rows(self.ranks.samples().items(), gone)))
        return self.newest

    def _html(self) -> str:
        return live_html(self.table(), paused=not self.live and self.thread.is_alive())

    def _refresh(self) -> None:
        while not self.closed.wait(PERIOD_S):
            if not self.live:
                continue
            with contextlib.suppress(Exception):  # a thread must not print; the next round tries again
                text = self._html()
                if self.live and text != self.html.value:
                    self.html.value = text

    def _take_last(self) -> None:
        """Have every rank that can take one more sample: a short cell may have seen none with its figures."""
        began_s = time.time()
        with contextlib.suppress(RanksError), self.ranks.sampling(LAST_PERIOD_S):
            alive = [each.rank for each in self.ranks.status() if each.alive]
            while time.time() < began_s + LAST_PATIENCE_S:
                samples = self.ranks.samples()
                if all(samples[rank] and samples[rank][-1].time_s >= began_s for rank in alive):
                    break
                time.sleep(0.005)


def watch(ranks: Ranks | None = None) -> Watch:
    """Return a live view of the ranks that ``%ranks start`` made (or of ``ranks``).

    As the last line of a cell it shows itself until ``close()``; ``with watch(): ...`` shows it during a block;
    ``%%ranks --watch`` during one cell. Raises RanksError where no ranks run.
    """
    if ranks is None:
        from IPython import get_ipython

        magics = getattr(get_ipython(), "_mgpu_lab_magics", None)
        if magics is None or magics.ranks is None:
            raise RanksError("no ranks run: start them with `%ranks start`, then watch() them.")
        ranks = magics.ranks
    return ShownWatch(ranks)


class ShownWatch(Watch):
    """A watch that shows itself when it is a cell's last value."""

    def _ipython_display_(self) -> None:
        if self.closed.is_set():
            print("This view is closed: watch() makes a new one.")
        else:
            self.show()
