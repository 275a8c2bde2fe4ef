"""What is done next with a running cell: one row for each rule of ``decide``."""

import pytest

from mgpu_lab.engine import decide as d
from mgpu_lab.engine.decide import Action, Facts, Sight, decide

TIME_IS_UP = "The time limit of 2 s (--timeout) was reached"
WAITS = Sight(heard=True, waiting=True)  # still since time 0
COMPUTES = Sight(heard=True)
SILENT = Sight(silent=True)
LEAVES = Sight(heard=True, leaving=True)
JUST_WAITS = Sight(heard=True, waiting=True, still_since_s=4.9)
STARVES = Sight(heard=True, starved=True)
LOOKED = {"attended": True, "looked_s": 1e9, "cut_s": 1e9}  # neither a look nor another cut is due
STOPPED = {**LOOKED, "interrupted_s": 10.0}
AGAIN = {**STOPPED, "interrupted_again": True}
RELEASED = {**AGAIN, "released_s": 10.2}


def facts(*sights, **known):
    return Facts(ranks=known.pop("ranks", len(sights)), sights=dict(enumerate(sights)), **known)


KILL = Action(d.KILL, (0,))
WAIT, WAIT_ALERT = Action(d.WAIT, wait_s=d.TICK_S), Action(d.WAIT, wait_s=d.ALERT_TICK_S)
ROWS = {
    "all have answered": (facts(ranks=2), 5.0, Action(d.DONE)),
    "it has just begun": (facts(COMPUTES), 0.05, WAIT),
    "it takes a while": (facts(COMPUTES, WAITS), 0.2, Action(d.ATTEND, (0, 1))),
    "it is attended to": (facts(COMPUTES, attended=True), 0.3, WAIT),
    "silent for ten seconds: look": (facts(WAITS, attended=True), 10.1, Action(d.LOOK, (0,))),
    "silent and looked at: note": (facts(WAITS, attended=True, looked_s=10.0), 10.1, Action(d.NOTE)),
    "noted a moment ago": (facts(WAITS, attended=True, looked_s=10.0, noted_s=10.1), 10.15, WAIT),
    "it has printed since": (facts(WAITS, attended=True, quiet_since_s=9.0), 10.1, WAIT),
    # trouble: a rank has raised, died or left
    "trouble: look": (facts(WAITS, ranks=2, trouble=True), 5.0, Action(d.LOOK, (0,))),
    "trouble: all others wait": (facts(WAITS, ranks=2, trouble=True, **LOOKED), 5.0, Action(d.RELEASE, (0,))),
    "trouble: one of them computes": (facts(WAITS, COMPUTES, ranks=3, trouble=True, **LOOKED), 5.0, WAIT_ALERT),
    "trouble: it waits for a moment only": (facts(JUST_WAITS, ranks=2, trouble=True, **LOOKED), 5.0, WAIT_ALERT),
    "trouble: released before": (facts(WAITS, ranks=2, trouble=True, released_s=4.9, **LOOKED), 5.0, WAIT_ALERT),
    "released and still there": (facts(WAITS, ranks=2, trouble=True, released_s=3.9, **LOOKED), 5.0, KILL),
    "trouble: released a while ago and still stuck": (
        facts(WAITS, ranks=2, trouble=True, released_s=4.6, **LOOKED | {"cut_s": 4.6}),
        5.0,
        Action(d.RELEASE, (0,)),
    ),
    # Stop and --timeout
    "Stop": (facts(COMPUTES, stop_asked=d.STOP_PRESSED), 5.0, Action(d.INTERRUPT, (0,), d.STOP_PRESSED)),
    "time is up": (
        facts(COMPUTES, timeout_s=2),
        2.1,
        Action(d.INTERRUPT, (0,), TIME_IS_UP),
    ),
    "time is not up": (facts(COMPUTES, timeout_s=2, attended=True), 1.9, WAIT),
    "interrupted: a moment": (facts(COMPUTES, **STOPPED), 10.1, WAIT_ALERT),
    "interrupted: it waits": (facts(WAITS, COMPUTES, **STOPPED), 10.2, Action(d.RELEASE, (0, 1))),
    "interrupted: still stuck": (facts(WAITS, **RELEASED | {"cut_s": 10.2}), 10.6, Action(d.RELEASE, (0,))),
    "interrupted: none waits": (facts(COMPUTES, **STOPPED), 10.2, WAIT_ALERT),
    "interrupted: again": (facts(COMPUTES, LEAVES, **STOPPED), 10.6, Action(d.INTERRUPT, (0,))),
    "interrupted: silent": (facts(SILENT, WAITS, **RELEASED), 10.9, KILL),
    "interrupted: silent, and another is stuck": (facts(SILENT, WAITS, **RELEASED | {"cut_s": 10.2}), 10.9, KILL),
    "released, still stuck and overdue": (
        facts(WAITS, ranks=2, trouble=True, released_s=3.9, **LOOKED | {"cut_s": 4.6}),
        5.0,
        KILL,
    ),
    "interrupted: overdue": (facts(COMPUTES, LEAVES, **RELEASED), 11.3, KILL),
    "interrupted: another was killed": (facts(COMPUTES, killed=frozenset({1}), **AGAIN), 11.3, WAIT_ALERT),
    "interrupted: killed once": (facts(COMPUTES, killed=frozenset({0}), **RELEASED), 20.0, WAIT_ALERT),
    "interrupted: writes its error": (facts(LEAVES, **RELEASED), 60.0, WAIT_ALERT),
    "interrupted: its answer must be lost": (facts(LEAVES, **RELEASED), 71.0, KILL),
    "interrupted: gets no processor": (facts(STARVES, **RELEASED), 15.0, WAIT_ALERT),
    "interrupted: got none for too long": (facts(STARVES, **RELEASED), 19.0, KILL),
}


@pytest.mark.parametrize("name", ROWS)
def test_next_action(name):
    known, now_s, expected = ROWS[name]
    assert decide(known, now_s) == expected


@pytest.mark.parametrize(("count", "every_s"), [(2, d.LOOK_S), (20, 20 * d.LOOK_PER_RANK_S), (64, d.LOOK_AT_MOST_S)])
def test_more_ranks_are_looked_at_more_seldom(count, every_s):
    known = facts(*[COMPUTES] * count, trouble=True, looked_s=0.0)
    assert decide(known, every_s - 0.001).kind == d.WAIT
    assert decide(known, every_s + 0.001).kind == d.LOOK


@pytest.mark.parametrize(
    ("sights", "ranks", "noteworthy"),
    [
        ([WAITS, WAITS], 2, True),
        ([WAITS, COMPUTES], 2, False),
        ([COMPUTES], 2, True),  # the other has finished
        ([COMPUTES, SILENT], 2, True),
        ([WAITS, Sight()], 2, False),  # not heard of everybody yet
    ],
)
def test_silence_is_noted_where_it_means_more_than_work(sights, ranks, noteworthy):
    assert d.noteworthy(facts(*sights, ranks=ranks), 5.0) is noteworthy
