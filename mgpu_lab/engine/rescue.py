"""Get ranks out of a cell that will not end by itself: interrupt, release, kill. Each step only if needed.

Not covered: when to begin (``run``) and how a rank cuts its own sockets (``release``).
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mgpu_lab.engine import load
from mgpu_lab.rank import stacks
from mgpu_lab.wire import messages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from mgpu_lab.engine.members import Workers
    from mgpu_lab.wire.messages import Position

STUCK_S = 0.25
IDLE_SHARE = 0.2  # below this share of a core a process makes no progress of its own
ASK_S = 0.05
SILENT_S = 0.6
PATIENCE_S = 8.0  # the most that a rank is given which gets no processor
HOLDS_INTERPRETER = "C code that holds the interpreter"


@dataclass
class Sight:
    """What is known of one rank's main thread over time."""

    position: Position | None = None
    since_s: float = 0.0  # since when it has not moved
    cpu_s: float = 0.0  # processor time at that moment

    def update(self, position: Position, now_s: float) -> None:
        """Take in a new position; the clock starts again when the thread has moved or computed."""
        moved = self.position is None or position.mark != self.position.mark
        computed = position.cpu_s - self.cpu_s > IDLE_SHARE * max(now_s - self.since_s, 0.05)
        if moved or computed:
            self.since_s, self.cpu_s = now_s, position.cpu_s
        self.position = position

    def stuck_in_communication(self, now_s: float) -> bool:
        """Whether it has been waiting in communication, unmoved, for a while."""
        return self.position is not None and self.position.waiting and now_s - self.since_s >= STUCK_S


@dataclass
class Rescue:
    """The state of an attempt to end a cell on the ranks that still run it."""

    workers: Workers
    sights: dict[int, Sight] = field(default_factory=dict)
    asked: dict[int, tuple[Future[messages.Answer], float]] = field(default_factory=dict)
    asked_s: float = 0.0
    dumped: set[int] = field(default_factory=set)
    usage: dict[int, load.Usage | None] = field(default_factory=dict)
    interrupted: set[int] = field(default_factory=set)
    released: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)
    places: dict[int, Position] = field(default_factory=dict)

    def look(self, ranks: Iterable[int], every_s: float = ASK_S) -> None:
        """Ask where these ranks stand, at most every ``every_s``, and take in what has been answered."""
        now = time.monotonic()
        for rank, (future, _) in list(self.asked.items()):
            if future.done():
                del self.asked[rank]
                if future.exception() is None:
                    self.sights.setdefault(rank, Sight()).update(future.result().value, now)
        if now - self.asked_s < every_s:
            return
        self.asked_s = now
        for rank in ranks:
            if rank not in self.asked:
                self.asked[rank] = self.workers.ask(rank, messages.Where), now
            elif self.silent(rank) and rank not in self.dumped:
                self.dumped.add(rank)  # once: a signal cuts a C call's sleep short
                self.workers.members[rank].process.signal(stacks.NUMBER)

    def silent(self, rank: int) -> bool:
        """Whether not even the control thread has answered for a while: C code holds the interpreter."""
        future, asked_s = self.asked.get(rank, (None, 0.0))
        return future is not None and not future.done() and time.monotonic() - asked_s > SILENT_S

    def position(self, rank: int) -> Position | None:
        """Where a rank stands; None where it does not answer and its C code wrote no stack."""
        sight = self.sights.get(rank)
        if not self.silent(rank):
            return sight.position if sight is not None else None
        line = stacks.cell_line(str(self.workers.directory), rank)
        if line is None:
            return None
        return messages.Position(line, "", HOLDS_INTERPRETER, collective=None, waiting=False, mark=(), cpu_s=0.0)

    def all_stuck(self, ranks: Iterable[int]) -> bool:
        """Whether every one of these ranks waits in communication and none makes progress."""
        now = time.monotonic()
        return all(r in self.sights and self.sights[r].stuck_in_communication(now) for r in ranks)

    def interrupt(self, ranks: Iterable[int]) -> None:
        """Send Ctrl-C to the ranks and to the child processes of their cells."""
        for rank in ranks:
            self.interrupted.add(rank)
            self.begin_clock(rank)
            self.workers.members[rank].process.signal_group(signal.SIGINT)

    def release(self, ranks: list[int]) -> None:
        """Let ranks out of a blocked collective by cutting the group's own connections."""
        for rank in ranks:
            self.begin_clock(rank)
            position = self.sights[rank].position if rank in self.sights else None
            if position is not None and position.waiting:
                self.places[rank] = position
                self.released.add(rank)
        self.workers.break_store()
        answers = self.workers.ask_all(self.workers.alive(), messages.ListSockets, timeout_s=0.3)
        pairs = mirrored({rank: answer.value for rank, answer in answers.items()})
        self.workers.ask_all(ranks, messages.CutSockets, self.workers.generation, pairs, timeout_s=0.3)

    def begin_clock(self, rank: int) -> None:
        """Note how much processor time a rank has had when it was told to end."""
        self.usage[rank] = load.usage(self.workers.members[rank].process.pid)

    def overdue(self, ranks: Iterable[int], since_s: float, limit_s: float) -> list[int]:
        """List the ranks that had their time to end and used it for something else."""
        past_s = time.monotonic() - since_s
        if past_s < limit_s:
            return []
        patient = past_s < PATIENCE_S
        waited_for = [r for r in ranks if self.leaving(r) or (patient and self.starved(r))]
        return [r for r in ranks if r not in self.killed and r not in waited_for]

    def leaving(self, rank: int) -> bool:
        """Whether the main thread is out of the cell already, writing its error."""
        sight = self.sights.get(rank)
        if sight is None or sight.position is None or self.silent(rank):
            return False
        return sight.position.line is None

    def starved(self, rank: int) -> bool:
        """Whether the rank wants to run but gets no processor."""
        return load.starved(self.workers.members[rank].process.pid, self.usage.get(rank))

    def kill(self, ranks: Iterable[int]) -> None:
        """End processes that answered nothing else."""
        for rank in ranks:
            self.killed.add(rank)
            self.workers.members[rank].process.signal_group(signal.SIGKILL)


def mirrored(pairs: dict[int, frozenset[tuple[str, str]]]) -> frozenset[tuple[str, str]]:
    """Return the connections both ends of which are in different ranks of this set."""
    owner = {pair: rank for rank, held in pairs.items() for pair in held}
    return frozenset(pair for pair, rank in owner.items() if owner.get((pair[1], pair[0]), rank) != rank)
