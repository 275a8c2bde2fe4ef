"""``Ranks``: N persistent processes joined to one process group, driven from Python.

Not covered: the magics (``magics``), what is shown (``display``).
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mgpu_lab.engine.arguments import check_source, check_timeout, choose, rank_numbers
from mgpu_lab.engine.members import Workers
from mgpu_lab.engine.rescue import Rescue
from mgpu_lab.engine.results import named, tag_of, verb
from mgpu_lab.engine.run import CellRun
from mgpu_lab.engine.sentences import death_text, note_text
from mgpu_lab.notebook.export import Step, pushed, write_script
from mgpu_lab.wire import messages, transfer
from mgpu_lab.wire.errors import RanksError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mgpu_lab.engine.inbox import Member
    from mgpu_lab.engine.results import RunResult

MAX_PULL_BYTES = 256 * 2**20
ANSWER_TIMEOUT_S = 60.0
NOTE_AFTER_S = 10.0


@dataclass(frozen=True)
class RankStatus:
    """One row of the status table. ``memory_bytes`` is the last figure heard; None before the first."""

    rank: int
    pid: int
    device: str
    state: str
    memory_bytes: int | None
    last_cell: int | None


class Ranks:
    """N ranks: real processes with torch.distributed initialised, kept between cells.

    Args:
        n: how many; None takes one per GPU where there are two or more, else 2.
        device: "cuda" (NCCL), "cpu" (gloo), or "auto".
        timeout: seconds after which a cell is stopped; None for never.

    ``note_after_s`` (10) is how long a cell may be silent before a note tells where each rank waits.

    Raises:
        UsageError: n or device cannot be had here.
        RanksError: the processes did not come up.

    >>> with Ranks(2) as ranks:  # doctest: +SKIP
    ...     ranks.run("x = rank + 1")
    ...     ranks.pull("x")
    [1, 2]
    """

    def __init__(self, n: int | None = None, device: str = "auto", timeout: float | None = None) -> None:
        """Start the ranks and wait until they have joined their process group."""
        check_timeout(timeout)
        self.timeout = timeout
        self.note_after_s = NOTE_AFTER_S
        self.device, count, self.choice = choose(n, device)
        self.journal: list[Step] = []
        self._busy = threading.Lock()
        self._cells = 0
        self._running: CellRun | None = None
        self._last_where = ""
        self._workers: Workers | None = Workers(count, self.device)
        weakref.finalize(self, Workers.stop, self._workers)

    # ---- life

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the ranks."""
        self.stop()

    def __len__(self) -> int:
        """Return the world size."""
        return self.workers.world_size

    def __repr__(self) -> str:
        """Say how many ranks there are and on what."""
        if self._workers is None:
            return "<Ranks: stopped>"
        return f"<Ranks: {len(self)} on {self.device}, {'ok' if not self.workers.gone() else 'incomplete'}>"

    @property
    def workers(self) -> Workers:
        """The processes behind the ranks; RanksError once they have been stopped."""
        if self._workers is None:
            msg = "no ranks run: start them with `%ranks start` or Ranks(2)."
            raise RanksError(msg)
        return self._workers

    def stop(self) -> None:
        """End all rank processes. Harmless when they have ended."""
        if self._workers is not None:
            workers, self._workers = self._workers, None
            workers.stop()

    def restart(self, on: Iterable[int] | None = None) -> None:
        """Start new processes for all ranks, or for those in ``on``; the others keep their variables."""
        with self._alone():
            workers = self.workers
            chosen = self._chosen(on, must_live=False)
            if chosen != list(workers.members):
                missing = [rank for rank in workers.gone() if rank not in chosen]
                if missing:
                    also = f"{named(missing)} {verb(missing, 'is', 'are')} gone too"
                    msg = f"{also}: `%ranks restart --on {tag_of(sorted({*chosen, *missing}))}`."
                    raise RanksError(msg)
                workers.replace(chosen)
                return
            self.journal.clear()
            try:
                workers.replace(list(workers.members))
            except RanksError:  # the template has died, too: a new one, with everything new
                if workers.template.alive():
                    raise
                self.stop()
                self._workers = Workers(workers.world_size, workers.device)

    # ---- cells

    def run(
        self,
        source: str,
        on: Iterable[int] | None = None,
        timeout: float | None = None,
        *,
        execution_count: int | None = None,
        on_progress: Callable[[CellRun], None] | None = None,
    ) -> RunResult:
        """Run a cell on all ranks (or those in ``on``) and return what came of it; raises nothing on cell errors.

        Raises:
            RanksError: a rank is gone, or another cell is running.
            UsageError: ``on`` names a rank that is not there.
        """
        check_timeout(timeout)
        check_source(source)
        with self._alone():
            ranks = self._chosen(on, must_live=True)
            self._mend_group()
            self._cells += 1
            limit = self.timeout if timeout is None else timeout
            self._running = CellRun(self.workers, ranks, limit, self.note_after_s)
            try:
                result = self._running.run(source, execution_count or self._cells, on_progress or (lambda _: None))
            finally:
                self._last_where, self._running = self._running.where, None
            self.journal.append(Step(source, None if on is None else tuple(ranks), failed=not result.ok))
            return result

    def interrupt(self) -> None:
        """Stop the cell that runs now, as the notebook's Stop button does; call it from another thread."""
        running = self._running
        if running is not None:
            running.stop_asked, running.stop_reason = True, "interrupt() was called"
            running.workers.inbox.notify()

    def where(self) -> str:
        """Tell where each rank stands now, or stood when the last cell had to be ended; also while a cell runs."""
        running = self._running.running() if self._running is not None else []
        if not running:
            gone = self.workers.gone()
            idle = [rank for rank in self.workers.members if rank not in gone]
            parts = [f"{named(idle)} {verb(idle, 'is', 'are')} idle"] if idle else []
            parts += [f"{named(gone)} {verb(gone, 'is', 'are')} gone"] if gone else []
            before = f" When the last cell was ended: {self._last_where}" if self._last_where else ""
            return "; ".join(parts) + "." + before
        rescue = Rescue(self.workers)
        rescue.look(running, 0)
        time.sleep(0.05)
        rescue.look(running)
        return note_text(list(self.workers.members), running, rescue)

    # ---- values

    def pull(self, name: str, on: Iterable[int] | None = None, max_bytes: int = MAX_PULL_BYTES) -> list[Any]:
        """Return the value of ``name`` from each rank, in rank order.

        Tensors come as tensors in host memory, which imports torch into this process; pull ``x.item()`` or
        ``x.tolist()`` from a variable of that kind to stay without. Raises UsageError where a rank lacks the
        name or its value cannot travel.
        """
        with self._alone():
            ranks = self._chosen(on, must_live=True)
            answers = self._answers(ranks, messages.Pull, name, max_bytes)
            return [transfer.unpack_pulled(answers[rank].value, name) for rank in ranks]

    def push(self, on: Iterable[int] | None = None, /, **values: Any) -> None:
        """Set variables on all ranks (or those in ``on``): ``ranks.push(lr=1e-3)``."""
        with self._alone():
            ranks, payload = self._chosen(on, must_live=True), transfer.pack_all(values)
            self._answers(ranks, messages.Push, payload)
            self.journal.append(pushed(values, None if on is None else tuple(ranks), len(payload)))

    def meter(self) -> Any:
        """Return what ``meter`` recorded on each rank in the last cell that used it, as a ``MeterResult``."""
        from mgpu_lab.metering.meter import MeterResult

        with self._alone():
            answers = self._answers(self._chosen(None, must_live=True), messages.Record)
            return MeterResult(tuple(answer.value for answer in answers.values()))

    def export(self, path: str, *, force: bool = False) -> str:
        """Write the cells run so far as a script for torchrun; UsageError where ``path`` exists, unless forced."""
        return write_script(path, self.journal, len(self), force=force)

    def sampling(self, period_s: float) -> None:
        """Have the ranks send live samples every ``period_s`` seconds; 0 ends them. ``watch()`` does this for you."""
        self.workers.set_sampling(period_s)

    # ---- state

    def status(self) -> list[RankStatus]:
        """Return rank, pid, device, state, memory and last cell of each rank."""
        workers = self.workers
        return [
            RankStatus(
                member.rank,
                member.process.pid,
                f"cuda:{member.rank}" if self.device == "cuda" else "cpu",
                self._state(member),
                member.samples[-1].memory_bytes if member.samples else None,
                member.last_cell,
            )
            for member in workers.members.values()
        ]

    def complete(self, code: str, cursor: int) -> tuple[int, int, list[tuple[str, str]]]:
        """Return completions from the names of the lowest living rank."""
        answer = self._ask_first(messages.Complete, code, cursor)
        return answer.value if answer is not None and answer.value else (cursor, cursor, [])

    def help(self, name: str, detail: int = 0) -> dict[str, Any]:
        """Return the help of ``name`` as the lowest living rank knows it, as a mime bundle."""
        answer = self._ask_first(messages.Inspect, name, detail)
        return answer.value if answer is not None and answer.value else {}

    # ---- inside

    def _state(self, member: Member) -> str:
        if not member.alive:
            return f"gone: {death_text(member)}"
        running = self._running
        return "running" if running is not None and member.rank in running.running() else "idle"

    def _ask_first(self, make: Callable[..., Any], *args: Any) -> messages.Answer | None:
        alive = self.workers.alive()
        if not alive or self._running is not None:
            return None
        return self._asked(alive[:1], make, *args, timeout_s=2.0).get(alive[0])

    def _asked(
        self, ranks: list[int], make: Callable[..., Any], *args: Any, timeout_s: float
    ) -> dict[int, messages.Answer]:
        """Ask; ranks that have not answered when time is up, or when Stop is pressed, are to give it up."""
        answers: dict[int, messages.Answer] = {}
        try:
            answers = self.workers.ask_all(ranks, make, *args, timeout_s=timeout_s)
        finally:
            for rank in ranks:
                if rank not in answers:
                    self.workers.members[rank].process.signal(signal.SIGINT)
        return answers

    def _answers(self, ranks: list[int], make: Callable[..., Any], *args: Any) -> dict[int, messages.Answer]:
        answers = self._asked(ranks, make, *args, timeout_s=ANSWER_TIMEOUT_S)
        missing = [rank for rank in ranks if rank not in answers]
        if missing:
            msg = f"{named(missing)} did not answer within {ANSWER_TIMEOUT_S:.0f} s, or died: see `%ranks status`."
            raise RanksError(msg)
        refusals: dict[str, list[int]] = {}
        for rank, answer in answers.items():
            if answer.failure is not None:
                refusals.setdefault(answer.failure.evalue, []).append(rank)
        if refusals:
            raise UsageError("; ".join(f"{named(who)}: {text}" for text, who in refusals.items()))
        return answers

    def _chosen(self, on: Iterable[int] | None, *, must_live: bool) -> list[int]:
        everyone = list(self.workers.members)
        chosen = everyone if on is None else rank_numbers(on)
        if not chosen:
            msg = "name at least one rank, for example on=[0]."
            raise UsageError(msg)
        absent = [rank for rank in chosen if rank not in everyone]
        if absent:
            msg = f"there is no {named(absent)}: {len(everyone)} ranks run, numbered 0 to {len(everyone) - 1}."
            raise UsageError(msg)
        gone = self.workers.gone()
        if must_live and (lost := [rank for rank in chosen if rank in gone]):
            left = f", or run on the others with `--on {tag_of(self.workers.alive())}`" if self.workers.alive() else ""
            msg = (
                f"{named(lost)} {verb(lost, 'is', 'are')} gone ({death_text(self.workers.members[lost[0]])}) "
                f"`%ranks restart` starts all ranks anew, `%ranks restart --on {tag_of(gone)}` only the missing{left}."
            )
            raise RanksError(msg)
        return chosen

    def _mend_group(self) -> None:
        workers = self.workers
        states = [member.group for member in workers.members.values()]
        if not workers.gone() and any(state is not None and not state.initialized for state in states):
            workers.renew()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            msg = "the ranks are busy with another cell: wait for it, or press Stop."
            raise RanksError(msg)
        try:
            yield
        finally:
            self._busy.release()
