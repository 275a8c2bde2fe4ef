"""``Ranks``: N persistent processes joined to one process group, driven from Python."""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from mgpu_lab.engine.arguments import already_run, check_source, check_timeout, choose
from mgpu_lab.engine.asking import HELP_TIMEOUT_S, answers_of, ask_first, asked, pick
from mgpu_lab.engine.backends.local import local_backend
from mgpu_lab.engine.clocks import on_our_clock
from mgpu_lab.engine.journal import Lost, Step, pushed
from mgpu_lab.engine.member import Member
from mgpu_lab.engine.members import Members
from mgpu_lab.engine.rescue import Rescue
from mgpu_lab.engine.results import RunResult
from mgpu_lab.engine.run import CellRun, death_of
from mgpu_lab.engine.sampling import Sampling, Wishes
from mgpu_lab.engine.sentences import death_text, where_text
from mgpu_lab.wire import messages, transfer
from mgpu_lab.wire.errors import RanksError, UsageError
from mgpu_lab.wire.naming import named, tag_of, verb

MAX_PULL_BYTES = 256 * 2**20
NOTE_AFTER_S = 10.0
LOOK_S = 0.05


@dataclass(frozen=True)
class RankStatus:
    """One row of the status table. ``memory_bytes`` is the last figure heard; None before the first."""

    rank: int
    pid: int
    device: str
    state: str
    memory_bytes: int | None
    last_cell: int | None
    alive: bool = True


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
        self.device, count, self.choice = choose(n, device, lambda: local_backend().gpu_count())
        self.journal: list[Step] = []
        self.lost = Lost()
        self._busy = threading.Lock()
        self._cells = 0
        self._running: CellRun | None = None
        self._last_where = ""
        self._wishes = Wishes(weakref.WeakMethod(self._sample_every))  # no circle: ranks end with their last reference
        self._members: Members | None = Members(local_backend(), count, self.device)
        self._members.forget_output()
        weakref.finalize(self, Members.stop, self._members)

    # ---- life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the ranks."""
        self.stop()

    def __len__(self) -> int:
        """Return the world size."""
        return self.members.world_size

    def __repr__(self) -> str:
        """Say how many ranks there are and on what."""
        if self._members is None:
            return "<Ranks: stopped>"
        return f"<Ranks: {len(self)} on {self.device}, {'ok' if not self.members.gone() else 'incomplete'}>"

    @property
    def members(self) -> Members:
        """The processes behind the ranks; RanksError once they have been stopped."""
        if self._members is None:
            raise RanksError("no ranks run: start them with `%ranks start` or Ranks(2).")
        return self._members

    @property
    def stopped(self) -> bool:
        """Whether ``stop()`` has been called."""
        return self._members is None

    def stop(self) -> None:
        """End all rank processes. Harmless when they have ended."""
        if self._members is not None:
            members, self._members = self._members, None
            members.stop()

    def restart(self, on: Iterable[int] | None = None) -> None:
        """Start new processes for all ranks, or for those in ``on``; the others keep their variables."""
        with self._alone():
            members = self.members
            everyone, before = list(members), dict(members)
            ran = list(self.journal)
            chosen = pick(members, on, must_live=False)
            if chosen == everyone:
                self.journal.clear()
            elif missing := [rank for rank in members.gone() if rank not in chosen]:
                also = f"{named(missing)} {verb(missing, 'is', 'are')} gone too"
                raise RanksError(f"{also}: `%ranks restart --on {tag_of({*chosen, *missing})}`.")
            if members.backend.alive() or chosen != everyone:
                members.replace(chosen)
            else:  # what ranks are forked from has died, too: everything starts again
                self.stop()
                members = self._members = Members(local_backend(), members.world_size, members.device)
                weakref.finalize(self, Members.stop, members)
                self._sample_every(self._wishes.period_s)
            self._note_lost(before, ran)
            members.forget_output()

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
            ranks = pick(self.members, on)
            self._put_in_order()
            before = dict(self.members)
            self._cells += 1
            limit = self.timeout if timeout is None else timeout
            self._running = CellRun(self.members, ranks, limit, self.note_after_s)
            try:
                result = self._running.run(source, execution_count or self._cells, on_progress or (lambda _: None))
            finally:
                self._last_where, self._running = self._running.where, None
            self.journal.append(Step(source, None if on is None else tuple(ranks), failed=not result.ok))
            self._note_lost(before, self.journal)
            return result

    def interrupt(self) -> None:
        """Stop the cell that runs now, as the notebook's Stop button does; call it from another thread."""
        if (running := self._running) is not None:
            running.stop("interrupt() was called")

    def where(self) -> str:
        """Tell where each rank stands now, or stood when the last cell had to be ended; also while a cell runs."""
        members = self.members
        running = self._running.running() if self._running is not None else []
        if not running:
            gone = members.gone()
            idle = [rank for rank in members if rank not in gone]
            parts = [f"{named(idle)} {verb(idle, 'is', 'are')} idle"] if idle else []
            parts += [f"{named(gone)} {verb(gone, 'is', 'are')} gone"] if gone else []
            before = f" When the last cell was ended: {self._last_where}" if self._last_where else ""
            return "; ".join(parts) + "." + before
        rescue = Rescue(members)
        rescue.look(running)
        time.sleep(LOOK_S)
        rescue.hear()
        positions = {rank: rescue.position(rank) for rank in running}
        return where_text(members, positions, filter(rescue.silent, running), (), members)

    # ---- values

    def pull(self, name: str, on: Iterable[int] | None = None, max_bytes: int = MAX_PULL_BYTES) -> list[Any]:
        """Return the value of ``name`` from each rank, in rank order.

        Tensors come as tensors in host memory, which imports torch into this process; pull ``x.item()`` or
        ``x.tolist()`` from a variable of that kind to stay without. Raises UsageError where a rank lacks the
        name or its value cannot travel.
        """
        with self._alone():
            answers = answers_of(self.members, pick(self.members, on), messages.Pull, name, max_bytes)
            return [transfer.unpack_pulled(answer, name) for answer in answers]

    def push(self, on: Iterable[int] | None = None, /, **values: Any) -> None:
        """Set variables on all ranks (or those in ``on``): ``ranks.push(lr=1e-3)``."""
        if not values:
            raise UsageError("nothing to push: give each value its name on the ranks, for example ranks.push(lr=lr).")
        with self._alone():
            ranks, payload = pick(self.members, on), transfer.pack_all(values)
            answers_of(self.members, ranks, messages.Push, payload)
            self.journal.append(pushed(values, None if on is None else tuple(ranks), len(payload)))

    def meter(self) -> Any:
        """Return what ``meter`` recorded on each rank in the last cell that used it, as a ``MeterResult``."""
        with self._alone():
            records = answers_of(self.members, pick(self.members, None), messages.Record, "meter")
            return records[0].together(records)

    def timeline(self) -> Any:
        """Return as a ``TimelineResult`` what the ranks recorded, each in its last block of ``timeline``.

        The ranks' clocks are compared with this process's, so that one rank's times can be read beside another's.
        """
        with self._alone():
            rows = on_our_clock(self.members, pick(self.members, None), "timeline")
            return rows[0].together(rows)

    def samples(self) -> dict[int, tuple[messages.Sample, ...]]:
        """Return the live samples of each rank's last minutes, oldest first; ``sampling()`` has them taken."""
        return {rank: tuple(member.samples) for rank, member in sorted(self.members.items())}

    def sampling(self, period_s: float) -> Sampling:
        """Have the ranks send live samples every ``period_s`` seconds until the returned object is closed.

        The object works as a context manager, too. Where several are open, the shortest period counts.
        """
        return self._wishes.add(period_s)

    # ---- state

    def status(self) -> list[RankStatus]:
        """Return rank, pid, device, state, memory and last cell of each rank."""
        return [self._status_of(member) for member in self.members.values()]

    def complete(self, code: str, cursor: int) -> tuple[int, int, list[tuple[str, str]]]:
        """Return completions from the names of the lowest living rank."""
        return self._ask_first(messages.Complete, code, cursor) or (cursor, cursor, [])

    def help(self, name: str, detail: int = 0) -> dict[str, Any]:
        """Return the help of ``name`` as the lowest living rank knows it, as a mime bundle."""
        return self._ask_first(messages.Inspect, name, detail) or {}

    def kinds(self, name: str) -> dict[int, str]:
        """Return the name of the type of variable ``name`` on each rank that has it, of those that answer at once."""
        if self._running is not None or self._members is None:
            return {}
        answers = asked(self._members, self._members.alive(), messages.Kind, name, timeout_s=HELP_TIMEOUT_S)
        return {rank: answer.value for rank, answer in sorted(answers.items()) if isinstance(answer.value, str)}

    def ever_ran(self) -> list[Step]:
        """Return the steps of all processes, also of those that are no more: what a restart loses."""
        return list(dict.fromkeys([*self.lost.steps(), *self.journal]))

    def suffice(self, n: int | None, device: str) -> str:
        """Say that these ranks are what ``n`` and ``device`` ask for; RanksError where they are not, or one is gone.

        Raises UsageError as ``Ranks(n, device)`` would.
        """
        wanted, count, _ = choose(n, device, lambda: local_backend().gpu_count())
        return already_run((self.device, len(self)), (wanted, count), self.members.gone())

    # ---- inside

    def _note_lost(self, before: dict[int, Member], steps: list[Step]) -> None:
        """Keep what had run on the ranks that have a new process."""
        self.lost.note([rank for rank, member in self.members.items() if before.get(rank) is not member], steps)

    def _status_of(self, member: Member) -> RankStatus:
        rank, process, running = member.rank, member.process, self._running
        memory_bytes = member.samples[-1].memory_bytes if member.samples else None
        state = "running" if running is not None and rank in running.running() else "idle"
        if not (alive := member.alive):
            state = f"gone: {death_text(death_of(member))}"
        return RankStatus(rank, process.pid, process.device_name, state, memory_bytes, member.last_cell, alive)

    def _sample_every(self, period_s: float) -> None:
        with contextlib.suppress(RanksError):
            self.members.set_sampling(period_s)

    def _ask_first(self, make: Callable[..., Any], *args: Any) -> Any:
        return None if self._running is not None else ask_first(self.members, make, *args)

    def _put_in_order(self) -> None:
        """Before a cell: join a new group where the old one was destroyed; replace ranks that can start better.

        Those are ranks without anything to lose that were forked before the template had imported everything: each
        would import for itself what the cell needs. On a GPU they hold a CUDA context, which takes longer to make.
        """
        members = self.members
        states = [member.group for member in members.values()]
        if not members.gone() and any(state is not None and not state.initialized for state in states):
            members.renew()
        elif not self.journal and self.device == "cpu" and not members.started_warm and members.backend.warm():
            members.replace(list(members))
        else:
            return
        members.forget_output()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise RanksError("the ranks are busy with another cell: wait for it, or press Stop.")
        try:
            yield
        finally:
            self._busy.release()


def prepare(wait_s: float = 0.0) -> bool:
    """Begin to import in the background what ranks will need; return whether all of it is there within ``wait_s``."""
    return local_backend().warm(wait_s)
