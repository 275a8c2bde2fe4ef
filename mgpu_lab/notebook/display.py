"""How a cell's output looks: a live view while it runs, and at the end plain outputs in rank order.

The live view is a widget, so that what is saved, printed or compared is only the plain end result: text
streams tagged ``[0-1]``, each rank's rich displays, and one error.
"""

from __future__ import annotations

import html
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.display import display

from mgpu_lab.engine.output import CellOutput, cut_note
from mgpu_lab.engine.results import DIED, KILLED, RAISED, CellError, RankError, RankResult, RunResult, tag_lines
from mgpu_lab.engine.run import CellRun
from mgpu_lab.wire.naming import named, tag_of, verb
from mgpu_lab.wire.transfer import WIDGET_MIME

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

LIVE_AFTER_S = 0.1
LIVE_EVERY_S = 0.1
LIVE_LINES = 40
MISMATCH = "CollectiveMismatchError"
SHOWN_BYTES = 120 * 1024  # of text, as a saved notebook holds it
LINE_BYTES = 16  # what each line costs there beyond its text: tag, indent, quotes


class LiveView:
    """What the ranks print while the cell runs, and where they wait; gone when the cell has ended."""

    def __init__(self, shell: InteractiveShell, *, others: bool = False, silent: bool = False) -> None:
        """``silent``: show nothing, ever; ``others``: another live view is there and goes away with this one."""
        self.shell, self.others = shell, others
        self.silent = silent or not hasattr(shell, "kernel")
        self.widget: Any = None
        self.shown = ""
        self.next_s = 0.0

    def update(self, cell: CellRun) -> None:
        """Show the newest lines, at most ten times a second, from the moment there is something to show."""
        now = time.monotonic()
        if self.silent or now < self.next_s or now - cell.began_s < LIVE_AFTER_S:
            return
        text = live_text(cell.outputs(), cell.note)
        if text != self.shown:
            self.show(text)
            self.shown, self.next_s = text, now + LIVE_EVERY_S

    def show(self, text: str) -> None:
        """Put the text into the widget, which is created when there is first something to show."""
        from ipywidgets import HTML

        value = f'<pre aria-live="polite" style="line-height:1.3;margin:0;padding-left:5px">{html.escape(text)}</pre>'
        if self.widget is None:
            self.widget = HTML(value)
            view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
            self.shell.display_pub.publish({WIDGET_MIME: view})
        else:
            self.widget.value = value

    def close(self, *, more_follows: bool) -> None:
        """Take the view away: when the next output comes, so that nothing flickers, or now where none will."""
        if self.widget is not None or self.others:
            self.shell.display_pub.clear_output(wait=more_follows)
        if self.widget is not None:
            self.widget.close()
            self.widget = None


def live_text(outputs: dict[int, CellOutput], note: str) -> str:
    """Return the newest lines of all ranks, tagged, and the note."""
    each = max(3, LIVE_LINES // max(1, len(outputs)))
    groups: dict[str, list[int]] = {}
    for rank, output in outputs.items():
        if text := output.last_lines(each):
            groups.setdefault(text, []).append(rank)
    lines = [line for text, ranks in groups.items() for line in tag_lines(text, tag_of(ranks))]
    return "\n".join(lines + ([note] if note else []))


def show_result(shell: InteractiveShell, result: RunResult, table: Any = None, hints: Sequence[str] = ()) -> None:
    """Show all output in rank order, what is identical once, and ``table``; raise one CellError if a rank failed.

    ``hints`` stand below the errors.
    """
    groups = result.merged()
    room = fair_share([saved_bytes(text) for ranks in groups for text in texts_of(ranks[0])], SHOWN_BYTES)
    if len(groups) > 1 and all(isinstance(item, str) for ranks in groups for item in ranks[0].items):
        show_texts([(ranks[0].stdout, tags(ranks)) for ranks in groups], room, sys.stdout)
        show_texts([(ranks[0].stderr, tags(ranks)) for ranks in groups], room, sys.stderr)
    else:
        for ranks in groups:
            show_rank(shell, ranks[0], tag_of(tags(ranks)), room)
    if table is not None:
        display(table)
    if not result.ok:
        raise cell_error(result, hints)
    for note in result.notes:
        print(note, file=sys.stderr)


def tags(ranks: list[RankResult]) -> list[int]:
    return [each.rank for each in ranks]


def show_texts(texts: list[tuple[str, list[int]]], room: int, stream: Any) -> None:
    """Show the ranks' lines: those with which all begin, and with which all end, once for all."""
    lines = [clip(text, room).rstrip("\n").split("\n") if text.strip("\n") else [] for text, _ in texts]
    everyone = tag_of([rank for _, ranks in texts for rank in ranks])
    shortest = min(map(len, lines))
    head = next((i for i in range(shortest) if len({each[i] for each in lines}) > 1), shortest)
    rest = range(1, shortest - head + 1)
    tail = next((i - 1 for i in rest if len({each[-i] for each in lines}) > 1), shortest - head)
    print_tagged("\n".join(lines[0][:head]), everyone, stream)
    for each, (_, ranks) in zip(lines, texts, strict=True):
        print_tagged("\n".join(each[head : len(each) - tail]), tag_of(ranks), stream)
    print_tagged("\n".join(lines[0][len(lines[0]) - tail :]), everyone, stream)


def show_rank(shell: InteractiveShell, result: RankResult, tag: str, room: int) -> None:
    for item in result.items:
        if isinstance(item, str):
            print_tagged(clip(item, room), tag, sys.stdout)
        elif list(item.data) == ["text/plain"]:
            print_tagged(clip(str(item.data["text/plain"]), room), tag, sys.stdout)
        else:
            print(f"[{tag}]:", flush=True)
            shell.display_pub.publish(item.data, item.metadata)
    print_tagged(clip(result.stderr, room), tag, sys.stderr)


def print_tagged(text: str, tag: str, stream: Any) -> None:
    if lines := tag_lines(text, tag):
        print("\n".join(lines), file=stream, flush=True)


def texts_of(result: RankResult) -> list[str]:
    plain = [item if isinstance(item, str) else item.data.get("text/plain", "") for item in result.items]
    return [*map(str, plain), result.stderr]


def saved_bytes(text: str) -> int:
    """Return how many bytes a text takes in a saved notebook."""
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) + LINE_BYTES * text.count("\n")


def fair_share(sizes: list[int], total: int) -> int:
    """Return how much of ``total`` each may have at most: short ones leave their rest to the long ones."""
    left = total
    for done, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - done)
        if size > share:
            return share
        left -= size
    return total


def clip(text: str, room: int) -> str:
    """Keep head and tail of a long text, so that a saved notebook stays small."""
    if saved_bytes(text) <= room:
        return text
    half = max(64, room // 2)
    head, tail = text[:half], text[-half:]
    while (size := saved_bytes(head)) > half:
        head = head[: len(head) * half // size]
    while (size := saved_bytes(tail)) > half:
        tail = tail[len(tail) - len(tail) * half // size :]
    cut = text[len(head) : len(text) - len(tail)]
    return f"{head}\n{cut_note(len(cut.encode(errors='replace')))}\n{tail}"


def cell_error(result: RunResult, hints: Sequence[str] = ()) -> CellError:
    """Merge the ranks' errors into one: the causes with their tracebacks, then what became of the others."""
    groups: dict[Any, list[RankError]] = {}
    for error in result.errors:
        if error.kind in (RAISED, DIED, KILLED):
            # a mismatch is one event, told by each rank as far as it saw it
            rest = () if error.ename == MISMATCH else (error.evalue, error.traceback)
            groups.setdefault((error.ename, *rest), []).append(error)
    lines: list[str] = []
    for errors in groups.values():
        lines += error_lines(errors)
    causes = next(iter(groups.values())) if groups else list(result.errors)
    told, ranks = max(causes, key=lambda error: len(error.evalue)), [error.rank for error in causes]
    summary = f"{named(ranks)}: {told.ename}: {told.evalue}".rstrip(": ")
    if result.stop_reason and not groups:
        summary = f"{result.stop_reason}: {named(ranks)} {verb(ranks, 'was', 'were')} interrupted"
    return CellError(summary, [*lines, *hints, *result.notes], result)


def error_lines(errors: list[RankError]) -> list[str]:
    tag, first = tag_of([error.rank for error in errors]), max(errors, key=lambda error: len(error.evalue))
    if not first.traceback:
        return [f"[{tag}] {first.evalue}"]
    return [f"[{tag}] {named([e.rank for e in errors])} raised {first.ename}:", *first.traceback]
