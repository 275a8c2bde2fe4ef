"""Run one cell on ranks and see it through to its end, whatever becomes of it.

What to do is ``decide``'s word; here the facts are put together for it, and what it says is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mgpu_lab.engine import decide
from mgpu_lab.engine.interrupts import HELD_BACK_S, noted
from mgpu_lab.engine.member import Asked, Member
from mgpu_lab.engine.members import Members
from mgpu_lab.engine.output import CellOutput
from mgpu_lab.engine.rescue import Rescue
from mgpu_lab.engine.results import DIED, INTERRUPTED, KILLED, RAISED, RELEASED, RankError, RunResult, rank_result
from mgpu_lab.engine.sentences import (
    Death,
    Outcome,
    death_text,
    echo_place,
    note_text,
    outcome_notes,
    place,
    uneven_calls,
    where_text,
)
from mgpu_lab.wire import messages

LATE_LINES = 20
PRESSED_AGAIN_S = 0.15  # so soon after a press comes the next, where somebody presses again and again


class CellRun:
    """One cell on some ranks, from sending it to the last rank's answer.

    ``note`` says who waits where while nobody prints; ``where`` who stood where when the cell had to be ended.
    """

    def __init__(self, members: Members, ranks: list[int], timeout_s: float | None, note_after_s: float) -> None:
        self.members, self.ranks = members, ranks
        self.took_part: dict[int, Member] = {rank: members[rank] for rank in ranks}  # one that dies is replaced there
        self.rescue = Rescue(members)
        self.asked: Asked | None = None
        self.buried: dict[int, RankError] = {}
        self.note = self.where = self.stop_asked = self.stop_reason = ""
        self.settling_s: float | None = None
        self.presses: list[float] = []  # when Stop was pressed
        self.began_s = time.monotonic()
        self._printed = 0
        self._facts = decide.Facts(len(ranks), {}, self.began_s, timeout_s, note_after_s, self.began_s)

    def run(self, source: str, execution_count: int, on_progress: Callable[[CellRun], None]) -> RunResult:
        """Send the cell, see it through, put the group in order, return what came of it."""
        with noted(self.on_stop):
            late = {rank: member.take_output() for rank, member in self.took_part.items()}
            for member in self.took_part.values():
                member.last_cell = execution_count
            self.asked = self.members.ask(
                self.ranks, messages.Execute, source, execution_count, wake=self.members.notify
            )
            while (action := self.next_action()).kind != decide.DONE:
                self.members.wait_for_news(action.wait_s)
                on_progress(self)
            self.settling_s = time.monotonic()
            notes = self.settle()
            result = self.result(notes, late)
            self.outlast_presses()
            return result

    def outlast_presses(self) -> None:
        """Take in the last of many presses of Stop: one that comes as the cell ends would hit Jupyter's kernel instead.

        It then loses its answer to the front end, and the cell seems to run for ever (ipykernel 7.4).
        """
        while len(self.presses) > 1 and time.monotonic() - self.presses[-1] < PRESSED_AGAIN_S:
            time.sleep(PRESSED_AGAIN_S / 10)

    def on_stop(self) -> None:
        """Have the loop stop the cell; afterwards let the ranks be put in order, unless that takes too long."""
        self.presses.append(time.monotonic())
        if self.settling_s is not None and self.presses[-1] - self.settling_s > HELD_BACK_S:
            raise KeyboardInterrupt
        self.stop(decide.STOP_PRESSED)

    def stop(self, why: str) -> None:
        """Have the cell stopped; safe in a signal handler and from another thread."""
        self.stop_asked = why
        self.members.notify()

    def outputs(self) -> dict[int, CellOutput]:
        return {rank: member.output for rank, member in self.took_part.items()}

    def running(self) -> list[int]:
        """List the ranks that have neither answered nor been buried: one may die while another is."""
        asked = self.asked
        over = {*asked.answers, *self.buried} if asked is not None else set(self.ranks)
        return [rank for rank in self.ranks if rank not in over]

    # ---- while it runs

    def next_action(self) -> decide.Action:
        """Do what is due; return what is left: to wait, or nothing."""
        while True:
            self.collect()
            action = decide.decide(self.facts(), time.monotonic())
            if action.kind in (decide.WAIT, decide.DONE):
                return action
            self.perform(action)

    def collect(self) -> None:
        """Take in deaths, what was printed, and where the ranks stand."""
        for rank in list(self.asked.gone) if self.asked is not None else ():
            if rank not in self.buried:
                self.buried[rank] = self.bury(rank)
        self.rescue.hear()
        printed = sum(output.total_bytes() for output in self.outputs().values())
        if printed != self._printed:
            self._printed, self.note = printed, ""
            self.learn(quiet_since_s=time.monotonic())

    def bury(self, rank: int) -> RankError:
        """Say how the process ended; its parent reports that a moment after it has fallen silent."""
        self.took_part[rank].process.wait_ended(1)
        if rank in self.rescue.killed:
            return RankError(rank, "RankDied", "did not answer and was killed.", kind=KILLED)
        return RankError(rank, "RankDied", death_text(death_of(self.took_part[rank])), kind=DIED)

    def facts(self) -> decide.Facts:
        running = self.running()
        self.learn(
            sights={rank: self.rescue.sight(rank) for rank in running},
            trouble=bool(self.failures() or self.buried or self.leavers()),
            stop_asked=self.stop_asked,
            killed=frozenset(self.rescue.killed),
        )
        return self._facts

    def learn(self, **facts: Any) -> None:
        self._facts = replace(self._facts, **facts)

    def perform(self, action: decide.Action) -> None:
        now = time.monotonic()
        match action.kind:
            case decide.ATTEND:
                self.members.ask(action.ranks, messages.Attend)
                self.learn(attended=True)
            case decide.LOOK:
                self.rescue.look(action.ranks)
                self.learn(looked_s=now)
            case decide.NOTE:
                self.note = note_text(self.where_text()) if decide.noteworthy(self._facts, now) else ""
                self.learn(noted_s=now)
            case decide.INTERRUPT if self._facts.interrupted_s is None:
                self.stop_reason = action.why
                self.rescue.look(action.ranks)
                self.rescue.interrupt(action.ranks)
                self.learn(interrupted_s=now, looked_s=now)
            case decide.INTERRUPT:
                self.rescue.interrupt(action.ranks)
                self.learn(interrupted_again=True)
            case decide.RELEASE:
                self.where = self.where or self.where_text()
                self.rescue.release(action.ranks)
                released_s = now if self._facts.released_s is None else self._facts.released_s
                self.learn(released_s=released_s, cut_s=time.monotonic())
            case decide.KILL:
                self.rescue.kill(action.ranks)

    def where_text(self) -> str:
        running = self.running()
        positions = {rank: self.rescue.position(rank) for rank in running}
        silent = [rank for rank in running if self.rescue.silent(rank)]
        return where_text(self.ranks, positions, silent, {*self.failures(), *self.buried}, self.members)

    # ---- what came of it

    def failures(self) -> dict[int, messages.Failure]:
        answers = dict(self.asked.answers) if self.asked is not None else {}
        return {rank: answer.failure for rank, answer in answers.items() if answer.failure is not None}

    def leavers(self) -> list[int]:
        """List the ranks that ended the cell without a process group."""
        answers = dict(self.asked.answers) if self.asked is not None else {}
        left = [rank for rank, answer in answers.items() if answer.group is not None and not answer.group.initialized]
        return [rank for rank in left if rank not in self.rescue.released]  # NCCL's abort takes the group away

    def echoes(self) -> list[int]:
        """List the ranks whose error is only the echo of our release, of another's death, or of one that left."""
        let_go = bool(self.leavers()) or any(error.kind == DIED for error in self.buried.values())
        failures = self.failures().items()
        return [rank for rank, f in failures if f.in_communication and (let_go or rank in self.rescue.released)]

    def settle(self) -> tuple[str, ...]:
        """Bring the group back into a usable state; return notes on what was done."""
        members, killed = self.members, sorted(self.rescue.killed)
        died = [rank for rank in members.gone() if rank not in killed]
        uneven = uneven_calls({r: m.group for r, m in members.items() if m.alive and m.group is not None})
        stood = {rank: position for rank in killed if (position := self.rescue.position(rank)) is not None}
        if killed:
            members.replace(killed + died)
        elif not died and (self.rescue.released or uneven):
            members.renew()
        return outcome_notes(self.outcome(killed, died, stood, uneven))

    def outcome(self, killed: list[int], died: list[int], stood: dict[int, messages.Position], uneven: str) -> Outcome:
        echoes, leavers, failures = self.echoes(), self.leavers(), self.failures()
        waited = {rank: place(where) for rank, where in self.rescue.released.items() if rank not in killed}
        waited |= {rank: echo_place(failures[rank]) for rank in echoes if rank not in waited}
        return Outcome(
            everyone=tuple(sorted(self.members)),
            stop_reason=self.stop_reason,
            interrupted=tuple(self.rescue.interrupted),
            waited=waited,
            killed=tuple(killed),
            stood=stood,
            died=tuple(died),
            left=tuple(leavers) if echoes and len(leavers) < len(self.ranks) else (),
            released=bool(self.rescue.released),
            uneven=uneven,
            retired=self.members.retired,
        )

    def result(self, notes: tuple[str, ...], late: dict[int, CellOutput]) -> RunResult:
        ranks = {}
        for rank, member in self.took_part.items():
            error = self.buried.get(rank) or self.error_of(rank)
            ranks[rank] = rank_result(rank, member.take_output(), error)
        for rank, output in late.items():
            if text := output.last_lines(LATE_LINES):
                notes = (f"rank {rank} printed after its last cell had ended:\n{text}", *notes)
        return RunResult(ranks, notes, time.monotonic() - self.began_s, self.stop_reason)

    def error_of(self, rank: int) -> RankError | None:
        """Turn a failure into an error: the cell's own, or one that the rescue caused."""
        failure = self.failures().get(rank)
        if failure is None:
            return None
        kind = RELEASED if rank in self.echoes() else INTERRUPTED if rank in self.rescue.interrupted else RAISED
        why = failure.evalue or (self.stop_reason if kind == INTERRUPTED else "")
        return RankError(rank, failure.ename, why, failure.traceback, failure.line, kind)


def death_of(member: Member) -> Death:
    end = member.process.end()
    memory_bytes = member.samples[-1].memory_bytes if member.samples else None
    return Death(end.code, end.decided_here, memory_bytes, member.output.last_lines(3))
