"""Run one cell on ranks and see it through to its end, whatever becomes of it.

A rank that raised or died while all others wait in communication: the others are released at once. Stop and
``--timeout``: interrupt, then release, then kill. A rank that still computes is left alone.
Not covered: how the ranks are got out (``rescue``), how it is shown (``display``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mgpu_lab.engine.interrupts import HELD_BACK_S, noted
from mgpu_lab.engine.output import CellOutput
from mgpu_lab.engine.rescue import Rescue
from mgpu_lab.engine.results import DIED, INTERRUPTED, KILLED, RAISED, RELEASED, RankError, RunResult, rank_result
from mgpu_lab.engine.sentences import death_text, note_text, outcome_notes
from mgpu_lab.wire import messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from mgpu_lab.engine.members import Workers

TICK_S = 0.1
ALERT_TICK_S = 0.04
RELEASE_AFTER_STOP_S = 0.15
INTERRUPT_AGAIN_S = 0.5
KILL_AFTER_STOP_S = 1.2
KILL_SILENT_AFTER_STOP_S = 0.8
ECHO_S = 0.4
KILL_AFTER_RELEASE_S = 1.0
NOTE_EVERY_S = 1.0


class CellRun:
    """One cell on some ranks, from sending it to the last rank's answer."""

    def __init__(self, workers: Workers, ranks: list[int], timeout_s: float | None, note_after_s: float) -> None:
        """Nothing is sent yet."""
        self.workers, self.ranks = workers, ranks
        self.timeout_s, self.note_after_s = timeout_s, note_after_s
        self.rescue = Rescue(workers)
        self.futures: dict[int, Future[messages.Answer]] = {}
        self.outputs: dict[int, CellOutput] = {}
        self.failures: dict[int, messages.Failure] = {}
        self.states: dict[int, messages.GroupState] = {}
        self.ended: dict[int, float] = {}
        self.errors: dict[int, RankError] = {}
        self.stopped_s: float | None = None
        self.released_s: float | None = None
        self.settling_s: float | None = None
        self.stop_reason = ""
        self.stop_asked = self.interrupted_again = False
        self.note = ""
        self.where = ""  # where everybody stood when the cell had to be ended
        self.began_s = self.quiet_since_s = time.monotonic()
        self._printed = 0

    def run(self, source: str, execution_count: int, on_progress: Callable[[CellRun], None]) -> RunResult:
        """Send the cell, see it through, put the group in order, return what came of it."""
        with noted(self.on_stop):
            late = self.begin(source, execution_count)
            while self.running():
                self.workers.inbox.wait(ALERT_TICK_S if self.alert() else TICK_S)
                self.collect()
                self.supervise()
                on_progress(self)
            self.settling_s = time.monotonic()
            notes = self.settle()
            return self.result(notes, late)

    def on_stop(self) -> None:
        """Have the loop stop the cell; afterwards let the ranks be put in order, unless that takes too long."""
        if self.settling_s is not None and time.monotonic() - self.settling_s > HELD_BACK_S:
            raise KeyboardInterrupt
        self.stop_asked = True
        self.workers.inbox.notify()

    def begin(self, source: str, execution_count: int) -> dict[int, CellOutput]:
        """Send the cell to all ranks; return what they had printed since the last cell."""
        late = {}
        for rank in self.ranks:
            member = self.workers.members[rank]
            self.outputs[rank] = CellOutput()
            late[rank], member.output, member.last_cell = member.output, self.outputs[rank], execution_count
        for rank in self.ranks:
            self.futures[rank] = self.workers.ask(rank, messages.Execute, source, execution_count)
        return late

    # ---- while it runs

    def running(self) -> list[int]:
        """List the ranks that have not answered yet."""
        return [rank for rank in self.ranks if rank not in self.ended]

    def alert(self) -> bool:
        """Whether something is wrong, so that looking often pays."""
        return bool(self.failures or self.errors or self.stop_asked or self.leavers())

    def collect(self) -> None:
        """Take in the answers and deaths."""
        now = time.monotonic()
        for rank in self.running():
            future = self.futures[rank]
            if not future.done():
                continue
            self.ended[rank] = now
            if future.exception() is not None:
                self.bury(rank)
                continue
            answer = future.result()
            if answer.group is not None:
                self.states[rank] = answer.group
            if answer.failure is not None:
                self.failures[rank] = answer.failure
        printed = sum(output.total_bytes() for output in self.outputs.values())
        if printed != self._printed:
            self._printed, self.quiet_since_s, self.note = printed, now, ""

    def bury(self, rank: int) -> None:
        """Note that the process has ended; its exit code comes from the template, a moment later."""
        member = self.workers.members[rank]
        member.process.exited.wait(1)
        if rank in self.rescue.killed:
            self.errors[rank] = RankError(rank, "RankDied", "did not answer and was killed.", kind=KILLED)
        else:
            self.errors[rank] = RankError(rank, "RankDied", death_text(member), kind=DIED)

    def supervise(self) -> None:
        """Decide what has to be done now, if anything."""
        now, running = time.monotonic(), self.running()
        if not running:
            return
        if self.timeout_s is not None and self.stopped_s is None and now - self.began_s > self.timeout_s:
            self.stop_asked, self.stop_reason = True, f"--timeout {self.timeout_s:g} s has passed"
        if self.stop_asked:
            self.stop(now, running)
        elif self.failures or self.errors or self.leavers():
            self.rescue.look(running)
            if self.released_s is None and self.rescue.all_stuck(running):
                self.release(now, running)
        elif now - self.quiet_since_s >= self.note_after_s:
            self.rescue.look(running, NOTE_EVERY_S)
            self.note = self.where_text(running) if self.noteworthy(running) else ""
        if self.released_s is not None:
            self.rescue.kill(self.rescue.overdue(running, self.released_s, KILL_AFTER_RELEASE_S))

    def where_text(self, running: list[int]) -> str:
        """Tell where everybody is."""
        return note_text(self.ranks, running, self.rescue, [*self.failures, *self.errors])

    def echoes(self) -> list[int]:
        """List the ranks whose error is only the echo of our release, of another's death, or of one that left."""
        let_go = bool(self.leavers()) or any(error.kind == DIED for error in self.errors.values())
        return [r for r, f in self.failures.items() if f.in_communication and (let_go or r in self.rescue.released)]

    def leavers(self) -> list[int]:
        """List the ranks that ended the cell without a process group."""
        return [r for r in self.ended if r in self.states and not self.states[r].initialized]

    def noteworthy(self, running: list[int]) -> bool:
        """Whether silence means more than work: some ranks have finished, all wait, or one does not answer."""
        silent = any(self.rescue.silent(rank) for rank in running)
        if not all(rank in self.rescue.sights or self.rescue.silent(rank) for rank in running):
            return False  # not heard of everybody yet
        return len(running) < len(self.ranks) or silent or self.rescue.all_stuck(running)

    def stop(self, now: float, running: list[int]) -> None:
        """Interrupt; what does not end is released; what does not end even then is killed."""
        if self.stopped_s is None:
            self.stopped_s = now
            self.stop_reason = self.stop_reason or "Stop was pressed"
            self.rescue.look(running, 0)
            self.rescue.interrupt(running)
            return
        self.rescue.look(running)
        since = now - self.stopped_s
        if since > INTERRUPT_AGAIN_S and not self.interrupted_again:
            self.interrupted_again = True  # Python drops an interrupt that falls into a destructor
            self.rescue.interrupt(rank for rank in running if not self.rescue.leaving(rank))
        if since > RELEASE_AFTER_STOP_S and self.released_s is None and self.any_waiting(running):
            self.release(now, running)
        silent = [rank for rank in running if self.rescue.silent(rank)]
        self.rescue.kill(self.rescue.overdue(silent, self.stopped_s, KILL_SILENT_AFTER_STOP_S))
        if not silent:  # the death of a silent rank lets the others go: they get a moment more
            limit_s = KILL_AFTER_STOP_S + (ECHO_S if self.rescue.killed else 0)
            self.rescue.kill(self.rescue.overdue(running, self.stopped_s, limit_s))

    def any_waiting(self, running: list[int]) -> bool:
        """Whether some rank is still in communication after the interrupt."""
        sights = [self.rescue.sights.get(rank) for rank in running]
        return any(s is not None and s.position is not None and s.position.waiting for s in sights)

    def release(self, now: float, running: list[int]) -> None:
        """Let the waiting ranks go."""
        self.released_s = now
        self.where = self.where_text(running)
        self.rescue.release(running)

    # ---- afterwards

    def settle(self) -> tuple[str, ...]:
        """Bring the group back into a usable state; return notes on what was done."""
        workers, killed = self.workers, sorted(self.rescue.killed)
        died = [rank for rank in workers.gone() if rank not in killed]
        uneven = uneven_calls(workers)
        if killed:
            workers.replace(killed + died)
        elif not died and (self.rescue.released or uneven):
            workers.renew()
        return outcome_notes(self, died, uneven)

    def result(self, notes: tuple[str, ...], late: dict[int, CellOutput]) -> RunResult:
        """Put everything together."""
        ranks = {}
        for rank in self.ranks:
            error = self.errors.get(rank) or self.error_of(rank)
            ranks[rank] = rank_result(rank, self.outputs[rank], error)
            member = self.workers.members[rank]
            if member.output is self.outputs[rank]:
                member.output = CellOutput()  # what comes from now on is late
        for rank, output in late.items():
            text = output.last_lines(20)
            if text:
                notes = (f"rank {rank} printed after its last cell had ended:\n{text}", *notes)
        return RunResult(ranks, notes, time.monotonic() - self.began_s)

    def error_of(self, rank: int) -> RankError | None:
        """Turn a failure into an error, telling the cell's own from those that our rescue caused."""
        failure = self.failures.get(rank)
        if failure is None:
            return None
        kind = RELEASED if rank in self.echoes() else INTERRUPTED if rank in self.rescue.interrupted else RAISED
        return RankError(rank, failure.ename, failure.evalue, failure.traceback, failure.line, kind)


def uneven_calls(workers: Workers) -> str:
    """Say where ranks have made different numbers of calls on one group, or have left it; empty if nowhere."""
    states = {r: m.group for r, m in workers.members.items() if m.alive and m.group is not None}
    if any(not state.initialized for state in states.values()):
        return "left"
    for name in {name for state in states.values() for name, _ in state.calls}:
        counts = {r: dict(s.calls)[name] for r, s in states.items() if name in dict(s.calls)}
        if len(set(counts.values())) > 1:
            return ", ".join(f"rank {rank} made {count}" for rank, count in counts.items())
    return ""
