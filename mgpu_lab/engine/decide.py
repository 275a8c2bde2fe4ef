"""What to do next with a running cell: a pure function of what is known and of the time.

A rank that raised, died or left while all others wait in communication: the others are released. Stop and a timeout:
interrupt, then release, then kill, each only where the step before was not enough. A rank that computes is left alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

TICK_S, ALERT_TICK_S = 0.1, 0.04
ATTEND_AFTER_S = 0.1
LOOK_S, LOOK_PER_RANK_S, LOOK_AT_MOST_S = 0.05, 0.006, 0.25  # between two looks where something is wrong
NOTE_LOOK_S = 1.0
STUCK_S = 0.25
RELEASE_AFTER_STOP_S = 0.15
RELEASE_AGAIN_S = 0.3  # a rank that gets no processor may be late to say which connections it has
INTERRUPT_AGAIN_S = 0.5
KILL_SILENT_AFTER_STOP_S = 0.8
KILL_AFTER_STOP_S = 1.2
ECHO_S = 0.4  # more, once a silent rank has been killed: its death lets others go
KILL_AFTER_RELEASE_S = 1.0
LEAVING_S = 60.0  # the most that writing an error may take
PATIENCE_S = 8.0  # how long at most a rank that gets no processor is waited for

DONE, WAIT, ATTEND, LOOK, NOTE = "done", "wait", "attend", "look", "note"
INTERRUPT, RELEASE, KILL = "interrupt", "release", "kill"
STOP_PRESSED = "Stop was pressed"


@dataclass(frozen=True)
class Action:
    """One step: its kind, the ranks it concerns, and for INTERRUPT why, for WAIT how long at most."""

    kind: str
    ranks: tuple[int, ...] = ()
    why: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True)
class Sight:
    """What is known of the main thread of a rank that still runs the cell."""

    heard: bool = False  # it has said where it stands
    waiting: bool = False  # in communication, as far as its stack tells
    still_since_s: float = 0.0  # since when it has neither moved nor computed
    leaving: bool = False  # out of the cell already, writing its error
    silent: bool = False  # not even its control thread answers: C code holds the interpreter
    starved: bool = False  # it wants to run and gets no processor

    def stuck(self, now_s: float) -> bool:
        """Whether it has been waiting in communication, unmoved, for a while."""
        return self.heard and self.waiting and now_s - self.still_since_s >= STUCK_S


@dataclass(frozen=True)
class Facts:
    """A running cell at one moment; times in seconds of one clock, None for what has not happened."""

    ranks: int  # how many run the cell, or ran it
    sights: dict[int, Sight]  # of those that still run it
    began_s: float = 0.0
    timeout_s: float | None = None
    note_after_s: float = 10.0
    quiet_since_s: float = 0.0  # since when nobody has printed
    trouble: bool = False  # a rank has raised, died or left the group
    stop_asked: str = ""  # why the cell is to be stopped
    attended: bool = False
    looked_s: float = float("-inf")
    noted_s: float = float("-inf")
    interrupted_s: float | None = None
    interrupted_again: bool = False
    released_s: float | None = None
    cut_s: float = float("-inf")  # when connections were last cut
    killed: frozenset[int] = field(default_factory=frozenset)

    @property
    def running(self) -> tuple[int, ...]:
        return tuple(self.sights)


def decide(facts: Facts, now_s: float) -> Action:
    """Say what is to be done now; once it is done, ask again. WAIT: nothing before news or ``wait_s``."""
    if not facts.sights:
        return Action(DONE)
    if facts.interrupted_s is None and (why := reason_to_stop(facts, now_s)):
        return Action(INTERRUPT, facts.running, why)
    if facts.interrupted_s is not None:
        action = ending(facts, now_s, now_s - facts.interrupted_s)
    elif facts.trouble:
        action = letting_go(facts, now_s)
    else:
        action = watching(facts, now_s)
    alert = facts.trouble or facts.interrupted_s is not None
    action = action or after_release(facts, now_s) or releasing_again(facts, now_s)
    return action or Action(WAIT, wait_s=ALERT_TICK_S if alert else TICK_S)


def reason_to_stop(facts: Facts, now_s: float) -> str:
    """Say why the cell is to be stopped; empty where it is not."""
    if facts.timeout_s is not None and now_s - facts.began_s > facts.timeout_s:
        return f"The time limit of {facts.timeout_s:g} s (--timeout) was reached"
    return facts.stop_asked


def watching(facts: Facts, now_s: float) -> Action | None:
    """All is well so far: have a long cell attended to, and note who waits where when nobody prints."""
    if not facts.attended and now_s - facts.began_s >= ATTEND_AFTER_S:
        return Action(ATTEND, facts.running)
    if now_s - facts.quiet_since_s < facts.note_after_s:
        return None
    if now_s - facts.looked_s >= NOTE_LOOK_S:
        return Action(LOOK, facts.running)
    return Action(NOTE) if facts.noted_s < facts.looked_s or now_s - facts.noted_s >= TICK_S else None


def letting_go(facts: Facts, now_s: float) -> Action | None:
    """A rank has gone, or failed: release the others once none of them can go on."""
    if look_is_due(facts, now_s):
        return Action(LOOK, facts.running)
    if facts.released_s is None and all(sight.stuck(now_s) for sight in facts.sights.values()):
        return Action(RELEASE, facts.running)
    return None


def ending(facts: Facts, now_s: float, since_s: float) -> Action | None:
    """The cell has been interrupted ``since_s`` ago: what does not end is released, then killed."""
    if look_is_due(facts, now_s):
        return Action(LOOK, facts.running)
    if since_s > INTERRUPT_AGAIN_S and not facts.interrupted_again:  # Python drops one that falls into a destructor
        return Action(INTERRUPT, tuple(rank for rank, sight in facts.sights.items() if not sight.leaving))
    if since_s > RELEASE_AFTER_STOP_S and facts.released_s is None and waits(facts.sights.values()):
        return Action(RELEASE, facts.running)
    if silent := {rank: sight for rank, sight in facts.sights.items() if sight.silent}:
        return killing(silent, facts, since_s, KILL_SILENT_AFTER_STOP_S)
    return killing(facts.sights, facts, since_s, KILL_AFTER_STOP_S + (ECHO_S if facts.killed else 0.0))


def releasing_again(facts: Facts, now_s: float) -> Action | None:
    """Some rank is still stuck after a release: what it waits for was not among the connections that were cut."""
    stuck = any(sight.stuck(now_s) for sight in facts.sights.values())
    due = facts.released_s is not None and now_s - facts.cut_s >= RELEASE_AGAIN_S
    return Action(RELEASE, facts.running) if stuck and due else None


def after_release(facts: Facts, now_s: float) -> Action | None:
    """Kill what did not leave when it was released."""
    if facts.released_s is None:
        return None
    return killing(facts.sights, facts, now_s - facts.released_s, KILL_AFTER_RELEASE_S)


def killing(sights: dict[int, Sight], facts: Facts, past_s: float, limit_s: float) -> Action | None:
    """Kill the ranks whose time to end is up; one that gets no processor, or writes its error, has longer."""
    if past_s < limit_s:
        return None
    patient = past_s < PATIENCE_S
    leaving = {rank for rank, sight in sights.items() if sight.leaving and past_s < LEAVING_S}
    starved = {rank for rank, sight in sights.items() if sight.starved and patient}
    overdue = tuple(rank for rank in sights if rank not in {*facts.killed, *leaving, *starved})
    return Action(KILL, overdue) if overdue else None


def waits(sights: Iterable[Sight]) -> bool:
    """Whether some rank is in communication."""
    return any(sight.heard and sight.waiting for sight in sights)


def noteworthy(facts: Facts, now_s: float) -> bool:
    """Whether silence means more than work: some ranks have finished, all wait, or one does not answer."""
    sights = facts.sights.values()
    if not all(sight.heard or sight.silent for sight in sights):
        return False
    return len(sights) < facts.ranks or any(s.silent for s in sights) or all(s.stuck(now_s) for s in sights)


def look_is_due(facts: Facts, now_s: float) -> bool:
    """Whether it is time to ask again where the ranks stand: the more there are, the more seldom."""
    every_s = min(LOOK_AT_MOST_S, max(LOOK_S, LOOK_PER_RANK_S * len(facts.sights)))
    return now_s - facts.looked_s >= every_s
