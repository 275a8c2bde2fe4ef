"""Look after ranks that run a cell and get them out of it: ask where they stand, interrupt, release, kill.

When to do what is decided in ``decide``; how a rank cuts its own sockets is the rank's business.
"""

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mgpu_lab.engine.decide import Sight
from mgpu_lab.engine.member import Asked
from mgpu_lab.engine.members import Members
from mgpu_lab.wire import messages
from mgpu_lab.wire.messages import Position

IDLE_SHARE = 0.2  # below this share of a core a process makes no progress of its own
SILENT_S = 0.6
ANSWER_S = 0.3
Pairs = frozenset[tuple[str, str]]


@dataclass
class Watched:
    """One rank's main thread over time."""

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


@dataclass
class Rescue:
    """What is known of the ranks that run a cell, and what has been done to them."""

    members: Members
    watched: dict[int, Watched] = field(default_factory=dict)
    asked: dict[int, tuple[Asked, float]] = field(default_factory=dict)
    dumped: set[int] = field(default_factory=set)
    clocked: set[int] = field(default_factory=set)
    interrupted: set[int] = field(default_factory=set)
    released: dict[int, Position] = field(default_factory=dict)  # where each was waiting
    killed: set[int] = field(default_factory=set)

    # ---- look

    def look(self, ranks: Iterable[int]) -> None:
        """Ask where these ranks stand, unless an answer is still due."""
        self.hear()
        now = time.monotonic()
        free = [rank for rank in ranks if rank not in self.asked]
        asked = self.members.ask(free, messages.Where, wake=self.members.notify)
        self.asked |= dict.fromkeys(free, (asked, now))
        for rank in self.asked:
            if self.silent(rank) and rank not in self.dumped:
                self.dumped.add(rank)  # once: a signal cuts a C call's sleep short
                self.members[rank].process.dump_stack()

    def hear(self) -> None:
        for rank, (asked, _) in list(self.asked.items()):
            if rank in asked.pending:
                continue
            del self.asked[rank]
            if rank in asked.answers:
                self.watched.setdefault(rank, Watched()).update(asked.answers[rank].value, time.monotonic())

    def silent(self, rank: int) -> bool:
        """Whether not even the control thread has answered for a while: C code holds the interpreter."""
        asked, asked_s = self.asked.get(rank, (None, 0.0))
        return asked is not None and rank in asked.pending and time.monotonic() - asked_s > SILENT_S

    def sight(self, rank: int) -> Sight:
        watched, silent = self.watched.get(rank), self.silent(rank)
        starved = rank in self.clocked and self.members[rank].process.starved()
        unheard = Sight(silent=silent, starved=starved)
        if watched is None or watched.position is None:
            return unheard
        waiting, leaving = watched.position.waiting, watched.position.line is None and not silent
        return replace(unheard, heard=True, waiting=waiting, still_since_s=watched.since_s, leaving=leaving)

    def position(self, rank: int) -> Position | None:
        """Where a rank stands; None where it does not answer and its C code wrote no stack."""
        if not self.silent(rank):
            return self.watched[rank].position if rank in self.watched else None
        line = self.members[rank].process.stack_line()
        what = "C code that holds the interpreter"
        return None if line is None else Position(line, "", what, None, waiting=False, mark=(), cpu_s=0.0)

    # ---- act

    def interrupt(self, ranks: Iterable[int]) -> None:
        """Send Ctrl-C to the ranks and to the child processes of their cells."""
        for rank in ranks:
            self.interrupted.add(rank)
            self._begin_clock(rank)
            self.members[rank].process.signal(signal.SIGINT, children=True)

    def release(self, ranks: Iterable[int]) -> None:
        """Let ranks out of a blocked collective by cutting the group's own connections."""
        ranks = list(ranks)
        for rank in ranks:
            self._begin_clock(rank)
            position = self.watched[rank].position if rank in self.watched else None
            if position is not None and position.waiting:
                self.released.setdefault(rank, position)
        self.members.rendezvous.break_store()
        generation = self.members.generation
        answers = self.members.ask(self.members.alive(), messages.ListSockets, generation).wait(ANSWER_S)
        cut = mirrored({rank: answer.value for rank, answer in answers.items()})
        began = time.monotonic()
        for asked in [self.members.ask([r], messages.CutSockets, generation, cut.get(r, frozenset())) for r in ranks]:
            asked.wait(max(0.0, began + ANSWER_S - time.monotonic()))

    def kill(self, ranks: Iterable[int]) -> None:
        for rank in ranks:
            self.killed.add(rank)
            self.members[rank].process.signal(signal.SIGKILL, children=True)

    def _begin_clock(self, rank: int) -> None:
        self.clocked.add(rank)
        self.members[rank].process.begin_clock()


def mirrored(pairs: dict[int, Pairs]) -> dict[int, Pairs]:
    """Return for each rank those of its connections whose other end is in another rank of this set."""
    owner = {pair: rank for rank, held in pairs.items() for pair in held}
    return {
        rank: frozenset(pair for pair in held if owner.get((pair[1], pair[0]), rank) != rank)
        for rank, held in pairs.items()
    }
